"""vectorbt 1.2.0 (the free one) over a year of minute bars of one symbol: a thousand crosses of two averages.

    python vectorbt_sweep.py year-of-bars.npy year|DAYS

Two processes share the sets, a chunk at a time, so that the arrays fit a memory: each average once, then signals,
orders at the close, fees, and of each set its gain, fills, Sharpe ratio and drawdown. Seconds are of the processor
along the longer of the two, from prices to the table; what compiles (a run over ten days in each) and imports is
outside of it.
"""

from __future__ import annotations

import json
import sys
import time
from multiprocessing import get_context

import numpy as np
import pandas as pd
import vectorbt as vbt
from bars import FASTS, QTY, SLOWS, TAKER, load

CHUNK, PROCESSES = 20, 2


def simulate(prices: np.ndarray, fasts: list[int], slows: list[int]) -> list[tuple[int, float, float, float]]:
    """Of each set: fills, gain, Sharpe ratio of hours, largest drawdown."""
    index = pd.date_range("2024-01-01", periods=len(prices), freq="1min")
    close = pd.Series(prices, index=index)
    windows = {each: vbt.MA.run(close, each).ma.to_numpy() for each in {*fasts, *slows}}
    pairs = [(fast, slow) for fast in fasts for slow in slows]
    found = []
    for at in range(0, len(pairs), CHUNK):
        some = pairs[at : at + CHUNK]
        above = np.column_stack([windows[fast] > windows[slow] for fast, slow in some])
        done = vbt.Portfolio.from_signals(
            close, pd.DataFrame(above, index=index), ~above, size=QTY, fees=TAKER, init_cash=10_000_000, freq="1min"
        )
        columns = done.orders.count(), done.total_profit(), done.sharpe_ratio(), done.max_drawdown()
        found += list(zip(*(each.tolist() for each in columns), strict=True))
    return found


def work(job: tuple[np.ndarray, list[int], list[int]]) -> tuple[float, list[tuple[int, float, float, float]]]:
    began = time.process_time()
    found = simulate(*job)
    return time.process_time() - began, found


def main(path: str, days: str) -> None:
    rows, minutes = load(path, days)
    prices = rows[1:, 0] / 100
    fasts, slows = list(FASTS), list(SLOWS)
    half = len(fasts) // PROCESSES
    jobs = [(prices, fasts[at : at + half], slows) for at in range(0, len(fasts), half)]
    with get_context("spawn").Pool(PROCESSES) as pool:
        pool.map(work, [(prices[:14_400], fasts[:2], slows[:1])] * PROCESSES, chunksize=1)
        parts = pool.map(work, jobs, chunksize=1)
    table = [each for _, part in parts for each in part]
    longest = max(seconds for seconds, _ in parts)
    print(json.dumps({"events": minutes * len(table), "seconds": longest, "sets": table}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
