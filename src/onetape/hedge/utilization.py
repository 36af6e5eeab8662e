"""Brings the utilisation of margin to a target, by moving exposure between accounts, and margin where venues allow it.

utilisation = (total - available) / total. An account beyond the tolerance needs more or less exposure; the accounts'
trades add up to zero, so the net delta stays. If it must be repaired as well, that comes first: the trades then add up
to the repair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from onetape.hedge.margin import InFlight, Route, Transfer, in_transit
from onetape.hedge.model import LegView
from onetape.hedge.plan import common_lot, lot_of, price_of, tradable
from onetape.model.enums import Kind

__all__ = ["Action", "Rebalance", "Target", "rebalance"]

_ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class Target:
    """The target utilisation. utilization, tolerance: shares of 1; exactly the tolerance is within. amount_max: base,
    of one account; None: any. routes: for margin; empty: only exposure moves. delta, band: target of the net delta,
    base units; None: unchanged."""

    utilization: Fraction
    tolerance: Fraction
    amount_max: Fraction | None = None
    routes: tuple[Route, ...] = ()
    delta: Fraction | None = None
    band: Fraction = _ZERO


@dataclass(frozen=True, slots=True)
class Action:
    """The action of one account. trade: signed base to trade; amount: the resulting change of its exposure, signed;
    transfer: margin received, settle currency, negative: sent; wanted: the exposure that it lacks."""

    account: str
    action: Literal["increase", "decrease", "maintain"]
    current: Fraction
    trade: Fraction
    amount: Fraction
    transfer: Decimal
    wanted: Fraction


@dataclass(frozen=True, slots=True)
class Rebalance:
    """The actions that bring all accounts to the target. actions: one for each account, in the order of the views.
    repair: the sum of the trades. reason: what was left out, or came first; "": nothing."""

    actions: tuple[Action, ...]
    transfers: tuple[Transfer, ...]
    average: Fraction
    needed: bool
    repair: Fraction
    reason: str

    @property
    def trades(self) -> dict[str, Fraction]:
        """Returns account -> signed base, of the accounts that trade."""
        return {each.account: each.trade for each in self.actions if each.trade}


def rebalance(views: Sequence[LegView], target: Target, moving: Sequence[InFlight] = (), now: int = 0) -> Rebalance:
    """Plans the actions that bring the accounts to the target, as far as possible. moving: transfers under way, which
    count as arrived. Views without a price or an equity are left alone."""
    arrived = in_transit(views, moving, now)
    transfers = _transfers(arrived, target)
    funded = in_transit(arrived, [InFlight(each, now) for each in transfers], now)
    wants = {view.account: _wanted(view, target) for view in funded}
    net = sum((Fraction(view.position) for view in views), _ZERO)
    is_off = target.delta is not None and abs(net - target.delta) > target.band
    repair = target.delta - net if is_off and target.delta is not None else _ZERO
    trades = _whole(funded, _balanced(funded, target, wants, repair), repair)
    off = [view.account for view in funded if abs(view.utilization - target.utilization) > target.tolerance]
    moved = {view.account: after.equity - view.equity for view, after in zip(arrived, funded, strict=True)}
    actions = tuple(
        _action(view, target, trades.get(view.account, _ZERO), moved[view.account], wants[view.account])
        for view in views
    )
    left = sum(trades.values(), _ZERO) - repair
    reasons = [
        f"the net delta {float(net):g} is {float(-repair):+g} off: that is repaired first" if repair else "",
        f"{float(-left):+g} of the repair fits no account" if repair and abs(left) >= common_lot(views) else "",
        ", ".join(each for each in off if not trades.get(each))
        + " stay: no account takes the other side within the cap"
        if any(not trades.get(each) for each in off)
        else "",
    ]
    return Rebalance(
        actions,
        tuple(transfers),
        sum((view.utilization for view in views), _ZERO) / len(views) if views else _ZERO,
        bool(repair) or any(each.action != "maintain" for each in actions),
        repair,
        "; ".join(filter(None, reasons)),
    )


def _action(view: LegView, target: Target, trade: Fraction, moved: Decimal, wanted: Fraction) -> Action:
    current = view.utilization
    gap = target.utilization - current
    word: Literal["increase", "decrease", "maintain"] = "maintain"
    if abs(gap) > target.tolerance:
        word = "increase" if gap > 0 else "decrease"
    position = Fraction(view.position)
    return Action(view.account, word, current, trade, abs(position + trade) - abs(position), moved, wanted)


def _wanted(view: LegView, target: Target, edge: Fraction = _ZERO) -> Fraction:
    """Returns the base by which a leg's exposure must grow to reach the target, negative: shrink; 0 within the
    tolerance. edge: to the end of the tolerance instead, regardless of the present value."""
    gap = target.utilization - view.utilization
    if view.equity <= 0 or price_of(view) <= 0 or view.refusal or (not edge and abs(gap) <= target.tolerance):
        return _ZERO
    value = (gap + edge) * Fraction(view.equity) * Fraction(max(view.leverage, Decimal(1)))
    base = value if view.instrument.kind is Kind.INVERSE else value / Fraction(price_of(view))
    if target.amount_max is not None:
        base = min(max(base, -target.amount_max), target.amount_max)
    return max(base, -abs(Fraction(view.position)))


def _balanced(
    views: Sequence[LegView], target: Target, wants: Mapping[str, Fraction], repair: Fraction
) -> dict[str, Fraction]:
    """Returns signed trades that add up to the repair. The account farthest from the target is served first; trades
    without a counterpart go to accounts within their tolerance, and otherwise are dropped."""
    sides = {view.account: (view.position > 0) - (view.position < 0) for view in views}
    trades = {account: wants[account] * sides[account] for account in wants}
    flat = [view for view in views if not sides[view.account]]

    def lack() -> Fraction:
        return repair - sum(trades.values(), _ZERO)

    for view in flat:  # an account without a position takes the side that is short of trades
        trades[view.account] = _clamp(lack(), wants[view.account])
    room: list[Callable[[LegView, int], Fraction]] = [lambda view, sign: _room(view, target, sides[view.account], sign)]
    if repair:  # the delta comes before the tolerance, not before the maximum
        room.append(lambda view, _sign: _ZERO if view.refusal else _limit(view, target))
    for room_of in room:
        for view in sorted(views, key=lambda each: -each.available):
            sign = (lack() > 0) - (lack() < 0)
            if sign and trades[view.account] * sign >= 0 and (wants[view.account] == 0 or room_of is not room[0]):
                more = max(room_of(view, sign) - abs(trades[view.account]), _ZERO)
                trades[view.account] += sign * min(abs(lack()), more)
    for view in sorted(views, key=lambda each: abs(each.utilization - target.utilization)):
        if (missing := lack()) * trades[view.account] < 0:
            trades[view.account] += _clamp(missing, abs(trades[view.account]))
    return trades


def _clamp(value: Fraction, most: Fraction) -> Fraction:
    return min(max(value, -most), most) if most > 0 else _ZERO


def _room(view: LegView, target: Target, side: int, sign: int) -> Fraction:
    """Returns how much an account within its tolerance may trade in a direction and stay within."""
    grows = side in (0, sign)
    return max(_wanted(view, target, target.tolerance if grows else -target.tolerance) * (1 if grows else -1), _ZERO)


def _limit(view: LegView, target: Target) -> Fraction:
    """Returns how much an account's margin, or its position, lets it trade."""
    price = Fraction(price_of(view))
    value = Fraction(max(view.available, Decimal(0)) * max(view.leverage, Decimal(1)))
    if price <= 0:
        return _ZERO
    most = max(value if view.instrument.kind is Kind.INVERSE else value / price, abs(Fraction(view.position)))
    return most if target.amount_max is None else min(most, target.amount_max)


