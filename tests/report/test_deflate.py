"""How much of a Sharpe ratio is luck: the papers' own numbers, and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from onetape.report.deflate import expected_maximum, minimum_track_record, moments, probabilistic_sharpe

YEAR = 250
SHARPE = 2.5 / math.sqrt(YEAR)  # the paper's candidate: 2.5 a year, daily returns over 5 years
COUNT = 1250
VARIANCE = 0.5 / YEAR  # of the tries' annual ratios: 1/2


def deflated_sharpe(sharpe, *, variance, tries, **shape):
    """Against the best that luck gives, as a comparison asks."""
    return probabilistic_sharpe(sharpe, benchmark=expected_maximum(variance, tries), **shape)


def test_the_deflated_ratio_of_the_papers_example():
    """The 2014 paper, the numerical example: 100 tries, skewness -3, kurtosis 10."""
    luck = expected_maximum(VARIANCE, 100)
    assert luck == pytest.approx(0.1132, abs=5e-5)
    found = deflated_sharpe(SHARPE, count=COUNT, skewness=-3, kurtosis=10, variance=VARIANCE, tries=100)
    assert found == pytest.approx(0.9004, abs=5e-5)


def test_the_papers_example_with_46_tries_and_with_normal_returns():
    """The same place: 46 tries would have given 0.9505; normal returns allow 88 at 95 %."""
    found = deflated_sharpe(SHARPE, count=COUNT, skewness=-3, kurtosis=10, variance=VARIANCE, tries=46)
    assert found == pytest.approx(0.9505, abs=5e-4)
    normal = deflated_sharpe(SHARPE, count=COUNT, skewness=0, kurtosis=3, variance=VARIANCE, tries=88)
    assert normal == pytest.approx(0.9505, abs=5e-4)


@pytest.mark.parametrize(("per_year", "years"), [(252, 2.73), (52, 2.83), (12, 3.24)])
def test_the_minimum_track_record_of_the_papers_example(per_year, years):
    """Bailey & Lopez de Prado (2012), section on MinTRL: 2 a year against 1, normal, 95 %."""
    root = math.sqrt(per_year)
    found = minimum_track_record(2 / root, benchmark=1 / root, skewness=0, kurtosis=3)
    assert found / per_year == pytest.approx(years, abs=0.006)


def test_the_probabilistic_ratio_by_hand():
    # (0.1 - 0) * sqrt(99) / sqrt(1 - 0 + (3 - 1) / 4 * 0.01) = 0.99251...; the normal's value there
    found = probabilistic_sharpe(0.1, count=100, skewness=0, kurtosis=3)
    z = 0.1 * math.sqrt(99) / math.sqrt(1.005)
    assert found == pytest.approx(0.5 * (1 + math.erf(z / math.sqrt(2))), abs=1e-12)
    assert found == pytest.approx(0.8395, abs=1e-4)


@pytest.mark.parametrize("tries", [2, 10, 64, 1000])
def test_luck_alone_gives_what_the_formula_says(tries):
    rng = np.random.default_rng(5)
    best = rng.normal(0, 0.3, (40_000 if tries < 500 else 4_000, tries)).max(axis=1)
    # The formula is of an extreme value limit: within 6 % from ten tries on, rougher at two.
    assert expected_maximum(0.09, tries) == pytest.approx(best.mean(), rel=0.1 if tries == 2 else 0.06)


def test_over_many_tries_without_skill_few_pass():
    """The best of 50 strategies of pure noise passes a naive test nearly always, the deflated one
    about as seldom as it promises."""
    rng = np.random.default_rng(11)
    naive = deflated = 0
    rounds = 400
    for _ in range(rounds):
        tries = [moments(row) for row in rng.normal(0, 0.01, (50, 250))]
        ratios = np.array([each.sharpe for each in tries])
        best = tries[int(ratios.argmax())]
        shape = {"count": 250, "skewness": best.skewness, "kurtosis": best.kurtosis}
        naive += probabilistic_sharpe(best.sharpe, **shape) > 0.95
        variance = float(ratios.var(ddof=1))
        deflated += deflated_sharpe(best.sharpe, **shape, variance=variance, tries=50) > 0.95
    assert naive / rounds > 0.85
    assert deflated / rounds < 0.05


def test_moments_are_those_of_the_population_with_the_sample_ratio():
    found = moments(np.array([1.0, 2.0, 3.0, 10.0]))
    assert found.count == 4
    assert found.sharpe == pytest.approx(4 / math.sqrt(50 / 3))
    assert found.skewness == pytest.approx(180 / 4 / (50 / 4) ** 1.5)  # (-27 - 8 - 1 + 216) / 4
    assert found.kurtosis == pytest.approx((81 + 16 + 1 + 1296) / 4 / (50 / 4) ** 2)


@pytest.mark.parametrize("values", [[], [0.1], [0.0] * 50, [0.01] * 50])
def test_returns_without_deviation_have_no_ratio(values):
    assert moments(np.array(values)).sharpe is None


def test_what_has_no_value_is_none_and_what_is_impossible_is_refused():
    assert expected_maximum(1.0, 1) == 0
    assert expected_maximum(0.0, 50) == 0
    assert minimum_track_record(0.1, benchmark=0.1, skewness=0, kurtosis=3) is None
    assert probabilistic_sharpe(0.1, count=1, skewness=0, kurtosis=3) is None
    # No returns have such a skewness with such a kurtosis: the formula's variance is negative.
    assert probabilistic_sharpe(2.0, count=50, skewness=3, kurtosis=1) is None
    for bad in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="variance"):
            expected_maximum(bad, 5)
    with pytest.raises(ValueError, match="tries"):
        expected_maximum(1.0, 0)
