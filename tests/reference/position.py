"""Positions by exact arithmetic: what the core's positions and liquidation prices are checked against.

A position is a signed quantity and the value it was opened at. Everything is kept as fractions, so
that no rounding hides in a sum; money leaves in units of 1e-18, half to even (`money_units`).

With quantity q (signed), multiplier m and price p, in the settle currency:

    spot, linear    value(p) =  q * m * p        entry = value / (q * m)
    inverse         value(p) = -q * m / p        entry = -q * m / value

so for every kind: profit = value(now) - value(opened). A part closed takes its share of the opened
value with it; a fill beyond zero closes everything and opens the rest at its own price.

Realized profit does not contain fees; those are added up beside it, positive when paid, negative
when they are a maker's rebate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from onetape.model.enums import Kind, PositionSide, Side
from onetape.model.errors import ReduceOnlyViolated, check
from onetape.model.margin import MarginBracket
from onetape.model.money import MONEY_DECIMALS, divide_half_even

Exact = Fraction | Decimal | int


@dataclass(slots=True)
class Position:
    """One position. `qty` in the instrument's unit of quantity, negative when short."""

    kind: Kind
    multiplier: Fraction = Fraction(1)
    side: PositionSide = PositionSide.BOTH
    qty: Fraction = Fraction(0)
    opened_value: Fraction = Fraction(0)
    realized: Fraction = Fraction(0)
    fees: Fraction = Fraction(0)
    funding: Fraction = Fraction(0)

    def value(self, price: Exact, qty: Fraction | None = None) -> Fraction:
        """value(price) of the whole position or of `qty`. price != 0 for inverse."""
        amount = (self.qty if qty is None else qty) * self.multiplier
        if self.kind is Kind.INVERSE:
            check(price > 0, f"an inverse contract has a positive price: {price}")
            return -amount / Fraction(price)
        return amount * Fraction(price)

    @property
    def entry_price(self) -> Fraction:
        """Average price the open quantity was opened at, 0 when flat. Harmonic for inverse."""
        if not self.qty:
            return Fraction(0)
        amount = self.qty * self.multiplier
        if self.kind is Kind.INVERSE:
            return -amount / self.opened_value
        return self.opened_value / amount

    def unrealized(self, price: Exact) -> Fraction:
        """Profit of closing all at `price`, without fees; 0 when flat."""
        return self.value(price) - self.opened_value if self.qty else Fraction(0)

    def apply_fill(self, side: Side, price: Exact, qty: Exact, fee: Exact = 0) -> Fraction:
        """Book a fill (qty > 0) and return the profit it realized.

        Raises ReduceOnlyViolated where a hedge-mode position would change its sign, and then
        changes nothing.
        """
        check(qty > 0 and side is not Side.NONE, f"a fill has a side and a quantity: {side} {qty}")
        signed = Fraction(qty) * side.sign
        after = self.qty + signed
        if (self.side is PositionSide.LONG and after < 0) or (self.side is PositionSide.SHORT and after > 0):
            raise ReduceOnlyViolated(f"a {self.side} position cannot become {after}")
        profit = Fraction(0)
        if self.qty * signed < 0:
            closed = -signed if abs(signed) <= abs(self.qty) else self.qty
            share = self.opened_value * closed / self.qty
            profit = self.value(price, closed) - share
            self.opened_value -= share
            self.qty -= closed
            signed += closed
        if signed:
            self.opened_value += self.value(price, signed)
            self.qty += signed
        self.realized += profit
        self.fees += Fraction(fee)
        return profit

    def apply_funding(self, rate: Exact, mark: Exact) -> Fraction:
        """Book a funding payment and return what it added to us: a long pays a positive rate."""
        notional = self.value(mark)
        if self.kind is Kind.INVERSE:
            notional = -notional
        paid = -notional * Fraction(rate)
        self.funding += paid
        return paid


