"""The hub's quotes for a gateway's journal, which has none for symbols of the hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from onetape.model.enums import EventType
from onetape.model.errors import OnetapeError
from onetape.model.instrument import Instrument
from onetape.model.time import MINUTE
from onetape.tape.journal import Frame, JournalReader
from onetape.tape.payloads import fields
from onetape.tape.segments import is_tape

__all__ = ["HubQuotes"]

LOOK_BACK: Final = MINUTE  # at the first look: to have the newest quote of each traded symbol
_BID_AND_ASK: Final = fields("quote", "bid", "ask")


class HubQuotes:
    """Reads the hub's journal as far as another journal has been read. Pruned frames are left out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader: JournalReader | None = None
        self._instruments: dict[int, Instrument] = {}
        self._is_there = False
        self._frames: Iterator[Frame] = iter(())
        self._ahead: Frame | None = None  # read ahead: belongs to a later time

    def look(self) -> None:
        """Checks for a hub's journal; call it now and then."""
        self._is_there = is_tape(self._path)
        if self._reader is not None and self._reader.is_gone:
            self._leave()

    def until(self, time: int) -> Iterator[tuple[Instrument, int, int]]:
        """Yields instrument, bid and ask of each symbol quoted since the last call and up to a time (ns)."""
        if self._reader is None and self._is_there:
            self._open(time)
        if self._reader is None:
            return
        quotes: dict[int, bytes] = {}
        try:
            for frame in self._read(self._reader, time):
                if frame.type == EventType.QUOTE.id:
                    quotes[frame.stream] = frame.payload
                else:
                    self._instruments[frame.stream] = Instrument.from_msgpack(frame.payload)
        except OnetapeError:  # pruned or replaced under the reader: begins anew, with its numbers
            self._leave()
            return
        for stream, payload in quotes.items():
            bid, ask = _BID_AND_ASK.unpack_from(payload)
            yield self._instruments[stream], bid, ask

    def _read(self, reader: JournalReader, time: int) -> Iterator[Frame]:
        is_anew = False
        while True:
            frame, self._ahead = self._ahead or next(self._frames, None), None
            if frame is None:
                if is_anew:
                    return
                self._frames, is_anew = reader.frames(("instrument", "quote")), True
            elif frame.time > time:
                self._ahead = frame
                return
            else:
                yield frame

    def _open(self, time: int) -> None:
        try:
            self._reader = JournalReader(self._path)
            self._reader.seek_time(time - LOOK_BACK)
            for stream, record in self._reader.instruments.items():
                self._instruments[stream] = Instrument.from_msgpack(msgspec.msgpack.encode(record))
        except OnetapeError:  # being created
            self._leave()

    def _leave(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader, self._frames, self._ahead = None, iter(()), None
        self._instruments.clear()
