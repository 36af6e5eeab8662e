"""Money from Kraken's spot wallet to its futures wallet: a gateway and a simulated exchange."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from onetape.accounts.entries import Cause
from onetape.ipc.system import IPCCommandSystem
from onetape.model.sections import OPERATOR
from waiting import wait_for
from worlds.transfer_processes import World


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("futures"), kind="kraken")
    yield made
    made.stop()


def corrections(world) -> list:
    return [entry for entry in world.entries() if entry.cause is Cause.CORRECTION]


def test_a_command_moves_money_to_the_futures_wallet(world):
    total, (trading, transit, other) = world.slots[0], world.books()
    reported = world.transfer("out", "12.5")
    assert reported.status == "applied", reported.error
    row = world.ends("out")
    assert (row["from"], row["to"]) == ("kraken.main.trading", "kraken.main.futures")
    assert row["venue_id"].startswith("F")
    assert world.transfer("out", "12.5").status == "duplicate"
    world.looked()
    moved = Decimal("12.5")
    assert world.books() == (trading - moved, transit, other + moved)
    assert world.slots[0] == total - moved == sum(world.slots[1:])
    assert not corrections(world)


def test_the_futures_wallet_is_among_all_wallets_and_says_that_nobody_tells_of_it(world):
    async def found():
        system = IPCCommandSystem(OPERATOR, home=world.home)
        system.start()
        try:
            return await system.get_balances("kraken_gateway")
        finally:
            system.stop()

    rows = asyncio.run(found())
    assert {row["wallet"] for row in rows} >= {"trading", "futures"}
    (futures,) = [row for row in rows if row["wallet"] == "futures"]
    assert (futures["currency"], futures["total"], futures["available"]) == (None, None, None)
    assert futures["error"].startswith("NOT_AVAILABLE(4601): ")


def test_a_coin_is_called_as_the_venue_calls_it(world):
    assert world.transfer("coin", "0.0001", currency="btc").status == "applied"
    world.ends("coin")


@pytest.mark.parametrize(
    ("fault", "tries"),
    [
        ({"action": "drop_answer"}, 1),
        ({"action": "drop_request"}, 2),
        ({"action": "error", "error": "EService:Timeout", "done": True}, 1),
        ({"action": "error", "error": "EService:Timeout", "done": False}, 2),
    ],
)
def test_an_unknown_outcome_is_resolved_by_the_ledger(world, fault, tries):
    total = world.slots[0]
    world.fault(**fault)
    id_ = f"lost-{fault['action']}-{tries}"
    assert world.transfer(id_, "1.5").status == "applied"
    assert world.ends(id_)["tries"] == tries
    assert "unknown" in world.records(id_)
    assert world.slots[0] == total - Decimal("1.5")
    assert world.books()[1] == 0
    assert not corrections(world)


def test_two_alike_of_which_one_is_lost_are_two(world):
    world.fault(action="drop_answer")
    assert world.transfer("twin-1", "1.25").status == "applied"
    assert world.transfer("twin-2", "1.25").status == "applied"
    assert len({world.ends(each)["venue_id"] for each in ("twin-1", "twin-2")}) == 2


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"from": "futures", "to": "trading"}, "NOT_AVAILABLE"),  # it is the futures side's
        ({"to": "kraken.second.futures"}, "NOT_AVAILABLE"),
        ({"amount": "1e9"}, "INSUFFICIENT_FUNDS"),
        # The ledger would show another amount, by which nobody would know it again.
        ({"amount": "1.00000000000001"}, "INVALID_AMOUNT"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_with_a_code(world, fields, name):
    before = world.books()
    reported = world.transfer("never", **{"amount": 5, **fields})
    assert (reported.status, reported.error["name"]) == ("refused", name), reported.error
    assert world.books() == before


def test_what_the_venue_refuses_comes_back(world):
    before = world.books()
    world.fault(action="error", error="EFunding:Insufficient funds", done=False)
    assert world.transfer("refused", 3).status == "applied"
    assert "EFunding:Insufficient funds" in world.ends("refused", "failed")["reason"]
    assert world.books() == before


@pytest.mark.parametrize("action", ["drop_answer", "drop_request"])
def test_a_gateway_killed_before_the_answer_sends_nothing_twice(world, action):
    total, id_ = world.slots[0], f"killed-{action}"
    world.fault(action=action)
    assert world.transfer(id_, "2.75").status == "applied"
    wait_for(lambda: "sent" in world.records(id_))
    world.gateway.kill()
    world.gateway.start()
    assert world.transfer(id_, "2.75").status == "duplicate"
    world.ends(id_)
    world.looked()
    assert world.slots[0] == total - Decimal("2.75")
    assert world.books()[1] == 0
    assert not corrections(world)
