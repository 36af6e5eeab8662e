"""Rules for starting, killing, restarting and giving up processes: the supervisor without processes.

Pure: time is an argument (seconds of a monotonic clock), actions are returned as values, and their results are
reported back.

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
from onetape.model.errors import DiskFull, ProcessDown

__all__ = [
    "SILENT_S",
    "START_WITHIN_S",
    "STOP_WITHIN_S",
    "Bounds",
    "Child",
    "Do",
    "Law",
    "State",
    "Step",
    "Unit",
    "refusal_in",
    "without_error_name",
]

START_WITHIN_S: Final = 30.0  # from its start until it is ready
STOP_WITHIN_S: Final = 15.0  # from the signal until it is killed: a robot cancels its orders first
# Without a heartbeat: suspended, or stuck below the interpreter. A pause of the machine of five or ten seconds kills
# nothing: meanwhile dependent processes refuse new risk by themselves.
SILENT_S: Final = 12.0
HINDERED: Final = 2  # tries
TAKEN: Final = f"{ProcessDown.name}({ProcessDown.code}): cannot listen on"
BACKOFF_S: Final = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)  # wait before the next try, by the number of ends within a minute
STORM_S: Final = 60.0
STORM_MAX: Final = 8  # ends within that time; then the operator must look
FULL_S: Final = 1.0  # between two tries on a full disk
FAULTS_S: Final = 600.0
FAULTS_MAX: Final = 3  # breaches of its bounds within that time, after which a process is not restarted
HALTED: Final = 4  # exit code of a robot whose strategy failed and must not restart
UNREACHABLE: Final = 6  # exit code: a venue is away, and will come back
HOPELESS: Final = (2, 3, 5)  # exit codes: configuration, input, refused; a new try would end the same way


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# The error of a process that could not start decides, before its exit code. With one of these the next try ends the
# same way.
PERMANENT: Final = _names(
    """
    INVALID_ACCOUNT PERMISSION_DENIED INVALID_AMOUNT UNKNOWN_CURRENCY UNKNOWN_SUBACCOUNT NOT_OWNER
    BANNED_SYMBOL ACCOUNT_MODE VENUE_REJECTED BAD_SIGNATURE VENUE_CLOSED BAD_INPUT UNKNOWN_FORMAT
    UNKNOWN_SYMBOL TORN_TAPE SCHEMA_MISMATCH NOT_AVAILABLE BAD_CONFIG DIVERGENCE
    """
)
# These errors pass by themselves, in any time: retried for ever, never given up. A network, a venue and its
# maintenance, a clock, a disk, a file held by another process, another host.
PASSING: Final = _names(
    """
    MARKET_DATA_UNAVAILABLE SERVICE_TIMEOUT PROXY_FAILED RATE_LIMITED VENUE_UNAVAILABLE
    VENUE_RATE_LIMIT PROCESS_DOWN CLOCK_SKEW VENUE_PROTOCOL SEQUENCE_GAP JOURNAL_LOCKED DISK_FULL IO_FAILED
    NO_LEASE NOT_REPLICATED
    """
)
_NAMED: Final = re.compile(r"\berror ([A-Z_]+)\(\d+\)")


class State(StrEnum):
    """The states of a process, as in CONTRACT.md."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    BACKOFF = "backoff"
    FAILED = "failed"
    STANDBY = "standby"  # another host runs it


class Do(StrEnum):
    """An action on a process."""

    START = "start"
    STOP = "stop"  # by a signal
    KILL = "kill"


class Bounds(NamedTuple):
    """Bounds beyond which a process is ended. stuck_after: seconds without progress while there are frames to read;
    memory_max: bytes, resident; 0: no bound. stuck_is_final: it then stays stopped at once, not only after three
    times in ten minutes."""

    stuck_after: float = 0.0
    memory_max: int = 0
    stuck_is_final: bool = False


class Child(NamedTuple):
    """A process of the configuration. needs: names of those that must run before it starts; ends_after: kind of
    processes that are ended before it, because it reads their last frames; gateway: of a robot, its first one."""

    name: str
    kind: str
    needs: tuple[str, ...] = ()
    bounds: Bounds = Bounds()
    ends_after: str = ""
    gateway: str = ""


