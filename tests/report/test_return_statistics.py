"""The statistics of returns and falls beyond the first ones. Expected values by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape.model.time import DAY, HOUR, SECOND
from onetape.report import drawdowns
from onetape.report import statistics as s


def ints(*values):
    return np.array(values, dtype=np.int64)


def floats(*values):
    return np.array(values, dtype=np.float64)


@pytest.mark.parametrize(
    ("span", "first", "last", "expected"),
    [
        (365 * DAY, 100, 121, 0.21),  # a year: the return itself
        (730 * DAY, 100, 121, 0.10),  # two years of 10 %: 1.1 * 1.1 = 1.21
        (73 * DAY, 100, 110, 1.1**5 - 1),  # a fifth of a year, five times over
        (365 * DAY, 100, 0, -1.0),  # everything lost
        (DAY - 1, 100, 110, None),  # less than a day
        (DAY, 1, 1e9, None),  # 10 ** (9 * 365) is no number
        (365 * DAY, 0, 110, None),
        (365 * DAY, 100, -5, None),  # below zero nothing compounds
    ],
)
def test_growth_per_year_compounds(span, first, last, expected):
    found = s.cagr(ints(0, span), floats(first, last))
    assert found == (None if expected is None else pytest.approx(expected))


def test_calmar_is_growth_over_the_deepest_fall():
    assert s.calmar(0.2, 0.1) == 2.0
    assert s.calmar(0.2, 0.0) is None
    assert s.calmar(None, 0.1) is None


def test_skew_and_kurtosis_of_five_returns():
    # 0, 0, 0, 0, 5 (in %): mean 1; deviations -1 four times and 4.
    # m2 = (4*1 + 16)/5 = 4; m3 = (-4 + 64)/5 = 12; m4 = (4 + 256)/5 = 52.
    # g1 = 12 / 4^1.5 = 1.5; G1 = 1.5 * sqrt(5*4)/3. g2 = 52/16 - 3 = 0.25;
    # G2 = 4/(3*2) * (6*0.25 + 6) = 5.
    returns = floats(0, 0, 0, 0, 0.05)
    assert s.skewness(returns) == pytest.approx(1.5 * math.sqrt(20) / 3)
    assert s.excess_kurtosis(returns) == pytest.approx(5.0)


def test_symmetric_returns_have_no_skew():
    assert s.skewness(floats(-0.02, -0.01, 0.01, 0.02)) == pytest.approx(0)


def test_value_at_risk_and_the_mean_beyond_it():
    # Twenty-one returns -10 % .. +10 % in steps of 1 %. Place 0.05 * 20 = 1: exactly -9 %.
    returns = np.arange(-10, 11) / 100
    assert s.value_at_risk(returns) == pytest.approx(0.09)
    # At or beyond it: -10 % and -9 %.
    assert s.expected_shortfall(returns) == pytest.approx(0.095)


def test_a_tail_that_nothing_is_in_has_no_risk_figure():
    assert s.value_at_risk(floats(*([0.01] * 19))) is None
    assert s.value_at_risk(floats(*([0.01] * 20))) == pytest.approx(-0.01)
    assert s.expected_shortfall(floats(*([0.01] * 19))) is None


@pytest.mark.parametrize("function", [s.skewness, s.excess_kurtosis])
def test_moments_of_equal_returns_are_none(function):
    assert function(floats(*[0.01] * 9)) is None
    assert function(floats(0.01)) is None


def test_rolling_volatility_and_beta_are_those_of_each_window():
    returns, market = floats(0.01, -0.02, 0.03, 0.0), floats(0.02, -0.01, 0.01, 0.01)
    rolled = s.rolling_volatility(returns, DAY, 3)
    assert rolled.tolist() == pytest.approx([s.volatility(returns[at : at + 3], DAY) for at in (0, 1)])
    slopes = [np.polyfit(market[at : at + 3], returns[at : at + 3], 1)[0] for at in (0, 1)]
    assert s.rolling_beta(returns, market, 3).tolist() == pytest.approx(slopes)
    assert s.beta(returns, market) == pytest.approx(np.polyfit(market, returns, 1)[0])
    assert s.beta(returns, floats(0.01, 0.01, 0.01, 0.01)) is None and s.beta(returns, market[:2]) is None


def test_what_a_benchmark_does_not_explain_is_alpha_and_by_how_much_it_is_beaten_the_information_ratio():
    market = floats(0.02, -0.01, 0.01, 0.03)
    assert s.alpha(2 * market + 0.001, market, DAY) == pytest.approx(0.365)
    assert s.alpha(market, market[:2], DAY) is None and s.alpha(market, 0 * market, DAY) is None
    better = market + floats(0.01, 0.0, 0.01, 0.0)
    assert s.information_ratio(better, market, DAY) == pytest.approx(
        0.005 / np.std([0, 0, 0.01, 0.01], ddof=1) * 365**0.5
    )
    assert s.information_ratio(market, market, DAY) is None and s.information_ratio(market, market[:2], DAY) is None


def test_omega_and_the_tail_ratio_are_gains_over_losses():
    assert s.omega(floats(0.03, -0.01, 0.0, -0.01)) == pytest.approx(1.5)
    assert s.omega(floats(0.03, 0.0)) is None and s.omega(floats()) is None
    ramp = np.linspace(-0.01, 0.02, 101)
    assert s.tail_ratio(ramp) == pytest.approx(0.0185 / 0.0085)
    assert s.tail_ratio(ramp[:19]) is None and s.tail_ratio(0 * ramp) is None


def test_rolling_sharpe_is_the_sharpe_of_each_window():
    returns = floats(0.02, -0.01, 0.03, 0.0, 0.01)
    rolled = s.rolling_sharpe(returns, DAY, 3)
    assert rolled.tolist() == pytest.approx([s.sharpe(returns[i : i + 3], DAY) for i in range(3)], rel=1e-12)
    assert s.rolling_sharpe(returns, DAY, 6).tolist() == []
    assert np.isnan(s.rolling_sharpe(floats(0.01, 0.01, 0.01), DAY, 2)).all()


def test_a_histogram_has_an_edge_at_zero_and_loses_no_value():
    values = np.concatenate((np.linspace(-0.03, 0.05, 2001), [9.0, -9.0]))
    edges, counts = s.histogram(values)
    assert counts.sum() == len(values) and len(edges) == len(counts) + 1
    assert 0.0 in edges.tolist()
    assert edges[-1] < 0.1, "a wild value does not stretch the others into one bin"
    zero = edges.tolist().index(0.0)
    assert counts[:zero].sum() == (values < 0).sum()
    assert s.histogram(floats())[1].tolist() == []
    assert s.histogram(floats(0.01, 0.01))[1].sum() == 2


def test_the_worst_drawdowns_do_not_overlap_and_come_deepest_first():
    # 100 -> 80 (20 %) -> back at 100 at t3 -> 110 -> 99 (10 %) -> 105 -> 88 (20 % of 110), open.
    ts = ints(0, 1, 2, 3, 4, 5, 6, 7)
    equity = floats(100, 80, 90, 100, 110, 99, 105, 88)
    worst = drawdowns.worst_drawdowns(ts, equity)
    assert worst == [
        drawdowns.Drawdown(pytest.approx(0.2), 20.0, 0, 1, 3),
        drawdowns.Drawdown(pytest.approx(0.2), 22.0, 4, 7, None),
    ]
    assert drawdowns.worst_drawdowns(ts, equity, 1) == worst[:1], "the first of equals"
    assert drawdowns.worst_drawdowns(ts[:1], equity[:1]) == []


def test_the_longest_time_below_a_peak_counts_the_one_at_the_end():
    ts = ints(0, 10, 20, 100)
    assert drawdowns.longest_drawdown(ts, floats(5, 4, 5, 5)) == 20  # left at 0, back at 20
    assert drawdowns.longest_drawdown(ts, floats(5, 6, 5, 5)) == 90  # left at 10, never back
    assert drawdowns.longest_drawdown(ts, floats(5, 6, 7, 8)) == 0
    assert drawdowns.longest_drawdown(ints(), floats()) is None


def test_the_ulcer_index_weighs_by_time():
    # Fall of 20 % held for 1 of 4 units, 0 otherwise: sqrt(0.04 / 4) = 0.1.
    assert drawdowns.ulcer_index(ints(0, 1, 2, 4), floats(100, 80, 100, 120)) == pytest.approx(0.1)
    assert drawdowns.ulcer_index(ints(0), floats(1)) is None


def test_seconds_hours_and_days_scale_by_the_root_of_time():
    returns = floats(0.01, -0.01, 0.02)
    day = s.volatility(returns, DAY)
    assert day is not None
    assert s.volatility(returns, HOUR) == pytest.approx(day * math.sqrt(24))
    assert s.volatility(returns, SECOND) == pytest.approx(day * math.sqrt(86_400))


curves = st.lists(st.floats(1, 1e6), min_size=2, max_size=60)


@settings(max_examples=examples(120), deadline=None)
@given(curves)
def test_every_fall_belongs_to_exactly_one_drawdown(values):
    equity = np.array(values)
    ts = np.arange(len(values), dtype=np.int64)
    found = drawdowns.worst_drawdowns(ts, equity, 1000)
    covered = np.zeros(len(values), dtype=int)
    for each in found:
        end = each.ts_recovered if each.ts_recovered is not None else len(values)
        covered[each.ts_peak + 1 : end] += 1
        part = equity[each.ts_peak : end]
        assert each.fraction == pytest.approx(1 - part.min() / equity[each.ts_peak])
        assert each.amount == pytest.approx(equity[each.ts_peak] - part.min())
    assert covered.tolist() == (drawdowns.drawdown_series(equity) < 0).astype(int).tolist()
    depths = [each.fraction for each in found]
    assert depths == sorted(depths, reverse=True)
