"""How often the processes of a home connect to a venue: it counts the attempts of an address, and
shuts out one that makes too many.

All of them draw on one bucket, a word of a small shared file: the moment at which it would be full
again. So many attempts may come at once, then one after each step, and no window of the venue, wherever
it begins, has more than the venue allows. Who finds it empty waits, and a part at random, so that a storm
of reconnects comes spread. A part of the bucket is for connections that trading needs.
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

PERCENT: Final = 95  # of the venue's limit: other machines may stand behind the same address
AT_ONCE: Final = 3  # a third of it
NEEDED: Final = 4  # a fourth of what may come at once is for what trading needs
SPREAD_S: Final = 0.5


def pace_file(budget: Path) -> Path:
    """Of the address whose budget of requests is there."""
    return budget.with_name(budget.name.replace("budget-", "connects-", 1))


@dataclass(frozen=True, slots=True)
class Bucket:
    """Pure. step: ns between two attempts that are made evenly. burst: attempts that may come at once.

    In a window are `burst` and `window / step` of them at most."""

    step: int
    burst: int

    @classmethod
    def of(cls, rule: BudgetRule) -> Bucket:
        most = max(rule.most * PERCENT // 100, 2)
        burst = max(most // AT_ONCE, 1)
        return cls(-(-rule.window // (most - burst)), burst)

    def take(self, full_at: int, now: int, *, is_needed: bool) -> tuple[int, int]:
        """When it is full again after this attempt, and how long to wait for it, ns: 0, it may be made. Of one
        that may not the bucket is as it was."""
        # A moment further away is another boot's: what was drawn then is not known.
        full_at = min(max(full_at, now), now + self.burst * self.step)
        room = self.burst if is_needed else self.burst - self.burst // NEEDED
        wait = full_at + self.step - (now + room * self.step)
        return (full_at, wait) if wait > 0 else (full_at + self.step, 0)


class ConnectPace:
    """Of one address. rule: so many attempts in a window are allowed, None: any number."""

    def __init__(self, path: Path, rule: BudgetRule | None) -> None:
        self._bucket = Bucket.of(rule) if rule is not None else None
        self._full_at = SharedMoment(path) if rule is not None else None
        self.waited = 0  # attempts that had to

    def close(self) -> None:
        if self._full_at is not None:
            self._full_at.close()

    def take(self, now: int, *, is_needed: bool = False) -> int:
        """Returns how long to wait, ns; 0: connect now. now: of the machine's steady clock."""
        if self._bucket is None or self._full_at is None:
            return 0
        with self._full_at.changing() as moment:
            moment.at, wait = self._bucket.take(moment.at, now, is_needed=is_needed)
        return wait

    async def turn(self, *, is_needed: bool = False) -> None:
        """Until a connection may be made. is_needed: trading needs it."""
        wait = self.take(time.monotonic_ns(), is_needed=is_needed)
        self.waited += wait > 0
        while wait:
            await asyncio.sleep(wait / SECOND + SPREAD_S * random.random())
            wait = self.take(time.monotonic_ns(), is_needed=is_needed)
