"""Holdings: positions with their cost and realized profit, of the account and of its sub-accounts.

The core does the arithmetic. A fill is valued once, so for each holding, after any fills in any order:

    linear, spot    realized = cost - (value bought - value sold)
    inverse         realized = (value bought - value sold) - cost

to the unit. The sum of sub-accounts' realized profits differs from the account's by the difference of their costs, so
not at all when all are flat.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from fractions import Fraction
from typing import Any

from onetape import _core
from onetape.model.enums import Kind
from onetape.model.instrument import Instrument
from onetape.model.money import MONEY_DECIMALS, divide_half_even

__all__ = ["Holding", "Own", "Terms"]


class Terms:
    """The terms of one version of an instrument that fills need.

    value: of price and size, 1e-18 of the settle currency, signed like the size.
    average_decimals: of an average price, two more than prices have.
    """

    __slots__ = (
        "_amount_factor",
        "_value_factor",
        "average_decimals",
        "base",
        "base_factor",
        "core",
        "instrument",
        "is_inverse",
        "is_spot",
        "settle",
        "unit",
        "value",
    )

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.base, self.settle = instrument.base, instrument.settle
        self.is_spot = instrument.kind is Kind.SPOT
        self.base_factor: int = 10 ** (MONEY_DECIMALS - instrument.size_decimals)
        # Of one unit of size: its amount of the base, or of the quote of an inverse contract.
        self.unit: Fraction = Fraction(instrument.multiplier) / 10**instrument.size_decimals
        self.core = instrument.core
        self.value = instrument.core.notional
        self.is_inverse = instrument.kind is Kind.INVERSE
        self.average_decimals = min(instrument.price_decimals + 2, MONEY_DECIMALS)
        over, under = self.unit.numerator * 10**MONEY_DECIMALS, self.unit.denominator
        shift = 10**self.average_decimals
        self._amount_factor, self._value_factor = (over * shift, under) if self.is_inverse else (over, under * shift)

    def average(self, qty: int, cost: int) -> int:
        """Returns the average price at which a position was opened, of `average_decimals`; 0 when flat."""
        if not qty or not cost:
            return 0
        amount, value = abs(qty) * self._amount_factor, abs(cost) * self._value_factor
        return divide_half_even(amount, value) if self.is_inverse else divide_half_even(value, amount)


class Holding(_core.CorePosition):
    """A position of the core, with its instrument's terms. qty: units of the instrument, negative when short; cost: of
    the open position, signed like qty; realized: without fees and funding; both 1e-18 of the settle currency."""

    __slots__ = ("terms",)

    def __init__(self, terms: Terms) -> None:
        super().__init__()
        self.terms = terms

    def fill(self, change: int, value: int) -> int:
        """Adds a signed size of a signed value. Returns the realized profit. Raises OverflowError if the quantity
        exceeds 64 bits, without any change."""
        return self.take(self.terms.core, change, value)

    def unrealized_at(self, mark: int) -> int:
        """Returns the profit of closing all at a price, without fees."""
        return self.unrealized(self.terms.core, mark)

    @property
    def entry(self) -> Fraction:
        """Returns the average entry price, 1 being one unit of quote; 0 when flat."""
        if not self.qty or not self.cost:
            return Fraction(0)
        value = Fraction(self.cost, 10**MONEY_DECIMALS)
        amount: Fraction = self.qty * self.terms.unit
        return amount / value if self.terms.is_inverse else value / amount

    @property
    def average(self) -> Decimal:
        """Returns the average entry price for people, with two decimals more than the instrument's prices."""
        return Decimal(self.terms.average(self.qty, self.cost)).scaleb(-self.terms.average_decimals)


class Own(Holding):
    """The holding of a sub-account, part of the account's. On spot the account has none. recent: fills of all that
    share the account's holding."""

    __slots__ = ("account", "recent")

    def __init__(self, terms: Terms, account: Holding, recent: deque[Any]) -> None:
        super().__init__(terms)
        self.account = account
        self.recent = recent
