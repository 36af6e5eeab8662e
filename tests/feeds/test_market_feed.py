"""A market feed and its connections, against a server that does what it is told to."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest
from aiohttp import web

from onetape.feeds import market_feed
from onetape.feeds.drift_counts import DriftWatch
from onetape.feeds.malformed_counts import Rejects
from onetape.feeds.market_feed import MarketFeed
from onetape.model.instrument import from_symbol
from onetape.model.time import SECOND
from onetape.net.tasks import ended
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue
from waiting import wait_in_loop

KIND = "binance-usdm"


def instruments(count: int, kind: str = KIND):
    if kind == "kraken":
        return [from_symbol(f"kraken:S{n}/USD", raw_symbol=f"S{n}/USD", tick="0.1", lot="0.001") for n in range(count)]
    return [
        from_symbol(f"binance:S{n}/USDT:USDT", raw_symbol=f"S{n}USDT", tick="0.1", lot="0.001") for n in range(count)
    ]


class Server:
    """Every connection is heard from; `said` goes to all that speak. refuses: who comes from now on is sent away."""

    kind = KIND

    def __init__(self) -> None:
        self.sockets: list[web.WebSocketResponse] = []
        self.came = 0
        self.refused = 0
        self.refuses = False
        self.mute: set[int] = set()  # by the order in which they came, from 1
        self.silent: list[web.WebSocketResponse] = []
        self.number = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.refuses:
            self.refused += 1
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.came += 1
        self.sockets.append(socket)
        if self.came in self.mute:
            self.silent.append(socket)
        await self.answer(socket)
        self.sockets.remove(socket)
        return socket

    async def answer(self, socket: web.WebSocketResponse) -> None:
        async for _ in socket:
            pass

    def row(self) -> object:
        return {
            "e": "aggTrade",
            "E": 1,
            "T": 1795000000000,
            "s": "S0USDT",
            "a": self.number,
            "p": "1.0",
            "q": "1",
            "m": True,
        }

    async def trade(self) -> None:
        """One more, to all that listen."""
        self.number += 1
        text = msgspec.json.encode(self.row()).decode()
        for socket in list(self.sockets):
            if socket not in self.silent and not socket.closed:
                with suppress(ConnectionResetError):  # its other end is just leaving
                    await socket.send_str(text)

    async def trade_on(self) -> None:
        while True:
            await self.trade()
            await asyncio.sleep(0.003)


class SlowKraken(Server):
    """Greets at once, as Kraken does, and confirms the subscriptions of a connection after the first one late: nothing
    is brought over it before. confirms: whether it does at all."""

    kind = "kraken"
    confirms = True

    async def answer(self, socket: web.WebSocketResponse) -> None:
        is_first = self.came == 1
        if not is_first:
            self.silent.append(socket)
        await socket.send_str('{"channel":"status","type":"update","data":[{"system":"online"}]}')
        requests = [await socket.receive_json() for _ in range(3)]
        if not is_first:
            await asyncio.sleep(4 * market_feed.OVERLAP_S)
        for each in requests:
            params = each["params"]
            for symbol in params["symbol"] if self.confirms else ():
                result = {"channel": params["channel"], "symbol": symbol}
                await socket.send_str(
                    msgspec.json.encode({"method": "subscribe", "result": result, "success": True}).decode()
                )
        if not is_first:
            self.silent.remove(socket)
        await super().answer(socket)

    def row(self) -> object:
        trade = {
            "symbol": "S0/USD",
            "side": "buy",
            "price": 1.0,
            "qty": 1.0,
            "ord_type": "market",
            "trade_id": self.number,
            "timestamp": "2026-11-18T12:00:00.000000Z",
        }
        return {"channel": "trade", "type": "update", "data": [trade]}


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(market_feed, "OVERLAP_S", 0.25)  # as a busy machine needs
    monkeypatch.setattr(market_feed, "RENEW_RETRY_S", 0.1)


@asynccontextmanager
async def feeding(folder, count: int = 1, renew_s: float = 3600.0, make: type[Server] = Server):
    """(server, feed, what it said), while one stream of it is followed."""
    server, said = make(), []
    app = web.Application()
    app.router.add_get("/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    kind = server.kind
    venue = open_trading_venue(kind, "", "", Addresses("", f"ws://127.0.0.1:{port}", ""))
    with JournalWriter(folder / "tape", durable=False) as writer:
        feed = MarketFeed(
            venue, instruments(count, kind), writer, lambda *_: None, said.append, DriftWatch(kind, said.append),
            Rejects(kind, said.append), renew_s=renew_s,
        )  # fmt: skip
        tasks = [asyncio.ensure_future(feed.follow(0, feed.streams()[0]))]
        try:
            yield server, feed, said, tasks
        finally:
            await ended(tasks)
            for socket in list(server.sockets):
                await socket.close()
            await runner.cleanup()


def numbers(folder) -> list[int]:
    with JournalReader(folder / "tape") as reader:
        return [each.data["id_low"] for each in reader if each.type == "trade"]


def lost(said) -> int:
    return sum(each.state == "lost" for each in said)


def assert_once_and_in_order(found: list[int]) -> None:
    assert found == list(range(found[0], found[0] + len(found)))


def test_connections_that_follow_each_other_miss_nothing_and_repeat_nothing(tmp_path):
    async def work() -> None:
        async with feeding(tmp_path, renew_s=0.2) as (server, feed, said, tasks):
            await wait_in_loop(lambda: server.sockets)
            tasks.append(asyncio.ensure_future(server.trade_on()))
            await wait_in_loop(lambda: feed.renewed >= 4)
            assert not lost(said) and len(server.sockets) <= 2

    asyncio.run(work())
    assert len(numbers(tmp_path)) > 100
    assert_once_and_in_order(numbers(tmp_path))


@pytest.mark.parametrize("confirms", [True, False])
def test_a_connection_that_greets_before_it_brings_anything_misses_nothing(tmp_path, monkeypatch, confirms):
    """Or, where a venue does not confirm, what has spoken by `RENEW_RETRY_S` is taken for heard."""
    monkeypatch.setattr(SlowKraken, "confirms", confirms)
    monkeypatch.setattr(market_feed, "RENEW_RETRY_S", 2.0)

    async def work() -> None:
        async with feeding(tmp_path, 2, renew_s=0.2, make=SlowKraken) as (server, feed, said, tasks):
            await wait_in_loop(lambda: server.sockets)
            tasks.append(asyncio.ensure_future(server.trade_on()))
            await wait_in_loop(lambda: feed.renewed >= 2)
            assert not lost(said)

    asyncio.run(work())
    assert_once_and_in_order(numbers(tmp_path))


def test_where_the_next_connection_is_refused_or_says_nothing_the_old_one_goes_on(tmp_path, monkeypatch):
    async def work() -> None:
        async with feeding(tmp_path, renew_s=0.2) as (server, feed, said, tasks):
            await wait_in_loop(lambda: server.sockets)
            server.refuses = True
            tasks.append(asyncio.ensure_future(server.trade_on()))
            await wait_in_loop(lambda: server.refused >= 2)
            server.mute, server.refuses = {2, 3}, False
            await wait_in_loop(lambda: server.came >= 4)  # two of them said nothing
            await wait_in_loop(lambda: feed.renewed)
            assert not lost(said)

    asyncio.run(work())
    assert_once_and_in_order(numbers(tmp_path))


def test_where_the_old_one_ends_early_the_next_one_is_taken(tmp_path):
    async def work() -> None:
        async with feeding(tmp_path, renew_s=0.2) as (server, feed, said, _):
            await wait_in_loop(lambda: server.sockets)
            await server.trade()
            await wait_in_loop(lambda: server.came == 2)
            await server.sockets[0].close()
            await wait_in_loop(lambda: feed.renewed == 1)
            assert not lost(said)
            await server.trade()
            await wait_in_loop(lambda: numbers(tmp_path) == [1, 2])
            await server.sockets[0].close()  # and of this one the end is a loss
            await wait_in_loop(lambda: lost(said))
            await wait_in_loop(lambda: server.came >= 3)

    asyncio.run(work())


@pytest.mark.parametrize(("count", "seconds"), [(1, 120), (4, 30), (50, 10)])
def test_a_stream_that_is_acknowledged_and_says_nothing_is_connected_anew(tmp_path, count, seconds):
    """Since April 2026 a stream at the wrong address of Binance is answered and stays silent."""

    async def work() -> None:
        async with feeding(tmp_path, count) as (server, feed, said, _):
            await wait_in_loop(lambda: any(each.state == "connected" for each in said))
            feed.look(seconds * SECOND)
            assert not feed.stale and server.came == 1
            feed.look(seconds * SECOND + SECOND)
            assert len(feed.stale) == count
            await wait_in_loop(lambda: server.came == 2)
            await server.trade()

            def look() -> bool:
                feed.look(seconds * SECOND + 2 * SECOND)
                return not feed.stale

            await wait_in_loop(look)

    asyncio.run(work())


def test_a_symbol_that_does_not_trade_any_more_is_not_missed(tmp_path):
    async def work() -> None:
        async with feeding(tmp_path, 2) as (_, feed, said, _tasks):
            await wait_in_loop(lambda: any(each.state == "connected" for each in said))
            for n in range(200):
                for i in instruments(2):
                    quote = {"e": "bookTicker", "u": n, "s": i.raw_symbol, "b": "1", "B": "1", "a": "2", "A": "1"}
                    feed.take(msgspec.json.encode(quote))
                feed.look(n * SECOND // 10)
            feed.drop("binance:S1/USDT:USDT")
            feed.look(60 * SECOND)
            assert feed.stale.keys() == {"binance:S0/USDT:USDT"}

    asyncio.run(work())


def test_the_alert_of_stale_symbols_names_those_of_now_and_ends_with_the_last(tmp_path):
    async def work() -> None:
        async with feeding(tmp_path, 2) as (_, feed, said, _tasks):
            await wait_in_loop(lambda: any(each.state == "connected" for each in said))
            feed.look(0)
            feed.look(3600 * SECOND)
            for symbol in ("binance:S1/USDT:USDT", "binance:S0/USDT:USDT"):
                feed.drop(symbol)
            assert [each.state for each in said if each.kind == "market"] == [
                "stale: binance:S0/USDT:USDT, binance:S1/USDT:USDT",
                "stale: binance:S0/USDT:USDT",
                "live",
            ]

    asyncio.run(work())
