"""A thousand crosses of two averages over a year of one-minute bars of one symbol, in one sweep on two processes: with
fees, margin, orders, a journal and all statistics of each.

    python bench/sweep_one_pass.py [DAYS]

Seconds are of the processor along the longest path (this process and half of its workers, their start included), so
that other work of the machine does not count; so are vectorbt's, which stand beside it where `make peers` ran them.
Fills and gains are compared with arithmetic on whole numbers and, set by set, with vectorbt's.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

from year_of_bars import DAY, NAMES, PEERS, START, tape

import onetape

sys.path.insert(0, str(Path(__file__).parent / "peers"))
from bars import FASTS, MINUTES, SLOWS, cross, prices

RIVAL = "vectorbt sweep"
JOBS = 2
STRATEGY = f"""
from onetape import Strategy, compiled


@compiled
class Cross(Strategy):
    fast: int = 10
    slow: int = 30

    def on_start(self):
        self.subscribe("{NAMES[0]}", bars="1m")

    def on_bar(self, bar):
        closes = self.bars("{NAMES[0]}", "1m", self.slow).close
        if len(closes) == self.slow:
            self.set_target("{NAMES[0]}", 0.01 if closes[-self.fast :].mean() > closes.mean() else 0)
"""


def processor(who: int) -> float:
    found = resource.getrusage(who)
    return found.ru_utime + found.ru_stime


def swept(path: Path, days: int) -> tuple[Any, float, float]:
    """Rows of the sweep, its seconds of the processor along the longest path, and by the clock."""
    home = Path(tempfile.mkdtemp(prefix="onetape-bench-"))
    try:
        code = home / "cross.py"
        code.write_text(STRATEGY)
        own, workers, began = (
            processor(resource.RUSAGE_SELF),
            processor(resource.RUSAGE_CHILDREN),
            time.perf_counter(),
        )
        found = onetape.sweep(
            str(code),
            path,
            params={"fast": [*FASTS], "slow": [*SLOWS]},
            jobs=JOBS,
            home=home,
            cash="10000000 USDT",
            fee=(0, "0.0005"),
            latency="0ms",
            leverage=10,
            end=START + days * DAY + 1 if days else None,
        )
        clock = time.perf_counter() - began
        workers = processor(resource.RUSAGE_CHILDREN) - workers
        rows = found.frame.select("fast", "slow", "fills", "pnl", "error").rows()
        assert all(row[-1] is None for row in rows)
        return rows, processor(resource.RUSAGE_SELF) - own + workers / JOBS, clock
    finally:
        shutil.rmtree(home, ignore_errors=True)


def furthest(rows: Any, others: Any) -> tuple[int, float]:
    """The largest difference of fills and of gain (USDT) between two tables of sets."""
    pairs = list(zip(rows, others, strict=True))
    return max(abs(a[0] - b[0]) for a, b in pairs), max(abs(a[1] - b[1]) for a, b in pairs)


def main() -> None:
    days = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    rows, seconds, clock = swept(tape(1), days)
    ours = [(fills, gain) for _, _, fills, gain, _ in rows]
    walk = prices()[: days * 1_440 + 1 if days else None, :1]
    expected = [cross(walk, fast, slow) for fast, slow in product(FASTS, SLOWS)]
    fills, gain = furthest(ours, expected)
    lines = [f"Against arithmetic on whole numbers: {fills} fills and {gain:.4f} USDT at most in any of the sets."]
    results = json.loads(PEERS.read_text())["results"] if PEERS.is_file() else {}
    rival = results.get(RIVAL, {"not_available": "see make peers"})
    if "sets" in rival and rival["events"] == len(rows) * (days * 1_440 or MINUTES):
        fills, gain = furthest(ours, rival["sets"])
        lines.append(f"Against vectorbt's: {fills} fills, {gain:.4f} USDT.")
    figures = [
        {
            "name": "sweep of 1,000 crosses, a year of minute bars, two processes",
            "value": seconds,
            "unit": "s",
            "better": "less",
            "headline": True,
            "note": f"{clock:.0f} s by the clock",
        },
        {
            "name": "sweep of 1,000 crosses, bars",
            "value": len(rows) * (days * 1_440 or MINUTES) / seconds,
            "unit": "bars/s",
            "beside": (RIVAL,),
        },
    ]
    print(json.dumps({"figures": figures, "tables": lines}))


if __name__ == "__main__":
    main()
