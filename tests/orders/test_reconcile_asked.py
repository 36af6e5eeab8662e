"""Comparisons that are asked for: as many as the venue's address bears, and each who asks has a fresh one."""

from __future__ import annotations

import pytest

from onetape.model.time import MS, SECOND
from onetape.simulation.faults import Faults
from onetape.simulation.world import World


@pytest.mark.parametrize("kind", ["pacifica", "binance-usdm"])
def test_however_often_it_is_asked_for_half_of_the_address_is_left(kind):
    world = World(1, Faults.none(), kind, crashes=False).run(20)
    rule, weights = world.venue.budget[0], []
    send = world.reconciler._send
    world.reconciler._send = lambda call, now: (weights.append(call.weight), send(call, now))
    began, rounds, ages = world.now, world.reconciler.rounds, []
    while world.now < began + rule.window:
        world.core.reconcile(SECOND)
        world.until(world.now + 100 * MS)
        if world.core.is_reconciled:
            ages.append(world.now - world.reconciler.compared_at)
    assert world.reconciler.rounds > rounds + 2
    assert sum(weights) <= rule.most / 2 + 2 * world.reconciler.weight  # the first and the last of the window
    assert max(ages) < rule.window // 2
    weights.clear()
    world.core.reconcile()  # a person's own is made at once
    world.until(world.now + SECOND)
    assert weights


@pytest.mark.parametrize("kind", ["pacifica", "binance-usdm"])
def test_an_earlier_one_serves_nobody_while_the_venue_says_nothing(kind):
    world = World(1, Faults.none(), kind, crashes=False).run(20)
    world.core.reconcile()
    world.until(world.now + SECOND)
    rounds = world.reconciler.rounds
    world.core.reconcile(SECOND)
    assert not world.core.is_reconciled
    world.until(world.now + 200 * MS)
    assert world.core.is_reconciled and world.reconciler.rounds == rounds
    world.messages, world.kept_back = lambda: 0, []  # it hangs
    world.core.reconcile(SECOND)
    world.until(world.now + 5 * SECOND)
    assert not world.core.is_reconciled and world.kept_back  # and is asked
