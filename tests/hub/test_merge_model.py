"""The merge against its definition, over any order in which sources bring what they have."""

from __future__ import annotations

from core_tested import Merge, TradeMemory
from hypothesis import given
from hypothesis import strategies as st

from onetape._core import FLAG_SNAPSHOT, FLAG_SYNTHETIC, MERGE_NONE
from reference.merge import SECOND, Bars, Memory, Quote, Trades, Values, bars_of

STALE = 2 * SECOND
T0 = 1_767_225_600 * SECOND

# Few values, so that times, ids and contents meet.
quotes = st.lists(
    st.tuples(
        st.integers(0, 2),  # source
        st.sampled_from([0, *range(1, 8)]),  # venue time
        st.integers(0, 5),  # seconds since the one before
        st.integers(100, 103),
        st.sampled_from([0, 0, 1, 2, 3]),  # update id
    ),
    max_size=60,
)


def merge(*ranks: int, **options) -> Merge:
    made = Merge(stale_ns=STALE, **options)
    for rank in ranks:
        made.add_source(rank)
    made.add_symbol()
    return made


@given(quotes, st.permutations([0, 1, 2]))
def test_a_quote_is_taken_as_its_definition_says(rows, ranks):
    core, model, now = merge(*ranks), Values(list(ranks), STALE), T0
    for source, event, pause, bid, update_id in rows:
        now += pause * SECOND
        ts_event = T0 + event if event else 0
        got = core.quote(source, 0, ts_event, now, bid, bid + 1, update_id)
        assert got == model.take(Quote(source, ts_event, now, bid, bid + 1, update_id))


@given(quotes)
def test_a_mark_is_taken_as_a_quote_without_a_sequence(rows):
    core, model, now = merge(0, 1, 2), Values([0, 1, 2], STALE), T0
    for source, event, pause, price, _ in rows:
        now += pause * SECOND
        ts_event = T0 + event if event else 0
        got = core.mark(source, 0, ts_event, now, price)
        assert got == model.take(Quote(source, ts_event, now, price, price, 0))


@given(st.data())
def test_whatever_the_order_of_arrival_the_newest_stands_and_nothing_steps_back(data):
    """Of one venue's messages, numbered by it, that each source brings in order, some not at all."""
    count = data.draw(st.integers(1, 12))
    streams = [
        [n for n in range(1, count + 1) if data.draw(st.booleans())] for _ in range(data.draw(st.integers(1, 4)))
    ]
    core, left, taken, now = merge(*range(len(streams))), [list(each) for each in streams], [], T0
    while any(left):
        source = data.draw(st.sampled_from([n for n, each in enumerate(left) if each]))
        number = left[source].pop(0)
        now += 1
        # Messages of one millisecond of the venue: the sequence orders them.
        if core.quote(source, 0, T0 + number // 3, now, 100 + number, 101 + number, number) == "taken":
            taken.append(number)
    assert taken == sorted(set(taken))
    assert taken[-1:] == [max(map(max, filter(None, streams)))] if any(streams) else not taken


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(1, 5), st.integers(1, 2), st.integers(1, 2), st.integers(0, 6)),
        max_size=60,
    )
)
def test_a_trade_is_taken_once_by_its_id_or_its_content(rows):
    core, model, now = merge(0, 1, 2), Trades(), T0
    contents: dict[int, tuple[int, int, int]] = {}
    for source, event, price, size, id_ in rows:
        now += 1
        if id_:  # one trade of the venue has one content
            event, price, size = contents.setdefault(id_, (event, price, size))
        outcome, _, is_late = core.trade(source, 0, T0 + event, now, price, size, id_)
        assert (outcome, is_late) == model.take(source, T0 + event, price, size, id_)


@given(st.data())
def test_each_trade_is_there_once_though_sources_are_minutes_apart(data):
    count = data.draw(st.integers(1, 200))
    delays = data.draw(st.lists(st.integers(0, 300), min_size=1, max_size=4))
    arrivals = sorted(
        (n * SECOND + delay * SECOND, source, n) for source, delay in enumerate(delays) for n in range(1, count + 1)
    )
    core, taken = merge(*range(len(delays))), []
    for at, source, n in arrivals:
        if core.trade(source, 0, T0 + n * SECOND, T0 + at, 100, n, n)[0] == "taken":
            taken.append(n)
    assert taken == list(range(1, count + 1))


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(0, 300)), max_size=300),
    st.sampled_from([2, 4, 32, 64]),
    st.sampled_from([1, 20, 1000]),
)
def test_what_is_forgotten_is_late_and_never_twice(rows, count_max, keep_ns):
    core, model = TradeMemory(count_max, keep_ns), Memory(count_max, keep_ns)
    for id_, time in rows:
        assert core.take(id_, time + 1) == model.take(id_, time + 1)
        assert core.size == len(model.held) <= count_max


