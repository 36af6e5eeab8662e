"""Limits on a caller's use: calls a second, or bytes an hour."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

__all__ = ["CallLimits"]

CALLERS_MAX: Final = 10_000  # beyond it the longest silent one is forgotten, and starts with its full limit


class CallLimits:
    """Counts each caller's use against a limit. per_second: of each caller, 0: no limit; at_once: largest burst, 0: a
    second's worth. clock: seconds, monotonic."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic, *, at_once: float = 0) -> None:
        self._per_second, self._at_once, self._clock = per_second, float(at_once or per_second), clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # of each, as of when

    def take(self, caller: str) -> float:
        """Counts a call; 0: it is allowed, else seconds until it is."""
        if wait := self.wait(caller, 1):
            return wait
        self.spend(caller, 1)
        return 0.0

    def wait(self, caller: str, needed: float) -> float:
        """Returns the seconds until a caller has that much left, 0: now."""
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
