"""A gateway that reads a hub, in virtual time: nothing that adds risk leaves on a market that is old."""

from __future__ import annotations

import pytest

from onetape.simulation.hub_world import HubWorld
from onetape.simulation.invariants import Broken
from onetape.simulation.seeds import Seed, play

WANTED = {"hub still", "source frozen", "step back", "disagrees", "stale", "fresh", "denied 4304", "robot places"}


SEEDS = (
    ("binance-usdm", 3, 60),
    ("kraken", 5, 60),
    ("binance-usdm", 1001, 120),  # an order came between the hub's word and the next look
)


@pytest.mark.parametrize(("kind", "number", "seconds"), SEEDS)
def test_what_must_hold_holds_whatever_the_hub_does(kind, number, seconds):
    world = Seed("HubWorld", kind, number, seconds).begun()
    play(world, seconds)
    assert world.invariants.checks > 300 and world.seen["robot places"] > 5


def test_every_fault_of_a_hub_comes_up():
    missing = set(WANTED)
    for seed in range(20):
        missing -= HubWorld(seed).run(60).seen.keys()
        if not missing:
            return
    pytest.fail(f"never seen: {sorted(missing)}")


def test_a_gateway_that_believes_any_market_is_found_out(monkeypatch):
    monkeypatch.setattr("onetape.feeds.hub_market.HubMarket.silent_ns", lambda self, symbol: 0)
    with pytest.raises(Broken, match=r"on a market that the hub calls stale|while the hub stands still"):
        for seed in range(20):
            HubWorld(seed, crashes=False).run(90)
