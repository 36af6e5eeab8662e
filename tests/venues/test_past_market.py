"""Bars from before: whatever was traded, what a venue tells and what its stream tells next make
the bars that all trades make."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape import _core
from onetape.orders.calls import Call, Purpose
from onetape.venues.past_market import PAGES_MAX, PastBar, PastTrade, bars_before

SECOND = 10**9
MINUTE = 60 * SECOND
START = 1_700_000_000 // 3600 * 3600 * SECOND
X: Any = object()  # only the venue looks at it


class Bars:
    """A slow model: it keeps every trade, and counts the questions."""

    intervals = (MINUTE, 5 * MINUTE, 60 * MINUTE)

    def __init__(self, trades: list[PastTrade], *, page: int = 1000, tells_quiet: bool = True):
        self.all, self.page, self.tells_quiet = trades, page, tells_quiet
        self.requests: list[str] = []
        self.answer: object = None

    def made(self, interval: int, begin: int, end: int) -> list[PastBar]:
        found, close = [], 0
        before = [each for each in self.all if each.time < begin]
        close = before[-1].price if before else 0
        for at in range(begin, end, interval):
            inside = [each for each in self.all if at <= each.time < at + interval]
            prices = [each.price for each in inside]
            if inside:
                close = prices[-1]
                found.append(
                    PastBar(
                        at,
                        prices[0],
                        max(prices),
                        min(prices),
                        close,
                        sum(each.size for each in inside),
                        sum(each.price * each.size for each in inside),
                        len(inside),
                    )
                )
            elif close and self.tells_quiet:
                found.append(PastBar(at, close, close, close, close, 0, 0, 0))
        return found

    def call(self, kind: str, answer: object) -> Call:
        self.requests.append(kind)
        self.answer = answer
        return Call(Purpose.MARKET, "GET", kind, b"", {}, 1)

    def bars(self, instrument, interval, begin, end):
        # Real ones give the bar that runs, too, and others around.
        return self.call("bars", self.made(interval, begin, end + interval))

    def bars_of(self, instrument, body):
        return self.answer


class Venue(Bars):
    def trades(self, instrument, since, cursor=""):
        found = [e for e in self.all if e.time >= since and e.number >= int(cursor or 0)]
        return self.call("trades", found[: self.page])

    def trades_of(self, instrument, body):
        full = len(self.answer) == self.page
        return self.answer, str(self.answer[-1].number + 1) if full else ""

    def last_trade(self, instrument):
        return self.call("last", self.all[-1:])


def requests(venue: Bars, period: int, count: int, now: int):
    asking = bars_before(venue, X, period, count, now)
    try:
        next(asking)
        while True:
            asking.send(b"")
    except StopIteration as end:
        return end.value


trades = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 90), st.integers(1, 50)), max_size=120).map(
    lambda rows: [
        PastTrade(n, time, price, size)
        for n, (time, price, size) in enumerate(
            zip(
                [START + t for t in _running([r[0] for r in rows])],
                [r[1] for r in rows],
                [r[2] for r in rows],
                strict=True,
            ),
            1,
        )
    ]
)


def _running(gaps: list[int]) -> list[int]:
    found, total = [], 0
    for gap in gaps:
        total += gap * SECOND // 2
        found.append(total)
    return found


@given(
    trades,
    st.sampled_from([5 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 15 * MINUTE]),
    st.integers(0, 12),
    st.integers(1, 24_000),
    st.booleans(),
    st.sampled_from([3, 1000]),
)
def test_told_and_heard_make_the_bars_of_all_trades(rows, period, count, after, quiet, page):
    now = START + after * SECOND // 2 + 1
    venue = Venue(rows, tells_quiet=quiet, page=page)
    answer = requests(venue, period, count, now)
    opened = _core.bar_open_time(now, period)
    expected = {bar.ts_open: bar for bar in Venue(rows).made(period, START, opened)}
    assert len(answer.completed) <= count
    for at, bar in enumerate(reversed(answer.completed)):
        assert bar.ts_open == opened - (at + 1) * period
        is_same = bar._replace(turnover=0) == expected[bar.ts_open]._replace(turnover=0)
        assert is_same, (bar, expected[bar.ts_open])
    if answer.running is None:
        assert not answer.completed
        return
    # Each trade by now is in it or before it, each later one is not, by its number alone.
    in_period = [each for each in rows if opened <= each.time <= now]
    assert answer.running.volume == sum(each.size for each in in_period)
    assert answer.running.trades == len(in_period)
    assert all((each.number <= answer.last_trade) == (each.time <= now) for each in rows)
    assert answer.running.close == [each.price for each in rows if each.time <= now][-1]


@given(trades, st.sampled_from([5 * SECOND, 5 * MINUTE]), st.integers(1, 10))
def test_all_that_there_is_is_told(rows, period, count):
    """Where the first trade lies long enough back, no bar is missing."""
    if len(rows) < 2:
        return
    now = rows[-1].time + 1
    answer = requests(Venue(rows), period, count, now)
    opened = _core.bar_open_time(now, period)
    first = _core.bar_open_time(rows[0].time, period)
    if period < MINUTE:
        first += period  # what lies before the first trade that is told of may be missing
    assert len(answer.completed) >= min(count, (opened - first) // period)
    assert (answer.lacks == "") == (len(answer.completed) == count)


def test_of_too_many_trades_the_newest_are_asked_for():
    rows = [PastTrade(n, START + n * SECOND // 100, 10, 1) for n in range(1, 30_001)]
    venue = Venue(rows)
    answer = requests(venue, 5 * SECOND, 58, rows[-1].time)
    assert 0 < len(answer.completed) < 58
    assert answer.lacks
    assert answer.last_trade == 30_000
    assert all(bar.volume == 500 for bar in answer.completed)
    assert len(venue.requests) <= 2 * PAGES_MAX


def test_too_many_trades_for_any_bar_give_none():
    rows = [PastTrade(n, START + n, 10, 1) for n in range(1, 100)]
    answer = requests(Venue(rows, page=2), 5 * SECOND, 3, rows[-1].time)
    assert answer.running is None and not answer.completed and answer.lacks


def test_a_day_takes_few_questions():
    rows = [PastTrade(n, START + n * MINUTE, 10, 1) for n in range(1, 3000)]
    venue = Venue(rows)
    now = rows[-1].time + 5 * SECOND
    assert requests(venue, 60 * MINUTE, 20, now).completed
    assert venue.requests == ["bars", "bars", "trades"]


def test_a_market_without_a_trade_has_no_bars():
    answer = requests(Venue([]), MINUTE, 3, START + 5 * SECOND)
    assert answer.running is None and answer.lacks


@pytest.mark.parametrize("ahead", [0, 1, 7])
def test_a_trade_of_the_moment_counts_as_before(ahead):
    rows = [PastTrade(1, START, 10, 1), PastTrade(2, START + MINUTE + ahead, 11, 1)]
    answer = requests(Venue(rows), MINUTE, 1, START + MINUTE)
    assert answer.last_trade == (2 if ahead == 0 else 1)
    assert answer.running.volume == (1 if ahead == 0 else 0)


@given(trades, st.sampled_from([MINUTE, 5 * MINUTE, 120 * MINUTE]), st.integers(0, 12), st.integers(1, 24_000))
def test_of_trades_without_numbers_the_minute_that_runs_is_left_to_the_stream(rows, period, count, after):
    now = START + after * SECOND // 2 + 1
    answer, whole = requests(Bars(rows), period, count, now), requests(Venue(rows), period, count, now)
    opened, minute = _core.bar_open_time(now, period), now - now % MINUTE
    assert answer.last_trade == 0
    assert answer.lacks
    if answer.running is None:
        assert not answer.completed
        return
    assert answer.completed == whole.completed
    assert answer.running.ts_open == opened
    assert answer.running.volume == sum(each.size for each in rows if opened <= each.time < minute)


def test_bars_below_a_minute_are_not_made_of_trades_without_numbers():
    venue = Bars([PastTrade(1, START, 5, 7)])
    assert requests(venue, 5 * SECOND, 3, START + MINUTE)[:2] == ([], None)
    assert venue.requests == []
