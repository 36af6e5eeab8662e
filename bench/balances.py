"""Balances in shared memory: reads and writes by C++ and Python, reads beside a writer at full
speed, and the way from a fill's entry at the gateway to its balance in another process.

Prints figures as JSON. Of Python: CPU time of a call, the best of five rounds. Of the way between
processes: the entry is appended to the gateway's journal and then put into its table; the reader
polls the table, or sleeps until the journal's doorbell rings and then looks at the table.

    python bench/balances.py [--reads 100000000] [--seconds 60] [--count 2000]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable
from pathlib import Path

from journal_core import compiled

from onetape.accounts import StrategyBalanceManager
from onetape.accounts.table import LAYOUT, AccountTable
from onetape.tape.journal import JournalReader, JournalWriter, type_id
from onetape.tape.state import StateReader
from onetape.tape.wait import Waiter

CALLS, ROUNDS = 50_000, 5
UNIT = 10**18
FRAME = type_id("timer")  # any small frame does
HOUR = 3600.0
EACH = "an entry each half millisecond"
SAMPLES_MIN = 50  # of a busy machine's: several entries may be seen at once


def best(call: Callable[[], object]) -> float:
    timer = timeit.Timer("call()", timer=time.process_time, globals={"call": call})
    return round(min(timer.repeat(ROUNDS, CALLS)) / CALLS * 1e9, 1)


def opened(home: Path) -> AccountTable:
    return AccountTable(home, venue="bench", account="main", kind="bench")


def slots(step: int) -> tuple[list[int], list[int]]:
    parts = [(step + slot) * UNIT + 123_456_789 for slot in range(7)]
    return [sum(parts), *parts], [0] * 8


def calls(home: Path) -> list[tuple[str, float, float | None]]:
    table = opened(home)
    totals, held = slots(10_000)
    table.put("USD", totals, held, ts=1, sequence=1)
    table.ready()
    manager = StrategyBalanceManager("bench", home=home, max_age=HOUR)
    received = [
        ("read of a slot as a Decimal", best(lambda: manager.get_balance("USD", 2)), 700.0),
        ("read of all eight as Decimals", best(lambda: manager.get_all("USD")), None),
        ("write of eight slots", best(lambda: table.put("USD", totals, held, ts=1, sequence=1)), None),
    ]
    table.close()
    return received


def pin(cpu: int) -> None:
    if hasattr(os, "sched_setaffinity") and cpu < (os.cpu_count() or 1):
        os.sched_setaffinity(0, {cpu})


def gateway(home: Path, count: int, pause_s: float) -> None:
    """Books `count` entries, each with the time at which it began."""
    table = opened(home)
    writer = JournalWriter(home / "journal", durable=False)
    table.put("USD", *slots(0), ts=0, sequence=0)
    table.ready()
    append, put, clock = writer.append_raw, table.put, time.monotonic_ns
    time.sleep(0.3)
    for step in range(1, count + 1):
        totals, held = slots(step)
        time.sleep(pause_s)
        began = clock()
        append(FRAME, b"", 0, 0, began)
        put("USD", totals, held, ts=began, sequence=step)
        if step % 100 == 0:
            table.alive(time.time_ns())
    time.sleep(0.2)
    os._exit(0)


def way(home: Path, count: int, *, is_spinning: bool) -> dict[str, float]:
    """us from the start of an entry to its balance in this process."""
    child = os.fork()
    if child == 0:
        pin(1)
        gateway(home, count, 0.0005)
    pin(0)
    while not (home / "journal").exists() or not list((home / "state").glob("*.table.*")):
        time.sleep(0.001)
    state = StateReader(home / "state", "gateway:main", LAYOUT)
    while (group := state.slots("balance", "USD")) is None:
        time.sleep(0.001)
    clock = time.monotonic_ns
    samples: list[int] = []
    seen = 0

    def look() -> int:
        """The last entry whose balance is there."""
        nonlocal seen
        recorded = group.all()
        now = clock()
        if recorded is not None and recorded[4] > seen:
            seen = recorded[4]
            samples.append(now - recorded[3])
        return seen

    if is_spinning:
        while look() < count:
            pass
    else:
        reader = JournalReader(home / "journal")
        waiter = Waiter(home / "bells")
        waiter.add(reader)
        frames = 0

        def on_frame(*_frame: object) -> bool:
            nonlocal frames
            frames += 1
            while look() < frames:  # the table follows the frame at once
                pass
            return frames == count

        waiter.follow(on_frame, 60.0, spin=0.0)
    os.waitpid(child, 0)
    samples.sort()
    if len(samples) < SAMPLES_MIN:
        sys.exit(f"only {len(samples)} balances were seen")
    at = lambda part: round(samples[int(len(samples) * part)] / 1000, 1)  # noqa: E731
    return {"p50": round(statistics.median(samples) / 1000, 1), "p99": at(0.99)}


def figure(name: str, value: float, unit: str, reach: float | None = None, note: str = "") -> dict[str, object]:
    return {
        "name": f"balances: {name}",
        "value": value,
        "unit": unit,
        "better": "less",
        "reach": reach,
        "against": None,
        "note": note,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reads", type=int, default=100_000_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--count", type=int, default=2_000)
    options = parser.parse_args()
    base = "/dev/shm" if Path("/dev/shm").is_dir() else None
    figures = []
    with tempfile.TemporaryDirectory(dir=base) as folder:
        program = compiled("slots_bench", ("base", "state"))
        done = subprocess.run(
            [str(program), folder, str(options.reads), str(options.seconds)], check=True, capture_output=True, text=True
        )
        core = json.loads(done.stdout)
        beside = f"of {core['reads']:,}; {core['changes']:,} writes seen in {core['seconds']} s"
        figures += [
            figure("read of a slot, C++", core["read_one_ns"], "ns", 30),
            figure("read of a slot and the writer's age, C++", core["read_one_and_age_ns"], "ns"),
            figure("read of all eight, proven, C++", core["read_all_ns"], "ns"),
            figure("write of eight, C++", core["write_ns"], "ns"),
            figure("torn or unequal reads beside a writer", core["unequal"], "reads", 0, beside),
        ]
        for name, value, reach in calls(Path(folder) / "calls"):
            figures.append(figure(f"{name}, Python", value, "ns", reach))
        for label, is_spinning, reach in (("spinning", True, 10.0), ("sleeping", False, 40.0)):
            reported = way(Path(folder) / label, options.count, is_spinning=is_spinning)
            name = f"entry to balance in another process, {label}"
            figures.append(figure(f"{name}, median", reported["p50"], "us", reach, EACH))
            figures.append(figure(f"{name}, 99 %", reported["p99"], "us"))
    json.dump({"figures": figures}, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
