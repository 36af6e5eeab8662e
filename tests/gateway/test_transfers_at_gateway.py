"""Transfers by command: a gateway and a simulated exchange, each a process."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal

import pytest

import copied_process
from onetape.accounts.entries import Cause
from onetape.ipc import IPCCommandSystem
from onetape.ipc.commands import TRANSFER_CMD, binance_strategy_balance, transfer
from waiting import PATIENCE_S, wait_for
from worlds.gateway_process import configure
from worlds.transfer_processes import WAY, World


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("transfers"))
    configure(made.folder, made.venue.port, made.gateway.account)
    yield made
    made.stop()


def test_a_command_moves_money_to_another_wallet_and_back(world):
    total, before = world.slots[0], world.books()
    reported = world.transfer("out-1", "12.5")
    assert reported.status == "applied", reported.error
    assert reported.result["transfer"]["state"] == "sent"
    row = world.ends("out-1")
    assert (row["amount"], row["from"], row["to"]) == ("12.5", "binance.main.trading", "binance.main.spot")
    assert row["venue_id"]
    wait_for(lambda: world.slots[0] == total - Decimal("12.5"))
    reported = world.transfer("back-1", 12.5, **{"from": "binance.main.spot", "to": "binance-usdm.main"})
    assert reported.status == "applied", reported.error
    world.ends("back-1")
    # A busy machine may answer too late: then the venue is asked.
    assert [each for each in world.records("back-1") if each != "unknown"] == ["pending", "sent", "done"]
    world.looked()
    assert world.books() == before
    assert world.slots[0] == total == sum(world.slots[1:])
    assert not [e for e in world.entries() if e.cause is Cause.CORRECTION]


def test_a_transfer_is_made_once_by_its_id(world):
    total = world.slots[0]
    assert world.transfer("once", "7").status == "applied"
    world.ends("once")
    second = world.transfer("once", "7.0", **{"from": "binance.main"})
    assert (second.status, second.error) == ("duplicate", None)
    assert second.result["transfer"]["state"] == "done"
    other = world.transfer("once", "8")
    assert (other.status, other.error["name"]) == ("refused", "DUPLICATE_COMMAND")
    assert world.slots[0] == total - 7


def test_the_payload_of_a_strategys_balance_command_may_be_a_transfer(world):
    before = world.slots
    payload = transfer("by-json", "usdt", Decimal("3"), "trading", "spot", deadline="60s")
    answer = world.send(("binance_strategy_balance", {"cmd": "transfer", **payload}))
    assert answer.status == "applied", answer.error
    world.ends("by-json")
    assert world.send((TRANSFER_CMD, payload)).status == "duplicate"
    assert world.slots[:2] == [before[0] - 3, before[1] - 3]


def test_from_the_command_line(world):
    command = ("send", "gateway:main", "transfer")
    words = ["id=cli", "currency=usdt", "amount=2", "from=trading", "to=spot"]
    done = [copied_process.run(*command, *more, "--json", "--home", world.home) for more in (words, words, words[:-1])]
    received = [json.loads(each.stdout) for each in done]
    assert [each["status"] for each in received] == ["applied", "duplicate", "refused"]
    assert [each.returncode for each in done][:2] == [0, 0]
    assert "needs `to`" in received[2]["error"]["message"]
    world.ends("cli")


def test_a_sub_account_moves_its_own_money_and_gets_it_back(world):
    allocate = binance_strategy_balance("a", "allocate", "usdt", 100, index=2)
    assert world.send(("binance_strategy_balance", allocate), actor="a").status == "applied"
    total, pool, own, other = world.slots
    assert world.transfer("of-a", 40, actor="a").status == "applied"
    world.ends("of-a")
    assert world.slots == [total - 40, pool, own - 40, other]
    back = {"from": "spot", "to": "trading", "index": "a"}
    assert world.transfer("of-a-back", 40, **back).status == "applied"
    world.ends("of-a-back")
    world.looked()
    assert world.slots == [total, pool, own, other]
    release = binance_strategy_balance("a", "release", "usdt", 100, index=2)
    assert world.send(("binance_strategy_balance", release), actor="a").status == "applied"
    assert not [e for e in world.entries() if e.cause is Cause.CORRECTION]


@pytest.mark.parametrize(
    ("actor", "fields", "name"),
    [
        ("operator", {"id": ""}, "BAD_CONFIG"),
        ("operator", {"id": "a/b"}, "BAD_CONFIG"),
        ("operator", {"id": "a b"}, "BAD_CONFIG"),
        ("operator", {"id": "a" * 65}, "BAD_CONFIG"),
        ("operator", {"id": "one", "transfer_id": "other"}, "BAD_CONFIG"),
        ("operator", {"amount": 0}, "INVALID_AMOUNT"),
        ("operator", {"amount": "-1"}, "INVALID_AMOUNT"),
        ("operator", {"amount": "nan"}, "INVALID_AMOUNT"),
        ("operator", {"amount": None}, "INVALID_AMOUNT"),
        ("operator", {"amount": "1.000000001"}, "INVALID_AMOUNT"),  # the history shows 8 decimals
        ("operator", {"amount": "1e12"}, "INSUFFICIENT_FUNDS"),
        ("operator", {"currency": "xyz"}, "UNKNOWN_CURRENCY"),
        ("operator", {"from": ""}, "BAD_CONFIG"),
        ("operator", {"to": "a.b.c.d"}, "BAD_CONFIG"),
        ("operator", {"to": "trading"}, "NOT_AVAILABLE"),
        ("operator", {"to": "funding"}, "NOT_AVAILABLE"),
        ("operator", {"to": "kraken.other"}, "NOT_AVAILABLE"),
        ("operator", {"from": "kraken.other", "to": "spot"}, "INVALID_ACCOUNT"),
        ("operator", {"deadline": "121s"}, "BAD_CONFIG"),
        ("operator", {"deadline": "0s"}, "BAD_CONFIG"),
        ("operator", {"deadline": "soon"}, "BAD_CONFIG"),
        ("operator", {"index": 9}, "UNKNOWN_SUBACCOUNT"),
        ("operator", {"index": "a"}, "INSUFFICIENT_FUNDS"),
        ("operator", {"wallet": "spot"}, "BAD_CONFIG"),
        ("a", {"index": 0}, "UNKNOWN_SUBACCOUNT"),
        ("a", {"index": 3}, "NOT_OWNER"),
        ("a", {"strategy": "b"}, "NOT_OWNER"),
        ("a", {}, "INSUFFICIENT_FUNDS"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_with_a_code(world, actor, fields, name):
    before = world.books()
    request = {"id": "never", "amount": 5, **fields}
    request = {key: value for key, value in {**WAY, **request}.items() if value is not None}
    answer = world.send(("transfer", request), actor=actor)
    assert (answer.status, answer.error["name"]) == ("refused", name), answer.error
    assert world.send(("transfers", {"id": "never"})).result["transfers"] == []
    assert world.books() == before


def test_what_the_venue_refuses_comes_back(world):
    """Of another wallet only the venue knows what is there."""
    before, slots = world.books(), world.slots
    reported = world.transfer("too-much", 10**9, **{"from": "spot", "to": "trading"})
    assert reported.status == "applied"
    row = world.ends("too-much", "failed")
    assert "-5013" in row["reason"]
    assert world.books() == before
    assert world.slots == slots


@pytest.mark.parametrize(
    ("fault", "is_carried_out"),
    [
        ({"action": "drop_answer"}, True),
        ({"action": "error", "error": "-1007", "status": 408, "done": True}, True),
        ({"action": "drop_request"}, False),
        ({"action": "error", "error": "-1007", "status": 408, "done": False}, False),
    ],
)
def test_an_unknown_outcome_is_resolved_by_the_history(world, fault, is_carried_out):
    """What was not carried out is sent again, once that is known."""
    id_ = "-".join(("lost", fault["action"], str(is_carried_out)))
    total = world.slots[0]
    world.fault(**fault)
    assert world.transfer(id_, "1.5").status == "applied"
    row = world.ends(id_)
    assert row["tries"] == (1 if is_carried_out else 2)
    assert "unknown" in world.records(id_)
    assert world.slots[0] == total - Decimal("1.5") == sum(world.slots[1:])
    assert world.books()[1] == 0
    assert not [e for e in world.entries() if e.cause is Cause.CORRECTION]


def test_two_alike_of_which_one_is_lost_are_two(world):
    total = world.slots[0]
    world.fault(action="drop_answer")
    assert world.transfer("twin-1", "1.25").status == "applied"
    assert world.transfer("twin-2", "1.25").status == "applied"
    rows = [world.ends("twin-1"), world.ends("twin-2")]
    assert len({row["venue_id"] for row in rows}) == 2
    assert world.slots[0] == total - Decimal("2.5")


def test_what_the_venue_puts_off_is_tried_again(world):
    world.fault(action="error", error="-1021", status=400, done=False)
    assert world.transfer("busy", "1").status == "applied"
    assert world.ends("busy")["tries"] == 2
    assert world.records("busy") == ["pending", "sent", "pending", "sent", "done"]


@pytest.mark.parametrize("fault", [{}, {"action": "drop_answer"}, {"action": "drop_request"}], ids=str)
def test_a_transfer_that_meets_a_stepped_clock_is_made_once(world, fault):
    """The venue's clock is set just before it: it is refused for its time, or its answer is lost as well."""
    for offset in ("-90s", "0s", "90s", "0s"):
        total, id_ = world.slots[0], f"step-{offset}-{len(world.entries())}"
        world.control("/time", offset=offset)
        if fault and offset == "0s":  # the request after the refused one is lost
            world.fault(**fault)
        assert world.transfer(id_, "1").status == "applied"
        row = world.ends(id_)
        assert row["ts_deadline"] > row["ts_asked"]
        assert world.slots[0] == total - 1 == sum(world.slots[1:])
        assert world.books()[1] == 0
    assert not [e for e in world.entries() if e.cause is Cause.CORRECTION]


