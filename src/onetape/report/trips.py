"""Round trips: from flat to flat. Pure functions on arrays of fills and of trips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """From flat to flat, in the order of closing. `pnl` is net of fees; `book` is the number that
    round_trips() was given for the position."""

    ts_open: Ints
    ts_close: Ints
    pnl: Floats
    book: Ints


def round_trips(ts: Ints, instrument: Ints, qty: Floats, realized: Floats, fee: Floats) -> RoundTrips:
    """Round trips from fills in order. qty is signed, realized is that of each fill, before fees.

    A fill that turns a position around closes one trip and opens the next; its fee is divided by
    quantity. Positions still open at the end are no trips.
    """
    opened: dict[int, tuple[int, float]] = {}  # instrument -> (opened at, net so far)
    held: dict[int, float] = {}
    found: list[tuple[int, int, float, int]] = []
    for at, who, size, gain, cost in zip(
        ts.tolist(), instrument.tolist(), qty.tolist(), realized.tolist(), fee.tolist(), strict=True
    ):
        before = held.get(who, 0.0)
        after = before + size
        if abs(after) <= 1e-9 * max(abs(before), abs(size)):
            after = 0.0
        held[who] = after
        started, net = opened.get(who, (at, 0.0))
        if before * after > 0 or before == 0:
            opened[who] = (started if before else at, net + gain - cost)
            continue
        closing = abs(before / size)
        found.append((started, at, net + gain - cost * closing, who))
        if after == 0:
            opened.pop(who, None)
        else:
            opened[who] = (at, -cost * (1 - closing))
    columns = np.array(found, dtype=object).reshape(-1, 4)
    return RoundTrips(
        columns[:, 0].astype(np.int64),
        columns[:, 1].astype(np.int64),
        columns[:, 2].astype(np.float64),
        columns[:, 3].astype(np.int64),
    )


def win_rate(pnl: Floats) -> float | None:
    """Part of round trips that ended above zero; one at exactly zero is no win."""
    return float(np.mean(pnl > 0)) if len(pnl) else None


def profit_factor(pnl: Floats) -> float | None:
    """Sum of gains over sum of losses; None without a loss."""
    losses = float(-pnl[pnl < 0].sum())
    return float(pnl[pnl > 0].sum() / losses) if losses > 0 else None


def expectancy(pnl: Floats) -> float | None:
    """Mean profit of a round trip in money: what one more may be hoped to bring."""
    return float(pnl.mean()) if len(pnl) else None


def average_win(pnl: Floats) -> float | None:
    """Mean of the round trips above zero."""
    return float(pnl[pnl > 0].mean()) if (pnl > 0).any() else None


def average_loss(pnl: Floats) -> float | None:
    """Mean of the round trips below zero, as a negative number."""
    return float(pnl[pnl < 0].mean()) if (pnl < 0).any() else None


def payoff(pnl: Floats) -> float | None:
    """Average win over average loss, without its sign; None without one of them."""
    win, loss = average_win(pnl), average_loss(pnl)
    return win / -loss if win is not None and loss is not None else None


def longest_streaks(pnl: Floats) -> tuple[int, int]:
    """Most wins and most losses in a row, in the order of closing. Zero ends either."""
    return _longest(pnl > 0), _longest(pnl < 0)


def _longest(flags: NDArray[np.bool_]) -> int:
    edges = np.diff(np.concatenate(([False], flags, [False])).astype(np.int8))
    lengths = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    return int(lengths.max()) if len(lengths) else 0


def holding_time(trips: RoundTrips) -> float | None:
    """Mean time from opening to closing in ns; each trip counts once, whatever its size."""
    return float(np.mean(trips.ts_close - trips.ts_open)) if len(trips.pnl) else None
