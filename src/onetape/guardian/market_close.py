"""A close at the market that is under way: its fill takes a while, and what it takes off is not closed twice. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from onetape.model.time import SECOND

__all__ = ["MarketClose"]

# By then the venue's own listing of positions has been believed where its fills were not heard of; a close that came
# to nothing without a word is sent again.
WITHIN: Final = 10 * SECOND


@dataclass(slots=True)
class MarketClose:
    """Counts what closes that were sent have yet to take off one position, or one part of it. left: units."""

    left: int = 0
    until: int = 0  # ns of the core's clock

    def sent(self, size: int, now: int) -> None:
        self.left, self.until = self.under_way(now) + size, now + WITHIN

    def ended(self, left: int) -> None:
        """Takes in that so much of what was sent takes nothing off: it was refused, or canceled."""
        self.left = max(self.left - left, 0)

    def hold(self, qty: int, was: int) -> None:
        """Takes in what is held, signed: what has gone was closed by it, for whatever else takes off leaves less to
        close as well."""
        self.left = max(self.left - max(abs(was) - abs(qty), 0), 0) if qty * was > 0 else 0

    def under_way(self, now: int) -> int:
        return self.left if now < self.until else 0
