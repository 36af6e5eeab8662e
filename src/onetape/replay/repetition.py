"""Repeat one incarnation of a recorded run step by step, to any place.

A place is the number of frames taken from the tapes, in the order of the run. A command to the robot
after a frame belongs to that frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from onetape import _core
from onetape.engine.incarnations import Life, broken_off_of, plan_of
from onetape.engine.plan import SEQUENCE_NEVER
from onetape.engine.robot_commands import RobotCommand, commands_of
from onetape.engine.run_spec import RunSpec
from onetape.engine.session import Session
from onetape.model.time import TIME_MAX

__all__ = ["Recording", "Repetition", "recording_of"]


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded run, or one incarnation of it, to be repeated.

    spec: how it starts; its limits are those of the plan.
    commands: to the robot during the run.
    position: the last frame before the incarnation began; None: the run has only one.
    killed_at: time (ns) of the last repeatable action; None: it ended in good order.
    """

    spec: RunSpec
    commands: Sequence[RobotCommand] = ()
    position: int | None = None
    killed_at: int | None = None


def recording_of(spec: RunSpec, journal: Path, life: Life | None = None) -> Recording:
    """Returns the run whose own tape is `journal`, or one incarnation of it. spec: of the whole run."""
    broken_off = life.broken_off if life is not None else broken_off_of(journal)
    if broken_off is not None:  # stop before the aborted callback, which would hang again
        end = min(broken_off.since, spec.plan.end or TIME_MAX)
        spec = replace(spec, plan=replace(spec.plan, end=end))
    if life is None:
        if broken_off is None:
            return Recording(spec, commands_of(journal))
        commands = commands_of(journal, last=broken_off.sequence)
        return Recording(spec, commands, killed_at=broken_off.since - 1)
    killed_at, commands = None if life.has_ended else life.time, commands_of(journal, *life.frames)
    return Recording(replace(spec, plan=plan_of(spec.plan, life)), commands, life.position, killed_at)


class Repetition:
    """Owns a session from its creation to `close`. Nothing runs before `open` and `start`."""

    def __init__(self, recording: Recording, *, progress: Callable[[float, float | None], None] | None = None) -> None:
        self.plan = plan = recording.spec.plan
        self.killed_at = recording.killed_at
        position = recording.position
        # A tape without a known end is taken as a whole; an incarnation without frames ends at its start.
        no_end = SEQUENCE_NEVER if position is None else 0
        self.ends = [tape.last_sequence or no_end for tape in plan.inputs]
        whole = sum(tape.last_sequence for tape in plan.inputs) if plan.live is None else 0
        # An incarnation without frames had still read the next frame and waited for its time.
        took_nothing = position is not None and self.ends[0] <= position
        self.session = Session(
            replace(recording.spec, limits=() if took_nothing else self.ends),
            progress=(lambda frames, _now: progress(frames, whole or None)) if progress else None,
        )
        # Places to stop at, with the commands to apply there.
        self._stops: list[tuple[list[int], Callable[[], None] | None]] = [
            (one.after, partial(self.session.ask, one.command, one.fields)) for one in recording.commands
        ]
        if plan.live is not None and plan.live.halted_after:
            after = plan.live.halted_at or [plan.live.halted_after]
            self._stops.append((after, self.session.halt))
        self._stops = [
            stop for stop in self._stops if all(place <= last for place, last in zip(stop[0], self.ends, strict=True))
        ]
        self._stops.append((self.ends, None))

    def open(self) -> None:
        """Prepare everything up to on_start."""
        self.session.open()

    def start(self) -> None:
        """Call on_start, then apply commands that came before the first frame. Raises StrategyError if on_start
        fails."""
        self.session.start()
        self._do_commands()

    @property
    def taken(self) -> list[int]:
        """Returns the last frame taken of each tape."""
        return [self.session.loop.source_position(each.number)[0] for each in self.session.sources]

    @property
    def frames(self) -> int:
        """Returns the number of frames taken, including those from before the start."""
        return int(self.session.loop.counters()["frames"])

    @property
    def is_whole(self) -> bool:
        """True when all repeatable frames of the run have been taken."""
        return self.taken == self.ends or self.session.is_at_end

    def frames_at(self, sequence: int) -> int:
        """Returns the place after frame `sequence` of the tape (of a live run the gateway's). For several tapes of a
        run that is not live: the place after this many frames of all tapes."""
        taken, live = self.taken, self.plan.live
        if len(taken) == 1:
            return self.frames + sequence - taken[0]
        if live is None:
            return sequence
        others = sum(came_to < sequence and each > taken[source] for came_to, source, each in live.order)
        return self.frames + sequence - taken[0] + others

    def go(self, frames_max: int = TIME_MAX, moment: int | None = None) -> int:
        """Take up to `frames_max` further frames with time <= moment; returns their number."""
        left = frames_max
        while left > 0:
            places, _ = self._stops[0]
            if self.taken == places:  # a frame was read ahead, but not taken by the run
                break
            for source, place in zip(self.session.sources, places, strict=True):
                self.session.loop.limit_source(source.number, place)
            before = self.frames
            self.session.step(left, until=moment)
            left -= self.frames - before
            if self.taken != places:
                break
            self._do_commands()
        return frames_max - left

    def go_some(self, frames_max: int) -> _core.RunOutcome:
        """Take up to `frames_max` frames; returns an outcome like Session.step."""
        took = self.go(frames_max)
        return _core.RunOutcome.LIMIT if took == frames_max else _core.RunOutcome.ENDED

    def _do_commands(self) -> None:
        taken = self.taken
        while len(self._stops) > 1 and self._stops[0][0] == taken:
            _, do = self._stops.pop(0)
            assert do is not None
            do()

    def run_on(self, until: int) -> None:
        """Run beyond the last frame that was certainly processed, up to a time (ns)."""
        for source in self.session.sources:
            self.session.loop.limit_source(source.number, SEQUENCE_NEVER)
        self.session.step(until=until)
        self.session.loop.advance(until)

    def advance(self, moment: int) -> None:
        """Run timers and answers due by `moment` (ns) between two frames. Never beyond the known end: timers would
        continue forever."""
        if self.is_whole and self.killed_at is not None:
            moment = min(moment, self.killed_at)
        self.session.loop.advance(moment)

    def close(self) -> None:
        self.session.close()