def test_while_killed_none_begins_and_one_that_was_sent_is_followed_to_its_end(world):
    total = world.slots[0]
    world.fault(action="error", error="-1021", status=400, done=False)  # known not to be made
    assert world.transfer("killed-1", "1").status == "applied"
    assert world.send(("kill", {"reason": "lunch"})).status == "applied"
    try:
        refused = world.transfer("killed-2", "1")
        assert (refused.status, refused.error["name"]) == ("refused", "KILLED")
        assert world.transfer("killed-1", "1").status == "duplicate"  # how it stands is told
        wait_for(lambda: world.stands("killed-1")["state"] in ("pending", "done"))
        if world.stands("killed-1")["state"] == "pending":  # the kill came before the second try
            tries = world.stands("killed-1")["tries"]
            world.looked()
            assert world.stands("killed-1")["tries"] == tries == 1
    finally:
        assert world.send(("unkill", {})).status == "applied"
    world.ends("killed-1")
    wait_for(lambda: world.slots[0] == total - 1)


@pytest.mark.parametrize(
    "order", [("adjust",), ("adjust", "adjust"), ("look", "adjust"), ("adjust", "look", "adjust", "look")], ids="-".join
)
@pytest.mark.parametrize("way", [("trading", "spot"), ("spot", "trading")], ids="-".join)
def test_an_adjust_that_tells_of_a_transfer_changes_nothing(world, order, way):
    id_ = f"{way[0]}-{'-'.join(order)}"
    before = world.slots
    sign = 1 if way[1] == "trading" else -1
    assert world.transfer(id_, 9, **{"from": way[0], "to": way[1]}).status == "applied"
    adjust = binance_strategy_balance("operator", "adjust", "usdt", delta=9 * sign, transfer_id=id_)
    for number, word in enumerate(order):
        if word == "look":
            world.looked()
        else:
            answer = world.send(("binance_strategy_balance", adjust))
            assert answer.status == "applied", answer.error
        if not number:
            world.ends(id_)
    assert world.slots == [before[0] + 9 * sign, before[1] + 9 * sign, *before[2:]]
    assert world.books()[1] == 0


