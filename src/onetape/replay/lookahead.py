"""`backtest --check-lookahead`: each decision must come out equal when the tape is cut after it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from onetape.engine.actions import first_difference, read_actions
from onetape.engine.plan import RunPlan, TapeInput
from onetape.engine.run_spec import RunSpec
from onetape.model.errors import Divergence
from onetape.replay.repeating import Until, instrument_overrides, repeat, strategy_of
from onetape.replay.repetition import Recording
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.schema import INSTRUMENT_TYPE

__all__ = ["CUTS", "check_lookahead", "cut_tape"]

CUTS = 8  # cuts are spread evenly over the decisions; each repeats the run up to there


# What is watched now, resolved, and what was opened of it. Audit hooks cannot be taken out again,
# so there is one, made when it is first needed, and it does nothing while nothing is watched.
_watched: list[str] = []
_opened: list[str] = []
_hooks: list[object] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watched or event not in ("open", "onetape.open"):
        return
    if arguments and isinstance(arguments[0], (str, bytes, os.PathLike)):
        path = os.path.realpath(os.fsdecode(arguments[0]))
        if any(path == each or path.startswith(each + os.sep) for each in _watched):
            _opened.append(path)


@contextmanager
def watched(paths: Sequence[Path]) -> Iterator[list[str]]:
    """Yields a list that has, at the end, each opening of one of `paths` or of a file in it.

    Does not see what other processes and foreign libraries open by themselves.
    """
    if not _hooks:
        sys.addaudithook(_hook)
        _hooks.append(_hook)
    opened: list[str] = []
    _watched[:] = [os.path.realpath(path) for path in paths]
    try:
        yield opened
    finally:
        _watched.clear()
        opened += _opened
        _opened.clear()


def check_lookahead(plan: RunPlan, run: Path, *, actions: int, forbidden: Sequence[Path] = ()) -> dict[str, Any]:
    """Repeats the run on tapes that really end after a decision. Raises Divergence with the first
    decision that needed the future, or with the data that the strategy read by itself.

    actions: how many there were before on_stop, which knows that the run is over.
    forbidden: data beside the tapes that only the engine may read: what they were imported from.
    """
    full = read_actions(run / "journal").head(actions)
    times = np.unique(full.columns["time"])
    if not len(times):
        return {"cuts": 0, "decisions": 0, "differing": 0}
    picked = np.unique(times[np.linspace(0, len(times) - 1, min(CUTS, len(times))).astype(int)])
    for moment in picked.tolist():
        with tempfile.TemporaryDirectory(prefix="onetape-cut-") as scratch:
            inputs = []
            for number, each in enumerate(plan.inputs):
                target = Path(scratch) / f"{number}.tape"
                cut_tape(Path(each.path), target, moment)
                inputs.append(TapeInput(str(target), role=each.role))
            cut = replace(plan, inputs=inputs)
            with watched([*(Path(each.path) for each in plan.inputs), *forbidden]) as opened:
                # Loaded anew: what a module reads when it is imported counts, too.
                spec = RunSpec(cut, strategy_of(run, plan), instruments=instrument_overrides(run))
                repetition = repeat(Recording(spec), Until(moment=moment))
        if opened:
            raise Divergence(
                f"the strategy itself reads the data it is tested on: {opened[0]}",
                location="--check-lookahead",
                todo="a strategy may know only what its callbacks and services tell it",
            )
        expected = full.where(full.columns["time"] <= moment)
        got = repetition.actions.where(repetition.actions.columns["time"] <= moment)
        count, _, words = first_difference(expected, got)
        if count:
            raise Divergence(
                f"a decision changes when the tape ends after it: {words}",
                location="--check-lookahead",
                todo="the strategy sees the future: look for files, globals or whole-tape reads",
            )
    return {"cuts": len(picked), "decisions": len(full), "differing": 0}


def cut_tape(source: Path, target: Path, last_time: int) -> None:
    """A copy of `source` that ends with the last frame of time <= last_time."""
    with JournalReader(source) as reader, JournalWriter(target, uuid=reader.uuid, durable=False) as writer:
        streams = set()
        for type_id, stream, payload in reader.core.preamble:
            if type_id == INSTRUMENT_TYPE:
                writer.append_instrument(stream, 0, payload)
                streams.add(stream)
        for frame in reader.frames():
            if frame.time > last_time:
                break
            if frame.type == INSTRUMENT_TYPE and frame.stream not in streams:
                writer.append_instrument(frame.stream, frame.time, frame.payload)
            elif frame.type != INSTRUMENT_TYPE:
                writer.append(frame.type, frame.payload, flags=frame.flags, stream=frame.stream, time=frame.time)
