"""Holdings in whole units: what a fill makes of one, fast, and exact in sum.

The cost is what opened the holding, signed as its quantity, in 1e-18 of the settle currency. A part
that is closed takes its share of the cost with it, half to even; what is left keeps the rest. A
fill is valued once, and a fill beyond zero splits that value. So for each holding, of a sub-account
or of the account, whatever fills it has had and in whatever order:

    linear, spot    realized = cost - (value bought - value sold)
    inverse         realized = (value bought - value sold) - cost

to the unit. What sub-accounts realize and what the account does differ by what their costs differ,
and by nothing where all are flat. `position.Position` is the same without any rounding.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

from onetape.model.enums import Kind
from onetape.model.instrument import Instrument
from onetape.model.money import MONEY_DECIMALS, divide_half_even

__all__ = ["Holding", "Own", "Terms"]

Value = Callable[[int, int], int]


class Terms:
    """Of one version of an instrument, what each fill of it needs. value: of price and size, 1e-18
    of the settle currency, signed as the size."""

    __slots__ = ("base", "base_factor", "gain", "instrument", "is_spot", "settle", "unit", "value")

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.base, self.settle = instrument.base, instrument.settle
        self.is_spot = instrument.kind is Kind.SPOT
        self.gain = -1 if instrument.kind is Kind.INVERSE else 1
        self.base_factor: int = 10 ** (MONEY_DECIMALS - instrument.size_decimals)
        # Of one unit of size: what it is in base, or in the quote of an inverse contract.
        self.unit: Fraction = Fraction(instrument.multiplier) / 10**instrument.size_decimals
        self.value = _value(instrument)


def _value(instrument: Instrument) -> Value:
    """`Instrument.notional_units`, with what does not change reckoned once. Nothing is divided
    where a tick times a lot is not finer than 1e-18, as usual."""
    over, under = instrument.multiplier.as_integer_ratio()
    over *= 10**MONEY_DECIMALS
    under *= int(10**instrument.size_decimals)
    shift = int(10**instrument.price_decimals)
    if instrument.kind is Kind.INVERSE:
        over *= shift

        def divided(price: int, size: int) -> int:
            if price <= 0:
                return instrument.notional_units(price, size)
            return divide_half_even(size * over, under * price)

        return divided
    if over % (under * shift):
        return instrument.notional_units
    factor = over // (under * shift)
    return lambda price, size: price * size * factor


@dataclass(slots=True)
class Holding:
    """qty: units of the instrument, negative when short. realized: without fees and funding."""

    terms: Terms
    qty: int = 0
    cost: int = 0
    realized: int = 0

    def fill(self, change: int, value: int) -> int:
        """Takes a signed size of a signed value in. Returns the profit that it realizes."""
        qty = self.qty
        if qty == 0 or (qty > 0) == (change > 0):
            self.qty = qty + change
            self.cost += value
            return 0
        cost, left = self.cost, qty + change
        if left == 0:
            released, closed = cost, value
        elif (left > 0) == (qty > 0):
            released, closed = _share(cost, -change, qty), value
        else:
            released, closed = cost, _share(value, -qty, change)
        # `closed` is the value of the part that closes; its sign is the fill's.
        profit = -(closed + released) * self.terms.gain
        self.qty = left
        self.cost = cost + value + profit * self.terms.gain
        self.realized += profit
        return profit

    def unrealized(self, mark: int) -> int:
        """Profit of closing all at a price, without fees."""
        if not self.qty:
            return 0
        return (self.terms.value(mark, self.qty) - self.cost) * self.terms.gain

    @property
    def entry(self) -> Fraction:
        """Average price that the holding was opened at, 1 being one unit of quote; 0 when flat."""
        if not self.qty or not self.cost:
            return Fraction(0)
        value = Fraction(self.cost, 10**MONEY_DECIMALS)
        amount: Fraction = self.qty * self.terms.unit
        return value / amount if self.terms.gain > 0 else amount / value

    @property
    def entry_price(self) -> Decimal:
        """The same for people: two decimals more than the instrument's prices have."""
        decimals = self.terms.instrument.price_decimals + 2
        entry = self.entry
        units = divide_half_even(entry.numerator * 10**decimals, entry.denominator)
        return Decimal(units).scaleb(-decimals)


@dataclass(slots=True, kw_only=True)
class Own(Holding):
    """A sub-account's, which is a part of the account's. Of spot the account keeps none. recent:
    fills of all that share the account's holding."""

    account: Holding
    recent: deque[Any] = field(default_factory=deque)


def _share(whole: int, part: int, of: int) -> int:
    """whole * part / of, where part and of have one sign."""
    return divide_half_even(whole * abs(part), abs(of))
