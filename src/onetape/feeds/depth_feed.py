"""Follows a venue's depth for the instruments whose books are requested."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import aiohttp
import picows

from onetape.feeds.drift_counts import DriftWatch
from onetape.feeds.malformed_counts import Rejects
from onetape.feeds.query_line import VenueLine
from onetape.market.silence import SilenceWatch
from onetape.model.enums import Side
from onetape.model.errors import VenueProtocolError
from onetape.model.instrument import Instrument
from onetape.net.connection import back_off, connected
from onetape.net.tasks import ended, first_ended
from onetape.orders.calls import Call
from onetape.orders.managed import HealthOut
from onetape.tape.journal import JournalWriter
from onetape.venues.depth import DepthStream, Level

__all__ = ["DepthFeed"]

LEVELS_WANTED: Final = 100
QUESTION_S: Final = 0.25  # interval of checks for pending requests


class DepthFeed:
    """Writes requested books to the tape.

    instruments: numbered as on the tape, from 1; `add` adds more. written: called after frames were written. readers:
    how many requests of a snapshot are sent at once, each over its own connection; the first answer counts.
    """

    def __init__(
        self,
        line: VenueLine,
        instruments: Sequence[Instrument],
        writer: JournalWriter,
        *,
        spawn: Callable[[Any], Any],
        say: Callable[[HealthOut], None],
        written: Callable[[], None],
        watch: DriftWatch,
        rejects: Rejects,
        readers: int = 1,
    ) -> None:
        self._line = line
        self._readers = readers
        self._numbers = {i.symbol: n for n, i in enumerate(instruments, 1)}
        self._instruments = {i.symbol: i for i in instruments}
        self._writer = writer.core
        self._spawn = spawn
        self._say = say
        self._written = written
        self._watch = watch
        self._rejects = rejects
        self._streams: dict[str, DepthStream] = {}
        self.is_paused = False  # no room on the disk: books are dropped, and begin again with a snapshot
        self._silence = SilenceWatch[str]()
        self._spoke: set[str] = set()  # symbols with messages since the last look
        self._ends: dict[str, asyncio.Event] = {}  # symbol -> ends its connection
        self._following: dict[str, Any] = {}  # the results of `spawn`

    def add(self, number: int, instrument: Instrument) -> None:
        """Adds an instrument; an existing one with the same symbol is dropped first."""
        self.drop(instrument.symbol)
        self._numbers[instrument.symbol], self._instruments[instrument.symbol] = number, instrument

    def drop(self, symbol: str) -> None:
        """Stops following a symbol, and reports that on the tape to readers of its book."""
        self._instruments.pop(symbol, None)
        stream = self._streams.pop(symbol, None)
        if stream is not None:
            self._following.pop(symbol).cancel()
            self._silence.forget(symbol)
            stream.lost(time.time_ns(), self._writer)
            self._written()

    def snapshots(self) -> None:
        """Writes snapshots of all present books, for readers that begin here."""
        for stream in self._streams.values():
            stream.snapshot(time.time_ns(), self._writer)
        self._written()

    @property
    def synced(self) -> list[str]:
        """Returns symbols whose books are synced."""
        return sorted(symbol for symbol, stream in self._streams.items() if stream.book.synced)

    def want(self, symbol: str) -> bool:
        """Puts a symbol's book on the tape from now on, beginning with a snapshot; returns False if that is
        impossible."""
        running = self._streams.get(symbol)
        if running is not None:
            # The book may have been followed for long: a new reader begins with a snapshot of it.
            now = time.time_ns()
            running.snapshot(now, self._writer)
            self._written()
            return True
        if symbol not in self._instruments:
            return False
        stream = self._stream_of(symbol)
        if stream is None:
            return False
        self._streams[symbol] = stream
        self._following[symbol] = self._spawn(self._follow(symbol))
        return True

    def levels(self, symbol: str, side: Side) -> list[Level]:
        """Returns levels of a followed book, the best first; none if it is not synced."""
        stream = self._streams.get(symbol)
        if stream is None or not stream.book.synced:
            return []
        return stream.book.bids(LEVELS_WANTED) if side is Side.BUY else stream.book.asks(LEVELS_WANTED)

    def _stream_of(self, symbol: str) -> DepthStream | None:
        return self._line.venue.depth(self._instruments[symbol], self._numbers[symbol])

    def look(self, now: int) -> None:
        """Reconnects a book that has fallen silent, which begins with a snapshot.

        now: attended time, ns.
        """
        spoke, self._spoke = self._spoke, set()
        for symbol in spoke:
            self._silence.heard(symbol, now)
        for change in self._silence.look(now):
            self._say(HealthOut("feed", f"book {change.stream}"[:40], "stale"))
            self._ends[change.stream].set()

    async def _follow(self, symbol: str) -> None:
        """Follows a book for ever, over any number of connections."""
        failures = 0

        def opened() -> None:
            self._say(HealthOut("feed", f"book {symbol}"[:40], "connected"))

        while True:
            if self._line.pace is not None:
                await self._line.pace.turn()
            began = time.monotonic()
            stream = self._streams[symbol]
            asker = asyncio.ensure_future(self._ask(symbol, stream))
            ends = self._ends[symbol] = asyncio.Event()
            take = self._taker(symbol, stream)
            egress = self._line.egress
            line = connected(stream.url, stream.hello, take, opened, ends, stream.ping, egress=egress)
            with contextlib.suppress(OSError, picows.WSError, VenueProtocolError):
                await first_ended([asker, asyncio.ensure_future(line)])
            failures = 0 if time.monotonic() - began > 10 else failures + 1
            stream.lost(time.time_ns(), self._writer)
            self._written()
            self._say(HealthOut("feed", f"book {symbol}"[:40], stream.broken or "lost", "warning"))
            fresh = self._stream_of(symbol)
            assert fresh is not None
            self._streams[symbol] = fresh
            await back_off(failures)

    def _taker(self, symbol: str, stream: DepthStream) -> Callable[[bytes], bool]:
        name = f"book {symbol}"

        def take(message: bytes) -> bool:
            received = time.time_ns()
            self._spoke.add(symbol)
            if self.is_paused:
                return True
            self._rejects.read(name, lambda body: stream.take(body, received, self._writer), message)
            self._written()
            self._watch.market(message)
            return bool(stream.broken)

        return take

    async def _ask(self, symbol: str, stream: DepthStream) -> None:
        while True:
            call = stream.question(self._line.clock.now())
            if call is not None:
                status, body = await self._snapshot(call)
                received = time.time_ns()
                answered = partial(stream.answered, status, received=received, writer=self._writer)
                self._rejects.read(f"book {symbol}", answered, body)
                self._written()
            await asyncio.sleep(QUESTION_S)

    async def _snapshot(self, call: Call) -> tuple[int, bytes]:
        """Returns the first valid answer; if all are invalid the last."""
        requests = [asyncio.ensure_future(self._request(call)) for _ in range(self._readers)]
        try:
            for answer in asyncio.as_completed(requests):
                status, body = await answer
                if status == 200:
                    break
            return status, body
        finally:
            await ended(requests)

    async def _request(self, call: Call) -> tuple[int, bytes]:
        try:
            status, _, body = await self._line.request(call)
        except (aiohttp.ClientError, OSError, TimeoutError):
            return 0, b""
        return status, body
