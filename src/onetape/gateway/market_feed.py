"""A gateway's market: the venue's streams onto the gateway's tape."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import picows

from onetape.gateway.drift_counts import DriftWatch
from onetape.gateway.malformed_counts import Rejects
from onetape.market.silence import SilenceWatch
from onetape.model.errors import VenueProtocolError
from onetape.model.instrument import Instrument
from onetape.model.time import SECOND
from onetape.net.connection import connected, reconnect_after
from onetape.orders.managed import HealthOut
from onetape.tape.journal import JournalWriter
from onetape.venues.gateways import TradingVenue
from onetape.venues.live_market import MarketStream, Top

__all__ = ["MarketFeed"]

LINK: Final = 1 << 16  # connections are numbered in steps of it; between them are the symbols
RECONNECT_NS: Final = 5 * SECOND  # a connection that stays silent is made anew, doubled each time
RECONNECT_NS_MAX: Final = 120 * SECOND


class _Link:
    """One connection, which may be made anew."""

    def __init__(self) -> None:
        self.ends = asyncio.Event()
        self.has_spoken = False
        self._cut_at = self._wait = 0

    def cut(self, now: int) -> None:
        self._cut_at, self._wait = now, RECONNECT_NS
        self.ends.set()

    def reconnect(self, now: int) -> None:
        """Makes a connection anew that the last time has not helped: later each time."""
        if now - self._cut_at > self._wait:
            self._cut_at, self._wait = now, min(2 * self._wait, RECONNECT_NS_MAX)
            self.ends.set()


class MarketFeed:
    """The venue's market reads messages straight to the tape. references: gets a recent price of
    each symbol; written: called after each message."""

    def __init__(
        self,
        venue: TradingVenue,
        instruments: Sequence[Instrument],
        writer: JournalWriter,
        references: dict[str, int],
        say: Callable[[HealthOut], None],
        watch: DriftWatch,
        rejects: Rejects,
        *,
        account: str = "",
        written: Callable[[], None] = lambda: None,
    ) -> None:
        self._account = account
        self._symbols = [i.symbol for i in instruments]
        self._references = references
        self._say = say
        self._watch = watch
        self._rejects = rejects
        self._written = written
        self.is_paused = False  # what comes is passed over: there is no room for it
        self._writer = writer.core
        self._market = venue.market(instruments)
        self._taken = 0  # messages
        self._received = 0  # when the message came that is being read
        self.stale: dict[str, int] = {}  # symbols whose stream is silent, since when
        self._silence = SilenceWatch[int]()
        self._now = 0  # attended time
        self._spoke: set[int] = set()  # since the last look
        self._links: dict[int, _Link] = {}

    def streams(self) -> list[MarketStream]:
        return list(self._market.streams())

    def status(self) -> dict[str, Any]:
        """Whether all that is traded is reported from now on, messages read, those that were not as
        they should be, and for how many ms which symbols have been silent."""
        stale = {symbol: self.silent_ns(symbol) // 10**6 for symbol in self.stale}
        return {
            "hears": all(link.has_spoken for link in self._links.values()),
            "messages": self._taken,
            "rejected": self._market.rejected,
            "stale_ms": stale,
        }

    def take(self, message: bytes, link: int = LINK) -> None:
        """Takes in one message, as it comes over one of the connections."""
        self._spoke.add(link)
        if self.is_paused:
            self._market.forget()
            return
        self._received = time.time_ns()
        self._taken += 1
        number = self._rejects.read("market", self._read, message)
        if number:
            self._references[self._symbols[number - 1]] = self._market.middle(number)
            self._spoke.add(link + number)
        self._written()
        self._watch.market(message)

    def _read(self, message: bytes) -> int:
        return self._market.take(message, self._received, self._writer)

    def best(self, symbol: str) -> tuple[int, int]:
        """Bid and ask of the newest quote, (0, 0) where none has come since a stream was lost."""
        top = self.top(symbol)
        return top.bid, top.ask

    def top(self, symbol: str) -> Top:
        """Returns the newest quote, zeros where `best` has them."""
        return self._market.top(self._symbols.index(symbol) + 1)

    def silent_ns(self, symbol: str) -> int:
        """Returns for how many ns a symbol whose stream fell silent has not been heard, 0: it speaks."""
        since = self.stale.get(symbol)
        return 0 if since is None else self._now - since

    def look(self, now: int) -> None:
        """Says what has fallen silent and what speaks again.

        A connection that is silent, or one of whose symbols is, is made anew.
        now: attended time, ns.
        """
        self._now = now
        spoke, self._spoke = self._spoke, set()
        changes = [self._silence.heard(each, now) for each in spoke]
        for number, link in self._links.items():
            link.has_spoken = link.has_spoken or number in spoke
        fell = self._silence.look(now)
        for change in fell:
            self._links[change.stream - change.stream % LINK].cut(now)
        for number, link in self._links.items():
            if number in self._silence.silent:
                link.reconnect(now)
        if fell or any(changes):
            self._tell_stale()

    def _tell_stale(self) -> None:
        """Robots hear of each symbol; the alert is one, however many there are."""
        silent = self._silence.silent
        lines = [since for stream, since in silent.items() if not stream % LINK]
        before, self.stale = self.stale, {}
        for number, symbol in enumerate(self._symbols, 1):
            its = [since for stream, since in silent.items() if stream % LINK == number]
            if lines or its:
                self.stale[symbol] = before.get(symbol, min([*lines, *its]))
            if (symbol in self.stale) != (symbol in before):
                state = "stale" if symbol in self.stale else "live"
                self._say(HealthOut("feed", symbol, state))
        if self.stale and self.stale.keys() - before.keys():
            words = f"stale: {', '.join(self.stale)}"[:200]
            self._say(HealthOut("market", self._account, words, "warning"))
        elif before and not self.stale:
            self._say(HealthOut("market", self._account, "live"))

    async def follow(self, number: int, stream: MarketStream) -> None:
        """Follows a stream for ever, over as many connections as it takes.

        number: of the stream, from 0.
        """
        failures = 0
        name = stream.url.partition("://")[2].partition("/")[2][:40]
        at = LINK * (number + 1)
        link = self._links[at] = _Link()

        def opened() -> None:
            link.has_spoken = not stream.hello  # its address says all that is wanted
            self._say(HealthOut("feed", name, "connected"))
            self._silence.expect(at, self._now, int(stream.most_s * SECOND))

        while True:
            began = time.monotonic()
            link.ends = asyncio.Event()
            with contextlib.suppress(OSError, picows.WSError, VenueProtocolError):
                take = partial(self.take, link=at)
                await connected(stream.url, stream.hello, take, opened, link.ends)
            link.has_spoken = False
            failures = 1 if time.monotonic() - began > 10 else failures + 1
            self._market.forget()
            self._say(HealthOut("feed", name, "lost", "warning"))
            await asyncio.sleep(reconnect_after(failures - 1))
