"""Servers that redirect, or send a gigabyte: nothing is followed, nothing is swollen."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import resource
import zlib
from contextlib import asynccontextmanager

import aiohttp
import picows
import pytest

from onetape.bridge.opening import ANSWER_MAX, _bound_answers
from onetape.collector.polled import Past
from onetape.collector.sources import line_of
from onetape.feeds.query_line import VenueLine
from onetape.feeds.venue_clock import VenueClock
from onetape.gateway.order_line import EntryLine
from onetape.model.errors import VenueUnavailable
from onetape.net.connection import connected
from onetape.net.http_limits import BODY_MAX
from onetape.options.collector import CollectorOptions
from onetape.preflight.venue_access import VenueAccess
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue

WITHIN_S = 300
BOMB = 1 << 30  # unpacked
ROOM = 300 << 20  # what a process may take for an answer, its own bound and a copy or two


class Server:
    """Answers every request with the same bytes, and counts who came."""

    def __init__(self, answer: bytes) -> None:
        self.answer, self.requests = answer, 0
        self.seen = asyncio.Event()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.requests += 1
                self.seen.set()
                writer.write(self.answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(answer: bytes = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"):
    server = Server(answer)
    listening = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    try:
        yield server, listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


@asynccontextmanager
async def redirected(status: int, scheme: str = "ws"):
    """(who redirects, its port, to whom)."""
    async with serving() as (other, port):
        answer = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {scheme}://127.0.0.1:{port}/x\r\n"
        async with serving(f"{answer}Content-Length: 0\r\n\r\n".encode()) as (first, at):
            yield first, at, other


def packed(body: bytes | None = None) -> bytes:
    """An answer of gzip; a gigabyte of zeros unless said."""
    if body is None:
        packer = zlib.compressobj(9, wbits=31)
        block = bytes(1 << 20)
        data = b"".join([*(packer.compress(block) for _ in range(BOMB >> 20)), packer.flush()])
    else:
        data = gzip.compress(body)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


def line_at(port: int) -> VenueLine:
    rest, ws = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
    venue = open_trading_venue("binance-usdm", "key", "secret", Addresses(rest, ws, ws))
    return VenueLine(venue, rest, VenueClock(), keeps=False)


def soon(work) -> None:
    asyncio.run(asyncio.wait_for(work, WITHIN_S))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_stream_of_a_gateway_follows_a_redirect(status):
    async def work() -> None:
        async with redirected(status) as (first, port, other):
            with pytest.raises(picows.WSError):
                await connected(f"ws://127.0.0.1:{port}", [b"login"], lambda _: None)
            assert (first.requests, other.requests) == (1, 0)

    soon(work())


def test_the_line_for_orders_follows_no_redirect():
    async def work() -> None:
        async with redirected(302) as (first, port, other):
            line = line_at(port)
            line.venue.protocol.signs_late = True
            entry = EntryLine(line, answered=lambda *_: None, went=lambda _: None)
            async with line.open():
                following = asyncio.ensure_future(entry.follow())
                while first.requests < 3:  # it tries again, there
                    first.seen.clear()
                    await first.seen.wait()
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
            assert other.requests == 0

    soon(work())


def test_a_collector_follows_no_redirect():
    received: list[str] = []

    class Takes:
        def opened(self) -> None: ...
        def closed(self, why: str) -> None:
            received.append(why)

        def take(self, topic: str, body: bytes) -> None: ...
        def proxy(self, out: object) -> None: ...

    async def work() -> None:
        async with redirected(302) as (first, port, other):
            options = CollectorOptions(
                name="c",
                home="",
                kind="websocket",
                address=f"ws://127.0.0.1:{port}",
                topics=["t"],
                symbols=[],
                names={},
                subscribe="{topic}",
                message_bytes_max=1000,
                stale_ns=0,
                published=False,
                instruments="",
            )
            running = asyncio.ensure_future(line_of(options, Takes(), ["t"], lambda: Past(0, [])).run())
            while first.requests < 2:
                first.seen.clear()
                await first.seen.wait()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert other.requests == 0
        assert "302" in received[0]

    soon(work())


def test_requests_follow_no_redirect():
    async def work() -> None:
        async with redirected(307, "http") as (_, port, other):
            line = line_at(port)
            async with line.open():
                status, _, _ = await line.request(line.venue.time())
            assert status == 307
            with pytest.raises(VenueUnavailable, match="307"):
                access = VenueAccess(f"http://127.0.0.1:{port}")
                await asyncio.to_thread(access.ask, line.venue.time())
            assert other.requests == 0

    soon(work())


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def test_a_megabyte_of_gzip_does_not_become_a_gigabyte():
    answer = packed()
    assert len(answer) < 2 << 20

    async def work() -> None:
        async with serving(answer) as (_, port):
            line = line_at(port)
            async with line.open():
                with pytest.raises(aiohttp.ClientPayloadError, match="more than 16 MiB"):
                    await line.request(line.venue.instruments())
            access = VenueAccess(f"http://127.0.0.1:{port}")
            _, _, body = await asyncio.to_thread(access.ask, line.venue.instruments())
            assert len(body) < 2 << 20  # as it came

    before = peak()
    soon(work())
    assert peak() - before < ROOM


def test_packed_answers_are_read_to_the_bound():
    async def work() -> None:
        for body in (b"{}", bytes(BODY_MAX), b""):
            async with serving(packed(body)) as (_, port):
                line = line_at(port)
                async with line.open():
                    assert (await line.request(line.venue.instruments()))[2] == body

    soon(work())


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}", "packed as 'br'"),
        (b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", "no gzip"),
        (b"Content-Encoding: gzip, gzip\r\nContent-Length: 2\r\n\r\n{}", "packed as"),
        (packed(b"x" * 1000).partition(b"\r\n\r\n")[0].partition(b"\r\n")[2], "ends within"),
    ],
)
def test_what_cannot_be_unpacked_is_no_answer(answer, why):
    if why == "ends within":
        data = gzip.compress(b"x" * 1000)[:-9]
        answer = f"Content-Encoding: gzip\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data

    async def work() -> None:
        async with serving(b"HTTP/1.1 200 OK\r\n" + answer) as (_, port):
            line = line_at(port)
            async with line.open():
                with pytest.raises(aiohttp.ClientPayloadError, match=why):
                    await line.request(line.venue.instruments())

    soon(work())


def test_a_stream_that_packs_its_messages_unasked_is_not_unpacked():
    """We never ask for permessage-deflate."""
    frame = b"\xc1\x05" + zlib.compress(bytes(100))[2:7]

    async def work() -> None:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            assert "permessage-deflate" not in head
            (key,) = [
                line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key")
            ]
            accept = accepted(key)
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept.encode() + b"\r\n"
                b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n" + frame
            )
            await reader.read()
            writer.close()

        listening = await asyncio.start_server(handle, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        taken: list[bytes] = []
        try:
            await connected(f"ws://127.0.0.1:{port}", [], taken.append)
        except (OSError, picows.WSError):
            pass
        finally:
            listening.close()
        assert taken == [frame[2:]]  # as it came: a message that makes no sense

    soon(work())


def accepted(key: str) -> str:
    guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    return base64.b64encode(hashlib.sha1((key + guid).encode()).digest()).decode()


class _Exchange:
    """The part of ccxt that makes a session."""

    session = tcp_connector = None

    def open(self) -> None:
        if self.session is None:
            self.tcp_connector = aiohttp.TCPConnector()
            self.session = aiohttp.ClientSession(connector=self.tcp_connector)


def test_the_bridges_session_follows_nothing_and_holds_no_gigabyte():
    async def work() -> None:
        exchange = _Exchange()
        _bound_answers(exchange)
        exchange.open()
        exchange.open()
        async with exchange.session as session:
            async with redirected(302, "http") as (_, port, other):
                with pytest.raises(aiohttp.ClientConnectionError, match="302"):
                    await session.get(f"http://127.0.0.1:{port}", headers={"API-Key": "k"})
                with pytest.raises(aiohttp.ClientConnectionError, match="302"):
                    await session.ws_connect(f"http://127.0.0.1:{port}")
                assert other.requests == 0
            async with serving(packed(b'{"a": 1}')) as (_, port):
                reply = await session.get(f"http://127.0.0.1:{port}")
                assert await reply.json(content_type=None) == {"a": 1}
            async with serving(packed()) as (_, port):
                reply = await session.get(f"http://127.0.0.1:{port}")
                with pytest.raises(aiohttp.ClientPayloadError, match="MiB"):
                    await reply.text()

    before = peak()
    soon(work())
    assert peak() - before < ROOM + ANSWER_MAX
