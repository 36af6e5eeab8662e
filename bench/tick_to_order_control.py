"""What the REST interface costs a gateway: tick-to-order while it answers reads, or dry runs, beside none, in turns.

All of `init --delta-neutral` runs, with a robot on one account that answers each quote with an order which cannot fill;
dry runs ask the gateway of that account. Its venue plays a generated market several times as fast, and refuses nobody
for asking often: some 150 orders a second. A time is from a quote's receipt to the order's intent, both on that
gateway's tape: two processes lie between. Who calls has a machine of its own: what it does here is done when nobody
else has work.

A round has one short slice of each load, in a new order each time, so that what else the machine does is alike for all
of them. A change is that of the percentile over all rounds; its interval (95 %) is from drawing whole rounds anew, with
replacement. The reach holds where all of the interval is below it, is missed where all is above, else more rounds are
needed. On a machine that has no time for its answers the rounds end after `--limit` seconds.

    python bench/tick_to_order_control.py [--rounds 34] [--seconds 2] [--limit 220] [--connections 1000] [--only reads]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import uvloop
from page_home import figure

from control import CONTROL, ONETAPE, STATUS, Load, connect, cpu_s, pair, pid_of, request
from onetape.model.enums import EventType
from onetape.model.home import gateway_journal
from onetape.tape.journal import JournalReader
from onetape.tape.payloads import fields

PRICE, QUOTED = fields("order_request", "price"), fields("quote", "ts_recv", "bid")
ACCOUNT, SYMBOL, REACH = "binance-backup", "binance:BTC/USDT:USDT", 5.0
DRY_RUN = request("POST", "delta/control", {**CONTROL, "accounts": [ACCOUNT]})
LOADS = {"none": (b"", 0), "reads": (STATUS, 2000), "dry runs": (DRY_RUN, 300)}
SPEED = 16  # times the pace of the generated market, which has some 9 quotes a second
EVENTS_A_SECOND = 40  # of that market, at most
DRAWS = 2000
ECHO = f"""
[robots.echo]
strategy = "echo.py"
account = "{ACCOUNT}"
orders_per_second = 0
"""
# The price says which quote it answers: as many ticks lower as its receipt has microseconds.
STRATEGY = f"""
from onetape import Strategy


