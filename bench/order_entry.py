"""From an order's call to its answer, read: over aiohttp's pool, a kept-open HTTP connection, and a
kept-open WebSocket; and how much of that is ours: the call made, signed and handed to the loop
(HTTP, which uvloop writes at the end of its round) or to the kernel (WebSocket).

The venue is a process that answers at once with the same words, so what is measured is the way
there and back. Prints one JSON object of figures, microseconds.

    python bench/order_entry.py [--count 3000]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import time
from multiprocessing.connection import Connection

import picows
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from onetape.feeds.query_line import VenueLine
from onetape.feeds.venue_clock import VenueClock
from onetape.gateway.order_line import EntryLine
from onetape.model import catalogue
from onetape.model.enums import Side
from onetape.model.order import OrderSpec
from onetape.orders.calls import Call
from onetape.orders.outcome import Outcome
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue

SYMBOL = "binance:BTC/USDT:USDT"
ROW = (
    b'{"orderId":7,"symbol":"BTCUSDT","status":"NEW","clientOrderId":"x-1","price":"60000.0",'
    b'"origQty":"0.010","executedQty":"0.000","side":"BUY","type":"LIMIT","origType":"LIMIT",'
    b'"timeInForce":"GTC","positionSide":"BOTH","reduceOnly":false,"updateTime":1795000000000,'
    b'"stopPrice":"0","closePosition":false,"priceProtect":false}'
)
HTTP = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(ROW), ROW)


class Web(asyncio.Protocol):
    def connection_made(self, transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(HTTP)  # a request is one segment here


class Socket(picows.WSListener):
    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.TEXT:
            request = frame.get_payload_as_bytes()
            number = request[6 : request.index(b",")]
            answer = b'{"id":%b,"status":200,"result":%b}' % (number, ROW)
            transport.send(picows.WSMsgType.TEXT, answer)


def serve(ports: Connection) -> None:
    async def work() -> None:
        web = await asyncio.get_running_loop().create_server(Web, "127.0.0.1", 0)
        socket = await picows.ws_create_server(lambda _: Socket(), "127.0.0.1", 0)
        ports.send([each.sockets[0].getsockname()[1] for each in (web, socket)])
        await asyncio.Event().wait()

    uvloop.run(work())


def percentiles(samples: list[int]) -> tuple[float, float]:
    ordered = sorted(samples)
    at = lambda q: round(ordered[int(q * (len(ordered) - 1))] / 1000, 1)  # noqa: E731
    return at(0.5), at(0.99)


class Bench:
    def __init__(self, ports: list[int], secret: str, count: int, *, late: bool) -> None:
        rest = f"http://127.0.0.1:{ports[0]}"
        ws = f"ws://127.0.0.1:{ports[1]}"
        self.venue = open_trading_venue("binance-usdm", "key", secret, Addresses(rest, ws, ws))
        found = catalogue.find(SYMBOL)
        self.venue.protocol.set_instruments([found])
        self.venue.protocol.signs_late = late
        self.line = VenueLine(self.venue, rest, VenueClock())
        self.spec = OrderSpec(symbol=SYMBOL, side=Side.BUY, size_int=found.size_int("0.01"), price_int=600_000)
        self.count = count

    def call(self) -> Call:
        return self.venue.protocol.place("x-1", self.spec, self.line.clock.now())

    async def pooled(self) -> list[int]:
        """As requests went before: through aiohttp."""
        samples = []
        async with self.line.open():
            self.line._kept.send = lambda _: None
            for _ in range(self.count):
                began = time.perf_counter_ns()
                answer = await self.line.answer(self.call())
                samples.append(time.perf_counter_ns() - began)
                assert answer.outcome is Outcome.DONE
        return samples

    async def kept(self) -> tuple[list[int], list[int]]:
        samples, ours = [], []
        async with self.line.open():
            kept, inner = self.line._kept, self.line._kept.send

            def send(call: Call):
                waiting = inner(call)
                ours.append(time.perf_counter_ns() - began)
                return waiting

            kept.send = send
            while not kept._there:
                await asyncio.sleep(0.01)
            for _ in range(self.count):
                began = time.perf_counter_ns()
                answer = await self.line.answer(self.call())
                samples.append(time.perf_counter_ns() - began)
                assert answer.outcome is Outcome.DONE
            assert kept.sent == self.count
        return samples, ours

    async def socket(self) -> tuple[list[int], list[int]]:
        samples, ours = [], []
        came = asyncio.Event()

        def answered(_call: Call, answer) -> None:
            samples.append(time.perf_counter_ns() - began)
            assert answer.outcome is Outcome.DONE
            came.set()

        entry = EntryLine(self.line, answered=answered, went=lambda _: None)
        async with self.line.open():
            following = asyncio.ensure_future(entry.follow())
            while not entry.is_up:
                await asyncio.sleep(0.01)
            for _ in range(self.count):
                came.clear()
                began = time.perf_counter_ns()
                assert entry.send(self.call())
                ours.append(time.perf_counter_ns() - began)
                await came.wait()
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
        return samples, ours


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=3000)
    count = parser.parse_args().count
    mine, theirs = multiprocessing.Pipe()
    venue = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    venue.start()
    ports = mine.recv()
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    pooled = percentiles(uvloop.run(Bench(ports, "secret", count, late=False).pooled()))
    kept, kept_ours = uvloop.run(Bench(ports, "secret", count, late=False).kept())
    hmac, hmac_ours = uvloop.run(Bench(ports, "secret", count, late=True).socket())
    session, session_ours = uvloop.run(Bench(ports, pem, count, late=True).socket())
    venue.terminate()
    figures = []
    for name, samples in (
        ("order to answer, kept-open HTTP", kept),
        ("order to answer, WebSocket, HMAC", hmac),
        ("order to answer, WebSocket, Ed25519 session", session),
    ):
        p50, p99 = percentiles(samples)
        figures.append(
            {
                "name": name,
                "value": p50,
                "unit": "us",
                "better": "less",
                "reach": None,
                "against": {"name": "aiohttp's pool", "value": pooled[0]},
                "note": f"p99 {p99}, aiohttp's {pooled[1]}",
            }
        )
    for name, samples in (
        ("order to loop, kept-open HTTP", kept_ours),
        ("order to kernel, WebSocket, HMAC", hmac_ours),
        ("order to kernel, WebSocket, Ed25519 session", session_ours),
    ):
        p50, p99 = percentiles(samples)
        figures.append(
            {
                "name": name,
                "value": p50,
                "unit": "us",
                "better": "less",
                "reach": None,
                "against": None,
                "note": f"p99 {p99}; the call made, signed, written",
            }
        )
    print(json.dumps({"figures": figures}))


if __name__ == "__main__":
    main()
