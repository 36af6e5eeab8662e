"""Counts a venue's malformed messages, and reports them on the journal now and then.

None of them ends a process. A malformed stream message ends that connection, which is opened again; a malformed
answer leaves its request uncertain, and its outcome is queried.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Final, TypeVar

from onetape.model.errors import VenueProtocolError
from onetape.orders.malformed import MALFORMED
from onetape.orders.managed import HealthOut

__all__ = ["Rejects"]

SHOWN_EVERY_S: Final = 10.0  # at most one report per source in this time; all are counted
T = TypeVar("T")


class Rejects:
    """Counts unreadable messages of a venue.

    venue: its kind. say: for the journal.
    """

    def __init__(self, venue: str, say: Callable[[HealthOut], None]) -> None:
        self.counts: Counter[str] = Counter()  # source -> count; there are few sources
        self._venue, self._say = venue, say
        self._shown_at: dict[str, float] = {}

    def read(self, source: str, read: Callable[[bytes], T], message: bytes) -> T:
        """Returns the result of `read` on a message without secrets. Raises VenueProtocolError: its session must be
        ended."""
        try:
            return read(message)
        except MALFORMED as error:
            raise self.noted(source, error, message) from error

    def noted(self, source: str, error: Exception, message: bytes) -> VenueProtocolError:
        """Counts a malformed message, and reports it unless this source was just reported."""
        self.counts[source] += 1
        rule = f"a message that can be read: {type(error).__name__} {error}"[:200]
        found = VenueProtocolError(self._venue, rule, ascii(message[:200].decode("latin-1")))
        now = time.monotonic()
        if now - self._shown_at.get(source, -SHOWN_EVERY_S) >= SHOWN_EVERY_S:
            self._shown_at[source] = now
            state = f"{found} ({self.counts[source]} so far)"
            self._say(HealthOut("malformed", source, state, "warning"))
        return found
