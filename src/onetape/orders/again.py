"""What is left of an order, as a new order of the venue's. It stays the same order of its robot.

What was filled before, there or inside, the new one knows nothing of: it is smaller by that, and
so are the quantities that it is told with. It has a client id of its own, so that no late word of
the one before is taken for it. To the robot's order it is an amendment that changes nothing: while
it is unanswered the order is PENDING_UPDATE, lost it is UNKNOWN, refused it is CANCELED.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from onetape.model.ids import ATTEMPT_MAX, parse_client_id
from onetape.model.order import OrderSpec
from onetape.orders.machine import OrderEvent
from onetape.orders.managed import Managed
from onetape.orders.told import OrderTold

if TYPE_CHECKING:  # which asks when something of an order is due
    from onetape.orders.directory import Directory

__all__ = ["as_ours", "begin_again", "name_again", "spec_sent"]


def name_again(order: Managed, chars_max: int) -> str:
    """Its next client id at the venue, "" where there is none."""
    parsed = parse_client_id(order.client_id)
    if parsed is None or order.again >= ATTEMPT_MAX:
        return ""
    name = str(parsed._replace(attempt=order.again + 1))
    return name if len(name) <= chars_max else ""


def begin_again(directory: Directory, order: Managed, name: str, now: int) -> None:
    """From here on the order at the venue is one of that client id, which is being placed."""
    directory.mark(order)
    if name != order.name:
        order.again += 1
        directory.rename(order, name)
        order.conditional = False  # else it was never there: it goes where its words say
    life, order.is_held, order.is_taken_off = order.life, False, False
    order.away = order.elsewhere = order.told_filled = life.filled
    order.told_time = order.asks = order.not_found = 0
    order.sent_at = now
    order.amended_at = 0  # what was asked of the one before does not arrive at this one
    if life.accepted:
        order.is_again, order.amend_to = True, (order.price, life.size)
        life.on_event(OrderEvent.AMEND_REQUEST, size=life.size)


def spec_sent(order: Managed) -> OrderSpec:
    """As it is placed."""
    if not order.sent_at:
        return order.spec
    left = order.life.size - order.away
    return structs.replace(order.spec, size_int=left, price_int=order.price)


def as_ours(order: Managed, told: OrderTold) -> OrderTold | None:
    """A word about the venue's order in the quantities of ours; None: that one is gone, and what
    was to be learned from it is known."""
    if order.former and (told.client_id or told.venue_id) in order.former:
        return None
    if not order.away and not order.elsewhere:
        return told
    size = told.size + order.away if told.size else 0
    return told._replace(size=size, filled=told.filled + order.elsewhere)
