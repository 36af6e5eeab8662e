"""Compute statistics of returns, with pure functions on arrays. Each function states its assumptions.

Drawdowns are in drawdowns.py, round trips in trips.py, orders in order_flow.py, exposure and
turnover in activity.py; the names of a run's statistics in metrics.py.

Conventions, the same for all of them:
- `ts` is int64 ns UTC, ascending; `equity` is float64 in the account's currency, after fees, and
  time-weighted where money was transferred meanwhile: returns are those of trading.
- A statistic that is not defined for the data (no losses, no deviation, one point) is None, never infinity or 0.
- Returns are simple, per period, from the last equity at or before each period's end. annual.py decides which
  periods count, how long a year is (`year_ns`: time that counts in it) and subtracts the riskless rate.
- Floats: these are statistics. Money itself is exact on the tape and in the run's summary.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onetape.model.time import DAY, HOUR, MINUTE, SECOND

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

YEAR_NS = 365 * DAY
_EXPONENT_MAX = 700.0  # exp of more overflows a float
_HISTOGRAM_MAX = 1e12  # larger returns come from an account near zero and are meaningless
RETURNS_MIN = 30  # with fewer returns the next shorter period is used: days, else hours, else minutes


def time_weighted(equity: Floats, moved: Floats) -> Floats:
    """Returns the equity curve without transfers: it has the same returns and no steps.

    `moved` is the total moved in so far, at each sample, or empty; an increase happens at the sample's time. The
    curve begins at the first equity above zero, and is constant while the equity is not.
    """
    if not moved.any():
        return equity
    before = equity[:-1]
    factors = np.divide(equity[1:] - np.diff(moved), before, out=np.ones(len(before)), where=before > 0)
    first = int(np.argmax(equity > 0))
    curve: Floats = equity[first] * np.cumprod(np.concatenate(([1.0], np.maximum(factors, 0.0))))
    return curve


def total_return(equity: Floats) -> float | None:
    """Returns last over first, minus one; None when it starts at zero or less."""
    if len(equity) == 0 or equity[0] <= 0:
        return None
    return float(equity[-1] / equity[0] - 1)


def cagr(ts: Ints, equity: Floats, year_ns: float = YEAR_NS) -> float | None:
    """Returns compound growth per year: (last / first) ** (year / span) - 1. None for less than a day of data: a
    minute's growth scaled to a year is meaningless. year_ns: of the calendar's time; 0: None.
    """
    if len(ts) < 2 or ts[-1] - ts[0] < DAY or equity[0] <= 0 or equity[-1] < 0 or not year_ns:
        return None
    power = year_ns / float(ts[-1] - ts[0])
    growth = float(equity[-1] / equity[0])
    if growth > 0 and power * np.log(growth) > _EXPONENT_MAX:
        return None
    return float(growth**power - 1)


def calmar(growth: float | None, fall: float | None) -> float | None:
    """Returns CAGR over max drawdown, both of the whole run (the original takes 36 months)."""
    return growth / fall if growth is not None and fall else None


def choose_period(ts: Ints) -> int:
    """Returns the longest of day, hour, minute that gives at least 30 returns; else a second."""
    span = int(ts[-1] - ts[0]) if len(ts) else 0
    for period in (DAY, HOUR, MINUTE):
        if span >= RETURNS_MIN * period:
            return period
    return SECOND


def period_ends(ts: Ints, period_ns: int) -> Ints:
    """Returns the UTC multiples of the period after ts[0] up to ts[-1], inclusive."""
    first = int(ts[0]) // period_ns * period_ns + period_ns
    # Integers only: arange(first, end, step) computes in floats and may lose the last value, as ns since 1970 exceed
    # a float's digits.
    count = max((int(ts[-1]) - first) // period_ns + 1, 0)
    return first + np.arange(count, dtype=np.int64) * period_ns


def period_returns(ts: Ints, equity: Floats, period_ns: int) -> Floats:
    """Returns the return of each whole period between UTC multiples of it, from the last equity at or before each.

    Periods without a change return 0. The time before the first boundary belongs to the first period; the time after
    the last boundary is left out.
    """
    return returns_at(ts, equity, period_ends(ts, period_ns)) if len(ts) > 1 else np.zeros(0)


def returns_at(ts: Ints, equity: Floats, ends: Ints) -> Floats:
    """Returns the return up to each of `ends` (ns, ascending, within ts) since the one before, or the first sample."""
    if not len(ends):
        return np.zeros(0)
    at = np.searchsorted(ts, ends, side="right") - 1
    levels = np.concatenate((equity[:1], equity[at]))
    before = levels[:-1]
    return np.divide(np.diff(levels), before, out=np.zeros(len(before)), where=before > 0)


def volatility(returns: Floats, period_ns: int, year_ns: float = YEAR_NS) -> float | None:
    """Returns the sample standard deviation (n - 1) of returns, per year by the square root of time."""
    if len(returns) < 2:
        return None
    return float(np.std(returns, ddof=1) * np.sqrt(year_ns / period_ns))


def sharpe(returns: Floats, period_ns: int, year_ns: float = YEAR_NS) -> float | None:
    """Returns mean over sample deviation, per year. returns: in excess of the riskless rate. Assumes independent
    returns, as is usual."""
    if len(returns) < 2:
        return None
    deviation = float(np.std(returns, ddof=1))
    if deviation <= _noise(returns):
        return None
    return float(np.mean(returns) / deviation * np.sqrt(year_ns / period_ns))


def sortino(returns: Floats, period_ns: int, year_ns: float = YEAR_NS) -> float | None:
    """Returns mean over downside deviation (root mean square of losses over all periods), per year."""
    if len(returns) < 2:
        return None
    downside = float(np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2)))
    if downside == 0:
        return None
    return float(np.mean(returns) / downside * np.sqrt(year_ns / period_ns))


def omega(returns: Floats) -> float | None:
    """Returns the sum of gains over the sum of losses of the periods (threshold 0); None without a loss."""
    losses = float(-np.minimum(returns, 0.0).sum())
    return float(np.maximum(returns, 0.0).sum() / losses) if losses > 0 else None


def tail_ratio(returns: Floats, level: float = 0.95) -> float | None:
    """Returns the quantile of the best periods over that of the worst, without signs, at `level` as in value_at_risk;
    None if the latter is 0."""
    if len(returns) < _tail_count(level):
        return None
    best, worst = (float(each) for each in np.abs(np.quantile(returns, (level, 1 - level))))
    return best / worst if worst > 0 else None


def rolling_sharpe(returns: Floats, period_ns: int, window: int, year_ns: float = YEAR_NS) -> Floats:
    """Returns the Sharpe ratio of each `window` returns, per year; NaN where it has no value.

    The first value belongs to return window - 1: len(returns) - window + 1 values.
    """
    if window < 2 or len(returns) < window:
        return np.zeros(0)
    views = np.lib.stride_tricks.sliding_window_view(returns, window)
    mean, deviation = views.mean(axis=1), views.std(axis=1, ddof=1)
    noise = np.abs(views).max(axis=1) * 1e-12
    ratio = np.full(len(views), np.nan)
    np.divide(mean, deviation, out=ratio, where=deviation > noise)
    scaled: Floats = ratio * np.sqrt(year_ns / period_ns)
    return scaled


def rolling_volatility(returns: Floats, period_ns: int, window: int, year_ns: float = YEAR_NS) -> Floats:
    """Returns the sample deviation of each `window` returns, per year. Indices as in rolling_sharpe."""
    if window < 2 or len(returns) < window:
        return np.zeros(0)
    views = np.lib.stride_tricks.sliding_window_view(returns, window)
    return np.asarray(views.std(axis=1, ddof=1) * np.sqrt(year_ns / period_ns))


def beta(returns: Floats, benchmark: Floats) -> float | None:
    """Returns the covariance with the benchmark's returns over their variance; None where the benchmark does not
    move."""
    found = rolling_beta(returns, benchmark, len(returns))
    return float(found[0]) if len(found) and np.isfinite(found[0]) else None


def alpha(returns: Floats, benchmark: Floats, period_ns: int, year_ns: float = YEAR_NS) -> float | None:
    """Returns the mean return not explained by beta times the benchmark's, per year: added up, not compounded."""
    slope = beta(returns, benchmark)
    if slope is None:
        return None
    return float((np.mean(returns) - slope * np.mean(benchmark)) * (year_ns / period_ns))


