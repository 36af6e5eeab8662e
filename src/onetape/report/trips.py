"""Compute round trips, from flat to flat. Pure functions on arrays of fills and of trips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onetape import _core

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """Round trips, from flat to flat, in the order of closing. `pnl` is net of fees; `book` is the position's number
    passed to round_trips()."""

    ts_open: Ints
    ts_close: Ints
    pnl: Floats
    book: Ints


def round_trips(ts: Ints, instrument: Ints, qty: Floats, realized: Floats, fee: Floats) -> RoundTrips:
    """Returns round trips from fills in order. qty is signed, realized is each fill's, before fees.

    A fill that reverses a position closes one trip and opens the next; its fee is divided by quantity. Positions
    still open at the end are no trips.
    """
    times, books = (np.ascontiguousarray(each, dtype=np.int64) for each in (ts, instrument))
    sizes, gains, fees = (np.ascontiguousarray(each, dtype=np.float64) for each in (qty, realized, fee))
    return RoundTrips(*_core.round_trips(times, books, sizes, gains, fees))


def win_rate(pnl: Floats) -> float | None:
    """Returns the share of round trips with a profit above zero."""
    return float(np.mean(pnl > 0)) if len(pnl) else None


def profit_factor(pnl: Floats) -> float | None:
    """Returns the sum of gains over the sum of losses; None without a loss."""
    losses = float(-pnl[pnl < 0].sum())
    return float(pnl[pnl > 0].sum() / losses) if losses > 0 else None


def expectancy(pnl: Floats) -> float | None:
    """Returns the mean profit of a round trip in money."""
    return float(pnl.mean()) if len(pnl) else None


def average_win(pnl: Floats) -> float | None:
    """Returns the mean of the round trips above zero."""
    return float(pnl[pnl > 0].mean()) if (pnl > 0).any() else None


def average_loss(pnl: Floats) -> float | None:
    """Returns the mean of the round trips below zero, as a negative number."""
    return float(pnl[pnl < 0].mean()) if (pnl < 0).any() else None


def payoff(pnl: Floats) -> float | None:
    """Returns average win over average loss, without its sign; None without one of them."""
    win, loss = average_win(pnl), average_loss(pnl)
    return win / -loss if win is not None and loss is not None else None


def kelly(pnl: Floats) -> float | None:
    """Returns Kelly's fraction to bet, assuming that each round trip wins or loses the average: share of winners -
    share of others / payoff. None without a win or a loss."""
    won, ratio = win_rate(pnl), payoff(pnl)
    return won - (1 - won) / ratio if won is not None and ratio else None


def longest_streaks(pnl: Floats) -> tuple[int, int]:
    """Returns the most wins and the most losses in a row, in the order of closing. A zero result ends either."""
    return _longest(pnl > 0), _longest(pnl < 0)


def _longest(flags: NDArray[np.bool_]) -> int:
    edges = np.diff(np.concatenate(([False], flags, [False])).astype(np.int8))
    lengths = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    return int(lengths.max()) if len(lengths) else 0


def holding_time(trips: RoundTrips) -> float | None:
    """Returns the mean time from opening to closing in ns; each trip counts once, whatever its size."""
    return float(np.mean(trips.ts_close - trips.ts_open)) if len(trips.pnl) else None
