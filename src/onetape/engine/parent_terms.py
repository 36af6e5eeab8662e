"""What a parent order is made with: the options that all execution algorithms have, read by instrument and price."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from onetape.execution.algorithm import Parent
from onetape.execution.amount import amount_of, ticks_of
from onetape.model.time import SECOND, parse_period

if TYPE_CHECKING:
    from onetape.engine.host import Host

__all__ = ["ParentTerms"]


class ParentTerms:
    """Reads the terms of parent orders at the loop's time and prices."""

    def __init__(self, host: Host) -> None:
        self._host, self._loop = host, host.loop

    def parent(self, symbol: str, side: int, lots: int, options: dict[str, Any]) -> Parent:
        """Takes the options that all algorithms have out of `options`."""
        instrument, now = self._host.instrument_of(symbol), self._loop.now
        end = self.deadline(options)
        limit, slippage = options.pop("limit", None), options.pop("slippage", None)
        clip, participation = options.pop("clip", None), options.pop("participation", None)
        if end is not None and end <= now:
            raise ValueError("the deadline is not ahead")
        if participation is not None and not 0 < float(participation) <= 1:
            raise ValueError(f"participation lies above 0 and up to 1, not {participation!r}")
        worst = self._limit(symbol, side, limit, slippage)
        lot = instrument.lot
        least = max(1, int(-(-instrument.size_min // lot)), self._least_by_value(symbol))
        clip_lots = None if clip is None else int(Decimal(str(clip)) // lot)
        if clip_lots is not None and clip_lots < 1:
            raise ValueError(f"clip {clip!r} is less than one lot ({lot})")
        share = None if participation is None else float(participation)
        return Parent(side, lots, now, end, worst, clip_lots, share, least)

    def deadline(self, options: dict[str, Any]) -> int | None:
        """Takes it out of `options`, as a time in ns."""
        minutes, deadline = options.pop("minutes", None), options.pop("deadline", None)
        if minutes is not None and deadline is not None:
            raise ValueError("minutes= and deadline= say the same")
        if minutes is None:
            return self._loop.now + parse_period(deadline) if isinstance(deadline, str) else deadline
        if not 0 < float(minutes) < 1e6:
            raise ValueError(f"minutes is above 0, not {minutes!r}")
        return self._loop.now + round(float(minutes) * 60 * SECOND)

    def _limit(self, symbol: str, side: int, limit: Any, slippage: Any) -> int | None:
        """Returns the worst price in ticks: as said, or so far from the price at the start."""
        tick = self._host.instrument_of(symbol).tick
        worst: list[int] = []
        if limit is not None:
            worst.append(ticks_of(Decimal(str(limit)), tick, side))
        if slippage is not None:
            start = self.price(symbol)
            if start is None:
                raise ValueError("slippage= needs a price of the symbol, and there is none yet")
            distance = amount_of(slippage, start)
            worst.append(ticks_of(start + side * distance, tick, side))
        if not worst:
            return None
        return min(worst) if side > 0 else max(worst)

    def _least_by_value(self, symbol: str) -> int:
        """Lots of the least order that the venue takes, by its value."""
        instrument, price = self._host.instrument_of(symbol), self.price(symbol)
        if not instrument.notional_min or price is None or price <= 0:
            return 1
        per_lot = instrument.lot * instrument.multiplier * (1 if instrument.kind == "inverse" else price)
        return int(-(-instrument.notional_min // per_lot)) + 1

    def price(self, symbol: str) -> Decimal | None:
        """At which positions are valued now."""
        doubled = self._loop.value_doubled(symbol)
        decimals = self._host.instrument_of(symbol).price_decimals
        return Decimal(doubled).scaleb(-decimals) / 2 if doubled else None
