"""From a halt, or the kill switch, to the last order that opens: a process asks for it while a robot asks
for opening orders without pause, and what the gateway's journal has after that moment is looked at.

The gateway is a process of its own, on an account of a simulated exchange, and writes commands to
the disk before it does them. An order that is on its journal before the command is may still be on
its way to the venue; none follows. Prints one JSON object of figures.

    python bench/halts.py [--count 40]
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import msgspec

from onetape.clients.gateway import GatewayClient
from onetape.model import catalogue
from onetape.model.enums import OrderType, RequestKind, Side, TimeInForce, TriggerBy
from onetape.model.home import gateway_journal
from onetape.orders.order_frames import REQUEST
from onetape.robot.live import addressed, gateway_process, simulated_exchange
from onetape.tape.journal import JournalReader, JournalWriter

SYMBOL = "binance:BTC/USDT:USDT"
EVERY_S = 0.005  # orders of the robot: 200 a second
REACH_MS = 100.0


class Flood(threading.Thread):
    """A robot's journal with an opening order, far from the market, and its cancel, without pause."""

    def __init__(self, writer: JournalWriter, number: int, base: int, price: int) -> None:
        super().__init__(daemon=True)
        self.writer, self.number, self.base, self.price = writer, number, base, price
        self.count = 0
        self.ends = threading.Event()

    def run(self) -> None:
        while not self.ends.wait(EVERY_S):
            self.count += 1
            for kind in (RequestKind.PLACE, RequestKind.CANCEL):
                self.writer.append("order_request", self.request(kind), stream=1, time=time.time_ns())

    def request(self, kind: RequestKind) -> bytes:
        limit, gtc, no_trigger = OrderType.LIMIT.id, TimeInForce.GTC.id, TriggerBy.NONE.id
        order = self.base + self.count
        ids = (kind.id, Side.BUY.id, limit, gtc, 0, no_trigger, 0)
        return REQUEST.pack(order, self.price, 10, 0, 0, *ids, self.number, b"")


def last_opening(path: Path, since: int) -> int:
    """The time of the last intent to place, 0: none since then. ns."""
    last = 0
    with JournalReader(path) as reader:
        reader.seek_time(since)
        for frame in reader.frames(("order_request",)):
            if frame.time >= since and REQUEST.unpack_from(frame.payload)[5] == RequestKind.PLACE.id:
                last = frame.time
    return last


def measured(client: GatewayClient, journal: Path, count: int) -> tuple[dict[str, list[float]], int]:
    """ms from each command to the last opening order, by its name, and how many times any came after it."""
    rng, found, late = random.Random(1), {"halt": [], "kill": []}, 0
    for step in range(2 * count):
        name = ("halt", "kill")[step % 2]
        fields: dict[str, Any] = {"scope": "system"} if name == "halt" else {"reason": "bench"}
        time.sleep(rng.uniform(0.05, 0.1))
        before = last_opening(journal, time.time_ns() - 10**9)
        assert before, "nothing was opened before it"
        began = time.time_ns()
        answer = client.ask("command", id=uuid.uuid4().hex, target="gateway:bench", command=name, fields=fields)
        time.sleep(0.3)  # sixty orders more are asked for
        last = last_opening(journal, began)
        late += bool(last)
        found[name].append(max(last - began, 0) / 1e6)
        end = ("lift_halt", {"id": answer["result"]["id"], "reason": "bench"}) if name == "halt" else ("unkill", {})
        client.ask("command", id=uuid.uuid4().hex, target="gateway:bench", command=end[0], fields=end[1])
    return found, late


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=40)
    inputs = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, simulated_exchange("binance-usdm", 3) as reported:
        home = Path(folder)
        options = msgspec.structs.replace(
            addressed(home, "bench", reported, reported["accounts"][0], [SYMBOL]), stale_ns=0
        )
        with gateway_process(options) as client, JournalWriter(home / "robot", process="robot:bench") as writer:
            instrument = catalogue.find(SYMBOL)
            assert instrument is not None
            writer.append_instrument(1, time.time_ns(), instrument.to_msgpack())
            life = client.ask("attach", name="bench", journal=str(home / "robot"), subaccount="main")
            client.ask("follow", robot=life["robot"])
            journal = gateway_journal(home, "bench")
            flood = Flood(writer, life["robot"], life["base"], instrument.price_int(58_500, Side.BUY))
            flood.start()
            while not last_opening(journal, time.time_ns() - 10**9):
                time.sleep(0.01)
            found, late = measured(client, journal, inputs.count)
            flood.ends.set()
            flood.join()
    print(json.dumps({"figures": [*figures(found), {"name": "commands with an order after them", "value": late}]}))


def figures(found: dict[str, list[float]]) -> list[dict[str, Any]]:
    return [
        {
            "name": f"{name} to the last opening order, {word}",
            "unit": "ms",
            "better": "less",
            "reach": REACH_MS if share == 1 else None,
            "value": round(sorted(samples)[int(share * (len(samples) - 1))], 2),
        }
        for name, samples in found.items()
        for word, share in (("p50", 0.5), ("most", 1.0))
    ]


if __name__ == "__main__":
    main()
