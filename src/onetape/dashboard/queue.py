"""Estimates the quantity ahead of own orders at their prices, from the depth and the trades on their market's tape:
the backtest's conservative model, applied to orders at a real exchange."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from onetape._core import Book, QueuePlace
from onetape.dashboard.bars import FRAMES_MAX, Followed
from onetape.market.displayed import displayed
from onetape.model.enums import EventType
from onetape.model.errors import OnetapeError
from onetape.model.instrument import Instrument
from onetape.model.time import SECOND
from onetape.tape.journal import Frame
from onetape.tape.payloads import fields

__all__ = ["Queue", "QueueFollowed", "Resting", "Rests"]

STEP: Final = 100_000  # frames per look
BOOK_BACK: Final = 100 * SECOND  # complete books are written more often than this
_TRADE: Final = fields("trade", "ts_event", "price", "size", "side")
_STAMP: Final = fields("book", "ts_event")


@dataclass(frozen=True, slots=True)
class Rests:
    """An order's time of coming to rest at its price. at: ns UTC, when this was read; stamp: the venue's time of it;
    size: units, at that time or less."""

    at: int
    stamp: int
    price: int
    size: int

    def moved(self, later: Rests) -> Rests:
        """Returns the state after a later report: a smaller order keeps its place."""
        keeps = later.price == self.price and later.size <= self.size
        return Rests(self.at, self.stamp, self.price, later.size) if keeps else later


@dataclass(frozen=True, slots=True)
class Resting:
    """One of our own resting orders. name: its client id; own: units of it that the exchange displays, 0: none."""

    name: str
    buys: bool
    rests: Rests
    own: int


@dataclass(slots=True)
class _Joined:
    of: Resting
    place: QueuePlace | None = None  # None: its level was not displayed yet


@dataclass(slots=True)
class Queue:
    """A book with the places of own orders in it, updated by the tape's events in order."""

    book: Book = field(default_factory=Book)
    _orders: dict[str, _Joined] = field(default_factory=dict)

    def rest(self, orders: Collection[Resting]) -> None:
        """Sets the present resting orders; one at another price, or larger, goes to the end."""
        kept = {}
        for each in orders:
            old, start = self._orders.get(each.name), (each.rests.at, each.rests.price)
            is_same = old is not None and (old.of.rests.at, old.of.rests.price) == start
            kept[each.name] = _Joined(each, old.place if old is not None and is_same else None)
        self._orders = kept

    def on_book(self, payload: bytes, flags: int) -> None:
        self.book.apply_payload(payload, flags)
        (stamp,) = _STAMP.unpack_from(payload)
        for each in self._orders.values():
            if each.place is not None and (shown := self._shown(each.of, stamp)) is not None:
                each.place.on_shown(shown, stamp)

    def on_trade(self, stamp: int, price: int, size: int, taker: int) -> None:
        """Moves the orders at a trade's price. taker: its side, as on the tape. Trades before an order came to rest
        do not move it."""
        for each in self._orders.values():
            hits = each.of.rests.price == price and taker == (2 if each.of.buys else 1)
            if hits and each.place is not None and not 0 < stamp <= each.of.rests.stamp:
                each.place.on_trade(stamp, size)

    def join(self, time: int) -> None:
        """Puts the orders that rest by then behind the displayed size of their levels. time: ns UTC, as of
        `Rests.at`."""
        stamp = self.book.ts_event
        for each in self._orders.values():
            if each.place is None and each.of.rests.at <= time:
                shown = self._shown(each.of, stamp)
                if shown is not None:
                    each.place = QueuePlace()
                    each.place.join(shown, stamp)

    def _shown(self, of: Resting, stamp: int) -> int | None:
        """Returns units of others displayed at its price; None: unknown."""
        units = displayed(self.book, of.rests.price, buys=of.buys) if self.book.synced else None
        return units if units is None or stamp <= of.rests.stamp else max(units - of.own, 0)

    def ahead(self) -> dict[str, int]:
        """Returns units ahead of each order, by name; only for orders whose price is displayed now."""
        return {
            name: each.place.ahead
            for name, each in self._orders.items()
            if each.place is not None and self._shown(each.of, self.book.ts_event) is not None
        }


class QueueFollowed(Followed):
    """A queue that follows its market's journal: at first from where the oldest order came to rest, at most
    FRAMES_MAX frames back. An older order is assumed to stand behind everything on its level then."""

    event = "book"

    def __init__(self, path: Path, instrument: Instrument) -> None:
        super().__init__(path, instrument)
        self._queue = Queue()

    def look(self, orders: Collection[Resting], now: int) -> dict[str, str]:
        """Returns an estimate of the quantity ahead of each order, by name; nothing while it still reads back."""
        try:
            if self._reader is not None and self._reader.is_gone:
                self.close()
            if self._reader is None and not (orders and self._begin(min(each.rests.at for each in orders))):
                return {}
            assert self._reader is not None
            queue = self._queue
            queue.rest(orders)
            stop = self._reader.next_sequence + STEP
            for frame in self._reader.frames(("book", "trade"), sequence_until=stop):
                if frame.stream == self._stream:
                    _take(queue, frame)
            if self._reader.next_sequence >= stop:
                return {}
        except OnetapeError:  # being created, pruned or damaged, which its gateway reports
            self.close()
            return {}
        queue.join(now)
        return {name: self.instrument.size_text(units) for name, units in queue.ahead().items()}

    def _begin(self, time: int) -> bool:
        if not self._open(0) or self._reader is None:
            return False
        self._queue = Queue()
        self._reader.seek_time(time - BOOK_BACK)
        self._reader.seek_sequence(max(self._reader.next_sequence, self._first - FRAMES_MAX))
        return True


def _take(queue: Queue, frame: Frame) -> None:
    queue.join(frame.time)
    if frame.type == EventType.BOOK.id:
        queue.on_book(frame.payload, frame.flags)
    else:
        stamp, price, size, taker = _TRADE.unpack_from(frame.payload)
        queue.on_trade(stamp, price, size, taker)