class Step(NamedTuple):
    """One action."""

    do: Do
    name: str


@dataclass(slots=True)
class Unit:
    """A process and its state. since: begin of the state; retry_at: next try, at backoff."""

    child: Child
    state: State = State.WAITING
    since: float = 0.0
    retry_at: float = 0.0
    restarts: int = 0
    reason: str = ""
    within: float = START_WITHIN_S
    starts: int = 0
    is_wanted: bool = True  # False: it is to be stopped, and stay so
    held: str = ""  # why it must not start yet
    standby: str = ""  # why it does not run here: another host runs it
    killed_for: str = ""  # why we have killed it; it has not ended yet
    last_end: str = ""  # why its last try ended, until it runs
    ends: deque[float] = field(default_factory=deque)  # within the last minute
    faults: deque[float] = field(default_factory=deque)  # exceeded bounds, within ten minutes
    is_over: bool = False  # it has exceeded them too often

    @property
    def is_alive(self) -> bool:
        """True if there is a process, or one is being created."""
        return self.state in (State.STARTING, State.RUNNING, State.STOPPING)

    @property
    def why(self) -> str:
        """Returns the reason of its state; for a restart, the reason of that."""
        is_next_try = self.state is State.STARTING and self.last_end
        return self.reason or (f"its last try ended: {self.last_end}" if is_next_try else "")


