"""A recorded run as what can be done again: its lives, one repetition of each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from onetape.engine.incarnations import REPLAY, Life, incarnations_of, plan_of
from onetape.engine.plan import RunPlan, read_plan
from onetape.engine.robot_commands import commands_of
from onetape.engine.run_spec import RunSpec
from onetape.model.errors import BadInput, StrategyError
from onetape.replay.repetition import Recording, Repetition
from onetape.replay.replay import check_inputs, instrument_overrides, strategy_of

__all__ = ["RecordedRun"]


class RecordedRun:
    """A run of one life, or of several. Raises as `read_plan`, `strategy_of` and `check_inputs`."""

    def __init__(self, path: Path, source: type[Any] | None = None) -> None:
        """source: another strategy than the one kept in the run."""
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
        """Of its lives; a run that is not live has one."""
        return len(self.incarnations) or 1

    def life_at(self, *, sequence: int | None = None, moment: int | None = None) -> int:
        """The index of the life that a frame of the tape, or a time, falls into."""
        found = 0
        for index, life in enumerate(self.incarnations[1:], 1):
            if sequence is not None and life.position >= sequence:
                break
            if moment is not None and life.start > moment:
                break
            found = index
        return found

    def plan_at(self, index: int) -> RunPlan:
        return plan_of(self.plan, self.incarnations[index]) if self.incarnations else self.plan

    def repetition(self, index: int) -> Repetition:
        """One that writes nothing, before `open`. index: of the life."""
        plan = self.plan_at(index)
        check_inputs(plan)
        spec = RunSpec(plan, self.strategy, instruments=instrument_overrides(self.path))
        if not self.incarnations:
            return Repetition(Recording(spec, commands_of(self.journal)))
        life = self.incarnations[index]
        if index and life.live.restart == REPLAY:
            spec = replace(spec, attributes=self._left_by(index - 1))
        return Repetition(Recording(spec, commands_of(self.journal, life.first, life.last), life.position))

    def _left_by(self, index: int) -> dict[str, Any]:
        """The strategy's attributes at the end of a life."""
        life = self.incarnations[index]
        repetition = self.repetition(index)
        try:
            repetition.open()
            try:
                repetition.start()
            except StrategyError:
                if life.has_ended:
                    raise
            else:
                repetition.go()
                if life.has_ended:
                    repetition.session.finish()
                else:
                    repetition.run_on(life.time)
            return repetition.session.attributes()
        finally:
            repetition.close()