def money_units(amount: Fraction) -> int:
    """An exact amount in units of 1e-18, half to even."""
    return divide_half_even(amount.numerator * 10**MONEY_DECIMALS, amount.denominator)


def liquidation_price(
    position: Position,
    margin: Exact,
    *,
    maintenance_rate: Exact = 0,
    closing_fee: Exact = 0,
    brackets: Sequence[MarginBracket] = (),
) -> Fraction | None:
    """The price at which an isolated position's margin and profit just cover its maintenance.

    margin: what backs it, in the settle currency, without profit. The maintenance need is r times
    the notional at the price asked for, less A; r is the rate plus `closing_fee`, the taker fee of
    closing, where the venue reserves it. `brackets` take the place of `maintenance_rate`, whose A
    is 0. With a = |q| * m and entry value v = |opened value|:

        linear long     M + a*P - v = r*a*P - A      P = (v - M - A) / (a * (1 - r))
        linear short    M + v - a*P = r*a*P - A      P = (v + M + A) / (a * (1 + r))
        inverse long    M + v - a/P = r*a/P - A      P = a * (1 + r) / (v + M + A)
        inverse short   M + a/P - v = r*a/P - A      P = a * (1 - r) / (v - M - A)

    With brackets it is the first such price on the way against the position at which its value
    lies in the bracket; where a table jumps, it may be the edge itself.

    None where no positive price does it: flat, spot, a long whose margin covers all of its value,
    an inverse short whose margin covers its entry value. At r = 0 it is the bankruptcy price.
    """
    if not position.qty or position.kind is Kind.SPOT:
        return None
    fee, backing = Fraction(closing_fee), Fraction(margin)
    if not brackets:
        rate = Fraction(maintenance_rate) + fee
        check(0 <= rate < 1, f"a maintenance rate lies in 0..1: {rate}")
        return _covered_until(position, backing, rate)
    is_long = position.qty > 0
    amount = abs(position.qty) * position.multiplier
    found: list[Fraction] = []
    floor: Fraction | None = None
    for number, row in enumerate(brackets):
        rate = Fraction(row.maintenance_rate) + fee
        relief = Fraction(row.maintenance_amount or 0)
        most = Fraction(row.notional_max) if number < len(brackets) - 1 else None
        price = _covered_until(position, backing + relief, rate)
        if price is not None:
            value = amount / price if position.kind is Kind.INVERSE else amount * price
            if (floor is None or value > floor) and (most is None or value <= most):
                found.append(price)
        if most is not None:  # is it covered at the edge by this row, and not by the next?
            edge = amount / most if position.kind is Kind.INVERSE else most / amount
            after = brackets[number + 1]
            own = backing + position.unrealized(edge)
            need = (Fraction(after.maintenance_rate) + fee) * most
            need -= Fraction(after.maintenance_amount or 0)
            if rate * most - relief <= own < need:
                found.append(edge)
        floor = most
    return (max(found) if is_long else min(found)) if found else None


def _covered_until(position: Position, backing: Fraction, rate: Fraction) -> Fraction | None:
    """The price where backing plus profit equals rate times the notional."""
    amount = abs(position.qty) * position.multiplier
    entry = abs(position.opened_value)
    is_long = position.qty > 0
    if position.kind is Kind.LINEAR:
        price = (entry - backing) / (amount * (1 - rate)) if is_long else (entry + backing) / (amount * (1 + rate))
        return price if price > 0 else None
    under = entry + backing if is_long else entry - backing
    if under <= 0:
        return None
    return amount * (1 + rate if is_long else 1 - rate) / under


def initial_margin(position: Position, leverage: Exact) -> Fraction:
    """What backs an isolated position opened at `leverage`: entry value / leverage."""
    check(leverage > 0, f"leverage is positive: {leverage}")
    return abs(position.opened_value) / Fraction(leverage)


__all__ = ["Position", "initial_margin", "liquidation_price", "money_units"]
