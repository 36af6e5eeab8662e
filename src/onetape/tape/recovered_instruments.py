"""Read the instruments of a tape over all incarnations of its writer, for a writer that continues it: a number
belongs to one instrument forever."""

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
    """Returns the tape's instruments by number. A torn tail after a crash of the machine is set aside. process: its
    writer, which does not run now."""
    if not is_tape(path):
        return {}
    try:
        return _read(path)
    except TornTape:
        JournalWriter(path, process=process, durable=False).close()
        return _read(path)


def _read(path: Path) -> dict[int, Instrument]:
    with JournalReader(path) as reader:
        reader.seek_sequence(max(reader.last_sequence, 1))
        reader.next_frame()
        records = sorted(reader.instruments.items())
        return {number: Instrument.from_msgpack(msgspec.msgpack.encode(record)) for number, record in records}


def preamble_of(instruments: Mapping[int, Instrument]) -> list[tuple[int, int, bytes]]:
    """Returns the preamble that a writer repeats in its segments beside its own instruments, so that a reader at the
    end finds those of all earlier incarnations."""
    return [(INSTRUMENT_TYPE, number, each.to_msgpack()) for number, each in sorted(instruments.items())]
