"""Sub-accounts against each other on one account: reductions that the venue does not see as such,
and interests that meet before they reach it. Pure; sizes and prices in units of the instrument.
"""

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
    TOO_MUCH = "too much"  # of what its sub-account holds
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
    """Returns a reduce-only order on a one-way account; any other goes out as it is.

    own: its sub-account's position, signed; account: the venue's, which may be flat or the other
    way round. What works already in the order's direction: own_reducing and account_reducing, of
    those that only reduce; account_opening, of the others. bound: the greatest position that the
    account may reach in that direction, None: none is set.

    It has to be right for its sub-account. If the venue takes it as a reduction of what the account
    holds, it stays one. Else it goes as a plain order, as long as the account would stay within its
    bound if all that works that way were filled: a plain order can open, and what guards it is that
    bound and that the sub-account's own position is not turned by it.
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
    """An order of another sub-account that could be met. price 0: at any; left: what may be filled
    of it."""

    client_id: str
    side: Side
    price: int
    left: int


class Match(NamedTuple):
    """A trade between sub-accounts: with which waiting order, at what price, how much of it."""

    client_id: str
    price: int
    size: int


def fair_price(bid: int, ask: int, spec: OrderSpec, waiting: int) -> int:
    """Returns the middle of the market, half a unit to the one that waits; where a limit does not allow that, the
    nearest price that both do. Never outside of the market: what it gives without us is never better for either. 0
    where there is none, a side is missing or the market is crossed.

    spec: the new order; waiting: the other one's limit, 0: none."""
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
    """Returns what a new order can trade with orders of other sub-accounts at a fair price, so that it is no trade of
    the account with itself at the venue. In the order of `others`, in whole lots.

    Post-only orders do not take, those with a trigger do not take before it has fired, which only
    the venue knows, and of FOK nobody knows beforehand that there is enough.
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
    """Both fills of one trade, the new order's first, each booked as any other. Each names the
    other's order where a venue's fill has the venue's id: whoever reads one knows both."""

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
