"""How many calls a caller may make: so many a second, and a second's worth at once."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

__all__ = ["CallLimits"]

CALLERS_MAX: Final = 10_000  # the one that was silent longest is forgotten, and begins with a full second


class CallLimits:
    """Counts each caller's calls against a limit. per_second: of each caller, 0: no limit. clock: seconds that never go
    back."""

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._clock = per_second, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # calls, as of when

    def take(self, caller: str) -> float:
        """Counts a call; 0: it may be made, else seconds until it may."""
        if not self._per_second:
            return 0.0
        now = self._clock()
        left, since = self._left.pop(caller, (float(self._per_second), now))
        left = min(float(self._per_second), left + (now - since) * self._per_second)
        wait = 0.0 if left >= 1 else (1 - left) / self._per_second
        self._left[caller] = (left if wait else left - 1), now
        if len(self._left) > CALLERS_MAX:
            self._left.popitem(last=False)
        return wait
