"""Replay a recorded run and compare the result with the recording."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from onetape.engine.actions import Actions, first_difference, read_actions
from onetape.engine.incarnations import Life, broken_off_of, incarnations_of, plan_of
from onetape.engine.loader import load_strategy
from onetape.engine.plan import SEQUENCE_NEVER, RunPlan, read_plan
from onetape.engine.purity import impurities
from onetape.engine.run_spec import RunSpec
from onetape.engine.session import Session
from onetape.replay.checkpoints import Checkpoints, CheckpointWriter
from onetape.replay.divergence import Part, first_differing_frame
from onetape.replay.frames_around import FramesAround
from onetape.replay.moments import place_of
from onetape.replay.repeating import (
    WHOLE,
    Repeated,
    Until,
    Watching,
    check_inputs,
    instrument_overrides,
    read_states,
    repeat,
    repeat_incarnations,
    strategy_of,
)
from onetape.replay.repetition import Repetition, recording_of
from onetape.replay.robot_state import opened_at
from onetape.replay.state_by_checkpoint import state_by_checkpoint

__all__ = ["replay_run"]


def replay_run(
    path: Path,
    *,
    verify: bool = False,
    until: str | None = None,
    source: Path | None = None,
    progress: Callable[[float, float | None], None] | None = None,
) -> dict[str, Any]:
    """Replay a run; returns CONTRACT's keys: run, events, actions, divergences, first_divergence, action_hash; when
    it differs also `divergence`, of replay/divergence.py; with aborted callbacks `broken_off`: times (ns) from which
    on the rest of an incarnation is not compared. until: a moment (replay/moments.py), which adds `state`, the
    robot's state at that moment. It is opened by a checkpoint unless `verify` or `source` needs a whole replay;
    `checkpoints`: why none was used. A whole replay without differences writes missing checkpoints."""
    plan, _ = read_plan(path)
    strategy = load_strategy(_edited(source, plan)) if source else strategy_of(path, plan)
    stop = Until(*place_of(until, path / "journal")) if until is not None else WHOLE
    problem = ""
    if until is not None and not verify and source is None:
        quick = state_by_checkpoint(path, read_actions(path / "journal"), sequence=stop.sequence, moment=stop.moment)
        if isinstance(quick, dict):
            return quick
        problem = quick
    with tempfile.TemporaryDirectory(prefix="onetape-replay-") as scratch:
        spec = RunSpec(plan, strategy, Path(scratch) / "1", instruments=instrument_overrides(path))
        replay = _Replay(path, spec, stop, is_own_source=source is None, progress=progress)
        return {
            **replay.compared(Path(scratch)),
            "verified": verify,
            **({"divergence": replay.divergence} if replay.divergence else {}),
            **({"state": replay.state} if replay.state else {}),
            **({"checkpoints": problem} if problem else {}),
        }


class _Replay:
    """One replay of a recorded run, and its differences from the recording."""

    def __init__(
        self,
        path: Path,
        spec: RunSpec,
        stop: Until,
        *,
        is_own_source: bool,
        progress: Callable[[float, float | None], None] | None,
    ) -> None:
        """is_own_source: the strategy is the one kept in the run."""
        self.state: dict[str, Any] = {}  # the robot's state, if stopped before the end
        self.divergence: dict[str, Any] | None = None
        self._path, self._spec, self._stop = path, spec, stop
        self._is_own_source = is_own_source
        self._progress = progress
        self._kept: list[CheckpointWriter] = []

    def compared(self, scratch: Path) -> dict[str, Any]:
        """Repeat the run and compare. scratch: a folder for its tapes."""
        plan, journal, stop = self._spec.plan, self._path / "journal", self._stop
        # Read first: a running run continues to write, and only frames written so far are compared.
        incarnations = incarnations_of(journal) if plan.live is not None else []
        recorded, states = read_actions(journal), read_states(journal)
        broken_off: list[int] = []
        if incarnations:
            recorded = recorded.where(recorded.columns["sequence"] <= incarnations[-1].last)
            states = [state for life in incarnations for state in read_states(journal, *life.frames)]
            for life in incarnations:
                if life.broken_off is not None:
                    broken_off.append(life.broken_off.since)
                    recorded = _before(recorded, life.broken_off.since, life.first, life.last)
        elif (found := broken_off_of(journal)) is not None:
            broken_off.append(found.since)
            recorded, states = _before(recorded, found.since), read_states(journal, last=found.sequence)
        repetition = self._repeated(incarnations, scratch)
        if not stop.is_whole:
            recorded = recorded.where(recorded.columns["time"] <= repetition.cut)
            repetition.actions = repetition.actions.where(repetition.actions.columns["time"] <= repetition.cut)
            states = states[: len(repetition.states)]
        count, _, words = first_difference(recorded, repetition.actions)
        if not count and states != repetition.states and self._is_own_source:
            count = sum(a != b for a, b in zip(states, repetition.states, strict=False))
            count += abs(len(states) - len(repetition.states))
            words = "the actions are equal, but the state hash differs: memory, balances or orders are different"
        if count:
            words = self._explained(words, incarnations, scratch, None if stop.is_whole else repetition.cut)
        else:
            for each in self._kept:
                each.finish()
        return {
            "run": self._path.name,
            "events": repetition.events,
            "actions": len(repetition.actions),
            "divergences": count,
            "first_divergence": words or None,
            "action_hash": repetition.action_hash,
            **({"broken_off": broken_off} if broken_off else {}),
        }

    def _repeated(self, incarnations: Sequence[Life], scratch: Path) -> Repeated:
        stop, spec = self._stop, self._spec

        def keep(session: Session, number: int) -> CheckpointWriter | None:
            found = Checkpoints(self._path, number)
            if session.compiled is not None or found.places or found.is_final:
                return None
            self._kept.append(CheckpointWriter(self._path, session, life=number, scratch=scratch))
            return self._kept[-1]

        watching = Watching(
            at_end=None if stop.is_whole else self._note_state,
            keep=keep if stop.is_whole and self._is_own_source else None,
            progress=self._progress,
        )
        if incarnations:
            return repeat_incarnations(self._path, incarnations, spec, stop, watching, scratch=scratch)
        check_inputs(spec.plan)
        return repeat(recording_of(spec, self._path / "journal"), stop, watching)

    def _note_state(self, repetition: Repetition) -> None:
        live = repetition.session.plan.live
        frames = FramesAround(repetition.plan)
        try:
            self.state.update(opened_at(repetition, frames, life=live.life - 1 if live else 0))
        finally:
            frames.close()

    def _explained(self, words: str, incarnations: Sequence[Life], scratch: Path, cut: int | None) -> str:
        """Returns the first difference with possible causes in the source. cut: as in Repeated."""
        words = f"recorded: {words}" if words else words
        plan = self._spec.plan
        parts = [Part(scratch / str(life.number), plan_of(plan, life), life) for life in incarnations]
        parts = [each for each in parts if each.repeated.exists()] or [Part(scratch / "1", plan)]
        self.divergence = first_differing_frame(self._path / "journal", parts, cut)
        if self.divergence is not None and (frame := self.divergence["input"]["frame"]) is not None:
            words += f"; they diverge at frame {frame['tape']}:{frame['seq']}"
        found = _impurities(self._path)
        return f"{words}; the source uses {found}" if found else words


def _before(actions: Actions, moment: int, first: int = 0, last: int = SEQUENCE_NEVER) -> Actions:
    """Returns the actions without those of one incarnation from a time (ns) on. first, last: frames of that
    incarnation."""
    numbers = actions.columns["sequence"]
    is_left = (numbers > first) & (numbers <= last) & (actions.columns["time"] >= moment)
    return actions.where(~is_left)


def _edited(source: Path, plan: RunPlan) -> str:
    """Returns a strategy reference for --source: a file, file:Class, or a folder with a file of the saved source's
    name."""
    name = plan.strategy.rpartition(":")[2]
    if source.is_dir():
        return f"{source / plan.strategy.rpartition(':')[0]}:{name}"
    text = str(source)
    return text if ":" in text else f"{text}:{name}"


def _impurities(path: Path) -> str:
    """Returns lines of the saved source that a replay cannot repeat, as text."""
    found = []
    for file in sorted((path / "source").rglob("*.py")):
        found += [
            f"{file.name}:{finding.line} {finding.what}" for finding in impurities(file.read_text(encoding="utf-8"))
        ]
    return "; ".join(found[:3])