def information_ratio(returns: Floats, benchmark: Floats, period_ns: int, year_ns: float = YEAR_NS) -> float | None:
    """Returns the Sharpe ratio of the returns in excess of the benchmark's; None without one."""
    return sharpe(returns - benchmark, period_ns, year_ns) if len(returns) == len(benchmark) else None


def rolling_beta(returns: Floats, benchmark: Floats, window: int) -> Floats:
    """Returns beta of each `window` returns. Indices as in rolling_sharpe."""
    if window < 2 or len(returns) < window or len(benchmark) != len(returns):
        return np.zeros(0)
    own, other = (np.lib.stride_tricks.sliding_window_view(each, window) for each in (returns, benchmark))
    apart = other - other.mean(axis=1, keepdims=True)
    variance = (apart**2).mean(axis=1)
    found = np.full(len(own), np.nan)
    noise = (np.abs(other).max(axis=1) * 1e-12) ** 2
    np.divide((own * apart).mean(axis=1), variance, out=found, where=variance > noise)
    return found


def skewness(returns: Floats) -> float | None:
    """Returns Fisher's skewness, corrected for the sample (G1); None below three returns or without deviation."""
    count = len(returns)
    scaled = _standard_scores(returns)
    if count < 3 or scaled is None:
        return None
    return float(np.mean(scaled**3) * np.sqrt(count * (count - 1)) / (count - 2))


