"""Judges sources as healthy, degraded or failing. Pure: times are arguments.

    failing    its process is gone, its connection is lost, or it is silent though it used to speak; at once
    degraded   it speaks, but of this symbol it is silent, it is late, or it has failed recently
    healthy    it has been without fault for a while, which grows with the number of failures

Silence is measured by each stream's own rhythm, and only in attended time (market/silence.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple

from onetape.market.silence import SilenceWatch
from onetape.model.time import SECOND

__all__ = ["FeedState", "SourceHealth", "StateChange"]

STEADY: Final = 2 * SECOND  # time without a fault until a source is healthy again; doubled for each further failure
STEADY_MAX: Final = 60 * SECOND
REMEMBERED: Final = 60 * SECOND  # age up to which failures count
ALL: Final = -1  # as symbol: the source as a whole


class FeedState(IntEnum):
    HEALTHY = 0
    DEGRADED = 1
    FAILING = 2

    @property
    def word(self) -> str:
        return self.name.lower()


class StateChange(NamedTuple):
    source: int
    state: FeedState
    why: str


@dataclass(slots=True)
class _Source:
    state: FeedState = FeedState.FAILING  # until it speaks
    why: str = "has not spoken"
    fault: str = "has not spoken"  # its current fault, "": none
    is_late: bool = False
    good_since: int = 0
    failures: deque[int] = field(default_factory=deque)


class SourceHealth:
    """Judges which sources are reliable. Sources and symbols are numbers. now: attended time, ns."""

    def __init__(self, sources: int, stale_ns: int) -> None:
        self._sources = [_Source() for _ in range(sources)]
        self._stale_ns = stale_ns
        self._silence = SilenceWatch[tuple[int, int]]()
        self._lost = [False] * sources
        self._dead = [True] * sources
        self._has_spoken = [False] * sources

    def state(self, source: int, symbol: int = ALL) -> FeedState:
        """Returns the state of a source, or of its messages about one symbol."""
        state = self._sources[source].state
        if symbol != ALL and (source, symbol) in self._silence.silent:
            return max(state, FeedState.DEGRADED)
        return state

    def why(self, source: int) -> str:
        return self._sources[source].why

    def is_fresh(self, source: int, symbol: int) -> bool:
        """Tells whether its messages about the symbol are reliable now."""
        return self._sources[source].state is not FeedState.FAILING and (source, symbol) not in self._silence.silent

    def bound_ns(self, source: int, symbol: int) -> int:
        """Returns how long it may be silent about the symbol."""
        return self._silence.limit((source, symbol))

    def begun(self, source: int) -> None:
        """Resets a source whose process was replaced."""
        self._lost[source] = self._has_spoken[source] = False

    def process(self, source: int, *, is_alive: bool) -> None:
        self._dead[source] = not is_alive

    def connection(self, source: int, *, is_lost: bool) -> None:
        self._lost[source] = is_lost

    def late(self, source: int, delay_ns: float) -> None:
        """Sets by how much it is slower than the fastest of its venue."""
        own = self._sources[source]
        # Back to normal below half of the bound; in between nothing changes.
        own.is_late = delay_ns > (self._stale_ns / 2 if own.is_late else self._stale_ns)

    def heard(self, spoken: Iterable[tuple[int, int]], now: int) -> None:
        """Notes messages since the last call. spoken: (source, symbol)."""
        sources = set()
        for source, symbol in spoken:
            sources.add(source)
            self._silence.heard((source, symbol), now)
        for source in sources:
            self._silence.heard((source, ALL), now)
            self._has_spoken[source] = True

    def forget(self, symbol: int, source: int | None = None) -> None:
        """Ends the expectation of messages about the symbol, from this source or from any."""
        for each in range(len(self._sources)) if source is None else (source,):
            self._silence.forget((each, symbol))

    def look(self, now: int) -> list[StateChange]:
        """Returns the sources whose state has changed."""
        self._silence.look(now)
        return [change for number in range(len(self._sources)) if (change := self._judge(number, now)) is not None]

    def _judge(self, number: int, now: int) -> StateChange | None:
        own = self._sources[number]
        fault = self._fault(number)
        if fault and not own.fault:
            own.failures.append(now)
        own.fault = fault
        while own.failures and now - own.failures[0] > REMEMBERED:
            own.failures.popleft()
        if fault:
            return self._become(number, FeedState.FAILING, fault)
        if own.is_late:
            own.good_since = now
            return self._become(number, FeedState.DEGRADED, "late")
        if own.state is FeedState.FAILING:
            own.good_since = now
            # A first start is no failure.
            if own.failures:
                return self._become(number, FeedState.DEGRADED, "has failed recently")
            return self._become(number, FeedState.HEALTHY, "")
        steady = min(STEADY << max(len(own.failures) - 1, 0), STEADY_MAX)
        if now - own.good_since >= (steady if own.failures else STEADY):
            return self._become(number, FeedState.HEALTHY, "")
        return None

    def _fault(self, number: int) -> str:
        if self._dead[number]:
            return "its process is gone"
        if self._lost[number]:
            return "its connection is lost"
        if not self._has_spoken[number]:
            return "has not spoken"
        return "silent" if (number, ALL) in self._silence.silent else ""

    def _become(self, number: int, state: FeedState, why: str) -> StateChange | None:
        own = self._sources[number]
        if own.state is state:
            own.why = why
            return None
        own.state, own.why = state, why
        return StateChange(number, state, why)
