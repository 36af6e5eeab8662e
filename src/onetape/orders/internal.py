"""Trades our own orders with each other instead of at the venue, and handles what is left of them."""

from __future__ import annotations

from typing import Final

from onetape.model.enums import OrderNews, RequestKind
from onetape.model.time import SECOND
from onetape.orders.manager import OrderManager
from onetape.orders.order import Order
from onetape.orders.reports import FillReport

__all__ = ["HELD_MAX", "end_held", "release", "take_off", "trade_inside"]

HELD_MAX: Final = 5 * SECOND  # longest wait of a held order, as long as for an answer of the venue


def trade_inside(manager: OrderManager, fill: FillReport, now: int) -> None:
    """Books both sides of an internal trade from one of them; a booked side is skipped."""
    for each in (fill, fill.other_side):
        if not manager.books.has(each):
            manager.book(each, manager.orders.get(each.client_id), now)


def take_off(manager: OrderManager, order: Order, now: int) -> None:
    """Cancels at the venue an order without an open request, so that the gateway holds its rest."""
    manager.send_cancel(order, now, is_reissue=True)


def release(manager: OrderManager, order: Order, now: int) -> bool:
    """Sends the rest of a held order to the venue. Returns False if no client id is left for it."""
    if not manager.account.next_name(order):
        return False
    manager.intend(order, RequestKind.AMEND, now, is_reissue=True)
    manager.send(order, RequestKind.PLACE, now)
    return True


def end_held(manager: OrderManager, order: Order, now: int, code: int, reason: str) -> None:
    """Ends a held order: denies it, or cancels its rest."""
    manager.report(order, OrderNews.CANCELED if order.accepted else OrderNews.DENIED, now, code, reason)
