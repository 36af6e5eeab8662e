"""What is simulated is what trades: the simulated worlds import the gateway's core, and define
nothing that it defines."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from onetape.gateway import admission, core, order_requests, silence_watch
from onetape.gateway.core import GatewayCore
from onetape.orders import order_budget
from onetape.simulation.faults import Faults
from onetape.simulation.seeds import WORLDS

PRODUCT = Path(core.__file__).parents[1]
FOLDER = PRODUCT / "simulation"
OF_THE_CORE = (admission, core, order_budget, order_requests, silence_watch)
# Sums of open orders by a walk over all of them, and wallets without a venue: models, which decide nothing.
MODELS = {FOLDER / "plain_scan.py", FOLDER / "wallets.py"}


def imported(path: Path) -> Iterator[Path]:
    """The files of the simulation that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
        elif isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        found = (PRODUCT.parent.joinpath(*name.split(".")).with_suffix(".py") for name in names)
        yield from (each for each in found if each.parent == FOLDER and each.is_file())


def world_files() -> list[Path]:
    """All that the simulated worlds are made of, and the tests and tools that run them."""
    worlds = {FOLDER / f"{name}.py" for name in ("world", "entry_world", "seeds")}
    tests = [*Path(__file__).parent.glob("*.py")]
    left = [path for path in (*FOLDER.glob("*.py"), *tests) if path in worlds or worlds & {*imported(path)}]
    found: set[Path] = set()
    while left:
        path = left.pop()
        if path not in found | MODELS:
            found.add(path)
            left += imported(path)
    return sorted(found)


WORLD_FILES = world_files()


def functions(path: Path, *, without: tuple[str, ...] = ()) -> set[str]:
    """Names of functions and methods, private ones by what they would be called in public.
    without: classes that are left out."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name in without:
            node.body = []
    names = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return {name.lstrip("_") for name in names if not name.startswith("__")}


def classes(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)}


def decided() -> set[str]:
    """What the core does, without the ports that a shell has to have."""
    ports = ("Shell", "MarketView")
    found: set[str] = set()
    return found.union(*(functions(Path(each.__file__), without=ports) for each in OF_THE_CORE))


def test_the_worlds_are_found():
    assert {path.name for path in WORLD_FILES} >= {
        "world.py", "gateway_life.py", "robots.py", "owners.py", "entry_world.py", "system_world.py",
        "money_invariants.py", "test_gateway_at_faulty_venue.py",
    }  # fmt: skip
    assert decided() >= {"tick", "carry_out", "record", "end_round", "request", "amend", "reports", "refusal", "place"}


@pytest.mark.parametrize("path", WORLD_FILES, ids=lambda path: path.stem)
def test_a_simulated_world_defines_nothing_that_the_core_does(path):
    """A copy drifts from what it is a copy of, and then proves the wrong program."""
    ports = {"send"}  # the core has one of its own, which chooses what goes to this one
    assert sorted(functions(path) & (decided() - ports)) == []


def test_no_world_has_a_class_of_the_parts_of_a_gateway():
    parts = [path for room in ("gateway", "orders", "accounts") for path in (PRODUCT / room).rglob("*.py")]
    ours = set().union(*map(classes, parts))
    assert ours >= {"GatewayCore", "OrderManager", "AccountMoney", "Ledger"}
    assert {path.name: found for path in WORLD_FILES if (found := classes(path) & ours)} == {}


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
