"""Open a run at any moment: forward by replaying, backward by copies of the process made on the way.

The robot's state at a place is computed by taking the frames up to it. On the way forked copies of the process are
left at intervals; a step back continues from the nearest copy before the place. Copies end with the Traveller.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from onetape.model import errors
from onetape.model.errors import BadConfig, NotAvailable, ProcessDown
from onetape.model.time import TIME_MAX
from onetape.replay.frames_around import AROUND
from onetape.replay.moments import place_of
from onetape.replay.time_walker import receive, send

__all__ = ["STEPS_MAX", "Traveller", "steps_of"]

COPIES_MAX: Final = 32  # copies per incarnation; beyond it every other one ends and distances double
DISTANCE_MIN: Final = 50_000  # least number of frames between copies
NEAR: Final = 1000  # frames before a place at which a copy is left, for steps back
STEPS_MAX: Final = 10_000
STDERR: Final = 2  # file descriptor for a strategy's print


@dataclass(slots=True)
class _Walker:
    """A process that repeats a run, and its position."""

    pid_fd: int
    connection: socket.socket
    life: int = -1
    frames: int = 0
    now: int = 0
    is_end: bool = False
    is_advanced: bool = False  # timers due after the last frame have run already
    by_checkpoint: bool = False  # its state came from a checkpoint: not all callbacks ran

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request; raises the other side's exception."""
        try:
            send(self.connection, request)
            answer = receive(self.connection)
        except OSError:
            answer = None
        return _checked(answer)

    def note(self, answer: dict[str, Any]) -> None:
        self.frames, self.now = answer["frames"], answer["now"]
        self.is_end = answer["is_end"]
        if answer["differs"]:
            raise _DiffersError

    def end(self) -> None:
        self.connection.close()
        with suppress(ProcessLookupError):  # it has ended already
            signal.pidfd_send_signal(self.pid_fd, signal.SIGKILL)
        os.close(self.pid_fd)


class _DiffersError(Exception):
    """The strategy acts differently from the run after it was opened by a checkpoint."""


def _checked(answer: dict[str, Any] | None) -> dict[str, Any]:
    if answer is None:
        raise ProcessDown("the process that repeats the run has ended", location="replay", todo="see its error above")
    if "error" in answer:
        kind = getattr(errors, answer["error"])
        raise errors.rebuilt(kind, answer["what"], answer["where"], answer["todo"])
    return answer


