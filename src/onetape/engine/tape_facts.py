"""What a tape says of itself, asked beside a run: instruments, counts, seals, its last time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from onetape import _core
from onetape.model.instrument import Instrument
from onetape.tape.journal import JournalReader
from onetape.tape.schema import INSTRUMENT_TYPE
from onetape.tape.segments import list_segments

__all__ = [
    "Inventory",
    "inventory_of",
    "seals_within",
    "streams_of",
    "tape_instruments",
    "tape_span",
]

# By symbol: {type id: count}, and the periods of its own bars.
Inventory = Mapping[str, tuple[Mapping[int, int], list[int]]]


def tape_instruments(path: Path) -> dict[str, Instrument]:
    """The instruments of a tape by symbol, latest version: last preamble, then later frames."""
    found: dict[str, Instrument] = {}
    with JournalReader(path) as reader:
        core = reader.core
        # Each segment repeats what came before it, so the last one and its frames are enough.
        core.seek_sequence(max(core.last_sequence, 1))
        for type_id, _, payload in core.preamble:
            if type_id == INSTRUMENT_TYPE:
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


def tape_span(path: Path) -> tuple[int, int] | None:
    """Times of the first and last frame, ns; None when it is empty."""
    with JournalReader(path) as reader:
        first = reader.next_frame()
        if first is None:
            return None
        reader.seek_sequence(max(reader.core.last_sequence, 1))
        last = reader.next_frame()
        return first.time, last.time if last is not None else first.time


def inventory_of(paths: Iterable[Path]) -> Inventory:
    """Over whole tapes, together."""
    found: dict[str, tuple[dict[int, int], list[int]]] = {}
    for path in paths:
        with JournalReader(path) as reader:
            counts, periods, _, _ = _core.inventory(reader.core)
        streams = streams_of(path)
        for stream, types in counts.items():
            if stream not in streams:
                continue
            have, bars = found.setdefault(streams[stream].symbol, ({}, []))
            for type_id, count in types.items():
                have[type_id] = have.get(type_id, 0) + count
            bars += [p for p in periods.get(stream, []) if p not in bars]
    return found


def streams_of(path: Path) -> dict[int, Instrument]:
    """stream -> instrument over a whole tape, its latest version."""
    found: dict[int, Instrument] = {}
    with JournalReader(path) as reader:
        for type_id, stream, payload in reader.core.preamble:
            if type_id == INSTRUMENT_TYPE:
                found[stream] = Instrument.from_msgpack(payload)
        for frame in reader.frames(types=["instrument"]):
            found[frame.stream] = Instrument.from_msgpack(frame.payload)
    return found
