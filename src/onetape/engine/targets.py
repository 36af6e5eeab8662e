"""Target positions: what to send so that position and what is on its way add up to the wish."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from onetape.model.decimals import Number

if TYPE_CHECKING:
    from onetape import _core

__all__ = ["TAG", "Targets"]

TAG = "target"  # PyRobot::on_order of the core goes by it


class _TargetHost(Protocol):
    """What Targets needs of its host."""

    sim: _core.Simulation


class Targets:
    """One strategy's wished positions, kept with market orders.

    Neither the position nor what it would be if any part of the open target orders filled ever
    passes the wish: an order that leads beyond it is cancelled, and what depends on whether the
    cancel came in time waits until that is known.
    """

    def __init__(self, host: _TargetHost) -> None:
        self._host = host
        self.rounded_away = 0  # wishes of less than one lot
        self._open: dict[str, list[_core.Order]] = {}
        self._waiting: dict[str, tuple[int, bool]] = {}  # symbol -> wish in units, reduce-only

    def set(self, symbol: str, qty: Number, *, reduce_only: bool = False) -> _core.Order | None:
        """Send what is missing to reach `qty` (signed); None when nothing is, or must wait."""
        wanted = self._host.sim.signed_units(symbol, qty)
        if wanted == 0 and qty != 0:
            self.rounded_away += 1
        return self._send(symbol, wanted, reduce_only)

    def order_closed(self, symbol: str) -> None:
        """A target order is gone: what waited for it may be sent."""
        waiting = self._waiting.get(symbol)
        if waiting is not None:
            self._send(symbol, *waiting)

    def _send(self, symbol: str, wanted: int, reduce_only: bool) -> _core.Order | None:
        sim = self._host.sim
        self._waiting.pop(symbol, None)
        orders = [order for order in self._open.get(symbol, ()) if not order.is_closed]
        self._open[symbol] = orders
        position = sim.position(symbol, None).qty_int
        if not orders and position == wanted:
            return None
        buys = [order for order in orders if order.side == "buy"]
        sells = [order for order in orders if order.side == "sell"]
        highest = position + sum(order.qty_int - order.filled_int for order in buys)
        lowest = position - sum(order.qty_int - order.filled_int for order in sells)
        beyond = (buys if highest > wanted else []) + (sells if lowest < wanted else [])
        if beyond:
            self._waiting[symbol] = wanted, reduce_only
            for order in beyond:
                sim.cancel(order)
        missing = max(wanted - highest, 0) - max(lowest - wanted, 0)
        if not missing:
            return None
        sent = sim.place_units(symbol, missing, reduce_only, TAG)
        orders.append(sent)
        return sent
