"""A recorded run as what can be done again: its lives, one repetition of each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from onetape.engine.asked import asked_in
from onetape.engine.lives import REPLAY, Life, lives_of, plan_of
from onetape.engine.plan import RunPlan, read_plan
from onetape.engine.run_spec import RunSpec
from onetape.model.errors import BadInput, StrategyError
from onetape.replay.repetition import Recording, Repetition
from onetape.replay.replay import check_inputs, given_facts, strategy_of

__all__ = ["RecordedRun"]


class RecordedRun:
    """A run of one life, or of several. Raises as `read_plan`, `strategy_of` and `check_inputs`."""

    def __init__(self, path: Path, source: type[Any] | None = None) -> None:
        """source: another strategy than the one kept in the run."""
        self.path = path
        self.journal = path / "journal"
        self.plan, _ = read_plan(path)
        self.strategy = source or strategy_of(path, self.plan)
        self.lives: list[Life] = lives_of(self.journal) if self.plan.live is not None else []
        if not self.lives and not all(each.last_sequence for each in self.plan.inputs):
            raise BadInput(
                "the run is still going, or ended without its record",
                location=str(path),
                todo="wait for its end, or run it again",
            )

    @property
    def count(self) -> int:
        """Of its lives; a run that is not live has one."""
        return len(self.lives) or 1

    def life_at(self, *, sequence: int | None = None, moment: int | None = None) -> int:
        """The index of the life that a frame of the tape, or a time, falls into."""
        found = 0
        for index, life in enumerate(self.lives[1:], 1):
            if sequence is not None and life.position >= sequence:
                break
            if moment is not None and life.start > moment:
                break
            found = index
        return found

    def plan_at(self, index: int) -> RunPlan:
        return plan_of(self.plan, self.lives[index]) if self.lives else self.plan

    def repetition(self, index: int) -> Repetition:
        """One that writes nothing, before `open`. index: of the life."""
        plan = self.plan_at(index)
        check_inputs(plan)
        spec = RunSpec(plan, self.strategy, instruments=given_facts(self.path))
        if not self.lives:
            return Repetition(Recording(spec, asked_in(self.journal)))
        life = self.lives[index]
        if index and life.live.restart == REPLAY:
            spec = replace(spec, attributes=self._left_by(index - 1))
        return Repetition(Recording(spec, asked_in(self.journal, life.first, life.last), life.position))

    def _left_by(self, index: int) -> dict[str, Any]:
        """The strategy's attributes at the end of a life."""
        life = self.lives[index]
        again = self.repetition(index)
        try:
            again.open()
            try:
                again.start()
            except StrategyError:
                if life.has_ended:
                    raise
            else:
                again.go()
                if life.has_ended:
                    again.session.finish()
                else:
                    again.run_on(life.time)
            return again.session.attributes()
        finally:
            again.close()
