"""Random trading through a bad network, in virtual time: what the gateway believes afterwards is
what the exchange says. A failing seed is shown; `World(seed).run(60)` repeats it."""

from __future__ import annotations

import os

import pytest

from orders.gateway_world import Faults, World

SEEDS = 2000 if os.environ.get("ONETAPE_LONG") else 100


def test_without_faults_nothing_is_ever_unknown():
    world = World(1, Faults.none()).run(60)
    assert world.differences() == []
    assert world.manager.counts.get("unknown", 0) == 0
    assert world.seen["robot places"] > 40


@pytest.mark.parametrize("seed", range(SEEDS))
def test_after_any_faults_both_sides_agree(seed):
    world = World(seed).run(60)
    assert world.differences() == [], f"World({seed}).run(60), {dict(world.seen)}"
