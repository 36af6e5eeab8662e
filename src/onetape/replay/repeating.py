"""Repeat recorded runs from their tapes and saved source, incarnation by incarnation."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from onetape.data.instruments import read_instruments
from onetape.engine.actions import Actions, read_actions
from onetape.engine.incarnations import REPLAY, Life, actions_of
from onetape.engine.loader import load_strategy
from onetape.engine.plan import SEQUENCE_NEVER, RunPlan
from onetape.engine.run_spec import RunSpec
from onetape.engine.session import Session
from onetape.engine.tape_facts import seals_within
from onetape.model.errors import BadConfig, BadInput, Divergence, StrategyError
from onetape.model.instrument import Instrument
from onetape.model.time import TIME_MAX
from onetape.replay.checkpoints import CheckpointWriter
from onetape.replay.repetition import Recording, Repetition, recording_of
from onetape.tape.journal import JournalReader

__all__ = [
    "INSTRUMENTS_FILE",
    "WHOLE",
    "Repeated",
    "Until",
    "Watching",
    "check_inputs",
    "instrument_overrides",
    "read_states",
    "repeat",
    "repeat_incarnations",
    "strategy_of",
]

Keep = Callable[[Session, int], CheckpointWriter | None]
INSTRUMENTS_FILE = "instruments.toml"  # file of --instruments, kept in the run's folder


@dataclass(slots=True)
class Repeated:
    """The result of a repetition: its actions, its hashes and how far it went.

    cut: ns; up to this time, inclusive, everything that can be repeated was repeated. sure: number of actions caused
    by frames that the run certainly processed. attributes: of the strategy, at the end.
    """

    actions: Actions
    action_hash: str
    states: list[str]
    events: int
    counters: dict[str, int]
    cut: int
    sure: int = 0
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Until:
    """The end of a repetition: after this frame of the tapes, or after everything up to this time (ns). A repetition
    that ends early has no on_stop and no closing records."""

    sequence: int | None = None
    moment: int | None = None

    @property
    def is_whole(self) -> bool:
        return self.sequence is None and self.moment is None

    def is_before(self, life: Life) -> bool:
        """Returns True when it ends before that incarnation begins."""
        if self.sequence is not None and life.position >= self.sequence:
            return True
        return self.moment is not None and life.start > self.moment

    def within(self, life: Life) -> Until:
        """Returns this end, or an earlier one: the last known action of a killed incarnation."""
        if self.moment is None or life.has_ended:
            return self
        return replace(self, moment=min(self.moment, life.time))


@dataclass(frozen=True, slots=True)
class Watching:
    """Callbacks during a repetition."""

    each: Callable[[Session], None] | None = None
    at_end: Callable[[Repetition], None] | None = None
    keep: Keep | None = None
    progress: Callable[[float, float | None], None] | None = None


WHOLE, NOBODY = Until(), Watching()


def repeat(recording: Recording, until: Until = WHOLE, watching: Watching = NOBODY) -> Repeated:
    """Repeat a run, or one incarnation of it, into a temporary journal unless the recording names one."""
    with tempfile.TemporaryDirectory(prefix="onetape-replay-") as scratch:
        journal = recording.spec.journal or Path(scratch) / "journal"
        recording = replace(recording, spec=replace(recording.spec, journal=journal))
        repetition = Repetition(recording, progress=watching.progress)
        session = repetition.session
        try:
            repetition.open()
            cut, sure = _repeated(repetition, recording.killed_at, until, watching)
            counters = session.loop.counters()
            attributes = session.attributes()
            action_hash = session.loop.action_hash().hex()
        finally:
            repetition.close()
        return Repeated(
            read_actions(journal),
            action_hash,
            read_states(journal),
            counters["events"],
            counters,
            cut,
            sure,
            attributes,
        )


def _repeated(repetition: Repetition, killed_at: int | None, until: Until, watching: Watching) -> tuple[int, int]:
    """Run from on_start to the end. Returns `cut` and `sure` of Repeated."""
    session, sure = repetition.session, 0
    try:
        repetition.start()
    except StrategyError:
        if killed_at is None:
            raise
    else:
        _run(repetition, until, watching)
        sure = session.loop.counters()["actions"]
        if killed_at is not None and until.is_whole:
            # The killed run may have done only a part of this step.
            repetition.run_on(killed_at)
    cut = session.loop.now
    has_ended = killed_at is None and (until.is_whole or repetition.is_whole)
    if has_ended:
        if watching.at_end is not None:
            watching.at_end(repetition)  # before on_stop
        session.finish()
        return cut, sure
    if until.moment is not None:
        # Timers and answers due by then run now: in the run they did not wait for a later frame.
        repetition.advance(until.moment)
        cut = until.moment
    elif not until.is_whole:
        cut -= 1  # further frames may have the same time as the last one
    if watching.at_end is not None:
        watching.at_end(repetition)
    return cut, sure


def _run(repetition: Repetition, until: Until, watching: Watching) -> None:
    sequence, each = until.sequence, watching.each
    left = TIME_MAX if sequence is None else max(0, repetition.frames_at(sequence) - repetition.frames)
    if watching.keep is not None:
        live = repetition.session.plan.live
        if (writer := watching.keep(repetition.session, live.life if live else 1)) is not None:
            writer.step(repetition.go_some)
            return
    if each is None:
        repetition.go(left, until.moment)
        return
    each(repetition.session)
    while left and repetition.go(1, until.moment):
        left -= 1
        each(repetition.session)


def repeat_incarnations(
    path: Path,
    incarnations: Sequence[Life],
    spec: RunSpec,
    until: Until = WHOLE,
    watching: Watching = NOBODY,
    *,
    scratch: Path | None = None,
) -> Repeated:
    """Repeat a live run, one incarnation after the other. The repetition of a killed one may go beyond the recorded
    tape; the excess is left out. spec: of the whole run. scratch: folder for the incarnations' tapes, named by
    number."""
    whole: Repeated | None = None
    recorded = read_actions(path / "journal")
    facts = instrument_overrides(path)
    before: list[tuple[str, int, bytes]] = []
    with tempfile.TemporaryDirectory(prefix="onetape-lives-") as passing:
        begun = [life for number, life in enumerate(incarnations) if number == 0 or not until.is_before(life)]
        for life in begun:
            # No incarnation is run beyond its end: timers would continue forever.
            is_last = life is begun[-1]
            part_until = until.within(life) if is_last else WHOLE
            carried = whole.attributes if whole and life.live.restart == REPLAY else {}
            own = replace(
                spec,
                journal=(scratch or Path(passing)) / str(life.number),
                instruments=facts,
                earlier_actions=before,
                attributes=carried,
            )
            recording = recording_of(own, path / "journal", life)
            check_inputs(recording.spec.plan)
            part = repeat(recording, part_until, watching if is_last else replace(watching, at_end=None))
            if not life.has_ended:
                numbers = recorded.columns["sequence"]
                written = int(((numbers > life.first) & (numbers <= life.last)).sum())
                part.actions = part.actions.head(max(part.sure, written))
                part.states = part.states[: len(read_states(path / "journal", *life.frames))]
            assert own.journal is not None
            before = [*before, *islice(actions_of(own.journal, SEQUENCE_NEVER), len(part.actions))]
            if life.broken_off:  # the next incarnation also has its unrepeatable orders
                before += (each for each in actions_of(path / "journal", life.last) if each[1] >= life.broken_off.since)
            whole = part if whole is None else _joined(whole, part)
    assert whole is not None
    return whole


def _joined(first: Repeated, second: Repeated) -> Repeated:
    return replace(
        second,
        actions=first.actions.and_then(second.actions),
        states=first.states + second.states,
        events=first.events + second.events,
    )


def strategy_of(path: Path, plan: RunPlan) -> type[Any]:
    """Returns the strategy as it ran, from the source kept in the run."""
    kept = path / "source" / plan.strategy.rpartition(":")[0]
    if not kept.is_file():
        raise BadConfig(f"the run has no saved source {plan.strategy}", location=str(path), todo="run it again")
    return load_strategy(f"{kept}:{plan.strategy.rpartition(':')[2]}")


def instrument_overrides(path: Path) -> dict[str, Instrument]:
    """Returns symbol -> instrument of --instruments, from the copy in the run's folder."""
    kept = path / INSTRUMENTS_FILE
    return dict(read_instruments(kept)) if kept.is_file() else {}


