"""Runs a recorded run again, from its tapes and the source kept in it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from onetape.data.instruments import given_instruments
from onetape.engine.actions import Actions, first_difference, read_actions
from onetape.engine.asked import Asked, asked_in
from onetape.engine.lives import REPLAY, Life, actions_of, lives_of, plan_of
from onetape.engine.loader import load_strategy
from onetape.engine.plan import SEQUENCE_NEVER, RunPlan, read_plan
from onetape.engine.purity import impurities
from onetape.engine.session import Session
from onetape.engine.tape_facts import seals_within
from onetape.model.errors import BadConfig, BadInput, Divergence, StrategyError
from onetape.model.instrument import Instrument
from onetape.model.time import TIME_MAX
from onetape.replay.checkpoints import Checkpoints, CheckpointWriter
from onetape.replay.divergence import Part, first_differing_frame
from onetape.replay.frames_around import FramesAround
from onetape.replay.moments import place_of
from onetape.replay.repetition import Repetition
from onetape.replay.robot_state import opened_at
from onetape.tape.journal import JournalReader

__all__ = [
    "GIVEN_FILE",
    "Repeated",
    "check_inputs",
    "given_facts",
    "repeat",
    "repeat_lives",
    "replay_run",
    "strategy_of",
]

Keep = Callable[[Session, int], CheckpointWriter | None]
GIVEN_FILE = "instruments.toml"  # what --instruments gave, kept in the run's folder


@dataclass(slots=True)
class Repeated:
    """One repetition: its actions, its hashes and how far it went.

    cut: up to this time, inclusive, it did all that the whole run did. sure: so many of its actions
    answer frames that the run is known to have dealt with. attributes: of the strategy, at its end.
    """

    actions: Actions
    action_hash: str
    states: list[str]
    events: int
    counters: dict[str, int]
    cut: int
    sure: int = 0
    attributes: dict[str, Any] = field(default_factory=dict)


def replay_run(
    path: Path,
    *,
    verify: bool = False,
    until: str | None = None,
    source: Path | None = None,
    progress: Callable[[float, float | None], None] | None = None,
) -> dict[str, Any]:
    """CONTRACT's keys: run, events, actions, divergences, first_divergence, action_hash; where it
    differs also `divergence`, of replay/divergence.py. until: a place (replay/moments.py); then
    also `state`, the robot's there, opened by a checkpoint where neither `verify` nor `source` asks
    for more; `checkpoints`: why by none. A whole one that differs nowhere makes those missing."""
    with tempfile.TemporaryDirectory(prefix="onetape-replay-") as scratch:
        return _replayed(path, Path(scratch), verify=verify, until=until, source=source, progress=progress)


def _replayed(
    path: Path,
    scratch: Path,
    *,
    verify: bool,
    until: str | None,
    source: Path | None,
    progress: Callable[[float, float | None], None] | None,
) -> dict[str, Any]:
    plan, _ = read_plan(path)
    strategy = load_strategy(_edited(source, plan)) if source else strategy_of(path, plan)
    sequence, moment = place_of(until, path / "journal") if until is not None else (None, None)
    state: dict[str, Any] = {}

    def note_state(again: Repetition) -> None:
        life = again.plan.live.life - 1 if again.plan.live else 0
        frames = FramesAround(again.plan)
        try:
            state.update(opened_at(again, frames, life=life))
        finally:
            frames.close()

    at_end = note_state if until is not None else None
    kept: list[CheckpointWriter] = []

    def keep(session: Session, number: int) -> CheckpointWriter | None:
        found = Checkpoints(path, number)
        if session.compiled is not None or found.places or found.is_final:
            return None
        kept.append(CheckpointWriter(path, session, life=number, scratch=scratch))
        return kept[-1]

    whole = until is None and source is None
    problem = ""
    if until is not None and not verify and source is None:
        # It needs a recorded run, which is read by what is here.
        from onetape.replay.state_by_checkpoint import state_by_checkpoint

        quick = state_by_checkpoint(path, read_actions(path / "journal"), sequence=sequence, moment=moment)
        if isinstance(quick, dict):
            return quick
        problem = quick
    # First: one that still runs writes on, and only what it had written by now is compared.
    lives = lives_of(path / "journal") if plan.live is not None else []
    recorded = read_actions(path / "journal")
    states = read_states(path / "journal")
    if lives:
        recorded = recorded.where(recorded.columns["sequence"] <= lives[-1].last)
        states = [state for life in lives for state in read_states(path / "journal", life)]
        again = repeat_lives(
            path,
            plan,
            lives,
            strategy,
            recorded,
            sequence=sequence,
            moment=moment,
            progress=progress,
            at_end=at_end,
            scratch=scratch,
            keep=keep if whole else None,
        )
    else:
        check_inputs(plan)
        again = repeat(
            plan,
            strategy,
            instruments=given_facts(path),
            sequence=sequence,
            moment=moment,
            asked=asked_in(path / "journal"),
            progress=progress,
            at_end=at_end,
            journal=scratch / "1",
            keep=keep if whole else None,
        )
    if until is not None:
        recorded = recorded.where(recorded.columns["time"] <= again.cut)
        again.actions = again.actions.where(again.actions.columns["time"] <= again.cut)
        states = states[: len(again.states)]
    count, _, words = first_difference(recorded, again.actions)
    if not count and states != again.states and source is None:
        count = sum(a != b for a, b in zip(states, again.states, strict=False))
        count += abs(len(states) - len(again.states))
        words = "the actions are equal and the state hash is not: memory, balances or orders differ"
    divergence = None
    if not count:
        for each in kept:
            each.finish()
    if count:
        words = f"recorded: {words}" if words else words
        parts = [Part(scratch / str(life.number), plan_of(plan, life), life) for life in lives]
        parts = [each for each in parts if each.repeated.exists()] or [Part(scratch / "1", plan)]
        divergence = first_differing_frame(path / "journal", parts, again.cut if until is not None else None)
        if divergence is not None and (frame := divergence["input"]["frame"]) is not None:
            words += f"; they part at frame {frame['tape']}:{frame['seq']}"
        found = _impurities(path)
        if found:
            words += f"; the source uses {found}"
    return {
        "run": path.name,
        "events": again.events,
        "actions": len(again.actions),
        "divergences": count,
        "first_divergence": words or None,
        "action_hash": again.action_hash,
        "verified": verify,
        **({"divergence": divergence} if divergence else {}),
        **({"state": state} if state else {}),
        **({"checkpoints": problem} if problem else {}),
    }


def repeat(
    plan: RunPlan,
    strategy: type[Any],
    *,
    instruments: Mapping[str, Instrument] | None = None,
    sequence: int | None = None,
    moment: int | None = None,
    script: Path | None = None,
    asked: Sequence[Asked] = (),
    each: Callable[[Session], None] | None = None,
    progress: Callable[[float, float | None], None] | None = None,
    before: Sequence[tuple[str, int, bytes]] = (),
    killed_at: int | None = None,
    journal: Path | None = None,
    position: int | None = None,
    carried: Mapping[str, Any] | None = None,
    at_end: Callable[[Repetition], None] | None = None,
    keep: Keep | None = None,
) -> Repeated:
    """Runs the plan again into a journal that is thrown away.

    instruments: facts that replace those of the tapes, as the run had them.
    sequence, moment: stop after this frame of the tapes, or after all that happens up to this
    time. Such a repetition ends in the middle: no on_stop, no closing records.
    killed_at: the time of the last thing that it did; it had no end.
    before: the actions of the lives before it. carried: what the strategy had then. position: the
    last frame before it began.
    journal: to be kept; else it is thrown away.
    script: a run's journal whose order news and fills take the exchange's place.
    asked: what was asked of the robot from outside while it ran.
    each: called after the start and after each step, one frame at a time. at_end: once, where it
    stopped. keep: makes what writes checkpoints on the way.
    """
    with tempfile.TemporaryDirectory(prefix="onetape-replay-") as scratch:
        journal = journal or Path(scratch) / "journal"
        again = Repetition(
            plan,
            strategy,
            journal=journal,
            instruments=instruments,
            script=script,
            asked=asked,
            before=before,
            position=position,
            carried=carried,
            progress=progress,
        )
        session = again.session
        whole = sequence is None and moment is None
        try:
            again.open()
            sure = 0
            try:
                again.start()
            except StrategyError:
                if killed_at is None:
                    raise
            else:
                _run(again, sequence, moment, each, keep)
                sure = session.sim.counters()["actions"]
                if killed_at is not None and whole:
                    # It may have done a part of this, for it was killed meanwhile.
                    again.run_on(killed_at)
            cut = session.sim.now
            has_ended = killed_at is None and (whole or again.is_whole)
            if has_ended and at_end is not None:
                at_end(again)  # before on_stop
            if has_ended:
                session.finish()
            elif moment is not None:
                # Timers and answers that were due by then did not wait for a later frame.
                session.sim.advance(moment)
                cut = moment
            elif not whole:
                cut -= 1  # further frames may have this last one's time
            if at_end is not None and not has_ended:
                at_end(again)
            counters = session.sim.counters()
            attributes = session.attributes()
            action_hash = session.sim.action_hash().hex()
        finally:
            again.close()
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


def _run(
    again: Repetition,
    sequence: int | None,
    moment: int | None,
    each: Callable[[Session], None] | None,
    keep: Keep | None,
) -> None:
    left = TIME_MAX if sequence is None else max(0, again.frames_at(sequence) - again.frames)
    if keep is not None:
        number = again.plan.live.life if again.plan.live else 1
        if (writer := keep(again.session, number)) is not None:
            writer.step(again.go_some)
            return
    if each is None:
        again.go(left, moment)
        return
    each(again.session)
    while left and again.go(1, moment):
        left -= 1
        each(again.session)


def repeat_lives(
    path: Path,
    plan: RunPlan,
    lives: Sequence[Life],
    strategy: type[Any],
    recorded: Actions,
    *,
    sequence: int | None = None,
    moment: int | None = None,
    each: Callable[[Session], None] | None = None,
    progress: Callable[[float, float | None], None] | None = None,
    at_end: Callable[[Repetition], None] | None = None,
    scratch: Path | None = None,
    keep: Keep | None = None,
) -> Repeated:
    """A live run, one life after the other. Of one that was killed the repetition may know more
    than the tape does: what that life did not come to write is left out. scratch: a folder where
    the tape of each life is left, named by its number."""
    whole: Repeated | None = None
    before: list[tuple[str, int, bytes]] = []
    with tempfile.TemporaryDirectory(prefix="onetape-lives-") as passing:
        begun = [
            life
            for number, life in enumerate(lives)
            if number == 0
            or not (
                (sequence is not None and life.position >= sequence) or (moment is not None and life.start > moment)
            )
        ]
        for life in begun:
            # Lives before the wanted one were lived to their ends, and none beyond its own: its
            # timers would go on for ever.
            is_last = life is begun[-1]
            if is_last and moment is not None and not life.has_ended:
                moment = min(moment, life.time)
            given = plan_of(plan, life)
            check_inputs(given)
            journal = (scratch or Path(passing)) / str(life.number)
            part = repeat(
                given,
                strategy,
                instruments=given_facts(path),
                sequence=sequence if is_last else None,
                moment=moment if is_last else None,
                asked=asked_in(path / "journal", life.first, life.last),
                each=each,
                progress=progress,
                before=before,
                killed_at=None if life.has_ended else life.time,
                journal=journal,
                position=life.position,
                carried=whole.attributes if whole and life.live.restart == REPLAY else None,
                at_end=at_end if is_last else None,
                keep=keep,
            )
            if not life.has_ended:
                numbers = recorded.columns["sequence"]
                written = int(((numbers > life.first) & (numbers <= life.last)).sum())
                part.actions = part.actions.head(max(part.sure, written))
                part.states = part.states[: len(read_states(path / "journal", life))]
            found = islice(actions_of(journal, SEQUENCE_NEVER), len(part.actions))
            before += found
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
    """The strategy as it ran: from the source kept in the run."""
    kept = path / "source" / plan.strategy.rpartition(":")[0]
    if not kept.is_file():
        raise BadConfig(f"the run keeps no source {plan.strategy}", where=str(path), todo="run it again")
    return load_strategy(f"{kept}:{plan.strategy.rpartition(':')[2]}")


def given_facts(path: Path) -> dict[str, Instrument]:
    """The facts that were given to a run by --instruments, which it keeps."""
    kept = path / GIVEN_FILE
    return dict(given_instruments(kept)) if kept.is_file() else {}


def _edited(source: Path, plan: RunPlan) -> str:
    """--source: a file, file:Class, or a folder with a file of the same name."""
    name = plan.strategy.rpartition(":")[2]
    if source.is_dir():
        return f"{source / plan.strategy.rpartition(':')[0]}:{name}"
    text = str(source)
    return text if ":" in text else f"{text}:{name}"


def check_inputs(plan: RunPlan) -> None:
    """The tapes are those that the run read: same identity, same chain at the last frame taken."""
    for each in plan.inputs:
        path = Path(each.path)
        if not path.exists():
            raise BadInput(f"the tape {path} is gone", where="run.toml", todo="put it back where it was")
        with JournalReader(path) as reader:
            if reader.uuid.hex != each.uuid.replace("-", ""):
                raise Divergence(f"{path} is another tape now", where="run.toml", todo="put the old one back")
            if not each.last_sequence:
                continue
            reader.seek_sequence(each.last_sequence)
            frame = reader.next_frame()
            # A tape that was still growing may have sealed more since.
            is_other = each.hash and each.hash not in seals_within(path, each.last_sequence)
            if (
                frame is None
                or frame.sequence != each.last_sequence
                or (each.crc and reader.core.crc != each.crc)
                or is_other
            ):
                raise Divergence(
                    f"{path} was rewritten: frame {each.last_sequence} is not what the run read",
                    where="run.toml",
                    todo="put the old tape back",
                )


def read_states(journal: Path, life: Life | None = None) -> list[str]:
    """The state hashes on a run's tape, in order: all, or those of one life."""
    found = []
    with JournalReader(journal) as reader:
        for frame in reader.frames(types=["health"]):
            if life is not None and not life.first < frame.sequence <= life.last:
                continue
            record = reader.schemas.of(frame.type).decode(frame.payload)
            if record.get("kind") == "state":
                found.append(record["state"])
    return found


def _impurities(path: Path) -> str:
    """What the kept source does that a replay cannot repeat."""
    found = []
    for file in sorted((path / "source").rglob("*.py")):
        found += [
            f"{file.name}:{finding.line} {finding.what}" for finding in impurities(file.read_text(encoding="utf-8"))
        ]
    return "; ".join(found[:3])
