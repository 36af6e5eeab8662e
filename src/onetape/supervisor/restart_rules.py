"""When a process is started, killed, started again and given up: the supervisor without processes.

Pure: time comes as an argument (seconds of a clock that never goes back), what is to be done is
given back as values, and what became of it is told.

    waiting -> starting -> running -> stopping -> stopped
       ^          |           |
       +- backoff <-----------+        and, after too many ends in a minute, `failed`
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from onetape.model.byte_size import format_bytes
from onetape.model.errors import DiskFull

__all__ = [
    "SILENT_S",
    "START_WITHIN_S",
    "STOP_WITHIN_S",
    "Bounds",
    "Child",
    "Do",
    "Law",
    "Life",
    "State",
    "Step",
    "refusal_in",
]

START_WITHIN_S: Final = 30.0  # from its start until it is ready
STOP_WITHIN_S: Final = 15.0  # from the signal until it is killed: a robot cancels its orders first
SILENT_S: Final = 5.0  # fifty heartbeats that did not come: stopped, or stuck below the interpreter
BACKOFF_S: Final = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)  # by how often it has ended within a minute
STORM_S: Final = 60.0
STORM_MAX: Final = 8  # ends within that time; then somebody has to look
FULL_S: Final = 1.0  # between two tries on a full disk
FAULTS_S: Final = 600.0
FAULTS_MAX: Final = 3  # times within that time that it went beyond its bounds: it will go on so
HALTED: Final = 4  # exit code of a robot whose strategy failed and is to stay away
UNREACHABLE: Final = 6  # exit code: a venue that is away comes back one day
HOPELESS: Final = (2, 3, 5)  # exit codes: configuration, input, refused; the next try ends as this


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What a process that could not start has said decides, where it has said it, before its exit code.
# With one of these the next try ends as this one.
PERMANENT: Final = _names(
    """
    INVALID_ACCOUNT PERMISSION_DENIED INVALID_AMOUNT UNKNOWN_CURRENCY UNKNOWN_SUBACCOUNT NOT_OWNER
    BANNED_SYMBOL ACCOUNT_MODE VENUE_REJECTED BAD_SIGNATURE VENUE_CLOSED BAD_INPUT UNKNOWN_FORMAT
    UNKNOWN_SYMBOL TORN_TAPE SCHEMA_MISMATCH NOT_AVAILABLE BAD_CONFIG DIVERGENCE
    """
)
# These pass by themselves, however long that takes: it is tried on and on, never given up.
PASSING: Final = _names(
    """
    MARKET_DATA_UNAVAILABLE SERVICE_TIMEOUT PROXY_FAILED RATE_LIMITED VENUE_UNAVAILABLE
    VENUE_RATE_LIMIT PROCESS_DOWN
    """
)
_NAMED: Final = re.compile(r"\berror ([A-Z_]+)\(\d+\)")


class State(StrEnum):
    """As CONTRACT.md has them."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    BACKOFF = "backoff"
    FAILED = "failed"


class Do(StrEnum):
    """What is to be done to a process."""

    START = "start"
    STOP = "stop"  # asked politely
    KILL = "kill"


class Bounds(NamedTuple):
    """What a process may do before it is ended. stuck_after: seconds without progress while there
    is something to be read; memory_max: bytes, resident; 0: no bound. stuck_is_final: it then stays
    away at once, not only when that has come three times in ten minutes."""

    stuck_after: float = 0.0
    memory_max: int = 0
    stuck_is_final: bool = False


class Child(NamedTuple):
    """A process of the configuration. needs: names of those that have to run before it starts."""

    name: str
    kind: str
    needs: tuple[str, ...] = ()
    bounds: Bounds = Bounds()


class Step(NamedTuple):
    """One thing to be done."""

    do: Do
    name: str


@dataclass(slots=True)
class Life:
    """Where a process stands. since: when it came to this state; again_at: next try, at backoff."""

    child: Child
    state: State = State.WAITING
    since: float = 0.0
    again_at: float = 0.0
    restarts: int = 0
    reason: str = ""
    within: float = START_WITHIN_S
    starts: int = 0
    is_wanted: bool = True  # else it is to be stopped, and stay so
    held: str = ""  # why it is not to start yet
    killed_for: str = ""  # why we have killed it; it has not ended yet
    ends: deque[float] = field(default_factory=deque)  # within the last minute
    faults: deque[float] = field(default_factory=deque)  # beyond its bounds, within ten minutes
    is_over: bool = False  # it has gone beyond them too often

    @property
    def is_alive(self) -> bool:
        """There is a process, or one is being made."""
        return self.state in (State.STARTING, State.RUNNING, State.STOPPING)