def check_inputs(plan: RunPlan) -> None:
    """Check that the tapes are those that the run read: same identity, and same chain value at the last frame taken.
    Raises otherwise."""
    for each in plan.inputs:
        path = Path(each.path)
        if not path.exists():
            raise BadInput(f"the tape {path} is gone", location="run.toml", todo="put it back where it was")
        with JournalReader(path) as reader:
            if reader.uuid.hex != each.uuid.replace("-", ""):
                raise Divergence(f"{path} is a different tape now", location="run.toml", todo="put the old one back")
            if not each.last_sequence:
                continue
            reader.seek_sequence(each.last_sequence)
            frame = reader.next_frame()
            # A growing tape may have sealed more segments since.
            is_other = each.hash and each.hash not in seals_within(path, each.last_sequence)
            if (
                frame is None
                or frame.sequence != each.last_sequence
                or (each.crc and reader.core.crc != each.crc)
                or is_other
            ):
                raise Divergence(
                    f"{path} was rewritten: frame {each.last_sequence} differs from the frame that the run read",
                    location="run.toml",
                    todo="put the old tape back",
                )


def read_states(journal: Path, first: int = 0, last: int = SEQUENCE_NEVER) -> list[str]:
    """Returns the state hashes on a run's tape, in order: all, or those between two of its frames."""
    found = []
    with JournalReader(journal) as reader:
        for frame in reader.frames(types=["health"]):
            if not first < frame.sequence <= last:
                continue
            record = reader.schemas.of(frame.type).decode(frame.payload)
            if record.get("kind") == "state":
                found.append(record["state"])
    return found
