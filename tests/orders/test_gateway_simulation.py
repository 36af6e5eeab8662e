"""Random trading through a bad network, in virtual time: what the gateway believes afterwards is
what the exchange says. A failing seed is shown; `World(seed).run(60)` repeats it."""

from __future__ import annotations

import os

import pytest

from onetape.model.enums import OrderNews
from onetape.orders.managed import NewsOut
from orders.gateway_world import Faults, World

LONG = bool(os.environ.get("ONETAPE_LONG"))
SEEDS = {"binance-usdm": 2000 if LONG else 100, "kraken": 2000 if LONG else 40}


@pytest.mark.parametrize("kind", SEEDS)
def test_without_faults_nothing_is_ever_unknown(kind):
    world = World(1, Faults.none(), kind).run(60)
    assert world.differences() == []
    lost = [o for o in world.outs if isinstance(o, NewsOut) and o.news is OrderNews.LOST]
    assert lost == []
    assert world.seen["robot places"] > 40


@pytest.mark.parametrize(
    ("kind", "seed"), [(kind, seed) for kind, count in SEEDS.items() for seed in range(count)]
)
def test_after_any_faults_both_sides_agree(kind, seed):
    world = World(seed, kind=kind).run(60)
    assert world.differences() == [], f"World({seed}, kind={kind!r}).run(60), {dict(world.seen)}"
