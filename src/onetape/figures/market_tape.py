"""Recent data of a gateway's tape: instruments, its own market, fills, movements of money. Follows a growing tape,
through restarts of its gateway and pruning."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from onetape._core import Book
from onetape.accounts.entries import Cause
from onetape.accounts.entry_frames import unpack
from onetape.hedge.moves import Booked
from onetape.market.confirmed_price import SILENT, ConfirmedPrice, PriceKind
from onetape.model.enums import EventType, PositionSide
from onetape.model.errors import OnetapeError
from onetape.model.instrument import Instrument
from onetape.model.time import SECOND
from onetape.orders.order_frames import fill_of
from onetape.orders.reports import INTERNAL_TRADES
from onetape.tape.journal import Frame, JournalReader
from onetape.tape.payloads import fields
from onetape.tape.segments import is_tape

__all__ = ["DoubtedPrice", "GatewayTape", "Seen"]

LOOK_BACK: Final = 100 * SECOND  # older data are ignored; complete books are written more often
BOOK_LEVELS: Final = 25
FILLS_MAX: Final = 10_000  # recent fills to remember, as a gateway's table may not include them yet
UNCERTAIN: Final = SECOND  # twice the interval of a gateway's valuations
MOVED_MAX: Final = 1000  # movements of money to remember, for one move of margin
_TYPES: Final = ("instrument", "quote", "mark", "trade", "funding", "book", "fill", "health", "entry")
_MOVED: Final = (Cause.TRANSFER, Cause.COMMAND, Cause.CORRECTION)
_QUOTE: Final = fields("quote", "ts_event", "bid", "ask", "bid_size", "ask_size")
_MARK: Final = fields("mark", "mark")
_PRICE: Final = fields("trade", "price")
_FUNDING: Final = fields("funding", "rate", "interval_ns")

Levels = tuple[list[tuple[int, int]], list[tuple[int, int]]]


class DoubtedPrice:
    """Confirms the price of one symbol, and remembers when it was last unconfirmed: it counts as uncertain a while
    longer. Times in ns UTC."""

    def __init__(self) -> None:
        self._confirmed = ConfirmedPrice()
        self._taken: dict[PriceKind, int] = {}  # time of the newest message of a kind
        self._doubted_at = 0
        self._is_valued = False  # a first price was confirmed

    def take(self, kind: PriceKind, price: int, at: int) -> None:
        if price > 0 and not 0 <= self._taken.get(kind, 0) - at <= SILENT:  # already taken, or the clock was set back
            self._taken[kind] = at
            self._confirmed.take(kind, price, at)
            self._look(at)

    def of(self, kind: PriceKind, now: int) -> int:
        """Returns the confirmed price of a kind, 0: unknown."""
        return self._confirmed.of(kind, now)

    def is_uncertain(self, now: int) -> bool:
        """Returns True while the newest price is unconfirmed, and for UNCERTAIN ns after."""
        self._look(now)
        return now - self._doubted_at < UNCERTAIN

    def _look(self, now: int) -> None:
        for kind in (PriceKind.QUOTE, PriceKind.MARK):
            self._is_valued = self._is_valued or self._confirmed.of(kind, now) > 0
            if self._is_valued and self._confirmed.is_unconfirmed(kind, now):
                self._doubted_at = now


@dataclass(slots=True)
class Seen:
    """The newest data of one symbol, prices in its units; at: ns UTC of the newest quote or book, mark_at: of the
    mark; delay: latency of a quote, ns; rate: of the last funding payment, 1e-12; interval: between payments, ns."""

    bid: int = 0
    ask: int = 0
    bid_size: int = 0
    ask_size: int = 0
    mark: int = 0
    at: int = 0
    mark_at: int = 0
    delay: int = 0
    rate: int | None = None
    interval: int = 0
    book: Book = field(default_factory=Book)
    best: Levels | None = None  # from another source's book
    price: DoubtedPrice = field(default_factory=DoubtedPrice)

    def levels(self) -> Levels:
        """Returns bids and asks as price and size, the best first; without depth only the best ones."""
        if self.best is not None:
            return self.best
        if self.book.synced:
            return self.book.bids(BOOK_LEVELS), self.book.asks(BOOK_LEVELS)
        return [(self.bid, self.bid_size)] if self.bid else [], [(self.ask, self.ask_size)] if self.ask else []


class GatewayTape:
    """Follows one gateway's tape. errors: of the gateway's feeds since the beginning. fills: recent (sequence,
    symbol, position side, signed size); booked: entries of money moved without a trade."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader: JournalReader | None = None
        self._taken = 0
        self._streams: dict[int, str] = {}
        self.instruments: dict[str, Instrument] = {}
        self.seen: dict[str, Seen] = {}
        self.fills: deque[tuple[int, str, PositionSide, int]] = deque(maxlen=FILLS_MAX)
        self.booked: deque[Booked] = deque(maxlen=MOVED_MAX)
        self.errors = 0
        self.version = 0  # raised when `instruments` change

    def take(self, now: int) -> None:
        """Reads new frames. now: ns UTC."""
        if self._reader is not None and self._reader.is_gone:  # deleted or replaced
            self.close()
        try:
            if self._reader is None and not self._open():
                return
            assert self._reader is not None
            if now - self._taken > LOOK_BACK:
                self._seek(self._reader, now - LOOK_BACK)
            self._taken = now
            for frame in self._reader.frames(_TYPES):
                self._take(frame)
        except OnetapeError:  # the tape is just being created, or damaged: its gateway reports that
            self.close()

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader, self._taken = None, 0
        self.seen.clear()
        self.fills.clear()
        self.booked.clear()

    def _open(self) -> bool:
        if not is_tape(self._path):
            return False
        self._reader = JournalReader(self._path)
        return True

    def _seek(self, reader: JournalReader, time: int) -> None:
        reader.seek_time(time)
        self.fills.clear()
        self.booked.clear()
        for each in self.seen.values():
            each.book.desync()
        for stream, record in reader.instruments.items():
            self._list(stream, Instrument.from_msgpack(msgspec.msgpack.encode(record)))

    def _list(self, stream: int, instrument: Instrument) -> None:
        self._streams[stream] = instrument.symbol
        if self.instruments.get(instrument.symbol) != instrument:
            self.instruments[instrument.symbol] = instrument
            self.version += 1

    def _take(self, frame: Frame) -> None:
        match frame.type:
            case EventType.INSTRUMENT.id:
                self._list(frame.stream, Instrument.from_msgpack(frame.payload))
            case EventType.FILL.id:
                fill = fill_of(frame.payload)
                if fill.trade_id < INTERNAL_TRADES:  # an internal trade does not change the account's position
                    change = fill.size * fill.side.sign
                    self.fills.append((frame.sequence, self._streams[frame.stream], fill.position_side, change))
            case EventType.ENTRY.id:
                entry = unpack(frame.payload)
                if entry.cause in _MOVED and entry.legs:
                    self.booked.append(Booked(frame.sequence, frame.time, entry))
            case EventType.HEALTH.id:
                record = msgspec.msgpack.decode(frame.payload)
                self.errors += record.get("kind") in ("feed", "malformed") and "severity" in record
            case _:
                self._price(frame, self.seen.setdefault(self._streams[frame.stream], Seen()))

    def _price(self, frame: Frame, seen: Seen) -> None:
        match frame.type:
            case EventType.QUOTE.id:
                event, seen.bid, seen.ask, seen.bid_size, seen.ask_size = _QUOTE.unpack_from(frame.payload)
                seen.delay = max(frame.time - event, 0)
                if seen.bid > 0 and seen.ask > 0:
                    seen.price.take(PriceKind.QUOTE, (seen.bid + seen.ask) // 2, frame.time)
            case EventType.MARK.id:
                (seen.mark,), seen.mark_at = _MARK.unpack_from(frame.payload), frame.time
                seen.price.take(PriceKind.MARK, seen.mark, frame.time)
                return
            case EventType.TRADE.id:
                seen.price.take(PriceKind.TRADE, _PRICE.unpack_from(frame.payload)[0], frame.time)
                return
            case EventType.BOOK.id:
                seen.book.apply_payload(frame.payload, frame.flags)
                if not seen.book.synced:  # the book is out of sync: no price
                    return
                bids, asks = seen.book.bids(1), seen.book.asks(1)
                if bids and asks:
                    seen.price.take(PriceKind.QUOTE, (bids[0][0] + asks[0][0]) // 2, frame.time)
            case _:
                seen.rate, seen.interval = _FUNDING.unpack_from(frame.payload)
                return
        seen.at = frame.time
