"""Money between Binance's spot wallet, in which a gateway trades, and its futures wallet, to which the key is not of
use."""

from __future__ import annotations

from decimal import Decimal

import pytest

from onetape.accounts.entries import Cause
from worlds.transfer_processes import World


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("spot"), kind="binance-spot")
    yield made
    made.stop()


def corrections(world) -> list:
    return [entry for entry in world.entries() if entry.cause is Cause.CORRECTION]


def test_a_command_moves_money_to_the_futures_wallet_and_back(world):
    total, (trading, transit, other) = world.slots[0], world.books()
    assert world.transfer("out", "12.5").status == "applied"
    row = world.ends("out")
    assert (row["from"], row["to"]) == ("binance.main.trading", "binance.main.usdm")
    assert world.transfer("out", "12.5").status == "duplicate"
    world.looked()
    moved = Decimal("12.5")
    assert world.books() == (trading - moved, transit, other + moved)
    assert world.transfer("back", "12.5", **{"from": "usdm", "to": "trading"}).status == "applied"
    world.ends("back")
    world.looked()
    assert world.books() == (trading, transit, other) and world.slots[0] == total
    assert not corrections(world)


@pytest.mark.parametrize(
    ("fault", "tries"),
    [
        ({"action": "drop_answer"}, 1),
        ({"action": "drop_request"}, 2),
        ({"action": "error", "error": "-1007", "done": True}, 1),
        ({"action": "error", "error": "-1007", "done": False}, 2),
    ],
)
def test_an_unknown_outcome_is_resolved_by_the_history(world, fault, tries):
    total = world.slots[0]
    world.fault(**fault)
    id_ = f"lost-{fault['action']}-{tries}"
    assert world.transfer(id_, "1.5").status == "applied"
    assert world.ends(id_)["tries"] == tries
    assert world.slots[0] == total - Decimal("1.5")
    assert world.books()[1] == 0
    assert not corrections(world)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"to": "funding"}, "NOT_AVAILABLE"),
        ({"amount": "1e9"}, "INSUFFICIENT_FUNDS"),
        ({"amount": "1.000000001"}, "INVALID_AMOUNT"),
    ],
)
def test_what_cannot_be_requested_is_refused_with_a_code(world, fields, name):
    before = world.books()
    reported = world.transfer("never", **{"amount": 5, **fields})
    assert (reported.status, reported.error["name"]) == ("refused", name), reported.error
    assert world.books() == before


def test_what_the_venue_refuses_comes_back(world):
    before = world.books()
    world.fault(action="error", error="-5013", done=False)
    assert world.transfer("refused", 3).status == "applied"
    world.ends("refused", "failed")
    assert world.books() == before
