"""Limits on a caller's use: calls a second, or bytes an hour."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

__all__ = ["CallLimits"]

CALLERS_MAX: Final = 10_000  # beyond it the one silent for longest is dropped: its next call has the full limit


class CallLimits:
    """Counts each caller's use against a limit. per_second: units for each caller, 0: no limit; at_once: largest burst
    in units, 0: those of one second. clock: seconds, monotonic."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic, *, at_once: float = 0) -> None:
        self._per_second, self._at_once, self._clock = per_second, float(at_once or per_second), clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # caller -> units left, and when

    def take(self, caller: str) -> float:
        """Counts a call and returns 0 if it is allowed, else the seconds until it will be."""
        if wait := self.wait(caller, 1):
            return wait
        self.spend(caller, 1)
        return 0.0

    def wait(self, caller: str, needed: float) -> float:
        """Returns the seconds until a caller has `needed` units left; 0: it has them now."""
        if not self._per_second:
            return 0.0
        return max(0.0, (needed - self._settled(caller)) / self._per_second)

    def spend(self, caller: str, used: float) -> None:
        """Counts use, also beyond the limit."""
        if self._per_second:
            self._left[caller] = self._settled(caller) - used, self._clock()

    def _settled(self, caller: str) -> float:
        now = self._clock()
        left, since = self._left.pop(caller, (self._at_once, now))
        left = min(self._at_once, left + (now - since) * self._per_second)
        self._left[caller] = left, now
        if len(self._left) > CALLERS_MAX:
            self._left.popitem(last=False)
        return left
