"""Requests that may have left although the journal does not say so.

After a power loss the end of a journal may be missing, intents among it: their orders may work at
the venue. What a robot's journal asks for beyond what ours says was taken is then neither sent nor
denied. It is put down as sent and unanswered: UNKNOWN, asked for by its id, counted as the worst
case, and settled when the venue has answered for that id.
"""

from __future__ import annotations

from onetape.model.enums import OrderNews, RequestKind
from onetape.model.errors import OrderOutcomeUnknown
from onetape.orders.machine import OrderEvent
from onetape.orders.managed import HealthOut, IntentOut, Managed, NewsOut, Request, asked_for
from onetape.orders.manager import OrderManager

__all__ = ["amend_in_doubt", "place_in_doubt"]


def place_in_doubt(manager: OrderManager, client_id: str, request: Request, now: int) -> Managed:
    """A new order, of which nobody knows whether it was sent. now: ns UTC, from when on it counts
    as sent: it was before, so that absence is believed rather later than earlier."""
    order = asked_for(client_id, request, now)
    order.conditional = manager.waits_apart(order.spec)
    manager.directory.add(order)
    order.life.on_event(OrderEvent.SUBMIT)
    _lost(manager, order, RequestKind.PLACE, order.spec.price_int, order.spec.size_int, now)
    return order


def amend_in_doubt(manager: OrderManager, order: Managed, now: int, *, price: int, size: int) -> None:
    """An amendment likewise: the order has the old terms or the new ones."""
    manager.directory.mark(order)
    if not order.life.is_sent(OrderEvent.AMEND_REQUEST):
        return
    order.amend_to = (price or order.price, size or order.life.size)
    order.amended_at = now
    order.life.on_event(OrderEvent.AMEND_REQUEST, size=order.amend_to[1])
    _lost(manager, order, RequestKind.AMEND, *order.amend_to, now)


def _lost(manager: OrderManager, order: Managed, kind: RequestKind, price: int, size: int, now: int) -> None:
    manager.outs.append(IntentOut(order, kind, price, size))
    order.life.on_event(OrderEvent.REPLY_LOST)
    order.lost_at = order.ask_at = now
    code = OrderOutcomeUnknown.code
    manager.outs.append(NewsOut(order, OrderNews.LOST, order.state, now, code))
    manager.outs.append(HealthOut("order", order.client_id, "unknown"))
