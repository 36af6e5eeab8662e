"""Margin of an account: how far the price may move before the venue liquidates a leg, and what a transfer changes.

The profit of one leg cannot be used as margin for the loss of the other on another account, so each leg is judged by
its own account. The maintenance margin of a leg comes from the core's table of its instrument; that of the account's
other positions is assumed constant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Final

from onetape.hedge.model import LegView
from onetape.hedge.plan import price_of
from onetape.model.enums import Kind
from onetape.model.money import MONEY_DECIMALS, divide_half_even

__all__ = ["InFlight", "Route", "Transfer", "distance", "in_transit", "shortfall"]

MOVE_MAX: Final = Fraction(10)  # a short leg that survives eleven times the price counts as safe
_STEPS: Final = 24  # bisections of a distance: to less than a millionth
_UNIT: Final = 10**MONEY_DECIMALS


@dataclass(frozen=True, slots=True)
class Route:
    """A route for margin from one account to another. delay: expected ns until it is usable at the target; fee: in the
    currency, deducted from the arriving amount; least: minimum amount of the venue."""

    source: str
    target: str
    currency: str
    delay: int
    fee: Decimal = Decimal(0)
    least: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer of margin on a route. amount: debited from the source."""

    route: Route
    amount: Decimal


@dataclass(frozen=True, slots=True)
class InFlight:
    """A transfer that has been sent. debited: whether the source's figures include it; credited: the part of it that
    the target's figures may include. due: ns UTC of its expected arrival; after that it is not counted on."""

    transfer: Transfer
    due: int
    debited: bool = False
    credited: Decimal = Decimal(0)


def shortfall(view: LegView, move: Fraction, position: Fraction | None = None) -> Fraction:
    """Returns the margin that the account would lack, in its settle currency, after the price moved against a leg by
    this share; negative: its surplus. position: signed base, as if traded to that at the mark."""
    mark = Fraction(price_of(view))
    held = Fraction(view.position)
    base = held if position is None else position
    price = mark * (1 - move if base > 0 else 1 + move)
    others = max(Fraction(view.maintenance) - _kept(view, held, mark, mark), Fraction(0))
    return others + _kept(view, base, mark, price) - Fraction(view.equity) - _profit(view, base, mark, price)


def distance(view: LegView, position: Fraction | None = None) -> Fraction | None:
    """Returns the share by which the price may move against a leg before its account no longer covers it; 0: it does
    not now; None: there is no such price."""
    base = Fraction(view.position) if position is None else position
    if not base or price_of(view) <= 0:
        return None
    low, high = Fraction(0), MOVE_MAX if base < 0 else 1 - Fraction(1, 2**_STEPS)
    if shortfall(view, low, position) > 0:
        return low
    if shortfall(view, high, position) <= 0:
        return None
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if shortfall(view, middle, position) > 0 else (middle, high)
    return low


def _profit(view: LegView, base: Fraction, mark: Fraction, price: Fraction) -> Fraction:
    if view.instrument.kind is Kind.INVERSE:
        return base * (1 - mark / price)
    return base * (price - mark)


def _kept(view: LegView, base: Fraction, mark: Fraction, price: Fraction) -> Fraction:
    """Returns the maintenance margin of a leg at a price, settle currency."""
    value = abs(base) * (mark / price if view.instrument.kind is Kind.INVERSE else price)
    units = divide_half_even(value.numerator * _UNIT, value.denominator)
    return Fraction(view.instrument.maintenance_units(units), _UNIT)


def in_transit(views: Sequence[LegView], moving: Iterable[InFlight], now: int) -> list[LegView]:
    """Returns the accounts as they will be after the transfers under way: each counts once, off the source and for the
    target, whichever already shows it. Overdue transfers are not counted on."""
    change: dict[str, Decimal] = {}
    for each in moving:
        route, amount = each.transfer.route, each.transfer.amount
        if not each.debited:
            change[route.source] = change.get(route.source, Decimal(0)) - amount
        coming = amount - route.fee - each.credited
        if coming > 0 and now <= each.due:
            change[route.target] = change.get(route.target, Decimal(0)) + coming
    return [
        replace(view, equity=view.equity + change[view.account], available=view.available + change[view.account])
        if view.account in change
        else view
        for view in views
    ]
