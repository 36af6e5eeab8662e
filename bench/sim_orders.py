"""A simulated exchange under load: signed REST orders a second, placed and cancelled in turn.

Beside it, in the same run and from the same client: a handler of aiohttp on uvloop that only
answers, with as many bytes. Ten thousand orders rest in the books meanwhile; then 200 clients that
stream join.

    python bench/sim_orders.py [--requests 20000]

Rates are by the clock and by the server's own processor time: the second is what the server can do
when client and server do not share the machine with others.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import picows
import uvloop
from aiohttp import web

from onetape.exchange.faulty import Faulty
from onetape.exchange.server import VenueServer
from onetape.exchange.venues import open_venue

ACCOUNTS = 18
RESTING = 190  # of each account and symbol; the venue allows 200
SYMBOLS = (("BTCUSDT", "30000.0", "0.010"), ("ETHUSDT", "1500.00", "0.100"), ("SOLUSDT", "70.0000", "1"))
CONNECTIONS = 18
STREAMING = 200
STREAMS = ("btcusdt@depth@100ms", "ethusdt@depth@100ms", "solusdt@bookTicker")
WINDOW_MS = 60_000  # requests are signed before the clock starts
TICKS = os.sysconf("SC_CLK_TCK")
ANSWER = b'{"orderId":8389765000001,"symbol":"BTCUSDT","status":"NEW",' + b" " * 380 + b"}"


# --- the server's side ----------------------------------------------------------------------------


def serve(what: str) -> None:
    uvloop.run(SERVERS[what]())


async def exchange() -> None:
    names = tuple(f"a{number}" for number in range(ACCOUNTS))
    inner = open_venue("binance-usdm", seed=7, now=time.time_ns(), accounts=names, limits=False)
    dialect = Faulty(inner, "binance-usdm", seed=7)
    for account in dialect.exchange.accounts:
        dialect.exchange.accounts.deposit(account, "USDT", "10000000", dialect.exchange.now)
    server = VenueServer(dialect)
    port = await server.start("127.0.0.1", 0)
    keys = [(account.key, account.secret) for account in dialect.exchange.accounts]
    await until_filled(port, keys)
    await server.stop()


async def bare_aiohttp() -> None:
    async def handle(request: web.BaseRequest) -> web.Response:
        await request.read()
        return web.Response(body=ANSWER, headers={"Content-Type": "application/json"})

    runner = web.ServerRunner(web.Server(handle, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sockets: Any = site._server
    await until_filled(sockets.sockets[0].getsockname()[1], [("k", "s")] * ACCOUNTS)
    await runner.cleanup()


SERVERS = {"exchange": exchange, "aiohttp": bare_aiohttp}


async def until_filled(port: int, keys: list[tuple[str, str]]) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    sys.stdout.write(json.dumps({"port": port, "keys": keys}) + "\n")
    sys.stdout.flush()
    await stop.wait()


@contextlib.contextmanager
def server(what: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(pid, what it said) of a server that runs until the block ends."""
    child = subprocess.Popen([sys.executable, __file__, "--serve", what], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        yield child.pid, json.loads(child.stdout.readline())
    finally:
        child.terminate()
        child.wait(20)
        child.stdout.close()


def processor_s(pid: int) -> float:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


# --- the client's side ----------------------------------------------------------------------------


class Client(asyncio.Protocol):
    """One connection that sends the next request when the answer to the last one is there."""

    def __init__(self, requests: list[bytes], done: asyncio.Future[None]) -> None:
        self.requests = iter(requests)
        self.done = done
        self.buffer = b""
        self.bad = 0
        self.first_bad = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.next()

    def next(self) -> None:
        request = next(self.requests, None)
        if request is None:
            self.transport.close()
            if not self.done.done():
                self.done.set_result(None)
        else:
            self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self.buffer.lower().find(b"content-length: ", 0, head) + 16
        end = head + 4 + int(self.buffer[at : self.buffer.index(b"\r\n", at)])
        if len(self.buffer) < end:
            return
        if not self.buffer.startswith(b"HTTP/1.1 200"):
            self.bad += 1
            self.first_bad = self.first_bad or self.buffer[:end]
        self.buffer = self.buffer[end:]
        self.next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server closed"))


def request(method: str, key: tuple[str, str], params: str) -> bytes:
    query = f"{params}&recvWindow={WINDOW_MS}&timestamp={time.time_ns() // 1_000_000}"
    signature = hmac.new(key[1].encode(), query.encode(), hashlib.sha256).hexdigest()
    return (
        f"{method} /fapi/v1/order?{query}&signature={signature} HTTP/1.1\r\n"
        f"Host: 127.0.0.1\r\nX-MBX-APIKEY: {key[0]}\r\nAccept: */*\r\n\r\n"
    ).encode()


def place(key: tuple[str, str], symbol: tuple[str, str, str], name: str) -> bytes:
    raw, price, size = symbol
    return request(
        "POST",
        key,
        f"symbol={raw}&side=BUY&type=LIMIT&timeInForce=GTC&quantity={size}&price={price}&newClientOrderId={name}",
    )


def in_turn(key: tuple[str, str], count: int, at: int, stage: str) -> list[bytes]:
    """Placed and cancelled, `count` requests."""
    found = []
    for number in range(count // 2):
        symbol = SYMBOLS[number % len(SYMBOLS)]
        name = f"{stage}-{at}-{number}"
        found.append(place(key, symbol, name))
        found.append(request("DELETE", key, f"symbol={symbol[0]}&origClientOrderId={name}"))
    return found


def to_rest(key: tuple[str, str], at: int) -> list[bytes]:
    return [place(key, symbol, f"rest-{at}-{symbol[0]}-{number}") for symbol in SYMBOLS for number in range(RESTING)]


async def load(port: int, pid: int, work: list[list[bytes]]) -> tuple[float, float]:
    """(requests a second by the clock, by the server's processor time)."""
    loop = asyncio.get_running_loop()
    began, spent = time.perf_counter(), processor_s(pid)
    clients = []
    for requests in work:
        client = Client(requests, loop.create_future())
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)
        clients.append(client)
    await asyncio.gather(*(each.done for each in clients))
    took, spent = time.perf_counter() - began, processor_s(pid) - spent
    bad = [each.first_bad for each in clients if each.bad]
    if bad:
        raise SystemExit(f"refused: {bad[0]!r}")
    count = sum(len(requests) for requests in work)
    return count / took, count / max(spent, 1 / TICKS)


class Listener(picows.WSListener):
    messages = 0

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        Listener.messages += 1


async def listeners(port: int, count: int) -> list[picows.WSTransport]:
    found = []
    for number in range(count):
        stream = STREAMS[number % len(STREAMS)]
        url = f"ws://127.0.0.1:{port}/public/ws/{stream}"
        found.append((await picows.ws_connect(Listener, url))[0])
    return found


async def measure(requests: int) -> dict[str, Any]:
    measured: dict[str, Any] = {}
    for what in ("aiohttp", "exchange"):
        with server(what) as (pid, reported):
            port, keys = reported["port"], [tuple(key) for key in reported["keys"]]
            each = requests // CONNECTIONS

            def work(stage: str, keys: Any = keys, each: int = each) -> list[list[bytes]]:
                return [in_turn(keys[at], each, at, stage) for at in range(CONNECTIONS)]

            await load(port, pid, [w[:20] for w in work("warm")])
            measured[what] = await load(port, pid, work("alone"))
            if what == "exchange":
                await load(port, pid, [to_rest(keys[at], at) for at in range(ACCOUNTS)])
                measured["resting"] = await load(port, pid, work("resting"))
                streams = await listeners(port, STREAMING)
                Listener.messages = 0
                began = time.perf_counter()
                measured["streaming"] = await load(port, pid, work("streaming"))
                measured["messages"] = Listener.messages / (time.perf_counter() - began)
                for stream in streams:
                    stream.disconnect()
    return measured


def figures(measured: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    stages = (
        ("exchange", "orders alone"),
        ("resting", "10 k orders open"),
        ("streaming", "10 k open, 200 clients stream"),
    )
    for by, name in enumerate(("by the clock", "of the server's processor")):
        for stage, title in stages:
            rows.append(
                {
                    "name": f"simulated exchange, {title}, {name}",
                    "value": measured[stage][by],
                    "unit": "requests/s",
                    "reach": 20_000 if by == 0 else None,
                    "headline": stage == "resting" and by == 0,
                    "against": {"name": "aiohttp that only answers", "value": measured["aiohttp"][by]},
                }
            )
    return rows


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--requests", type=int, default=20_000)
    options.add_argument("--serve", choices=SERVERS)
    inputs = options.parse_args()
    if inputs.serve:
        serve(inputs.serve)
        return
    print(json.dumps({"figures": figures(uvloop.run(measure(inputs.requests)))}))


if __name__ == "__main__":
    main()
