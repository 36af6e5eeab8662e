"""A gateway that was killed comes back: 1,000 orders work, 10,000 fills were missed.

A simulated exchange, a gateway and a robot's journal. The robot places 2,000 orders; the gateway is
killed with SIGKILL; half of the orders are filled meanwhile, in ten pieces each. Then the gateway
starts again, and the clock runs until it says that it is ready: every order, fill and position has
been compared. Requests and their weight are what the exchange counted. Beside it: the same start
once more, when nothing has happened.

    python bench/reconcile.py [--orders 1000] [--pieces 10]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from onetape.clients.gateway import GatewayClient
from onetape.exchange import venues
from onetape.exchange.binance import trading
from onetape.exchange.faulty import Faulty
from onetape.exchange.order_entry import NewOrder
from onetape.exchange.server import VenueServer
from onetape.model.catalogue import find
from onetape.model.enums import OrderType, RequestKind, Side, TimeInForce
from onetape.options.gateway import GatewayOptions
from onetape.orders.order_frames import REQUEST
from onetape.tape.journal import JournalWriter

SYMBOL = "binance:BTC/USDT:USDT"
LOT = 2  # in units of quantity, 0.002: worth more than the venue's least
WAIT_S = 60.0
BELOW = 500  # ticks under the best bid: the market does not come there by itself
BUDGET = 2400  # weight a minute, of an address (as of 2026-11)


# --- the exchange's side --------------------------------------------------------------------------


async def serve(pieces: int) -> None:
    """Told `fill PRICE COUNT`, `placed` or `used` a line; answers with a line of JSON."""
    trading.OPEN_ORDERS_MAX = 1_000_000  # type: ignore[misc]  # 200 of a symbol at the venue
    # The exchange's own market hardly moves.
    market = venues.Crowd(0.001)
    inner = venues.open_venue("binance-usdm", seed=7, now=time.time_ns(), limits=False, market=market)
    server = VenueServer(Faulty(inner, "binance-usdm", seed=7))
    exchange = server.dialect.exchange
    for account in exchange.accounts:
        exchange.accounts.deposit(account, "USDT", "100000000", exchange.now)
    port = await server.start("127.0.0.1", 0)
    account, other = exchange.accounts[:2]
    answer({"port": port, "key": account.key, "secret": account.secret})
    loop = asyncio.get_running_loop()
    limits: Any = inner.limits  # type: ignore[attr-defined]
    while line := (await loop.run_in_executor(None, sys.stdin.readline)).split():
        if line[0] == "fill":
            above = sum(size for price, size in exchange.board.levels(0, Side.BUY, 10_000) if price > int(line[1]))
            if above:  # what others bid comes first
                exchange.orders.place(
                    other,
                    0,
                    exchange.now,
                    NewOrder(
                        side=Side.SELL, type=OrderType.LIMIT, tif=TimeInForce.IOC, price=int(line[1]) + 1, size=above
                    ),
                )
            for number in range(int(line[2])):
                exchange.orders.place(
                    other,
                    0,
                    exchange.now,
                    NewOrder(side=Side.SELL, type=OrderType.LIMIT, tif=TimeInForce.IOC, price=int(line[1]), size=LOT),
                )
                if number % 500 == 0:
                    await asyncio.sleep(0)
            answer({"fills": len(account.trades), "open": len(account.open_orders)})
        elif line[0] == "placed":
            best = exchange.listings[0].bid - BELOW
            answer({"placed": len(account.by_id), "price": best, "fills": len(account.trades)})
        else:
            requests = len(server.dialect.received)  # type: ignore[attr-defined]
            weight = sum(recorded.weight for recorded in limits.addresses.values())
            for recorded in limits.addresses.values():
                recorded.weight = 0
            server.dialect.received.clear()  # type: ignore[attr-defined]
            answer({"requests": requests, "weight": weight})
    await server.stop()


def answer(value: dict[str, Any]) -> None:
    print(json.dumps(value), flush=True)


class Exchange:
    def __init__(self, pieces: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", "--pieces", str(pieces)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.ready: dict[str, Any] = json.loads(self.process.stdout.readline())

    def ask(self, line: str) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


# --- the gateway's side ---------------------------------------------------------------------------


@contextlib.contextmanager
def gateway(exchange: Exchange, home: Path) -> Iterator[tuple[float, GatewayClient]]:
    """(seconds until it was ready, a client); killed when the block ends."""
    reported = exchange.ready
    options = GatewayOptions(
        kind="binance-usdm",
        account="main",
        rest=f"http://127.0.0.1:{reported['port']}",
        ws=f"ws://127.0.0.1:{reported['port']}",
        key=reported["key"],
        secret=reported["secret"],
        home=str(home),
        symbols=[SYMBOL],
        orphans="keep",
    )
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "onetape.gateway.main"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(msgspec.json.encode(options))
    process.stdin.close()
    if process.stdout.readline() != b"ready\n":
        raise SystemExit("the gateway did not start")
    took = time.perf_counter() - began
    try:
        yield took, GatewayClient(home, "main")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


def settled(client: GatewayClient, **wanted: int) -> dict[str, Any]:
    """The gateway's status when it is as wanted."""
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        status = client.ask("status")
        if all(status[name] == value for name, value in wanted.items()):
            return status
        time.sleep(0.05)
    raise SystemExit(f"not {wanted}: {client.ask('status')}")


