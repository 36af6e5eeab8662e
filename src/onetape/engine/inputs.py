"""The tapes of a run: what is taken of them before it starts, and what it says of them at its end.

A live robot may follow more than its gateway's tape. What of each is there when it begins counts
before the start; from there on frames are taken as they come, and the order is on its tape.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from onetape.engine.incarnations import INPUT
from onetape.engine.plan import SEQUENCE_NEVER, LiveRobot, RunPlan
from onetape.engine.tape_facts import seals_within
from onetape.model.enums import EventType
from onetape.model.time import MINUTE
from onetape.tape.journal import JournalReader

if TYPE_CHECKING:
    from onetape.engine.session import Session

__all__ = ["hold_streams", "note_inputs", "release_streams", "seek_hub"]

WARM_NS: Final = MINUTE  # of the hub's tape before the start: the newest values of what trades


def seek_hub(reader: JournalReader, plan: RunPlan) -> int:
    """Where the hub's tape is read from: a replay begins with the same frame. Gives its number."""
    live = plan.live
    assert live is not None and plan.start is not None
    if live.market_from:
        reader.seek_sequence(live.market_from)
        return live.market_from
    reader.seek_time(plan.start - WARM_NS)
    return reader.next_sequence


def hold_streams(session: Session, live: LiveRobot) -> None:
    """Before the warm-up: a replay warms up on the same frames."""
    if live.positions and len(session.sources) > 1:
        session.loop.order_inputs([(after, source, each, each) for after, source, each in live.order])
    # One tape alone says by its market where the robot's time begins.
    for source in session.sources if len(session.sources) > 1 else ():
        there = live.positions[source.number] if live.positions else source.reader.last_sequence
        session.loop.limit_source(source.number, there)


def release_streams(session: Session, live: LiveRobot) -> None:
    """After it. A replay is told how far by whoever steps it, and looks ahead on the gateway's tape."""
    if live.positions:
        if len(session.sources) > 1:
            session.loop.limit_source(0, session.spec.limits[0] if session.spec.limits else SEQUENCE_NEVER)
        return
    positions = [session.loop.source_position(each.number)[0] for each in session.sources]
    session.plan = replace(session.plan, live=replace(live, positions=positions))
    for source in session.sources:
        session.loop.limit_source(source.number, SEQUENCE_NEVER)


def note_inputs(session: Session) -> None:
    """Which frames were taken of each source: the run can be repeated from exactly these."""
    inputs = []
    live = session.plan.live
    for each, source in zip(session.plan.inputs, session.sources, strict=True):
        last, crc = session.loop.source_position(source.number)
        uuid, epoch = bytes(source.reader.core.uuid), source.reader.core.epoch
        seal = next(reversed(seals_within(Path(each.path), last)), "")
        first = live.market_from if live is not None and live.is_of_hub(source.number) else 1
        first = min(first, last + 1)  # of which nothing was taken
        taken = {"first_sequence": first, "last_sequence": last, "crc": crc, "hash": seal}
        inputs.append(replace(each, uuid=uuid.hex(), epoch=epoch, **taken))
        if session.writer is not None:
            session.loop.append_cold(EventType.INPUT.id, INPUT.pack(uuid, epoch, first, last - first + 1, crc, 0))
    session.plan = replace(session.plan, inputs=inputs)
