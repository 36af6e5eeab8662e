"""From a market message to an order: one process, and three processes, beside the bare floor.

A server on loopback sends best bids and asks over a WebSocket and notes when; a strategy in Python
answers each with an order, over REST or a kept-open WebSocket; the server notes when it has it. In
between stand the gateway, two journals, the gate, the order manager and a signature. The floor is a
bare client in the same run: the same message decoded, a request that was built before written to
the socket.

    python bench/tick_to_order.py [--ticks 400] [--spin]

The server is the simulated exchange with a market of ours. --spin lets it poll its sockets without
a pause, which takes its wake-ups out of the figures; not for a machine that others use.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import picows
import uvloop

from onetape.model.enums import EventType, OrderNews
from onetape.services.gateway_journal import NEWS, REQUEST
from onetape.services.gateway_options import gateway_journal
from onetape.services.venue import VenueServer
from onetape.sim import venues
from onetape.sim.dialect import Connection, Request, fields
from onetape.sim.faulty import Faulty
from onetape.tape.journal import JournalReader

SYMBOL, RAW = "binance:BTC/USDT:USDT", "BTCUSDT"
STREAM = "btcusdt@bookTicker"
EVERY_S = 0.002  # after the last order came
LOST_S = 0.1  # a tick that no order answers
SERVE_S = 60.0
FIRST_BID = 300_000  # in ticks; the exchange's own market is far above
WARM = 100  # ticks
PERCENTS = ((50, "p50"), (99, "p99"))

STAGES = (
    ("rest", "one process, REST", "rest", "process", ("--single",)),
    ("socket", "one process, socket", "socket", "process", ("--single",)),
    ("disk", "one process, socket, intents on disk", "socket", "disk", ("--single",)),
    ("apart", "three processes, socket", "socket", "process", ()),
)
STRATEGY = '''
from onetape import Strategy


class Echo(Strategy):
    """An order for each tick, at the tick's bid, that the venue cannot fill."""

    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        if quote.bid < 50_000:
            self.buy(self.symbol, 0.01, quote.bid, tif="IOC")