class Echo(Strategy):
    symbol: str = "{SYMBOL}"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        self.buy(self.symbol, 0.01, round(quote.bid - 500 - quote.ts_recv // 1000 % 1000 / 10, 1), tif="IOC")
"""
BELOW = 5000  # ticks: the 500


@contextmanager
def venue(folder: Path, seconds: float) -> Iterator[dict[str, str]]:
    """A simulated exchange that plays a generated market until the block ends. Yields the edits of the configuration by
    which the account trades there."""
    tape = folder / "market.tape"
    sample = ["sample", "--out", tape, "--symbol", SYMBOL, "--events", str(int(seconds * SPEED * EVENTS_A_SECOND))]
    subprocess.run([*ONETAPE, *sample], check=True, stdout=subprocess.DEVNULL)
    command = [*ONETAPE, "sim", "binance-usdm", "--no-limits", "--tape", tape, "--speed", str(SPEED), "--loop"]
    child = subprocess.Popen([*command, "--json"], cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        ready = json.loads(child.stdout.readline())
        (account, *_) = ready["accounts"]
        os.environ.update(BENCH_KEY=account["key"], BENCH_SECRET=account["secret"])
        kind, own = 'kind = "binance-usdm"\n', 'venue = "binance"\n'
        keys = 'key = "env:BENCH_KEY"\nsecret = "env:BENCH_SECRET"\n'
        yield {
            kind: f'{kind}rest = "{ready["rest"]}"\nws = "{ready["ws"]}"\n',
            own: own + keys,
            ', "binance:ETH/USDT:USDT"': "",
        }
    finally:
        child.terminate()
        child.wait(20)


def samples(home: Path) -> np.ndarray:
    """When each intent was written, and how long after its quote was received: (n, 2), ns."""
    received: dict[int, int] = {}  # by the price of an order that answers it
    found = []
    with JournalReader(gateway_journal(home, ACCOUNT)) as reader:
        for frame in reader.frames(("quote", "order_request")):
            if frame.type == EventType.ORDER_REQUEST.id:
                (price,) = PRICE.unpack_from(frame.payload)
                if price in received:
                    found.append((frame.time, frame.time - received[price]))
            else:
                at, bid = QUOTED.unpack(frame.payload)
                received[bid - BELOW - at // 1000 % 1000] = at
    return np.array(found, dtype=np.int64).reshape(-1, 2)


class Slices:
    """What the slices of one load had: windows (ns UTC), and what the gateway used in them."""

    def __init__(self) -> None:
        self.windows: list[tuple[int, int]] = []
        self.answered: list[float] = []
        self.cpu_s = 0.0
        self.taken_away = 0  # times that somebody else took its core

    def seconds(self) -> float:
        return sum(end - begin for begin, end in self.windows) / 1e9

    def of(self, found: np.ndarray) -> list[np.ndarray]:
        """Samples of each slice, ns."""
        edges = [np.searchsorted(found[:, 0], window) for window in self.windows]
        return [found[begin:end, 1] for begin, end in edges]


def taken_away(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("nonvoluntary_ctxt_switches")))


async def play(up: dict[str, Any], options: argparse.Namespace, slices: dict[str, Slices]) -> None:
    """Plays all rounds, on the same connections."""
    made, draw, pid = Load(b""), random.Random(1), pid_of(up, f"gateway:{ACCOUNT}")
    ends = time.monotonic() + options.limit
    for _ in range(options.rounds):
        if time.monotonic() > ends:
            break
        await connect(up, options.connections - len(made.idle), made)  # some may have been closed
        for name in draw.sample(list(slices), len(slices)):
            (made.call, rate), each = LOADS[name], slices[name]
            before, switches = cpu_s(pid), taken_away(pid)
            if rate:
                made.spent.clear()
                each.answered.append((await made.run(rate, options.seconds))["per_second"])
            else:
                began = time.time_ns()
                await asyncio.sleep(options.seconds)
                made.window = (began, time.time_ns())
            each.windows.append(made.window)
            each.cpu_s += cpu_s(pid) - before
            each.taken_away += taken_away(pid) - switches
    if made.refused:
        raise SystemExit(f"{made.refused} calls were refused: nothing was measured")
    for caller in list(made.idle):
        caller.transport.close()


def change(ones: list[np.ndarray], others: list[np.ndarray], which: int) -> tuple[float, float, float]:
    """Returns by how many percent a percentile of the others is more than that of the ones, and the bounds of its
    interval."""

    def of(rounds: Any) -> float:
        base, value = (np.percentile(np.concatenate([arm[at] for at in rounds]), which) for arm in (ones, others))
        return 100 * float(value / base - 1)

    draw = np.random.default_rng(1)
    drawn = [of(draw.integers(len(ones), size=len(ones))) for _ in range(DRAWS)]
    low, high = np.percentile(drawn, (2.5, 97.5))
    return of(range(len(ones))), float(low), float(high)


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    wanted = options.only.split(",")
    slices = {name: Slices() for name in LOADS if name == "none" or name in wanted}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "echo.py").write_text(STRATEGY)
        with venue(folder, options.rounds * len(slices) * options.seconds) as edits, pair(folder, ECHO, edits) as up:
            time.sleep(2)  # it stands
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
            uvloop.run(play(up, options, slices))
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        found = samples(folder / ".onetape")
    base = slices["none"].of(found)
    rows = []
    for name, each in slices.items():
        own, seconds = each.of(found), each.seconds()
        count = sum(map(len, own))
        if count < 100:
            raise SystemExit(f"{name}: {count} orders in {len(own)} rounds: nothing was measured")
        rows.append(figure(f"{name}: orders", count, "", None))
        rows.append(figure(f"{name}: processor time of the gateway", 1000 * each.cpu_s / seconds, "ms/s", None))
        rows.append(figure(f"{name}: gateway lost its core", each.taken_away / seconds, "/s", None))
        if each.answered:
            rows.append(figure(f"{name}: answered", sum(each.answered) / len(own), "/s", None))
        for which in (50, 99):
            value = float(np.percentile(np.concatenate(own), which)) / 1000
            rows.append(figure(f"tick to intent, {name}, p{which}", value, "us", None))
            if name != "none":
                shift, low, high = change(base, own, which)
                reach = REACH if which == 99 else None
                made = figure(f"tick to intent, {name}, change of p{which}", shift, "%", reach)
                verdict = "holds" if high < REACH else "is missed" if low > REACH else "is not decided: more rounds"
                said = f"; the reach {verdict}" if reach else ""
                rows.append({**made, "note": f"95 %: {low:+.1f} to {high:+.1f} %{said}"})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=34)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--limit", type=float, default=220.0, help="seconds of all rounds")
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--only", default="reads,dry runs", help="loads beside none, by comma")
    print(json.dumps({"load_average": os.getloadavg()[0], "figures": measure(parser.parse_args())}))


if __name__ == "__main__":
    main()
