"""The counts of `onetape.orders.budget.WindowCounts`, in Python."""

from collections.abc import Sequence

from onetape.orders.budget import Recount


class WindowCounts:
    """Counts in windows, each by a slot."""

    def __init__(self) -> None:
        self._banned = self._phase = 0
        self._windows: dict[int, tuple[int, int]] = {}  # by slot: which window, how much of it

    def phase(self) -> int:
        return self._phase

    def restate(self, before: int, phase: int, counts: Sequence[Recount]) -> None:
        self._phase = phase
        for slot, begun, begins in counts:
            at, used = self._windows.get(slot, (begins, 0))
            self._windows[slot] = (begins, used if at >= begun else 0)

    def banned_until(self) -> int:
        return self._banned

    def ban(self, until: int) -> None:
        self._banned = max(self._banned, until)

    def spend(self, slot: int, window: int, weight: int, most: int) -> int:
        at, used = self._windows.get(slot, (window, 0))
        used = used if at >= window else 0
        if used + weight <= most:
            self._windows[slot] = (max(at, window), used + weight)
        return used

    def correct(self, slot: int, window: int, used: int) -> None:
        at, counted = self._windows.get(slot, (window, 0))
        if at <= window:
            self._windows[slot] = (window, max(used, counted if at == window else 0))
