"""A gateway's memory over a million orders: what grows after it has warmed up.

A robot's requests come from its journal, each order is placed, answered, filled or cancelled, and
everything goes to the gateway's tape; there are no sockets. What counts is the memory that the
process has to itself: pages of the tapes can be written back at any time.

    python bench/gateway_memory.py [--orders 1000000]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

import msgspec
from order_inside import RAW, SYMBOL, Inside

from onetape.model.catalogue import find
from onetape.model.enums import OrderType, RequestKind, Side, TimeInForce
from onetape.orders.order_frames import REQUEST
from onetape.tape.journal import JournalWriter

WARM = 0.3  # of the orders: every bound has been reached by then
BATCH = 1000
PRICE, SIZE = 600_000, 10


def memory_kib() -> int:
    """Anonymous pages of this process."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))


class Robot:
    """Writes requests as a robot's journal has them."""

    def __init__(self, inside: Inside, journal: Path) -> None:
        self.writer = JournalWriter(journal, process="robot:bench", durable=False)
        instrument = find(SYMBOL)
        assert instrument is not None
        self.writer.append_instrument(1, time.time_ns(), instrument.to_msgpack())
        answer = inside.ask("attach", name="bench", journal=str(journal))
        self.number, self.base = answer["robot"], answer["base"]
        inside.ask("follow", robot=self.number)
        self.placed = 0

    def place(self) -> None:
        self.placed += 1
        payload = REQUEST.pack(
            self.base + self.placed,
            PRICE,
            SIZE,
            0,
            0,
            RequestKind.PLACE.id,
            (Side.BUY if self.placed % 2 else Side.SELL).id,
            OrderType.LIMIT.id,
            TimeInForce.IOC.id,
            0,
            0,
            0,
            self.number,
            b"",
        )
        self.writer.append("order_request", payload, stream=1, time=time.time_ns())


def settle(inside: Inside, number: int) -> None:
    """Half of the orders are filled, the others come to nothing."""
    call, _ = inside.sent.pop(0)
    assert call.subject is not None
    now = time.time_ns()
    name = call.subject.client_id
    row = {
        "orderId": number,
        "symbol": RAW,
        "clientOrderId": name,
        "status": "NEW",
        "price": "60000",
        "origQty": "0.010",
        "executedQty": "0",
        "side": "BUY" if number % 2 else "SELL",
        "type": "LIMIT",
        "timeInForce": "IOC",
        "positionSide": "BOTH",
        "reduceOnly": False,
        "updateTime": now // 1_000_000,
    }
    answer = inside.protocol.answer(call, 200, {}, msgspec.json.encode(row), now)
    inside.manager.answered(call, answer, now)
    is_filled = number % 4 < 2
    event = {"s": RAW, "c": name, "S": row["side"], "o": "LIMIT", "f": "IOC", "q": "0.010",
             "p": "60000.0", "ap": "60000.0", "sp": "0", "x": "TRADE" if is_filled else "EXPIRED",
             "X": "FILLED" if is_filled else "EXPIRED", "i": number,
             "l": "0.010" if is_filled else "0", "z": "0.010" if is_filled else "0",
             "L": "60000.0", "T": now // 1_000_000, "t": number if is_filled else 0, "m": False,
             "R": False, "ps": "BOTH", "rp": "0", "N": "USDT", "n": "0.024"}  # fmt: skip
    message = {"e": "ORDER_TRADE_UPDATE", "E": 1, "T": now // 1_000_000, "o": event}
    inside.manager.hear(inside.protocol.reports_of(msgspec.json.encode(message)), now)
    inside.core.carry_out()


async def measure(orders: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as place:
        inside = Inside(Path(place))
        robot = Robot(inside, Path(place) / "robot")
        warm = early = 0
        while robot.placed < orders:
            for _ in range(min(BATCH, orders - robot.placed)):
                robot.place()
                inside.robots.look()
                settle(inside, robot.placed)
            if not early:
                early = memory_kib()
            if not warm and robot.placed >= orders * WARM:
                warm = memory_kib()
        end = memory_kib()
        if inside.manager.open:
            raise SystemExit(f"{len(inside.manager.open)} orders are still open")
        inside.robots.close()
        inside.writer.close()
        robot.writer.close()
    return {"early": early / 1024, "warm": warm / 1024, "end": end / 1024}


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--orders", type=int, default=1_000_000)
    orders = options.parse_args().orders
    found = asyncio.run(measure(orders))
    rest = int(orders * (1 - WARM))
    print(json.dumps({"figures": [
        {"name": f"gateway memory after {orders:,} orders", "value": found["end"], "unit": "MiB",
         "better": "less",
         "against": {"name": f"after the first {BATCH:,}", "value": found["early"]}},
        {"name": "its growth after it has warmed up", "unit": "bytes an order", "better": "less",
         "value": max(found["end"] - found["warm"], 0) * 2**20 / rest, "reach": 5},
    ]}))  # fmt: skip


if __name__ == "__main__":
    main()
