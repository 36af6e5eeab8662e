"""Passes on each message once while two connections carry the same streams. Pure. A connection is replaced by a new one
that is made before the old one ends, so that no message is missed. Meanwhile both carry the same messages, perhaps one
later than the other. Equal bytes identify a message, because a venue writes an event once for all subscribers. Messages
that come on the new connection first are held until the old one has brought them or has ended, so that nothing is
written out of order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

__all__ = ["Overlap"]


class Overlap:
    """Shared by all connections that may carry the same messages. is_open: two of them do now."""

    def __init__(self) -> None:
        self.is_open = False
        self.repeated = 0  # messages that came over another connection before
        self._pairs = 0
        self._brought: dict[Hashable, Counter[bytes]] = {}  # connection -> messages that it has brought
        self._taken: Counter[bytes] = Counter()
        self._held: dict[Hashable, list[tuple[bytes, int]]] = {}  # of new connections: (message, times received)

    def begin(self) -> None:
        """Begins the replacement of one more connection."""
        self._pairs += 1
        self.is_open = True

    def end(self) -> None:
        """Ends one replacement: the replaced connection has ended, and its last messages have come over the other. Call
        it as often as `begin`."""
        self._pairs -= 1
        if not self._pairs:
            self.is_open = False
            self._brought.clear()
            self._taken.clear()
            self._held.clear()

    def follow(self, connection: Hashable) -> None:
        """Marks a connection as a replacement: messages that only it has received are held from now on."""
        self._held[connection] = []

    def forget(self, connection: Hashable) -> None:
        """Drops an ended connection; the other continues, and will bring the held messages."""
        self._held.pop(connection, None)

    def release(self, connection: Hashable) -> list[bytes]:
        """Returns, in order, the held messages that the other connection, now ended, has not brought. From now on
        nothing is held."""
        found = []
        for message, count in self._held.pop(connection, ()):
            if count <= self._taken[message]:
                self.repeated += 1
            else:
                self._taken[message] = count
                found.append(message)
        return found

    def is_new(self, message: bytes, connection: Hashable) -> bool:
        """Tells whether to write a message now. If one connection brings equal bytes twice, they are two messages."""
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
