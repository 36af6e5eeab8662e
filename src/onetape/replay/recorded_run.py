"""Open a recorded run for repetition, incarnation by incarnation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from onetape.engine.incarnations import REPLAY, Life, incarnations_of
from onetape.engine.plan import read_plan
from onetape.engine.run_spec import RunSpec
from onetape.model.errors import BadInput
from onetape.replay.repeating import check_inputs, instrument_overrides, repeat, strategy_of
from onetape.replay.repetition import Recording, Repetition, recording_of

__all__ = ["RecordedRun"]


class RecordedRun:
    """A recorded run with one or several incarnations. Raises as `read_plan`, `strategy_of` and `check_inputs`."""

    def __init__(self, path: Path, source: type[Any] | None = None) -> None:
        """source: strategy class to use instead of the run's saved one."""
        self.path = path
        self.journal = path / "journal"
        self.plan, _ = read_plan(path)
        self.strategy = source or strategy_of(path, self.plan)
        self.incarnations: list[Life] = incarnations_of(self.journal) if self.plan.live is not None else []
        if not self.incarnations and not all(each.last_sequence for each in self.plan.inputs):
            raise BadInput(
                "the run is still going, or ended without its record",
                location=str(path),
                todo="wait for its end, or run it again",
            )

    @property
    def count(self) -> int:
        """Number of incarnations; a run that is not live has one."""
        return len(self.incarnations) or 1

    def life_at(self, *, sequence: int | None = None, moment: int | None = None) -> int:
        """Returns the index of the incarnation that contains a frame of the tape, or a time."""
        found = 0
        for index, life in enumerate(self.incarnations[1:], 1):
            if sequence is not None and life.position >= sequence:
                break
            if moment is not None and life.start > moment:
                break
            found = index
        return found

    def recording(self, index: int) -> Recording:
        """Returns a recording without a journal. index: of the incarnation."""
        spec = RunSpec(self.plan, self.strategy, instruments=instrument_overrides(self.path))
        life = self.incarnations[index] if self.incarnations else None
        if life is not None and index and life.live.restart == REPLAY:  # attributes of the previous one
            spec = replace(spec, attributes=repeat(self.recording(index - 1)).attributes)
        found = recording_of(spec, self.journal, life)
        check_inputs(found.spec.plan)
        return found

    def repetition(self, index: int) -> Repetition:
        """Returns a repetition before its `open`. index: of the incarnation."""
        return Repetition(self.recording(index))
