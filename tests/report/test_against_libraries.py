"""The same statistics by others' code. Where definitions differ the test says how, and why.

Daily returns over whole days, a year of 365 days (`annualization=365`; theirs is 252 unless told:
exchanges of coins never close), riskless rate 0.
"""

from __future__ import annotations

import numpy as np
import pytest

from onetape.model.time import DAY
from onetape.report import drawdowns, trips
from onetape.report import statistics as s

DAYS = 400


@pytest.fixture(params=[1, 2, 3])
def curve(request):
    """Daily equity with fat tails, at the end of each day, and its returns."""
    random = np.random.default_rng(request.param)
    returns = random.standard_t(4, DAYS) * 0.01 + 0.0004
    equity = 100_000 * np.concatenate(([1.0], np.cumprod(1 + returns)))
    return np.arange(DAYS + 1, dtype=np.int64) * DAY, equity, returns


def test_our_returns_are_those_that_the_others_are_given(curve):
    ts, equity, returns = curve
    assert s.choose_period(ts) == DAY
    assert s.period_returns(ts, equity, DAY) == pytest.approx(returns, abs=1e-12)


EMPYRICAL = {
    "annual_volatility": lambda e, r: (e.annual_volatility(r, annualization=365), s.volatility(r, DAY)),
    "sharpe_ratio": lambda e, r: (e.sharpe_ratio(r, annualization=365), s.sharpe(r, DAY)),
    "sortino_ratio": lambda e, r: (e.sortino_ratio(r, annualization=365), s.sortino(r, DAY)),
    "omega_ratio": lambda e, r: (e.omega_ratio(r), s.omega(r)),
    "tail_ratio": lambda e, r: (e.tail_ratio(r), s.tail_ratio(r)),
    # Theirs is the quantile itself, a negative return; ours is the loss, a positive number.
    "value_at_risk": lambda e, r: (-e.value_at_risk(r), s.value_at_risk(r)),
    "conditional_value_at_risk": lambda e, r: (-e.conditional_value_at_risk(r), s.expected_shortfall(r)),
}


@pytest.mark.parametrize("name", EMPYRICAL)
def test_returns_agree_with_empyrical(curve, name):
    empyrical = pytest.importorskip("empyrical", reason="empyrical-reloaded is not installed")
    theirs, ours = EMPYRICAL[name](empyrical, curve[2])
    assert ours == pytest.approx(theirs, rel=1e-9)


def test_curves_agree_with_empyrical(curve):
    empyrical = pytest.importorskip("empyrical", reason="empyrical-reloaded is not installed")
    ts, equity, returns = curve
    # Theirs counts periods (400 of 365 a year), ours the time between first and last sample: the
    # same here, because the samples are a day apart.
    growth = s.cagr(ts, equity)
    assert growth == pytest.approx(empyrical.cagr(returns, annualization=365), rel=1e-9)
    fall = drawdowns.max_drawdown(ts, equity)
    assert fall is not None
    assert -fall.fraction == pytest.approx(empyrical.max_drawdown(returns), rel=1e-9)
    assert s.calmar(growth, fall.fraction) == pytest.approx(
        empyrical.calmar_ratio(returns, annualization=365), rel=1e-9
    )
    rolled = empyrical.roll_sharpe_ratio(returns, window=30, annualization=365)
    assert s.rolling_sharpe(returns, DAY, 30) == pytest.approx(np.asarray(rolled), rel=1e-9)
    market = np.roll(returns, 3) + 0.5 * returns
    assert s.beta(returns, market) == pytest.approx(empyrical.beta(returns, market), rel=1e-9)
    # Theirs compounds the days of a year, ours adds them up.
    ours = s.alpha(returns, market, DAY)
    assert ours is not None
    assert (1 + ours / 365) ** 365 - 1 == pytest.approx(empyrical.alpha(returns, market, annualization=365), rel=1e-9)
    # Theirs is of a period.
    expected = empyrical.excess_sharpe(returns, market) * 365**0.5
    assert s.information_ratio(returns, market, DAY) == pytest.approx(expected, rel=1e-9)
    rolled = empyrical.roll_beta(returns, market, window=30)
    assert s.rolling_beta(returns, market, 30) == pytest.approx(np.asarray(rolled), rel=1e-9)