@dataclass(slots=True)
class Traveller:
    """Moves to any place of a run, an incarnation and a number of frames taken. It begins at the run's start."""

    run: Path
    distance_min: int = DISTANCE_MIN
    _root: _Walker = field(init=False)
    _root_process: subprocess.Popen[bytes] = field(init=False)
    _walker: _Walker = field(init=False)
    _copies: list[_Walker] = field(init=False, default_factory=list)  # copies of this incarnation, by frames
    _distance: int = field(init=False, default=DISTANCE_MIN)
    _incarnations: int = field(init=False, default=1)
    _checkpoints: list[tuple[int, int]] = field(init=False, default_factory=list)  # frames, time
    problem: str = field(init=False, default="")  # why the last move could not use a checkpoint

    def __post_init__(self) -> None:
        if not hasattr(os, "pidfd_open"):
            raise NotAvailable(
                "steps through a run need Linux", location="replay", todo="use --until with --json instead"
            )
        ours, theirs = socket.socketpair()
        with theirs:
            self._root_process = subprocess.Popen(  # noqa: S603
                [
                    sys.executable,
                    "-P",
                    "-u",
                    "-m",
                    "onetape.replay.time_walker",
                    str(theirs.fileno()),
                    str(self.run.resolve()),
                ],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=STDERR,
            )
        self._root = _Walker(os.pidfd_open(self._root_process.pid), ours)
        try:
            reply = self._root.ask(do="tell")
            self._incarnations = reply["lives"]
            self._distance = max(self.distance_min, reply["frames"] // COPIES_MAX)
            self._walker = self._opened(0)
        except BaseException:
            self.close()
            raise

    # --- position ---------------------------------------------------------------------------------

    @property
    def life(self) -> int:
        """Index of the incarnation, from 0."""
        return self._walker.life

    @property
    def frames(self) -> int:
        return self._walker.frames

    @property
    def is_end(self) -> bool:
        """True when the run's last frame has been taken."""
        return self._walker.is_end and self.life == self._incarnations - 1

    @property
    def copies(self) -> list[int]:
        """Places in this incarnation with a waiting copy."""
        return [each.frames for each in self._copies]

    def state(self, around: int = AROUND) -> dict[str, Any]:
        """Returns replay/robot_state.py's state, with `life`, `frames`, `frame`, `before`, `after`."""
        return self._walker.ask(do="state", around=around)

    # --- moving -----------------------------------------------------------------------------------

    def go(self, text: str) -> None:
        """Go to a moment: a sequence, a time, or a time of day. Raises BadConfig."""
        sequence, moment = place_of(text, self.run / "journal")
        reply = self._root.ask(do="life_at", sequence=sequence, moment=moment)
        if reply["life"] != self.life:
            self._change_life(reply["life"])
        if moment is not None:
            self._with_checkpoints(lambda: self._go_to_moment(moment))
        else:
            self._go_to(self._walker.ask(do="go_to_sequence", sequence=sequence)["frames"])

    def step(self, count: int) -> int:
        """Step `count` frames forward, or back if negative; returns the frames stepped, fewer at the run's ends."""
        begun = count
        while count > 0:
            if self._walker.is_end:
                if self.life == self._incarnations - 1:
                    break
                self._change_life(self.life + 1)
                continue
            before = self.frames
            self._go_to(before + count)
            count -= self.frames - before
        while count < 0:
            first = self._copies[0].frames
            if self.frames == first:
                if self.life == 0:
                    break
                self._change_life(self.life - 1)
                self._go_to(TIME_MAX)
                continue
            before = self.frames
            self._go_to(max(first, before + count))
            count += before - self.frames
        return abs(begun - count)

    def _go_to(self, frames: int) -> None:
        self._with_checkpoints(lambda: self._go_to_frame(frames))

    def _go_to_frame(self, frames: int) -> None:
        self._start_from(lambda at, _: at <= frames)
        near = frames - NEAR
        while self._walker.frames < frames and not self._walker.is_end:
            stops = [self._next_copy(), near, frames]
            stop = min(each for each in stops if each > self._walker.frames)
            self._move(stop - self._walker.frames, TIME_MAX)
            if stop == frames or self._walker.frames < stop:
                break
            self._leave_copy()

    def _go_to_moment(self, moment: int) -> None:
        self._start_from(lambda _, now: now <= moment)
        while not self._walker.is_end:
            stop = self._next_copy()
            self._move(stop - self._walker.frames, moment)
            if self._walker.frames < stop:
                break
            self._leave_copy()
        # Timers and answers due by then did not wait for a later frame.
        if self._walker.now < moment:
            self._walker.is_advanced = True
            self._walker.note(self._walker.ask(do="advance", moment=moment))

    def _move(self, frames_max: int, moment: int) -> None:
        frames_max = min(frames_max, TIME_MAX)
        self._walker.note(self._walker.ask(do="go", frames_max=frames_max, moment=moment))

    def _start_from(self, is_before: Callable[[int, int], bool]) -> None:
        """Move to the last available place before the destination: the current place, a waiting copy, or a
        checkpoint. is_before: (frames, time) -> whether that place is before the destination."""
        found = [each for each in self._copies if is_before(each.frames, each.now)]
        copy = (found or self._copies)[-1 if found else 0]
        walker = self._walker
        stays = is_before(walker.frames, walker.now) and not walker.is_advanced and walker.frames >= copy.frames
        last = walker.frames if stays else copy.frames
        kept = [frames for frames, now in self._checkpoints if is_before(frames, now)]
        if kept and kept[-1] > last and self._opened_by_checkpoint(kept[-1]):
            return
        if not stays:
            walker.end()
            self._walker = self._copied(copy)

    # --- checkpoints --------------------------------------------------------------------------

    def _opened_by_checkpoint(self, frames: int) -> bool:
        """Move to the checkpoint at `frames`. Returns False when it cannot be used; no checkpoint is used from then
        on."""
        walker = self._copied(self._copies[0])
        try:
            answer = walker.ask(do="checkpoint", frames=frames)
        except BaseException:
            walker.end()
            raise
        if answer["problem"]:
            walker.end()
            self._forget_checkpoints(answer["problem"])
            return False
        self._walker.end()
        self._walker = walker
        walker.by_checkpoint = True
        walker.note(answer)
        self._leave_copy()
        return True

    def _with_checkpoints(self, go: Callable[[], None]) -> None:
        try:
            go()
        except _DiffersError:
            # Start from the beginning, without checkpoints.
            self._forget_checkpoints("checkpoints are not used: the robot acts differently")
            go()

    def _forget_checkpoints(self, why: str) -> None:
        self.problem, self._checkpoints = why, []
        doubtful = [each for each in self._copies if each.by_checkpoint]
        self._copies = [each for each in self._copies if not each.by_checkpoint]
        for each in doubtful:
            each.end()
        if self._walker.by_checkpoint:
            self._walker.end()
            self._walker = self._copied(self._copies[0])

    # --- copies -----------------------------------------------------------------------------------

    def _next_copy(self) -> int:
        return (self._walker.frames // self._distance + 1) * self._distance

    def _leave_copy(self) -> None:
        frames = self._walker.frames
        if any(each.frames == frames for each in self._copies):
            return
        self._copies.append(self._copied(self._walker))
        self._copies.sort(key=lambda each: each.frames)
        if len(self._copies) <= COPIES_MAX:
            return
        # Copies nearest to their neighbours end first; the first copy, at the incarnation's start, stays.
        gaps = [self._copies[n + 1].frames - self._copies[n - 1].frames for n in range(1, len(self._copies) - 1)]
        self._copies.pop(1 + gaps.index(min(gaps))).end()

    def _copied(self, walker: _Walker) -> _Walker:
        ours, theirs = socket.socketpair()
        with theirs:
            send(walker.connection, {"do": "fork"})
            socket.send_fds(walker.connection, [b"f"], [theirs.fileno()])
            reply = _checked(receive(walker.connection))
        return _Walker(
            os.pidfd_open(reply["pid"]),
            ours,
            walker.life,
            walker.frames,
            walker.now,
            walker.is_end,
            by_checkpoint=walker.by_checkpoint,
        )

    def _opened(self, life: int) -> _Walker:
        walker = self._copied(self._root)
        walker.life = life
        try:
            answer = walker.ask(do="open", life=life)
            walker.note(answer)
        except BaseException:
            walker.end()
            raise
        self._copies = [self._copied(walker)]
        self._checkpoints = [(frames, now) for frames, now in answer["checkpoints"]]
        self.problem = answer["problem"]
        return walker

    def _change_life(self, life: int) -> None:
        old = [self._walker, *self._copies]
        self._walker = self._opened(life)
        for each in old:
            each.end()

    # --- the end ----------------------------------------------------------------------------------

    def close(self) -> None:
        walkers = [*self._copies, self._root]
        if hasattr(self, "_walker"):
            walkers.append(self._walker)
        for each in walkers:
            each.end()
        self._copies = []
        self._root_process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def steps_of(run: Path, until: str, count: int) -> list[dict[str, Any]]:
    """Returns the states of `count` steps from a place: after each of the next frames or, if negative, after each
    step back. Fewer at the run's ends."""
    if not 0 < abs(count) <= STEPS_MAX:
        raise BadConfig(f"{count} steps", location="--step", todo=f"give 1 to {STEPS_MAX}, or the same below 0")
    found = []
    with Traveller(run) as traveller:
        traveller.go(until)
        for _ in range(abs(count)):
            if not traveller.step(1 if count > 0 else -1):
                break
            found.append(traveller.state(around=0))
    return found
