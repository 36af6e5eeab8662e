"""Operations in a bad world: whatever goes wrong, no leg stays naked, and what is reported is so."""

from __future__ import annotations

import random

import pytest

from hedge.hedge_world import LOT, SECOND, ZERO, Faults, World
from long_form import LONG
from onetape.hedge.saga import EMERGENCY


def check(world: World) -> None:
    world.watch()
    outcome = world.saga.outcome(world.now)
    found = {name: each.position for name, each in world.accounts.items()}
    assert world.is_over, "it has not come to its end"
    assert not world.met, "it was sent at an order of our own"
    # It has 30 s, but for what waits for a venue's answer to an order that may have evened it out; and of them it idles
    # at most one, in pauses of which a restart knows nothing.
    assert world.bound_ns <= EMERGENCY and world.idle_ns <= SECOND
    assert world.naked_ns <= EMERGENCY or world.faults.lost
    assert abs(outcome.naked) == 0 and outcome.change == world.change
    assert {name: at for name, at in outcome.positions.items() if at} == {name: at for name, at in found.items() if at}
    if not world.goal.plan.opposes:  # never beyond what was wanted
        low, high = sorted((ZERO, world.goal.plan.change))
        assert low <= world.change <= high and world.naked_ns == 0
    else:
        assert abs(world.change) < LOT
    over = [each for each in world.records if each["kind"] == "saga_ended"]
    assert len(over) == 1 and over[0]["outcome"]["differs"] == {}
    assert world.faults.lost or all(world.now - each.at <= 60 * SECOND for each in world.reports)


@pytest.mark.parametrize("first", range(0, 20_000 if LONG else 300, 100))
def test_no_leg_stays_naked_and_the_report_is_what_the_venues_hold(first):
    for seed in range(first, first + 100):
        try:
            check(World(seed).run())
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


@pytest.mark.parametrize("seed", range(300 if LONG else 20))
def test_a_kill_at_any_record_changes_nothing_of_that(seed):
    whole = World(seed, Faults(rejects=0.3, parts=0.3)).run()
    check(whole)
    for record in range(1, len(whole.records) + 1):
        world = World(seed, Faults(rejects=0.3, parts=0.3))
        world.kill_at(record)
        check(world.run())


def test_an_operation_without_faults_does_what_it_planned():
    for seed in range(50):
        world = World(seed, Faults())
        world.jump = ZERO
        check(world.run())
        outcome = world.saga.outcome(world.now)
        assert (outcome.status, outcome.why) == ("completed" if world.goal.plan.legs else "failed", "")
        assert world.reports == [outcome]


def test_a_seed_is_played_the_same_way_each_time():
    for seed in range(20):
        assert World(seed).run().records == World(seed).run().records


def test_half_of_all_operations_are_unhedged_for_less_than_50_ms():
    spans = []
    for seed in range(400):
        world = World(seed, Faults.usual(random.Random(seed)), opposes=True).run()
        check(world)
        spans.append(world.naked_ns)
    assert max(spans) <= EMERGENCY
    assert sorted(spans)[len(spans) // 2] <= 50_000_000
