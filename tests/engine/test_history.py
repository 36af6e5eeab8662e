"""Bars from before the start, and ranges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onetape.engine.strategy import Strategy
from onetape.model.errors import BadInput
from worlds.tapes import BTC, START, Market, at_ns, play

FIELDS = ("ts_open", "ts_close", "open", "high", "low", "close", "volume")


class Bars(Strategy):
    periods: str = "1m"
    history: int = 20

    def on_start(self):
        self.at_start = {}
        self.shown = []
        self.subscribe(BTC, bars=self.periods.split("+"), history=self.history)

    def on_bar(self, bar):
        if not self.shown:
            for period in self.periods.split("+"):
                self.at_start[period] = table(self.bars(BTC, period, 10_000))
        self.shown.append((bar.period, *(getattr(bar, field) for field in FIELDS)))


def table(bars) -> list[tuple]:
    return list(zip(*(getattr(bars, field).tolist() for field in FIELDS), strict=True))


def walk(market: Market, minutes: range, kind: str = "trade") -> Market:
    rng = np.random.default_rng(minutes.start + 11)
    for minute in minutes:
        for _ in range(int(rng.integers(1, 6))):
            pass
        times = np.sort(rng.choice(60_000, 5, replace=False))
        for at in times:
            price = 100 + int(rng.integers(-20, 21)) / 10
            when = minute * 60 + int(at) / 1000
            if kind == "trade":
                market.trade(when, price, int(rng.integers(1, 9)) / 10)
            else:
                market.quote(when, price, price + 0.2)
    return market


@pytest.mark.parametrize("kind", ["trade", "quote"])
@pytest.mark.parametrize("periods", ["1m", "1m+5m", "3m+1m"])
@pytest.mark.parametrize("start", [30 * 60, 30 * 60 + 17, 31 * 60 - 1])
def test_bars_from_a_later_start_are_those_of_the_whole_tape(tmp_path, kind, periods, start):
    tape = walk(Market(tmp_path / "t"), range(50), kind).done()
    whole = play(Bars, tape, params={"periods": periods}).robot.shown
    later = play(Bars, tape, params={"periods": periods}, start=at_ns(start)).robot
    # From the start on, the same bars are shown; the first is complete.
    assert later.shown == [bar for bar in whole if bar[2] > at_ns(start)]
    # And what came before is in the windows: as many as asked for, the same bars.
    for period in periods.split("+"):
        expected = [bar[1:] for bar in whole if bar[0] == period and bar[2] <= later.shown[0][2]]
        got = later.at_start[period]
        assert got == expected[-len(got) :]
        assert len(got) >= min(20, len(expected) - 1)


def test_history_is_there_when_on_start_returns(tmp_path):
    class Early(Bars):
        def on_start(self):
            super().on_start()
            self.subscribe(BTC, trades=True)

        def on_trade(self, trade):
            if not hasattr(self, "first"):
                self.first = len(self.bars(BTC, "1m", 100).close)

    tape = walk(Market(tmp_path / "t"), range(40)).done()
    assert play(Early, tape, start=at_ns(30 * 60)).robot.first >= 20


def test_history_reaches_back_over_several_tapes_of_one_symbol(tmp_path):
    days = [walk(Market(tmp_path / "a"), range(25)).done(), walk(Market(tmp_path / "b"), range(25, 50)).done()]
    whole = play(Bars, *days).robot.shown
    later = play(Bars, *days, start=at_ns(30 * 60 + 5)).robot
    assert later.shown == [bar for bar in whole if bar[2] > at_ns(30 * 60 + 5)]
    expected = [bar[1:] for bar in whole if bar[2] <= later.shown[0][2]]
    got = later.at_start["1m"]
    assert len(got) >= 20 and got == expected[-len(got) :]


def test_a_bar_asked_for_by_its_source_is_built_from_it(tmp_path):
    class Sources(Strategy):
        def on_start(self):
            self.seen = {}
            self.subscribe(BTC, bars=["1m@trade", "1m@mid"])

        def on_bar(self, bar):
            for text in ("1m@trade", "1m@mid"):
                self.seen[text] = self.bars(BTC, text, 5).close.tolist()

    market = Market(tmp_path / "t").quote(1, 100, 100.1).trade(2, 105, 1).quote(61, 100, 100.1)
    seen = play(Sources, market.trade(70, 1, 1).done()).robot.seen
    assert seen == {"1m@trade": [105.0], "1m@mid": [100.05]}


def test_the_tapes_own_bars_win_over_trades(tmp_path):
    market = Market(tmp_path / "t").trade(1, 500, 1).bar(60, "1m", (100, 101, 99, 100.5))
    market.trade(61, 500, 1).bar(120, "1m", (100, 101, 99, 100.6)).trade(121, 500, 1)
    shown = play(Bars, market.done()).robot.shown
    assert [bar[6] for bar in shown] == [100.5, 100.6]


def test_a_bar_is_never_shown_before_its_close(tmp_path):
    class Watch(Bars):
        def on_bar(self, bar):
            assert bar.ts_close <= self.now
            super().on_bar(bar)

    tape = walk(Market(tmp_path / "t"), range(10)).done()
    played = play(Watch, tape, params={"periods": "1m+5m"})
    assert played.robot.shown and not played.host.failures


# --- ranges


class Counts(Strategy):
    def on_start(self):
        self.subscribe(BTC, quotes=True)
        self.seen = []

    def on_quote(self, quote):
        self.seen.append((self.now - START) // 10**9)


def ten(path: Path) -> Path:
    market = Market(path)
    for second in range(10):
        market.quote(second, 99.9, 100.1)
    return market.done()


@pytest.mark.parametrize(
    ("start", "end", "seen"),
    [
        (None, None, list(range(10))),
        (3, None, [3, 4, 5, 6, 7, 8, 9]),
        (None, 3, [0, 1, 2]),
        (2.5, 5, [3, 4]),
        (-100, 1, [0]),
        (9, 1000, [9]),
    ],
)
def test_from_is_inclusive_and_to_is_exclusive(tmp_path, start, end, seen):
    limits = {name: at_ns(value) for name, value in (("start", start), ("end", end)) if value is not None}
    assert play(Counts, ten(tmp_path / "t"), **limits).robot.seen == seen


@pytest.mark.parametrize("limits", [{"start": at_ns(100)}, {"end": at_ns(-1)}, {"end": at_ns(0)}])
def test_a_range_outside_the_data_names_the_datas(tmp_path, limits):
    with pytest.raises(BadInput) as caught:
        play(Counts, ten(tmp_path / "t"), **limits)
    assert "2026-01-01T00:00:00Z .. 2026-01-01T00:00:09Z" in str(caught.value)


def test_a_window_asked_for_before_its_start_has_what_the_market_was(tmp_path):
    """Market state before --from is known: a quote from before is there, without a callback."""

    class First(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)
            self.price = self.quote(BTC).bid

    market = Market(tmp_path / "t").quote(0, 50, 51).quote(10, 60, 61)
    assert play(First, market.done(), start=at_ns(5)).robot.price == 50


class Count(Strategy):
    def on_start(self):
        self.raised = []
        for count in (-1, 10**12, 1.5, "5", True, None):
            for call in (
                lambda count=count: self.subscribe(BTC, bars="1m", history=count),
                lambda count=count: self.bars(BTC, "1m", count),
            ):
                with pytest.raises((TypeError, ValueError)) as raised:
                    call()
                self.raised.append(str(raised.value))
        self.subscribe(BTC, bars="1m", history=2)


def test_a_count_of_bars_that_no_feed_can_keep_is_refused_where_it_is_said(tmp_path):
    tape = walk(Market(tmp_path / "t"), range(3)).done()
    raised = play(Count, tape).robot.raised
    assert len(raised) == 12
    assert "history is 0 to 10000000 bars, not 1000000000000" in raised
    assert "n is a number of bars, not '5'" in raised
