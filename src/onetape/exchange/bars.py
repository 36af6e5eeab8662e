"""Bars of a simulated exchange: minute bars of trades and prices, and longer bars made of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Final

from onetape.exchange.reports import BarReport
from onetape.model.time import MINUTE

__all__ = ["PriceBars", "aligned", "flat_bar", "merged", "one_of"]

BARS_KEPT: Final = 3000

Span = Callable[[int], tuple[int, int]]


def flat_bar(time: int, at: int, start: int, price: int) -> BarReport:
    """Returns a minute without trades."""
    return BarReport(time, at, start, start + MINUTE, *(4 * (price,)), *(5 * (0,)))


def one_of(bars: Sequence[BarReport], start: int, end: int) -> BarReport:
    """Joins consecutive bars into one."""
    traded = [bar for bar in bars if bar.trades]
    return bars[-1]._replace(
        open_time=start,
        close_time=end,
        open=bars[0].open,
        high=max(bar.high for bar in bars),
        low=min(bar.low for bar in bars),
        volume=sum(bar.volume for bar in bars),
        turnover=sum(bar.turnover for bar in bars),
        trades=sum(bar.trades for bar in bars),
        buy_volume=sum(bar.buy_volume for bar in bars),
        buy_turnover=sum(bar.buy_turnover for bar in bars),
        first_trade=traded[0].first_trade if traded else -1,
        last_trade=traded[-1].last_trade if traded else -1,
    )


def merged(bars: Iterable[BarReport], span: Span) -> list[BarReport]:
    """Joins minute bars into longer bars, oldest first. span: returns (open, close) of the bar that contains a time."""
    spans = groupby(bars, key=lambda bar: span(bar.open_time))
    return [one_of(list(found), *at) for at, found in spans]


def aligned(minutes: int) -> Span:
    """Returns the span function for bars that begin at multiples of their length since the epoch."""
    length = minutes * MINUTE
    return lambda time: (time - time % length, time - time % length + length)


class PriceBars:
    """Makes one-minute bars of a mark, index or premium, the current one last. The trade count is the number of
    prices."""

    def __init__(self) -> None:
        self.bars: deque[BarReport] = deque(maxlen=BARS_KEPT)

    def add(self, time: int, price: int) -> None:
        start = time - time % MINUTE
        if not self.bars or self.bars[-1].open_time != start:
            self.bars.append(flat_bar(time, -1, start, price)._replace(trades=1))
            return
        when, at, _, end, first, high, low, _, volume, turnover, trades, *bought = self.bars[-1]
        self.bars[-1] = BarReport(
            when, at, start, end, first, max(high, price), min(low, price), price, volume, turnover, trades + 1, *bought
        )

    def add_all(self, points: Iterable[tuple[int, int]]) -> None:
        """Adds many points like `add`: (time, price)."""
        for _, found in groupby(points, lambda point: point[0] - point[0] % MINUTE):
            rows = list(found)
            self.add(*rows[0])
            prices = [price for _, price in rows[1:]]
            if prices:
                last = self.bars[-1]
                self.bars[-1] = last._replace(
                    high=max(last.high, *prices),
                    low=min(last.low, *prices),
                    close=prices[-1],
                    trades=last.trades + len(prices),
                )
