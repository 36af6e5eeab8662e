"""What two connections bring while both carry the same streams: each message counts once. Pure.

A connection is replaced by one that is made before it ends, so that nothing is missed between them.
For that time both say the same, one perhaps behind the other; the bytes of a message tell which are
the same, because a venue writes an event once for all who listen. What the later one is ahead with is
held until the earlier one has brought it or has ended: nothing is written out of order.
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
        self._held: dict[
            Hashable, list[tuple[bytes, int]]
        ] = {}  # by connection that follows: message, how often brought

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
            self._held.clear()

    def follow(self, connection: Hashable) -> None:
        """It is to replace another: what it alone has brought is held from now on."""
        self._held[connection] = []

    def forget(self, connection: Hashable) -> None:
        """It has ended, and the other goes on: that one will bring what is held."""
        self._held.pop(connection, None)

    def release(self, connection: Hashable) -> list[bytes]:
        """The other has ended: returns what it has not brought, in order. From now on nothing of it is held."""
        found = []
        for message, count in self._held.pop(connection, ()):
            if count <= self._taken[message]:
                self.repeated += 1
            else:
                self._taken[message] = count
                found.append(message)
        return found

    def is_new(self, message: bytes, connection: Hashable) -> bool:
        """Tells whether it is to be written now. A message that one connection brings twice was said twice."""
        brought = self._brought.setdefault(connection, Counter())
        brought[message] += 1
        if brought[message] <= self._taken[message]:
            self.repeated += 1
            return False
        if (held := self._held.get(connection)) is not None:
            held.append((message, brought[message]))
            return False
        self._taken[message] = brought[message]
        return True
