"""A sub-account's part of a position, which local stops close if sub-accounts have opposite positions."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from onetape.guardian.market_close import MarketClose
from onetape.risk.stop_ladder import LevelShares

__all__ = ["SubAccountStop"]


@dataclass(slots=True)
class SubAccountStop:
    """One sub-account's part of a position. entry: units of price."""

    qty: int = 0
    cost: int = 0
    opened: str = ""  # the frame of the gateway's journal that opened it
    entry: Fraction = Fraction(0)
    shares: LevelShares = field(default_factory=LevelShares)
    closing: MarketClose = field(default_factory=MarketClose)
    closed_at: int = -(10**10)
    refusals: int = 0  # successive refusals of its closes
    refused: str = ""  # reason of the last one

    @property
    def noted(self) -> dict[str, Any]:
        """Returns the closed levels, as its next incarnation needs them."""
        return {"opened": self.opened, "base": self.shares.base, "left": str(self.shares.left)}

    def hold(self, qty: int, cost: int, entry: Fraction, opened: str) -> None:
        self.shares.hold(qty, qty if opened == self.opened else 0)
        # While a journal is read again, nothing has been reported yet.
        self.closing.hold(qty, (self.qty or qty) if opened == self.opened else 0)
        self.qty, self.cost, self.entry, self.opened = qty, cost, entry, opened
