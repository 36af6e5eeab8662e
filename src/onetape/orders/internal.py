"""Trades own orders with each other instead of at the venue, and keeps what is left of them."""

from __future__ import annotations

from typing import Final

from onetape.model.enums import OrderNews, RequestKind
from onetape.model.time import SECOND
from onetape.orders.managed import IntentOut, Managed, NewsOut
from onetape.orders.manager import OrderManager
from onetape.orders.reports import FillReport

__all__ = ["HELD_MAX", "end_held", "release", "take_in", "take_off", "trade_inside"]

HELD_MAX: Final = 5 * SECOND  # an order waits for others as long as for an answer of the venue


def trade_inside(manager: OrderManager, fill: FillReport, now: int) -> None:
    """Books both sides of an internal trade, by one of them; what is booked already stays."""
    for each in (fill, fill.other_side):
        if not manager.books.has(each):
            manager.book(each, manager.index.get(each.client_id), now)


def take_off(manager: OrderManager, order: Managed, now: int) -> None:
    """Asks the venue to cancel what works there, and nothing about it is open. What is then left of
    it is not over."""
    manager.index.mark(order)
    manager.send_cancel(order, now, is_reissue=True)


def take_in(manager: OrderManager, order: Managed) -> None:
    """Takes in that an order has left the venue: it waits here until it is released, or ends."""
    manager.index.mark(order)
    order.pending.clear()
    order.reported_end, order.ask_at, order.lost_at = None, 0, 0
    order.take_back()


def release(manager: OrderManager, order: Managed, now: int) -> bool:
    """Sends what is left of a held order to the venue. False: there is no client id left for it."""
    # One that never was at the venue has its own name yet.
    name = order.client_id
    if order.is_taken_off:
        name = order.next_name(manager.venue.client_id_chars)
    if not name:
        return False
    manager.index.reissue(order, name, now)
    intent = IntentOut(order, RequestKind.AMEND, order.price, order.life.size, is_reissue=True)
    manager.outs.append(intent)
    manager.send(order, RequestKind.PLACE, now)
    return True


def end_held(manager: OrderManager, order: Managed, now: int, code: int, reason: str) -> None:
    """Ends a held order: denies it, or cancels what is left of it."""
    manager.index.mark(order)
    word = OrderNews.CANCELED if order.life.accepted else OrderNews.DENIED
    order.take_news(word, 0)
    manager.outs.append(NewsOut(order, word, order.state, now, code, reason))
    manager.close(order)
