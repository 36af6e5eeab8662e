"""The quotes that we and the rivals are timed on: a random walk near 60,000, equal everywhere.

    python bench/peers/quotes.py FOLDER [COUNT]

Writes quotes.npy: int64 [n, 5] of ts_ns, bid (0.1), bid size (0.001), ask (0.1), ask size (0.001),
and quotes.csv, which `onetape import csv` reads.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

START_NS = 1_780_272_000 * 10**9  # 2026-06-01
STEP_NS = 5_000_000  # 200 quotes a second


def quotes(count: int) -> np.ndarray:
    random = np.random.default_rng(20260601)
    ts = START_NS + np.arange(count, dtype=np.int64) * STEP_NS + random.integers(0, STEP_NS, count)
    moved = np.where(random.random(count) < 0.3, random.integers(-3, 4, count), 0)
    bid = 600_000 + np.cumsum(moved)
    spread = random.choice([1, 1, 1, 2, 3], count)
    size = random.integers(1, 5_000, (2, count))
    return np.column_stack([ts, bid, size[0], bid + spread, size[1]])


def main() -> None:
    folder, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    rows = quotes(count)
    np.save(folder / "quotes.npy", rows)
    with (folder / "quotes.csv").open("w") as out:
        out.write("ts,bid,bid_size,ask,ask_size\n")
        for ts, bid, bid_size, ask, ask_size in rows.tolist():
            out.write(f"{ts},{bid / 10:.1f},{bid_size / 1000:.3f},{ask / 10:.1f},{ask_size / 1000:.3f}\n")


if __name__ == "__main__":
    main()
