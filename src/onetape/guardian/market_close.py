"""A market close under way, whose quantity must not be closed twice. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from onetape.model.time import SECOND

__all__ = ["MarketClose"]

# By then the venue's own listing of positions has corrected unreported fills; a close that vanished without a report is
# sent again.
WITHIN: Final = 10 * SECOND


@dataclass(slots=True)
class MarketClose:
    """Counts the open quantity of closes of one position, or one part of it. left: units."""

    left: int = 0
    until: int = 0  # ns of the core's clock

    def sent(self, size: int, now: int) -> None:
        self.left, self.until = self.under_way(now) + size, now + WITHIN

    def ended(self, left: int) -> None:
        """Subtracts a quantity that will not fill: it was refused, or canceled."""
        self.left = max(self.left - left, 0)

    def hold(self, qty: int, was: int) -> None:
        """Handles a change of the signed position: a reduction counts as filled by the close, because any other
        reduction leaves less to close, too."""
        self.left = max(self.left - max(abs(was) - abs(qty), 0), 0) if qty * was > 0 else 0

    def under_way(self, now: int) -> int:
        return self.left if now < self.until else 0
