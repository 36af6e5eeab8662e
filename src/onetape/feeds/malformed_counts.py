"""What a venue sends that breaks its own contract: counted, and shown on the journal now and then.

Nothing of it ends a process. A message on a stream ends that connection, which is opened again; an
answer that makes no sense leaves its request unknown, and what became of it is asked for.
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

SHOWN_EVERY_S: Final = 10.0  # of one source, on the journal; all are counted
T = TypeVar("T")


class Rejects:
    """Counts messages of a venue that cannot be read.

    venue: its kind.
    say: for the journal.
    """

    def __init__(self, venue: str, say: Callable[[HealthOut], None]) -> None:
        self.counts: Counter[str] = Counter()  # by source, of which there are a handful
        self._venue, self._say = venue, say
        self._shown_at: dict[str, float] = {}

    def read(self, source: str, read: Callable[[bytes], T], message: bytes) -> T:
        """Returns what `read` makes of a message, from which secrets have been taken out. Raises VenueProtocolError:
        its session is to be ended."""
        try:
            return read(message)
        except MALFORMED as error:
            raise self.noted(source, error, message) from error

    def noted(self, source: str, error: Exception, message: bytes) -> VenueProtocolError:
        """Counts a malformed message, and says so unless that was just said of this source."""
        self.counts[source] += 1
        rule = f"a message that can be read: {type(error).__name__} {error}"[:200]
        found = VenueProtocolError(self._venue, rule, ascii(message[:200].decode("latin-1")))
        now = time.monotonic()
        if now - self._shown_at.get(source, -SHOWN_EVERY_S) >= SHOWN_EVERY_S:
            self._shown_at[source] = now
            state = f"{found} ({self.counts[source]} so far)"
            self._say(HealthOut("malformed", source, state, "warning"))
        return found