'''

CONFIG = """
[venues.sim]
kind = "binance-usdm"
mode = "sim"
rest = "{rest}"
[accounts.main]
venue = "sim"
order_entry = "{entry}"
intents = "{intents}"
key = "env:BENCH_KEY"
secret = "env:BENCH_SECRET"
"""


# --- the server's side ----------------------------------------------------------------------------


class Market:
    """Sends ticks and notes what comes back."""

    def __init__(self, server: VenueServer, count: int) -> None:
        self.server = server
        self.count = count
        self.sent: dict[int, int] = {}
        self.took: list[int] = []
        self.at = FIRST_BID
        self.came = asyncio.Event()
        self.answer = server.answer
        server.answer = self.take  # type: ignore[method-assign]
        self.message = server.dialect.message
        server.dialect.message = self.hear  # type: ignore[method-assign]

    def take(self, request: Request) -> Any:
        if request.method == "POST" and request.path == "/fapi/v1/order":
            self.note(time.time_ns(), fields(request.query)["price"])
        return self.answer(request)

    def hear(self, connection: Connection, data: bytes, now: int) -> None:
        if b'"order.place"' in data:
            self.note(time.time_ns(), msgspec.json.decode(data)["params"]["price"])
        self.message(connection, data, now)

    def note(self, now: int, price: str) -> None:
        if sent := self.sent.pop(round(float(price) * 10), 0):
            self.took.append(now - sent)
            self.came.set()

    async def run(self) -> list[int]:
        """ns of each order."""
        streams = self.server.dialect.inner.streams  # type: ignore[attr-defined]
        while len(self.took) < self.count + WARM:
            if streams.listeners.get(STREAM):
                self.at += 1
                bid, ask = f"{self.at / 10:.1f}", f"{self.at / 10 + 0.1:.1f}"
                ms = time.time_ns() // 1_000_000
                self.sent[self.at] = time.time_ns()
                streams._stream(STREAM, {
                    "e": "bookTicker", "u": self.at, "s": RAW, "b": bid, "B": "1.000", "a": ask,
                    "A": "1.000", "T": ms, "E": ms,
                })  # fmt: skip
                self.server.dialect._sweep(0)  # type: ignore[attr-defined]
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.came.wait(), LOST_S)
                self.came.clear()
            await asyncio.sleep(EVERY_S)
        return self.took[WARM:]


async def serve(count: int, spin: bool) -> None:
    venues.RATE = 0.01  # type: ignore[misc]  # the exchange's own market hardly moves
    inner = venues.open_venue("binance-usdm", seed=7, now=time.time_ns(), limits=False)
    server = VenueServer(Faulty(inner, "binance-usdm", seed=7))
    port = await server.start("127.0.0.1", 0)
    account = server.dialect.exchange.accounts[0]
    print(json.dumps({"port": port, "key": account.key, "secret": account.secret}), flush=True)
    if spin:
        loop = asyncio.get_running_loop()

        def again() -> None:
            loop.call_soon(again)

        again()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with contextlib.suppress(TimeoutError):
        told = await asyncio.wait_for(Market(server, count).run(), SERVE_S)
        print(json.dumps(told), flush=True)
        await stop.wait()
    await server.stop()


@contextlib.contextmanager
def server(given: argparse.Namespace) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    command = [sys.executable, __file__, "--serve", "--ticks", str(given.ticks)]
    child = subprocess.Popen(command + ["--spin"] * given.spin, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        yield child, json.loads(child.stdout.readline())
    finally:
        child.terminate()
        child.wait(20)
        child.stdout.close()


# --- the floor ------------------------------------------------------------------------------------


class Ticker(msgspec.Struct):
    b: str


async def bare(port: int, done: asyncio.Event) -> None:
    """Decodes a tick and writes a request; what is answered is read and dropped."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", port)
    head = f"POST /fapi/v1/order?symbol={RAW}&side=BUY&type=LIMIT&quantity=0.010&price=".encode()
    tail = b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    decode = msgspec.json.Decoder(Ticker).decode

    class Listener(picows.WSListener):
        def on_ws_frame(self, socket: picows.WSTransport, frame: picows.WSFrame) -> None:
            price = decode(frame.get_payload_as_bytes()).b
            transport.write(b"%b%b%b" % (head, price.encode(), tail))

    socket, _ = await picows.ws_connect(Listener, f"ws://127.0.0.1:{port}/public/ws/{STREAM}")
    await done.wait()
    socket.disconnect()
    transport.close()


async def floor(child: subprocess.Popen[str], port: int) -> list[int]:
    assert child.stdout is not None
    done = asyncio.Event()
    client = asyncio.ensure_future(bare(port, done))
    line = await asyncio.get_running_loop().run_in_executor(None, child.stdout.readline)
    done.set()
    await client
    return list(json.loads(line))


# --- what is measured -----------------------------------------------------------------------------


def live(
    child: subprocess.Popen[str], told: dict[str, Any], entry: str, intents: str, *more: str
) -> dict[str, Any]:
    """The samples, and the stamps that stand on the tapes."""
    assert child.stdout is not None
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "echo.py").write_text(STRATEGY)
        rest = f"http://127.0.0.1:{told['port']}"
        (folder / "onetape.toml").write_text(CONFIG.format(rest=rest, entry=entry, intents=intents))
        command = [sys.executable, "-m", "onetape", "run", "echo.py", "--live", "--out", "r", *more]
        keys = {"BENCH_KEY": told["key"], "BENCH_SECRET": told["secret"]}
        runner = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **keys}, stdout=subprocess.DEVNULL
        )
        try:
            line = child.stdout.readline()
            if not line:
                raise SystemExit(f"no orders in {SERVE_S:.0f} s: {' '.join(command)}")
        finally:
            runner.send_signal(signal.SIGINT)
            runner.wait(60)
        return {"seen": json.loads(line), **stamps(folder)}


def stamps(folder: Path) -> dict[str, list[int]]:
    """ns from one stamp to the next, by the gateway's tape."""
    (run,) = (path for path in folder.rglob("r") if (path / "journal").is_dir())
    home = run.parents[1]
    received: dict[int, int] = {}
    out: dict[int, tuple[int, int]] = {}
    acked: dict[int, int] = {}
    with JournalReader(gateway_journal(home, "main")) as reader:
        for frame in reader.frames(("quote", "order_request", "order_event")):
            match frame.type:
                case EventType.ORDER_REQUEST.id:
                    values = REQUEST.unpack(frame.payload)
                    out[values[0]] = frame.time, values[1]
                case EventType.ORDER_EVENT.id:
                    news = NEWS.unpack(frame.payload)
                    if news[7] == OrderNews.ACCEPTED.id:
                        acked[news[0]] = frame.time
                case _:
                    received.setdefault(int.from_bytes(frame.payload[16:24], "little"), frame.time)
    found: dict[str, list[int]] = {"receive to order out": [], "order out to ack": []}
    for number, (when, price) in out.items():
        if price in received:
            found["receive to order out"].append(when - received[price])
        if number in acked:
            found["order out to ack"].append(acked[number] - when)
    return found


def percent(samples: list[int], which: int) -> float:
    """us."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, len(ordered) * which // 100)] / 1000


def figures(measured: dict[str, dict[str, list[int]]]) -> list[dict[str, Any]]:
    rows = []
    bare = measured["floor"]["seen"]
    for stage, title, *_ in STAGES:
        for which, name in PERCENTS:
            base = percent(bare, which)
            reach = {50: 50, 99: 100}[which] if stage in ("rest", "socket") else None
            rows.append({
                "name": f"tick to order, {title}, {name}", "unit": "us", "better": "less",
                "value": percent(measured[stage]["seen"], which), "reach": reach,
                "headline": which == 50 and stage == "socket",
                "against": {"name": "bare client in the same run", "value": base},
            })  # fmt: skip
        for gap in ("receive to order out", "order out to ack"):
            rows.extend(
                {"name": f"{gap}, {title}, {name}", "unit": "us", "better": "less",
                 "value": percent(measured[stage][gap], which)}
                for which, name in PERCENTS
            )  # fmt: skip
    return rows


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--ticks", type=int, default=400)
    options.add_argument("--spin", action="store_true")
    options.add_argument("--serve", action="store_true")
    given = options.parse_args()
    if given.serve:
        uvloop.run(serve(given.ticks, given.spin))
        return
    measured: dict[str, dict[str, list[int]]] = {}
    with server(given) as (child, told):
        measured["floor"] = {"seen": uvloop.run(floor(child, told["port"]))}
    for stage, _, entry, intents, more in STAGES:
        with server(given) as (child, told):
            measured[stage] = live(child, told, entry, intents, *more)
    print(json.dumps({"figures": figures(measured)}))


if __name__ == "__main__":
    main()
