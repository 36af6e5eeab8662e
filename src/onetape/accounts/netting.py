"""Rules for sub-accounts that share one account: reductions that the venue does not see as such, and orders that match
inside. Pure; sizes and prices in units of the instrument."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from onetape.model.enums import Liquidity, OrderType, PositionSide, Side, TimeInForce
from onetape.model.order import OrderSpec
from onetape.orders.reports import FillReport

__all__ = ["Match", "Reduction", "Resting", "cross", "fair_price", "plain_reduction", "traded"]


class Reduction(StrEnum):
    """The form in which a reduce-only order goes to the venue."""

    AS_IT_IS = "as it is"
    PLAIN = "plain"  # without the flag
    TOO_MUCH = "too much"  # more than its sub-account holds
    BEYOND = "beyond"  # the account's bound


def plain_reduction(
    spec: OrderSpec,
    *,
    own: int,
    own_reducing: int,
    account: int,
    account_reducing: int,
    account_opening: int,
    bound: int | None,
) -> Reduction:
    """Returns the form of a reduce-only order on a one-way account; any other order is sent unchanged.

    own: its sub-account's position, signed; account: the venue's, which may be flat or opposite. Working orders in the
    order's direction: own_reducing and account_reducing, those that only reduce; account_opening, the others. bound:
    the largest position that the account may reach in that direction, None: none is set.

    The order must be right for its sub-account. If the venue accepts it as a reduction of the account's position, it
    stays one. Else it is sent as a plain order, if the account would stay within its bound after all working orders of
    that direction are filled: a plain order can open, and is limited by that bound and by its sub-account's own
    position.
    """
    if not spec.reduce_only or spec.position_side is not PositionSide.BOTH:
        return Reduction.AS_IT_IS
    sign = spec.side.sign
    if spec.size_int > max(-own * sign, 0) - own_reducing:
        return Reduction.TOO_MUCH
    if spec.size_int <= max(-account * sign, 0) - account_reducing:
        return Reduction.AS_IT_IS
    reached = account * sign + account_opening + account_reducing + spec.size_int
    if bound is not None and reached > bound:
        return Reduction.BEYOND
    return Reduction.PLAIN


class Resting(NamedTuple):
    """An order of another sub-account that could match. price 0: at any; left: its unfilled quantity."""

    client_id: str
    side: Side
    price: int
    left: int


class Match(NamedTuple):
    """A trade between sub-accounts: the waiting order, the price, the quantity."""

    client_id: str
    price: int
    size: int


def fair_price(bid: int, ask: int, spec: OrderSpec, waiting: int) -> int:
    """Returns the middle of the market, half a unit in favor of the waiting order, or the nearest price that both
    limits allow. Never outside of the market, whose prices are never better for either. 0 if there is none, a side is
    missing or the market is crossed.

    spec: the new order; waiting: the other one's limit, 0: none.
    """
    if not 0 < bid < ask:
        return 0
    middle, half = divmod(bid + ask, 2)
    limit = 0 if spec.type is OrderType.MARKET else spec.price_int
    if spec.side is Side.BUY:
        most, least = min(limit or ask, ask), max(waiting or bid, bid)
        middle += half
    else:
        most, least = min(waiting or ask, ask), max(limit or bid, bid)
    return 0 if most < least else min(max(middle, least), most)


def cross(spec: OrderSpec, others: Iterable[Resting], *, bid: int, ask: int, lot: int) -> list[Match]:
    """Returns the trades of a new order with orders of other sub-accounts at a fair price, so that the account does not
    trade with itself at the venue. In the order of `others`, in whole lots.

    Post-only orders do not take, orders with a trigger do not take before it has fired, which only the venue knows, and
    a FOK's quantity cannot be guaranteed.
    """
    if spec.trigger_int or spec.post_only or spec.tif is TimeInForce.FOK:
        return []
    left, found = spec.size_int, []
    for each in others:
        price = fair_price(bid, ask, spec, each.price)
        size = min(left, each.left) // lot * lot
        if each.side is spec.side.opposite and price and size > 0:
            found.append(Match(each.client_id, price, size))
            left -= size
    return found


def traded(spec: OrderSpec, client_id: str, match: Match, *, time: int, trade_id: int) -> tuple[FillReport, FillReport]:
    """Returns both fills of one trade, the new order's first, each to be booked like any other. Each has the other
    order's client id in place of the venue's order id."""

    def fill(name: str, other: str, side: Side, liquidity: Liquidity) -> FillReport:
        return FillReport(
            spec.symbol,
            name,
            other,
            trade_id,
            side,
            spec.position_side,
            match.price,
            match.size,
            time,
            0,
            "",
            liquidity,
        )

    mine = fill(client_id, match.client_id, spec.side, Liquidity.TAKER)
    return mine, mine.other_side
