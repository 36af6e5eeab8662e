"""A venue's bars on a collector's tape: complete, and in their final form.

Streams send a bar once, when it ends; a missed one stays missing, and a bar may be sent before its last trades are in
it. So each symbol's bars since the last answer are requested in turns, and the last ones again. Missing bars are
written, and those that differ from the tape, marked as corrected: which ones is folded from the tape itself
(core/market/bar_book.hpp).
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from onetape._core import FLAG_CORRECTED, FLAG_LATE, FLAG_SNAPSHOT, BarBook
from onetape.feeds.query_line import VenueLine
from onetape.feeds.request_budget import BudgetError
from onetape.feeds.universe import Listing
from onetape.model.errors import NotAvailable, OnetapeError
from onetape.model.time import MINUTE, SECOND, format_duration
from onetape.orders.malformed import MALFORMED
from onetape.orders.managed import HealthOut
from onetape.tape.journal import JournalReader, JournalWriter, type_id
from onetape.tape.payloads import fields
from onetape.venues.past_market import PastBar, bars_between

__all__ = ["Klines"]

WINDOW: Final = 45  # bars requested again each time
GAP_MAX: Final = 2000  # bars filled after an outage: as many as a book remembers (BarBook::bars_max)
GRACE: Final = 3 * SECOND  # wait after a bar's end, for the stream to send it and the venue to finish it
MARKED: Final = 5 * MINUTE  # end of its own tape in which a restart finds the last `answered` mark
LOOK_S: Final = 0.25  # interval of reading its own tape, so that there is never much to read
RETRY_S: Final = 2.0  # after an unanswered request
SIDE_BY_SIDE: Final = 3  # concurrent requests, beside the polls: the line has 16 connections
_BAR: Final = type_id("bar")
_PERIOD: Final = fields("bar", "period_ns")


class Klines:
    """Collects the klines of one venue over one transport.

    rate: weight of requests that may be spent per ns. streamed: the period of bars that a stream sends as well, ns, 0:
    none. now: the venue's time, ns. say: reports filled and lost bars.
    """

    def __init__(
        self,
        line: VenueLine,
        tape: Path,
        writer: JournalWriter,
        periods: Sequence[int],
        *,
        rate: float,
        streamed: int,
        now: Callable[[], int],
        say: Callable[[HealthOut], None],
    ) -> None:
        past = line.venue.past
        for period in periods:
            if past is None or period not in past.intervals:
                raise NotAvailable(f"bars of {format_duration(period)} at this venue", location="klines")
        assert past is not None
        self._line, self._past, self._writer = line, past, writer
        self._tape, self._reader = tape, JournalReader(tape)
        self._periods, self._rate, self._streamed = tuple(periods), rate, streamed
        self._now, self._say = now, say
        self._listings: dict[int, Listing] = {}
        self._books: dict[int, BarBook] = {}
        self._on_tape: set[tuple[int, int]] = set()  # numbers and periods of bars on the tape
        self._until = 0  # end of the bars that an earlier incarnation had got, 0: none
        self._marked = 0
        self._free_at = 0.0  # time of the next request, by the steady clock
        self._answered: dict[tuple[int, int], int] = {}  # by number and period: end of the complete bars
        self._is_hurried = False
        self.counts: Counter[str] = Counter()

    def follow(self, listings: Sequence[Listing]) -> None:
        """Sets the listings. Numbers are never reused, so the state of dropped ones is kept."""
        self._listings = {each.number: each for each in listings}
        self.hurry()

    def hurry(self) -> None:
        """Requests all bars now, because some may be missing."""
        self._is_hurried = True

    def status(self) -> dict[str, int]:
        return {name: self.counts[name] for name in ("requests", "weight", "filled", "corrected", "lost", "failed")}

    async def run(self) -> None:
        """Runs forever. Raises the tape's errors."""
        await asyncio.to_thread(self._begin)
        try:
            while True:
                self._is_hurried = False
                wait = RETRY_S if not await self._round() else self._next_in()
                self._mark()
                until = time.monotonic() + wait
                while time.monotonic() < until and not self._is_hurried:
                    await asyncio.sleep(LOOK_S)
                    self._learn()
        finally:
            self._reader.close()

    def _begin(self) -> None:
        """Restores the bars of an earlier incarnation, and the end of its complete ones."""
        last = self._reader.last_sequence
        if not last:
            return
        self._reader.seek_sequence(last)
        frame = self._reader.next_frame()
        ended = frame.time if frame is not None else 0
        self._reader.seek_time(ended - MARKED)
        marks = (msgspec.msgpack.decode(each.payload) for each in self._reader.frames(("health",)))
        until = [each["until"] for each in marks if each["kind"] == "bars" and "until" in each]
        self._until = until[-1] if until else max(ended - MARKED, 0)
        self._reader.seek_time(self._until - (WINDOW + 1) * max(self._periods))
        self._learn()

    def _mark(self) -> None:
        """Writes the end of complete bars, for a restart."""
        now = self._now()
        keys = [(number, period) for number in self._listings for period in self._periods]
        if now < self._marked + MINUTE or not keys:
            return
        self._marked = now
        answered = [self._answered_until(each) or now for each in keys]
        until = max(min(answered), now - GAP_MAX * max(self._periods))
        record = {"kind": "bars", "subject": "all", "state": "answered", "until": until}
        self._writer.append("health", msgspec.msgpack.encode(record), time=time.time_ns())

    def _answered_until(self, key: tuple[int, int]) -> int | None:
        """Returns the end of the complete bars; None: no answer so far, and no bars on the tape."""
        return self._answered.get(key, self._until if key in self._on_tape else None)

    def _next_in(self) -> float:
        """Returns the seconds until the next bar of the shortest period can be requested."""
        period = min(self._periods)
        return ((GRACE - self._now()) % period) / SECOND + 0.001

    async def _round(self) -> bool:
        """Requests bars of all symbols, those with the oldest answers first. False: one was not answered."""
        due = [(each, period) for each in self._listings.values() for period in self._periods]
        due.sort(key=lambda each: self._answered.get((each[0].number, each[1]), 0))
        places = asyncio.Semaphore(SIDE_BY_SIDE)
        tasks: list[asyncio.Task[bool]] = []
        try:
            for listing, period in due:
                await places.acquire()
                if any(task.done() and not task.result() for task in tasks):
                    break
                task = asyncio.ensure_future(self._query(listing, period))
                task.add_done_callback(lambda _: places.release())
                tasks.append(task)
            return all(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()

    async def _pace(self, weight: int) -> None:
        now = time.monotonic()
        at, self._free_at = max(now, self._free_at), max(now, self._free_at) + weight / self._rate / SECOND
        await asyncio.sleep(at - now)

    async def _query(self, listing: Listing, period: int) -> bool:
        key = listing.number, period
        end = min(self._now() - GRACE, time.time_ns())
        end -= end % period
        since = self._answered_until(key)
        begin = max(min(end - WINDOW * period, end if since is None else since), end - GAP_MAX * period)
        calls = bars_between(self._past, listing.instrument, period, begin, end)
        try:
            call = next(calls)
            while True:
                await self._pace(call.weight)
                status, _, body = await self._line.request(call)
                self.counts["requests"] += 1
                self.counts["weight"] += call.weight
                if status != 200:
                    self.counts["failed"] += 1
                    return status < 500 and status not in (418, 429)  # an error of one symbol does not stop the others
                call = calls.send(body)
        except StopIteration as end_of:
            rows: list[PastBar] = end_of.value
        except (BudgetError, aiohttp.ClientError, OSError, TimeoutError):
            self.counts["failed"] += 1
            return False
        except (OnetapeError, *MALFORMED):
            self.counts["failed"] += 1
            return True
        if self._listings.get(listing.number) == listing:  # else it has ended, or has other units
            self._write(listing, period, rows, since)
            self._answered[key] = end
        return True

    def _write(self, listing: Listing, period: int, rows: Sequence[PastBar], since: int | None) -> None:
        """Writes those bars that the tape does not have, the oldest first. since: end of the bars of earlier answers,
        None: there were none, so the first bars fill no gap."""
        self._learn()
        number, symbol = listing.number, listing.instrument.symbol
        book = self._books.setdefault(number, BarBook())
        healed: Counter[str] = Counter()
        if since is not None and rows:
            lost = sum(not book.has(period, at) for at in range(since, rows[0].ts_open, period))
            healed += Counter(lost=lost)
        received = time.time_ns()
        for row in rows:
            try:
                payload, flags = row.frame(period)
            except struct.error:
                self.counts["malformed"] += 1
                continue
            news = book.take(payload, FLAG_SNAPSHOT)
            if news is None:
                continue
            self._writer.append_raw(_BAR, payload, news | flags | FLAG_SNAPSHOT, number, received)
            if news & FLAG_CORRECTED:
                healed["corrected"] += 1
            elif since is not None and (news & FLAG_LATE or self._streamed == period):
                healed["filled"] += 1
        self.counts.update(healed)
        if healed:
            words = ", ".join(f"{count} {name}" for name, count in sorted(healed.items()))
            self._say(HealthOut("bars", symbol, words, "warning" if healed["lost"] else "info"))

    def _learn(self) -> None:
        """Reads new bars of the tape."""
        for frame in self._reader.frames(("bar",)):
            (period,) = _PERIOD.unpack(frame.payload)
            self._books.setdefault(frame.stream, BarBook()).take(frame.payload, frame.flags)
            self._on_tape.add((frame.stream, period))
