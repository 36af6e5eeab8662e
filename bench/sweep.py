"""A sweep of 64 backtests on two worker processes against the same on one.

Two figures, for machines are seldom quiet. By the wall clock, in turns, the fastest of each; what
starts the workers is part of it, and so is everybody else who wants the cores. By processor time:
what one after the other takes (this process and its worker) over what the longest path takes when
two share the work (this process and half of both workers): the same on a busy machine, but blind
to cores that are not there.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path

from market_tapes import SYMBOL, walk_tape

import onetape

COUNT, PASSES = 1_000_000, 3
STRATEGY = f"""
from onetape import Strategy


class Cross(Strategy):
    fast: int = 5
    slow: int = 30

    def on_start(self):
        self.subscribe("{SYMBOL}", bars="1m@mid", quotes=True, history=self.slow)

    def on_quote(self, quote):
        self.mid = (quote.bid + quote.ask) / 2

    def on_bar(self, bar):
        closes = self.bars("{SYMBOL}", "1m@mid", self.slow).close
        if len(closes) == self.slow:
            up = closes[-self.fast:].mean() > closes.mean()
            self.set_target("{SYMBOL}", 0.1 if up else -0.1)
"""
GRID = {"fast": [*range(2, 10)], "slow": [*range(12, 28, 2)]}


def used(who: int) -> float:
    found = resource.getrusage(who)
    return found.ru_utime + found.ru_stime


def timed(code: Path, tape: Path, home: Path, jobs: int) -> tuple[float, float, bytes]:
    """Seconds by the clock, seconds of processor time along the longest path, the table."""
    own, workers = used(resource.RUSAGE_SELF), used(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    found = onetape.sweep(str(code), tape, params=GRID, jobs=jobs, metric="pnl", home=home, cash="10000000 USDT")
    seconds = time.perf_counter() - began
    own = used(resource.RUSAGE_SELF) - own
    workers = used(resource.RUSAGE_CHILDREN) - workers
    assert found.frame["error"].null_count() == 64
    return seconds, own + workers / jobs, (found.path / "results.parquet").read_bytes()


def main() -> None:
    tape = walk_tape(COUNT)
    home = Path(tempfile.mkdtemp(prefix="onetape-bench-"))
    try:
        code = home / "cross.py"
        code.write_text(STRATEGY)
        clock: dict[int, list[float]] = {1: [], 2: []}
        path: dict[int, list[float]] = {1: [], 2: []}
        tables = set()
        for _ in range(PASSES):
            for jobs in clock:
                seconds, longest, table = timed(code, tape, home, jobs)
                clock[jobs].append(seconds)
                path[jobs].append(longest)
                tables.add(table)
        assert len(tables) == 1, "the number of processes changed the table"
    finally:
        shutil.rmtree(home, ignore_errors=True)
    note = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end"
    print(json.dumps({"figures": [
        {"name": "sweep of 64 backtests, two processes over one, processor time",
         "value": min(path[1]) / min(path[2]), "unit": "times", "better": "more", "reach": 1.8},
        {"name": "sweep of 64 backtests, two processes over one, wall clock",
         "value": min(clock[1]) / min(clock[2]), "unit": "times", "better": "more", "reach": 1.8,
         "note": note},
        {"name": "sweep of 64 backtests of 1 M quotes, two processes", "value": min(clock[2]),
         "unit": "s", "better": "less", "note": note},
    ]}))  # fmt: skip


if __name__ == "__main__":
    main()
