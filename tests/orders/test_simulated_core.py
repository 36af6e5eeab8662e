"""What is simulated is what trades: the simulated worlds import the gateway's core, and define
nothing that it defines."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from onetape.gateway import core, order_requests, silence_watch
from onetape.gateway.core import GatewayCore
from orders.gateway_faults import Faults
from orders.gateway_seeds import WORLDS

HERE = Path(__file__).parent
WORLD_FILES = [
    HERE / name
    for name in (
        "entry_world.py",
        "gateway_life.py",
        "gateway_owners.py",
        "gateway_robots.py",
        "gateway_seeds.py",
        "gateway_world.py",
        "test_gateway_at_faulty_venue.py",
    )
]
OF_THE_CORE = (core, order_requests, silence_watch)


def functions(path: Path, *, without: tuple[str, ...] = ()) -> Iterator[str]:
    """Names of functions and methods, private ones by what they would be called in public.
    without: classes that are left out."""
    tree = ast.parse(path.read_text())
    out = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name in without
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        is_left_out = node in out or not isinstance(node, ast.FunctionDef)
        if not is_left_out and not node.name.startswith("__"):
            yield node.name.lstrip("_")


def decided() -> set[str]:
    """What the core does, without the ports that a shell has to have."""
    ports = ("Shell", "MarketView")
    return {name for each in OF_THE_CORE for name in functions(Path(each.__file__), without=ports)}


@pytest.mark.parametrize("path", WORLD_FILES, ids=lambda path: path.stem)
def test_a_simulated_world_defines_nothing_that_the_core_does(path):
    """A copy drifts from what it is a copy of, and then proves the wrong program."""
    ports = {"send"}  # the core has one of its own, which chooses what goes to this one
    assert decided() >= {"tick", "carry_out", "record", "end_round", "request", "amend", "reports"}
    assert sorted(set(functions(path)) & (decided() - ports)) == []


@pytest.mark.parametrize("world", WORLDS.values(), ids=lambda world: world.__name__)
def test_every_world_trades_with_the_core(monkeypatch, world):
    """Without its order of effects nothing leaves."""
    calls = []
    send = GatewayCore._send

    def counted(self, found):
        calls.extend(found)
        send(self, found)

    monkeypatch.setattr(GatewayCore, "_send", counted)
    played = world(3, Faults.none(), crashes=False).run(20)
    by_robots = [call for call in calls if call.orders]
    assert len(by_robots) >= played.seen["place"] > 0
