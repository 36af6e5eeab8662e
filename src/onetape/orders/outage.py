"""Orders of unknown outcome, as one outage: it is said once, with how many they are. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from onetape.model.time import SECOND
from onetape.orders.managed import HealthOut

__all__ = ["Outage"]

PAUSE: Final = SECOND  # before it is said, and between two words of it: most are settled by then


class Outage:
    """Begins with the first order whose outcome is unknown, ends when none is. account: whose."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._names: set[str] = set()  # of all that were unknown in it
        self._said = 0  # how many, when it was said last
        self._due = 0

    def look(self, unknown: Iterable[str], now: int) -> HealthOut | None:
        """unknown: client ids, now."""
        current = set(unknown)
        if current and not self._names:
            self._due = now + PAUSE
        self._names |= current
        count = len(self._names)
        if current:
            if count == self._said or now < self._due:
                return None
            self._said, self._due = count, now + PAUSE
            words = f"{count} of unknown outcome, {len(current)} now"
            return HealthOut("unknown orders", self._account, words, "warning")
        was_said, self._said = self._said, 0
        self._names.clear()
        return HealthOut("unknown orders", self._account, f"{count} settled") if was_said else None
