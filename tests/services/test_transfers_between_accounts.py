"""Money that one account gives to another: two gateways of one home, a venue that has both."""

from __future__ import annotations

from decimal import Decimal

import pytest
from transfer_processes import World, until

from onetape.accounts.entries import Cause
from onetape.ipc.commands import binance_strategy_balance

GIVE = "/sapi/v1/sub-account/universalTransfer"
TO_OTHER = {"from": "spot", "to": "binance.second.trading"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("between"), siblings={"second": "second"})
    try:
        made.second = made.also("second", siblings={"main": "main"})
        assert made.transfer("fund", 500).status == "applied"
        made.ends("fund")
        yield made
    finally:
        made.stop()


def gives(world, id_: str, amount, **fields):
    told = world.transfer(id_, amount, **{**TO_OTHER, **fields})
    assert told.status == "applied", told.error
    return told


def both(world) -> Decimal:
    """All that the books of both have, wherever."""
    return sum((*world.books("main"), *world.books("second")), Decimal(0))


def test_another_account_gets_it_and_its_gateway_books_it_once(world):
    total, before = both(world), world.slots_of("second")
    gives(world, "to-second", "60.5")
    row = world.ends("to-second")
    assert (row["from"], row["to"]) == ("binance.main.spot", "binance.second.trading")
    until(lambda: world.slots_of("second")[0] == before[0] + Decimal("60.5"))
    until(lambda: world.gateway.ask("status")["transfers"]["unfinished"] == 0)
    adjust = binance_strategy_balance("operator", "adjust", "usdt", "60.5",
                                      transfer_id="to-second")  # fmt: skip
    told = world.send(("binance_strategy_balance", adjust), to="second")
    assert told.status == "applied", told.error
    world.send(("reconcile", {}), to="second")
    assert both(world) == total
    assert world.slots_of("second")[:2] == [each + Decimal("60.5") for each in before[:2]]
    assert not [e for e in world.entries("second") if e.cause is Cause.CORRECTION]


@pytest.mark.parametrize(("action", "tries"), [("drop_answer", 1), ("drop_request", 2)])
def test_an_unknown_outcome_is_found_by_its_id(world, action, tries):
    total, before = both(world), world.slots_of("second")
    world.fault(path=GIVE, action=action)
    gives(world, action, 7)
    assert world.ends(action)["tries"] == tries
    until(lambda: world.slots_of("second")[0] == before[0] + 7)
    assert both(world) == total


def test_out_of_the_trading_wallet_into_the_others_spot_wallet(world):
    before, other = world.slots, world.books("second")
    gives(world, "to-spot", 5, **{"from": "trading", "to": "binance.second.spot"})
    world.ends("to-spot")
    until(lambda: world.gateway.ask("status")["transfers"]["unfinished"] == 0)
    assert world.slots[:2] == [before[0] - 5, before[1] - 5]
    assert world.books("second") == other  # of its spot wallet a gateway keeps what it moved itself


def test_a_gateway_that_was_away_is_told_when_it_is_there(world):
    before = world.slots_of("second")
    world.second.kill()
    gives(world, "while-away", 11)
    world.ends("while-away")
    assert world.gateway.ask("status")["transfers"]["unfinished"] == 1
    world.gateway.kill()
    world.gateway.start()
    world.second.start()
    until(lambda: world.gateway.ask("status")["transfers"]["unfinished"] == 0)
    until(lambda: world.slots_of("second")[0] == before[0] + 11)
    assert not [e for e in world.entries("second") if e.cause is Cause.CORRECTION]


def test_only_a_master_account_gives_and_what_it_refuses_comes_back(world):
    before = world.books("second")
    way = {"from": "trading", "to": "binance.main.spot"}
    assert world.transfer("not-master", 3, at="second", **way).status == "applied"
    row = world.ends("not-master", "failed", at="second")
    assert "-1002" in row["reason"]
    assert world.books("second") == before


@pytest.mark.parametrize(
    ("way", "word"),
    [
        ({"to": "binance.third.trading"}, "knows no account third"),
        ({"from": "trading", "to": "binance.second.trading"}, "moves no money for us"),
        ({"to": "kraken.second"}, "between venues"),
    ],
)
def test_ways_that_there_are_not_are_refused(world, way, word):
    told = world.transfer("no-way", 1, **{**TO_OTHER, **way})
    assert (told.status, told.error["name"]) == ("refused", "NOT_AVAILABLE")
    assert word in told.error["message"]
