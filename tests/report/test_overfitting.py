"""The best of many tries: figures held against slow loops, against worlds of known skill, and by hand."""

from __future__ import annotations

import statistics
from itertools import combinations

import numpy as np
import pytest

from onetape.report import overfitting as of
from onetape.report.deflate import expected_maximum, moments, probabilistic_sharpe


def noise(seed: int, times: int = 256, tries: int = 20, skill: float = 0.0) -> np.ndarray:
    """Returns without skill, but for the fourth try, or the last."""
    found = np.random.default_rng(seed).normal(0, 0.01, (times, tries))
    found[:, min(3, tries - 1)] += skill * 0.01
    return found


def slow_overfitting(pieces, blocks):
    """The paper's steps one by one: halves, the best within, its rank without."""
    length, tries = len(pieces) // blocks, pieces.shape[1]

    def ratio(rows, at):
        values = [float(pieces[row, at]) for row in rows]
        deviation = statistics.pstdev(values)
        return statistics.fmean(values) / deviation if deviation > 1e-12 else 0.0

    worse, losses, count = 0.0, 0, 0
    for chosen in combinations(range(blocks), blocks // 2):
        halves = [[], []]
        for block in range(blocks):
            halves[block not in chosen] += range(block * length, (block + 1) * length)
        inside = [ratio(halves[0], at) for at in range(tries)]
        best = inside.index(max(inside))
        outside = [ratio(halves[1], at) for at in range(tries)]
        ranks = [(sum(b < a for b in outside) + sum(b <= a for b in outside) + 1) / 2 for a in outside]
        rank = ranks[best] / (tries + 1)
        worse += 1 if rank < 0.5 else 0.5 if rank == 0.5 else 0
        losses += outside[best] < 0
        count += 1
    return worse / count, losses / count


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("tries", "blocks"), [(2, 4), (7, 6), (12, 8)])
def test_halving_is_that_of_slow_loops(seed, tries, blocks):
    pieces = noise(seed, 67, tries, skill=0.1 * seed)
    pieces[:, -1] = 0  # one that never traded
    assert of.probability_of_overfitting(pieces, blocks) == pytest.approx(slow_overfitting(pieces, blocks))


def test_skill_carries_over_and_noise_does_not():
    skilled = [of.probability_of_overfitting(noise(seed, skill=0.6)) for seed in range(5)]
    assert all(worse < 0.05 and loses < 0.05 for worse, loses in skilled)
    lucky = [of.probability_of_overfitting(noise(seed))[0] for seed in range(8)]
    assert np.mean(lucky) > 0.3
    assert of.probability_of_overfitting(noise(0, tries=20)[:, :1]) is None
    assert of.probability_of_overfitting(noise(0, times=20)) is None


def test_the_reality_check_is_that_of_slow_loops():
    pieces = noise(4, 40, 5, skill=0.3)
    chance = np.random.default_rng(0)
    restart, means = 1 / round(40 ** (1 / 3)), pieces.mean(axis=0)
    above = 0
    for _ in range(60):
        begins, starts = chance.random(40) < restart, chance.integers(0, 40, 40)
        drawn, place = [], 0
        for at in range(40):
            place = starts[at] if begins[at] or at == 0 else (place + 1) % 40
            drawn.append(place)
        best = max(sum(pieces[row, at] - means[at] for row in drawn) / 40 for at in range(5))
        above += best >= max(means)
    assert of.reality_check(pieces, draws=60) == (above + 1) / 61


def test_a_reality_check_of_noise_is_seldom_small_and_of_skill_always():
    assert all(of.reality_check(noise(seed, skill=0.5), 300) < 0.01 for seed in range(5))
    found = [of.reality_check(noise(seed), 200) for seed in range(60)]
    assert sum(each < 0.1 for each in found) <= 14  # six are expected; more than 14 in one of a thousand worlds
    assert 0.3 < np.mean(found) < 0.7


def test_tries_that_move_together_are_one_group():
    own = np.random.default_rng(1).normal(0, 0.01, (200, 3))
    own[:, 1] += 0.005  # the best leads the first group
    pieces = np.column_stack([own[:, at % 3] + np.random.default_rng(at).normal(0, 0.002, 200) for at in range(9)])
    groups = of.groups_of(pieces)
    assert len(set(groups.tolist())) == 3 and groups[1] == groups[4] == groups[7] == 0
    assert len({tuple(groups[at::3]) for at in range(3)}) == 3
    # The ratio is deflated for as many tries as there are groups, by the spread of the groups' means.
    ratios = np.array([statistics.fmean(each) / statistics.stdev(each) for each in pieces.T.tolist()])
    spread = statistics.variance([ratios[at::3].mean() for at in range(3)])
    best = moments(pieces[:, 1])
    shape = {"count": 200, "skewness": best.skewness, "kurtosis": best.kurtosis}
    odds = [
        1 - probabilistic_sharpe(best.sharpe, benchmark=expected_maximum(spread, tries), **shape) for tries in (3, 9)
    ]
    assert of.judge(pieces, 1, 9).odds_of_luck == pytest.approx(odds[0]) and odds[0] < odds[1]


def test_failed_tries_were_tries():
    pieces = noise(2, skill=0.2)
    few, many = of.judge(pieces, 3, 20), of.judge(pieces, 3, 400)
    assert many.groups == few.groups + 380 and many.odds_of_luck > few.odds_of_luck
    assert "400 tries" in many.verdict


def test_nothing_earned_is_nothing_to_judge():
    found = of.judge(np.zeros((256, 4)), 0, 4)
    assert found.odds_of_luck is None and "nothing" in found.verdict


def test_gains_drawn_anew_by_hand():
    # Two of +1 and -1: the four orders lose 2, 0, 0 or -2, and fall by 0, 1, 1 or 2.
    found = of.monte_carlo(np.array([1.0, -1.0]), draws=4000)
    assert found == {"profit": [-2, 0, 2], "drawdown": [0, 1, 2]}


def test_pieces_add_up_to_the_profit():
    ts = np.array([0, 10, 25, 70, 100], dtype=np.int64)
    equity = np.array([100.0, 101, 99, 104, 103])
    pieces = of.pieces_of(ts, equity, 10)
    assert len(pieces) == 10 and sum(pieces) == pytest.approx(0.03)
    assert pieces[0] == 0.01 and pieces[2] == pytest.approx(-0.02)
    assert of.pieces_of(ts[:1], equity[:1]) == []


def test_answers_read_good_for_skill_and_bad_for_noise():
    def reads(pieces):
        return {row["reads"] for row in of.questions(of.judge(pieces, int(pieces.mean(axis=0).argmax()), 20))}

    assert reads(noise(2, skill=0.4)) == {"good"}
    of_noise = [reads(noise(seed)) for seed in range(4)]
    assert {"good"} not in of_noise and any("bad" in each for each in of_noise)
