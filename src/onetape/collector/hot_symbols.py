"""Which symbols a poller asks about more often, by a condition on the market that there is."""

from __future__ import annotations

from pathlib import Path

from onetape.market.condition import Condition
from onetape.model.errors import OnetapeError
from onetape.model.time import SECOND
from onetape.scanner.scanner import Scanner, market_journals

__all__ = ["HotSymbols"]

SILENT_FOR = 30 * SECOND  # of a market that writes nothing: whatever it meets is of the past


class HotSymbols:
    """Follows the hub's market, or without one what the processes of this home write. Used by one
    thread at a time."""

    def __init__(self, home: Path, condition: Condition) -> None:
        self._home, self._condition = home, condition
        self._scanner: Scanner | None = None
        self._written, self._written_at = -1, 0

    def look(self, now: int) -> frozenset[str] | None:
        """Returns those that meet the condition, ns. None: there is no market that could say it now."""
        try:
            if self._scanner is None:
                self._scanner = Scanner(market_journals(self._home), self._condition, is_live=True)
            if not self._scanner.is_written:
                self.close()
                return None
            found = self._scanner.meeting(now)
        except OnetapeError:  # no process, no such symbol, a journal that was replaced
            self.close()
            return None
        if self._scanner.frames != self._written:
            self._written, self._written_at = self._scanner.frames, now
        return found if now - self._written_at <= SILENT_FOR else None

    def close(self) -> None:
        scanner, self._scanner = self._scanner, None
        if scanner is not None:
            scanner.close()
