"""The instruments of a collector's tape, over all lives of its process. A number stands for one of them for ever."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from onetape.model.errors import TornTape
from onetape.model.instrument import Instrument
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.schema import INSTRUMENT_TYPE
from onetape.tape.segments import is_tape

__all__ = ["preamble_of", "recovered_instruments"]


def recovered_instruments(path: Path, process: str) -> dict[int, Instrument]:
    """Those that the tape has, by number. process: its writer, which does not run now."""
    if not is_tape(path):
        return {}
    try:
        return _read(path)
    except TornTape:  # the machine went down: whoever opens it sets aside what was torn
        JournalWriter(path, process=process, durable=False).close()
        return _read(path)


def _read(path: Path) -> dict[int, Instrument]:
    with JournalReader(path) as reader:
        reader.seek_sequence(max(reader.last_sequence, 1))
        reader.next_frame()
        records = reader.instruments.items()
        return {number: Instrument.from_msgpack(msgspec.msgpack.encode(record)) for number, record in records}


def preamble_of(instruments: Mapping[int, Instrument]) -> list[tuple[int, int, bytes]]:
    """What a writer has to be given, since it repeats in its segments only what it was given itself: so a reader at
    the end finds the instruments of all earlier lives."""
    return [(INSTRUMENT_TYPE, number, each.to_msgpack()) for number, each in sorted(instruments.items())]
