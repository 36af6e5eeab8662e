"""A venue's market streams, written to the tape of a gateway or of a collector."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Collection, Hashable, Sequence
from typing import Any, Final

import picows

from onetape.feeds.connect_pace import ConnectPace
from onetape.feeds.drift_counts import DriftWatch
from onetape.feeds.malformed_counts import Rejects
from onetape.feeds.overlap import Overlap
from onetape.market.silence import UNLEARNED, SilenceWatch
from onetape.model.errors import VenueProtocolError
from onetape.model.instrument import Instrument
from onetape.model.time import SECOND
from onetape.net.connection import back_off, connected
from onetape.net.egress import Egress
from onetape.net.tasks import ended
from onetape.orders.malformed import MALFORMED
from onetape.orders.managed import HealthOut
from onetape.tape.journal import JournalWriter
from onetape.venues.contract import TradingVenue
from onetape.venues.live_market import MarketStream, Top

__all__ = ["MarketFeed", "outlast_overlap", "overlapping"]

LINK: Final = 1 << 16  # connections are numbered in steps of it; the numbers between are symbols
RECONNECT_NS: Final = 5 * SECOND  # before a silent connection is replaced, doubled each time
RECONNECT_NS_MAX: Final = 120 * SECOND
FIRST_MIN: Final = 10 * SECOND  # for the first message of a stream, however many symbols it carries
RENEW_S: Final = 23 * 3600.0  # venues end a connection after 24 hours
RENEW_RETRY_S: Final = 60.0  # if the next connection could not be made
OVERLAP_S: Final = 2.0  # a message that has come on one of two connections comes on the other within this time
OVERLAP_STEPS: Final = 10
SILENT_STEPS_MAX: Final = 100  # 20 s: by then a stalled connection has ended, by the pings of `connected`
SPREAD: Final = 0.618034  # any number of its multiples are evenly spread modulo 1


async def outlast_overlap(brings: Callable[[], bool] = lambda: True) -> None:
    """Waits until messages have come in OVERLAP_STEPS steps of together `OVERLAP_S`. A pause of this process counts as
    one step, and data waiting in its sockets is read before the next. brings: tells whether a message came since the
    last call."""
    counted = 0
    for _ in range(SILENT_STEPS_MAX):
        await asyncio.sleep(OVERLAP_S / OVERLAP_STEPS)
        counted += brings()
        if counted == OVERLAP_STEPS:
            return


@contextlib.asynccontextmanager
async def overlapping(
    overlap: Overlap, reading: Callable[[], Collection[asyncio.Future[Any]]], brings: Callable[[], bool] = lambda: True
) -> AsyncIterator[None]:
    """Writes messages that come over two connections once, until the block has ended one of them and `outlast_overlap`
    is over. brings: of the remaining connection. reading: returns all tasks that may receive the same messages. If the
    block raises or is canceled, both connections are still open: they are ended before the comparison ends, or the
    second would write the first one's messages again.
    """
    overlap.begin()
    try:
        yield
        await outlast_overlap(brings)  # the remaining connection may lag behind the ended one
    except BaseException:
        await ended(reading())
        raise
    finally:
        overlap.end()


class _Connection:
    """One socket of a link. reading: the task that reads it until it ends."""

    def __init__(self, stream: MarketStream) -> None:
        self.ends = asyncio.Event()
        self.is_heard = asyncio.Event()  # all subscriptions are confirmed
        self.has_spoken = False  # a message came since `brings` was called
        self.reading: asyncio.Future[None]
        self._confirmed_by, self._unconfirmed = stream.confirmed_by, stream.confirmations

    def note(self, message: bytes) -> None:
        """Notes a message. The connection is heard once all subscriptions are confirmed: a greeting is not enough."""
        self.has_spoken = True
        if self.is_heard.is_set():
            return
        if self._unconfirmed and self._confirmed_by in message:
            self._unconfirmed -= 1
        if not self._unconfirmed:
            self.is_heard.set()

    def brings(self) -> bool:
        """Tells whether a message came since the last call, or the connection has ended."""
        spoke, self.has_spoken = self.has_spoken, False
        return spoke or self.reading.done()


class _Link:
    """One stream of the market, over successive connections."""

    def __init__(self, stream: MarketStream) -> None:
        self.stream = stream
        self.name = stream.url.partition("://")[2].partition("/")[2][:40]
        self.ends = asyncio.Event()
        self.has_spoken = False
        self._cut_at = self._wait = 0

    def cut(self, now: int) -> None:
        self._cut_at, self._wait = now, RECONNECT_NS
        self.ends.set()

    def reconnect(self, now: int) -> None:
        """Replaces the connection again if the last replacement did not help, after growing pauses."""
        if now - self._cut_at > self._wait:
            self._cut_at, self._wait = now, min(2 * self._wait, RECONNECT_NS_MAX)
            self.ends.set()


class MarketFeed:
    """Reads the venue's market messages straight to the tape. quoted: called with symbol and mid, in units, of each
    quote; written: called after each message. numbers: of the instruments on the tape, by default from 1. renew_s: age
    in seconds at which a connection is replaced by a new one, made before the old one ends. overlap: shared with
    another feed that carries the same messages for a while; replaces: this feed replaces the other, until `replaced` is
    called. pace: paces its connections; egress: their network path. lost: called with the instruments of a lost stream,
    by their numbers, and the period of its bars, 0: it has none."""

    def __init__(
        self,
        venue: TradingVenue,
        instruments: Sequence[Instrument],
        writer: JournalWriter,
        quoted: Callable[[str, int], None],
        say: Callable[[HealthOut], None],
        watch: DriftWatch,
        rejects: Rejects,
        *,
        account: str = "",
        written: Callable[[], None] = lambda: None,
        numbers: Sequence[int] = (),
        renew_s: float = RENEW_S,
        overlap: Overlap | None = None,
        replaces: bool = False,
        pace: ConnectPace | None = None,
        egress: Egress | None = None,
        lost: Callable[[dict[int, Instrument], int], None] = lambda *_: None,
    ) -> None:
        self._account = account
        self._instruments, self._lost = instruments, lost
        self._symbols = [i.symbol for i in instruments]
        self._numbers = tuple(numbers) or tuple(range(1, len(instruments) + 1))
        self._places = {number: place for place, number in enumerate(self._numbers, 1)}
        self._renew_s = renew_s
        self._pace, self._egress = pace, egress
        # With many symbols a first message comes soon, so a stream that is acknowledged but sends nothing is detected.
        self._first = max(FIRST_MIN, UNLEARNED // max(len(self._symbols), 1))
        self._tell_quote = quoted
        self._say = say
        self._watch = watch
        self._rejects = rejects
        self._written = written
        self.is_paused = False  # messages are dropped: there is no room for them
        self._writer = writer.core
        self._market = venue.market(instruments, self._numbers)
        self.taken = 0  # messages
        self.renewed = 0  # connections, each made before the former one ended
        self._overlap = overlap if overlap is not None else Overlap()
        self._received = 0  # when the message being read was received
        self._quoted: dict[str, int] = {}  # symbol -> when its newest quote was received
        self.stale: dict[str, int] = {}  # silent symbol -> since when
        self._dropped: set[str] = set()
        self._silence = SilenceWatch[int]()
        self._now = 0  # attended time
        self._spoke: set[int] = set()  # streams with messages since the last look
        self._links: dict[int, _Link] = {}
        self._replaces = replaces
        self._connections: dict[int, _Connection] = {}  # link -> its last connection

    def streams(self) -> list[MarketStream]:
        return list(self._market.streams())

    def status(self) -> dict[str, Any]:
        """Returns the feed's status: whether all streams are heard, the period in ns of the venue's own bars (0: none),
        counts of messages, also malformed ones, and symbol -> ms of silence."""
        stale = {symbol: self.silent_ns(symbol) // 10**6 for symbol in self.stale}
        return {
            "hears": self.hears,
            "bars": self._market.bars,
            "messages": self.taken,
            "rejected": self._market.rejected,
            "unsubscribed": sum(self._market.unmapped.values()),
            "stale_ms": stale,
        }

    @property
    def hears(self) -> bool:
        """Tells whether all streams have sent messages over their connections."""
        links = self._links.values()
        return bool(links) and all(link.has_spoken for link in links)

    @property
    def is_confirmed(self) -> bool:
        """Tells whether the newest connection of each stream has confirmed all subscriptions."""
        connections = self._connections.values()
        return bool(connections) and all(each.is_heard.is_set() for each in connections)

    def take(self, message: bytes, link: int = LINK, connection: Hashable = None) -> None:
        """Takes one message from one of the connections of a link."""
        self._spoke.add(link)
        if not self._overlap.is_open or self._overlap.is_new(message, connection):
            self._take(message, link)

    def _take(self, message: bytes, link: int) -> None:
        if self.is_paused:
            self._market.forget()
            return
        self._received = time.time_ns()
        self.taken += 1
        try:
            market = self._links[link].stream.market if link in self._links else None
            number = (market or self._market).take(message, self._received, self._writer)
        except MALFORMED as error:
            raise self._rejects.noted("market", error, message) from error
        if number:
            place = self._places[number]
            symbol = self._symbols[place - 1]
            self._tell_quote(symbol, self._market.middle(number))
            self._quoted[symbol] = self._received
            self._spoke.add(link + place)
        self._written()
        self._watch.market(message)

    def best(self, symbol: str) -> tuple[int, int]:
        """Returns bid and ask of the newest quote, (0, 0) if none has come since a stream was lost."""
        top = self.top(symbol)
        return top.bid, top.ask

    def top(self, symbol: str) -> Top:
        """Returns the newest quote, zeros if none has come since a stream was lost."""
        return self._market.top(self._numbers[self._symbols.index(symbol)])

    def next_funding(self, symbol: str) -> tuple[int, int] | None:
        """Returns rate (in 1e-12) and time (ns UTC, 0: unknown) of the next funding payment; None: not reported."""
        return self._market.next_funding(self._numbers[self._symbols.index(symbol)])

    def silent_ns(self, symbol: str) -> int:
        """Returns for how many ns a silent symbol has had no message; 0: it is not silent."""
        since = self.stale.get(symbol)
        return 0 if since is None else self._now - since

    def bound_ns(self, symbol: str) -> int:
        """Returns the longest usual silence of the symbol, ns: after that its market is stale."""
        place = self._symbols.index(symbol) + 1
        return min((self._silence.limit(each) for link in self._links for each in (link, link + place)), default=0)

    def age_ns(self, symbol: str) -> int:
        """Returns the age of the symbol's newest quote, ns; 0: none has come."""
        quoted = self._quoted.get(symbol)
        return 0 if quoted is None else max(time.time_ns() - quoted, 0)

    def drop(self, symbol: str) -> None:
        """Stops checking a delisted symbol for silence."""
        if symbol not in self._symbols:
            return
        place = self._symbols.index(symbol) + 1
        for number in self._links:
            self._silence.forget(number + place)
        self._dropped.add(symbol)
        self._tell_stale()

    def look(self, now: int) -> None:
        """Reports symbols that have fallen silent or have messages again. A connection that is silent, or has a silent
        symbol, is replaced. now: attended time, ns.
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
        """Reports stale symbols: one report per symbol to robots, one alert for all."""
        silent = self._silence.silent
        lines = [since for stream, since in silent.items() if not stream % LINK]
        before, self.stale = self.stale, {}
        for number, symbol in enumerate(self._symbols, 1):
            if symbol in self._dropped:
                continue
            its = [since for stream, since in silent.items() if stream % LINK == number]
            if lines or its:
                self.stale[symbol] = before.get(symbol, min([*lines, *its]))
            if (symbol in self.stale) != (symbol in before):
                state = "stale" if symbol in self.stale else "live"
                self._say(HealthOut("feed", symbol, state))
        if self.stale and self.stale.keys() != before.keys():
            words = f"stale: {', '.join(self.stale)}"[:200]
            self._say(HealthOut("market", self._account, words, "warning"))
        elif before and not self.stale:
            self._say(HealthOut("market", self._account, "live"))

    async def follow(self, number: int, stream: MarketStream) -> None:
        """Follows a stream forever, over any number of connections. number: of the stream, from 0."""
        failures = 0
        at = LINK * (number + 1)
        link = self._links[at] = _Link(stream)
        # So that not all are replaced at the same time, the first connections last between half of `renew_s` and all of
        # it.
        spread = (self._numbers[0] + number) * SPREAD % 1.0 if self._numbers else 0.0
        while True:
            began = time.monotonic()
            await self._carry(link, at, self._renew_s * (1.0 + spread) / 2)
            link.has_spoken = False
            failures = 1 if time.monotonic() - began > 10 else failures + 1
            self._market.forget()
            self._say(HealthOut("feed", link.name, "lost", "warning"))
            numbered = zip(self._numbers, self._instruments, strict=True)
            left = {number: each for number, each in numbered if each.symbol not in self._dropped}
            self._lost(left, self._market.bars)
            await back_off(failures - 1)

    async def _carry(self, link: _Link, at: int, renew_s: float) -> None:
        """Keeps a link connected until a connection ends without a replacement."""
        current = self._connect(link, at)
        link.ends = current.ends
        following: _Connection | None = None

        def reading() -> list[asyncio.Future[None]]:
            return [each.reading for each in (current, following) if each is not None]

        def brings() -> bool:
            return current.brings()

        try:
            while True:
                await asyncio.wait({current.reading}, timeout=renew_s)
                if current.reading.done():
                    return current.reading.result()
                async with overlapping(self._overlap, reading, brings):
                    following = self._connect(link, at, follows=True)
                    renew_s = RENEW_RETRY_S
                    if await self._is_heard(current, following):
                        current, following = following, current
                        link.ends = current.ends
                        renew_s = self._renew_s
                        self.renewed += 1
                    following.ends.set()
                    await asyncio.wait({following.reading})
                    following.reading.result()
                    self._overlap.forget(following)
                    self._release(current, at)
        finally:
            await ended(reading())

    async def _is_heard(self, current: _Connection, following: _Connection) -> bool:
        """Waits until the new connection carries everything that the present one does, and returns whether it does. If
        the venue has not confirmed everything within `RENEW_RETRY_S`, any message is enough, because the venue would
        soon end the present one."""
        heard = asyncio.ensure_future(following.is_heard.wait())
        try:
            waits: set[asyncio.Future[Any]] = {current.reading, following.reading, heard}
            await asyncio.wait(waits, timeout=RENEW_RETRY_S, return_when=asyncio.FIRST_COMPLETED)
            if following.has_spoken:
                both = {current.reading, following.reading}
                await asyncio.wait(both, timeout=OVERLAP_S, return_when=asyncio.FIRST_COMPLETED)
            return (following.has_spoken or current.reading.done()) and not following.reading.done()
        finally:
            heard.cancel()

    def _release(self, connection: _Connection, at: int) -> None:
        for message in self._overlap.release(connection):
            self._take(message, at)

    def replaced(self) -> None:
        """Called when the feed that this one replaces has ended."""
        self._replaces = False
        for at, connection in self._connections.items():
            self._release(connection, at)

    def _connect(self, link: _Link, at: int, *, follows: bool = False) -> _Connection:
        made = self._connections[at] = _Connection(link.stream)
        if follows or self._replaces:
            self._overlap.follow(made)

        def opened() -> None:
            if made.ends is link.ends:
                link.has_spoken = not link.stream.hello  # else the address has all subscriptions
            self._say(HealthOut("feed", link.name, "connected"))
            self._silence.expect(at, self._now, int(link.stream.most_s * SECOND), self._first)

        def take(message: bytes) -> None:
            made.note(message)
            self.take(message, at, made)

        async def read() -> None:
            if self._pace is not None:
                await self._pace.turn()
            with contextlib.suppress(OSError, picows.WSError, VenueProtocolError):
                stream = link.stream
                ends, egress = made.ends, self._egress
                await connected(stream.url, stream.hello, take, opened, ends, stream.ping, egress=egress)

        made.reading = asyncio.ensure_future(read())
        return made
