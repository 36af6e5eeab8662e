"""What the REST interface costs a gateway: tick-to-order while it answers reads, or dry runs, beside none, in turns.

All of `init --delta-neutral` runs, with a robot on one account that answers quotes with orders which cannot fill, as
often as the venue's limits let it; dry runs ask the gateway of that account. A time is from a quote's receipt to the
order's intent, both on that gateway's tape: two processes lie between. Who calls has a machine of its own: what it does
here is done when nobody else has work.

    python bench/tick_to_order_control.py [--rounds 5] [--seconds 20] [--connections 1000]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop
from page_home import figure
from tick_to_order import percent

from control import CONTROL, STATUS, Load, load, pair, request
from onetape.gateway.options import gateway_journal
from onetape.gateway.order_frames import QUOTE, REQUEST
from onetape.model.enums import EventType
from onetape.tape.journal import JournalReader

ACCOUNT, REACH = "binance-backup", 5.0
DRY_RUN = request("POST", "delta/control", {**CONTROL, "accounts": [ACCOUNT]})
LOADS = {"none": (b"", 0), "reads": (STATUS, 2000), "dry runs": (DRY_RUN, 300)}
ECHO = f"""
[robots.echo]
strategy = "echo.py"
account = "{ACCOUNT}"
"""
# The price says which quote it answers: as many ticks lower as its receipt has microseconds.
STRATEGY = """
from onetape import Strategy


class Echo(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.due = 0

    def on_quote(self, quote):
        if self.due < self.now + 2_000_000_000:
            self.due = max(self.due, self.now) + 66_000_000  # ns: 15 a second, 30 at once
            price = round(quote.bid - 500 - quote.ts_recv // 1000 % 1000 / 10, 1)
            self.buy(self.symbol, 0.01, price, tif="IOC")
"""
BELOW = 5000  # ticks: the 500


def samples(home: Path) -> list[tuple[int, int]]:
    """When each intent was written, and how long after its quote was received; ns."""
    received: dict[int, int] = {}  # by the price of an order that answers it
    found = []
    with JournalReader(gateway_journal(home, ACCOUNT)) as reader:
        for frame in reader.frames(("quote", "order_request")):
            if frame.type == EventType.ORDER_REQUEST.id:
                _, price, *_ = REQUEST.unpack_from(frame.payload)
                if price in received:
                    found.append((frame.time, frame.time - received[price]))
            else:
                _, at, bid, *_ = QUOTE.unpack(frame.payload)
                received[bid - BELOW - at // 1000 % 1000] = at
    return found


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    windows: dict[str, list[tuple[int, int]]] = {name: [] for name in LOADS}
    answered: dict[str, list[float]] = {name: [] for name in LOADS}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "echo.py").write_text(STRATEGY)
        with pair(folder, ECHO) as up:
            time.sleep(2)  # it stands
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
            for number in range(options.rounds):
                for name in list(LOADS)[:: 1 if number % 2 else -1]:
                    made, (call, rate) = Load(LOADS[name][0]), LOADS[name]
                    if call:
                        work = load(up, options.connections, made, rate, options.seconds)
                        answered[name].append(uvloop.run(work)["per_second"])
                    else:
                        made.window = (time.time_ns(), time.time_ns() + int(options.seconds * 1e9))
                        time.sleep(options.seconds)
                    windows[name].append(made.window)
        all_ = samples(folder / ".onetape")
    rows, base = [], {}
    for name, parts in windows.items():
        spent = [took for at, took in all_ if any(begin <= at < end for begin, end in parts)]
        if len(spent) < 100:
            raise SystemExit(f"{name}: {len(spent)} orders in {len(parts)} rounds: nothing was measured")
        rows.append(figure(f"{name}: orders", len(spent), "", None))
        if LOADS[name][1]:
            rows.append(figure(f"{name}: answered", sum(answered[name]) / len(parts), "/s", None))
        for which in (50, 99):
            value = percent(spent, which)
            rows.append(figure(f"tick to intent, {name}, p{which}", value, "us", None))
            change = 100 * (value / base.setdefault(which, value) - 1)
            if LOADS[name][1]:
                reach = REACH if which == 99 else None
                rows.append(figure(f"tick to intent, {name}, change of p{which}", change, "%", reach))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--connections", type=int, default=1000)
    print(json.dumps({"load_average": os.getloadavg()[0], "figures": measure(parser.parse_args())}))


if __name__ == "__main__":
    main()
