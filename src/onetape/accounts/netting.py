"""Sub-accounts against each other on one account: reductions that the venue does not see as such,
and interests that meet before they reach it. Pure; sizes and prices in units of the instrument.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from onetape.model.enums import Liquidity, OrderType, PositionSide, Side
from onetape.model.order import OrderSpec
from onetape.orders.told import FillTold

__all__ = ["INTERNAL", "Crossed", "Reduction", "Resting", "cross", "fair_price", "plain_reduction"]

INTERNAL = "internal"  # venue id of a fill that no venue knows


class Reduction(StrEnum):
    """How a reduce-only order goes out."""

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
    """A reduce-only order on a one-way account; any other goes out as it is.

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
    """An order of another sub-account that could be met. left: what no venue can fill any more, so
    that it is not sold twice: of an order that rests at the venue nothing, before that has
    confirmed that it is taken off."""

    client_id: str
    slot: int
    side: Side
    price: int  # 0: at any
    left: int


class Crossed(NamedTuple):
    """Two fills of one trade, each booked as any other."""

    fill: FillTold
    slot: int
    other: FillTold
    other_slot: int


def fair_price(bid: int, ask: int, *, taker: Side) -> int:
    """The middle of the market; half a unit goes to the one that waited. 0 where a side is missing
    or the market is crossed."""
    if not 0 < bid < ask:
        return 0
    middle, half = divmod(bid + ask, 2)
    return middle + half if taker is Side.BUY else middle


def cross(
    spec: OrderSpec,
    others: Iterable[Resting],
    *,
    slot: int,
    client_id: str,
    bid: int,
    ask: int,
    lot: int,
    time: int,
    trade_id: int,
) -> list[Crossed]:
    """What a new order trades with other sub-accounts at the fair price, so that it is not a trade
    of the account with itself at the venue. In the order of `others`, in whole lots, never with
    its own slot, never at a price worse than either asked for. Trade ids count up from `trade_id`,
    `INTERNAL_TRADES` or above. Post-only orders and those with a trigger do not take.
    """
    price = fair_price(bid, ask, taker=spec.side)
    if not price or spec.trigger_int or spec.post_only or spec.reduce_only:
        return []
    if spec.type is not OrderType.MARKET and (spec.price_int - price) * spec.side.sign < 0:
        return []
    left, found = spec.size_int, []
    for each in others:
        if each.side is not spec.side.opposite or each.slot == slot:
            continue
        if each.price and (each.price - price) * each.side.sign < 0:
            continue
        size = min(left, each.left) // lot * lot
        if not size:
            continue

        def fill(
            name: str, side: Side, liquidity: Liquidity, *, size: int = size, at: int = trade_id
        ) -> FillTold:
            return FillTold(
                spec.symbol, name, INTERNAL, at, side, spec.position_side, price, size, time, 0,
                "", liquidity,
            )  # fmt: skip

        found.append(
            Crossed(
                fill(client_id, spec.side, Liquidity.TAKER),
                slot,
                fill(each.client_id, each.side, Liquidity.MAKER),
                each.slot,
            )
        )
        left -= size
        trade_id += 1
    return found
