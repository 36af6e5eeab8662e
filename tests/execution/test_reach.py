"""How well parent orders are worked, over markets of chance: bench/algorithms.py does a thousand of them."""

from __future__ import annotations

import statistics

import pytest

from long_form import LONG
from worlds.worked_orders import QTY, RATE, participation, schedule_error, slippage_bps, worked, write_market

SEEDS = 200 if LONG else 6


@pytest.fixture(scope="module")
def tapes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("markets")
    return [write_market(folder / str(seed), seed) for seed in range(SEEDS)]


def test_a_twap_is_never_more_than_a_clip_off_an_even_schedule(tapes):
    for seed, tape in enumerate(tapes):
        assert schedule_error(worked(tape, "twap", seed)) <= 1


def test_a_pov_ends_within_a_point_of_its_rate(tapes):
    for seed, tape in enumerate(tapes):
        robot = worked(tape, "pov", seed)
        assert participation(robot) == pytest.approx(RATE, abs=0.01)
        assert sum(qty for _, qty, _ in robot.filled) <= QTY + 1e-9


def test_a_vwap_pays_less_than_one_market_order(tapes):
    robots = {algo: [worked(tape, algo, seed) for seed, tape in enumerate(tapes)] for algo in ("vwap", "market")}
    assert all(
        sum(qty for _, qty, _ in each.filled) == pytest.approx(QTY) for found in robots.values() for each in found
    )
    # The market order walks seven levels of a basis point each; clips take the first of them.
    walked, taken = ([each.filled for each in robots[algo]] for algo in ("market", "vwap"))
    assert all(len({price for *_, price in fills}) == 7 for fills in walked)
    assert all(len(fills) >= 10 for fills in taken)
    assert abs(statistics.mean(map(slippage_bps, robots["vwap"]))) < 3
