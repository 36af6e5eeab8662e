"""An operator's word on an order that nobody can prove anything about.

Some venues cannot say that an order is not there. One whose answer was lost stays UNKNOWN and
blocks its instrument, until somebody has looked at the venue's own page and says what stands there.
What that word says of the order is read here; `OrderManager.resolve` takes it.
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
    """Returns the order that is meant, and its resolution. said: `order` (our client id), `as` (open, filled or
    closed), and where they are known `venue_id` and `filled` (a quantity).

    Raises BadInput for a word that means nothing, and for an order that is not in doubt.
    """
    unknown = sorted(set(said) - _FIELDS)
    word, name = str(said.get("as", "")), str(said.get("order", ""))
    if unknown or word not in RESOLUTIONS:
        raise BadInput(f"settle takes order=ID as={'|'.join(RESOLUTIONS)} [venue_id=ID] [filled=QTY]")
    order = manager.orders.get(name)
    if order is None or order.is_foreign:
        raise BadInput(f"no order of ours is called {name!r}")
    if not order.is_unknown and order.reported_end is None:
        raise BadInput(f"{name} is {order.state}: nothing about it is in doubt")
    size, filled = order.size, order.filled
    if word == "filled":
        filled = size
    elif "filled" in said:
        filled = _units(instruments[order.spec.symbol], said["filled"])
        if not order.filled <= filled <= size or (word == "open" and filled == size):
            raise BadInput(f"filled must be between what is booked and the quantity of {name}")
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
        reason="by the operator's word",
    )
    return order, report


def _units(instrument: Instrument, quantity: Any) -> int:
    try:
        return instrument.size_int(str(quantity))
    except (ArithmeticError, ValueError) as error:
        raise BadInput(f"filled is no quantity of {instrument.symbol}: {quantity}") from error
