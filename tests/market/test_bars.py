"""Bars against a slow aggregation, and the rules of their edges."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import numpy as np
import pytest
from core_tested import BarStream, BarWindow
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_bars import SECOND, SlowBar, aggregate, period_start

from long_form import examples
from onetape._core import bar_open_time

TRADE, MID, VENUE = range(3)
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
PERIODS = [SECOND, 13 * SECOND, MINUTE, 13 * MINUTE, HOUR, 7 * HOUR, DAY, 7 * DAY]
Closed = tuple[int, int, int, int, int, int, int, int, int, int, bool]


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


def same(closed: Closed, slow: SlowBar, scale: int, *, traded: bool) -> None:
    _, ts_open, ts_close, open_, high, low, close, volume, turnover, trades, empty = closed
    assert (ts_open, ts_close) == (slow.ts_open, slow.ts_close)
    assert [Fraction(x, scale) for x in (open_, high, low, close)] == [slow.open, slow.high, slow.low, slow.close]
    assert volume == slow.volume
    assert turnover == slow.turnover
    assert trades == (slow.ticks if traded else -1)
    assert empty == (slow.ticks == 0)


steps = st.one_of(
    st.integers(0, 3 * SECOND),
    st.integers(0, 20 * MINUTE),
    st.sampled_from([0, 1, SECOND, MINUTE, HOUR, 61 * MINUTE, 3 * DAY]),
)
starts = st.sampled_from(
    [
        0,
        ns("2024-02-28T23:59:58"),  # a leap day follows
        ns("2024-08-04T23:30:00"),  # Monday follows
        ns("2025-12-31T23:59:59"),
        ns("1969-12-31T23:59:59"),
    ]
)


@settings(max_examples=examples(150), deadline=None)
@given(
    start=starts,
    flow=st.lists(st.tuples(steps, st.integers(-500, 500), st.integers(1, 9)), max_size=25),
    rest=steps,
    periods=st.lists(st.sampled_from(PERIODS[2:]), min_size=1, max_size=4, unique=True),
)
def test_trade_bars_equal_the_slow_aggregation(
    start: int, flow: list[tuple[int, int, int]], rest: int, periods: list[int]
) -> None:
    stream = BarStream()
    index = {p: stream.add(p, TRADE) for p in periods}
    got: list[Closed] = []
    ticks: list[tuple[int, Fraction, int]] = []
    now = start
    for step, price, size in flow:
        now += step
        while batch := stream.take(now, limit=7):
            got += batch
        assert stream.on_trade(now, price, size) == "folded"
        ticks.append((now, Fraction(price), size))
    now += rest
    while batch := stream.take(now, limit=7):
        got += batch
    for period in periods:
        mine = [bar for bar in got if bar[0] == index[period]]
        want = aggregate(ticks, period, now)
        assert len(mine) == len(want)
        for closed, slow in zip(mine, want, strict=True):
            same(closed, slow, 1, traded=True)
    order = [(bar[2], bar[2] - bar[1]) for bar in got]
    assert order == sorted(order)


@settings(max_examples=examples(100), deadline=None)
@given(
    flow=st.lists(st.tuples(st.integers(0, 90 * SECOND), st.integers(1, 99), st.integers(0, 5)), max_size=30),
    period=st.sampled_from(PERIODS[:4]),
)
def test_mid_bars_are_exact_at_one_more_decimal(flow: list[tuple[int, int, int]], period: int) -> None:
    stream = BarStream()
    stream.add(period, MID)
    got: list[Closed] = []
    ticks: list[tuple[int, Fraction, int]] = []
    now = ns("2024-08-04T23:59:00")
    for step, bid, spread in flow:
        now += step
        got += stream.take(now, limit=10**6)
        assert stream.on_quote(now, bid, bid + spread) == "folded"
        ticks.append((now, Fraction(2 * bid + spread, 2), 0))
    now += MINUTE
    got += stream.take(now, limit=10**6)
    want = aggregate(ticks, period, now)
    assert len(got) == len(want)
    for closed, slow in zip(got, want, strict=True):
        same(closed, slow, 10, traded=False)


@given(time=st.integers(-(2**60), 2**62), period=st.sampled_from(PERIODS))
def test_periods_begin_where_the_calendar_says(time: int, period: int) -> None:
    assert bar_open_time(time, period) == period_start(time, period)


def test_a_week_begins_on_monday() -> None:
    assert bar_open_time(ns("2024-08-11T23:59:59"), 7 * DAY) == ns("2024-08-05")
    assert bar_open_time(ns("2024-08-12"), 7 * DAY) == ns("2024-08-12")


def test_a_trade_at_the_close_belongs_to_the_next_bar() -> None:
    stream = BarStream()
    stream.add(MINUTE, TRADE)
    stream.on_trade(0, 10, 1)
    assert stream.on_trade(MINUTE, 99, 1) == "due"  # the closed bar has to be taken first
    (bar,) = stream.take(MINUTE)
    assert bar[3:8] == (10, 10, 10, 10, 1)
    assert stream.on_trade(MINUTE, 99, 1) == "folded"


def test_a_quiet_market_closes_its_bars_by_the_clock() -> None:
    stream = BarStream()
    stream.add(MINUTE, TRADE)
    stream.on_trade(30 * SECOND, 10, 3)
    assert stream.take(MINUTE - 1) == []
    assert stream.due == MINUTE
    bars = stream.take(62 * MINUTE)  # an outage of 61 minutes
    assert len(bars) == 62
    assert [bar[10] for bar in bars] == [False] + [True] * 61
    assert {bar[3:8] for bar in bars[1:]} == {(10, 10, 10, 10, 0)}


def test_no_bar_before_the_first_trade() -> None:
    stream = BarStream()
    stream.add(MINUTE, TRADE)
    assert stream.take(DAY) == []


def test_a_tick_of_a_closed_period_is_counted_and_folded_nowhere() -> None:
    stream = BarStream()
    stream.add(MINUTE, TRADE)
    stream.on_trade(0, 10, 1)
    stream.take(MINUTE)
    stream.on_trade(MINUTE, 11, 1)
    assert stream.on_trade(MINUTE - 1, 999, 5) == "late"
    assert stream.on_trade(MINUTE + 5, 12, 1) == "folded"
    assert stream.on_trade(MINUTE + 2, 13, 1) == "folded"  # out of order, but in this bar
    (bar,) = stream.take(2 * MINUTE)
    assert bar[3:8] == (11, 13, 11, 13, 3)
    assert stream.counts(0)["late"] == 1


@pytest.mark.parametrize("size", [0, -1])
def test_a_trade_without_size_is_refused(size: int) -> None:
    stream = BarStream()
    stream.add(MINUTE, TRADE)
    assert stream.on_trade(0, 0, size) == "refused"
    assert stream.take(DAY) == []


def test_a_quote_with_one_side_has_no_mid() -> None:
    stream = BarStream()
    stream.add(MINUTE, MID)
    assert stream.on_quote(0, 0, 10) == "refused"
    assert stream.on_quote(0, 2**62, 2**62) == "refused"  # would not fit


def test_shorter_periods_close_first() -> None:
    stream = BarStream()
    hour, minute, mid = stream.add(HOUR, TRADE), stream.add(MINUTE, TRADE), stream.add(HOUR, MID)
    assert stream.add(HOUR, TRADE) == hour
    stream.on_trade(59 * MINUTE, 1, 1)
    stream.on_quote(59 * MINUTE, 1, 2)
    assert [bar[0] for bar in stream.take(HOUR)] == [minute, hour, mid]


def test_a_venue_bar_waits_for_its_close_on_our_clock() -> None:
    stream = BarStream()
    stream.add(MINUTE, VENUE)
    assert stream.on_bar(0, MINUTE, 1, 3, 1, 2, 7) == "folded"
    assert stream.take(MINUTE - 1) == []  # the venue's clock runs ahead of ours
    assert [bar[1:8] for bar in stream.take(MINUTE)] == [(0, MINUTE, 1, 3, 1, 2, 7)]
    assert stream.on_bar(0, MINUTE, 9, 9, 9, 9, 9) == "late"
    assert stream.on_bar(MINUTE, MINUTE + 1, 9, 9, 9, 9, 9) == "refused"  # no such period
    assert stream.take(DAY) == []  # none are made up


def test_turnover_is_exact_beyond_64_bits() -> None:
    stream = BarStream()
    stream.add(MINUTE, TRADE)
    stream.on_trade(0, -(2**61), 2**40)
    stream.on_trade(0, 2**62, 2**60)
    (bar,) = stream.take(MINUTE)
    assert bar[8] == 2**122 - 2**101


def fill(window: BarWindow, count: int, first: int = 0) -> None:
    for i in range(first, first + count):
        window.push(i * 60, i * 60 + 60, i, i + 3, i - 3, 100 + i, i, i * (101 + i))


def test_a_window_gives_the_last_bars_as_read_only_columns() -> None:
    window = BarWindow(2, 1, 8)
    fill(window, 5)
    bars = window.last(3)
    assert len(bars) == 3
    np.testing.assert_array_equal(bars.close, [1.02, 1.03, 1.04])
    np.testing.assert_array_equal(bars.volume, [0.2, 0.3, 0.4])
    np.testing.assert_array_equal(bars.ts_close, [180, 240, 300])
    np.testing.assert_allclose(bars.vwap, [1.03, 1.04, 1.05])
    assert bars.close.dtype == np.float64
    assert bars.ts_open.dtype == np.int64
    with pytest.raises(ValueError, match="read-only"):
        bars.close[0] = 1
    assert len(window.last(99)) == 5


def test_views_are_zero_copy_and_never_change() -> None:
    window = BarWindow(0, 0, 8)
    kept: list[tuple[np.ndarray, np.ndarray]] = []
    for i in range(100):
        fill(window, 1, i)
        close = window.last(8).close
        second = window.last(8).close
        assert np.shares_memory(close, second)
        assert close.flags.c_contiguous
        kept.append((close, close.copy()))
    for view, copy in kept:
        np.testing.assert_array_equal(view, copy)
    del window
    np.testing.assert_array_equal(kept[-1][0], np.arange(192, 200))


def test_a_window_grows() -> None:
    window = BarWindow(0, 0, 4)
    fill(window, 10)
    assert len(window) == 4
    window.reserve(20)
    fill(window, 16, 10)
    np.testing.assert_array_equal(window.last(20).close, 100 + np.arange(6, 26))


def test_vwap_of_bars_without_volume_or_turnover() -> None:
    window = BarWindow(0, 0, 4)
    window.push(0, 60, 5, 5, 5, 5, 0, 0)  # empty: the price that stands
    window.push(0, 60, 5, 5, 5, 5, 7, 0)  # a venue bar that does not tell
    vwap = window.last(2).vwap
    assert vwap[0] == 5
    assert np.isnan(vwap[1])
