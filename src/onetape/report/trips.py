"""Round trips: from flat to flat. Pure functions on arrays of fills and of trips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onetape import _core

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """Round trips, from flat to flat, in the order of closing. `pnl` is net of fees; `book` is the number that
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
    times, books = (np.ascontiguousarray(each, dtype=np.int64) for each in (ts, instrument))
    sizes, gains, fees = (np.ascontiguousarray(each, dtype=np.float64) for each in (qty, realized, fee))
    return RoundTrips(*_core.round_trips(times, books, sizes, gains, fees))


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


def kelly(pnl: Floats) -> float | None:
    """Kelly's part of the money to bet, if each round trip won or lost its average: the part that won less the part
    that did not, over the payoff. None without a win or a loss."""
    won, ratio = win_rate(pnl), payoff(pnl)
    return won - (1 - won) / ratio if won is not None and ratio else None


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
