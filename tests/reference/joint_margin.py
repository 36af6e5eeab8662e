"""Margin of an account whose currencies stand for each other (Binance's multi-assets mode).

What there is of a currency counts in USD at its index less a haircut; what is owed or needed of one
at its index and the haircut on top. Source: Binance, "Multi-Assets Mode" and "Multi-Assets Mode
Asset Index", read 2026-11; that margin needed is valued like a debt is our reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from onetape.model.money import MONEY_DECIMALS

__all__ = ["Asset", "JointMargin"]

_ONE: Final = 10**MONEY_DECIMALS


class Asset(NamedTuple):
    """Of one currency: its wallet's equity, initial and maintenance margin; price: USD for a unit
    of it (its index), 0 where it does not count. All in 1e-18."""

    equity: int
    initial: int
    maintenance: int
    price: int
    haircut: Decimal

    @property
    def bid(self) -> int:
        return self.price - int(self.price * self.haircut)

    @property
    def ask(self) -> int:
        return self.price + int(self.price * self.haircut)

    @property
    def worth(self) -> int:
        """USD, rounded down."""
        return self.equity * (self.bid if self.equity >= 0 else self.ask) // _ONE

    def needed(self, margin: int) -> int:
        """USD, rounded up."""
        return -(-margin * self.ask // _ONE)


class JointMargin:
    """In USD, 1e-18."""

    def __init__(self, assets: Mapping[str, Asset]) -> None:
        self.assets = assets

    @property
    def equity(self) -> int:
        return sum(each.worth for each in self.assets.values())

    @property
    def initial(self) -> int:
        return sum(each.needed(each.initial) for each in self.assets.values())

    @property
    def maintenance(self) -> int:
        return sum(each.needed(each.maintenance) for each in self.assets.values())

    @property
    def free(self) -> int:
        """Below zero: what is missing."""
        return self.equity - self.initial

    def available(self, currency: str) -> int:
        """What may be put to use as margin of the currency, in it."""
        ask = self.assets[currency].ask
        return self.free * _ONE // ask if ask else 0

    @property
    def is_short(self) -> bool:
        needed = self.maintenance
        return bool(needed) and self.equity < needed
