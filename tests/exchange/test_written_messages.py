"""What the simulated exchanges write of their market is read by the tables that read the venues:
nothing of it is refused, and it comes to what the exchange has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exchange.venue_client import Virtual
from onetape.exchange.dialect import Connection
from onetape.model.enums import Side
from onetape.model.instrument import Instrument
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.venues.binance import market as binance_market
from onetape.venues.binance.depth import BinanceDepth
from onetape.venues.bitmex.market import MARKET as BITMEX
from onetape.venues.depth import DepthStream, TableDepth
from onetape.venues.kraken import market as kraken_market
from onetape.venues.kraken.depth import KrakenDepth
from onetape.venues.live_market import LiveMarket, MarketStream

KINDS = ("binance-usdm", "kraken", "bitmex")
LEVELS = 20


def subscribed(*tables: str, symbols: list[str]) -> tuple[bytes, ...]:
    topics = [f"{table}:{symbol}" for symbol in symbols for table in tables]
    return (json.dumps({"op": "subscribe", "args": topics}).encode(),)


class BitmexDepth(TableDepth):
    """No gateway follows BitMEX: its table reads what its exchange writes all the same."""

    url = "/realtime"

    def __init__(self, instrument: Instrument) -> None:
        super().__init__(BITMEX, instrument.raw_symbol, instrument, 1)
        self.hello = subscribed("orderBookL2", symbols=[instrument.raw_symbol])

    take = TableDepth.read

    def question(self, now: int) -> None:
        """The snapshot comes by itself."""


class Written:
    """A simulated exchange and its market's live connections."""

    def __init__(self, kind: str) -> None:
        self.venue = Virtual(kind, limits=False)
        self.exchange = self.venue.dialect.exchange
        self.instruments = list(self.exchange.instruments)
        self.kind = kind

    def market(self) -> LiveMarket:
        if self.kind == "bitmex":
            named = [(i.raw_symbol, i) for i in self.instruments]
            hello = subscribed("quote", "trade", symbols=[raw for raw, _ in named])
            return LiveMarket(BITMEX, named, [MarketStream("/realtime", hello)])
        if self.kind == "kraken":
            return kraken_market.live_market(self.instruments, "/v2")
        return binance_market.live_market(self.instruments)

    def depth(self) -> DepthStream | BitmexDepth:
        if self.kind == "bitmex":
            return BitmexDepth(self.instruments[0])
        if self.kind == "kraken":
            return KrakenDepth(self.instruments[0], 1, "/v2")
        return BinanceDepth(self.instruments[0], 1, "")

    def connect(self, stream: MarketStream | DepthStream | BitmexDepth) -> Connection:
        connection = self.venue.connect(stream.url)
        for hello in stream.hello:
            self.venue.dialect.message(connection, hello, self.venue.time)
        return connection

    def spoken(self, connection: Connection) -> list[bytes]:
        out, connection.out = connection.out, []
        return [message.encode() if isinstance(message, str) else bytes(message) for message in out]


@contextmanager
def tape(path: Path) -> Iterator[JournalWriter]:
    with JournalWriter(path / "tape", durable=False) as writer:
        yield writer


@pytest.mark.parametrize("kind", KINDS)
def test_the_market_that_an_exchange_writes_is_read(kind, tmp_path):
    written = Written(kind)
    market = written.market()
    connections = [written.connect(stream) for stream in market.streams()]
    with tape(tmp_path) as writer:
        for _ in range(60):
            written.venue.wait(0.5)
            for connection in connections:
                for message in written.spoken(connection):
                    market.take(message, written.venue.time, writer.core)
        with JournalReader(tmp_path / "tape") as reader:
            types = {record.type for record in reader}
    assert (market.rejected, market.core.refusal) == (0, "")
    # Unnamed are BitMEX's answers.
    usual = {"status", "heartbeat", "subscribe", "unnamed", "trade partial", "kline still open"}
    assert not set(market.core.passed_over) - usual
    assert types >= ({"quote", "trade", "mark"} if kind == "binance-usdm" else {"quote", "trade"})
    exchange = written.exchange
    for index in range(len(written.instruments)):
        (bid,), (ask,) = exchange.board.levels(index, Side.BUY, 1), exchange.board.levels(index, Side.SELL, 1)
        assert market.top(index + 1) == (bid[0], ask[0], bid[1], ask[1])


@pytest.mark.parametrize("kind", KINDS)
def test_the_depth_that_an_exchange_writes_is_its_book(kind, tmp_path):
    written = Written(kind)
    depth = written.depth()
    connection = written.connect(depth)
    compared = 0
    with tape(tmp_path) as writer:
        for _ in range(60):
            written.venue.wait(0.5)
            for message in written.spoken(connection):
                depth.take(message, written.venue.time, writer.core)
            call = depth.question(written.venue.time)
            if call is not None:
                status, body, _ = written.venue.request(call.method, call.target, call.body, {})
                depth.answered(status, json.dumps(body).encode(), written.venue.time, writer.core)
                continue  # its changes have not come yet
            assert depth.broken == ""
            if depth.book.synced:
                compared += 1
                assert depth.book.bids(LEVELS) == written.exchange.board.levels(0, Side.BUY, LEVELS)
                assert depth.book.asks(LEVELS) == written.exchange.board.levels(0, Side.SELL, LEVELS)
    assert compared > 50
