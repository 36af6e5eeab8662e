"""Keeps both legs of a pair away from liquidation: margin is sent to the endangered leg, or both legs are reduced.

A transfer keeps the pair, but takes time; a reduction is immediate, costs fees, and reduces both sides, so that the net
delta stays. The remaining distance decides: a transfer under way is counted on only while the leg is beyond the last
distance without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from fractions import Fraction

from onetape.hedge.margin import InFlight, Route, Transfer, distance, in_transit, shortfall
from onetape.hedge.model import LegView
from onetape.hedge.plan import common_lot, lot_of, price_of
from onetape.model.enums import Kind

__all__ = ["LegMargin", "Limits", "Measure", "safety"]

_ZERO = Fraction(0)
_CENT = Decimal("1e-6")


@dataclass(frozen=True, slots=True)
class Limits:
    """Distances to liquidation, as shares of the price. act: below this, act; restore: the distance to reach; last:
    below this there is no time for a transfer."""

    act: Fraction
    restore: Fraction
    last: Fraction


@dataclass(frozen=True, slots=True)
class LegMargin:
    """One account's distance to liquidation. distance: share of the price, None: no price liquidates it; arriving: the
    same including transfers under way."""

    account: str
    distance: Fraction | None
    arriving: Fraction | None


@dataclass(frozen=True, slots=True)
class Measure:
    """The measure to take now. trades: account -> signed base, which add up to zero if both sides have enough. reason:
    "" if all legs are far enough."""

    legs: tuple[LegMargin, ...]
    transfers: tuple[Transfer, ...] = ()
    trades: tuple[tuple[str, Fraction], ...] = ()
    reason: str = ""

    @property
    def nearest(self) -> LegMargin | None:
        """Returns the leg with the smallest distance."""
        held = [each for each in self.legs if each.distance is not None]
        return min(held, key=lambda each: each.distance or _ZERO, default=None)


def safety(
    views: Sequence[LegView],
    limits: Limits,
    routes: Sequence[Route] = (),
    moving: Sequence[InFlight] = (),
    now: int = 0,
) -> Measure:
    """Returns the distances of the legs, and the measure that restores them. moving: transfers under way, each counted
    once; overdue ones are not counted on. Views without a price are left out: other checks refuse them."""
    priced = [view for view in views if price_of(view) > 0]
    arrived = {view.account: view for view in in_transit(priced, moving, now)}
    legs = tuple(LegMargin(each.account, distance(each), distance(arrived[each.account])) for each in priced)
    reasons: list[str] = []
    transfers: list[Transfer] = []
    reduce: dict[str, Fraction] = {}
    spare = {account: _spare(view, limits) for account, view in arrived.items()}
    for leg in sorted(legs, key=lambda each: (each.distance is None, each.distance or _ZERO)):
        near = leg.distance
        if near is None or near >= limits.act:
            continue
        view = arrived[leg.account]
        words = f"{leg.account} is {float(near):.1%} from liquidation"
        if near >= limits.last:
            if leg.arriving is None or leg.arriving >= limits.act:
                reasons.append(f"{words}: margin is on its way")
                continue
            sent = _sent(view, limits, routes, spare)
            if sent:
                transfers += sent
                reasons.append(f"{words}: {' and '.join(f'{t.amount:f} {t.route.currency}' for t in sent)} are sent")
                continue
        current = next(each for each in priced if each.account == leg.account)
        reduce[leg.account] = _reduction(current, limits)
        reasons.append(f"{words}: both sides are reduced by {float(reduce[leg.account]):g}")
    return Measure(legs, tuple(transfers), tuple(_both(priced, reduce).items()), "; ".join(reasons))


def _spare(view: LegView, limits: Limits) -> Decimal:
    """Returns how much an account can send and keep its own restore distance."""
    free = max(view.available, Decimal(0))
    if not view.position:
        return free
    beyond = -shortfall(view, limits.restore)
    return max(min(free, _money(beyond) - _CENT), Decimal(0))


def _sent(view: LegView, limits: Limits, routes: Sequence[Route], spare: dict[str, Decimal]) -> list[Transfer]:
    """Returns transfers that restore a leg's distance, or at least bring it out of the act distance; none if they
    cannot."""
    settle = view.instrument.settle
    lack = _money(shortfall(view, limits.restore))
    found: list[Transfer] = []
    ways = [each for each in routes if each.target == view.account and each.currency == settle]
    for route in sorted(ways, key=lambda each: (each.delay, each.source)):
        amount = min(lack + route.fee, spare.get(route.source, Decimal(0)))
        if lack > 0 and amount > route.fee and amount >= route.least:
            found.append(Transfer(route, amount))
            lack -= amount - route.fee
    if lack > 0 and lack > _money(shortfall(view, limits.restore)) - _money(shortfall(view, limits.act)):
        return []
    for each in found:
        spare[each.route.source] -= each.amount
    return found


def _money(value: Fraction) -> Decimal:
    return (Decimal(value.numerator) / Decimal(value.denominator)).quantize(_CENT, rounding=ROUND_UP)


def _reduction(view: LegView, limits: Limits) -> Fraction:
    """Returns the least base, in lots, whose closing restores a leg's distance; all of it if no less does. Its fees and
    half the spread are paid from the same margin."""
    held, lot = Fraction(view.position), lot_of(view)
    side = 1 if held > 0 else -1
    price = Fraction(price_of(view))
    cost = Fraction(view.taker_fee) * (1 if view.instrument.kind is Kind.INVERSE else price)
    low, high = 0, abs(held) // lot  # lots; a rest below one stays
    while low < high:
        middle = (low + high) // 2
        size = middle * lot
        left = held - side * size
        is_safe = not left or shortfall(view, limits.restore, left) + cost * size <= 0
        low, high = (low, middle) if is_safe else (middle + 1, high)
    return min(high * lot, abs(held))


def _both(views: Sequence[LegView], reduce: dict[str, Fraction]) -> dict[str, Fraction]:
    """Returns trades that reduce the named legs, and the legs of the other side by the same amount, the largest first,
    as far as possible."""
    trades: dict[str, Fraction] = {}
    positions = {view.account: Fraction(view.position) for view in views}
    step = common_lot(views)
    for account, base in reduce.items():
        side = 1 if positions[account] > 0 else -1
        size = min(-(-base // step) * step, abs(positions[account])) if step else base
        trades[account] = -side * max(size, abs(trades.get(account, _ZERO)))
    for side in (1, -1):
        taken = sum((-trade * side for trade in trades.values() if trade * side < 0), _ZERO)
        back = sum((trade * side for trade in trades.values() if trade * side > 0), _ZERO)
        lack = taken - back  # for trades of this sign
        for account in sorted(positions, key=lambda each: (-abs(positions[each]), each)):
            if lack > 0 and positions[account] * side < 0:
                size = min(lack, abs(positions[account]) - abs(trades.get(account, _ZERO)))
                trades[account] = trades.get(account, _ZERO) + side * size
                lack -= size
    return {account: trade for account, trade in trades.items() if trade}
