"""Run a robot in this process, live or on paper: its session, its folder, and the loop over a growing tape."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from onetape import _core
from onetape.engine.session import Session
from onetape.ipc.stop_signals import stop_signals
from onetape.model.time import TIME_MAX
from onetape.runs.options import RunOptions
from onetape.runs.recording import record_run
from onetape.runs.run_summary import RunResult
from onetape.tape.wait import Waiter

__all__ = ["SAMPLE_NS", "RobotRun", "RobotRunOptions", "Watch", "follow", "stop_request", "watch_of"]

SAMPLE_NS: Final = 200_000_000  # equity samples, often enough for a run of half a minute
WAIT_S: Final = 0.25
TURN_FRAMES: Final = 4096  # frames after which other work gets its turn
TURN_S: Final = 0.25
HANGS_S: Final = 5.0  # longest time for frames of one tape time, once the run must stop

Watch = Callable[[Sequence["RobotRun"]], bool]


@dataclass(frozen=True, slots=True)
class RobotRunOptions(RunOptions):
    """The options of `onetape run` beside those of every run."""

    seconds: float | None = None  # stop after this, in real time
    report: Path | None = None

    @property
    def deadline(self) -> float | None:
        """Returns the end of a run that begins now, by the monotonic clock."""
        return None if self.seconds is None else time.monotonic() + self.seconds


@dataclass(slots=True)
class RobotRun:
    """A running session, and its recording.

    report: the page's path, if not in the folder. has_report: write a page. instruments: the file of --instruments.
    """

    session: Session
    folder: Path
    report: Path | None = None
    has_report: bool = True
    instruments: Path | None = None
    busy_seconds: float = 0.0  # inside the loop
    is_busy: bool = False
    turn_frames: int = 1

    def step(self, until: int | None = None, frames_max: int = TIME_MAX) -> _core.RunOutcome:
        """Process available frames, up to the time `until` (ns)."""
        began, self.is_busy = time.perf_counter(), True
        try:
            return self.session.step(frames_max, until)
        except KeyboardInterrupt:
            self.session.note_broken_off()
            raise
        finally:
            self.is_busy = False
            self.busy_seconds += time.perf_counter() - began

    def turn(self, until: int | None = None) -> _core.RunOutcome:
        """Process as `step`, or a part of it: LIMIT. So commands to a busy robot are handled between two turns."""
        before = self.busy_seconds
        outcome = self.step(until, self.turn_frames)
        is_quick = self.busy_seconds - before < TURN_S
        self.turn_frames = min(2 * self.turn_frames, TURN_FRAMES) if is_quick else max(self.turn_frames // 4, 1)
        return outcome

    def close(self, *, keep: bool) -> RunResult | None:
        """Finish and record the run; with `keep` False remove it."""
        try:
            if not keep:
                return None
            self.session.finish()
            return record_run(
                self.session,
                self.folder,
                self.busy_seconds,
                report=self.has_report,
                target=self.report,
                instruments=self.instruments,
            )
        finally:
            self.session.close()
            if not keep:
                shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def stop_request(robots: Sequence[RobotRun]) -> Iterator[Sequence[int]]:
    """Note requests to stop, checked between two frames: the actions of an interrupted callback could not be
    replayed. A hanging callback is aborted nevertheless. A second signal ends the process."""
    noted: list[int] = []
    stuck: list[int] = []

    def moments() -> list[int]:
        return [robot.session.loop.now for robot in robots if robot.is_busy]

    def note(number: int, _frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        noted.append(number)
        stuck[:] = moments()
        signal.setitimer(signal.ITIMER_REAL, HANGS_S, HANGS_S)

    def look(_number: int, _frame: FrameType | None) -> None:
        was, stuck[:] = list(stuck), moments()
        if stuck and stuck == was:
            raise KeyboardInterrupt

    before = {each: signal.signal(each, note) for each in stop_signals()}
    alarm = signal.signal(signal.SIGALRM, look)
    try:
        yield noted
    finally:
        if noted:
            signal.setitimer(signal.ITIMER_REAL, 0)
        else:
            for number, handler in before.items():
                signal.signal(number, handler)
        signal.signal(signal.SIGALRM, alarm)


def follow(robots: Sequence[RobotRun], watch: Watch | None = None, stopping: Sequence[int] = ()) -> None:
    """Run robots on a growing journal, until its writer has closed it and all is read.

    watch: called a few times a second; False stops. stopping: of `stop_request`.
    """
    waiter = Waiter()
    for robot in robots:
        for source in robot.session.sources:
            waiter.add(source.reader)
    rang = False
    try:
        while not stopping:
            # Checked before reading: frames written before the close are read in the next round. Not checked while it
            # writes: the check takes as long as the robot's answer to a quote.
            alive = rang or robots[0].session.sources[0].reader.core.writer_alive
            outcomes = [robot.turn() for robot in robots]
            if _core.RunOutcome.STOPPED in outcomes:
                return
            if watch is not None and not watch(robots):
                return
            if rang := _core.RunOutcome.LIMIT in outcomes:
                continue
            if not alive or all(robot.session.is_at_end for robot in robots):
                return
            rang = waiter.wait(WAIT_S)
    except KeyboardInterrupt:
        return


def watch_of(options: RobotRunOptions, deadline: float | None, look: Callable[[], None] | None = None) -> Watch:
    """Returns a watch that records the first robot's progress and ends at the deadline of the monotonic clock. look:
    called each time."""

    def watch(robots: Sequence[RobotRun]) -> bool:
        if look is not None:
            look()
        if options.progress is not None:
            options.progress(robots[0].session.loop.counters()["events"], None)
        return deadline is None or time.monotonic() < deadline

    return watch
