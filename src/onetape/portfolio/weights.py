"""Compute weights of symbols from their returns.
Pure.

returns: (n, k) array of n periods by k symbols, oldest first, n >= 2. All weights are (k,) arrays that are not
negative and add up to 1.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from onetape.model.errors import NotAvailable

__all__ = ["check_scheme", "log_returns", "risk_parity", "shrunk_covariance", "volatility_scale", "weights_by"]

Array = NDArray[np.float64]
BY_LIBRARY: Final = ("mean_variance", "hierarchical")
_STEPS_MAX: Final = 10_000  # bound of the descent; it needs some tens of steps
_TOLERANCE: Final = 1e-12


def log_returns(times: list[Any], closes: list[Any]) -> Array:
    """Returns (n, k) log returns between the times at which each of k symbols has a close. times: ns, ascending."""
    common = times[0]
    for each in times[1:]:
        common = np.intersect1d(common, each, assume_unique=True)
    aligned = [close[np.searchsorted(time, common)] for time, close in zip(times, closes, strict=True)]
    return np.diff(np.log(np.column_stack(aligned)), axis=0)


def shrunk_covariance(returns: Array) -> tuple[Array, float]:
    """Returns (covariance shrunk towards a multiple of the identity, shrinkage from 0 to 1).

    Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", 2004.
    """
    centered = returns - returns.mean(axis=0)
    n, k = centered.shape
    sample = centered.T @ centered / n
    mean = np.trace(sample) / k
    distance = ((sample - mean * np.eye(k)) ** 2).sum() / k
    squares = centered**2
    error = ((squares.T @ squares).sum() / n - (sample**2).sum()) / (n * k)
    shrinkage = 0.0 if distance == 0 else float(min(max(error, 0.0), distance) / distance)
    return (1 - shrinkage) * sample + shrinkage * mean * np.eye(k), shrinkage


def risk_parity(covariance: Array) -> Array:
    """Returns weights with which each symbol contributes the same to the total variance.

    Cyclical coordinate descent on x'Cx/2 - sum(log x)/k (Griveau-Billion, Richard and Roncalli, 2013), which has one
    minimum for each positive definite C. Raises ValueError for a symbol without variance.
    """
    variances = np.diag(covariance)
    if not (variances > 0).all():
        raise ValueError("a symbol without variance has no weight by risk")
    k = len(variances)
    # In units of each symbol's own volatility, so that scales of 1e-12 and 1 converge alike.
    volatilities = np.sqrt(variances)
    correlation = covariance / np.outer(volatilities, volatilities)
    x = np.full(k, 1 / np.sqrt(k))
    for _ in range(_STEPS_MAX):
        before = x.copy()
        for i in range(k):
            others = correlation[i] @ x - correlation[i, i] * x[i]
            x[i] = (np.sqrt(others * others + 4 / k) - others) / 2
        if np.abs(x - before).max() <= _TOLERANCE:
            break
    weights = x / volatilities
    return np.asarray(weights / weights.sum())


def volatility_scale(weights: Array, covariance: Array, target: float, periods: float) -> float:
    """Returns the factor that scales weights to an annual volatility of `target`; 0 without volatility. periods: per
    year."""
    variance = float(weights @ covariance @ weights) * periods
    return target / float(np.sqrt(variance)) if variance > 0 else 0.0


def weights_by(scheme: str, returns: Array) -> Array:
    """Returns the weights of a configured scheme. mean_variance (the most return for its risk) and hierarchical
    (risk parity along a tree of correlations) are skfolio's. Raises ValueError where the returns do not allow it,
    NotAvailable without skfolio."""
    k = returns.shape[1]
    match scheme:
        case "equal":
            return np.full(k, 1 / k)
        case "inverse_volatility":
            volatilities = returns.std(axis=0)
            if not (volatilities > 0).all():
                raise ValueError("a symbol that does not move has no weight by volatility")
            return np.asarray(1 / volatilities / (1 / volatilities).sum())
        case "risk_parity":
            return risk_parity(shrunk_covariance(returns)[0])
        case _:
            return _by_library(scheme, returns)


def check_scheme(scheme: str) -> None:
    """Raises NotAvailable for a scheme whose library is not installed; called before there are returns."""
    if scheme in BY_LIBRARY and find_spec("skfolio") is None:
        raise _no_library(scheme)


def _no_library(scheme: str) -> NotAvailable:
    return NotAvailable(
        f"weights {scheme!r} without skfolio", location="[portfolio] weights", todo="pip install 'onetape[portfolio]'"
    )


def _by_library(scheme: str, returns: Array) -> Array:
    try:
        from skfolio import RiskMeasure
        from skfolio.optimization import HierarchicalRiskParity, MeanRisk, ObjectiveFunction
    except ImportError:
        raise _no_library(scheme) from None
    if scheme == "hierarchical":
        model = HierarchicalRiskParity()
    else:
        model = MeanRisk(objective_function=ObjectiveFunction.MAXIMIZE_RATIO, risk_measure=RiskMeasure.VARIANCE)
    try:
        found = np.asarray(model.fit(np.expm1(returns)).weights_, dtype=float)
    except Exception as error:  # a solver's own errors: no portfolio for these returns
        raise ValueError(f"{scheme} finds no weights: {error}") from error
    return np.asarray(np.clip(found, 0, None) / np.clip(found, 0, None).sum())