def excess_kurtosis(returns: Floats) -> float | None:
    """Returns kurtosis in excess of the normal distribution's, corrected for the sample (G2)."""
    count = len(returns)
    scaled = _standard_scores(returns)
    if count < 4 or scaled is None:
        return None
    biased = float(np.mean(scaled**4)) - 3
    return float((count - 1) / ((count - 2) * (count - 3)) * ((count + 1) * biased + 6))


def _standard_scores(returns: Floats) -> Floats | None:
    """Returns (value - mean) / standard deviation (n) of each return; None without deviation. Powers of these cannot
    overflow."""
    if len(returns) < 2:
        return None
    deviation = float(np.std(returns))
    if not np.isfinite(deviation) or deviation <= _noise(returns):
        return None
    scores: Floats = (returns - returns.mean()) / deviation
    return scores


def value_at_risk(returns: Floats, level: float = 0.95) -> float | None:
    """Returns the historical value at risk: the loss of one period that a share of 1 - level of the periods exceeds.

    A fraction, positive for a loss; linear between the two nearest returns. Assumes that the future is distributed
    like the past. None for fewer than 1 / (1 - level) returns: the tail would be empty.
    """
    if len(returns) < _tail_count(level):
        return None
    return float(-np.quantile(returns, 1 - level))


def expected_shortfall(returns: Floats, level: float = 0.95) -> float | None:
    """Returns CVaR: the mean loss of the periods at or beyond the value at risk. Assumptions as in value_at_risk."""
    if len(returns) < _tail_count(level):
        return None
    tail = returns[returns <= np.quantile(returns, 1 - level)]
    return float(-tail.mean())


def histogram(values: Floats, bins: int = 40) -> tuple[Floats, Ints]:
    """Returns edges and counts of about `bins` equal bins, one edge of which is zero; empty without values.

    Values beyond the 0.1 % quantiles are counted in the outermost bins, so that one outlier
    does not squeeze all others into one bin. A value on an edge belongs to the bin above it.
    """
    values = values[np.abs(values) < _HISTOGRAM_MAX]
    if not len(values):
        return np.zeros(0), np.zeros(0, dtype=np.int64)
    low, high = (float(v) for v in np.quantile(values, (0.001, 0.999)))
    if high - low <= max(abs(low), abs(high)) * 1e-9:
        room = abs(low) * 0.5 or 0.5
        low, high = low - room, high + room
    width = (high - low) / bins
    first, last = int(np.floor(low / width)), int(np.floor(high / width))
    places = np.clip(np.floor(values / width), first, last).astype(np.int64) - first
    edges: Floats = np.arange(first, last + 2, dtype=np.float64) * width
    return edges, np.bincount(places, minlength=last - first + 1).astype(np.int64)


def _tail_count(level: float) -> int:
    return int(np.ceil(1 / (1 - level) - 1e-9))


def _noise(values: Floats) -> float:
    """Returns the deviation below which values count as equal: rounding errors must not give equal returns an
    infinite Sharpe ratio."""
    return float(np.max(np.abs(values))) * 1e-12
