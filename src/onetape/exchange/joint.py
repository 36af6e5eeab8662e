"""The money of an account whose currencies stand for each other: joint margin.

What there is of a currency counts in USD at its index less a haircut, what is owed of one at its
index and the haircut on top. One account of the core stands behind it and keeps the balances; only
what is free, and when it is too little, is the sum's. Source of the rules: Binance's "Multi-Assets
Mode" and "Multi-Assets Mode Asset Index", read 2026-11. That margin needed is valued like a debt is
our reading: nothing in them says otherwise, and it errs on the safe side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

__all__ = ["ONE", "Collateral", "JointFunds", "Rates"]

ONE: Final = 10**18  # rates and amounts are in 1e-18


class Collateral(NamedTuple):
    """Says how a currency counts as joint margin."""

    haircut: Decimal  # of its index, either way
    exchange_haircut: Decimal  # the same where it is exchanged against a debt
    debt_max: Decimal  # a balance further below zero is paid from the other currencies
    value_max: Decimal = Decimal(0)  # USD, before the haircut: what is worth more counts as so much; 0: no bound


class Rates(NamedTuple):
    """The rates of a currency: USD for a unit of it, 1e-18; all 0: it does not count."""

    price: int  # its index
    bid: int  # what there is
    ask: int  # what is owed
    exchange_bid: int
    exchange_ask: int
    most: int = 0  # USD that all there is comes to at most, 1e-18; 0: no bound

    @classmethod
    def of(cls, price: int, terms: Collateral) -> Rates:
        def off(haircut: Decimal) -> tuple[int, int]:
            part = int(price * haircut)
            return price - part, price + part

        most = int(terms.value_max * (1 - terms.haircut) * ONE)
        return cls(price, *off(terms.haircut), *off(terms.exchange_haircut), most)

    def worth(self, amount: int) -> int:
        """USD, 1e-18, rounded down."""
        worth = amount * (self.bid if amount >= 0 else self.ask) // ONE
        return min(worth, self.most) if self.most else worth

    def needed(self, amount: int) -> int:
        """USD that a margin of this currency takes, 1e-18, rounded up."""
        return -(-amount * self.ask // ONE)


class JointFunds:
    """Has the methods of a CoreAccount, which is `own`. settle: the number of each
    instrument's currency. rates: of a currency, now."""

    def __init__(self, own: Any, settle: Sequence[int], count: int, rates: Callable[[int], Rates]) -> None:
        self.own = own
        self._settle = settle
        self._currencies = range(count)
        self._rates = rates

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)

    def equity_usd(self) -> int:
        """Returns what there is, 1e-18 USD."""
        return sum(self._rates(at).worth(int(self.own.equity(at))) for at in self._currencies)

    def maintenance_usd(self) -> int:
        return self._needed(self.own.maintenance_margin)

    def free_usd(self) -> int:
        """Returns what no position and no order needs, 1e-18 USD; less than 0: what is missing."""
        return self.equity_usd() - self._needed(self.own.initial_margin)

    def _needed(self, margin: Callable[[int], int]) -> int:
        return sum(self._rates(at).needed(margin_of) for at in self._currencies if (margin_of := int(margin(at))))

    def available(self, currency: int) -> int:
        """In the currency: what may be put to use as its margin."""
        ask = self._rates(currency).ask
        return self.free_usd() * ONE // ask if ask else 0

    def below_maintenance(self, _currency: int) -> bool:
        needed = self.maintenance_usd()
        return bool(needed) and self.equity_usd() < needed

    def check_funds(self, index: int, *order: Any) -> int:
        """Returns the core's own check, with what the other currencies add lent to it while it looks."""
        currency = self._settle[index]
        lent = self.available(currency) - int(self.own.available(currency))
        self.own.deposit(currency, lent)
        code = int(self.own.check_funds(index, *order))
        self.own.deposit(currency, -lent)
        return code
