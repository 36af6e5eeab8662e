"""How long nobody asks about an account after its venue said that it was asked too often.

Pure: time comes as argument. Kraken counts what is asked with a key and lets the count run down
with time; who goes on asking while it is too high is refused for longer (docs.kraken.com "Spot
REST Rate Limits", read 2026-11: "possibly longer if calls continue to be made while the rate limits
are active"; whether a refused request counts like another is not said, and taken as yes here). So
everything that reads waits for one clock: each refusal after a pause doubles the next one, answers
shorten it again. What changes orders is counted elsewhere, and is never held up.
"""

from __future__ import annotations

from typing import Final

from onetape.model.time import SECOND
from onetape.orders.budget import ESSENTIAL
from onetape.orders.calls import ORDER_PURPOSES, Purpose

__all__ = ["ReadPause"]

LEAST: Final = 5 * SECOND
MOST: Final = 60 * SECOND  # runs 20 requests off the slowest of Kraken's counters
ANSWERS: Final = 10  # as many halve the pause: about what one look at the whole account takes
HEAD_START: Final = SECOND  # for questions about orders, and for the key of the stream
# What is public, and what disarms or takes off risk.
_FREE: Final = ORDER_PURPOSES | {Purpose.DEAD_MAN, Purpose.TIME, Purpose.INSTRUMENTS, Purpose.MARKET}


class ReadPause:
    """Of one key. now: ns UTC by the venue's clock."""

    def __init__(self) -> None:
        self.until = 0
        self.length = 0  # of the last one, ns; 0: the venue has not complained, or long ago
        self._answers = 0  # since the last refusal

    def opens_at(self, purpose: Purpose, now: int) -> int:
        """When a request may be sent that must not be sent now; 0: it may."""
        if not self.until or purpose in _FREE:
            return 0
        at = self.until if purpose in ESSENTIAL else self.until + HEAD_START
        return at if now < at else 0

    def refused(self, now: int, wait: int) -> bool:
        """The venue has refused a request because there were too many. wait: ns, as it said or is
        known of it, 0 without. False: that was known; the request left before the pause began."""
        self._answers = 0
        if now < self.until:
            return False
        self.length = min(max(2 * self.length, LEAST), MOST)
        self.until = now + max(self.length, wait)
        return True

    def answered(self, purpose: Purpose, now: int) -> None:
        """The venue has looked at a request."""
        if purpose in _FREE or not self.length or now < self.until:
            return
        self._answers += 1
        if self._answers >= ANSWERS:
            self._answers = 0
            self.length = self.length // 2 if self.length > LEAST else 0
