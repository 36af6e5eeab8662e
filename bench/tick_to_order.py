"""From a market message to an order: one process, and three processes, beside the bare floor.

A bare venue on loopback, a process that spins over its sockets, sends best bids and asks over a
WebSocket; a strategy in Python answers each with an order, over REST or a kept-open WebSocket; the
venue notes when it has its bytes. Both stamps are the venue's. In between stand the gateway, two
journals, the gate, the order manager and a signature. The floors are bare clients in the same run:
the same message decoded, a request that was built before written to the socket; one sleeps in the
event loop between ticks, as a gateway does, one spins.

    python bench/tick_to_order.py [--ticks 500] [--rounds 3] [--only socket,rest] [--realtime]

The venue has one core, all else the others. The stages take turns, round after round; a figure is
the median of its rounds. A gateway waits for its sockets asleep: a good part of each figure is
being woken. --realtime: ahead of what else the machine does (needs the right to; it also starves
the kernel's own threads, and a stage can stand still with it). --profile:
cProfile's statistics of a process that is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import picows
import uvloop

from onetape.model.enums import EventType, OrderNews, Side
from onetape.model.home import gateway_journal
from onetape.tape.journal import JournalReader
from onetape.tape.payloads import fields

PLACED, NEWS = fields("order_request", "order_id", "price"), fields("order_event", "order_id", "news")
TRADE, PLACED_SIDE = fields("fill", "trade_id", "side"), fields("order_request", "side")
RAW, STREAM = "BTCUSDT", "btcusdt@bookTicker"
VENUE = Path(__file__).with_name("bare_venue.py")
WARM = 200  # ticks
PERCENTS = ((50, "p50"), (99, "p99"))

STAGES = {
    "socket": ("one process, socket", "socket", "process", ("--single",)),
    "spin": ("one process that spins, socket", "socket", "process", ("--single", "--spin")),
    "rest": ("one process, REST", "rest", "process", ("--single",)),
    "disk": ("one process, socket, intents on disk", "socket", "disk", ("--single",)),
    "apart": ("three processes, socket", "socket", "process", ()),
    "apart-rest": ("three processes, REST", "rest", "process", ()),
}
FLOORS = {"sleeping": "bare client, asleep between ticks", "spinning": "bare client that spins"}
GAPS = ("received to intent", "intent to ack")
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
durability = "{intents}"
key = "env:BENCH_KEY"
secret = "env:BENCH_SECRET"
"""


