"""What a window of a symbol comes to, from all of its events, by its definition."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

SLOTS = 600


class Quote(NamedTuple):
    time: int
    mid: float


class Trade(NamedTuple):
    time: int
    price: float
    size: float


class Window:
    """Of one symbol; events in order of their times. None: not known."""

    def __init__(self, length: int) -> None:
        self._step = length // SLOTS
        self._events: list[Quote | Trade] = []
        self._since: int | None = None  # watched

    def see(self, now: int, event: Quote | Trade | None = None) -> None:
        """A moment of the scan; with an event of the symbol, or without one."""
        if self._since is None:
            self._since = now
        if event is not None:
            self._events.append(event)

    def _mid_at(self, slot: int) -> float | None:
        """As the slot began."""
        mids = [each.mid for each in self._events if isinstance(each, Quote) and each.time // self._step < slot]
        return mids[-1] if mids else None

    def figure(self, name: str, now: int) -> float | None:
        slot = now // self._step
        if self._since is None or slot - self._since // self._step < SLOTS:
            return None
        mids = [each.mid for each in self._events if isinstance(each, Quote)]
        before = [
            each.mid for each in self._events if isinstance(each, Quote) and each.time // self._step < slot - SLOTS
        ]
        trades = [
            each for each in self._events if isinstance(each, Trade) and slot - SLOTS < each.time // self._step <= slot
        ]
        volume = sum(each.size for each in trades)
        turnover = sum(each.price * each.size for each in trades)
        match name:
            case "change":
                return mids[-1] / before[-1] - 1 if before else None
            case "trades":
                return len(trades)
            case "volume":
                return volume
            case "turnover":
                return turnover
            case "vwap":
                return turnover / volume if volume else None
            case "rate":
                return len(trades) / (self._step * SLOTS / 1e9)
            case "volatility":
                at = [self._mid_at(each) for each in range(slot - SLOTS, slot + 1)]
                if None in at:
                    return None
                return math.sqrt(sum((b / a - 1) ** 2 for a, b in itertools.pairwise(at)))
            case "high":
                return max((each.price for each in trades), default=None)
            case _:
                return min((each.price for each in trades), default=None)
