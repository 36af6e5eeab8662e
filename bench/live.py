"""The figures of trading live on this machine, each beside a bare client of the same run: `onetape bench live`.

    market_to_request  market bytes to request bytes, without sockets, gateway and robot in one process; beside it the
                       message decoded, four frames appended and read, a signature
    tick_to_order      a tick at the venue's socket to the order's bytes at the venue, both stamps the venue's; beside
                       it a client that decodes the tick and writes a request that was built before
    order_to_ack       an order's intent on the tape to the venue's answer; beside it that client's own
    fill_to_callback   a fill at the gateway to the robot's `on_fill`; beside it the fill decoded and handed on, to a
                       process that sleeps where the robot is one of its own. A compiled strategy cannot note the time:
                       of one it ends with the intent of an order that `on_fill` places

The venue is the bare one of `bare_venue.py` on loopback, which spins on a core of its own, answers at once and fills
each order. Prints one JSON object, as the reference of the command line has it.

    python bench/live.py [--orders 2000] [--processes 1|3] [--spin] [--compiled]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import time
from bisect import bisect_right
from collections import Counter
from typing import Any

import msgspec
import order_inside
import uvloop
from bare_venue import EVENT, FILLED
from tick_to_order import GAPS, WARM, live, own_cores, percent, sleeping, spinning, venue

STRATEGY = '''
import json
import time

from onetape import Strategy


class Echo(Strategy):
    """An order for each tick, at the tick's bid, one way and the other in turn."""

    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.fills, self.buys = [], False
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        if quote.bid < 50_000:
            self.buys = not self.buys
            (self.buy if self.buys else self.sell)(self.symbol, 0.01, quote.bid, tif="IOC")

    def on_fill(self, fill):
        self.fills.append((fill.id, time.time_ns()))

    def on_stop(self):
        with open("fills.json", "w") as file:
            json.dump(self.fills, file)
'''
COMPILED = """
from onetape import Strategy, compiled


@compiled
class Echo(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    price: float = 0.0

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        if quote.bid < 50_000:
            self.price = quote.bid
            self.buy(self.symbol, 0.01, quote.bid, tif="IOC")

    def on_fill(self, fill):
        if self.price > 0:
            self.sell(self.symbol, 0.01, self.price, tif="IOC")
            self.price = 0.0
"""
EDGES_US = tuple(step * 10**power for power in range(6) for step in (1, 1.5, 2, 3, 5, 7))  # of the histogram


def figure(name: str, samples: list[int], floor: str, of_floor: list[int]) -> dict[str, Any]:
    """A figure as the command prints it; `histogram` has how many took less than so many us, and no less than the
    row before. Raises SystemExit where nothing was measured."""
    if not samples or not of_floor:
        raise SystemExit(f"{name}: nothing was measured")
    p50, p99, p999 = (round(percent(samples, which), 2) for which in (50, 99, 99.9))
    bare_p50, bare_p99 = (round(percent(of_floor, which), 2) for which in (50, 99))
    counts = Counter(bisect_right(EDGES_US, ns / 1000) for ns in samples)
    rows = [(EDGES_US[at] if at < len(EDGES_US) else None, counts[at]) for at in range(min(counts), max(counts) + 1)]
    return {
        "name": name,
        "unit": "us",
        "count": len(samples),
        "p50": p50,
        "p99": p99,
        "p999": p999,
        "against": {"name": floor, "p50": bare_p50, "p99": bare_p99},
        "ratio": round(p50 / bare_p50, 2),
        "histogram": rows,
    }


# --- the floor of a fill --------------------------------------------------------------------------


class FillRow(msgspec.Struct):
    """What a program that does nothing else reads of a fill."""

    number: int = msgspec.field(name="i")
    size: str = msgspec.field(name="l")
    price: str = msgspec.field(name="L")
    trade: int = msgspec.field(name="t")


class Event(msgspec.Struct):
    o: FillRow


def fill_event(number: int) -> bytes:
    kind, state, size, _ = FILLED
    ms = time.time_ns() // 1_000_000
    row = b"x" * 32, b"BUY", b"30000.0", kind, state, number, size, size, b"30000.0", ms, number
    return EVENT % (ms, ms, *row)


def decoded(count: int) -> list[int]:
    """ns to decode a fill and to call somebody with it."""
    decode, heard = msgspec.json.Decoder(Event).decode, list[tuple[int, int]]()

    def callback(fill: FillRow) -> None:
        heard.append((fill.trade, time.perf_counter_ns()))

    samples = []
    for number in range(count + WARM):
        message = fill_event(number)
        began = time.perf_counter_ns()
        callback(decode(message).o)
        samples.append(heard[-1][1] - began)
    return samples[WARM:]


def handed_on(count: int) -> list[int]:
    """ns to decode a fill and to hand it to a process that sleeps on a unix socket."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    back, result = os.pipe()
    child = os.fork()
    if not child:
        read = msgspec.msgpack.Decoder(FillRow).decode
        heard = [(read(theirs.recv(4096)), time.perf_counter_ns())[1] for _ in range(count + WARM)]
        with os.fdopen(result, "wb") as file:
            file.write(msgspec.msgpack.encode(heard))
        os._exit(0)
    os.close(result)
    theirs.close()
    decode, encode = msgspec.json.Decoder(Event).decode, msgspec.msgpack.Encoder().encode
    began = []
    for number in range(count + WARM):
        message = fill_event(number)
        time.sleep(0.0005)
        began.append(time.perf_counter_ns())
        ours.send(encode(decode(message).o))
    ours.close()
    with os.fdopen(back, "rb") as file:
        there = msgspec.msgpack.decode(file.read(), type=list[int])
    os.waitpid(child, 0)
    return [at - start for at, start in zip(there, began, strict=True)][WARM:]


# --- what is measured -----------------------------------------------------------------------------


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    inside_of = order_inside.Compiled if options.compiled else order_inside.Inside
    samples, _, floor = asyncio.run(order_inside.measure(options.orders, at=inside_of))
    inside = figure("market_to_request", samples, "decode, four frames, a signature", floor)
    # The compiled strategy sends two orders a tick: the next one comes when both have ended.
    ticks = argparse.Namespace(ticks=options.orders, every_us=1000 if options.compiled else 500)
    with venue(ticks) as (child, reported):
        port = reported["port"]
        bare = spinning(child, port) if options.spin else uvloop.run(sleeping(child, port))
    stage = "apart" if options.processes == 3 else "spin" if options.spin else "socket"
    with venue(ticks, fills=True) as (child, reported):
        ours = live(child, reported, stage, strategy=COMPILED if options.compiled else STRATEGY)
    client = "bare client that spins" if options.spin else "bare client that sleeps"
    handed = ("decode, and a unix socket", handed_on) if options.processes == 3 else ("decode, and a call", decoded)
    return [
        inside,
        figure("tick_to_order", ours["seen"], client, bare["seen"]),
        figure("order_to_ack", ours[GAPS[1]], client, bare["answered"]),
        figure("fill_to_callback", ours["fill to callback"], handed[0], handed[1](options.orders)),
    ]


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--orders", type=int, default=2000)
    options.add_argument("--processes", type=int, choices=(1, 3), default=1)
    options.add_argument("--spin", action="store_true")
    options.add_argument("--compiled", action="store_true")
    inputs = options.parse_args()
    own_cores()
    print(json.dumps({"figures": measure(inputs)}))


if __name__ == "__main__":
    main()
