"""Limits the connections of a home's processes to a venue, which counts the attempts of an address and blocks one that
makes too many.

All processes draw on one token bucket in a small shared file, which holds the time at which the bucket will be full
again. A burst of attempts is allowed, then one after each step, so that no window of the venue, wherever it begins,
exceeds the venue's limit. If the bucket is empty, a process waits for it and then for a random time, so that reconnects
of many connections are spread. A part of the bucket is reserved for connections that trading needs.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from onetape.model.time import SECOND
from onetape.orders.budget import BudgetRule
from onetape.store.shared_counters import SharedMoment

__all__ = ["Bucket", "ConnectPace", "pace_file"]

PERCENT: Final = 95  # of the venue's limit: other machines may share the address
AT_ONCE: Final = 3  # a third of the limit may come in a burst
NEEDED: Final = 4  # a fourth of the burst is reserved for trading
SPREAD_S: Final = 0.5


def pace_file(budget: Path) -> Path:
    """Returns the pace file beside an address's request budget."""
    return budget.with_name(budget.name.replace("budget-", "connects-", 1))


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket. Pure. step: ns between two evenly spaced attempts. burst: attempts that may come at once.

    A window has at most `burst` plus `window / step` of them."""

    step: int
    burst: int

    @classmethod
    def of(cls, rule: BudgetRule) -> Bucket:
        most = max(rule.most * PERCENT // 100, 2)
        burst = max(most // AT_ONCE, 1)
        return cls(-(-rule.window // (most - burst)), burst)

    def take(self, full_at: int, now: int, *, is_needed: bool) -> tuple[int, int]:
        """Returns when the bucket will be full again after this attempt, and how long to wait, ns; wait 0: connect now.
        A refused attempt leaves the bucket unchanged."""
        # A time further away is from before a reboot, so earlier attempts are unknown.
        full_at = min(max(full_at, now), now + self.burst * self.step)
        room = self.burst if is_needed else self.burst - self.burst // NEEDED
        wait = full_at + self.step - (now + room * self.step)
        return (full_at, wait) if wait > 0 else (full_at + self.step, 0)


class ConnectPace:
    """Paces the connections of one address. rule: the venue's limit of attempts in a window, None: unlimited."""

    def __init__(self, path: Path, rule: BudgetRule | None) -> None:
        self._bucket = Bucket.of(rule) if rule is not None else None
        self._full_at = SharedMoment(path) if rule is not None else None
        self.waited = 0  # attempts that had to wait

    def close(self) -> None:
        if self._full_at is not None:
            self._full_at.close()

    def take(self, now: int, *, is_needed: bool = False) -> int:
        """Returns the wait in ns; 0: connect now. now: the machine's monotonic clock, ns."""
        if self._bucket is None or self._full_at is None:
            return 0
        with self._full_at.changing() as moment:
            moment.at, wait = self._bucket.take(moment.at, now, is_needed=is_needed)
        return wait

    async def turn(self, *, is_needed: bool = False) -> None:
        """Waits until a connection may be made. is_needed: trading needs it."""
        wait = self.take(time.monotonic_ns(), is_needed=is_needed)
        self.waited += wait > 0
        while wait:
            await asyncio.sleep(wait / SECOND + SPREAD_S * random.random())
            wait = self.take(time.monotonic_ns(), is_needed=is_needed)
