"""Bad ticks: each rule by itself, and all of them against their definition."""

from __future__ import annotations

import pytest
from core_tested import Merge, TickFilter
from hypothesis import given
from hypothesis import strategies as st

from onetape._core import TICK_RULES
from reference.merge import SECOND, Filter, Quote

T0 = 1_767_225_600 * SECOND
RULES = TICK_RULES[1:]
MS = 10**6


class Feed:
    """Good quotes of one source, a tenth of a second apart, 60 ms under way."""

    def __init__(self, **options) -> None:
        self.filter = TickFilter(**options)
        self.now = T0

    def quote(self, bid: int, ask: int, *, source: int = 0, event: int | None = None, **more) -> str:
        self.now += 100 * MS
        return self.filter.quote(source, 0, self.now - 60 * MS if event is None else event, self.now, bid, ask, **more)

    def trade(self, price: int, *, source: int = 0, id_: int = 0, sequence: int = 0) -> str:
        self.now += 100 * MS
        return self.filter.trade(source, 0, self.now - 60 * MS, self.now, price, 1, id_, sequence)

    def usual(self, count: int = 40, price: int = 60_000) -> None:
        for n in range(count):
            assert self.quote(price + n % 5, price + 10 + n % 5) == "none"


def break_zero_price(feed: Feed) -> str:
    assert feed.quote(0, 60_010, bid_size=0) == "none"  # a side that is empty
    return feed.quote(0, 60_010)


def break_negative(feed: Feed) -> str:
    return feed.quote(60_000, 60_010, ask_size=-1)


def break_crossed(feed: Feed) -> str:
    return feed.quote(60_011, 60_010)


def break_locked_too_long(feed: Feed) -> str:
    for size in range(1, 12):  # for a second
        assert feed.quote(60_005, 60_005, bid_size=size) == "none"
    return feed.quote(60_005, 60_005, bid_size=50)


def break_stale(feed: Feed) -> str:
    feed.quote(60_000, 60_010)
    feed.now += 20 * SECOND
    return feed.quote(60_000, 60_011, event=feed.now - 11 * SECOND)


def break_duplicate(feed: Feed) -> str:
    event = feed.now
    assert feed.quote(60_000, 60_010, event=event) == "none"
    return feed.quote(60_000, 60_010, event=event)


def break_out_of_order(feed: Feed) -> str:
    return feed.quote(60_000, 60_010, event=feed.now - 500 * MS)


def break_wrong_symbol(feed: Feed) -> str:
    return feed.filter.unknown()


def break_spike(feed: Feed) -> str:
    return feed.quote(90_000, 90_010)


BREAKS = {name.removeprefix("break_"): each for name, each in globals().items() if name.startswith("break_")}


def test_every_rule_has_its_test():
    assert set(BREAKS) == set(RULES)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_names_what_breaks_it_and_counts_it(rule):
    feed = Feed()
    feed.usual()
    assert BREAKS[rule](feed) == rule
    assert [name for number, name in enumerate(TICK_RULES) if feed.filter.count(number)] == [rule]
    feed.usual(3)


@pytest.mark.parametrize("rule", [each for each in RULES if each != "wrong_symbol"])
def test_a_rule_that_is_off_says_nothing(rule):
    feed = Feed(off=[rule, "out_of_order"] if rule == "stale" else [rule])
    feed.usual()
    assert BREAKS[rule](feed) != rule


def test_a_price_ahead_of_its_time_is_out_of_order_until_the_clock_was_set():
    feed = Feed()
    feed.usual()
    ahead = [feed.quote(60_000 + n, 60_010, event=feed.now + 20 * SECOND + n * MS) for n in range(4)]
    assert ahead == ["out_of_order", "out_of_order", "none", "none"]


def test_the_first_quote_of_a_quiet_symbol_may_be_old():
    feed = Feed()
    feed.usual()
    feed.now += 100 * MS
    assert feed.filter.quote(0, 1, feed.now - 60 * SECOND, feed.now, 50, 51) == "none"
    assert feed.filter.quote(0, 1, feed.now - 50 * SECOND, feed.now + 1, 50, 52) == "stale"