@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),  # source
            st.integers(0, 6),  # period since the first
            st.sampled_from([60 * SECOND, 300 * SECOND]),
            st.integers(100, 102),
            # Told by a stream, answered by the venue, or made of trades.
            st.sampled_from([0, FLAG_SNAPSHOT, FLAG_SYNTHETIC]),
        ),
        max_size=40,
    )
)
def test_a_bar_is_taken_once_and_corrected_by_an_answer_alone_or_in_place_of_one_of_trades(rows):
    core, model = merge(0, 1), Bars()
    for source, place, period, close, flags in rows:
        ts_open = T0 + place * period
        got = core.bar(source, 0, ts_open + period, ts_open, period, close, flags)
        assert got == model.take(source, period, ts_open, close, {FLAG_SYNTHETIC: 0, 0: 1, FLAG_SNAPSHOT: 2}[flags])
    assert [core.disagreed(source, 0) for source in (0, 1)] == [model.disagreed[source] for source in (0, 1)]


MINUTE = 60 * SECOND


@given(st.data())
def test_a_bar_is_made_of_trades_where_none_between_its_neighbours_is_missing_and_is_the_true_one(data):
    """Each trade is brought by some sources, late or never, in any order within each minute and a half."""
    gaps = data.draw(st.lists(st.integers(0, 50), min_size=1, max_size=30))  # seconds between two trades
    first = data.draw(st.sampled_from([1, 7]))
    all_, at = [], T0
    for n, gap in enumerate(gaps):
        at += gap * SECOND
        all_.append((first + n, at, data.draw(st.integers(100, 104)), data.draw(st.integers(1, 3))))
    brought = [each for each in all_ if data.draw(st.integers(0, 9))]
    late = {each: data.draw(st.integers(0, 90)) * SECOND for each in brought}
    core, made, now = merge(0, 1), {}, T0
    core.bar(0, 0, T0, T0 - MINUTE, MINUTE, 100)
    for each in sorted(brought, key=lambda each: each[1] + late[each]):
        number, time, price, size = each
        now = max(now, time + late[each])
        for source in (0, 1) if data.draw(st.booleans()) else (1,):
            core.trade(source, 0, time, now, price, size, number)
        if data.draw(st.booleans()):
            made |= drained(core, now)
    made |= drained(core, now + 10 * MINUTE)
    numbers = {each[0] for each in brought}

    def is_whole(ts_open: int) -> bool:
        own = [number for number, time, *_ in all_ if time - time % MINUTE == ts_open]
        between = range(min(own) - 1, max(own) + 2)
        return all(number in numbers or number == 0 for number in between)

    true = bars_of(all_)
    assert made == {ts_open: bar for ts_open, bar in true.items() if is_whole(ts_open) and len(true) <= 8} or (
        len(true) > 8 and all(is_whole(ts_open) and true[ts_open] == bar for ts_open, bar in made.items())
    )


def drained(core: Merge, now: int) -> dict[int, tuple[int, ...]]:
    found = {}
    while (made := core.make_bar(0, now)) is not None:
        outcome, (ts_open, *bar, trades) = made
        assert outcome == "filled" and trades == -1 and ts_open + MINUTE + 5 * SECOND <= now
        assert ts_open not in found
        found[ts_open] = tuple(bar)
    return found


