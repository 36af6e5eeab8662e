"""Bars that end by what was traded in them, against a slow model, and as a strategy sees them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from core_tested import BarStream
from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape.engine.strategy import Strategy
from onetape.model.errors import StrategyError, UsageError
from worlds.tapes import BTC, Market, at_ns, play

VOLUME, TICKS, NOTIONAL, IMBALANCE = 4, 5, 6, 7
Trade = tuple[int, int, int, int]  # time, price, size, side (0: not said, 1 buy, 2 sell)


def slow(trades: Iterable[Trade], source: int, amount: int) -> list[tuple[int, ...]]:
    """(ts_open, ts_close, open, high, low, close, volume, turnover, trades) of each bar."""
    bars: list[tuple[int, ...]] = []
    inside: list[Trade] = []
    last_price, last_side = 0, 1
    signs: list[int] = []
    for time, price, size, side in trades:
        if side == 0:
            side = (1 if price > last_price else 2) if last_price and price != last_price else last_side
        last_price, last_side = price, side
        inside.append((time, price, size, side))
        signs.append(size if side == 1 else -size)
        reached = {
            VOLUME: sum(each[2] for each in inside),
            TICKS: len(inside),
            NOTIONAL: sum(each[1] * each[2] for each in inside),
            IMBALANCE: abs(sum(signs)),
        }[source]
        if reached >= amount:
            prices = [each[1] for each in inside]
            volume, turnover = sum(each[2] for each in inside), sum(each[1] * each[2] for each in inside)
            shape = prices[0], max(prices), min(prices), prices[-1]
            bars.append((inside[0][0], time, *shape, volume, turnover, len(inside)))
            inside, signs = [], []
    return bars


trades_drawn = st.lists(
    st.tuples(st.integers(0, 3 * 10**9), st.integers(90, 110), st.integers(1, 9), st.integers(0, 2)), max_size=60
)


@settings(max_examples=examples(200), deadline=None)
@given(steps=trades_drawn, source=st.sampled_from([VOLUME, TICKS, NOTIONAL, IMBALANCE]), amount=st.integers(1, 40))
def test_the_trade_that_reaches_the_amount_ends_the_bar(steps, source, amount):
    stream = BarStream()
    # Price times size has no decimals here; an amount of it is in millionths.
    stream.add(amount * (10**8 if source == NOTIONAL else 1), source)
    stream.add(10**9, 0)  # beside it one that ends by the clock
    now, trades, found = 0, [], []
    for step, price, size, side in steps:
        now += step
        found += [bar for bar in stream.take(now) if bar[0] == 0]
        trades.append((now, price, size, side))
        assert stream.on_trade(now, price, size, 0, side) == "folded"
    found += [bar for bar in stream.take(now) if bar[0] == 0]
    assert [bar[1:10] for bar in found] == slow(trades, source, amount * 100 if source == NOTIONAL else amount)


class Seen(Strategy):
    period: str = "3t"
    history: int = 0

    def on_start(self):
        self.subscribe(BTC, bars=self.period, history=self.history)
        self.seen, self.before = [], 0

    def on_bar(self, bar):
        assert bar.period == self.period
        window = self.bars(BTC, self.period, 100)
        self.before = self.before or len(window) - 1
        assert window.close[-1] == bar.close
        self.seen.append((self.now, bar.ts_open, bar.ts_close, bar.open, bar.high, bar.low, bar.close, bar.volume))


def market(tmp_path: Path) -> Path:
    made = Market(tmp_path / "t")
    for second in range(20):
        made.trade(second, 100 + second, 0.5, "buy" if second % 4 else "sell")
    return made.done()


@pytest.mark.parametrize(
    ("period", "each"), [("3t", 3), ("1v", 2), ("1.5v", 3), ("100n", 2), ("1i", None), ("0.001v", 1)]
)
def test_a_strategy_sees_them_when_they_are_whole(tmp_path, period, each):
    seen = play(Seen, market(tmp_path), params={"period": period}).robot.seen
    assert seen
    for now, ts_open, ts_close, open_, high, low, close, volume in seen:
        assert ts_open <= ts_close <= now
        assert (open_, close) == (low, high)
        assert volume == pytest.approx((ts_close - ts_open) / 10**9 * 0.5 + 0.5)
        if each is not None:
            assert ts_close - ts_open == (each - 1) * 10**9
    assert all(before[2] < after[1] for before, after in pairwise(seen))


def test_those_from_before_the_start_are_there(tmp_path):
    robot = play(Seen, market(tmp_path), params={"period": "3t", "history": 3}, start=at_ns(10)).robot
    assert robot.before == 3
    assert [each[1] for each in robot.seen] == [at_ns(9), at_ns(12), at_ns(15)]


@pytest.mark.parametrize("period", ["0t", "1.5t", "0.0001v", "5x"])
def test_an_amount_that_cannot_be_traded_is_refused(tmp_path, period):
    with pytest.raises((StrategyError, UsageError), match=period):
        play(Seen, market(tmp_path), params={"period": period})
