"""Estimate how much of a Sharpe ratio is luck, with pure functions on numbers.

Sources: D. Bailey and M. Lopez de Prado, "The Sharpe Ratio Efficient Frontier" (Journal of Risk,
2012) for the probabilistic Sharpe ratio and the minimum track record length, and "The Deflated
Sharpe Ratio" (Journal of Portfolio Management, 2014) for the expected maximum over many tries.

Sharpe ratios here are per period of the returns, never per year; `count` is the number of returns, `kurtosis` is 3
for the normal distribution. None: not defined.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

__all__ = ["Moments", "expected_maximum", "minimum_track_record", "moments", "probabilistic_sharpe"]

EULER_GAMMA = 0.5772156649015329
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments of a series of returns, for the formulas."""

    count: int
    sharpe: float | None  # mean over sample deviation; None without deviation
    skewness: float
    kurtosis: float


def moments(returns: NDArray[np.float64]) -> Moments:
    """Returns the moments of simple returns per period. Skewness and kurtosis are those of the population."""
    count = len(returns)
    if count < 2:
        return Moments(count, None, 0.0, 3.0)
    mean = float(np.mean(returns))
    apart = returns - mean
    variance = float(np.mean(apart**2))
    # The same bound as in statistics.sharpe: equal returns do not give an infinite ratio.
    if math.sqrt(variance) <= float(np.max(np.abs(returns))) * 1e-12:
        return Moments(count, None, 0.0, 3.0)
    deviation = math.sqrt(variance * count / (count - 1))
    return Moments(
        count, mean / deviation, float(np.mean(apart**3)) / variance**1.5, float(np.mean(apart**4)) / variance**2
    )


def expected_maximum(variance: float, tries: int) -> float:
    """Returns the expected Sharpe ratio of the best of `tries` independent ones without skill; `variance` is that of
    the ratios over the tries. One try: 0."""
    if tries < 1:
        raise ValueError(f"tries must be at least 1: {tries}")
    if not variance >= 0:
        raise ValueError(f"a variance is not below zero: {variance}")
    if tries == 1:
        return 0.0
    high = _NORMAL.inv_cdf(1 - 1 / tries)
    higher = _NORMAL.inv_cdf(1 - 1 / (tries * math.e))
    return math.sqrt(variance) * ((1 - EULER_GAMMA) * high + EULER_GAMMA * higher)


def probabilistic_sharpe(
    sharpe: float, *, count: int, skewness: float, kurtosis: float, benchmark: float = 0.0
) -> float | None:
    """Returns the probability that the true ratio is above `benchmark`; None where the formula has no value (fewer
    than two returns, or impossible moments)."""
    spread = _spread(sharpe, skewness, kurtosis)
    if count < 2 or spread is None:
        return None
    return _NORMAL.cdf((sharpe - benchmark) * math.sqrt(count - 1) / math.sqrt(spread))


def minimum_track_record(
    sharpe: float, *, skewness: float, kurtosis: float, benchmark: float = 0.0, confidence: float = 0.95
) -> float | None:
    """Returns the number of returns after which the ratio is above `benchmark` with this confidence; None when the
    ratio is not above it."""
    spread = _spread(sharpe, skewness, kurtosis)
    if sharpe <= benchmark or spread is None:
        return None
    return 1 + spread * (_NORMAL.inv_cdf(confidence) / (sharpe - benchmark)) ** 2


def _spread(sharpe: float, skewness: float, kurtosis: float) -> float | None:
    """Returns the variance of the estimated Sharpe ratio, times (number of returns - 1)."""
    spread = 1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2
    return spread if spread > 0 else None