class Law:
    """Decides for all children, in the order in which they start."""

    def __init__(self, children: Sequence[Child]) -> None:
        self.units = {child.name: Unit(child) for child in children}
        self.lacks_room = ""  # why nothing can be started: the disk's state
        # Processes of other hosts that take commands, None: their hosts are not connected yet.
        self.remote: set[str] | None = None
        self._restarts: set[str] = set()  # processes whose restart was requested: they start at once after their end

    # --- reports ----------------------------------------------------------------------------------

    def adopted(self, name: str, now: float, *, ready: bool, restarts: int) -> None:
        """A process runs already, started by an earlier supervisor."""
        unit = self.units[name]
        self._to(unit, State.RUNNING if ready else State.STARTING, now)
        unit.restarts = restarts
        unit.starts = restarts + 1

    def ready(self, name: str, now: float) -> None:
        """A process has reported that it is ready."""
        unit = self.units[name]
        if unit.state is State.STARTING:
            self._to(unit, State.RUNNING, now)
            unit.last_end = ""

    def ended(self, name: str, now: float, code: int | None, why: str = "") -> None:
        """A process has ended, or could not be created. code: its exit code, negative: the signal; None: unknown.
        why: its own error message, which is the reason if it ended by itself with an error."""
        unit = self.units[name]
        was, is_restart = unit.state, name in self._restarts
        said, killed_for, unit.killed_for = why or unit.reason, unit.killed_for, ""
        why = killed_for or (said if code is not None and code > 0 else "")
        self._restarts.discard(name)
        if not unit.is_wanted:
            self._to(unit, State.STOPPED, now)
            return
        if is_restart:
            self._to(unit, State.WAITING, now)
            return
        unit.last_end = reason = why or _words(code) + f", its last report: {said}" * bool(said)
        says = _says(why, code)
        if unit.is_over or code == HALTED or (says == "permanent" and was is State.STARTING):
            self._to(unit, State.FAILED, now, reason)
            return
        if self.lacks_room or f"{DiskFull.name}({DiskFull.code})" in why:
            unit.retry_at = now + FULL_S  # waiting for room is no storm
            self._to(unit, State.BACKOFF, now, reason)
            return
        unit.ends.append(now)
        while unit.ends and unit.ends[0] <= now - STORM_S:
            unit.ends.popleft()
        if len(unit.ends) >= STORM_MAX and says != "passing":
            what = f"ended {len(unit.ends)} times within {STORM_S:.0f} s, at last: {reason}"
            self._to(unit, State.FAILED, now, what)
            return
        unit.retry_at = now + BACKOFF_S[min(len(unit.ends), len(BACKOFF_S)) - 1]
        self._to(unit, State.BACKOFF, now, reason)

    def silent(self, name: str, seconds: float) -> list[Step]:
        """Judges the age of its last heartbeat."""
        if seconds <= SILENT_S:
            return []
        return self._kill(self.units[name], f"no heartbeat for {seconds:.1f} s")

    def stuck(self, name: str, now: float, seconds: float) -> list[Step]:
        """Judges the time without progress while there are frames to read."""
        unit = self.units[name]
        bounds = unit.child.bounds
        if not bounds.stuck_after or seconds <= bounds.stuck_after:
            return []
        words = f"a callback did not return for {seconds:.0f} s (stuck_after)"
        return self._fault(unit, words, now, is_final=bounds.stuck_is_final)

    def heavy(self, name: str, now: float, size: int) -> list[Step]:
        """Judges its memory, bytes."""
        unit = self.units[name]
        most = unit.child.bounds.memory_max
        if not most or size <= most:
            return []
        words = f"took {format_bytes(size)} of memory, memory_max is {format_bytes(most)}"
        return self._fault(unit, words, now, is_final=False)

    def _fault(self, unit: Unit, words: str, now: float, *, is_final: bool) -> list[Step]:
        steps = self._kill(unit, words)
        if steps:
            unit.faults.append(now)
            while unit.faults[0] <= now - FAULTS_S:
                unit.faults.popleft()
            unit.is_over = is_final or len(unit.faults) >= FAULTS_MAX
        return steps

    @staticmethod
    def _kill(unit: Unit, words: str) -> list[Step]:
        """Kills once; its end then follows soon."""
        if unit.state is not State.RUNNING or unit.killed_for:
            return []
        unit.killed_for = unit.reason = words
        return [Step(Do.KILL, unit.child.name)]

    def tells(self, name: str, words: str) -> None:
        """Stores the report of a running or starting process about itself."""
        unit = self.units[name]
        if unit.state in (State.STARTING, State.RUNNING) and not unit.killed_for:
            unit.reason = words

    def restart(self, name: str, now: float) -> list[Step]:
        """Restarts on request; a failed or stopped process begins anew."""
        unit = self.units[name]
        unit.ends.clear()
        unit.faults.clear()
        unit.is_over = False
        unit.is_wanted = True
        if unit.state in (State.STARTING, State.RUNNING):
            self._restarts.add(name)
            self._to(unit, State.STOPPING, now, "restart requested")
            return [Step(Do.STOP, name)]
        if unit.state is State.STOPPING:
            self._restarts.add(name)
        else:
            self._to(unit, State.WAITING, now)
        return []

    def hold(self, name: str, why: str, now: float) -> list[Step]:
        """Keeps a process from running here, because another host runs it; "": it may run."""
        unit = self.units[name]
        unit.standby = why
        if why and unit.state in (State.STARTING, State.RUNNING):
            self._restarts.add(name)
            self._to(unit, State.STOPPING, now, why)
            return [Step(Do.STOP, name)]
        return []

    def add(self, child: Child, held: str = "") -> None:
        """Adds a process, which starts like the others. held: why it waits, until that is removed."""
        self.units[child.name] = Unit(child, held=held)

    def stop(self, name: str) -> None:
        """Marks it as unwanted; `step` stops it."""
        self.units[name].is_wanted = False

    def stop_all(self) -> None:
        """Stops all from now on, in reverse order of their needs; `step` does it."""
        for unit in self.units.values():
            unit.is_wanted = False

    # --- actions ----------------------------------------------------------------------------------

    def step(self, now: float) -> list[Step]:
        """Decides the actions due by time alone."""
        steps: list[Step] = []
        for name, unit in self.units.items():
            if not unit.is_wanted:
                steps += self._wind_down(name, unit, now)
            elif unit.state in (State.WAITING, State.STANDBY) or (unit.state is State.BACKOFF and now >= unit.retry_at):
                steps += self._start(name, unit, now)
            elif unit.state is State.STARTING and now > unit.since + unit.within:
                unit.killed_for = unit.reason = unit.reason or f"not ready within {unit.within:.0f} s"
                unit.since = now  # killed again if that was not enough
                steps.append(Step(Do.KILL, name))
            elif unit.state is State.STOPPING and now > unit.since + STOP_WITHIN_S:
                unit.since = now
                steps.append(Step(Do.KILL, name))
        return steps

    @property
    def is_down(self) -> bool:
        """True if nothing runs, and nothing is wanted."""
        return not any(unit.is_alive or unit.is_wanted for unit in self.units.values())

    @property
    def is_settled(self) -> bool:
        """True if all run, or will not without the operator."""
        settled = (State.RUNNING, State.STANDBY, State.STOPPED, State.FAILED)
        return all(
            unit.state in settled or (unit.state is State.WAITING and self._is_stuck(unit)) or _is_hindered(unit)
            for unit in self.units.values()
        )

    def _is_stuck(self, unit: Unit) -> bool:
        needs = [self.units[name] for name in unit.child.needs if not self._is_remote(name)]
        away = {name for name in self._missing(unit) if self._is_remote(name)}
        if away and self.remote is not None:
            return True
        return any(
            need.state in (State.FAILED, State.STOPPED)
            or _is_hindered(need)
            or (need.state is State.WAITING and self._is_stuck(need))
            for need in needs
        )

    def _is_remote(self, name: str) -> bool:
        return name not in self.units or self.units[name].state is State.STANDBY

    def _missing(self, unit: Unit) -> list[str]:
        """Returns what it needs and does not run."""
        there = self.remote or ()
        return [
            name
            for name in unit.child.needs
            if (name not in there if self._is_remote(name) else self.units[name].state is not State.RUNNING)
        ]

    def _start(self, name: str, unit: Unit, now: float) -> list[Step]:
        if unit.standby:
            self._to(unit, State.STANDBY, now, unit.standby)
            return []
        if held := unit.held or self.lacks_room:
            self._to(unit, State.WAITING, now, held)
            return []
        if missing := self._missing(unit):
            said = ", ".join(f"{n} ({self.units[n].state if n in self.units else 'of another host'})" for n in missing)
            self._to(unit, State.WAITING, now, f"waits for {said}")
            return []
        unit.restarts += unit.starts > 0
        unit.starts += 1
        self._to(unit, State.STARTING, now)
        return [Step(Do.START, name)]

    def _wind_down(self, name: str, unit: Unit, now: float) -> list[Step]:
        if unit.state in (State.WAITING, State.STANDBY, State.BACKOFF):
            self._to(unit, State.STOPPED, now)
        elif unit.state is State.STOPPING:
            if now > unit.since + STOP_WITHIN_S:
                unit.since = now
                return [Step(Do.KILL, name)]
        elif unit.is_alive and not any(
            other.is_alive
            for other in self.units.values()
            if name in other.child.needs or (other.child.kind == unit.child.ends_after and not other.is_wanted)
        ):
            self._to(unit, State.STOPPING, now)
            return [Step(Do.STOP, name)]
        return []

    def _to(self, unit: Unit, state: State, now: float, reason: str = "") -> None:
        if unit.state is not state:
            unit.state, unit.since = state, now
        unit.reason = reason


def _is_hindered(unit: Unit) -> bool:
    """Returns whether the process cannot start because its port is in use: it keeps trying, and callers that wait for
    all processes get a report. The first failure may be due to a process of this system that has just ended."""
    return unit.state is not State.STARTING and len(unit.ends) >= HINDERED and TAKEN in unit.last_end


def refusal_in(reason: str) -> str:
    """Returns the name of the permanent error in a reason, "" for none."""
    named = _NAMED.search(reason)
    return named[1] if named and named[1] in PERMANENT else ""


def without_error_name(reason: str) -> str:
    """Returns the reason without its `error NAME(number): ` prefix."""
    return re.sub(r"^error [A-Z_]+\(\d+\): ", "", reason)


def _says(reason: str, code: int | None) -> str:
    """Returns the prospect of the next try after an end: `permanent`, `passing`, or "": unknown."""
    named = _NAMED.search(reason)
    name = named[1] if named else ""
    if name in PERMANENT or (code in HOPELESS and name not in PASSING):
        return "permanent"
    return "passing" if name in PASSING or code == UNREACHABLE else ""


def _words(code: int | None) -> str:
    if code is None:
        return "ended while no supervisor looked after it"
    if code == 0:
        return "ended without a request"
    return f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
