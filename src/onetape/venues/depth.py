"""Depth of one instrument from a live connection: frames for the tape, and the resulting book.

The frames equal those of an import of the same messages: the venue's changes as received, snapshots, and breaks of the
chain. The book is maintained as well, by the core's own rules, so that a reader that begins in the middle can get a
snapshot of that moment.
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
LEVELS_MAX: Final = 5_000  # per side of our own snapshots


class VenueStream(Protocol):
    """One connection to a venue: messages to send on it, and its state."""

    @property
    def url(self) -> str: ...

    @property
    def hello(self) -> tuple[bytes, ...]:
        """Returns the first messages to send."""
        ...

    @property
    def ping(self) -> bytes:
        """Returns the venue's periodic message, if any."""
        ...

    @property
    def broken(self) -> str:
        """Returns why a new connection is needed; "": none is."""
        ...


class DepthStream(VenueStream, Protocol):
    """One connection for the depth of one instrument. times: ns UTC. Frames are appended to the writer, which raises
    the journal's errors."""

    @property
    def book(self) -> Book: ...

    def take(self, message: bytes, received: int, writer: _core.JournalWriter) -> None:
        """Appends the frames of one message; a malformed one breaks the chain."""
        ...

    def question(self, now: int) -> Call | None:
        """Returns the request of a snapshot if one is due and the venue does not send it by itself."""
        ...

    def answered(self, status: int, body: bytes, received: int, writer: _core.JournalWriter) -> None:
        """Appends the frames of the answer to the last request; status 0: no answer."""
        ...

    def lost(self, received: int, writer: _core.JournalWriter) -> None:
        """Appends a break of the chain of changes."""
        ...

    def snapshot(self, received: int, writer: _core.JournalWriter) -> None:
        """Appends the current book, if there is one."""
        ...


class TableDepth:
    """A base of `DepthStream`s whose messages the core reads by the venue's message table. stream: the instrument's
    number on the tape.
    """

    ping = b""

    def __init__(self, table: MessageTable, raw: str, instrument: Instrument, stream: int) -> None:
        self.broken = ""
        self._stream = stream
        self._reader = table.live([(raw, instrument)], (stream,), keeps_book=True)
        self.book = self._reader.book

    def read(self, message: bytes, received: int, writer: _core.JournalWriter) -> None:
        """Appends the frames of one message; a malformed one breaks the chain."""
        rejected = self._reader.rejected
        self._reader.take(message, received, writer)
        if self._reader.rejected != rejected:
            self.broken = "a depth message makes no sense"
            self.lost(received, writer)
        elif self._reader.refusal:
            self.broken = f"refused: {self._reader.refusal}"[:120]

    def lost(self, received: int, writer: _core.JournalWriter) -> None:
        self.book.desync()
        head = _HEAD.pack(0, received, 0, 0, 0, 0, 0)
        writer.append(_BOOK, head, FLAG_GAP | FLAG_UNSYNCED, self._stream, received)

    def question(self, now: int) -> Call | None:
        """Returns None: the snapshot comes by itself."""
        return None

    def answered(self, status: int, body: bytes, received: int, writer: _core.JournalWriter) -> None:
        """Does nothing: no request was made."""

    def snapshot(self, received: int, writer: _core.JournalWriter) -> None:
        book = self.book
        if not book.synced:
            return
        bids, asks = book.bids(LEVELS_MAX), book.asks(LEVELS_MAX)
        head = _HEAD.pack(book.ts_event, received, 0, book.last_id, 0, len(bids), len(asks))
        payload = head + b"".join([LEVEL.pack(*level) for level in (*bids, *asks)])
        writer.append(_BOOK, payload, FLAG_SNAPSHOT, self._stream, received)
