"""Weights and sizes of a portfolio against slow models: minima by scipy, shares by fractions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from onetape.model.errors import NotAvailable
from onetape.portfolio.caps import Caps, capped
from onetape.portfolio.sizing import SymbolTerms, sized
from onetape.portfolio.weights import log_returns, risk_parity, shrunk_covariance, volatility_scale, weights_by


def returns_of(seed: int, periods: int, symbols: int) -> np.ndarray:
    source = np.random.default_rng(seed)
    scales = source.uniform(1e-5, 0.05, symbols)
    common = source.normal(size=(periods, 1))
    return (source.normal(size=(periods, symbols)) + common * source.uniform(-1, 1, symbols)) * scales


def slow_parity(covariance: np.ndarray) -> np.ndarray:
    volatilities = np.sqrt(np.diag(covariance))
    unit = covariance / np.outer(volatilities, volatilities)
    k = len(unit)
    found = minimize(
        lambda y: np.exp(y) @ unit @ np.exp(y) / 2 - y.sum() / k,
        np.zeros(k),
        jac=lambda y: np.exp(y) * (unit @ np.exp(y)) - 1 / k,
        method="BFGS",
        options={"gtol": 1e-12},
    )
    weights = np.exp(found.x) / volatilities
    return weights / weights.sum()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 80), st.integers(1, 8))
def test_risk_parity_is_the_minimum_and_shares_risk_equally(seed, periods, symbols):
    covariance, shrinkage = shrunk_covariance(returns_of(seed, periods, symbols))
    weights = risk_parity(covariance)
    assert 0 <= shrinkage <= 1 and weights.sum() == pytest.approx(1) and (weights > 0).all()
    assert weights == pytest.approx(slow_parity(covariance), rel=1e-4)
    shares = weights * (covariance @ weights)
    assert shares / shares.sum() == pytest.approx(np.full(symbols, 1 / symbols), rel=1e-6)


def test_shrinkage_is_ledoit_and_wolfs_written_out():
    returns = returns_of(5, 30, 4)
    centered = returns - returns.mean(axis=0)
    n, k = returns.shape
    sample = sum(np.outer(row, row) for row in centered) / n
    mean = np.trace(sample) / k
    target = mean * np.eye(k)
    distance = np.linalg.norm(sample - target) ** 2
    error = sum(np.linalg.norm(np.outer(row, row) - sample) ** 2 for row in centered) / n**2
    by = min(error, distance) / distance
    covariance, shrinkage = shrunk_covariance(returns)
    assert shrinkage == pytest.approx(by) and 0 < by < 1
    assert covariance == pytest.approx(by * target + (1 - by) * sample)


def test_twice_the_volatility_is_half_the_weight_and_moves_with_it():
    base = np.tile([1.0, -1.0], 50)
    orthogonal = np.repeat([1.0, -1.0], 50)
    for ratio in (2.0, 3.0):
        returns = np.column_stack([base, ratio * orthogonal]) * 0.01
        for scheme in ("inverse_volatility", "risk_parity"):
            found = weights_by(scheme, returns)
            # Shrinking brings the volatilities a little nearer to each other.
            assert found[0] / found[1] == pytest.approx(ratio, rel=0.02)
    assert weights_by("equal", returns) == pytest.approx([0.5, 0.5])


def test_the_volatility_target_is_met_and_what_does_not_move_has_no_weight():
    returns = returns_of(9, 400, 3)
    covariance, _ = shrunk_covariance(returns)
    weights = risk_parity(covariance)
    whole = weights * volatility_scale(weights, covariance, 0.2, 365)
    assert np.sqrt(whole @ covariance @ whole * 365) == pytest.approx(0.2)
    still = np.column_stack([returns[:, 0], np.zeros(400)])
    with pytest.raises(ValueError, match="does not move"):
        weights_by("inverse_volatility", still)


@pytest.mark.parametrize("scheme", ["mean_variance", "hierarchical"])
def test_a_library_makes_the_others_or_is_named(scheme):
    returns = returns_of(3, 200, 4) + 1e-4
    try:
        import skfolio  # noqa: F401
    except ImportError:
        with pytest.raises(NotAvailable, match="skfolio"):
            weights_by(scheme, returns)
    else:
        found = weights_by(scheme, returns)
        assert found.sum() == pytest.approx(1) and (found >= 0).all()


def test_returns_are_between_moments_that_all_have():
    times = [np.array([1, 2, 3, 4]), np.array([2, 3, 4, 5])]
    closes = [np.array([9.0, 1.0, 2.0, 4.0]), np.array([1.0, 3.0, 9.0, 1.0])]
    assert log_returns(times, closes) == pytest.approx(np.log([[2, 3], [2, 3]]))


amounts = st.floats(-3, 3).map(lambda each: round(each, 3))
limits = st.one_of(st.just(0.0), st.floats(0.01, 3))


@given(
    st.dictionaries(st.sampled_from("abcde"), amounts, min_size=1),
    st.dictionaries(st.sampled_from("abcde"), amounts),
    st.builds(Caps, symbol=limits, gross=limits, net=limits, turnover=limits),
)
def test_caps_hold_and_nothing_grows_for_them(wanted, held, caps):
    held = {symbol: held.get(symbol, 0.0) for symbol in wanted}
    found = capped(wanted, held, caps)
    near = 1e-9
    for symbol, each in found.items():
        assert abs(each) <= abs(wanted[symbol]) + near and each * wanted[symbol] >= 0
    if caps.symbol:
        assert max(map(abs, found.values())) <= caps.symbol + near
    if caps.gross:
        assert sum(map(abs, found.values())) <= caps.gross + near
    if caps.net:
        assert abs(sum(found.values())) <= caps.net + near
    if caps.turnover and not caps.net:
        grown = sum(
            max(abs(each) - (abs(held[symbol]) if each * held[symbol] > 0 else 0), 0) for symbol, each in found.items()
        )
        assert grown <= caps.turnover + near
    within = capped(found, found, caps)
    assert within == pytest.approx(found)


@given(
    st.dictionaries(st.integers(0, 4), st.floats(-50, 50), min_size=1),
    st.integers(1, 7),
    st.integers(-40, 40),
    st.builds(Caps, symbol=limits, gross=limits),
)
def test_sizes_are_whole_lots_of_the_members_side_and_keep_the_cap(members, lot, held, caps):
    terms = {"a": SymbolTerms(unit=0.01, lot=lot, held=held)}
    found = sized({"a": members}, terms, caps)["a"]
    most = min((each for each in (caps.symbol, caps.gross) if each), default=float("inf"))
    for member, units in found.items():
        assert units % lot == 0 and abs(units) <= abs(members[member]) + 1e-6 and units * members[member] >= 0
    assert abs(sum(found.values())) * 0.01 <= most + 1e-6 or abs(sum(members.values())) * 0.01 <= most


def test_lots_times_targets_are_added_up_by_member():
    caps, terms = Caps(), {"x": SymbolTerms(unit=0.001, lot=1, held=-90)}
    assert sized({"x": {0: -98.0, 1: 0.0}}, terms, caps) == {"x": {0: -98, 1: 0}}
    assert sized({"x": {0: 0.3 / 0.1}}, terms, caps) == {"x": {0: 3}}
