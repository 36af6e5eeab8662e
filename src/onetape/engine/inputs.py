"""Prepare a run's tapes before the start, and record at its end which frames were taken.

A live robot may follow more tapes than its gateway's. Frames present when it begins count as before the start; later
frames are taken as they arrive, and their order is recorded on the robot's tape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from onetape import _core
from onetape.engine.host import Host
from onetape.engine.plan import SEQUENCE_NEVER, History, LiveRobot, RunPlan
from onetape.engine.run_spec import RunSpec
from onetape.engine.tape_facts import seals_within
from onetape.model.enums import EventType
from onetape.model.time import MINUTE, SECOND, TIME_MAX
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.payloads import fields

__all__ = [
    "AsksHistory",
    "Source",
    "hold_streams",
    "note_inputs",
    "preload",
    "release_streams",
    "seek_hub",
    "take_history",
]

AsksHistory = Callable[[Mapping[tuple[str, int], int], int], Sequence[History]]

_INPUT: Final = fields("input")
_JOIN_NS: Final = 10 * SECOND  # how long before the start data are read when the venue has reported all bars
WARM_NS: Final = MINUTE  # time before the start from which the hub's tape is read, for the newest values


@dataclass(slots=True)
class Source:
    path: Path
    reader: JournalReader
    number: int
    is_detail: bool  # visible only to the simulated exchange


class Reads(Protocol):
    """Gives access to a session and its tapes."""

    loop: _core.TradingLoop
    host: Host
    spec: RunSpec
    plan: RunPlan
    sources: list[Source]
    writer: JournalWriter | None
    started_at: int | None
    asks_history: AsksHistory | None


def seek_hub(reader: JournalReader, plan: RunPlan) -> int:
    """Move the reader to the first frame of the hub's tape that the run reads. Returns its sequence: a replay begins
    with the same frame."""
    live = plan.live
    assert live is not None and plan.start is not None
    if live.market_from:
        reader.seek_sequence(live.market_from)
        return live.market_from
    reader.seek_time(plan.start - WARM_NS)
    return reader.next_sequence


def hold_streams(session: Reads, live: LiveRobot) -> None:
    """Limit the streams before the warm-up: a replay warms up on the same frames."""
    if live.positions and len(session.sources) > 1:
        session.loop.order_inputs([(after, source, each, each) for after, source, each in live.order])
    # A single tape's own market defines when the robot's time begins.
    for source in session.sources if len(session.sources) > 1 else ():
        there = live.positions[source.number] if live.positions else source.reader.last_sequence
        session.loop.limit_source(source.number, there)


def release_streams(session: Reads, live: LiveRobot) -> None:
    """Remove the limits after the warm-up. A replay keeps the limits of its driver, and may look ahead on the
    gateway's tape."""
    if live.positions:
        if len(session.sources) > 1:
            session.loop.limit_source(0, session.spec.limits[0] if session.spec.limits else SEQUENCE_NEVER)
        return
    positions = [session.loop.source_position(each.number)[0] for each in session.sources]
    session.plan = replace(session.plan, live=replace(live, positions=positions))
    for source in session.sources:
        session.loop.limit_source(source.number, SEQUENCE_NEVER)


def note_inputs(session: Reads) -> None:
    """Record which frames of each source were taken: the run can be repeated from exactly these."""
    inputs = []
    live = session.plan.live
    for each, source in zip(session.plan.inputs, session.sources, strict=True):
        last, crc = session.loop.source_position(source.number)
        uuid, epoch = bytes(source.reader.core.uuid), source.reader.core.epoch
        seal = next(reversed(seals_within(Path(each.path), last)), "")
        first = live.market_from if live is not None and live.is_of_hub(source.number) else 1
        first = min(first, last + 1)  # last + 1: no frame was taken
        taken = {"first_sequence": first, "last_sequence": last, "crc": crc, "hash": seal}
        inputs.append(replace(each, uuid=uuid.hex(), epoch=epoch, **taken))
        if session.writer is not None:
            session.loop.append_cold(EventType.INPUT.id, _INPUT.pack(uuid, epoch, first, last - first + 1, crc, 0))
    session.plan = replace(session.plan, inputs=inputs)


def take_history(session: Reads) -> None:
    """Request bars from before the start from a live robot's venue and process them: on first use, at the latest
    after on_start. A replay reads the recorded reports from its tapes."""
    bars = session.host.bars
    pending, bars.pending = bars.pending, {}
    if not pending:
        return
    assert session.started_at is not None
    if session.asks_history is not None:
        reported = list(session.asks_history(pending, session.started_at))
        session.plan = replace(session.plan, history=[*session.plan.history, *reported])
        session.host.append(EventType.PARAMS.id, {"history": [each._asdict() for each in reported]})
    else:
        reported = [each for each in session.plan.history if (each.symbol, each.period) in pending]
    for each in reported:
        if each.is_reported:
            gateway = session.host.gateway_of(each.symbol)
            with JournalReader(session.sources[gateway].path) as reader:
                session.loop.take_history(gateway, reader.core, each.first, each.last)
        bars.note_history(each)


def preload(session: Reads) -> None:
    """Load bars from before the start, the earlier part of the bar that is running then, and the windows of scans.
    After bars reported by the venue, trades of the tape fill the time up to the start."""
    bars, scans = session.host.bars, session.host.scans
    start = session.started_at
    assert start is not None
    scans_from = start - scans.history if scans.history else TIME_MAX
    begin = start
    if bars.longest_period or bars.from_first:
        begin = _first_bar(session, start)
    if min(begin, scans_from) >= start:
        return
    with ExitStack() as opened:
        # Separate readers: those of the run are past the start already.
        readers = [opened.enter_context(JournalReader(each.path)) for each in session.sources]
        outcome = session.loop.preload([r.core for r in readers], begin, start, scans_from)
        if outcome == _core.RunOutcome.FAILED:
            session.loop.raise_failure()


def _first_bar(session: Reads, start: int) -> int:
    """Returns the open time (ns) of the first bar that the subscribed feeds need."""
    bars = session.host.bars
    if bars.from_first:
        return 0
    preloaded = {(each.symbol, each.period) for each in session.plan.history if each.is_reported}
    if preloaded and preloaded == bars.periods:
        return start - _JOIN_NS
    period = bars.longest_period
    return _core.bar_open_time(start, period) - bars.history * period
