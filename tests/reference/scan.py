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

    def _mids_at(self, first: int, last: int) -> list[float | None]:
        """As each slot began; a later quote of a slot takes the place of an earlier one."""
        by_slot = {each.time // self._step: each.mid for each in self._events if isinstance(each, Quote)}
        mid = next((by_slot[slot] for slot in sorted(by_slot, reverse=True) if slot < first), None)
        found = []
        for slot in range(first, last + 1):
            found.append(mid)
            mid = by_slot.get(slot, mid)
        return found

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
                at = self._mids_at(slot - SLOTS, slot)
                whole = [each for each in at if each is not None]
                if len(whole) < len(at):
                    return None
                return math.sqrt(sum((b / a - 1) ** 2 for a, b in itertools.pairwise(whole)))
            case "high":
                return max((each.price for each in trades), default=None)
            case _:
                return min((each.price for each in trades), default=None)
