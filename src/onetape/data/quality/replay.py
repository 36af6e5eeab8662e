"""Replay the books of a tape: find crossed books, and quotes that disagree with them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from onetape._core import FLAG_UNSYNCED, Book
from onetape.data.quality.series import Books, Quotes
from onetape.tape.journal import Frame, JournalReader, type_id
from onetape.tape.payloads import fields

KEPT: Final = 4096  # best prices of books, and quotes, that wait for the other one with the same number
_QUOTE = fields("quote", "bid", "ask", "bid_size", "ask_size", "update_id")
_Top = tuple[int, int, int, int]


class Replay:
    """Rebuilds the book of one stream."""

    def __init__(self, books: Books, quotes: Quotes | None) -> None:
        self._book = Book()
        self._books = books
        self._quotes = quotes
        self._tops: dict[int, _Top] = {}
        self._waiting: dict[int, tuple[Frame, _Top]] = {}

    def depth(self, frame: Frame) -> None:
        """Process one depth message."""
        outcome, crossed, _ = self._book.apply_payload(frame.payload, frame.flags)
        if frame.flags & FLAG_UNSYNCED or outcome not in ("applied", "snapshot"):
            return
        self._books.replayed += 1
        if crossed:
            self._crossed(frame)
        if self._quotes is not None and self._book.last_id:
            self._top()

    def _crossed(self, frame: Frame) -> None:
        bid, ask = self._prices()
        check = self._books.found["crossed" if bid[0] > ask[0] else "locked"]
        check.count += 1
        if check.wants > 0:
            check.first({"sequence": frame.sequence, "ts": frame.time, "bid": bid[0], "ask": ask[0]})

    def _prices(self) -> Any:
        return self._book.best_bid or (0, 0), self._book.best_ask or (0, 0)

    def _top(self) -> None:
        (bid, bid_size), (ask, ask_size) = self._prices()
        top, number = (bid, bid_size, ask, ask_size), self._book.last_id
        _keep(self._tops, number, top)
        waiting = self._waiting.pop(number, None)
        if waiting is not None:
            self._compare(*waiting, top)

    def quote(self, frame: Frame) -> None:
        """Process one quote: it is compared with the book of the same number, now or when that book comes."""
        bid, ask, bid_size, ask_size, number = _QUOTE.unpack_from(frame.payload)
        if not number:
            return
        stated = bid, bid_size, ask, ask_size
        top = self._tops.get(number)
        if top is not None:
            self._compare(frame, stated, top)
        else:
            _keep(self._waiting, number, (frame, stated))

    def _compare(self, frame: Frame, stated: _Top, top: _Top) -> None:
        assert self._quotes is not None
        self._quotes.compared += 1
        if stated == top:
            return
        check = self._quotes.found["book_disagrees"]
        check.count += 1
        if check.wants > 0:
            names = ("bid", "bid_size", "ask", "ask_size")
            check.first(
                {"sequence": frame.sequence, "ts": frame.time}
                | dict(zip(names, stated, strict=True))
                | {f"book_{name}": value for name, value in zip(names, top, strict=True)}
            )


def _keep(held: dict[int, Any], number: int, value: Any) -> None:
    held[number] = value
    if len(held) > KEPT:
        del held[next(iter(held))]


def replay(reader: JournalReader, books: dict[int, Books], quotes: dict[int, Quotes]) -> None:
    """Replay all books of the tape from the beginning, where `reader` is. quotes: of streams whose quotes carry
    numbers."""
    replays = {stream: Replay(found, quotes.get(stream)) for stream, found in books.items()}
    types: Iterable[str] = ("book", "quote") if quotes else ("book",)
    depth = type_id("book")
    for frame in reader.frames(types):
        found = replays.get(frame.stream)
        if found is None:
            continue
        if frame.type == depth:
            found.depth(frame)
        elif frame.stream in quotes:
            found.quote(frame)


__all__ = ["replay"]
