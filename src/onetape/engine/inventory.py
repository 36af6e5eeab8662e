"""What tapes hold of each symbol: counted once before a run, for what it may subscribe to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from onetape import _core
from onetape.model.instrument import Instrument
from onetape.tape.journal import JournalReader

__all__ = ["Inventory", "inventory_of", "streams_of"]

_INSTRUMENT = 1  # EventType of core/journal/events.hpp

# By symbol: {type id: count}, and the periods of its own bars.
Inventory = Mapping[str, tuple[Mapping[int, int], list[int]]]


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
            if type_id == _INSTRUMENT:
                found[stream] = Instrument.from_msgpack(payload)
        for frame in reader.frames(types=["instrument"]):
            found[frame.stream] = Instrument.from_msgpack(frame.payload)
    return found
