"""Compute drawdowns of an equity curve, with pure functions on arrays.

`ts` is int64 ns UTC, ascending; `equity` is float64, after fees. A
fall between two samples is not seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Drawdown:
    """A drawdown. `fraction` of the peak, `amount` in currency, both >= 0."""

    fraction: float
    amount: float
    ts_peak: int
    ts_trough: int
    ts_recovered: int | None  # None: not recovered at the end of the data


def drawdown_series(equity: Floats) -> Floats:
    """Returns the fall from the running peak as a fraction of that peak, <= 0; 0 while the peak is not > 0."""
    if len(equity) == 0:
        return np.zeros(0)
    peaks = np.maximum.accumulate(equity)
    return np.divide(equity - peaks, peaks, out=np.zeros(len(equity)), where=peaks > 0)


def max_drawdown(ts: Ints, equity: Floats, *, earned: Floats | None = None) -> Drawdown | None:
    """Returns the drawdown with the greatest fraction, the first of equal ones; one of 0 if equity never falls, None
    without samples. earned: as in worst_drawdowns."""
    if len(equity) == 0:
        return None
    worst = worst_drawdowns(ts, equity, 1, earned=earned)
    return worst[0] if worst else Drawdown(0.0, 0.0, int(ts[0]), int(ts[0]), int(ts[0]))


def worst_drawdowns(ts: Ints, equity: Floats, count: int = 10, *, earned: Floats | None = None) -> list[Drawdown]:
    """Returns the deepest drawdowns by fraction, deepest first; equal ones by time. earned: total profit at each
    sample, needed if `equity` is time-weighted.

    A drawdown lasts from the last time at a peak until the curve is at that peak again. So drawdowns do not overlap,
    and the second worst is no part of the worst.
    """
    falls = drawdown_series(equity)
    money = equity if earned is None else earned
    under = falls < 0
    if not under.any():
        return []
    edges = np.diff(np.concatenate(([False], under, [False])).astype(np.int8))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)  # [start, end)
    depths = np.minimum.reduceat(falls, starts)
    # A segment extends to the next start; between end and start the curve is at its peak: 0.
    order = np.lexsort((starts, depths))[:count]
    found = []
    for start, end in zip(starts[order].tolist(), ends[order].tolist(), strict=True):
        trough = start + int(np.argmin(falls[start:end]))
        peak = start - 1  # the curve starts at its peak, so no drawdown starts at 0
        found.append(
            Drawdown(
                fraction=float(-falls[trough]),
                amount=float(money[peak] - money[trough]),
                ts_peak=int(ts[peak]),
                ts_trough=int(ts[trough]),
                ts_recovered=int(ts[end]) if end < len(ts) else None,
            )
        )
    return found


def longest_drawdown(ts: Ints, equity: Floats) -> int | None:
    """Returns the longest time below a peak in ns, including one unrecovered at the end."""
    if not len(ts):
        return None
    under = drawdown_series(equity) < 0
    if not under.any():
        return 0
    edges = np.diff(np.concatenate(([False], under, [False])).astype(np.int8))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    lengths = ts[np.minimum(ends, len(ts) - 1)] - ts[starts - 1]
    return int(lengths.max())


def ulcer_index(ts: Ints, equity: Floats) -> float | None:
    """Returns the time-weighted root mean square of the drawdown as a fraction: each sample counts until the next.
    Martin's original index uses evenly spaced closes and percent.
    """
    if len(ts) < 2 or ts[-1] <= ts[0]:
        return None
    falls = drawdown_series(equity)[:-1]
    weights = np.diff(ts).astype(np.float64)
    return float(np.sqrt(np.sum(falls**2 * weights) / weights.sum()))
