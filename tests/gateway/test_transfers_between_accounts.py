"""Money that one account gives to another: two gateways of one home, a venue that has both."""

from __future__ import annotations

from decimal import Decimal

import pytest

from onetape.accounts.entries import Cause
from onetape.ipc.commands import binance_strategy_balance
from onetape.orders.calls import MASTER
from waiting import wait_for
from worlds.transfer_processes import World

GIVE = "/sapi/v1/sub-account/universalTransfer"
RETURN = "/sapi/v1/sub-account/transfer/subToMaster"
TO_OTHER = {"from": "spot", "to": "binance.second.trading"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("between"), siblings={"second": "second"})
    try:
        made.second = made.also("second", siblings={"main": MASTER})
        assert made.transfer("fund", 500).status == "applied"
        made.ends("fund")
        yield made
    finally:
        made.stop()


def gives(world, id_: str, amount, **fields):
    reported = world.transfer(id_, amount, **{**TO_OTHER, **fields})
    assert reported.status == "applied", reported.error
    return reported


def returned(world, id_: str, amount, state: str = "done", **fields) -> dict:
    """From the second account, unless told otherwise to its master."""
    way = {"from": "spot", "to": "binance.main.spot", **fields}
    reported = world.transfer(id_, amount, at="second", **way)
    assert reported.status == "applied", reported.error
    return world.ends(id_, state, at="second")


def both(world) -> Decimal:
    """All that the books of both have, wherever."""
    return sum((*world.books("main"), *world.books("second")), Decimal(0))


def test_another_account_gets_it_and_its_gateway_books_it_once(world):
    total, before = both(world), world.slots_of("second")
    gives(world, "to-second", "60.5")
    row = world.ends("to-second")
    assert (row["from"], row["to"]) == ("binance.main.spot", "binance.second.trading")
    wait_for(lambda: world.slots_of("second")[0] == before[0] + Decimal("60.5"))
    wait_for(lambda: world.gateway.ask("status")["transfers"]["unfinished"] == 0)
    adjust = binance_strategy_balance("operator", "adjust", "usdt", "60.5", transfer_id="to-second")
    answer = world.send(("binance_strategy_balance", adjust), to="second")
    assert answer.status == "applied", answer.error
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
    wait_for(lambda: world.slots_of("second")[0] == before[0] + 7)
    wait_for(lambda: both(world) == total)


def test_out_of_the_trading_wallet_into_the_others_spot_wallet(world):
    before, other = world.slots, world.books("second")
    gives(world, "to-spot", 5, **{"from": "trading", "to": "binance.second.spot"})
    world.ends("to-spot")
    wait_for(lambda: world.gateway.ask("status")["transfers"]["unfinished"] == 0)
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
    wait_for(lambda: world.gateway.ask("status")["transfers"]["unfinished"] == 0)
    wait_for(lambda: world.slots_of("second")[0] == before[0] + 11)
    assert not [e for e in world.entries("second") if e.cause is Cause.CORRECTION]


def test_a_sub_account_gives_to_its_master_by_way_of_the_spot_wallets(world):
    total, before, other = both(world), world.slots_of("second"), world.books("main")
    returned(world, "out-of-trading", 4, **{"from": "trading", "to": "spot"})
    returned(world, "to-master", "2.5")
    into = {"from": "spot", "to": "trading"}
    assert world.transfer("into-trading", "2.5", **into).status == "applied"
    world.ends("into-trading")
    assert world.slots_of("second")[0] == before[0] - 4
    trading, transit, spot = other
    # Its spot wallet has what the other has sent; its ledger has what it has moved itself.
    assert world.books("main") == (trading + Decimal("2.5"), transit, spot - Decimal("2.5"))
    assert both(world) == total - Decimal("2.5")
    world.looked()
    world.send(("reconcile", {}), to="second")
    for account in ("main", "second"):
        assert not [e for e in world.entries(account) if e.cause is Cause.CORRECTION]


@pytest.mark.parametrize(("action", "tries"), [("drop_answer", 1), ("drop_request", 2)])
def test_what_became_of_one_to_the_master_stands_in_the_sub_accounts_history(world, action, tries):
    name = f"return-{action}"
    returned(world, f"{name}-before", 3, **{"from": "trading", "to": "spot"})
    before = world.books("second")
    world.fault(path=RETURN, action=action)
    assert returned(world, name, 3)["tries"] == tries
    trading, transit, spot = before
    assert world.books("second") == (trading, transit, spot - 3)


def test_what_the_venue_refuses_a_sub_account_comes_back(world):
    before = world.books("second")
    assert "-5013" in returned(world, "too-much", 10**9, "failed")["reason"]
    assert world.books("second") == before


@pytest.mark.parametrize(
    ("way", "word"),
    [
        ({"to": "binance.third.trading"}, "knows no account third"),
        ({"from": "trading", "to": "binance.second.trading"}, "does not support transfers"),
        ({"to": "kraken.second"}, "no address for USDT of kraken.second"),
    ],
)
def test_ways_that_there_are_not_are_refused(world, way, word):
    reported = world.transfer("no-way", 1, **{**TO_OTHER, **way})
    assert (reported.status, reported.error["name"]) == ("refused", "NOT_AVAILABLE")
    assert word in reported.error["message"]
