"""A sub-account's part of a position, which local stops close where sub-accounts hold against each other."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

__all__ = ["SubAccountStop"]


@dataclass(slots=True)
class SubAccountStop:
    """One sub-account's part of a position, as the core has it. entry: units of price; base: the most that was held
    since it was opened."""

    qty: int = 0
    cost: int = 0
    entry: Fraction = Fraction(0)
    base: int = 0
    closed_at: int = -(10**10)
    refusals: int = 0  # of its closes, one after the other
    refused: str = ""  # why the last one was

    def hold(self, qty: int, cost: int, entry: Fraction) -> None:
        if qty * self.qty <= 0:
            self.base = 0
        self.qty, self.cost, self.entry = qty, cost, entry
        self.base = max(self.base, abs(qty))