def test_what_the_venue_says_of_a_bar_is_compared_with_its_trades():
    core = merge(0)
    core.bar(0, 0, T0, T0 - MINUTE, MINUTE, 100)
    assert core.make_bar(0, T0 + 10 * MINUTE) is None
    for number in range(1, 6):  # one a minute; a bar of `core.bar` has the volume 1
        core.trade(0, 0, T0 + (number - 1) * MINUTE, T0, 100, 1 + (number == 2), number)
    for place in (0, 1):
        core.bar(0, 0, T0 + MINUTE, T0 + place * MINUTE, MINUTE, 100)
    assert core.make_bar(0, T0 + 65 * SECOND)[0] == "agrees"
    assert core.make_bar(0, T0 + 125 * SECOND - 1) is None  # the venue's own may still come
    assert [core.make_bar(0, T0 + 5 * MINUTE)[0] for _ in range(2)] == ["differs", "filled"]
    # What the venue says of it takes its place, also where it says the same.
    assert core.bar(0, 0, T0 + 6 * MINUTE, T0 + 2 * MINUTE, MINUTE, 100) == "corrected"
    assert core.bar(0, 0, T0 + 6 * MINUTE, T0 + 2 * MINUTE, MINUTE, 100) == "duplicate"
    core.pin(0, 0)
    assert core.make_bar(0, T0 + 9 * MINUTE) is None


def test_changes_of_one_stream_that_share_a_number_are_all_taken():
    """Pacifica numbers orders, so that changes of one millisecond have one number: of three the hub kept the first."""
    core = merge(0, 1)
    taken = [core.quote(0, 0, T0 + 1, T0 + 1, bid, 105, 7) for bid in (100, 101, 102)]
    assert taken == ["taken"] * 3 and core.disagreed(0, 0) == 0
    assert [core.quote(1, 0, T0 + 1, T0 + 2, bid, 105, 7) for bid in (100, 101, 102)] == ["duplicate"] * 3


def test_one_message_with_two_contents_is_counted():
    core = merge(0, 1)
    assert core.quote(0, 0, T0 + 1, T0 + 1, 100, 101, 7) == "taken"
    assert core.quote(1, 0, T0 + 1, T0 + 2, 100, 102, 7) == "duplicate"
    assert core.trade(0, 0, T0 + 1, T0 + 2, 100, 1, 9)[0] == "taken"
    assert core.trade(1, 0, T0 + 1, T0 + 2, 100, 2, 9)[0] == "duplicate"
    assert core.disagreed(1, 0) == 2


def test_a_pinned_symbol_has_values_of_its_source_alone_and_trades_of_all():
    core = merge(0, 1)
    core.pin(0, 1)
    assert core.quote(0, 0, T0 + 2, T0 + 2, 100, 101) == "pinned"
    assert core.quote(1, 0, T0 + 1, T0 + 2, 100, 101) == "taken"
    assert core.trade(0, 0, T0 + 2, T0 + 2, 100, 1, 1)[0] == "taken"
    core.pin(0, MERGE_NONE)
    assert core.quote(0, 0, T0 + 3, T0 + 3, 100, 101) == "taken"


def test_nothing_comes_back_after_its_listing_has_ended():
    core = merge(0)
    core.add_symbol()
    assert core.quote(0, 0, T0 + 1, T0 + 1, 100, 101) == "taken"
    core.end(0)
    assert core.quote(0, 0, T0 + 2, T0 + 2, 100, 101) == "ended"
    assert core.trade(0, 0, T0 + 2, T0 + 2, 100, 1, 1)[0] == "ended"
    assert core.quote(0, 1, T0 + 1, T0 + 1, 5, 6) == "taken"
    assert core.median(0, T0 + 3) is None


def test_the_median_is_of_the_last_half_minute():
    core = merge(0)
    for n, bid in enumerate((100, 104, 90, 101, 102)):
        core.quote(0, 0, T0 + n * SECOND, T0 + n * SECOND, bid, bid + 2)
    assert core.median(0, T0 + 5 * SECOND) == (101, 103)
    assert core.median(0, T0 + 31 * SECOND) == (102, 104)  # of 104, 90, 101, 102 the upper middle
    assert core.median(0, T0 + 33 * SECOND) is None  # of two nothing is said


def test_nothing_from_before_what_is_forgotten_is_taken():
    core = merge(0)
    core.forget_until(T0 + 10)
    core.add_symbol()
    for symbol in (0, 1):
        assert core.quote(0, symbol, T0 + 10, T0 + 20, 100, 101) == "older"
        assert core.trade(0, symbol, T0 + 10, T0 + 20, 100, 1, 5)[0] == "late"
        assert core.quote(0, symbol, T0 + 11, T0 + 20, 100, 101) == "taken"
        assert core.trade(0, symbol, T0 + 11, T0 + 20, 100, 1, 6)[0] == "taken"
