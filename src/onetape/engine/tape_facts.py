"""Read facts of a tape beside a run: instruments, counts, seals, time span."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Final, TypeVar

from onetape import _core
from onetape.model.errors import TornTape
from onetape.model.instrument import Instrument
from onetape.tape.journal import JournalReader
from onetape.tape.schema import INSTRUMENT_TYPE
from onetape.tape.segments import list_segments, segment_files

__all__ = [
    "Inventory",
    "TapeContents",
    "contents_of",
    "inventory_of",
    "seals_within",
    "streams_of",
    "tape_instruments",
    "tape_span",
]

# By symbol: {type id: count}, and the periods of its own bars.
Inventory = Mapping[str, tuple[Mapping[int, int], list[int]]]


@dataclass(frozen=True, slots=True)
class TapeContents:
    """The contents of a tape by stream: {type id: count of frames}, the periods of its own bars (ns), and the latest
    version of its instrument."""

    counts: Mapping[int, Mapping[int, int]]
    periods: Mapping[int, list[int]]
    streams: Mapping[int, Instrument]


T = TypeVar("T")
_REMEMBERED_MAX: Final = 64  # tapes


def _remembered(read: Callable[[Path], T]) -> Callable[[Path], T]:
    """Cache a function of a sealed tape within the process: each variant of a sweep calls it."""
    found: dict[tuple[Any, ...], T] = {}

    @wraps(read)
    def ask(path: Path) -> T:
        try:
            key = _files_of(path)
        except (TornTape, OSError):
            return read(path)  # which reports the location
        if key is None:
            return read(path)
        if key not in found:
            if len(found) == _REMEMBERED_MAX:
                del found[next(iter(found))]
            found[key] = read(path)
        return found[key]

    return ask


def _files_of(path: Path) -> tuple[Any, ...] | None:
    """Returns a key of a tape's files without decompressing any; None: the tape may grow."""
    files = segment_files(path)
    if not files:
        return None
    number, last, is_compressed = files[-1]
    if not is_compressed and not (_core.segment_info(str(last), number, -1) or {}).get("sealed"):
        return None
    stats = [(each.name, each.stat()) for _, each, _ in files]
    return (str(path), *((name, at.st_ino, at.st_size, at.st_mtime_ns) for name, at in stats))


def tape_instruments(path: Path) -> dict[str, Instrument]:
    """Returns the instruments of a tape by symbol, latest version."""
    return {each.symbol: each for each in streams_of(path).values()}


def seals_within(path: Path, last_sequence: int) -> list[str]:
    """Returns the seals of the segments that end at `last_sequence` or before, in order."""
    seals = []
    for segment in list_segments(path):
        if segment.seal is None or segment.last_seq is None or segment.last_seq > last_sequence:
            break
        seals.append(segment.seal)
    return seals


@_remembered
def tape_span(path: Path) -> tuple[int, int] | None:
    """Returns the times of the first and last frame, ns; None when the tape is empty."""
    with JournalReader(path) as reader:
        first = reader.next_frame()
        if first is None:
            return None
        reader.seek_sequence(max(reader.core.last_sequence, 1))
        last = reader.next_frame()
        return first.time, last.time if last is not None else first.time


@_remembered
def contents_of(path: Path) -> TapeContents:
    """Returns the contents of a tape, from one pass over it. Raises as JournalReader where it is damaged."""
    with JournalReader(path) as reader:
        streams = _first_instruments(reader)
        counts, periods, _, _, later = _core.inventory(reader.core)
    for stream, payload in later.items():
        streams[stream] = Instrument.from_msgpack(payload)
    return TapeContents(counts, periods, streams)


def inventory_of(tapes: Iterable[TapeContents]) -> Inventory:
    """Merge the contents of whole tapes by symbol."""
    found: dict[str, tuple[dict[int, int], list[int]]] = {}
    for tape in tapes:
        for stream, types in tape.counts.items():
            if stream not in tape.streams:
                continue
            have, bars = found.setdefault(tape.streams[stream].symbol, ({}, []))
            for type_id, count in types.items():
                have[type_id] = have.get(type_id, 0) + count
            bars += [p for p in tape.periods.get(stream, []) if p not in bars]
    return found


def streams_of(path: Path) -> dict[int, Instrument]:
    """Returns stream -> instrument over a whole tape, latest version."""
    with JournalReader(path) as reader:
        found = _first_instruments(reader)
        for frame in reader.frames(types=["instrument"]):
            found[frame.stream] = Instrument.from_msgpack(frame.payload)
    return found


def _first_instruments(reader: JournalReader) -> dict[int, Instrument]:
    return {
        stream: Instrument.from_msgpack(payload)
        for type_id, stream, payload in reader.core.preamble
        if type_id == INSTRUMENT_TYPE
    }
