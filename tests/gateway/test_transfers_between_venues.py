"""Money that goes from one venue to another, both ways: two gateways, two simulated exchanges."""

from __future__ import annotations

from decimal import Decimal

import pytest

from onetape.security.tokens import make_token
from waiting import wait_for
from worlds.between_venues import ENDS, FEE, HEDGE, MAIN, World, other, steer, sums

BOTH = pytest.mark.parametrize("end", ENDS, ids=lambda end: end.venue)
AMOUNT = Decimal("0.01")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("between"))
    yield made
    made.stop()


def moves(world, end, id_: str, **fields) -> dict:
    """It arrives, once, and nothing is lost on the way."""
    there = other(end)
    before, after = world.books(end)[0], world.books(there)[0]
    reported = world.transfer(end, id_, str(AMOUNT), **fields)
    assert reported.status == "applied", reported.error
    row = world.arrives(end, id_)
    assert world.books(end) == (before - AMOUNT, 0)
    assert world.books(there)[0] == after + AMOUNT - FEE
    for each in ENDS:
        world.looked(each)
    assert not world.corrections()
    assert len(sums(world)) == 1
    return row


@BOTH
def test_money_leaves_one_account_and_comes_to_the_other(world, end):
    row = moves(world, end, f"plain-{end.venue}")
    assert (row["from"], row["to"], row["fee"]) == (end.place, other(end).place, "0.0001")
    assert len(row["txid"]) == 64
    assert world.records(end, f"plain-{end.venue}")[:3] == ["pending", "sent", "accepted"]
    second = world.transfer(end, f"plain-{end.venue}", "0.010")
    assert second.status == "duplicate"


@BOTH
@pytest.mark.parametrize(("action", "tries"), [("drop_answer", 1), ("drop_request", 2)])
def test_an_unknown_outcome_is_resolved_by_the_history(world, end, action, tries):
    world.fault(end, action=action)
    id_ = f"{action}-{end.venue}"
    assert moves(world, end, id_)["tries"] == tries
    assert "unknown" in world.records(end, id_)


@BOTH
def test_what_the_venue_refuses_comes_back(world, end):
    before = world.books(end)
    world.fault(end, action="error", error=end.no, done=False)
    assert world.transfer(end, f"refused-{end.venue}", "0.01").status == "applied"
    assert end.no in world.ends(end, f"refused-{end.venue}", "failed")["reason"]
    assert world.books(end) == before


def test_more_than_the_wallet_has_comes_back(world):
    """Of Binance's spot wallet only the venue knows what is there."""
    before = world.books(MAIN)
    assert world.transfer(MAIN, "too-much", "0.9").status == "applied"
    assert "-4026" in world.ends(MAIN, "too-much", "failed")["reason"]
    assert world.books(MAIN) == before


@BOTH
@pytest.mark.parametrize("amount", ["0.0001", "0"])
def test_an_amount_below_the_venues_least_does_not_leave(world, end, amount):
    before, id_ = world.books(end), f"least-{end.venue}"
    reported = world.transfer(end, id_, amount)
    if reported.status == "applied":
        world.ends(end, id_, "failed")
    else:
        assert reported.error["name"] == "INVALID_AMOUNT"
    assert world.books(end) == before


@BOTH
def test_a_key_without_the_right_to_withdraw_moves_nothing(world, end):
    before, id_ = world.books(end), f"no-right-{end.venue}"
    key = world.venues[end].ready["accounts"][0]["key"]
    steer(world.venues[end], "/keys/change", key=key, withdraw=False)
    try:
        assert world.transfer(end, id_, "0.01").status == "applied"
        reason = world.ends(end, id_, "failed")["reason"]
        assert "authorized" in reason or "Permission denied" in reason
    finally:
        steer(world.venues[end], "/keys/change", key=key, withdraw=True)
    assert world.books(end) == before


@BOTH
def test_a_withdrawal_that_fails_later_comes_back_once(world, end):
    before, id_ = world.books(end), f"fails-{end.venue}"
    steer(world.venues[end], "/outside", delay="60s")
    try:
        assert world.transfer(end, id_, "0.01").status == "applied"
        world.ends(end, id_, "accepted")
        assert world.books(end) == (before[0] - AMOUNT, AMOUNT)
        number = len(steer(world.venues[end], "/outside")["withdrawals"])
        steer(world.venues[end], "/outside", fail=number)
        world.ends(end, id_, "failed")
    finally:
        steer(world.venues[end], "/outside", delay="100ms")
    world.looked(end)
    wait_for(lambda: world.books(end) == before)
    assert not world.corrections()
    assert len(sums(world)) == 1


