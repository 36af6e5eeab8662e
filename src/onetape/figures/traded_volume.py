"""The volume of a market since a given time, from a tape with its trades."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from onetape.model.enums import EventType
from onetape.model.errors import OnetapeError
from onetape.model.instrument import Instrument
from onetape.tape.journal import Frame, JournalReader
from onetape.tape.payloads import fields
from onetape.tape.segments import is_tape

__all__ = ["TradedVolume"]

_TYPES: Final = ("instrument", "trade")
_SIZE: Final = fields("trade", "size")


class TradedVolume:
    """Counts the volume of one symbol since a given time (ns UTC) on a growing tape. It stores no state: after a
    restart it counts the tape again."""

    def __init__(self, path: Path, symbol: str, since: int) -> None:
        self._path, self._symbol, self._since = path, symbol, since
        self._reader: JournalReader | None = None
        self._instruments: dict[int, Instrument] = {}  # stream -> instrument of the symbol
        self._qty: Decimal | None = None

    def take(self) -> Decimal | None:
        """Returns the volume so far, in the instrument's own units; None: the tape has no trade of it."""
        if self._reader is not None and self._reader.is_gone:  # deleted or replaced
            self.close()
        try:
            if self._reader is None and not self._open():
                return None
            assert self._reader is not None
            for frame in self._reader.frames(_TYPES):
                self._take(frame)
        except OnetapeError:  # the tape is just being created, or damaged: its writer reports that
            self.close()
        return self._qty

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader, self._qty = None, None

    def _open(self) -> bool:
        if not is_tape(self._path):
            return False
        self._reader = JournalReader(self._path)
        self._reader.seek_time(self._since)
        for stream, record in self._reader.instruments.items():
            self._list(stream, Instrument.from_msgpack(msgspec.msgpack.encode(record)))
        return True

    def _list(self, stream: int, instrument: Instrument) -> None:
        self._instruments.pop(stream, None)
        if instrument.symbol == self._symbol:
            self._instruments[stream] = instrument

    def _take(self, frame: Frame) -> None:
        if frame.type == EventType.INSTRUMENT.id:
            self._list(frame.stream, Instrument.from_msgpack(frame.payload))
        elif frame.time >= self._since and (instrument := self._instruments.get(frame.stream)) is not None:
            (size,) = _SIZE.unpack_from(frame.payload)
            self._qty = (self._qty or Decimal(0)) + instrument.size(size)
