"""Pages of trades: some venues return the oldest trades of the requested time first, others the newest.

If the venue takes an offset, pages go by it, newest first: new trades push the others back, so pages overlap and lose
nothing. Else they go by time: a full page is followed by older ones until there are none, then by newer ones. If more
trades have the same time than a page holds, that time is skipped, and the missing trades show as a difference of
positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

__all__ = ["FEW", "PAGE_MAX", "Page"]

PAGE_MAX: Final = 500
FEW: Final = 50  # an answer with this many trades may be incomplete, if the page size is unknown
STEPS_MAX: Final = 12  # if a page repeats: go back 1 ms, then 2, 4, ..., because some venues count seconds


class Page:
    """One request for a page. said: `since` (ms), or for a later page the cursor that `after` returned."""

    def __init__(self, said: dict[str, Any], offsets: str = "") -> None:
        self._begin: int = said["since"]
        self._offset: int = said.get("offset", 0)
        self._older: int = said.get("older", 0)
        self._newer: int = said.get("newer", 0)
        self._steps: int = said.get("steps", 0)
        self._by_offset = bool(offsets)
        self.params: dict[str, Any] = {}
        if offsets:
            self.params = {offsets: self._offset} if self._offset else {}
        elif self._older:
            self.params = {"until": self._older}
        is_forward = bool(self._newer and not self._older)
        self.since: int = self._newer if is_forward else self._begin

    def after(self, times: Sequence[int], *, is_full: bool) -> dict[str, int]:
        """Returns the cursor of the next page, empty if this was the last. times: ms of its trades."""
        if self._by_offset:
            offset = self._offset + len(times)
            return {"since": self._begin, "offset": offset} if is_full else {}
        if self._older:
            return self._after_older(times, is_full=is_full)
        if not is_full or not times:
            return {}
        if not self._newer:  # the first page
            return {"since": self._begin, "older": min(times), "newer": max(times)}
        return {"since": self._begin, "newer": max(times)} if max(times) > self._newer else {}

    def _after_older(self, times: Sequence[int], *, is_full: bool) -> dict[str, int]:
        older = {"since": self._begin, "newer": self._newer}
        if is_full and times and min(times) > self._begin:
            if min(times) < self._older:
                return {**older, "older": min(times)}
            if self._steps < STEPS_MAX:
                back = self._older - (1 << self._steps)
                return {**older, "older": back, "steps": self._steps + 1}
        return older
