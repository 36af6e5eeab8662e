"""What a tape says of itself, asked beside a run: instruments, streams, seals, its last time."""

from __future__ import annotations

from pathlib import Path

from onetape.model.instrument import Instrument
from onetape.tape.journal import JournalReader
from onetape.tape.segments import list_segments

__all__ = ["last_time", "seals_within", "streams_of", "tape_instruments"]

_INSTRUMENT = 1  # EventType of core/journal/events.hpp


def tape_instruments(path: Path) -> dict[str, Instrument]:
    """The instruments of a tape by symbol, latest version: last preamble, then later frames."""
    found: dict[str, Instrument] = {}
    with JournalReader(path) as reader:
        core = reader.core
        # Each segment repeats what came before it, so the last one and its frames are enough.
        core.seek_sequence(max(core.last_sequence, 1))
        for type_id, _, payload in core.preamble:
            if type_id == _INSTRUMENT:
                instrument = Instrument.from_msgpack(payload)
                found[instrument.symbol] = instrument
    with JournalReader(path) as reader:
        for record in reader.frames(types=["instrument"]):
            instrument = Instrument.from_msgpack(record.payload)
            found[instrument.symbol] = instrument
    return found


def seals_within(path: Path, last_sequence: int) -> list[str]:
    """The seals of the segments that end at `last_sequence` or before, in order."""
    seals = []
    for segment in list_segments(path):
        if segment.seal is None or segment.last_seq is None or segment.last_seq > last_sequence:
            break
        seals.append(segment.seal)
    return seals


def last_time(path: Path) -> int:
    """Of the tape's last frame."""
    with JournalReader(path) as reader:
        reader.seek_sequence(max(reader.core.last_sequence, 1))
        frame = reader.next_frame()
    return frame.time if frame is not None else 0


def streams_of(path: Path) -> dict[int, str]:
    """stream -> symbol over a whole tape."""
    found: dict[int, str] = {}
    with JournalReader(path) as reader:
        for type_id, stream, payload in reader.core.preamble:
            if type_id == _INSTRUMENT:
                found[stream] = Instrument.from_msgpack(payload).symbol
        for frame in reader.frames(types=["instrument"]):
            found[frame.stream] = Instrument.from_msgpack(frame.payload).symbol
    return found