def test_a_single_spike_is_kept_back_and_the_market_goes_on():
    feed = Feed()
    feed.usual()
    assert feed.trade(30_000, id_=1) == "spike"
    feed.usual(3)
    assert feed.trade(30_000, id_=2) == "spike"
    assert feed.trade(60_003, id_=3) == "none"


def test_a_jump_is_believed_after_three_messages_and_its_trades_are_released():
    feed = Feed()
    feed.usual()
    assert [feed.trade(70_000 + n, id_=n, sequence=n) for n in (1, 2, 3)] == ["spike", "spike", "none"]
    assert feed.filter.released() == [(0, 1), (0, 2)]
    assert feed.trade(70_004, id_=2) == "duplicate"  # it has been released
    assert feed.quote(70_000, 70_010) == "none"


def test_a_jump_is_believed_at_once_when_a_second_source_says_so():
    feed = Feed()
    feed.usual()
    assert feed.trade(70_000, id_=1, sequence=8) == "spike"
    assert feed.trade(70_001, source=1, id_=2, sequence=9) == "none"
    assert feed.filter.released() == [(0, 8)]


def test_one_bad_print_that_is_told_three_times_confirms_nothing():
    feed = Feed()
    feed.usual()
    assert [feed.trade(30_000, id_=5) for _ in range(3)] == ["spike", "duplicate", "duplicate"]


def test_good_prices_between_them_break_a_row_of_spikes():
    feed = Feed()
    feed.usual()
    for n in range(6):
        assert feed.trade(30_000 + n, id_=n + 1) == "spike"
        assert feed.trade(60_001, id_=n + 100) == "none"


def test_in_a_merge_a_confirmed_trade_is_taken_once_whoever_brings_it():
    core, now = Merge(filters=True), T0
    for rank in (0, 1):
        core.add_source(rank)
    core.add_symbol()
    for n in range(20):
        now += 100 * MS
        assert core.trade(0, 0, now, now, 60_000 + n % 3, 1, n + 1)[0] == "taken"
    assert core.trade(0, 0, now + 1, now + 1, 70_000, 1, 50, 7)[0] == "bad"
    # The same trade from the second source confirms it; the first one's is released.
    assert core.trade(1, 0, now + 1, now + 2, 70_000, 1, 50, 3) == ("duplicate", [(0, 7)], False)
    assert core.trade(1, 0, now + 3, now + 3, 70_001, 1, 51)[0] == "taken"
    assert core.trade(0, 0, now + 3, now + 4, 70_001, 1, 51)[0] == "duplicate"


prices = st.sampled_from([0, -1, *range(9_990, 10_010), 10_100, 10_205, 12_000, 12_050, 5_000])
messages = st.lists(
    st.tuples(
        st.booleans(),  # a quote, or a trade
        st.integers(0, 1),  # source
        st.integers(0, 3),  # pause, in half seconds
        prices,
        st.sampled_from([-2, 0, 1, 1, 1, 5, 110]),  # spread
        st.integers(0, 2),  # sizes
        st.integers(0, 9),  # id
    ),
    max_size=80,
)


@given(messages, st.lists(st.integers(9_990, 10_010), max_size=40))
def test_all_rules_together_are_what_their_definition_says(rows, before):
    """Venue times do not run ahead, and no message is under way for long: what these come to is
    tested above."""
    core, model, now, event = TickFilter(), Filter(), T0, T0
    rows = [*((True, 0, 1, price, 1, 1, 0) for price in before), *rows]
    for sequence, (is_quote, source, pause, price, spread, size, id_) in enumerate(rows):
        now += pause * SECOND // 2
        event = now - (id_ % 3) * SECOND if is_quote else now
        if is_quote:
            quote = Quote(source, event, now, price, price + spread, 0)
            got = core.quote(source, 0, event, now, price, price + spread, size, 1, 0)
            assert got == model.quote(quote, size, 1)
        else:
            got = core.trade(source, 0, event, now, price, 1, id_, sequence)
            assert got == model.trade(source, now, price, 1, id_, sequence)
        assert core.released() == model.released
