"""What a strategy is answered when it asks for its money, and how its exceptions are told."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from onetape.model.time import format_time

__all__ = ["Balance", "ExactBalance", "Failed"]


@dataclass(frozen=True, slots=True)
class Balance:
    """Money of one currency. total: what is owned; available: free for new orders; locked: what
    working orders and positions hold. Open profit may be free, too: it is in no total."""

    currency: str
    total: float
    available: float
    locked: float = 0.0


@dataclass(frozen=True, slots=True)
class ExactBalance:
    """A `Balance` whose amounts are exact."""

    currency: str
    total: Fraction
    available: Fraction
    locked: Fraction


@dataclass(frozen=True, slots=True)
class Failed:
    """An exception of the strategy: which callback, what, where in its source, when."""

    callback: str
    error: str
    location: str
    time: int

    def __str__(self) -> str:
        place = self.location or "strategy"
        return f"{self.error}, {place}, in {self.callback} at {format_time(self.time)}"
