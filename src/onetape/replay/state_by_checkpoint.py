"""Open a run's state at a moment from the last checkpoint before it. Earlier frames need no comparison: equal hashes
of the core's repetition prove that the state is the run's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from onetape.engine.actions import Actions
from onetape.engine.kept_state import StateKeeper
from onetape.model.time import TIME_MAX
from onetape.replay.checkpoints import Checkpoints, UnusableError
from onetape.replay.frames_around import FramesAround
from onetape.replay.recorded_run import RecordedRun
from onetape.replay.repetition import Repetition
from onetape.replay.robot_state import opened_at

__all__ = ["state_by_checkpoint"]


def state_by_checkpoint(
    path: Path, recorded: Actions, *, sequence: int | None, moment: int | None
) -> dict[str, Any] | str:
    """Returns replay_run's result, or why a whole replay is needed; "": no checkpoints were made."""
    if not (path / "checkpoints").is_dir():
        return ""
    run = RecordedRun(path)
    index = run.life_at(sequence=sequence, moment=moment)
    found = Checkpoints(path, index + 1)
    # Actions of several incarnations are compared together, and those of a killed one are not all known.
    if not found.places or len(run.incarnations) > 1 or (recording := run.recording(index)).killed_at is not None:
        return found.problem
    repetition = Repetition(recording)
    try:
        repetition.open()
        repetition.start()
        frames = None if sequence is None else repetition.frames_at(sequence)
        place = found.before(frames=frames, moment=moment)
        if place is None:
            return ""
        found.open(repetition, StateKeeper(repetition.session), place)
        repetition.go(TIME_MAX if frames is None else max(0, frames - repetition.frames), moment)
        return _state(path, repetition, recorded, moment)
    except UnusableError as problem:
        return f"a checkpoint is not used: {problem}"
    finally:
        repetition.close()


def _state(path: Path, repetition: Repetition, recorded: Actions, moment: int | None) -> dict[str, Any]:
    loop = repetition.session.loop
    frames = FramesAround(repetition.plan)
    try:
        # As in a whole replay, the state at the end is the one before on_stop.
        is_end = repetition.is_whole
        if not is_end and moment is not None:
            loop.advance(moment)
        state = opened_at(repetition, frames, life=0)
        if is_end:
            repetition.session.finish()
    finally:
        frames.close()
    if loop.calls_differ:
        raise UnusableError("the robot acts differently")
    cut = loop.now if is_end or moment is None else moment
    acted = int((recorded.columns["time"] <= cut).sum())
    before = int((recorded.columns["time"] < cut).sum())
    counters = loop.counters()
    if not before <= counters["actions"] <= acted:
        raise UnusableError("its actions differ from the run's tape")
    return {
        "run": path.name,
        "events": counters["events"],
        "actions": acted if is_end or moment is not None else before,
        "divergences": 0,
        "first_divergence": None,
        "action_hash": loop.action_hash().hex(),
        "verified": False,
        "state": state,
    }
