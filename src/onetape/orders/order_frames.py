"""Frames with a fixed layout in gateways' and robots' journals, decoded.

The layouts are those of this build's core (`core/journal/events.hpp`); a tape of another build is read by its own
schema.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

import msgspec

from onetape.model.enums import (
    Liquidity,
    OrderNews,
    OrderType,
    PositionSide,
    RequestKind,
    Side,
    TimeInForce,
    TriggerBy,
    TriggerKind,
)
from onetape.model.errors import BadInput
from onetape.model.money import join_units
from onetape.model.order import OWN_REDUCING, POST_ONLY, REDUCE_ONLY, TRIGGER_KIND_SHIFT, OrderSpec
from onetape.model.request_key import RequestKey
from onetape.model.typed import from_builtins
from onetape.tape.journal import Frame
from onetape.tape.payloads import fields

__all__ = ["FillFrame", "NewsFrame", "RequestFrame", "ended_key", "fill_of", "news_of", "request_of", "share_of"]

DENIED_FLAG: Final = 4  # order_denied of core/journal/events.hpp
HELD_FLAG: Final = 16  # it waits for orders of ours, and is not at the venue
# Of a cancel: the rest will be placed again. Of an amendment: it goes to the venue as a new order for the same robot's
# order.
REISSUE_FLAG: Final = 32
# Of an order_event frame, in its header: the gateway refused the change and did not send it. `order_never_left` is the
# robot's own refusal.
LOCAL_FLAG: Final = 2
FORCED_FLAG: Final = 4  # of a fill, in its header: the venue itself closed a position with it

REQUEST: Final = fields("order_request")
_NEWS: Final = fields("order_event", "order_id", "venue_id", "price", "size", "code", "news", "robot")
_FILL: Final = fields("fill")
HISTORY_MAX: Final = 256  # subscriptions per request
HISTORY_WITHIN_S = 8.0  # longest wait for the venue's answer, after which its absence is reported
OPEN_FLAG: Final = 32  # of a history frame: its period is not over

# Bound once: an order request is read and written for every order.
_SIDES: Final = Side.by_id()
_TYPES: Final = OrderType.by_id()
_TIFS: Final = TimeInForce.by_id()
_TRIGGERS: Final = TriggerBy.by_id()
_TRIGGER_KINDS: Final = TriggerKind.by_id()
_POSITIONS: Final = PositionSide.by_id()
_KINDS: Final = RequestKind.by_id()
_LIQUIDITIES: Final = Liquidity.by_id()


class RequestFrame(NamedTuple):
    """A request for an order, its amendment or its cancel. spec: of an amendment with its new price and size;
    is_denied: by the requester; is_held: the gateway keeps the order until orders of ours have ended; is_reissue: the
    gateway amends an order by cancel and replacement, whose request this is."""

    robot: int
    kind: RequestKind
    order_id: int
    spec: OrderSpec
    is_denied: bool = False
    is_held: bool = False
    is_reissue: bool = False


class NewsFrame(NamedTuple):
    """A change of an order. venue_id: the number of the venue's order, 0: none, or unknown; price, size: after the
    change, in units of its instrument; is_local: the gateway has refused a change, and the order is unchanged."""

    order_id: int
    venue_id: int
    price: int
    size: int
    code: int
    news: OrderNews
    robot: int
    is_local: bool


class FillFrame(NamedTuple):
    """One side of a trade as it is on the tape. price and size at the instrument's decimals, time ns UTC by the venue's
    clock, fee in 1e-18. venue: the number of the venue's order, 0: its id is not a number; currency: the tape's number
    of the fee's currency, 0: the instrument's settle currency."""

    order_id: int
    venue: int
    trade_id: int
    time: int
    price: int
    size: int
    fee: int
    side: Side
    liquidity: Liquidity
    position_side: PositionSide
    robot: int
    currency: int


def fill_of(payload: bytes) -> FillFrame:
    """Decodes a fill. Raises ValueError for a number that no enum of this build has."""
    order_id, venue, trade, time, price, size, low, high, side, liquidity, position, robot, currency, _ = _FILL.unpack(
        payload
    )
    return FillFrame(
        order_id,
        venue,
        trade,
        time,
        price,
        size,
        join_units(low, high),
        _SIDES[side],
        _LIQUIDITIES[liquidity],
        _POSITIONS[position],
        robot,
        currency,
    )


def news_of(frame: Frame) -> NewsFrame:
    """Decodes an order_event. Raises ValueError for a number that no enum of this build has."""
    order_id, venue, price, size, code, news, robot = _NEWS.unpack(frame.payload)
    is_local = bool(frame.flags & LOCAL_FLAG)
    return NewsFrame(order_id, venue, price, size, code, OrderNews.from_id(news), robot, is_local)


def request_of(payload: bytes, symbol: str) -> RequestFrame:
    """Decodes an order_request. Raises BadInput for a malformed one."""
    try:
        return _request_of(payload, symbol)
    except (struct.error, LookupError) as error:
        raise BadInput(f"not a valid order request: {error}") from error


def _request_of(payload: bytes, symbol: str) -> RequestFrame:
    (order_id, price, size, trigger, expire, kind, side, type_, tif, flags, by, position, robot, tag) = (
        REQUEST.unpack_from(payload)
    )
    spec = OrderSpec(
        symbol=symbol,
        side=_SIDES[side],
        size_int=size,
        type=_TYPES[type_],
        price_int=price,
        tif=_TIFS[tif],
        trigger_int=trigger,
        trigger_by=_TRIGGERS[by],
        trigger_kind=_TRIGGER_KINDS[flags >> TRIGGER_KIND_SHIFT],
        position_side=_POSITIONS[position],
        expire=expire,
        post_only=bool(flags & POST_ONLY),
        reduce_only=bool(flags & REDUCE_ONLY),
        own_reducing=bool(flags & OWN_REDUCING),
        tag=tag.rstrip(b"\0").decode("utf-8", "replace"),
        once=key_of(payload[REQUEST.size :]) if len(payload) > REQUEST.size else None,
    )
    is_denied, is_held, is_reissue = bool(flags & DENIED_FLAG), bool(flags & HELD_FLAG), bool(flags & REISSUE_FLAG)
    return RequestFrame(robot, _KINDS[kind], order_id, spec, is_denied, is_held, is_reissue)


def key_of(more: bytes) -> RequestKey | None:
    """Returns the request key in a MessagePack map of further facts, None if absent. A malformed one becomes a key that
    no request may have."""
    try:
        record = msgspec.msgpack.decode(more)
        if "once" not in record:
            return None
        made = {"key": record["once"], "within": record["within"], "expires": record["expires"]}
        return from_builtins(made, RequestKey)
    except (msgspec.MsgspecError, KeyError, TypeError):
        return RequestKey("")


def share_of(payload: bytes) -> int:
    """Returns the `share` of an amendment's order_request frame: by how much its order is reduced to make room for this
    reduction, 0: an ordinary amendment."""
    more = payload[REQUEST.size :]
    try:
        share = msgspec.msgpack.decode(more).get("share", 0) if more else 0
    except (msgspec.MsgspecError, AttributeError):
        return 0
    return share if isinstance(share, int) else 0


def ended_key(payload: bytes) -> RequestKey:
    """Returns the request key of a robot's cycle frame.

    Raises BadInput for a malformed one.
    """
    try:
        record = msgspec.msgpack.decode(payload)
        return from_builtins({"key": record["end"], "within": record["within"]}, RequestKey)
    except (msgspec.MsgspecError, LookupError, TypeError) as error:
        raise BadInput(f"not a valid end of a cycle: {error}") from error
