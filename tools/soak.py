"""A soak: `up` with a simulated exchange, a gateway and robots, and what each process takes.

    tools/soak.py --minutes 60 [--every 10] [--robots 3]

Prints a line of memory (MB resident), descriptors and processor of each process now and then, and
at the end the slope of its memory over the last two thirds of the time in MB an hour, by least
squares: the first third is what a process fills once.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from onetape.services.supervisor_client import status_of

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20
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
ROBOT = """
[robots.r{n}]
strategy = "{strategy}:MarketMaker"
account = "main"
subaccount = "s{n}"
params = {{ buy_by = 0.01, sell_by = 0.01, buy_limit = 0.02, sell_limit = -0.02, {busy} }}
"""


class Look(NamedTuple):
    at: float  # seconds since the beginning
    memory: float  # MB, resident and nobody else's file
    files: int
    processor: float  # seconds, of all time


def look(pid: int, at: float) -> Look | None:
    try:
        pages = (Path(f"/proc/{pid}/statm")).read_text().split()
        after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        files = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return None
    # Mapped tapes are the page cache's: they count as shared.
    own = (int(pages[1]) - int(pages[2])) * PAGE_MB
    return Look(at, own, files, (int(after[11]) + int(after[12])) / TICKS)


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
    names = range(1, robots + 1)
    slots = ", ".join(f"s{n} = {n + 1}" for n in names)
    text = CONFIG.format(slots=slots) + "".join(
        ROBOT.format(n=n, strategy=STRATEGY, busy=BUSY) for n in names
    )
    (folder / "onetape.toml").write_text(text)
    command = [sys.executable, "-m", "onetape"]
    subprocess.run([*command, "up"], cwd=folder, check=True)
    try:
        for n in names:
            fields = ("strategy=" + f"s{n}", "currency=USDT", "amount=20000", f"index={n + 1}")
            subprocess.run([*command, "send", "gateway:main", "allocate", *fields], cwd=folder,
                           check=True, stdout=subprocess.DEVNULL)  # fmt: skip
        watch(folder / ".onetape", minutes, every)
    finally:
        subprocess.run([*command, "down"], cwd=folder, check=False)


def watch(home: Path, minutes: float, every: float) -> None:
    began = time.monotonic()
    seen: dict[tuple[str, int], list[Look]] = {}
    while (at := time.monotonic() - began) < minutes * 60:
        for process in status_of(home)["processes"]:
            pid = process["pid"]
            found = look(pid, at) if pid else None
            if found is not None:
                looks = seen.setdefault((process["name"], pid), [])
                looks.append(found)
                share = found.processor - looks[-2].processor if len(looks) > 1 else 0.0
                print(f"{at:7.0f} s {process['name']:14} {process['state']:8} "
                      f"{found.memory:7.1f} MB {found.files:4} files {100 * share / every:5.1f} %",
                      flush=True)  # fmt: skip
        time.sleep(every)
    print("\nprocess             from      to  MB/h (last two thirds)  files  processor")
    for (name, pid), looks in seen.items():
        spent = looks[-1].processor - looks[0].processor
        share = 100 * spent / max(looks[-1].at - looks[0].at, 1e-9)
        print(f"{name:14} {looks[0].memory:7.1f} {looks[-1].memory:7.1f} {slope(looks):+9.1f}"
              f"  {looks[0].files} -> {looks[-1].files}  {share:.1f} %  ({pid})")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two looks")
    parser.add_argument("--robots", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        soak(Path(folder), given.minutes, given.every, given.robots)


if __name__ == "__main__":
    main()
