"""Target positions: what to send so that position and what is on its way add up to the wish."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from onetape.model.instrument import Instrument
from onetape.model.rounding import Number

if TYPE_CHECKING:
    from onetape import _core

__all__ = ["TAG", "Targets"]

TAG = "target"  # PyRobot::on_order of the core goes by it


class _TargetHost(Protocol):
    """What Targets needs of its host."""

    sim: _core.Simulation

    def instrument_of(self, symbol: str) -> Instrument: ...
    def place_units(self, symbol: str, units: int, tag: str) -> _core.Order: ...


class Targets:
    """One strategy's wished positions, kept with market orders.

    Neither the position nor what it would be if any part of the open target orders filled ever
    passes the wish: an order that leads beyond it is cancelled, and what depends on whether the
    cancel came in time waits until that is known.
    """

    def __init__(self, host: _TargetHost) -> None:
        self._host = host
        self._open: dict[str, list[_core.Order]] = {}
        self._waiting: dict[str, int] = {}  # symbol -> wish in units

    def set(self, symbol: str, qty: Number) -> _core.Order | None:
        """Send what is missing to reach `qty` (signed); None when nothing is, or must wait."""
        return self._send(symbol, self._host.instrument_of(symbol).target_int(qty))

    def order_closed(self, symbol: str) -> None:
        """A target order is gone: what waited for it may be sent."""
        wanted = self._waiting.get(symbol)
        if wanted is not None:
            self._send(symbol, wanted)

    def _send(self, symbol: str, wanted: int) -> _core.Order | None:
        sim = self._host.sim
        self._waiting.pop(symbol, None)
        orders = [order for order in self._open.get(symbol, ()) if not order.is_closed]
        self._open[symbol] = orders
        buys = [order for order in orders if order.side == "buy"]
        sells = [order for order in orders if order.side == "sell"]
        position = sim.position(symbol, None).qty_int
        highest = position + sum(order.qty_int - order.filled_int for order in buys)
        lowest = position - sum(order.qty_int - order.filled_int for order in sells)
        beyond = (buys if highest > wanted else []) + (sells if lowest < wanted else [])
        if beyond:
            self._waiting[symbol] = wanted
            for order in beyond:
                sim.cancel(order)
        missing = max(wanted - highest, 0) - max(lowest - wanted, 0)
        if not missing:
            return None
        order = self._host.place_units(symbol, missing, TAG)
        orders.append(order)
        return order
