"""An order of the account as its gateway's journal has it, with the gateway's own facts about it.

The order itself is the core's (`core/orders/account_order.hpp`). Requests, reports and fills change it only by the
`take_` methods: at the gateway before they are journaled, when the journal is read again, and in every other reader of
it.
"""

from __future__ import annotations

from onetape._core import AccountOrder as Order
from onetape._core import name_spec, name_words
from onetape.model.enums import (
    OrderNews,
    OrderState,
    OrderType,
    PositionSide,
    RequestKind,
    Side,
    TimeInForce,
    TriggerBy,
    TriggerKind,
)
from onetape.model.order import OrderSpec
from onetape.orders.calls import Traits
from onetape.orders.order_frames import FillFrame, NewsFrame, RequestFrame
from onetape.orders.reports import INTERNAL_TRADES

__all__ = [
    "Key",
    "Order",
    "apply_fill",
    "apply_news",
    "apply_request",
    "only_reduces",
    "placed",
    "takes_at_once",
    "waits",
]

Key = tuple[int, int]  # robot, order id

name_words(
    Side.by_id(),
    OrderType.by_id(),
    TimeInForce.by_id(),
    TriggerBy.by_id(),
    TriggerKind.by_id(),
    PositionSide.by_id(),
    OrderState.by_id(),
    OrderNews.by_id(),
    RequestKind.by_id(),
)

name_spec(OrderSpec)

# Bound once: a lookup of a member at its class costs as much as a call.
_SELL = Side.SELL
_BOTH = PositionSide.BOTH
_MARKET = OrderType.MARKET
_AT_ONCE = frozenset({TimeInForce.IOC, TimeInForce.FOK})


# --- terms ----------------------------------------------------------------------------------------


def only_reduces(spec: OrderSpec) -> bool:
    """Tells whether an order can only reduce a position, enforced by the venue: by its flag, or in hedge mode by the
    side that it closes."""
    if spec.reduce_only:
        return True
    if spec.position_side is _BOTH:
        return False
    closes = PositionSide.LONG if spec.side is _SELL else PositionSide.SHORT
    return spec.position_side is closes


def takes_at_once(spec: OrderSpec) -> bool:
    """Tells whether an order ends as soon as the venue has it, or its trigger has fired."""
    return spec.type is _MARKET or spec.tif in _AT_ONCE


def waits(order: Order, traits: Traits) -> bool:
    """Tells whether the order's trigger has not fired yet."""
    return order.waits(traits.conditionals)


# --- by frames ------------------------------------------------------------------------------------


def placed(request: RequestFrame, time: int) -> Order:
    """Makes an order from the request that places it."""
    order = Order(request.robot, request.order_id, request.spec, time)
    order.take_request(request.kind, is_held=request.is_held)
    return order


def apply_request(order: Order, request: RequestFrame) -> None:
    spec = request.spec
    order.take_request(
        request.kind, spec.price_int, spec.size_int, is_held=request.is_held, is_reissue=request.is_reissue
    )


def apply_news(order: Order, news: NewsFrame) -> None:
    order.code = news.code
    if not news.code:
        order.reason = ""
    if news.venue_id:
        order.venue_id = str(news.venue_id)
    if not news.is_local:
        order.take_news(news.news, news.size, news.price)


def apply_fill(order: Order, fill: FillFrame) -> None:
    order.take_fill(fill.trade_id, fill.price, fill.size)
    if fill.venue and fill.trade_id < INTERNAL_TRADES:  # else it is the number of the other order
        order.venue_id = str(fill.venue)