class Law:
    """Of all children, in the order in which they start."""

    def __init__(self, children: Sequence[Child]) -> None:
        self.lives = {child.name: Life(child) for child in children}
        self.lacks_room = ""  # why nothing can be started: what is said of the disk
        self._again: set[str] = set()  # asked to restart: after their end they start at once

    # --- what is told -----------------------------------------------------------------------------

    def adopted(self, name: str, now: float, *, ready: bool, restarts: int) -> None:
        """It runs already: an earlier supervisor has started it."""
        life = self.lives[name]
        self._to(life, State.RUNNING if ready else State.STARTING, now)
        life.restarts = restarts
        life.starts = restarts + 1

    def ready(self, name: str, now: float) -> None:
        """It said so."""
        life = self.lives[name]
        if life.state is State.STARTING:
            self._to(life, State.RUNNING, now)

    def ended(self, name: str, now: float, code: int | None, why: str = "") -> None:
        """Its process is no more, or could not be made. code: its exit code, negative: the signal;
        None: nobody knows. why: in its own words."""
        life = self.lives[name]
        was, asked = life.state, name in self._again
        why, life.killed_for = life.killed_for or why, ""
        self._again.discard(name)
        if not life.is_wanted:
            self._to(life, State.STOPPED, now)
            return
        if asked:
            self._to(life, State.WAITING, now)
            return
        reason = why or life.reason or _words(code)
        says = _says(reason, code)
        if life.is_over or code == HALTED or (says == "permanent" and was is State.STARTING):
            self._to(life, State.FAILED, now, reason)
            return
        if self.lacks_room or f"{DiskFull.name}({DiskFull.code})" in reason:
            life.again_at = now + FULL_S  # one day there will be room: it is no storm
            self._to(life, State.BACKOFF, now, reason)
            return
        life.ends.append(now)
        while life.ends and life.ends[0] <= now - STORM_S:
            life.ends.popleft()
        if len(life.ends) >= STORM_MAX and says != "passing":
            what = f"ended {len(life.ends)} times within {STORM_S:.0f} s, at last: {reason}"
            self._to(life, State.FAILED, now, what)
            return
        life.again_at = now + BACKOFF_S[min(len(life.ends), len(BACKOFF_S)) - 1]
        self._to(life, State.BACKOFF, now, reason)

    def silent(self, name: str, seconds: float) -> list[Step]:
        """How old its last heartbeat is."""
        if seconds <= SILENT_S:
            return []
        return self._kill(self.lives[name], f"no heartbeat for {seconds:.1f} s")

    def stuck(self, name: str, now: float, seconds: float) -> list[Step]:
        """For how long it has not come on, while there is something to be read."""
        life = self.lives[name]
        bounds = life.child.bounds
        if not bounds.stuck_after or seconds <= bounds.stuck_after:
            return []
        words = f"a callback did not come back for {seconds:.0f} s (stuck_after)"
        return self._fault(life, words, now, is_final=bounds.stuck_is_final)

    def heavy(self, name: str, now: float, size: int) -> list[Step]:
        """How much memory it takes, bytes."""
        life = self.lives[name]
        most = life.child.bounds.memory_max
        if not most or size <= most:
            return []
        words = f"took {format_bytes(size)} of memory, memory_max is {format_bytes(most)}"
        return self._fault(life, words, now, is_final=False)

    def _fault(self, life: Life, words: str, now: float, *, is_final: bool) -> list[Step]:
        steps = self._kill(life, words)
        if steps:
            life.faults.append(now)
            while life.faults[0] <= now - FAULTS_S:
                life.faults.popleft()
            life.is_over = is_final or len(life.faults) >= FAULTS_MAX
        return steps

    @staticmethod
    def _kill(life: Life, words: str) -> list[Step]:
        """Once; it is a matter of moments then."""
        if life.state is not State.RUNNING or life.killed_for:
            return []
        life.killed_for = life.reason = words
        return [Step(Do.KILL, life.child.name)]

    def tells(self, name: str, words: str) -> None:
        """What a process that runs, or is on its way, has to say of itself."""
        life = self.lives[name]
        if life.state in (State.STARTING, State.RUNNING) and not life.killed_for:
            life.reason = words

    def restart(self, name: str, now: float) -> list[Step]:
        """Somebody asks for it; one that failed or was stopped begins anew."""
        life = self.lives[name]
        life.ends.clear()
        life.faults.clear()
        life.is_over = False
        life.is_wanted = True
        if life.state in (State.STARTING, State.RUNNING):
            self._again.add(name)
            self._to(life, State.STOPPING, now, "asked to restart")
            return [Step(Do.STOP, name)]
        if life.state is State.STOPPING:
            self._again.add(name)
        else:
            self._to(life, State.WAITING, now)
        return []

    def add(self, child: Child, held: str = "") -> None:
        """One more, which starts as the others do. held: why it waits, until that is taken away."""
        self.lives[child.name] = Life(child, held=held)

    def stop(self, name: str) -> None:
        """It is not wanted any more; `step` stops it."""
        self.lives[name].is_wanted = False

    def stop_all(self) -> None:
        """From now on they are stopped, in reverse order of their needs; `step` does it."""
        for life in self.lives.values():
            life.is_wanted = False

    # --- what is to be done -----------------------------------------------------------------------

    def step(self, now: float) -> list[Step]:
        """As time passes."""
        steps: list[Step] = []
        for name, life in self.lives.items():
            if not life.is_wanted:
                steps += self._wind_down(name, life, now)
            elif life.state is State.WAITING or (life.state is State.BACKOFF and now >= life.again_at):
                steps += self._start(name, life, now)
            elif life.state is State.STARTING and now > life.since + life.within:
                life.reason = life.reason or f"not ready within {life.within:.0f} s"
                life.since = now  # killed again if that was not enough
                steps.append(Step(Do.KILL, name))
            elif life.state is State.STOPPING and now > life.since + STOP_WITHIN_S:
                life.since = now
                steps.append(Step(Do.KILL, name))
        return steps

    @property
    def is_down(self) -> bool:
        """Nothing runs, and nothing is wanted."""
        return not any(life.is_alive or life.is_wanted for life in self.lives.values())

    @property
    def is_settled(self) -> bool:
        """All run, or will not without somebody's help."""
        settled = (State.RUNNING, State.STOPPED, State.FAILED)
        return all(
            life.state in settled or (life.state is State.WAITING and self._is_stuck(life))
            for life in self.lives.values()
        )

    def _is_stuck(self, life: Life) -> bool:
        needs = [self.lives[name] for name in life.child.needs]
        return any(
            need.state in (State.FAILED, State.STOPPED) or (need.state is State.WAITING and self._is_stuck(need))
            for need in needs
        )

    def _start(self, name: str, life: Life, now: float) -> list[Step]:
        if held := life.held or self.lacks_room:
            self._to(life, State.WAITING, now, held)
            return []
        missing = [n for n in life.child.needs if self.lives[n].state is not State.RUNNING]
        if missing:
            said = ", ".join(f"{n} ({self.lives[n].state})" for n in missing)
            self._to(life, State.WAITING, now, f"waits for {said}")
            return []
        life.restarts += life.starts > 0
        life.starts += 1
        self._to(life, State.STARTING, now)
        return [Step(Do.START, name)]

    def _wind_down(self, name: str, life: Life, now: float) -> list[Step]:
        if life.state in (State.WAITING, State.BACKOFF):
            self._to(life, State.STOPPED, now)
        elif life.state is State.STOPPING:
            if now > life.since + STOP_WITHIN_S:
                life.since = now
                return [Step(Do.KILL, name)]
        elif life.is_alive and not any(other.is_alive for other in self.lives.values() if name in other.child.needs):
            self._to(life, State.STOPPING, now)
            return [Step(Do.STOP, name)]
        return []

    def _to(self, life: Life, state: State, now: float, reason: str = "") -> None:
        if life.state is not state:
            life.state, life.since = state, now
        life.reason = reason


def refusal_in(reason: str) -> str:
    """The name of the permanent error that a reason tells of, "" for none."""
    named = _NAMED.search(reason)
    return named[1] if named and named[1] in PERMANENT else ""


def _says(reason: str, code: int | None) -> str:
    """What an end lets expect of the next try: `permanent`, `passing`, or "": who knows."""
    named = _NAMED.search(reason)
    name = named[1] if named else ""
    if name in PERMANENT or (code in HOPELESS and name not in PASSING):
        return "permanent"
    return "passing" if name in PASSING or code == UNREACHABLE else ""


def _words(code: int | None) -> str:
    if code is None:
        return "ended while no supervisor looked after it"
    if code == 0:
        return "ended without being asked to"
    return f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