@contextlib.contextmanager
def venue(
    options: argparse.Namespace, *, fills: bool = False
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """The bare venue, and what it says of itself. fills: it fills orders."""
    command = [sys.executable, str(VENUE), "--ticks", str(options.ticks)]
    command += ["--every-us", str(options.every_us), *(["--fills"] if fills else [])]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        yield child, json.loads(child.stdout.readline())
    finally:
        child.terminate()
        child.wait(20)
        child.stdout.close()


def samples_of(child: subprocess.Popen[str]) -> list[int]:
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        raise SystemExit("no orders came")
    return list(json.loads(line)["samples"])


# --- the floors -----------------------------------------------------------------------------------


class Ticker(msgspec.Struct):
    b: str


HEAD = (
    f"POST /fapi/v1/order?symbol={RAW}&side=BUY&type=LIMIT&quantity=0.010"
    f"&newClientOrderId={'x' * 32}&signature={'0' * 64}&price="
).encode()
GET = (
    f"GET /public/ws/{STREAM} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: eA==\r\n\r\n"
).encode()
TAIL = b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


async def bare(port: int, done: asyncio.Event, answered: list[int]) -> None:
    """Decodes a tick and writes a request; what is answered is read and dropped. answered: ns from a request to its
    answer."""
    loop = asyncio.get_running_loop()
    clock, sent = time.perf_counter_ns, [0]

    class Answers(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            answered.append(clock() - sent[0])

    transport, _ = await loop.create_connection(Answers, "127.0.0.1", port)
    decode = msgspec.json.Decoder(Ticker).decode

    class Listener(picows.WSListener):
        def on_ws_frame(self, socket: picows.WSTransport, frame: picows.WSFrame) -> None:
            price = decode(frame.get_payload_as_bytes()).b
            sent[0] = clock()
            transport.write(b"%b%b%b" % (HEAD, price.encode(), TAIL))

    socket, _ = await picows.ws_connect(Listener, f"ws://127.0.0.1:{port}/public/ws/{STREAM}")
    await done.wait()
    socket.disconnect()
    transport.close()


async def sleeping(child: subprocess.Popen[str], port: int) -> dict[str, list[int]]:
    """The samples of a client that is asleep between ticks: `seen`, by the venue, and `answered`."""
    done, answered = asyncio.Event(), list[int]()
    client = asyncio.ensure_future(bare(port, done, answered))
    samples = await asyncio.get_running_loop().run_in_executor(None, samples_of, child)
    done.set()
    await client
    return {"seen": samples, "answered": warm(answered)}


def connected(port: int) -> tuple[socket.socket, socket.socket]:
    """The market's connection, whose ticks come next, and the one for orders."""
    market, orders = (socket.create_connection(("127.0.0.1", port)) for _ in range(2))
    for each in (market, orders):
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    market.sendall(GET)
    market.recv(4096)
    return market, orders


def spinning(child: subprocess.Popen[str], port: int) -> dict[str, list[int]]:
    """The samples of plain sockets that never sleep, likewise."""
    clock, sent, answered = time.perf_counter_ns, 0, list[int]()
    market, orders = connected(port)
    for each in (orders, market):
        each.setblocking(False)
    decode = msgspec.json.Decoder(Ticker).decode
    assert child.stdout is not None
    empty = 0
    while True:
        with contextlib.suppress(BlockingIOError):
            if orders.recv(65536):
                answered.append(clock() - sent)
        try:
            data = market.recv(4096)
        except BlockingIOError:
            empty += 1
            if not empty % 1024 and select.select([child.stdout], [], [], 0)[0]:
                break  # the venue has had all of its orders
            continue
        price = decode(data[4:] if data[1] == 126 else data[2:]).b
        sent = clock()
        orders.send(b"%b%b%b" % (HEAD, price.encode(), TAIL))
    samples = samples_of(child)
    orders.close()
    market.close()
    return {"seen": samples, "answered": warm(answered)}


# --- what is measured -----------------------------------------------------------------------------


def live(
    child: subprocess.Popen[str],
    venue_of: dict[str, Any],
    stage: str,
    profile: str = "",
    *,
    strategy: str = STRATEGY,
    beside: Callable[[Path], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
) -> dict[str, list[int]]:
    """The samples, and what lies between the stamps on the tape. beside: runs meanwhile, in the same folder."""
    _, entry, intents, more = STAGES[stage]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "echo.py").write_text(strategy)
        rest = f"http://127.0.0.1:{venue_of['port']}"
        (folder / "onetape.toml").write_text(CONFIG.format(rest=rest, entry=entry, intents=intents))
        command = [sys.executable, *(("-m", "cProfile", "-o", profile) if profile else ())]
        command += ["-m", "onetape", "run", "echo.py", "--live", "--out", "r", *more]
        keys = {"BENCH_KEY": venue_of["key"], "BENCH_SECRET": venue_of["secret"]}
        with beside(folder):
            runner = subprocess.Popen(command, cwd=folder, env={**os.environ, **keys}, stdout=subprocess.DEVNULL)
            try:
                seen = samples_of(child)
            finally:
                runner.send_signal(signal.SIGINT)
                runner.wait(60)
        return {"seen": seen, **stamps(folder), "fill to callback": fill_stamps(folder)}


def stamps(folder: Path) -> dict[str, list[int]]:
    """ns from one stamp to the next, by the gateway's tape: a message received, the request it led
    to taken in, as its intent has it, the answer read."""
    (run,) = (path for path in folder.rglob("r") if (path / "journal").is_dir())
    received: dict[int, int] = {}
    intents: dict[int, int] = {}
    found: dict[str, list[int]] = {gap: [] for gap in GAPS}
    with JournalReader(gateway_journal(run.parents[1], "main")) as reader:
        for frame in reader.frames(("quote", "order_request", "order_event")):
            match frame.type:
                case EventType.ORDER_REQUEST.id:
                    number, price = PLACED.unpack(frame.payload)
                    intents[number] = frame.time
                    if price in received:
                        found[GAPS[0]].append(frame.time - received[price])
                case EventType.ORDER_EVENT.id:
                    number, news = NEWS.unpack(frame.payload)
                    if news == OrderNews.ACCEPTED.id and number in intents:
                        found[GAPS[1]].append(frame.time - intents[number])
                case _:
                    received.setdefault(int.from_bytes(frame.payload[16:24], "little"), frame.time)
    return {gap: warm(samples) for gap, samples in found.items()}


def warm(samples: list[int]) -> list[int]:
    """Without the first ones; of few, as on a machine that is too busy for more, the second half."""
    return samples[min(WARM, len(samples) // 2) :]


def fill_stamps(folder: Path) -> list[int]:
    """ns from when a purchase was at the gateway to the strategy's callback, where it has noted that; else to the
    intent of the sale that it places then."""
    noted = folder / "fills.json"
    heard = {int(trade): at for trade, at in json.loads(noted.read_text())} if noted.is_file() else {}
    found, bought = list[int](), 0
    (run,) = (path for path in folder.rglob("r") if (path / "journal").is_dir())
    with JournalReader(gateway_journal(run.parents[1], "main")) as reader:
        for frame in reader.frames(("fill", "order_request")):
            if frame.type == EventType.FILL.id:
                trade, side = TRADE.unpack(frame.payload)
                bought = frame.time if side == Side.BUY.id else 0
                if trade in heard:
                    found.append(heard[trade] - frame.time)
            elif not heard and bought and PLACED_SIDE.unpack(frame.payload)[0] == Side.SELL.id:
                found.append(frame.time - bought)
                bought = 0
    return warm(found)


def measure(options: argparse.Namespace) -> dict[str, list[dict[str, list[int]]]]:
    """The samples of each stage, round by round."""
    stages = options.only.split(",") if options.only else list(STAGES)
    measured: dict[str, list[dict[str, list[int]]]] = {}
    for _ in range(options.rounds):
        with venue(options) as (child, reported):
            measured.setdefault("sleeping", []).append(uvloop.run(sleeping(child, reported["port"])))
        with venue(options) as (child, reported):
            measured.setdefault("spinning", []).append(spinning(child, reported["port"]))
        for stage in stages:
            with venue(options) as (child, reported):
                measured.setdefault(stage, []).append(live(child, reported, stage, options.profile))
    return measured


def percent(samples: list[int], which: float) -> float:
    """us."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * which / 100))] / 1000


def middle(rounds: list[dict[str, list[int]]], what: str, which: int) -> float:
    """us: of the rounds' percentiles the middle one."""
    return round(median(percent(each[what], which) for each in rounds if each[what]), 1)


def figures(measured: dict[str, list[dict[str, list[int]]]]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"name": f"{title}, {name}", "unit": "us", "better": "less", "value": middle(measured[stage], "seen", which)}
        for stage, title in FLOORS.items()
        for which, name in PERCENTS
    ]
    for stage, (title, *_) in STAGES.items():
        if stage not in measured:
            continue
        for which, name in PERCENTS:
            floor = "spinning" if stage == "spin" else "sleeping"
            base = middle(measured[floor], "seen", which)
            reach = {50: 50.0, 99: 100.0}[which] if stage in ("socket", "rest", "spin") else None
            if stage == "apart" and which == 50:
                reach = round(1.5 * base, 1)
            rows.append(
                {
                    "name": f"tick to order, {title}, {name}",
                    "unit": "us",
                    "better": "less",
                    "value": middle(measured[stage], "seen", which),
                    "reach": reach,
                    "headline": which == 50 and stage == "socket",
                    "against": {"name": FLOORS[floor], "value": base},
                }
            )
        rows.extend(
            {
                "name": f"{gap}, {title}, {name}",
                "unit": "us",
                "better": "less",
                "value": middle(measured[stage], gap, which),
            }
            for gap in GAPS
            for which, name in PERCENTS
        )
    return rows


def own_cores() -> None:
    """The venue spins on the last core, whatever is measured has the others: nobody is moved to
    and fro while it is measured."""
    cores = os.sched_getaffinity(0)
    if len(cores) > 1:
        os.sched_setaffinity(0, cores - {max(cores)})


def ahead_of_others() -> None:
    """For a machine that has other work. Children inherit it."""
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(20))


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--ticks", type=int, default=500)
    options.add_argument("--every-us", type=int, default=500, help="from an order to the next tick")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--only", default="", help="stages, by comma")
    options.add_argument("--realtime", action="store_true")
    options.add_argument("--profile", default="", metavar="FILE")
    inputs = options.parse_args()
    own_cores()
    if inputs.realtime:
        ahead_of_others()
    print(json.dumps({"figures": figures(measure(inputs))}))


if __name__ == "__main__":
    main()
