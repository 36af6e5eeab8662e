"""From when on the fills of an account have to be asked for, so that none is missed.

The mark moves only when a whole round has been answered: while pages are coming, a page of another
symbol, or the newest page of a list that begins with the newest, says nothing about what is older.
A page that is lost is asked for again from the beginning of the round, and overlaps: fills are
booked once by their ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from onetape.model.time import SECOND
from onetape.orders.told import FillTold, Told

__all__ = ["OVERLAP", "FillsAsked"]

OVERLAP: Final = 60 * SECOND  # asked for from this long before the mark: lists lag behind


class FillsAsked:
    """known: ns by the venue's clock up to which no fill is missing; 0: there is nothing yet."""

    def __init__(self, known: int) -> None:
        self.known = known
        self._newest = 0

    @property
    def since(self) -> int:
        """What a question names."""
        return max(self.known - OVERLAP, 0)

    def begin(self, now: int) -> None:
        """A round, also one that takes the place of another."""
        self.known = self.known or now
        self._newest = 0

    def heard(self, told: Iterable[Told]) -> None:
        newest = (t.time for t in told if isinstance(t, FillTold))
        self._newest = max(self._newest, max(newest, default=0))

    def done(self) -> None:
        """All pages of all symbols have been answered."""
        self.known = max(self.known, self._newest)
