"""Statistics of a run, as pure functions on arrays. Each says what it assumes.

Conventions, the same for all of them:
- `ts` is int64 ns UTC, ascending; `equity` is float64 in the account's currency, after fees.
- A statistic that the data cannot give (no losses, no deviation, one point) is None, never
  infinity and never 0.
- Returns are simple, per period, from the last equity at or before each period's end. Markets here
  never close: a year has 365 days. The riskless rate is 0.
- Floats: these are statistics. Money itself is exact on the tape and in the run's summary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onetape.model.time import DAY, HOUR, MINUTE, SECOND

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

YEAR_NS = 365 * DAY
RETURNS_MIN = 30  # below this many the next shorter period is used: 30 days, else hours, minutes


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall from a peak. `fraction` of the peak, `amount` in currency, both >= 0."""

    fraction: float
    amount: float
    ts_peak: int
    ts_trough: int
    ts_recovered: int | None  # None: not yet at the end of the data


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """From flat to flat, per instrument. `pnl` is net of fees."""

    ts_open: Ints
    ts_close: Ints
    pnl: Floats


def total_return(equity: Floats) -> float | None:
    """Last over first, minus one. Assumes no deposits; None when it starts at zero or less."""
    if len(equity) == 0 or equity[0] <= 0:
        return None
    return float(equity[-1] / equity[0] - 1)


def drawdown_series(equity: Floats) -> Floats:
    """Fall from the running peak as a fraction of that peak, <= 0; 0 while the peak is not > 0."""
    if len(equity) == 0:
        return np.zeros(0)
    peaks = np.maximum.accumulate(equity)
    return np.divide(equity - peaks, peaks, out=np.zeros(len(equity)), where=peaks > 0)


def max_drawdown(ts: Ints, equity: Floats) -> Drawdown | None:
    """The deepest fall as a fraction. The first of equals."""
    if len(equity) == 0:
        return None
    falls = drawdown_series(equity)
    trough = int(np.argmin(falls))
    peak = int(np.argmax(equity[: trough + 1]))
    later = np.flatnonzero(equity[trough:] >= equity[peak])
    recovered = int(ts[trough + later[0]]) if len(later) else None
    return Drawdown(
        fraction=float(-falls[trough]),
        amount=float(equity[peak] - equity[trough]),
        ts_peak=int(ts[peak]),
        ts_trough=int(ts[trough]),
        ts_recovered=recovered,
    )


def choose_period(ts: Ints) -> int:
    """The longest of day, hour, minute that gives at least 30 returns; else a second."""
    span = int(ts[-1] - ts[0]) if len(ts) else 0
    for period in (DAY, HOUR, MINUTE):
        if span >= RETURNS_MIN * period:
            return period
    return SECOND


def period_returns(ts: Ints, equity: Floats, period_ns: int) -> Floats:
    """Returns per whole period, on UTC multiples of it, from the last equity at or before each.

    Periods without a change return 0. The part before the first whole boundary belongs to the
    first period, the part after the last one to none.
    """
    if len(ts) < 2:
        return np.zeros(0)
    first = ts[0] // period_ns * period_ns + period_ns
    ends = np.arange(first, ts[-1] + 1, period_ns, dtype=np.int64)
    at = np.searchsorted(ts, ends, side="right") - 1
    levels = np.concatenate((equity[:1], equity[at]))
    before = levels[:-1]
    return np.divide(np.diff(levels), before, out=np.zeros(len(before)), where=before > 0)


def volatility(returns: Floats, period_ns: int) -> float | None:
    """Sample standard deviation (n - 1) of returns, per year by the square root of time."""
    if len(returns) < 2:
        return None
    return float(np.std(returns, ddof=1) * np.sqrt(YEAR_NS / period_ns))


def sharpe(returns: Floats, period_ns: int) -> float | None:
    """Mean over sample deviation, per year. Assumes independent returns, as everyone's does."""
    if len(returns) < 2:
        return None
    deviation = float(np.std(returns, ddof=1))
    if deviation <= _noise(returns):
        return None
    return float(np.mean(returns) / deviation * np.sqrt(YEAR_NS / period_ns))


def sortino(returns: Floats, period_ns: int) -> float | None:
    """Mean over downside deviation (root mean square of losses over all periods), per year."""
    if len(returns) < 2:
        return None
    downside = float(np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2)))
    if downside == 0:
        return None
    return float(np.mean(returns) / downside * np.sqrt(YEAR_NS / period_ns))


def _noise(values: Floats) -> float:
    """Deviation below this is rounding: equal returns are not an infinite Sharpe ratio."""
    return float(np.max(np.abs(values))) * 1e-12


def round_trips(
    ts: Ints, instrument: Ints, qty: Floats, realized: Floats, fee: Floats
) -> RoundTrips:
    """Round trips from fills in order. qty is signed, realized is that of each fill, before fees.

    A fill that turns a position around closes one trip and opens the next; its fee is divided by
    quantity. Positions still open at the end are no trips.
    """
    opened: dict[int, tuple[int, float]] = {}  # instrument -> (opened at, net so far)
    held: dict[int, float] = {}
    found: list[tuple[int, int, float]] = []
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
        found.append((started, at, net + gain - cost * closing))
        if after == 0:
            opened.pop(who, None)
        else:
            opened[who] = (at, -cost * (1 - closing))
    columns = np.array(found, dtype=object).reshape(-1, 3)
    return RoundTrips(
        columns[:, 0].astype(np.int64),
        columns[:, 1].astype(np.int64),
        columns[:, 2].astype(np.float64),
    )


def win_rate(pnl: Floats) -> float | None:
    """Part of round trips that ended above zero; one at exactly zero is no win."""
    return float(np.mean(pnl > 0)) if len(pnl) else None


def profit_factor(pnl: Floats) -> float | None:
    """Sum of gains over sum of losses; None without a loss."""
    losses = float(-pnl[pnl < 0].sum())
    return float(pnl[pnl > 0].sum() / losses) if losses > 0 else None


def exposure(ts: Ints, position: Floats, *, ts_first: int, ts_last: int) -> float | None:
    """Part of the time from ts_first to ts_last with a position, which holds until the next ts."""
    span = ts_last - ts_first
    if span <= 0:
        return None
    edges = np.clip(np.append(ts, ts_last), ts_first, ts_last)
    return float(np.diff(edges)[position != 0].sum() / span)


def turnover(notional: Floats, equity: Floats) -> float | None:
    """Sum of traded notional (both sides) over the mean equity."""
    mean = float(np.mean(equity)) if len(equity) else 0.0
    return float(np.abs(notional).sum() / mean) if mean > 0 else None
