"""A wanted ladder of quotes against the working one: what to cancel, what to place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from onetape.model.decimals import Number
from onetape.model.enums import Side
from onetape.model.instrument import Instrument

if TYPE_CHECKING:
    from onetape import _core

__all__ = ["Ladder", "should_requote"]

TAG = "quote"


def should_requote(
    working: int, wanted: int, *, tick: int, keep_within: int, size_changed: bool = False
) -> bool:
    """Whether an order at price `working` should move to `wanted` (both in price units).

    It stays while it is at most `keep_within` ticks away and its size is right: the place in the
    queue is worth more than a tick.
    """
    return size_changed or abs(wanted - working) > keep_within * tick


class Ladder:
    """The quotes of one strategy in one instrument."""

    def __init__(self, sim: _core.Simulation, instrument: Instrument) -> None:
        self._sim = sim
        self._symbol = instrument.symbol
        self._tick = instrument.spec()["tick"]  # a new version of the facts gets a new ladder
        self._settled: tuple[object, ...] = ()
        self._orders: dict[Side, list[_core.Order]] = {Side.BUY: [], Side.SELL: []}

    def set(
        self,
        bids: Sequence[tuple[Number, Number]],
        asks: Sequence[tuple[Number, Number]],
        keep_within: int,
    ) -> None:
        """Cancel first, then place: the two sides together never exceed what was asked for."""
        wish = (list(bids), list(asks), keep_within, self._sim.order_changes)
        if wish == self._settled:
            return  # the same ladder, and no order has changed since it was found to stand
        plans = [
            self._plan(Side.BUY, bids, keep_within),
            self._plan(Side.SELL, asks, keep_within),
        ]
        for _, stale, _ in plans:
            for order in stale:
                self._sim.cancel(order)
        for side, _, missing in plans:
            for price, size in missing:
                self._orders[side].append(
                    self._sim.place_quote(self._symbol, side.id, price, size, TAG)
                )
        self._settled = (*wish[:3], self._sim.order_changes)

    def _plan(
        self, side: Side, levels: Sequence[tuple[Number, Number]], keep_within: int
    ) -> tuple[Side, list[_core.Order], list[tuple[int, int]]]:
        number = side.id
        wanted = [self._sim.level_units(self._symbol, number, *level) for level in levels]
        wanted = [(price, size) for price, size in wanted if size > 0]
        live = [o for o in self._orders[side] if not o.is_closed]
        working = [o for o in live if o.state != "PENDING_CANCEL"]
        stale: list[_core.Order] = []
        missing = list(wanted)
        for order in working:
            rest = order.qty_int - order.filled_int
            match = next(
                (
                    level
                    for level in missing
                    if not should_requote(
                        order.price_int,
                        level[0],
                        tick=self._tick,
                        keep_within=keep_within,
                        size_changed=level[1] != rest and level[1] != order.qty_int,
                    )
                ),
                None,
            )
            if match is None:
                stale.append(order)
            else:
                missing.remove(match)
        self._orders[side] = live
        return side, stale, missing