def test_moments_agree_with_pandas(curve):
    pandas = pytest.importorskip("pandas")
    series = pandas.Series(curve[2])
    assert s.skewness(curve[2]) == pytest.approx(series.skew(), rel=1e-9)
    assert s.excess_kurtosis(curve[2]) == pytest.approx(series.kurt(), rel=1e-9)


def series_of(returns):
    pandas = pytest.importorskip("pandas")
    return pandas.Series(returns, index=pandas.date_range("2024-01-01", periods=len(returns)))


def test_the_ulcer_index_agrees_with_quantstats(curve):
    quantstats = pytest.importorskip("quantstats", reason="quantstats is not installed")
    ts, equity, returns = curve
    theirs = quantstats.stats.ulcer_index(series_of(returns))
    # Theirs divides the sum over all 400 closes by 399; ours weighs each value by the time that
    # it held: the start counts, and the last close, which held for no time, does not.
    falls = drawdowns.drawdown_series(equity)
    total = (theirs**2) * (len(returns) - 1)
    assert total == pytest.approx((falls[1:] ** 2).sum(), rel=1e-9)
    ours = np.sqrt((total - falls[-1] ** 2) / DAYS)
    assert drawdowns.ulcer_index(ts, equity) == pytest.approx(ours, rel=1e-9)


def test_round_trip_figures_agree_with_quantstats(curve):
    quantstats = pytest.importorskip("quantstats", reason="quantstats is not installed")
    # Theirs are about returns of periods, ours about money of round trips: the same arithmetic.
    pnl, theirs = curve[2], series_of(curve[2])
    stats = quantstats.stats
    keep = {"prepare_returns": False}
    assert trips.profit_factor(pnl) == pytest.approx(stats.profit_factor(theirs, **keep), rel=1e-9)
    assert trips.payoff(pnl) == pytest.approx(stats.payoff_ratio(theirs, **keep), rel=1e-9)
    assert trips.average_win(pnl) == pytest.approx(stats.avg_win(theirs, **keep), rel=1e-9)
    assert trips.average_loss(pnl) == pytest.approx(stats.avg_loss(theirs, **keep), rel=1e-9)
    # Their win rate leaves out periods of exactly zero, ours counts them: here there are none.
    assert trips.win_rate(pnl) == pytest.approx(stats.win_rate(theirs, **keep), rel=1e-9)
    assert trips.kelly(pnl) == pytest.approx(stats.kelly_criterion(theirs, **keep), rel=1e-9)
    wins, losses = trips.longest_streaks(pnl)
    assert wins == stats.consecutive_wins(theirs, **keep)
    assert losses == stats.consecutive_losses(theirs, **keep)


def test_drawdown_tables_agree_with_quantstats(curve):
    quantstats = pytest.importorskip("quantstats", reason="quantstats is not installed")
    pandas = pytest.importorskip("pandas")
    ts, equity, _ = curve
    index = pandas.date_range("2024-01-01", periods=len(equity))
    series = pandas.Series(drawdowns.drawdown_series(equity), index=index)
    theirs = quantstats.stats.drawdown_details(series).sort_values("max drawdown")
    ours = drawdowns.worst_drawdowns(ts, equity, 10)
    assert [-100 * each.fraction for each in ours] == pytest.approx(theirs["max drawdown"].head(10).tolist(), rel=1e-9)
    first = pandas.Timestamp("2024-01-01")
    # Their start is the first day below the peak, ours the last moment at it: a day before.
    starts = [(first + pandas.Timedelta(each.ts_peak + DAY)).date() for each in ours]
    assert starts == [pandas.Timestamp(day).date() for day in theirs["start"].head(10)]
    valleys = [(first + pandas.Timedelta(each.ts_trough)).date() for each in ours]
    assert valleys == [pandas.Timestamp(day).date() for day in theirs["valley"].head(10)]
