"""An operator's resolution of an order whose state cannot be proven.

Some venues cannot report that an order does not exist. An order whose answer was lost stays UNKNOWN and blocks its
instrument, until an operator has looked at the venue's own page and reports its state. That resolution is read here;
`OrderManager.resolve` applies it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from onetape.model.enums import OrderState
from onetape.model.errors import BadInput
from onetape.model.instrument import Instrument
from onetape.orders.manager import OrderManager
from onetape.orders.order import Order
from onetape.orders.reports import OrderStatusReport

__all__ = ["RESOLUTIONS", "resolution_of"]

RESOLUTIONS: Final = {"open": OrderState.ACCEPTED, "filled": OrderState.FILLED, "closed": OrderState.CANCELED}
_FIELDS: Final = frozenset({"order", "as", "venue_id", "filled"})


def resolution_of(
    manager: OrderManager, instruments: Mapping[str, Instrument], said: Mapping[str, Any]
) -> tuple[Order, OrderStatusReport]:
    """Returns the order and its resolution. said: `order` (our client id), `as` (open, filled or closed), and if known
    `venue_id` and `filled` (a quantity).

    Raises BadInput for an invalid resolution, and for an order whose state is not unknown.
    """
    unknown = sorted(set(said) - _FIELDS)
    word, name = str(said.get("as", "")), str(said.get("order", ""))
    if unknown or word not in RESOLUTIONS:
        raise BadInput(f"settle takes order=ID as={'|'.join(RESOLUTIONS)} [venue_id=ID] [filled=QTY]")
    order = manager.orders.get(name)
    if order is None or order.is_foreign:
        raise BadInput(f"no order of ours is called {name!r}")
    if not order.is_unknown and order.reported_end is None:
        raise BadInput(f"{name} is {order.state}: its state is not unknown")
    size, filled = order.size, order.filled
    if word == "filled":
        filled = size
    elif "filled" in said:
        filled = _units(instruments[order.spec.symbol], said["filled"])
        if not order.filled <= filled <= size or (word == "open" and filled == size):
            raise BadInput(f"filled must be between the booked fills and the quantity of {name}; below it for as=open")
    report = OrderStatusReport(
        symbol=order.spec.symbol,
        client_id=order.name,
        venue_id=str(said.get("venue_id", "")) or order.venue_id,
        state=RESOLUTIONS[word],
        time=0,
        side=order.spec.side,
        type=order.spec.type,
        price=order.price,
        size=size - order.away,
        filled=filled - order.filled_outside,
        conditional=order.conditional,
        reason="resolved by the operator",
    )
    return order, report


def _units(instrument: Instrument, quantity: Any) -> int:
    try:
        return instrument.size_int(str(quantity))
    except (ArithmeticError, ValueError) as error:
        raise BadInput(f"filled is no quantity of {instrument.symbol}: {quantity}") from error
