"""The tapes of a run: what is taken of them before it starts, and what it says of them at its end.

A live robot may follow more than its gateway's tape. What of the others is there when it begins
counts before the start; from there on their frames are taken as they come, and the order is told.
"""

from __future__ import annotations

import struct
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
        session.sim.order_inputs(live.order)
    for source in session.sources[1:]:
        there = live.positions[source.number] if live.positions else source.reader.last_sequence
        session.sim.limit_source(source.number, there)


def release_streams(session: Session, live: LiveRobot) -> None:
    """After it. A replay is told how far by whoever steps it."""
    if live.positions:
        return
    live.positions = [session.sim.source_position(each.number)[0] for each in session.sources]
    for source in session.sources[1:]:
        session.sim.limit_source(source.number, SEQUENCE_NEVER)


def note_inputs(session: Session) -> None:
    """Which frames were taken of each source: the run can be repeated from exactly these."""
    for each, source in zip(session.plan.inputs, session.sources, strict=True):
        last, crc = session.sim.source_position(source.number)
        identity = source.reader.core.uuid
        each.uuid = bytes(identity).hex() if not isinstance(identity, str) else identity
        each.epoch = source.reader.core.epoch
        each.first_sequence, each.last_sequence, each.crc = 1, last, crc
        each.hash = next(reversed(seals_within(Path(each.path), last)), "")
        if session.writer is not None:
            uuid = bytes.fromhex(each.uuid.replace("-", ""))
            payload = _INPUT.pack(uuid, each.epoch, 1, last, crc, 0)
            session.sim.append_cold(EventType.INPUT.id, payload)
