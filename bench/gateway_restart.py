"""A gateway that was killed is ready again, however long its tape has become.

The tape of a day is written as a gateway writes it, without sockets: orders placed, answered and
filled or expired, money booked, quotes between. Then a gateway starts on it at a simulated venue:
once from the tape's beginning, once from the checkpoint that is made beside it, once on an empty
home, which is what nobody can be faster than here.

    python bench/gateway_restart.py [--orders 200000] [--quotes 10]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from gateway_memory import BATCH, Robot, settle
from order_inside import SYMBOL, Inside
from reconcile import Exchange, gateway

from onetape.gateway.checkpoint_process import make
from onetape.model.catalogue import find
from onetape.model.home import gateway_journal
from onetape.options.gateway import GatewayOptions


async def write_day(home: Path, orders: int, quotes: int) -> None:
    """orders: half of them are filled; quotes: before each."""
    inside = Inside(home)
    robot = Robot(inside, home / "robot")
    while robot.placed < orders:
        for _ in range(min(BATCH, orders - robot.placed)):
            now = time.time_ns()
            for _ in range(quotes):
                inside.writer.append_quote(1, now, now, 600_000, 600_001, 10, 10)
            robot.place()
            inside.robots.look()
            settle(inside, robot.placed)
    inside.robots.close()
    inside.core.money.close()
    inside.writer.close()
    robot.writer.close()


def ready_after(exchange: Exchange, home: Path) -> tuple[float, int]:
    """Seconds, and the frame of the checkpoint that it started from."""
    with gateway(exchange, home) as (took, client):
        return took, client.ask("status")["started_from"]


def measure(orders: int, quotes: int) -> list[dict[str, Any]]:
    exchange = Exchange(1)
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryDirectory() as empty:
        home = Path(place)
        asyncio.run(write_day(home, orders, quotes))
        size = sum(p.stat().st_size for p in gateway_journal(home, "main").glob("*.tape"))
        whole, start = ready_after(exchange, home)
        if start:
            raise SystemExit(f"it started from frame {start}")
        options = GatewayOptions(
            kind="binance-usdm", account="main", rest="", ws="", key="", secret="", home=place, symbols=[SYMBOL]
        )
        instrument = find(SYMBOL)
        assert instrument is not None
        began = time.perf_counter()
        make(options, [instrument], {})
        first = time.perf_counter() - began
        began = time.perf_counter()
        make(options, [instrument], {})
        next_one = time.perf_counter() - began
        ready, start = ready_after(exchange, home)
        if not start:
            raise SystemExit("it did not start from its checkpoint")
        bare, _ = ready_after(exchange, Path(empty))
    exchange.close()
    what = f"{orders:,} orders, {orders * quotes:,} quotes, {size >> 20} MiB"
    return [
        {
            "name": f"killed gateway ready again after a day's tape: {what}",
            "value": ready,
            "unit": "s",
            "better": "less",
            "reach": 2,
            "against": {"name": "a gateway on an empty home", "value": bare},
        },
        {"name": "the same from the tape's beginning", "value": whole, "unit": "s", "better": "less"},
        {"name": "its checkpoint, made from the tape's beginning", "value": first, "unit": "s", "better": "less"},
        {"name": "its checkpoint, made from the one before", "value": next_one, "unit": "s", "better": "less"},
    ]


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--orders", type=int, default=200_000)
    options.add_argument("--quotes", type=int, default=10)
    inputs = options.parse_args()
    print(json.dumps({"figures": measure(inputs.orders, inputs.quotes)}))


if __name__ == "__main__":
    main()
