"""Minutes of prices that nobody traded at: of a mark, an index, a premium."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

__all__ = ["PriceBar", "PriceBars", "merged_prices"]

MINUTE: Final = 60_000_000_000
BARS_KEPT: Final = 3000


class PriceBar(NamedTuple):
    """From `open_time` to `close_time` (exclusive), ns UTC; prices: how many were in it."""

    open_time: int
    close_time: int
    open: int
    high: int
    low: int
    close: int
    prices: int


class PriceBars:
    """The minutes of one price, the running one last."""

    def __init__(self) -> None:
        self.bars: deque[PriceBar] = deque(maxlen=BARS_KEPT)

    def add(self, time: int, price: int) -> None:
        start = time - time % MINUTE
        if not self.bars or self.bars[-1].open_time != start:
            self.bars.append(PriceBar(start, start + MINUTE, price, price, price, price, 1))
            return
        last = self.bars[-1]
        self.bars[-1] = last._replace(
            high=max(last.high, price), low=min(last.low, price), close=price, prices=last.prices + 1
        )


def merged_prices(bars: list[PriceBar], minutes: int) -> list[PriceBar]:
    """Minutes as bars of `minutes`, aligned to the epoch."""
    found: list[PriceBar] = []
    span = minutes * MINUTE
    for bar in bars:
        start = bar.open_time - bar.open_time % span
        if found and found[-1].open_time == start:
            last = found[-1]
            found[-1] = last._replace(
                high=max(last.high, bar.high),
                low=min(last.low, bar.low),
                close=bar.close,
                prices=last.prices + bar.prices,
            )
        else:
            found.append(bar._replace(open_time=start, close_time=start + span))
    return found
