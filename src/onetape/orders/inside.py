"""Orders of ours that trade with each other and not at the venue."""

from __future__ import annotations

from onetape.model.enums import OrderNews
from onetape.orders.machine import OrderEvent
from onetape.orders.managed import Managed, NewsOut
from onetape.orders.manager import OrderManager
from onetape.orders.told import FillTold

__all__ = ["end_held", "trade_inside"]


def trade_inside(manager: OrderManager, fill: FillTold, now: int) -> None:
    """Books both sides of an internal trade, by one of them; what is booked already stays."""
    for each in (fill, fill.other_side):
        if not manager.books.has(each):
            manager.book(each, manager.directory.get(each.client_id), now)


def end_held(manager: OrderManager, order: Managed, now: int, code: int, reason: str) -> None:
    """An order that was held is over: it is denied, or what is left of it cancelled."""
    manager.directory.mark(order)
    word, event = OrderNews.DENIED, OrderEvent.DENY
    if order.life.filled:
        word, event = OrderNews.CANCELED, OrderEvent.VENUE_CANCEL
    order.life.on_event(event)
    manager.outs.append(NewsOut(order, word, order.state, now, code, reason))
    manager.settle(order)
