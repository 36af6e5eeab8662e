"""Depth of one instrument from a live connection: frames for the tape, and the book they make.

The frames are those of an import of the same messages: the venue's changes as they came, snapshots,
and where the chain broke. The book is kept beside them, by the core's own rules, so that one who
begins to read in the middle can be given a snapshot of the same moment.
"""

from __future__ import annotations

from typing import Final, Protocol

from onetape import _core
from onetape._core import FLAG_GAP, FLAG_SNAPSHOT, FLAG_UNSYNCED, Book
from onetape.model.instrument import Instrument
from onetape.orders.calls import Call
from onetape.tape.journal import type_id
from onetape.tape.payloads import LEVEL, fields
from onetape.venues.protocol_table import Protocol as MessageTable

__all__ = ["DepthStream", "Level", "TableDepth", "VenueStream"]

Level = tuple[int, int]  # price and size in units of the instrument; size 0: the level is gone

_BOOK: Final = type_id("book")
_HEAD: Final = fields("book")
LEVELS_MAX: Final = 5_000  # of one side in a snapshot of our own


class VenueStream(Protocol):
    """One connection to a venue: what is sent on it, and whether it can be relied on."""

    @property
    def url(self) -> str: ...

    @property
    def hello(self) -> tuple[bytes, ...]:
        """Returns what is sent first."""
        ...

    @property
    def ping(self) -> bytes:
        """Returns what the venue wants to hear repeatedly, if anything."""
        ...

    @property
    def broken(self) -> str:
        """Returns why a new connection is needed, "" while it is not."""
        ...


class DepthStream(VenueStream, Protocol):
    """One connection for the depth of one instrument. times: ns UTC. Frames are appended to the
    writer, which raises what the journal raises."""

    @property
    def book(self) -> Book: ...

    def take(self, message: bytes, received: int, writer: _core.JournalWriter) -> None:
        """Append the frames of one message; one that is malformed breaks the chain."""
        ...

    def question(self, now: int) -> Call | None:
        """Returns a snapshot to be requested now, where the venue does not send it by itself."""
        ...

    def answered(self, status: int, body: bytes, received: int, writer: _core.JournalWriter) -> None:
        """Append what came of the last question; status 0: nothing."""
        ...

    def lost(self, received: int, writer: _core.JournalWriter) -> None:
        """Append that what comes next does not follow."""
        ...

    def snapshot(self, received: int, writer: _core.JournalWriter) -> None:
        """Append the book as it is, where there is one."""
        ...


class TableDepth:
    """Depth that the core reads by the venue's message table: what all such streams share.

    stream: its number on the tape."""

    ping = b""

    def __init__(self, table: MessageTable, raw: str, instrument: Instrument, stream: int) -> None:
        self.broken = ""
        self._stream = stream
        self._reader = table.live([(raw, instrument)], (stream,), keeps_book=True)
        self.book = self._reader.book

    def read(self, message: bytes, received: int, writer: _core.JournalWriter) -> None:
        """Append the frames of one message; one that is malformed breaks the chain."""
        rejected = self._reader.rejected
        self._reader.take(message, received, writer)
        if self._reader.rejected != rejected:
            self.broken = "a message of depth makes no sense"
            self.lost(received, writer)
        elif self._reader.refusal:
            self.broken = f"refused: {self._reader.refusal}"[:120]

    def lost(self, received: int, writer: _core.JournalWriter) -> None:
        self.book.desync()
        head = _HEAD.pack(0, received, 0, 0, 0, 0, 0)
        writer.append(_BOOK, head, FLAG_GAP | FLAG_UNSYNCED, self._stream, received)

    def question(self, now: int) -> Call | None:
        """None: the snapshot comes by itself."""
        return None

    def answered(self, status: int, body: bytes, received: int, writer: _core.JournalWriter) -> None:
        """Nothing was requested."""

    def snapshot(self, received: int, writer: _core.JournalWriter) -> None:
        book = self.book
        if not book.synced:
            return
        bids, asks = book.bids(LEVELS_MAX), book.asks(LEVELS_MAX)
        head = _HEAD.pack(book.ts_event, received, 0, book.last_id, 0, len(bids), len(asks))
        payload = head + b"".join([LEVEL.pack(*level) for level in (*bids, *asks)])
        writer.append(_BOOK, payload, FLAG_SNAPSHOT, self._stream, received)