def _whole(views: Sequence[LegView], trades: dict[str, Fraction], repair: Fraction) -> dict[str, Fraction]:
    """Rounds trades to whole lots, towards zero and none below the minimum; then reduces the larger side until they add
    up."""
    common = common_lot(views)
    found, lots = dict(trades), dict.fromkeys(trades, _ZERO)
    by_account = {view.account: view for view in views if price_of(view) > 0}

    def cut(account: str, size: Fraction) -> None:
        view, side = by_account[account], 1 if found[account] > 0 else -1
        size = size // lots[account] * lots[account]
        least = Fraction(tradable(view, reduces=view.position * side < 0))
        found[account] = side * size if size >= least else _ZERO

    for account, view in by_account.items():
        lots[account] = lot_of(view) if view.instrument.kind is Kind.INVERSE else common
        cut(account, abs(found[account]))
    for _ in views:  # each round ends at least one trade, or all is well
        for account in sorted(by_account, key=lambda each: abs(found[each])):
            over = sum(found.values(), _ZERO) - repair
            if over * found[account] > 0:
                cut(account, max(abs(found[account]) - abs(over), _ZERO))
    return {account: size for account, size in found.items() if size}


def _transfers(views: Sequence[LegView], target: Target) -> list[Transfer]:
    """Returns transfers from underused accounts to overused ones, each up to its target, in the order of the routes."""
    need: dict[str, Decimal] = {}
    for view in views:
        used = view.equity - view.available
        if abs(view.utilization - target.utilization) > target.tolerance and target.utilization > 0 and view.equity > 0:
            wanted = Decimal(int(Fraction(used) / target.utilization * 10**8)) / 10**8 - view.equity
            need[view.account] = max(wanted, -max(view.available, Decimal(0)))
    currencies = {view.account: view.instrument.settle for view in views}
    found: list[Transfer] = []
    for route in target.routes:
        lacks, has = need.get(route.target, Decimal(0)), -need.get(route.source, Decimal(0))
        amount = min(lacks + route.fee, has)
        is_currency = currencies.get(route.source) == currencies.get(route.target) == route.currency
        if is_currency and lacks > 0 and amount > route.fee and amount >= route.least:
            found.append(Transfer(route, amount))
            need[route.target] -= amount - route.fee
            need[route.source] += amount
    return found
