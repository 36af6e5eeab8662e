"""Joint margin: the money of an account whose currencies back each other.

Assets in a currency count in USD at its index less a haircut, debts at its index plus the haircut. One core account has
the balances; only the free amount and the margin check use the total. Source of the rules: Binance's "Multi-Assets
Mode" and "Multi-Assets Mode Asset Index", read 2026-11. We assume that required margin is valued like a debt: no source
contradicts that, and it is the cautious assumption.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

__all__ = ["ONE", "Collateral", "JointFunds", "Rates"]

ONE: Final = 10**18  # scale of rates and amounts


class Collateral(NamedTuple):
    """A currency's valuation as joint margin."""

    haircut: Decimal  # part of the index, subtracted for assets and added for debts
    exchange_haircut: Decimal  # the same when assets are exchanged to repay a debt
    debt_max: Decimal  # a larger debt is repaid from the other currencies
    value_max: Decimal = Decimal(0)  # USD, before the haircut: value above it does not count; 0: unlimited


class Rates(NamedTuple):
    """The rates of a currency, USD per unit in 1e-18; all 0: the currency does not count."""

    price: int  # its index
    bid: int  # for assets
    ask: int  # for debts
    exchange_bid: int
    exchange_ask: int
    most: int = 0  # maximum USD of all assets, 1e-18; 0: unlimited

    @classmethod
    def of(cls, price: int, terms: Collateral) -> Rates:
        def off(haircut: Decimal) -> tuple[int, int]:
            part = int(price * haircut)
            return price - part, price + part

        most = int(terms.value_max * (1 - terms.haircut) * ONE)
        return cls(price, *off(terms.haircut), *off(terms.exchange_haircut), most)

    def worth(self, amount: int) -> int:
        """Returns USD, 1e-18, rounded down."""
        worth = amount * (self.bid if amount >= 0 else self.ask) // ONE
        return min(worth, self.most) if self.most else worth

    def needed(self, amount: int) -> int:
        """Returns the USD that a margin in this currency requires, 1e-18, rounded up."""
        return -(-amount * self.ask // ONE)


class JointFunds:
    """Wraps a CoreAccount, `own`, with the same methods. settle: the number of each instrument's settle currency.
    rates: returns the present rates of a currency."""

    def __init__(self, own: Any, settle: Sequence[int], count: int, rates: Callable[[int], Rates]) -> None:
        self.own = own
        self._settle = settle
        self._currencies = range(count)
        self._rates = rates

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)

    def equity_usd(self) -> int:
        """Returns the total value, 1e-18 USD."""
        return sum(self._rates(at).worth(int(self.own.equity(at))) for at in self._currencies)

    def maintenance_usd(self) -> int:
        return self._needed(self.own.maintenance_margin)

    def free_usd(self) -> int:
        """Returns the value that no position and no order requires, 1e-18 USD; negative: so much is missing."""
        return self.equity_usd() - self._needed(self.own.initial_margin)

    def _needed(self, margin: Callable[[int], int]) -> int:
        return sum(self._rates(at).needed(margin_of) for at in self._currencies if (margin_of := int(margin(at))))

    def available(self, currency: int) -> int:
        """Returns the amount usable as margin, in the currency."""
        ask = self._rates(currency).ask
        return self.free_usd() * ONE // ask if ask else 0

    def below_maintenance(self, _currency: int) -> bool:
        needed = self.maintenance_usd()
        return bool(needed) and self.equity_usd() < needed

    def check_funds(self, index: int, *order: Any) -> int:
        """Returns the result of the core's own check, for which the value of the other currencies is added
        temporarily."""
        currency = self._settle[index]
        lent = self.available(currency) - int(self.own.available(currency))
        self.own.deposit(currency, lent)
        code = int(self.own.check_funds(index, *order))
        self.own.deposit(currency, -lent)
        return code
