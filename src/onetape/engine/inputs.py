"""The tapes of a run: what is taken of them before it starts, and what it says of them at its end.

A live robot may follow more than its gateway's tape. What of the others is there when it begins
counts before the start; from there on their frames are taken as they come, and the order is told.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from onetape.engine.plan import SEQUENCE_NEVER, LiveRobot
from onetape.engine.tape_facts import seals_within
from onetape.model.enums import EventType

if TYPE_CHECKING:
    from onetape.engine.session import Session

__all__ = ["hold_streams", "note_inputs", "release_streams"]

_INPUT: Final = struct.Struct("<16sQQQII")  # InputPayload of core/journal/events.hpp


def hold_streams(session: Session, live: LiveRobot) -> None:
    """Before the warm-up: a replay warms up on the same frames."""
    if live.positions and len(session.sources) > 1:
        session.loop.order_inputs(live.order)
    for source in session.sources[1:]:
        there = live.positions[source.number] if live.positions else source.reader.last_sequence
        session.loop.limit_source(source.number, there)


def release_streams(session: Session, live: LiveRobot) -> None:
    """After it. A replay is told how far by whoever steps it."""
    if live.positions:
        return
    positions = [session.loop.source_position(each.number)[0] for each in session.sources]
    session.plan = replace(session.plan, live=replace(live, positions=positions))
    for source in session.sources[1:]:
        session.loop.limit_source(source.number, SEQUENCE_NEVER)


def note_inputs(session: Session) -> None:
    """Which frames were taken of each source: the run can be repeated from exactly these."""
    inputs = []
    for each, source in zip(session.plan.inputs, session.sources, strict=True):
        last, crc = session.loop.source_position(source.number)
        uuid, epoch = bytes(source.reader.core.uuid), source.reader.core.epoch
        seal = next(reversed(seals_within(Path(each.path), last)), "")
        taken = {"first_sequence": 1, "last_sequence": last, "crc": crc, "hash": seal}
        inputs.append(replace(each, uuid=uuid.hex(), epoch=epoch, **taken))
        if session.writer is not None:
            session.loop.append_cold(EventType.INPUT.id, _INPUT.pack(uuid, epoch, 1, last, crc, 0))
    session.plan = replace(session.plan, inputs=inputs)
