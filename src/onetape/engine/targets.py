"""Target positions: what to send so that position and what is on its way add up to the wish."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from onetape.model.decimals import Number

if TYPE_CHECKING:
    from onetape import _core

__all__ = ["Targets"]

TAG = "target"


class _TargetHost(Protocol):
    """What Targets needs of its host."""

    sim: _core.Simulation


class Targets:
    """One strategy's wished positions, kept with market orders.

    The sum of position and open target orders never passes the wish: what still works in the
    wrong direction is cancelled first, and only the rest is sent.
    """

    def __init__(self, host: _TargetHost) -> None:
        self._host = host
        self.rounded_away = 0  # wishes of less than one lot
        self._open: dict[str, list[_core.Order]] = {}

    def set(self, symbol: str, qty: Number, *, reduce_only: bool = False) -> _core.Order | None:
        """Send what is missing to reach `qty` (signed); None when nothing is."""
        sim = self._host.sim
        wanted = sim.signed_units(symbol, qty)
        if wanted == 0 and qty != 0:
            self.rounded_away += 1
        orders = [order for order in self._open.get(symbol, ()) if not order.is_closed]
        coming = 0
        for order in orders:
            rest = order.qty_int - order.filled_int
            coming += rest if order.side == "buy" else -rest
        missing = wanted - sim.position(symbol, None).qty_int - coming
        if missing and coming and (missing > 0) != (coming > 0):
            for order in orders:
                sim.cancel(order)
        sent: _core.Order | None = None
        if missing:
            sent = sim.place_units(symbol, missing, reduce_only, TAG)
            orders.append(sent)
        self._open[symbol] = orders
        return sent
