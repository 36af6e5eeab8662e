"""When a source is relied on, in a time of the test's own."""

from __future__ import annotations

import pytest

from onetape.hub.source_health import FeedState, SourceHealth
from onetape.model.time import SECOND

HEALTHY, DEGRADED, FAILING = FeedState.HEALTHY, FeedState.DEGRADED, FeedState.FAILING
MS = SECOND // 1000
LOOK = 200 * MS
STALE = 2 * SECOND


class World:
    """Two sources of two symbols, looked at five times a second."""

    def __init__(self) -> None:
        self.health = SourceHealth(2, STALE)
        self.now = 0
        self.speaks = {(0, 0), (0, 1), (1, 0)}
        self.changes: list[tuple[int, int, FeedState]] = []
        for source in (0, 1):
            self.health.process(source, is_alive=True)

    def go(self, seconds: float) -> None:
        for _ in range(round(seconds * SECOND / LOOK)):
            self.now += LOOK
            self.health.heard(self.speaks, self.now)
            self.changes += [(self.now, change.source, change.state) for change in self.health.look(self.now)]

    def state(self, source: int = 0, symbol: int = -1) -> FeedState:
        return self.health.state(source, symbol)


@pytest.fixture
def world() -> World:
    made = World()
    made.go(10)
    assert made.changes == [(LOOK, 0, HEALTHY), (LOOK, 1, HEALTHY)]
    made.changes.clear()
    return made


def test_who_has_never_spoken_is_failing():
    world = World()
    world.speaks = {(0, 0)}
    world.go(5)
    assert (world.state(0), world.state(1)) == (HEALTHY, FAILING)


def test_a_frozen_source_fails_within_two_seconds_and_is_back_when_it_was_steady(world):
    began = world.now
    world.speaks = {(1, 0)}
    world.go(3)
    (at, source, state) = world.changes[0]
    assert (source, state) == (0, FAILING) and at - began <= 2 * SECOND
    assert not world.health.is_fresh(0, 0) and world.health.is_fresh(1, 0)
    world.speaks = {(0, 0), (0, 1), (1, 0)}
    world.go(1)
    assert world.state() == DEGRADED
    world.go(1.4)
    assert world.state() == HEALTHY


@pytest.mark.parametrize("what", ["process", "connection"])
def test_a_dead_source_fails_at_the_next_look(world, what):
    if what == "process":
        world.health.process(0, is_alive=False)
    else:
        world.health.connection(0, is_lost=True)
    world.go(0.2)
    assert world.state() == FAILING and world.state(1) == HEALTHY


def test_a_source_that_flaps_has_to_be_steady_for_longer_each_time(world):
    waited = []
    for _ in range(4):
        world.health.connection(0, is_lost=True)
        world.go(0.4)
        world.health.connection(0, is_lost=False)
        began = world.now
        while world.state() is not HEALTHY:
            world.go(0.2)
        waited.append(round((world.now - began) / SECOND))
    assert waited == [2, 4, 8, 16]
    world.go(70)  # it is forgotten
    world.health.connection(0, is_lost=True)
    world.go(0.4)
    world.health.connection(0, is_lost=False)
    world.go(2.6)
    assert world.state() == HEALTHY


def test_one_that_flaps_each_second_is_not_healthy_between(world):
    for _ in range(20):
        world.health.connection(0, is_lost=True)
        world.go(0.6)
        world.health.connection(0, is_lost=False)
        world.go(0.4)
        assert world.state() is not HEALTHY


def test_one_symbol_that_is_silent_is_degraded_alone(world):
    world.speaks = {(0, 0), (1, 0)}
    world.go(3)
    assert (world.state(0), world.state(0, 0), world.state(0, 1)) == (HEALTHY, HEALTHY, DEGRADED)
    assert not world.health.is_fresh(0, 1)
    world.health.forget(1)  # it was delisted
    assert world.state(0, 1) == HEALTHY


def test_who_is_late_is_degraded_and_in_between_nothing_changes(world):
    for delay, state in ((1.9, HEALTHY), (2.1, DEGRADED), (1.5, DEGRADED), (0.9, DEGRADED)):
        world.health.late(0, delay * SECOND)
        world.go(0.4)
        assert world.state() == state, delay
    world.go(2)
    assert world.state() == HEALTHY


def test_what_another_process_said_before_is_not_its_successors_word(world):
    world.health.connection(1, is_lost=True)
    world.speaks = set()
    for source in (0, 1):
        world.health.begun(source)
    world.go(0.2)
    assert [(world.state(each), world.health.why(each)) for each in (0, 1)] == [(FAILING, "has not spoken")] * 2
    world.speaks = {(0, 0), (1, 0)}
    world.go(0.2)
    assert FAILING not in (world.state(0), world.state(1))
