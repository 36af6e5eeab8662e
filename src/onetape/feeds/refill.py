"""Fills the gaps of trades and of the venue's bars that a lost stream leaves on the tape.

The last trade before the loss and the first one after it show by their numbers which trades are missing. The venue is
asked for these, and for the bars that ended meanwhile; what the tape lacks is written with the venue's times and the
flags of an answer and of late data, each once. Trades can be had from venues that number them one after another and
list past ones.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp

from onetape._core import FLAG_LATE, FLAG_SNAPSHOT, BarBook
from onetape.feeds.query_line import VenueLine, body_from
from onetape.model.errors import OnetapeError
from onetape.model.instrument import Instrument
from onetape.model.time import HOUR, MINUTE, MS, SECOND
from onetape.orders.malformed import MALFORMED
from onetape.orders.managed import HealthOut
from onetape.tape.journal import JournalReader, JournalWriter, type_id
from onetape.tape.payloads import fields
from onetape.venues.past_market import PAGES_MAX, PastBar, PastBars, PastMarket, PastTrade, bars_between

__all__ = ["Refill"]

BACK: Final = 100_000  # frames before the loss that are searched for a symbol's last trade
BACK_NS: Final = 10 * MINUTE  # without one among them, trades of at most this time before the loss are requested
BARS_MAX: Final = 2000  # of one gap
GRACE: Final = 3 * SECOND  # after a bar's end, in which the stream may bring it and the venue finishes it
LOOK_S: Final = 0.5
WATCH: Final = 24 * HOUR  # for a symbol's next trade
FILLED_WITHIN_S: Final = 120.0  # one gap, with its waits for the budget
SHARE: Final = 0.1  # of the address's requests
WEIGHTLESS_S: Final = 1.0  # between requests of a venue without a budget
NUMBERED: Final = 1  # IdKind::integer of core/journal/events.hpp
_TRADE_TYPE, _BAR_TYPE = type_id("trade"), type_id("bar")
_TRADE: Final = fields("trade")
_EDGE: Final = fields("trade", "ts_event", "id_low", "id_kind")
_UNTOLD: Final = (OnetapeError, aiohttp.ClientError, OSError, TimeoutError, ArithmeticError, struct.error, *MALFORMED)


class Edge(NamedTuple):
    """The last trade before a gap. number: 0: unknown, then every trade since `time` is missing."""

    number: int
    time: int


class Gap(NamedTuple):
    """A loss of streams. cut: the last frame before it; time: ns UTC; bars: period of the venue's bars on the stream,
    0: it has none."""

    cut: int
    time: int
    bars: int


class Refill:
    """Requests what is missing, one request after another. bars: bars are requested, too; spawn: keeps a task; written:
    called after frames."""

    def __init__(
        self,
        line: VenueLine,
        writer: JournalWriter,
        *,
        bars: bool = True,
        spawn: Callable[[Coroutine[Any, Any, None]], Any],
        say: Callable[[HealthOut], None],
        written: Callable[[], None] = lambda: None,
    ) -> None:
        self._line, self._writer, self._spawn, self._say, self._written = line, writer, spawn, say, written
        self._has_bars = bars
        self._pending: set[int] = set()  # streams whose next trade is awaited
        self._turn = asyncio.Lock()
        self._free_at = 0.0  # time of the next request, by the steady clock
        self.is_paused = False  # there is no room on the tape

    def lost(self, instruments: Mapping[int, Instrument], bars: int) -> None:
        """Called when a stream of these instruments, by their numbers on the tape, has ended. bars: as in `Gap`."""
        past = self._line.venue.past
        wanted = {number: each for number, each in instruments.items() if number not in self._pending}
        if past is None or not wanted:
            return
        self._pending |= wanted.keys()
        gap = Gap(self._writer.published, time.time_ns(), bars if self._has_bars and bars in past.intervals else 0)
        self._spawn(self._refill(past, wanted, gap))

    async def _refill(self, past: PastBars, wanted: dict[int, Instrument], gap: Gap) -> None:
        reader = JournalReader(self._writer.path)
        try:
            before = await asyncio.to_thread(_edges_before, reader, wanted, gap)
            while wanted and time.time_ns() - gap.time < WATCH:
                await asyncio.sleep(LOOK_S)
                found = await asyncio.to_thread(_first_after, reader, before, wanted)
                instruments = {number: wanted.pop(number) for number in found}
                self._pending -= found.keys()
                for number, instrument in instruments.items():
                    if found[number] and isinstance(past, PastMarket):
                        await self._fill_trades(past, number, instrument, before[number], found[number])
                if instruments and gap.bars:
                    await asyncio.sleep(GRACE / SECOND)
                    for number, instrument in instruments.items():
                        await self._fill_bars(past, number, instrument, gap)
        except OnetapeError as error:  # of its own tape
            self._say(HealthOut("refill", "all", f"a gap is not filled: {error.what}"[:200], "warning"))
        finally:
            self._pending -= wanted.keys()
            reader.close()

    async def _fill_trades(self, past: PastMarket, number: int, instrument: Instrument, last: Edge, first: int) -> None:
        """Writes the trades between the last and the first one."""
        if last.number and first == last.number + 1:
            return
        found: dict[int, PastTrade] = {}
        async with self._asking("trades", instrument.symbol):
            cursor = ""
            for _ in range(PAGES_MAX):
                call = past.trades(instrument, last.time - MS if last.number else last.time, cursor)
                await self._pace(call.weight)
                page, cursor = past.trades_of(instrument, await body_from(self._line, call))
                found |= {
                    each.number: each
                    for each in page
                    if last.number < each.number < first and (last.number or each.time >= last.time)
                }
                if not cursor or (page and page[-1].number >= first - 1):
                    break
        received = time.time_ns()
        for each in sorted(found.values()) if not self.is_paused else ():
            row = (each.time, received, each.price, each.size, each.number, 0, each.side.id, NUMBERED)
            self._writer.append_raw(_TRADE_TYPE, _TRADE.pack(*row), FLAG_LATE | FLAG_SNAPSHOT, number, received)
        self._tell("trades", instrument.symbol, len(found), first - last.number - 1 if last.number else len(found))

    async def _fill_bars(self, past: PastBars, number: int, instrument: Instrument, gap: Gap) -> None:
        """Writes the bars that ended since the loss and are not on the tape."""
        end = time.time_ns() - GRACE
        end -= end % gap.bars
        begin = max(gap.time - gap.time % gap.bars, end - BARS_MAX * gap.bars)
        rows: list[PastBar] = []
        async with self._asking("bars", instrument.symbol):
            asking = bars_between(past, instrument, gap.bars, begin, end)
            try:
                call = next(asking)
                while True:
                    await self._pace(call.weight)
                    call = asking.send(await body_from(self._line, call))
            except StopIteration as end_of:
                rows = end_of.value
        book = await asyncio.to_thread(_bars_since, self._writer.path, gap.cut, number)
        missing = [row for row in rows if not book.has(gap.bars, row.ts_open)]
        received = time.time_ns()
        for row in missing if not self.is_paused else ():
            payload, flags = row.frame(gap.bars)
            news = book.take(payload, FLAG_SNAPSHOT) or 0
            self._writer.append_raw(_BAR_TYPE, payload, news | flags | FLAG_SNAPSHOT, number, received)
        self._tell("bars", instrument.symbol, len(missing), len(missing))

    @asynccontextmanager
    async def _asking(self, what: str, symbol: str) -> AsyncIterator[None]:
        """One request at a time, whose failure is said."""
        try:
            async with self._turn, asyncio.timeout(FILLED_WITHIN_S):
                yield
        except _UNTOLD as error:
            why = f"missing {what} were not answered: {type(error).__name__}: {error}"
            self._say(HealthOut("refill", symbol, why[:200], "warning"))

    def _tell(self, what: str, symbol: str, filled: int, missing: int) -> None:
        if filled and not self.is_paused:
            self._written()
        if lost := missing - filled:
            self._say(HealthOut("refill", symbol, f"{what}: {filled} filled, {lost} lost", "warning"))
        elif filled:
            self._say(HealthOut("refill", symbol, f"{what}: {filled} filled"))

    async def _pace(self, weight: int) -> None:
        """Waits until the request may be sent: orders have the same budget."""
        wait = max((weight * rule.window / rule.most / SHARE / SECOND for rule in self._line.venue.budget), default=0.0)
        now = time.monotonic()
        at, self._free_at = max(now, self._free_at), max(now, self._free_at) + (wait or WEIGHTLESS_S)
        await asyncio.sleep(at - now)


def _edges_before(reader: JournalReader, wanted: Iterable[int], gap: Gap) -> dict[int, Edge]:
    """Returns the last trade of each stream before the gap, and positions the reader after it."""
    start = max(1, gap.cut - BACK)
    reader.seek_sequence(start)
    frame = reader.next_frame()
    oldest = gap.time if frame is None else min(frame.time, gap.time)
    found = dict.fromkeys(wanted, Edge(0, max(oldest, gap.time - BACK_NS)))
    reader.seek_sequence(start)
    for frame in reader.frames(("trade",), sequence_until=gap.cut + 1):
        at, number, kind = _EDGE.unpack(frame.payload)
        if kind == NUMBERED and frame.stream in found and number > found[frame.stream].number:
            found[frame.stream] = Edge(number, at)
    reader.seek_sequence(gap.cut + 1)
    return found


def _first_after(reader: JournalReader, before: Mapping[int, Edge], wanted: Iterable[int]) -> dict[int, int]:
    """Reads new frames; returns the number of the first trade of each stream after its gap, 0: it has no number."""
    waits, found = set(wanted), dict[int, int]()
    for frame in islice(reader.frames(("trade",)), BACK):
        if frame.stream not in waits or frame.flags & FLAG_LATE:
            continue
        _, number, kind = _EDGE.unpack(frame.payload)
        if kind != NUMBERED or number > before[frame.stream].number:
            found.setdefault(frame.stream, number if kind == NUMBERED else 0)
    return found


def _bars_since(tape: Path, cut: int, number: int) -> BarBook:
    """Returns a stream's bars on the tape after a frame."""
    book = BarBook()
    with JournalReader(tape) as reader:
        reader.seek_sequence(cut + 1)
        for frame in reader.frames(("bar",)):
            if frame.stream == number:
                book.take(frame.payload, frame.flags)
    return book
