"""A gateway's market: the venue's streams onto the gateway's tape."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Final

import picows

from onetape.model.enums import Side
from onetape.model.errors import VenueProtocolError
from onetape.model.instrument import Instrument
from onetape.orders.managed import HealthOut
from onetape.services.gateway_connection import connected, reconnect_after
from onetape.services.gateway_drift import DriftWatch
from onetape.services.gateway_frames import MARK, QUOTE, TRADE
from onetape.services.gateway_rejects import Rejects
from onetape.tape.journal import JournalWriter, type_id
from onetape.venues.gateways import MarketStream, TradingVenue
from onetape.venues.shapes import NO_TOP, ShapedFeed, Top

__all__ = ["MarketFeed"]

_QUOTE: Final = type_id("quote")
_TRADE: Final = type_id("trade")
_MARK: Final = type_id("mark")


class MarketFeed:
    """What looks as usual goes from the core straight to the tape. The rest is the venue's
    decoder's, whose sink this is. references: gets a recent price of each symbol; written: told
    after each message."""

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
        written: Callable[[], None] = lambda: None,
    ) -> None:
        self._symbols = [i.symbol for i in instruments]
        self._references = references
        self._say = say
        self._watch = watch
        self._rejects = rejects
        self._written = written
        self.is_paused = False  # what comes is passed over: there is no room for it
        self._append = writer.append_raw
        self._quotes: dict[int, bytes | Top] = {}  # by stream: as it came, or read
        self._received = 0  # when the message came that is being read
        self._market = venue.market(instruments, self)
        self._feed = ShapedFeed(self._market, instruments, writer.core)

    def streams(self) -> list[MarketStream]:
        return self._market.streams()

    def status(self) -> dict[str, int]:
        """Messages that the core took, and those that the venue's decoder had to read."""
        return {"quick": self._feed.quick, "slow": self._feed.slow}

    def take(self, message: bytes) -> None:
        """One message, as it comes."""
        if self.is_paused:
            self._quotes.clear()
            return
        self._received = time.time_ns()
        number = self._rejects.read("market", self._read, message)
        if number:
            self._references[self._symbols[number - 1]] = self._feed.middle(number)
            self._quotes[number] = message
        self._written()
        self._watch.market(message)

    def _read(self, message: bytes) -> int:
        return self._feed.take(message, self._received)

    def best(self, symbol: str) -> tuple[int, int]:
        """Bid and ask of the newest quote, (0, 0) where none has come since a stream was lost."""
        top = self.top(symbol)
        return top.bid, top.ask

    def top(self, symbol: str) -> Top:
        """The newest quote, zeros likewise."""
        stream = self._symbols.index(symbol) + 1
        found = self._quotes.get(stream, NO_TOP)
        if isinstance(found, bytes):  # read when somebody asks
            found = self._quotes[stream] = self._feed.best(stream, found)
        return found

    async def follow(self, stream: MarketStream) -> None:
        """For ever, over as many connections as it takes."""
        failures = 0
        name = stream.url.partition("://")[2].partition("/")[2][:40]
        while True:
            began = time.monotonic()
            with contextlib.suppress(OSError, picows.WSError, VenueProtocolError):
                await connected(stream.url, stream.hello, self.take)
            failures = 0 if time.monotonic() - began > 10 else failures + 1
            self._quotes.clear()
            self._say(HealthOut("feed", name, "lost", "warning"))
            await asyncio.sleep(reconnect_after(failures))

    def quote(
        self, stream: int, ts_event: int, bid: int, ask: int, bid_size: int, ask_size: int,
        update_id: int,
    ) -> None:  # fmt: skip
        received = self._received
        payload = QUOTE.pack(ts_event, received, bid, ask, bid_size, ask_size, update_id, 0)
        self._append(_QUOTE, payload, 0, stream, received)
        self._references[self._symbols[stream - 1]] = (bid + ask) // 2
        self._quotes[stream] = Top(bid, ask, bid_size, ask_size)

    def trade(
        self, stream: int, ts_event: int, price: int, size: int, side: Side, trade_id: int
    ) -> None:
        payload = TRADE.pack(ts_event, self._received, price, size, trade_id, 0, side.id, 1)
        self._append(_TRADE, payload, 0, stream, self._received)

    def mark(self, stream: int, ts_event: int, mark: int, index: int) -> None:
        payload = MARK.pack(ts_event, self._received, mark, index)
        self._append(_MARK, payload, 0, stream, self._received)
