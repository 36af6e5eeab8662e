"""Whole systems in one virtual time hold to everything, meet every event, and every check of them can fail."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from long_form import LONG
from onetape.guardian.core import GuardianCore
from onetape.recorder.projection import Projection
from onetape.simulation.campaign import played
from onetape.simulation.faults import Faults
from onetape.simulation.hub_world import HubWorld
from onetape.simulation.invariants import Broken
from onetape.simulation.seeds import SYSTEM, Seed
from onetape.simulation.system_world import System

FIXED = range(200 if LONG else 5)
EVENTS = ("down", "upgrade", "limits changed", "power lost", "recorder killed", "desk killed", "robot killed", "crash")


def test_systems_hold_to_everything_and_meet_every_event():
    seen: Counter[str] = Counter()
    for seed in FIXED:
        found = played(Seed(SYSTEM, "", seed, 90))
        assert not found.failure, f"{found.seed.command}: {found.failure}"
        seen += Counter(found.seen)
    assert {name: seen[name] for name in EVENTS if not seen[name]} == {}
    assert seen["robot begins"] > len(FIXED) and seen["place_stops applied"]


def test_a_system_that_was_broken_holds():
    """A robot that began again had lost the market of its hub: its gateway's tape begins with the account's
    sub-accounts, and its instruments come after them."""
    found = played(Seed(SYSTEM, "", 5005, 135))
    assert not found.failure, f"{found.seed.command}: {found.failure}"


def test_a_drawn_system_holds_to_everything():
    seed = Seed(SYSTEM, "", int(os.environ["SIMULATION_SEED"]), 60)
    found = played(seed)
    assert not found.failure, f"{seed.command}: {found.failure}"


def calm(seed: int = 1) -> System:
    return System(seed, Faults.none(), crashes=False)


def test_without_faults_everything_holds():
    system = calm().play(30)
    assert system.seen["robot begins"] >= 3


def broken(system: System, seconds: float = 30) -> str:
    with pytest.raises(Broken) as found:
        system.play(seconds)
    return str(found.value)


def test_a_record_that_is_missing_is_seen(monkeypatch):
    monkeypatch.setattr(Projection, "_income", lambda *_args, **_named: None)
    assert "records say" in broken(calm())


def test_a_gateway_that_does_not_come_up_is_seen(monkeypatch):
    system = calm()
    account = next(system.accounts())
    monkeypatch.setattr(type(account.core), "stream_came", lambda *_: None)
    account.cut(account.streams)
    assert "takes no orders" in broken(system, 1)


def test_a_market_that_stays_stale_is_seen(monkeypatch):
    system = calm()
    monkeypatch.setattr(HubWorld, "_turn_hub", lambda _: None)
    assert "is stale" in broken(system, 1)


def test_a_position_without_stops_is_seen(monkeypatch):
    monkeypatch.setattr(GuardianCore, "_place", lambda *_args, **_named: None)
    assert "is not protected" in broken(calm(3), 60)


def test_a_fill_that_a_robot_does_not_hear_of_is_seen(monkeypatch):
    from onetape.simulation import system_world

    real = system_world._fills
    monkeypatch.setattr(
        system_world, "_fills", lambda tape, robot=0: Counter(list(real(tape, robot))[1:] if robot else real(tape))
    )
    assert "its robot heard of" in broken(calm())


def test_an_order_that_nobody_asked_for_is_seen(monkeypatch):
    from onetape.simulation import system_world

    monkeypatch.setattr(system_world, "_orders", lambda tape, robot=0: {1} if robot else set())
    assert "are of no request" in broken(calm())
