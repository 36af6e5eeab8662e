"""Runs a recorded run again, from its tapes and the source kept in it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from onetape import _core
from onetape.data.instruments import given_instruments
from onetape.engine.actions import Actions, first_difference, read_actions
from onetape.engine.asked import Asked, asked_in
from onetape.engine.lives import REPLAY, Life, actions_of, lives_of, plan_of
from onetape.engine.loader import load_strategy
from onetape.engine.plan import SEQUENCE_NEVER, RunPlan, TapeInput, read_plan
from onetape.engine.purity import impurities
from onetape.engine.session import Session
from onetape.engine.tape_facts import seals_within
from onetape.model.errors import BadConfig, BadInput, Divergence, StrategyError
from onetape.model.instrument import Instrument
from onetape.model.time import parse_time
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

GIVEN_FILE = "instruments.toml"  # what --instruments gave, kept in the run's folder
SEQUENCE_MAX = 10**12  # --until: smaller numbers are sequences, larger ones times


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
    """CONTRACT's keys: run, events, actions, divergences, first_divergence, action_hash."""
    plan, _ = read_plan(path)
    strategy = load_strategy(_edited(source, plan)) if source else strategy_of(path, plan)
    sequence, moment = _until(until)
    # First: one that still runs writes on, and only what it had written by now is compared.
    lives = lives_of(path / "journal") if plan.live is not None else []
    recorded = read_actions(path / "journal")
    states = read_states(path / "journal")
    if lives:
        recorded = recorded.where(recorded.columns["sequence"] <= lives[-1].last)
        states = [state for life in lives for state in read_states(path / "journal", life)]
        again = repeat_lives(
            path, plan, lives, strategy, recorded, sequence=sequence, moment=moment,
            progress=progress,
        )  # fmt: skip
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
    if count:
        words = f"recorded: {words}" if words else words
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
    each: called after the start and after each step, one frame at a time.
    """
    with tempfile.TemporaryDirectory(prefix="onetape-replay-") as scratch:
        journal = journal or Path(scratch) / "journal"
        whole = sequence is None and moment is None
        fresh = RunPlan(**{name: getattr(plan, name) for name in RunPlan.__slots__})
        fresh.inputs = [TapeInput(**_fields(each)) for each in plan.inputs]
        fresh.live = replace(plan.live) if plan.live else None
        session = Session(
            fresh,
            strategy,
            journal=journal,
            instruments=instruments,
            progress=(lambda frames, _now: progress(frames, None)) if progress else None,
            before=before,
            carried=carried,
        )
        try:
            # Without a range: all of the tape.
            limits = [tape.last_sequence or SEQUENCE_NEVER for tape in plan.inputs]
            if sequence is not None:
                others = limits[1:] if plan.live else [min(sequence, last) for last in limits[1:]]
                limits = [min(sequence, limits[0]), *others]
            # One that took nothing had seen the next frame all the same, and waited for its time.
            took_nothing = position is not None and limits[0] <= position
            session.limits = [] if took_nothing else limits
            session.script = script
            session.open()
            sure = 0
            try:
                session.start()
            except StrategyError:
                if killed_at is None:
                    raise
            else:
                _run(session, asked, limits, moment, each)
                sure = session.sim.counters()["actions"]
                if killed_at is not None and whole:
                    _run_on(session, killed_at)
            taken = _taken(session)
            cut = session.sim.now
            if killed_at is None and (
                whole or taken == [each.last_sequence for each in plan.inputs]
            ):
                session.finish()
            elif moment is not None:
                # Timers and answers that were due by then did not wait for a later frame.
                session.sim.advance(moment)
                cut = moment
            elif not whole:
                cut -= 1  # further frames may have this last one's time
            counters = session.sim.counters()
            attributes = session.attributes()
            action_hash = session.sim.action_hash().hex()
        finally:
            session.close()
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
    session: Session,
    asked: Sequence[Asked],
    limits: Sequence[int],
    moment: int | None,
    each: Callable[[Session], None] | None,
) -> None:
    """To the end, stopping where something was asked of the robot."""
    live = session.plan.live
    halted = live.halted_after if live else 0
    stops: list[tuple[list[int], Callable[[], None]]] = [
        (one.after, partial(session.ask, one.command, one.fields)) for one in asked
    ]
    if halted:
        stops.append(((live.halted_at if live else []) or [halted], session.halt))
    for after, do in stops:
        if any(place > last for place, last in zip(after, limits, strict=True)):
            break
        if _step_to(session, after, moment, each) != after:  # the moment lies before it
            return
        do()
    _step_to(session, limits, moment, each)


def _step_to(
    session: Session,
    places: Sequence[int],
    moment: int | None,
    each: Callable[[Session], None] | None,
) -> list[int]:
    """Where it is then. There already, it does not take the frame that it has seen coming."""
    if _taken(session) != list(places):
        for source, place in zip(session.sources, places, strict=True):
            session.sim.limit_source(source.number, place)
        _advance(session, moment, each)
    return _taken(session)


def _taken(session: Session) -> list[int]:
    return [session.sim.source_position(each.number)[0] for each in session.sources]


def _advance(session: Session, moment: int | None, each: Callable[[Session], None] | None) -> None:
    if each is None:
        session.step(until=moment)
        return
    each(session)
    while session.step(1, until=moment) == _core.RunOutcome.LIMIT:
        each(session)


def _run_on(session: Session, killed_at: int) -> None:
    """What it may have done after the last frame of which it is known that it was dealt with: a
    part of this, for it was killed meanwhile."""
    for source in session.sources:
        session.sim.limit_source(source.number, SEQUENCE_NEVER)
    session.step(until=killed_at)
    session.sim.advance(killed_at)


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
) -> Repeated:
    """A live run, one life after the other. Of one that was killed the repetition may know more
    than the tape does: what that life did not come to write is left out."""
    whole: Repeated | None = None
    before: list[tuple[str, int, bytes]] = []
    with tempfile.TemporaryDirectory(prefix="onetape-lives-") as scratch:
        for life in lives:
            is_later = (sequence is not None and life.position >= sequence) or (
                moment is not None and life.start > moment
            )
            if is_later and whole is not None:
                break
            given = plan_of(plan, life)
            check_inputs(given)
            journal = Path(scratch) / str(life.number)
            part = repeat(
                given,
                strategy,
                instruments=given_facts(path),
                sequence=sequence,
                moment=moment,
                asked=asked_in(path / "journal", life.first, life.last),
                each=each,
                progress=progress,
                before=before,
                killed_at=None if life.has_ended else life.time,
                journal=journal,
                position=life.position,
                carried=whole.attributes if whole and life.live.restart == REPLAY else None,
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


def _fields(each: TapeInput) -> dict[str, Any]:
    return {name: getattr(each, name) for name in TapeInput.__slots__}


def strategy_of(path: Path, plan: RunPlan) -> type[Any]:
    """The strategy as it ran: from the source kept in the run."""
    kept = path / "source" / plan.strategy.rpartition(":")[0]
    if not kept.is_file():
        raise BadConfig(
            f"the run keeps no source {plan.strategy}", where=str(path), todo="run it again"
        )
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


def _until(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    if text.isdigit() and int(text) < SEQUENCE_MAX:
        return int(text), None
    try:
        return None, parse_time(text)
    except (ValueError, BadInput) as problem:
        raise BadConfig(str(problem), where="--until", todo="give a sequence or a time") from None


def check_inputs(plan: RunPlan) -> None:
    """The tapes are those that the run read: same identity, same chain at the last frame taken."""
    for each in plan.inputs:
        path = Path(each.path)
        if not path.exists():
            raise BadInput(
                f"the tape {path} is gone", where="run.toml", todo="put it back where it was"
            )
        with JournalReader(path) as reader:
            if reader.uuid.hex != each.uuid.replace("-", ""):
                raise Divergence(
                    f"{path} is another tape now", where="run.toml", todo="put the old one back"
                )
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
            f"{file.name}:{finding.line} {finding.what}"
            for finding in impurities(file.read_text(encoding="utf-8"))
        ]
    return "; ".join(found[:3])
