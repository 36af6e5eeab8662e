"""Detect streams of a market that have fallen silent though connected. Pure: times are arguments.

Each stream is measured by its own rhythm: a symbol with ten messages a second is silent after
two seconds, one with two a minute after some minutes. Only attended time counts, in which
this process ran and would have received messages: a machine that was stopped, starved or asleep
concludes nothing from missed messages.

Times are ns of a clock that never goes back.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple, TypeVar

from onetape.model.time import SECOND

__all__ = ["UNLEARNED", "Attention", "Change", "Rhythm", "SilenceWatch"]

Name = TypeVar("Name", bound=Hashable)

STEP_MAX: Final = SECOND // 10  # between two calls of `look`; of a longer pause the rest is not attended
STALLED: Final = SECOND  # a pause of this process that is worth reporting
# The shortest silence: below it a network pause needs no action.
FLOOR: Final = 3 * SECOND // 2
PROMISED: Final = 1.75  # multiple of the longest gap that the venue guarantees
UNLEARNED: Final = 120 * SECOND  # limit for a stream that has had at most one message
# In a random flow one in 440,000 gaps is longer than 13 mean gaps (e^-13).
DEVIATIONS: Final = 12
LONGEST: Final = 1.5  # multiple of the longest recent gap
MEMORY: Final = 256  # number of gaps averaged
NEW: Final = 16  # after n gaps the limit is longer by the fraction NEW / n
DOUBTED: Final = 4  # after n gaps their deviation counts as larger by DOUBTED / n of the mean


class Attention:
    """Measures how much time this process has attended. Call `look` a few times each STEP_MAX."""

    def __init__(self) -> None:
        self.now = 0
        self.stalls = 0
        self.longest = 0  # stall, ns
        self._last: int | None = None

    def look(self, steady: int) -> int:
        """Returns the length in ns of a stall of this process that has just ended, else 0. steady: the machine's
        monotonic clock, ns."""
        step = steady - (steady if self._last is None else self._last)
        self._last = steady
        self.now += min(step, STEP_MAX)
        if step < STALLED:
            return 0
        self.stalls += 1
        self.longest = max(self.longest, step)
        return step


@dataclass(slots=True)
class Rhythm:
    """Learns the usual gap between a stream's messages, averaged over the last ones."""

    last: int
    gaps: int = 0
    mean: float = 0.0
    variance: float = 0.0
    longest: float = 0.0
    most: int = 0  # longest gap guaranteed by the venue, ns; 0: none
    first: int = UNLEARNED  # deadline of the next message, ns

    def heard(self, now: int) -> None:
        # A silence counts as the longest usual gap: a quieter market is learned from a few silences, and after an
        # outage the limit soon returns to its old value.
        gap = min(now - self.last, self.limit)
        self.last = now
        self.gaps += 1
        share = 1 / min(self.gaps, MEMORY)
        away = gap - self.mean
        self.mean += share * away
        self.variance = (1 - share) * (self.variance + share * away * away)
        self.longest = max(gap, self.longest * (1 - 1 / MEMORY))

    @property
    def limit(self) -> int:
        """Returns the longest gap that is still usual."""
        if self.most:
            return max(FLOOR, int(PROMISED * self.most))
        if not self.gaps:
            return self.first
        # The deviation of only a few gaps is unreliable.
        deviation = math.sqrt(self.variance) + self.mean * min(DOUBTED / self.gaps, 1)
        usual = max(self.mean + DEVIATIONS * deviation, LONGEST * self.longest)
        return max(FLOOR, int(usual * (1 + NEW / self.gaps)))


class Change(NamedTuple, Generic[Name]):
    """A stream fell silent, or has messages again. since: time of the last message before the silence."""

    stream: Name
    is_silent: bool
    since: int


@dataclass(slots=True)
class SilenceWatch(Generic[Name]):
    """Watches streams, by any name, for silence. now: attended time (`Attention.now`), ns."""

    silent: dict[Name, int] = field(default_factory=dict)  # stream -> silent since
    _rhythms: dict[Name, Rhythm] = field(default_factory=dict)

    def expect(self, stream: Name, now: int, most: int, first: int = UNLEARNED) -> None:
        """Start to watch a stream. most: longest gap in ns guaranteed by the venue, 0: learn it. first: ns until the
        first message. A stream already watched stays unchanged."""
        self._rhythms.setdefault(stream, Rhythm(now, most=most, first=first))

    def heard(self, stream: Name, now: int) -> Change[Name] | None:
        """Note that the stream had messages since the last call; returns the change if it was silent."""
        rhythm = self._rhythms.get(stream)
        if rhythm is None:
            self._rhythms[stream] = Rhythm(now)
            return None
        rhythm.heard(now)
        since = self.silent.pop(stream, None)
        return None if since is None else Change(stream, False, since)

    def limit(self, stream: Name) -> int:
        """Returns how long the stream may be silent now, ns."""
        rhythm = self._rhythms.get(stream)
        return UNLEARNED if rhythm is None else rhythm.limit

    def forget(self, stream: Name) -> None:
        """Stop watching the stream."""
        self._rhythms.pop(stream, None)
        self.silent.pop(stream, None)

    def look(self, now: int) -> list[Change[Name]]:
        """Returns the streams that have just fallen silent."""
        found = [
            Change(stream, True, rhythm.last)
            for stream, rhythm in self._rhythms.items()
            if stream not in self.silent and now - rhythm.last > rhythm.limit
        ]
        for change in found:
            self.silent[change.stream] = change.since
        return found
