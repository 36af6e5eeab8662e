"""A soak: `up` with a simulated exchange, a gateway, makers and a taker, for as long as said.

    tools/soak.py --minutes 60 [--every 10] [--robots 3]

Prints a line of memory (MB resident: its own, and mapped files), descriptors and processor of each
process now and then, and at the end the slope of its own memory over the last two thirds of the
time in MB an hour, by least squares: the first third is what a process fills once.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from onetape.supervisor.client import status_of

TICKS = os.sysconf("SC_CLK_TCK")
BUSY = "shift = 0, keep_within = 0"  # it quotes anew at each move of the market
STRATEGY = Path(__file__).parent.parent / "strategies" / "market_maker.py"
CONFIG = """
[venues.x]
kind = "binance-usdm"
mode = "sim"
[accounts.main]
venue = "x"
subaccounts = {{ {slots} }}
"""
# Takes from the market and from the makers, five times a second, and never holds much.
TAKER = """
from onetape import Strategy


class Taker(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("take", every="200ms")

    def on_timer(self, name):
        if self.quote(self.symbol) is None or self.orders(self.symbol):
            return
        side = self.sell if self.position(self.symbol).qty > 0 else self.buy
        side(self.symbol, 0.002)
"""
TAKES = """
[robots.taker]
strategy = "taker.py:Taker"
account = "main"
subaccount = "s{n}"
"""
ROBOT = """
[robots.r{n}]
strategy = "{strategy}:MarketMaker"
account = "main"
subaccount = "s{n}"
params = {{ buy_by = 0.01, sell_by = 0.01, buy_limit = 1.0, sell_limit = -1.0, {busy} }}
"""


class Look(NamedTuple):
    at: float  # seconds since the beginning
    memory: float  # MB of its own, resident (RssAnon)
    mapped: float  # MB of files and shared memory: tapes are the page cache's, and no growth
    files: int
    processor: float  # seconds, of all time


def look(pid: int, at: float) -> Look | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        files = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return None
    rows = (line.partition(":") for line in status if line.startswith("Rss"))
    rss = {name: int(kb.split()[0]) / 1024 for name, _, kb in rows}
    if not rss:  # it has ended, and nobody has waited for it yet
        return None
    mapped = rss["RssFile"] + rss["RssShmem"]
    return Look(at, rss["RssAnon"], mapped, files, (int(after[11]) + int(after[12])) / TICKS)


def slope(looks: list[Look]) -> float:
    """MB an hour."""
    kept = [each for each in looks if each.at >= looks[-1].at / 3]
    if len(kept) < 3:
        return 0.0
    middle = sum(each.at for each in kept) / len(kept)
    mean = sum(each.memory for each in kept) / len(kept)
    above = sum((each.at - middle) * (each.memory - mean) for each in kept)
    return 3600 * above / sum((each.at - middle) ** 2 for each in kept)


def soak(folder: Path, minutes: float, every: float, robots: int) -> None:
    names = range(1, robots + 2)  # the taker is the last
    slots = ", ".join(f"s{n} = {n + 1}" for n in names)
    text = (
        CONFIG.format(slots=slots)
        + TAKES.format(n=names[-1])
        + "".join(ROBOT.format(n=n, strategy=STRATEGY, busy=BUSY) for n in names[:-1])
    )
    (folder / "onetape.toml").write_text(text)
    (folder / "taker.py").write_text(TAKER)
    command = [sys.executable, "-m", "onetape"]
    subprocess.run([*command, "up"], cwd=folder, check=True)
    try:
        for n in names:
            fields = ("strategy=" + f"s{n}", "currency=USDT", "amount=20000", f"index={n + 1}")
            subprocess.run(
                [*command, "send", "gateway:main", "allocate", *fields],
                cwd=folder,
                check=True,
                stdout=subprocess.DEVNULL,
            )
        watch(folder / ".onetape", minutes, every)
    finally:
        subprocess.run([*command, "down"], cwd=folder, check=False)


def watch(home: Path, minutes: float, every: float) -> None:
    began = time.monotonic()
    seen: dict[tuple[str, int], list[Look]] = {}
    with suppress(KeyboardInterrupt):
        while (at := time.monotonic() - began) < minutes * 60:
            look_at_all(home, at, seen, every)
            time.sleep(every)
    print("\nprocess             from      to  MB/h (last two thirds)  files  processor")
    for (name, pid), looks in seen.items():
        spent = looks[-1].processor - looks[0].processor
        share = 100 * spent / max(looks[-1].at - looks[0].at, 1e-9)
        print(
            f"{name:14} {looks[0].memory:7.1f} {looks[-1].memory:7.1f} {slope(looks):+9.1f}"
            f"  {looks[0].files} -> {looks[-1].files}  {share:.1f} %  ({pid})"
        )


def look_at_all(home: Path, at: float, seen: dict[tuple[str, int], list[Look]], every: float) -> None:
    for process in status_of(home)["processes"]:
        pid = process["pid"]
        found = look(pid, at) if pid else None
        if found is None:
            continue
        looks = seen.setdefault((process["name"], pid), [])
        looks.append(found)
        share = found.processor - looks[-2].processor if len(looks) > 1 else 0.0
        print(
            f"{at:7.0f} s {process['name']:14} {process['state']:8} "
            f"{found.memory:7.1f} MB {found.mapped:7.1f} mapped {found.files:4} files "
            f"{100 * share / every:5.1f} %",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two looks")
    parser.add_argument("--robots", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        soak(Path(folder), options.minutes, options.every, options.robots)


if __name__ == "__main__":
    main()