def test_a_transfer_that_an_adjust_has_told_of_is_not_made(world):
    total = world.slots[0]
    world.control("/deposit", account="main", currency="USDT", amount="-4")
    received = {"delta": -4, "transfer_id": "told-before"}
    adjust = binance_strategy_balance("operator", "adjust", "usdt", **received)
    assert world.send(("binance_strategy_balance", adjust)).status == "applied"
    refused = world.transfer("told-before", 4)
    assert (refused.status, refused.error["name"]) == ("refused", "DUPLICATE_COMMAND")
    world.looked()
    assert world.slots[0] == total - 4


def wallet_rows(world) -> list[dict]:
    async def work():
        system = IPCCommandSystem("a", home=world.home)
        system.start()
        rows = await system.get_balances("binance_gateway", timeout=PATIENCE_S)
        system.stop()
        return rows

    return asyncio.run(work())


def balances(world) -> dict[tuple[str, str], Decimal]:
    rows = wallet_rows(world)
    assert [row["error"] for row in rows] == [None] * len(rows)
    return {(row["wallet"], row["currency"]): Decimal(row["total"]) for row in rows}


def test_all_wallets_are_told_and_a_transfer_without_an_id_is_known_by_its_way(world):
    before, usdt = balances(world), transfer(None, "usdt", 4, "trading", "spot")
    world.fault(action="drop_request")
    first = world.send((TRANSFER_CMD, usdt))
    second, other = world.send((TRANSFER_CMD, usdt), (TRANSFER_CMD, {**usdt, "amount": "5"}))
    name = first.result["transfer"]["id"]
    assert (second.status, second.result["transfer"]["id"]) == ("duplicate", name)
    assert other.error["name"] == "DUPLICATE_COMMAND"
    assert balances(world)["transit", "USDT"] == 4
    assert world.ends(name)["tries"] == 2
    third = world.send((TRANSFER_CMD, usdt))  # that one is over: this is another
    world.ends(third.result["transfer"]["id"])
    after = balances(world)
    assert after["trading", "USDT"] == before["trading", "USDT"] - 8
    assert after["spot", "USDT"] == before.get(("spot", "USDT"), 0) + 8
    assert ("transit", "USDT") not in after
    rows = json.loads(
        copied_process.run(
            "accounts", "--wallets", "--json", "--home", world.home, "--config", world.folder / "onetape.toml"
        ).stdout
    )
    assert {(row["venue"], row["account"], row["wallet"]) for row in rows} >= {
        ("b", "main", "spot"),
        ("b", "main", "trading"),
    }


def test_a_wallet_that_the_venue_does_not_tell_of_says_why(world):
    world.fault(path="/sapi/v1/asset/get-funding-asset", action="error", error="-1002")
    (row,) = wait_for(lambda: [row for row in wallet_rows(world) if row["error"]])
    assert (row["wallet"], row["total"]) == ("funding", None)
    assert "-1002" in row["error"]
