"""The year of one-minute bars that we and the rivals are timed on: random walks, equal everywhere.

    python bench/peers/bars.py FOLDER

Writes year-of-bars.npy: int64 [525601, 20], prices in hundredths. A bar opens at one row and closes
at the next, its high and low are three hundredths beyond both, its volume is 5.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

SYMBOLS, MINUTES = 20, 525_600
START_S = 1_704_067_200  # 2024-01-01
FAST, SLOW = 10, 30
QTY, TAKER = 0.01, 0.0005
# A thousand crosses of one symbol, for sweeps.
FASTS, SLOWS = range(5, 25), range(30, 130, 2)


def prices() -> np.ndarray:
    random = np.random.default_rng(1)
    walk = 10_000 + random.integers(-20, 21, (MINUTES + 1, SYMBOLS)).cumsum(axis=0)
    return np.abs(walk) + 1_000


def load(path: str, days: str) -> tuple[np.ndarray, int]:
    """Prices of the first `days` days (or `year`) and how many minutes these have."""
    every = np.load(path, mmap_mode="r")
    minutes = MINUTES if days == "year" else int(days) * 1_440
    return np.array(every[: minutes + 1]), minutes


def frame(column: np.ndarray) -> dict[str, np.ndarray]:
    """Bars of one symbol, in units of the quote currency."""
    first, last = column[:-1] / 100, column[1:] / 100
    return {
        "open": first,
        "high": np.maximum(first, last) + 0.03,
        "low": np.minimum(first, last) - 0.03,
        "close": last,
        "volume": np.full(len(last), 5.0),
    }


def cross(rows: np.ndarray, fast_count: int = FAST, slow_count: int = SLOW) -> tuple[int, float]:
    """Fills and gain of the strategy by arithmetic, sums of whole numbers: 0.01 held while the mean
    of the last ten closes is above that of the last thirty, changed at the close that says so.
    """
    closes = rows[1:].astype(np.int64)
    sums = np.vstack([np.zeros((1, closes.shape[1]), np.int64), closes.cumsum(axis=0)])
    fast = sums[slow_count:] - sums[slow_count - fast_count : -fast_count]
    slow = sums[slow_count:] - sums[:-slow_count]
    held = (fast * slow_count > slow * fast_count).astype(np.int64)
    at = closes[slow_count - 1 :]
    change = np.diff(held, axis=0, prepend=0)
    traded = int(np.abs(change * at).sum())
    value = int((held[-1] * at[-1]).sum()) - int((change * at).sum())
    return int(np.abs(change).sum()), (value * QTY - traded * QTY * TAKER) / 100


def main() -> None:
    np.save(Path(sys.argv[1]) / "year-of-bars.npy", prices())


if __name__ == "__main__":
    main()
