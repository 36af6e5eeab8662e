"""As `test_gateway_simulation`, with orders over a kept-open WebSocket that is cut again and again:
afterwards both sides agree. `EntryWorld(seed).run(60)` repeats a failing seed."""

from __future__ import annotations

import os

import pytest

from onetape.model.enums import OrderNews
from onetape.orders.managed import NewsOut
from onetape.simulation.entry_world import EntryWorld
from onetape.simulation.faults import Faults
from orders.test_gateway_at_faulty_venue import FaultyWorld

LONG = bool(os.environ.get("ONETAPE_LONG"))
FIRST = 20_000  # none of the seeds of REST
SEEDS = {"binance-usdm": 1000 if LONG else 6, "kraken": 1000 if LONG else 4}


class FaultyEntryWorld(EntryWorld, FaultyWorld):
    """Its exchange misbehaves, too."""


@pytest.mark.parametrize("kind", SEEDS)
def test_without_faults_nothing_is_ever_unknown_and_every_order_goes_over_the_line(kind):
    world = EntryWorld(1, Faults.none(), kind, crashes=False).run(60)
    assert world.differences() == []
    lost = [o for o in world.outs if isinstance(o, NewsOut) and o.news is OrderNews.LOST]
    assert lost == []
    request = sum(world.seen[name] for name in ("place", "cancel", "amend"))
    assert world.seen["over the line"] == request > 40
    assert world.session.unknown == {}


@pytest.mark.parametrize(
    ("kind", "seed"), [(kind, seed) for kind, n in SEEDS.items() for seed in range(FIRST, FIRST + n)]
)
def test_after_any_faults_of_the_line_both_sides_agree(kind, seed):
    world = EntryWorld(seed, kind=kind).run(60)
    reported = f"EntryWorld({seed}, kind={kind!r}).run(60), {dict(world.seen)}"
    assert world.differences() == [], reported
    assert world.seen["over the line"] > 0, reported


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS["binance-usdm"] // 2))
def test_after_any_faults_of_line_and_exchange_both_sides_agree(seed):
    world = FaultyEntryWorld(seed).run(60)
    reported = f"FaultyEntryWorld({seed}).run(60), {dict(world.seen)}"
    assert world.differences() == [], reported
    assert world.seen["over the line"] > 0, reported