def place(exchange: Exchange, client: GatewayClient, journal: Path, prices: list[int], size: int) -> JournalWriter:
    writer = JournalWriter(journal, process="robot:bench", heartbeat=True)
    instrument = find(SYMBOL)
    assert instrument is not None
    writer.append_instrument(1, time.time_ns(), instrument.to_msgpack())
    reply = client.ask("attach", name="bench", journal=str(journal))
    client.ask("follow", robot=reply["robot"])
    for number, price in enumerate(prices, 1):
        payload = REQUEST.pack(
            reply["base"] + number, price, size, 0, 0, RequestKind.PLACE.id, Side.BUY.id,
            OrderType.LIMIT.id, TimeInForce.GTC.id, 0, 0, 0, reply["robot"], b"",
        )  # fmt: skip
        writer.append("order_request", payload, stream=1, time=time.time_ns())
        if number % 8 == 0:  # an exchange answers within the time that a request has
            until = time.monotonic() + WAIT_S
            while exchange.ask("placed")["placed"] < number:
                time.sleep(0.001)
                if time.monotonic() > until:
                    raise SystemExit(f"order {number} did not arrive: {client.ask('status')}")
    return writer


def measure(orders: int, pieces: int) -> list[dict[str, Any]]:
    exchange = Exchange(pieces)
    size = pieces * LOT
    with tempfile.TemporaryDirectory() as place_:
        home = Path(place_)
        with gateway(exchange, home) as (_, client):
            best = exchange.ask("placed")["price"]
            prices = [best] * orders + [best - 50_000] * orders
            robot = place(exchange, client, home / "robot", prices, size)
            settled(client, unknown=0)
        # What others bid at that price cuts some pieces in two.
        before = exchange.ask("placed")["fills"]
        reply, until = {"open": 2 * orders}, time.monotonic() + WAIT_S
        while reply["open"] > orders:
            reply = exchange.ask(f"fill {best} {orders * pieces // 4}")
            if time.monotonic() > until:
                raise SystemExit(f"{reply['open']} orders are still open")
        fills = reply["fills"]
        if fills - before < orders * pieces * 9 // 10:
            raise SystemExit(f"the market took {before} of {fills} fills before: run it again")
        exchange.ask("used")
        with gateway(exchange, home) as (took, client):
            status = settled(client, open=orders, booked=fills, unknown=0)
            used = exchange.ask("used")
            if status["differences"]:
                raise SystemExit(f"{status['differences']}")
        with gateway(exchange, home) as (second, client):
            settled(client, open=orders, booked=fills, unknown=0)
        robot.close()
    exchange.close()
    what = f"{orders:,} open orders, {orders * pieces:,} missed fills"
    return [
        {
            "name": f"reconciled after a kill: {what}",
            "value": took,
            "unit": "s",
            "better": "less",
            "against": {"name": "a start after which nothing has happened", "value": second},
        },
        {"name": "its requests", "value": used["requests"], "better": "less"},
        {
            "name": "their weight",
            "value": used["weight"],
            "better": "less",
            "against": {"name": "the venue's budget of a minute", "value": BUDGET},
        },
    ]


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--orders", type=int, default=1000)
    options.add_argument("--pieces", type=int, default=10)
    options.add_argument("--serve", action="store_true")
    inputs = options.parse_args()
    if inputs.serve:
        uvloop.run(serve(inputs.pieces))
        return
    print(json.dumps({"figures": measure(inputs.orders, inputs.pieces)}))


if __name__ == "__main__":
    main()
