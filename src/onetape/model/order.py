"""Define an order as a value: the request to a venue.

Exact: prices and quantities are int64 at the instrument's decimals, as on tape. A strategy
sees the engine's view of these.
"""

from __future__ import annotations

from typing import Final

import msgspec

from onetape.model.enums import OrderType, PositionSide, Side, TimeInForce, TriggerBy, TriggerKind
from onetape.model.errors import InvariantViolation
from onetape.model.request_key import RequestKey

TAG_BYTES_MAX: Final = 32
POST_ONLY: Final = 1  # order_post_only, order_reduce_only of the core
REDUCE_ONLY: Final = 2
OWN_REDUCING: Final = 8  # order_own_reducing; 4 marks a denied request
TRIGGER_KIND_SHIFT: Final = 6  # trigger_kind_shift: of the two highest bits
# Bound once: a lookup on the class costs as much as a call.
_NO_SIDE: Final = Side.NONE
_MARKET: Final = OrderType.MARKET
_GTD: Final = TimeInForce.GTD
_AT_ONCE: Final = (TimeInForce.IOC, TimeInForce.FOK)
_NO_TRIGGER: Final = TriggerBy.NONE
_NO_KIND: Final = TriggerKind.NONE


class OrderSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One order to place. price_int: 0 for a market order; trigger_int 0: no trigger. own_reducing: set by a gateway
    on a reduce-only order that it sends without the flag, because the order reduces its sub-account's position but
    not the account's."""

    symbol: str
    side: Side
    size_int: int
    type: OrderType = OrderType.LIMIT
    price_int: int = 0
    tif: TimeInForce = TimeInForce.GTC
    trigger_int: int = 0
    trigger_by: TriggerBy = TriggerBy.NONE
    trigger_kind: TriggerKind = TriggerKind.NONE
    position_side: PositionSide = PositionSide.BOTH
    expire: int = 0  # ns UTC, GTD only
    post_only: bool = False
    reduce_only: bool = False
    own_reducing: bool = False
    tag: str = ""
    once: RequestKey | None = None  # request key: only the first request wins

    @property
    def flags(self) -> int:
        """Returns the flag bits of an order request."""
        return (
            POST_ONLY * self.post_only
            + REDUCE_ONLY * self.reduce_only
            + OWN_REDUCING * self.own_reducing
            + (self.trigger_kind.id << TRIGGER_KIND_SHIFT)
        )

    @property
    def is_stop(self) -> bool:
        """True for a stop, false for a take-profit. Raises InvariantViolation for a trigger order without a kind: its
        sender must not guess."""
        if self.trigger_kind is _NO_KIND:
            raise InvariantViolation("a trigger without its kind cannot be sent", location=self.symbol)
        return self.trigger_kind is TriggerKind.STOP

    def broken_rule(self) -> str:
        """Returns the first field rule that the order violates, "" for none. It does not raise, because a refused
        order is an expected outcome."""
        if self.side is _NO_SIDE:
            return "an order buys or sells"
        if self.size_int <= 0:
            return f"quantity must be positive: {self.size_int}"
        is_market, is_dated = self.type is _MARKET, self.tif is _GTD
        if is_market and self.price_int != 0:
            return "a market order has no price"
        if not is_market and self.price_int == 0:
            return "a limit order has a price other than 0"
        if is_market and is_dated:
            return "a market order cannot be GTD"
        if is_market and self.post_only:
            return "a market order cannot be post-only"
        if self.post_only and self.tif in _AT_ONCE:
            return f"{self.tif} cannot be post-only"
        if is_dated != (self.expire > 0):
            return "GTD needs an expiry, and an expiry GTD"
        if (self.trigger_int != 0) != (self.trigger_by is not _NO_TRIGGER):
            return "a trigger needs both a trigger price and trigger_by"
        if (self.trigger_int != 0) != (self.trigger_kind is not _NO_KIND):
            return "a trigger needs its kind: stop or take-profit"
        if self.trigger_kind is TriggerKind.TRAILING:
            return "trailing stops are not available"
        if self.tag and len(self.tag.encode()) > TAG_BYTES_MAX:
            return f"a tag has at most {TAG_BYTES_MAX} bytes: {self.tag!r}"
        return ""


__all__ = ["OWN_REDUCING", "POST_ONLY", "REDUCE_ONLY", "TAG_BYTES_MAX", "TRIGGER_KIND_SHIFT", "OrderSpec"]
