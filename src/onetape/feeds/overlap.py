"""What two connections bring while both carry the same streams: each message counts once. Pure.

A connection is replaced by one that is made before it ends, so that nothing is missed between them.
For that time both say the same, one perhaps behind the other; the bytes of a message tell which are
the same, because a venue writes an event once for all who listen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

__all__ = ["Overlap"]


class Overlap:
    """Shared by all connections that may carry the same. `is_open`: whether two of them do now."""

    def __init__(self) -> None:
        self.is_open = False
        self.repeated = 0  # messages that another connection had brought
        self._pairs = 0
        self._brought: dict[Hashable, Counter[bytes]] = {}  # by connection
        self._taken: Counter[bytes] = Counter()

    def begin(self) -> None:
        """One more connection is about to be replaced."""
        self._pairs += 1
        self.is_open = True

    def end(self) -> None:
        """As often as `begin`: the connection that was replaced has ended, and its last messages have come over the
        other."""
        self._pairs -= 1
        if not self._pairs:
            self.is_open = False
            self._brought.clear()
            self._taken.clear()

    def is_new(self, message: bytes, connection: Hashable) -> bool:
        """A message that one connection brings twice was said twice."""
        brought = self._brought.setdefault(connection, Counter())
        brought[message] += 1
        if brought[message] <= self._taken[message]:
            self.repeated += 1
            return False
        self._taken[message] = brought[message]
        return True