@BOTH
def test_a_robot_never_sends_money_out_of_its_venue(world, end):
    make_token(world.home, "a")
    before = world.books(end)
    words = {
        "id": "of-a-robot",
        "currency": "btc",
        "amount": "0.01",
        "to": other(end).place,
        "from": end.wallet or "trading",
    }
    tries = {"transfer": words, "strategy_balance": {"cmd": "transfer", **words}, "arrival": {}}
    for command, fields in tries.items():
        answer = world.send(end, command, "a", **fields)
        assert (answer.status, answer.error["name"]) == ("refused", "PERMISSION_DENIED"), command
    assert world.books(end) == before


@pytest.mark.parametrize(
    ("end", "fields", "name", "word"),
    [
        (MAIN, {"to": "kraken.other.trading"}, "NOT_AVAILABLE", "no address for BTC"),
        (MAIN, {"to": "elsewhere.hedge.trading"}, "NOT_AVAILABLE", "no address for BTC"),
        (MAIN, {"currency": "usdt"}, "NOT_AVAILABLE", "no address for USDT"),
        (MAIN, {"from": "trading"}, "NOT_AVAILABLE", "leave from binance.main.spot"),
        (MAIN, {"to": "kraken.hedge.spot"}, "NOT_AVAILABLE", "come to kraken.hedge.trading"),
        (HEDGE, {"to": "binance.main.trading"}, "NOT_AVAILABLE", "come to binance.main.spot"),
        (HEDGE, {"from": "futures"}, "NOT_AVAILABLE", "leave from kraken.hedge.trading"),
        (HEDGE, {"amount": "1000"}, "INSUFFICIENT_FUNDS", "to use"),
        (MAIN, {"id": "an.id"}, "BAD_CONFIG", "letters, digits"),
        (MAIN, {"amount": "0.010000001"}, "INVALID_AMOUNT", "finer"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_with_a_code(world, end, fields, name, word):
    before = world.books(end)
    words = {"amount": "0.01", **fields}
    reported = world.transfer(end, words.pop("id", "never"), words.pop("amount"), **words)
    assert (reported.status, reported.error["name"]) == ("refused", name), reported.error
    assert word in reported.error["message"]
    assert world.books(end) == before


@BOTH
def test_a_gateway_that_was_away_books_it_when_it_is_there(world, end):
    there, id_ = other(end), f"away-{end.venue}"
    after = world.books(there)[0]
    world.gateways[there].kill()
    try:
        assert world.transfer(end, id_, "0.01").status == "applied"
        world.ends(end, id_)
        assert world.books(end)[1] == AMOUNT - FEE  # on its way, whoever does not answer
        world.gateways[end].kill()
        world.gateways[end].start()
    finally:
        world.gateways[there].start()
    world.arrives(end, id_)
    wait_for(lambda: world.books(there)[0] == after + AMOUNT - FEE)
    assert not world.corrections()
    assert len(sums(world)) == 1


@BOTH
def test_an_adjust_by_the_same_id_and_the_deposit_count_once(world, end):
    there, id_ = other(end), f"adjust-{end.venue}"
    after = world.books(there)[0]
    if end is MAIN:  # of the wallet that is traded from
        adjust = {"currency": "btc", "delta": str(AMOUNT - FEE), "transfer_id": id_}
        assert world.send(there, "adjust", **adjust).status == "applied"
    moves_to = after + AMOUNT - FEE
    assert world.transfer(end, id_, "0.01").status == "applied"
    world.arrives(end, id_)
    world.looked(there)
    wait_for(lambda: world.books(there)[0] == moves_to)
    assert not world.corrections()


@BOTH
def test_venues_that_are_killed_on_the_way_lose_nothing(world, end):
    id_ = f"venues-{end.venue}"
    assert world.transfer(end, id_, "0.01").status == "applied"
    world.ends(end, id_, "accepted")
    for each in ENDS:
        world.restart(each)
    world.arrives(end, id_)
    assert not world.corrections()
