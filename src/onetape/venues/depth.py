"""Depth of one instrument from a live connection: frames for the tape, and the book they make.

The frames are as importers write them: the venue's changes as they came, snapshots, and where the
chain broke. The book is kept beside them, by the core's own rules, so that one who begins to read
in the middle can be given a snapshot of the same moment.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from onetape._core import FLAG_GAP, FLAG_SNAPSHOT, FLAG_UNSYNCED, Book
from onetape.orders.calls import Call

__all__ = ["DepthBook", "DepthFrame", "DepthStream", "Level"]

Level = tuple[int, int]  # price and size in units of the instrument; size 0: the level is gone

_HEAD: Final = struct.Struct("<qqQQQII")  # BookPayload of core/journal/events.hpp
LEVELS_MAX: Final = 5_000  # of one side in a snapshot of our own


class DepthFrame(NamedTuple):
    """A `book` frame of the tape."""

    payload: bytes
    flags: int


class DepthStream(Protocol):
    """One connection for the depth of one instrument. times: ns UTC."""

    @property
    def url(self) -> str: ...

    @property
    def hello(self) -> tuple[bytes, ...]:
        """What is said first."""
        ...

    @property
    def broken(self) -> str:
        """Why a new connection is needed, "" while it is not."""
        ...

    @property
    def book(self) -> DepthBook: ...

    def take(self, message: bytes, received: int) -> list[DepthFrame]:
        """One message. Raises nothing: what is malformed breaks the chain."""
        ...

    def question(self, now: int) -> Call | None:
        """A snapshot to be asked for now, where the venue does not send it by itself."""
        ...

    def answered(self, status: int, body: bytes, received: int) -> list[DepthFrame]:
        """What came of the last question; status 0: nothing."""
        ...


class DepthBook:
    """The book that the frames make. Each method gives the frame that says the same."""

    def __init__(self) -> None:
        self.book = Book()

    @property
    def synced(self) -> bool:
        return self.book.synced

    def frame(
        self,
        bids: Sequence[Level],
        asks: Sequence[Level],
        *,
        ts_event: int,
        received: int,
        flags: int = 0,
        first_id: int = 0,
        last_id: int = 0,
        previous_id: int = 0,
    ) -> DepthFrame:
        """Levels as the venue told them. A change that does not follow the one before is flagged
        as a gap, whatever `flags` say."""
        head = (ts_event, received, first_id, last_id, previous_id)
        return self.told(_payload(bids, asks, head), flags)

    def told(self, payload: bytes, flags: int = 0) -> DepthFrame:
        """As `frame`, of a payload that is made already."""
        was_synced = self.book.synced
        self.book.apply_payload(payload, flags)
        if was_synced and not self.book.synced:
            flags |= FLAG_GAP | FLAG_UNSYNCED
        elif not self.book.synced:
            flags |= FLAG_UNSYNCED
        return DepthFrame(payload, flags)

    def lost(self, received: int) -> DepthFrame:
        """What comes next does not follow."""
        self.book.desync()
        return DepthFrame(_payload((), (), (0, received, 0, 0, 0)), FLAG_GAP | FLAG_UNSYNCED)

    def snapshot(self, received: int) -> DepthFrame | None:
        """All that is known now, None where nothing is."""
        book = self.book
        if not book.synced:
            return None
        head = (book.ts_event, received, 0, book.last_id, 0)
        payload = _payload(book.bids(LEVELS_MAX), book.asks(LEVELS_MAX), head)
        return DepthFrame(payload, FLAG_SNAPSHOT)


def _payload(bids: Sequence[Level], asks: Sequence[Level], head: tuple[int, int, int, int, int]) -> bytes:
    numbers = [n for level in (*bids, *asks) for n in level]
    return _HEAD.pack(*head, len(bids), len(asks)) + struct.pack(f"<{len(numbers)}q", *numbers)
