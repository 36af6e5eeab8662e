"""Orders as values: what is asked for (OrderSpec) and how it stands (Order).

Exact: prices and quantities are int64 at the instrument's decimals, as on tape. What a strategy
sees is the engine's view of these.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from onetape.model.decimals import Number
from onetape.model.enums import OrderState, OrderType, PositionSide, Side, TimeInForce, TriggerBy, TriggerKind
from onetape.model.errors import InvariantViolation, OrderInvalid
from onetape.model.instrument import Instrument
from onetape.model.money import MONEY_DECIMALS, divide_half_even, money
from onetape.model.request_key import RequestKey

TAG_BYTES_MAX: Final = 32
POST_ONLY: Final = 1  # order_post_only, order_reduce_only of the core
REDUCE_ONLY: Final = 2
OWN_REDUCING: Final = 8  # order_own_reducing; 4 is a request that was denied
TRIGGER_KIND_SHIFT: Final = 6  # trigger_kind_shift: of the two highest bits
# Named once: a member looked up at its class costs as much as a call.
_NO_SIDE: Final = Side.NONE
_MARKET: Final = OrderType.MARKET
_GTD: Final = TimeInForce.GTD
_AT_ONCE: Final = (TimeInForce.IOC, TimeInForce.FOK)
_NO_TRIGGER: Final = TriggerBy.NONE
_NO_KIND: Final = TriggerKind.NONE


class OrderSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One order to place. price_int 0 is a market order's; trigger_int 0: no trigger.

    own_reducing: a gateway's mark on a reduce-only order that it sends as a plain one, because only
    its sub-account's position, and not the account's, is there to be reduced."""

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
    once: RequestKey | None = None  # first request wins

    @property
    def flags(self) -> int:
        """The flag bits of an order request."""
        return (
            POST_ONLY * self.post_only
            + REDUCE_ONLY * self.reduce_only
            + OWN_REDUCING * self.own_reducing
            + (self.trigger_kind.id << TRIGGER_KIND_SHIFT)
        )

    @property
    def is_stop(self) -> bool:
        """Of an order with a trigger: a stop, not a take-profit. Raises InvariantViolation where it
        does not say: whoever sends it must not guess."""
        if self.trigger_kind is _NO_KIND:
            raise InvariantViolation("a trigger without its kind cannot be sent", where=self.symbol)
        return self.trigger_kind is TriggerKind.STOP

    def broken_rule(self) -> str:
        """The first rule of its own fields that it breaks, "" where none; a value, because a
        refused order is an expected outcome."""
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
            return "a market order does not wait until a time"
        if is_market and self.post_only:
            return "a market order cannot be post-only"
        if self.post_only and self.tif in _AT_ONCE:
            return f"{self.tif} cannot be post-only"
        if is_dated != (self.expire > 0):
            return "GTD and an expiry go together"
        if (self.trigger_int != 0) != (self.trigger_by is not _NO_TRIGGER):
            return "a trigger price and what it watches go together"
        if (self.trigger_int != 0) != (self.trigger_kind is not _NO_KIND):
            return "a trigger says whether it is a stop or a take-profit"
        if self.trigger_kind is TriggerKind.TRAILING:
            return "trailing stops are not available"
        if self.tag and len(self.tag.encode()) > TAG_BYTES_MAX:
            return f"a tag has at most {TAG_BYTES_MAX} bytes: {self.tag!r}"
        return ""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """How an order stands. Changes are new values (`msgspec.structs.replace`)."""

    order_id: int  # the robot's ordinal, from 1
    client_id: str
    spec: OrderSpec
    ts_created: int
    venue_id: str = ""
    state: OrderState = OrderState.INITIALIZED
    filled_int: int = 0
    cost: int = 0  # sum of price_int * size_int over the fills
    code: int = 0
    reason: str = ""

    @property
    def remaining_int(self) -> int:
        """What may still be filled; 0 once it has ended."""
        return 0 if self.state.is_final else max(self.spec.size_int - self.filled_int, 0)

    def average_price(self, instrument: Instrument) -> Decimal:
        """Quantity-weighted price of its fills to 18 decimals, 0 before the first."""
        if not self.filled_int:
            return Decimal(0)
        exact = self.cost * 10 ** (MONEY_DECIMALS - instrument.price_decimals)
        return money(divide_half_even(exact, self.filled_int))


def order_spec(
    instrument: Instrument,
    side: Side,
    size: Number,
    price: Number | None = None,
    *,
    post_only: bool = False,
    reduce_only: bool = False,
    tif: TimeInForce = TimeInForce.GTC,
    trigger: Number | None = None,
    trigger_by: TriggerBy = TriggerBy.LAST,
    trigger_kind: TriggerKind = TriggerKind.NONE,
    position_side: PositionSide = PositionSide.BOTH,
    expire: int = 0,
    tag: str = "",
) -> OrderSpec:
    """From a person's numbers, rounded by the rule of onetape.model.rounding.

    A trigger is rounded as a price of its side is.
    Raises OrderInvalid for numbers no order can have.
    """
    try:
        size_int = instrument.size_int(size)
        price_int = 0 if price is None else instrument.price_int(price, side)
        trigger_int = 0 if trigger is None else instrument.price_int(trigger, side)
    except ValueError as error:
        raise OrderInvalid(str(error), where=instrument.symbol) from None
    return OrderSpec(
        symbol=instrument.symbol,
        side=side,
        size_int=size_int,
        type=OrderType.MARKET if price is None else OrderType.LIMIT,
        price_int=price_int,
        tif=tif,
        trigger_int=trigger_int,
        trigger_by=TriggerBy.NONE if trigger is None else trigger_by,
        trigger_kind=trigger_kind,
        position_side=position_side,
        expire=expire,
        post_only=post_only,
        reduce_only=reduce_only,
        tag=tag,
    )


__all__ = [
    "OWN_REDUCING",
    "POST_ONLY",
    "REDUCE_ONLY",
    "TAG_BYTES_MAX",
    "TRIGGER_KIND_SHIFT",
    "Order",
    "OrderSpec",
    "order_spec",
]
