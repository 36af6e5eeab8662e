"""What live messages come to on a tape."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

from onetape.model.enums import Kind
from onetape.model.instrument import Instrument
from onetape.tape.journal import Frame, JournalReader, JournalWriter, Record
from onetape.tape.schema import INSTRUMENT_TYPE
from onetape.venues.protocol_table import Protocol

__all__ = ["LiveTape", "frames_of", "instrument"]


def instrument(symbol: str, raw: str, price: int, size: int) -> Instrument:
    base, _, quote = symbol.partition(":")[2].partition(":")[0].partition("/")
    return Instrument(
        symbol=symbol,
        venue=symbol.partition(":")[0],
        base=base,
        quote=quote,
        settle=quote,
        kind=Kind.LINEAR if symbol.count(":") == 2 else Kind.SPOT,
        raw_symbol=raw,
        perpetual=symbol.count(":") == 2,
        price_decimals=price,
        size_decimals=size,
        tick=Decimal(1).scaleb(-price),
        lot=Decimal(1).scaleb(-size),
    )


def frames_of(path: Path) -> list[Frame]:
    """All frames of a tape but its instruments, numbered from 1."""
    with JournalReader(path) as reader:
        found = [frame for frame in reader.frames() if frame.type != INSTRUMENT_TYPE]
    return [frame._replace(sequence=n) for n, frame in enumerate(found, 1)]


class LiveTape:
    """A venue's messages, read as they come, and the tape that they make."""

    def __init__(self, path: Path, table: Protocol, instruments: Iterable[tuple[str, Instrument]]) -> None:
        self.path = path
        self.writer = JournalWriter(path, durable=False)
        self.reader = table.live(instruments)

    def take(self, message: bytes, received: int) -> int:
        return self.reader.take(message, received, self.writer.core)

    def records(self) -> list[Record]:
        """Of what was taken."""
        with JournalReader(self.path) as reader:
            return list(reader)

    def close(self) -> None:
        self.writer.close()
