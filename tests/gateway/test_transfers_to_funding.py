"""Money between a trading account and the funding account beside it: a gateway and a simulated exchange."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from onetape.accounts.entries import Cause
from onetape.ipc.system import IPCCommandSystem
from onetape.model.sections import OPERATOR
from worlds.transfer_processes import World

# An error that says nothing of the outcome, and the refusal for lack of money.
CODES = {"okx": ("50004", "58350"), "bybit": ("10016", "131212")}


@pytest.fixture(scope="module", params=list(CODES))
def world(tmp_path_factory, request):
    made = World(tmp_path_factory.mktemp(request.param), kind=request.param)
    made.kind = request.param
    yield made
    made.stop()


def corrections(world) -> list:
    return [entry for entry in world.entries() if entry.cause is Cause.CORRECTION]


def test_a_command_moves_money_to_the_funding_account_and_back(world):
    total, (trading, transit, other) = world.slots[0], world.books()
    assert world.transfer("out", "12.5").status == "applied"
    row = world.ends("out")
    assert (row["from"], row["to"]) == (f"{world.kind}.main.trading", f"{world.kind}.main.funding")
    assert world.transfer("out", "12.5").status == "duplicate"
    world.looked()
    moved = Decimal("12.5")
    assert world.books() == (trading - moved, transit, other + moved)
    assert world.transfer("back", "2.5", **{"from": "funding", "to": "trading"}).status == "applied"
    world.ends("back")
    world.looked()
    assert world.books() == (trading - 10, transit, other + 10) and world.slots[0] == total - 10
    assert not corrections(world)


def test_the_funding_account_is_among_all_wallets(world):
    async def found():
        system = IPCCommandSystem(OPERATOR, home=world.home)
        system.start()
        try:
            return await system.get_balances(f"{world.kind}_gateway")
        finally:
            system.stop()

    rows = {(row["wallet"], row["currency"]): row for row in asyncio.run(found())}
    held = rows["funding", "USDT"]
    assert (held["total"], held["available"], held["error"]) == ("10", "10", None)


@pytest.mark.parametrize(
    ("fault", "tries"),
    [
        ({"action": "drop_answer"}, 1),
        ({"action": "drop_request"}, 2),
        ({"action": "error", "done": True}, 1),
        ({"action": "error", "done": False}, 2),
    ],
)
@pytest.mark.parametrize("name", ["lost", "lost-{}"])  # the second is no id of the venue's form
def test_an_unknown_outcome_is_resolved_by_the_venues_list(world, fault, tries, name):
    total = world.slots[0]
    world.fault(**fault, **({"error": CODES[world.kind][0]} if fault["action"] == "error" else {}))
    id_ = f"{name.format(tries)}{fault['action'].replace('_', '')}{tries}"
    assert world.transfer(id_, "1.5").status == "applied"
    assert world.ends(id_)["tries"] == tries
    assert "unknown" in world.records(id_)
    assert world.slots[0] == total - Decimal("1.5")
    assert world.books()[1] == 0
    assert not corrections(world)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"to": "spot"}, "NOT_AVAILABLE"),
        ({"to": "{}.second.funding"}, "NOT_AVAILABLE"),
        ({"amount": "1e9"}, "INSUFFICIENT_FUNDS"),
        ({"amount": "1.000000001"}, "INVALID_AMOUNT"),
    ],
)
def test_what_cannot_be_requested_is_refused_with_a_code(world, fields, name):
    before = world.books()
    wanted = {key: text.format(world.kind) for key, text in fields.items()}
    reported = world.transfer("never", **{"amount": 5, **wanted})
    assert (reported.status, reported.error["name"]) == ("refused", name), reported.error
    assert world.books() == before


def test_what_the_venue_refuses_comes_back(world):
    before = world.books()
    way = {"from": "funding", "to": "trading"}
    assert world.transfer("refused", "5000", **way).status == "applied"
    assert CODES[world.kind][1] in world.ends("refused", "failed")["reason"]
    assert world.books() == before
