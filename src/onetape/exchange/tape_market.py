"""A recorded tape as the market of a simulated exchange: its events happen again, and clients trade among them.

It has the interface of the generated market's core (`_core.OrderFlow`), so that exchange, accounts and venues need no
change. No I/O: frames come from a function that opens the tape at its beginning. The tape's time is converted to the
exchange's time at `speed`; equal tapes and equal requests give equal markets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from onetape._core import FLAG_SNAPSHOT, FLAG_UNSYNCED
from onetape.exchange.tape_book import TapeBook
from onetape.model.enums import EventType, Side
from onetape.model.instrument import Instrument
from onetape.model.time import MINUTE, SECOND
from onetape.tape.journal import Frame
from onetape.tape.payloads import LEVEL, fields

__all__ = ["TAPE_TYPES", "RecordedMarket", "TapeFlow"]

SPEED_SCALE: Final = 1_000_000
LOOP_GAP: Final = SECOND  # between the end of the tape and its restart, in time of the tape
WARM_UP_MAX: Final = MINUTE  # time of the tape
MARK_SILENCE: Final = 10 * SECOND  # after which the mid replaces the mark

_QUOTE, _TRADE, _BOOK = EventType.QUOTE.id, EventType.TRADE.id, EventType.BOOK.id
_MARK, _FUNDING, _BAR = EventType.MARK.id, EventType.FUNDING.id, EventType.BAR.id
TAPE_TYPES: Final = (_QUOTE, _TRADE, _BOOK, _MARK, _FUNDING)
_QUOTE_FIELDS = fields("quote")
_TRADE_FIELDS = fields("trade", "ts_event", "ts_recv", "price", "size", "id_low", "side")
_BOOK_FIELDS = fields("book")
_MARK_FIELDS = fields("mark")
_FUNDING_FIELDS = fields("funding")
_SIDES = (Side.NONE, Side.BUY, Side.SELL)
_SIDE_NUMBER: Final = {side: number for number, side in enumerate(_SIDES)}

Event = tuple[int, int, int, int, bytes]


class TapeSymbol(NamedTuple):
    """One instrument, and its streams on the tape."""

    instrument: Instrument
    streams: frozenset[int]


class TapeFlow:
    """Plays the tape as the flow of a market. ended: the tape has ended and is not restarted; the books do not change
    any more."""

    def __init__(
        self,
        symbols: Sequence[TapeSymbol],
        frames: Callable[[], Iterator[Frame]],
        *,
        start: int,
        speed: int,
        loop: bool,
    ) -> None:
        self.books = [TapeBook(each.instrument, at) for at, each in enumerate(symbols)]
        self.at_stream = {stream: at for at, each in enumerate(symbols) for stream in each.streams}
        self.start = start
        self.speed = speed
        self.loop = loop
        self.ended = False
        self.rounds = 0  # number of restarts
        self._is_new_round = False
        self._open = frames
        self._frames: Iterator[Frame] = iter(())
        self._next: Frame | None = None
        self._origin = start  # time of the exchange when this round began
        self._first = -1  # time of the tape when this round began, -1: unknown
        self._last = 0  # latest time of the tape so far
        self._due = start
        self._next_second = start - start % SECOND + SECOND
        self._pending: deque[Event] = deque()
        self._news: list[dict[str, Any]] = []
        self._trade_id = 0
        self._book_id = [0] * len(self.books)
        self._marked = [start - MARK_SILENCE] * len(self.books)  # time of the tape's last mark
        self._begin(start)
        self._warm_up()

    # --- the tape ---------------------------------------------------------------------------------

    def _begin(self, origin: int) -> None:
        self._frames = self._open()
        self._origin, self._first = origin, -1
        self._advance()

    def _advance(self) -> None:
        """Moves to the next frame of a played symbol. The exchange's time stands still while the tape's goes back."""
        for frame in self._frames:
            if frame.stream in self.at_stream:
                if self._first < 0:
                    self._first = self._last = frame.time
                self._last = max(self._last, frame.time)
                self._next = frame
                passed = (self._last - self._first) * SPEED_SCALE // self.speed
                self._due = self._origin + passed
                return
        self._next = None

    def _warm_up(self) -> None:
        """Applies the tape at once until every book has two sides, so that the exchange opens with prices."""
        stands = self._first
        while (frame := self._next) is not None and self._last - self._first < WARM_UP_MAX:
            if all(book.mid for book in self.books):
                break
            self._play(frame, self.start)
            stands = self._last
            self._advance()
        self._first = stands
        self._due = self._origin + (self._last - self._first) * SPEED_SCALE // self.speed
        for at, book in enumerate(self.books):
            if (mid := book.mid or book.last) and self._marked[at] < self.start:
                self._push(_MARK, at, self.start, _MARK_FIELDS.pack(self.start, self.start, mid, mid))

    def _turn(self) -> None:
        """Handles the end of the tape: restarts it, or stops."""
        now = self._due
        if not self.loop or self._first < 0:
            self.ended = True
            return
        self._is_new_round = True
        self._begin(now + LOOP_GAP * SPEED_SCALE // self.speed)
        if self._next is None:
            self.ended = True

    def _step(self) -> None:
        """Performs the next due action: a frame, or the end of a second."""
        due = self._frame_due
        if self._next_second <= due:
            now = self._next_second
            self._next_second += SECOND
            self._each_second(now)
            return
        frame = self._next
        assert frame is not None
        if self._is_new_round:
            self._is_new_round = False
            self.rounds += 1
            for book in self.books:
                self._take(book, book.clear(due), due)
        self._play(frame, due)
        self._advance()
        if self._next is None:
            self._turn()

    @property
    def _frame_due(self) -> int:
        return 2**63 - 1 if self._next is None else self._due

    def _play(self, frame: Frame, now: int) -> None:
        at, payload = self.at_stream[frame.stream], frame.payload
        book = self.books[at]
        if frame.type == _QUOTE:
            _, _, bid, ask, bid_size, ask_size, _ = _QUOTE_FIELDS.unpack_from(payload)
            self._take(book, book.on_quote(bid, bid_size, ask, ask_size, now), now)
        elif frame.type == _BOOK and not frame.flags & FLAG_UNSYNCED:
            bids = _BOOK_FIELDS.unpack_from(payload)[5]
            levels = list(LEVEL.iter_unpack(payload[_BOOK_FIELDS.size :]))
            snapshot = bool(frame.flags & FLAG_SNAPSHOT)
            said = book.on_depth(levels[:bids], levels[bids:], now, snapshot=snapshot)
            self._take(book, said, now)
        elif frame.type == _TRADE:
            _, _, price, size, _, number = _TRADE_FIELDS.unpack_from(payload)
            side = _SIDES[number]
            if price > 0 and size > 0:
                self._take(book, book.on_trade(price, size, side, now), now)
                self._tell_trade(at, price, size, side, now)
        elif frame.type == _MARK:
            _, _, mark, index = _MARK_FIELDS.unpack_from(payload)
            self._marked[at] = now
            self._push_mark(at, mark, index or mark, now)
        elif frame.type == _FUNDING:
            self._push(_FUNDING, at, now, payload[: _FUNDING_FIELDS.size])

    def _each_second(self, now: int) -> None:
        for at, book in enumerate(self.books):
            mid = book.mid or book.last
            if mid and now - self._marked[at] >= MARK_SILENCE:
                self._push_mark(at, mid, mid, now)
            if now % MINUTE == 0:
                self._push(_BAR, at, now, b"")

    # --- reports ----------------------------------------------------------------------------------

    def _take(self, book: TapeBook, news: list[dict[str, Any]], now: int) -> None:
        """Collects clients' reports, and publishes the changes of a book."""
        self._news += news
        at = book.index
        for price, size, side, _ in book.trades:
            self._tell_trade(at, price, size, side, now)
        book.trades.clear()
        bids, asks = book.changed[Side.BUY], book.changed[Side.SELL]
        if bids or asks:
            first = self._book_id[at] + 1
            self._book_id[at] += len(bids) + len(asks)
            head = _BOOK_FIELDS.pack(now, now, first, self._book_id[at], first - 1, len(bids), len(asks))
            levels = b"".join(LEVEL.pack(*pair) for pair in (*bids.items(), *asks.items()))
            self._push(_BOOK, at, now, head + levels)
            bids.clear()
            asks.clear()
        if book.touch is not None:
            bid, bid_size, ask, ask_size = book.touch
            book.touch = None
            payload = _QUOTE_FIELDS.pack(now, now, bid, ask, bid_size, ask_size, self._book_id[at])
            self._push(_QUOTE, at, now, payload)

    def _tell_trade(self, at: int, price: int, size: int, side: Side, now: int) -> None:
        self._trade_id += 1
        number = _SIDE_NUMBER[side]
        self._push(_TRADE, at, now, _TRADE_FIELDS.pack(now, now, price, size, self._trade_id, number))

    def _push_mark(self, at: int, mark: int, index: int, now: int) -> None:
        self._push(_MARK, at, now, _MARK_FIELDS.pack(now, now, mark, index))

    def _push(self, kind: int, at: int, now: int, payload: bytes) -> None:
        self._pending.append((kind, 0, at, now, payload))

    # --- the generated market's interface ---------------------------------------------------------

    @property
    def next_time(self) -> int:
        if self._pending:
            return self._pending[0][3]
        return min(self._frame_due, self._next_second)

    def next(self, until: int | None = None, is_heard: bool = True) -> Event | None:
        end = 2**63 - 1 if until is None else until
        if not self._pending and self.next_time < end:
            self._step()
        if self._pending and self._pending[0][3] < end:
            return self._pending.popleft()
        return None

    def take_unheard(self) -> list[Event]:
        return []  # a tape has no history to skip

    def request(self, symbol: int, participant: int, now: int, **request: Any) -> list[Any]:
        book = self.books[symbol]
        self._take(book, book.request(participant, now, **request), now)
        return self.news()

    def set_position(self, symbol: int, participant: int, qty: int, side: str = "both") -> None:
        self.books[symbol].engine.set_position(participant, qty, side)

    def set_prices(self, symbol: int, now: int, mark: int = 0, index: int = 0) -> list[Any]:
        book = self.books[symbol]
        self._take(book, book.set_mark(now, mark, index), now)
        return self.news()

    def expire(self, now: int) -> list[Any]:
        for book in self.books:
            self._take(book, book.expire(now), now)
        return self.news()

    @property
    def next_expiry(self) -> int:
        return min(book.engine.next_expiry for book in self.books)

    def bids(self, symbol: int, count: int = 1 << 30) -> list[tuple[int, int]]:
        return self.books[symbol].engine.bids(count)

    def asks(self, symbol: int, count: int = 1 << 30) -> list[tuple[int, int]]:
        return self.books[symbol].engine.asks(count)

    def news(self) -> list[Any]:
        said, self._news = self._news, []
        return said


class RecordedMarket:
    """A recorded market for an exchange, like `GeneratedMarket`. speed: multiple of real time, in millionths."""

    def __init__(
        self,
        symbols: Sequence[TapeSymbol],
        frames: Callable[[], Iterator[Frame]],
        *,
        start: int,
        speed: int = SPEED_SCALE,
        loop: bool = False,
    ) -> None:
        self.markets = tuple(symbols)
        self.start = start
        self.core = TapeFlow(symbols, frames, start=start, speed=speed, loop=loop)
