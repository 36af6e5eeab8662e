"""An operator's word on an order that nobody can prove anything about.

Some venues cannot say that an order is not there. One whose answer was lost stays UNKNOWN and
blocks its instrument, until somebody has looked at the venue's own page and says what stands there.
The word is taken as the venue's would be, with one difference: it never makes a fill. Where it says
that more was filled than is booked, the fills are asked for, and the order ends when they are here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from onetape.model.enums import OrderState
from onetape.model.errors import BadInput
from onetape.model.instrument import Instrument
from onetape.orders.managed import Managed
from onetape.orders.manager import OrderManager
from onetape.orders.told import OrderTold

__all__ = ["SAID", "settle", "settled_as"]

SAID: Final = {"open": OrderState.ACCEPTED, "filled": OrderState.FILLED, "closed": OrderState.CANCELED}
_FIELDS: Final = frozenset({"order", "as", "venue_id", "filled"})


def settled_as(
    manager: OrderManager, instruments: Mapping[str, Instrument], said: Mapping[str, Any]
) -> tuple[Managed, OrderTold]:
    """The order that is meant, and the word about it. said: `order` (our client id), `as` (open,
    filled or closed), and where they are known `venue_id` and `filled` (a quantity).

    Raises BadInput for a word that means nothing, and for an order that is not in doubt.
    """
    unknown = sorted(set(said) - _FIELDS)
    word, name = str(said.get("as", "")), str(said.get("order", ""))
    if unknown or word not in SAID:
        raise BadInput(f"settle takes order=ID as={'|'.join(SAID)} [venue_id=ID] [filled=QTY]")
    order = manager.orders.get(name)
    if order is None or order.is_foreign:
        raise BadInput(f"no order of ours is called {name!r}")
    if not order.is_unknown and order.told_end is None:
        raise BadInput(f"{name} is {order.state}: nothing about it is in doubt")
    size, filled = order.life.size, order.life.filled
    if word == "filled":
        filled = size
    elif "filled" in said:
        filled = _units(instruments[order.spec.symbol], said["filled"])
        if not order.life.filled <= filled <= size or (word == "open" and filled == size):
            raise BadInput(f"filled must be between what is booked and the quantity of {name}")
    told = OrderTold(
        symbol=order.spec.symbol,
        client_id=order.name,
        venue_id=str(said.get("venue_id", "")) or order.venue_id,
        state=SAID[word],
        time=0,
        side=order.spec.side,
        type=order.spec.type,
        price=order.price,
        size=size - order.away,
        filled=filled - order.elsewhere,
        conditional=order.conditional,
        reason="by the operator's word",
    )
    return order, told


def _units(instrument: Instrument, quantity: Any) -> int:
    try:
        return instrument.size_int(str(quantity))
    except (ArithmeticError, ValueError) as error:
        raise BadInput(f"filled is no quantity of {instrument.symbol}: {quantity}") from error


def settle(manager: OrderManager, order: Managed, told: OrderTold, now: int) -> None:
    """What `settled_as` gave, once it is on the journal. now: ns UTC."""
    manager.directory.mark(order)
    # What was told before is not held against it.
    order.told_filled, order.told_end, order.told_time = order.life.filled, None, 0
    order.asking = False
    manager.hear([told], now, source="operator")
    if not order.is_open:
        manager.settled.add(order.client_id)
