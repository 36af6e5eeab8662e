"""Queries about an order: what to query, when, and when its absence is proven.

A venue refuses a late request (Binance: older than its window; Kraken: past its deadline), so an order that is not
there long after it was sent will never be. Until then silence proves nothing. If working and ended orders are queried
separately, the order may end between the two queries: the time of the first one counts.
"""

from __future__ import annotations

from typing import Final

from onetape.model.enums import RequestKind
from onetape.model.time import SECOND
from onetape.orders.calls import Call, OrderKey, OrderProtocol
from onetape.orders.order import Order
from onetape.orders.reports import OrderStatusReport

__all__ = ["QUERY_AFTER", "is_absent", "next_query", "order_key", "queries", "query_amended", "request", "sent_last"]

_PLACE: Final = RequestKind.PLACE  # bound once: a lookup at its class costs as much as a call
ABSENT_AFTER: Final = 10 * SECOND  # after it was sent: twice the window of a request
ABSENT_AFTER_CONDITIONAL: Final = 60 * SECOND  # such orders were seen to be invisible for half a minute
ABSENT_ANSWERS: Final = 2  # "not found" answers required
QUERY_AFTER: Final = (0, SECOND // 4, SECOND // 2, SECOND, 2 * SECOND, 5 * SECOND)  # the last delay repeats
# For a venue (Kraken) with separate queries and few of them per key: between the first query and when absence can be
# believed, the stream reports an existing order.
QUERY_APART_AFTER: Final = ABSENT_AFTER


def is_absent(order: Order, key: OrderKey, now: int, *, has_trigger: bool) -> bool:
    """Tells whether the answer "not found" to the query `key` proves that there is no such order. has_trigger: it may
    have been in a separate trigger service or, after firing, in the book."""
    patience = ABSENT_AFTER_CONDITIONAL if has_trigger else ABSENT_AFTER
    answers = ABSENT_ANSWERS * (2 if has_trigger else 1)
    queried_at = order.working_query_at if key.ended else now
    return queried_at - sent_last(order) >= patience and order.not_found >= answers


def sent_last(order: Order) -> int:
    """Returns when an order was last sent, ns UTC."""
    return max(order.created, order.sent_at, order.placed_at)


def next_query(order: Order, now: int, *, ended_apart: bool = False) -> int:
    """Returns when the next query about an order is due, ns UTC: delays grow, but the query is not later than the time
    from which an absence can be believed."""
    order.asks += 1
    after = QUERY_APART_AFTER if ended_apart else QUERY_AFTER[min(order.asks, len(QUERY_AFTER) - 1)]
    believed = sent_last(order) + ABSENT_AFTER
    return min(now + after, believed) if now < believed else now + after


def query_amended(order: Order, report: OrderStatusReport, now: int) -> int:
    """Returns when to query again whether an amendment of the order has arrived; 0: its terms are final.

    The old terms prove no more than absence does: the amendment may still be under way.
    """
    latest = order.amended_at + ABSENT_AFTER
    is_settled = not order.update_open or (report.price, report.size) == order.amend_to
    return 0 if is_settled or now >= latest else min(now + QUERY_AFTER[-1], latest)


def _question_of(order: Order, now: int, *, ended_apart: bool) -> OrderKey:
    """Builds the next query about an order, and notes that it was sent."""
    key = OrderKey(
        order.spec.symbol,
        order.name,
        order.conditional and not order.ask_other,
        order.venue_id,
        ended_apart and order.ask_other,
    )
    if not key.ended:
        order.working_query_at = now
    order.ask_other = False
    return key


def queries(order: Order, venue: OrderProtocol, now: int) -> list[Call]:
    """Makes the calls that query the state of an order, and its fills if some are missing."""
    order.ask_at, order.asking = 0, True
    key = _question_of(order, now, ended_apart=venue.traits.ended_apart)
    calls = [venue.query(key, now)]
    if order.reported_filled > order.filled:
        since = max(order.created - 60 * SECOND, 0)
        calls.append(venue.fills(order.spec.symbol, now, since=since))
    return calls


def order_key(order: Order) -> OrderKey:
    """Returns the name of an order in requests that change it."""
    return OrderKey(order.symbol, order.name, order.conditional, order.venue_id)


def request(venue: OrderProtocol, order: Order, kind: RequestKind, now: int, *, number: int, reference: int) -> Call:
    """Makes the call of an order's request in the terms of the venue's order. number: of the order's requests."""
    if kind is _PLACE:
        return venue.place_order(order, now, number=number, reference=reference)
    key = order_key(order)
    if kind is RequestKind.CANCEL:
        return venue.cancel(key, now)._replace(number=number)
    price, size = order.amend_to
    return venue.amend(key, order.spec, now, price=price, size=size - order.away)._replace(number=number)
