"""What a command may move between the pool and sub-accounts, and who may: every refusal a code."""

from __future__ import annotations

from decimal import Decimal

import pytest

from onetape.accounts.entries import MAIN, Cause, Entry, Leg, Outside
from onetape.accounts.ledger import Ledger
from onetape.accounts.slots import Refused, Slots, SubAccounts
from onetape.model.errors import BadConfig

U = 10**18


class World:
    """A pool of 1000 USD, sub-accounts a = 2 and b = 3, and what is held."""

    def __init__(self, pool: int = 1000, credit: int = 0) -> None:
        self.held: dict[tuple[str, int], int] = {}
        self.ledger = Ledger()
        self.accounts = SubAccounts(
            self.ledger,
            Slots({"a": 2, "b": 3}),
            {"USD": credit * U} if credit else None,
            lambda currency, slot: self.held.get((currency, slot), 0),
        )
        legs = (Leg(MAIN, "USD", pool * U), Leg(Outside.OPENING, "USD", -pool * U))
        self.ledger.post(Entry(1, Cause.OPENING, legs))
        self.count = 0

    def ask(self, name: str, actor: str = "a", id: str = "", **fields: object) -> str:
        """ "ok", or the name of the refusal."""
        self.count += 1
        fields = {"currency": "usd", "index": 2, "strategy": actor, **fields}
        done = self.accounts.command(actor, name, fields, id or f"c{self.count}", 10 + self.count)
        if isinstance(done, Refused):
            assert str(done.error()).startswith(f"error {done.kind.name}({done.kind.code}): ")
            return done.kind.name
        assert self.ledger.post(done)
        return "ok"

    @property
    def rows(self) -> list[int]:
        rows = self.ledger.slots("USD", 4)
        assert all(each % U == 0 for each in rows)
        return [each // U for each in rows]


def test_allocate_and_release_move_between_the_pool_and_a_slot():
    world = World()
    assert world.ask("allocate", amount=100) == "ok"
    assert world.rows == [1000, 900, 100, 0]
    assert world.ask("release", amount="40.00", index="a") == "ok"
    assert world.rows == [1000, 940, 60, 0]


def test_eight_who_ask_for_a_fifth_of_the_pool_are_served_five_times():
    world = World()
    received = [world.ask("allocate", amount=200) for _ in range(8)]
    assert received == ["ok"] * 5 + ["INSUFFICIENT_FUNDS"] * 3
    assert world.rows == [1000, 0, 1000, 0]


def test_more_than_a_slot_has_is_not_released():
    world = World()
    world.ask("allocate", amount=60)
    assert world.ask("release", amount=100) == "INSUFFICIENT_FUNDS"
    assert world.rows == [1000, 940, 60, 0]


def test_what_orders_and_positions_hold_cannot_be_taken_away():
    world = World()
    world.ask("allocate", amount=100)
    world.held["USD", 2] = 80 * U
    assert world.ask("release", amount=21) == "FUNDS_LOCKED"
    assert world.ask("release", amount=20) == "ok"
    world.held["USD", MAIN] = 900 * U
    assert world.ask("allocate", amount=21) == "FUNDS_LOCKED"
    assert world.ask("allocate", amount=20) == "ok"
    assert world.rows == [1000, 900, 100, 0]
    assert world.accounts.available("USD", MAIN) == 0
    assert world.accounts.available("USD", 2) == 20 * U


BAD_AMOUNTS = [
    "NaN", "inf", "-inf", "1e400", "1e41", "", " ", "abc", "0x10", "1_000", "٣", 0, "0", "0.000",
    -0.0, -1, "-1", True, False, float("nan"), float("inf"), Decimal("NaN"), Decimal("sNaN"),
    Decimal("Infinity"), "0.0000000000000000001", Decimal("1e-19"), 1e-19, 2**127, 10**30,
    "9" * 5000, [1], {}, b"1", 1 + 0j,
]  # fmt: skip


@pytest.mark.parametrize("amount", BAD_AMOUNTS, ids=lambda each: repr(each)[:24])
@pytest.mark.parametrize("name", ["allocate", "release"])
def test_what_is_no_amount_is_refused(name, amount):
    world = World()
    world.ask("allocate", amount=500)
    assert world.ask(name, amount=amount) == "INVALID_AMOUNT"
    assert world.rows == [1000, 500, 500, 0]


@pytest.mark.parametrize("amount", [a for a in BAD_AMOUNTS if str(a) != "-1"], ids=lambda each: repr(each)[:24])
def test_what_is_no_amount_adjusts_nothing(amount):
    world = World()
    assert world.ask("adjust", index=0, amount=amount) == "INVALID_AMOUNT"
    assert world.rows[0] == 1000


@pytest.mark.parametrize(
    ("text", "units"),
    [
        (0.1, 10**17),
        ("0.1", 10**17),
        (Decimal("0.10"), 10**17),
        ("1e-18", 1),
        (7, 7 * U),
        ("+7", 7 * U),
        (" 7 ", 7 * U),
        ("7.", 7 * U),
        (1e2, 100 * U),
        ("123.456789012345678901", 123456789012345678901),
    ],
)
def test_an_amount_is_taken_exactly(text, units):
    world = World()
    assert world.ask("allocate", amount=text) == "ok"
    assert world.ledger.balance("USD", 2) == units


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"amount": -100}, "ok"),
        ({"delta": -100}, "ok"),
        ({"amount": -100, "delta": "-100.0"}, "ok"),
        ({"amount": -100, "delta": 100}, "INVALID_AMOUNT"),
        ({"amount": None, "delta": -100}, "ok"),
        ({}, "INVALID_AMOUNT"),
        ({"delta": -100, "index": 2}, "UNKNOWN_SUBACCOUNT"),
        ({"delta": -100, "index": 1}, "UNKNOWN_SUBACCOUNT"),
        ({"delta": -100, "index": False}, "UNKNOWN_SUBACCOUNT"),
        ({"delta": -100, "index": "0"}, "ok"),
        ({"delta": -1001}, "INSUFFICIENT_FUNDS"),
        ({"delta": -100, "transfer_id": 7}, "BAD_CONFIG"),
    ],
)
def test_adjust_takes_amount_or_delta_of_the_whole_account(fields, answer):
    world = World()
    assert world.ask("adjust", **{"index": 0, **fields}) == answer
    assert world.rows[0] == (900 if answer == "ok" else 1000)


def test_an_adjust_is_booked_once_by_its_transfer():
    world = World()
    for _ in range(3):
        assert world.ask("adjust", index=0, delta=-100, transfer_id="T1") == "ok"
    assert world.rows == [900, 900, 0, 0]
    legs = (Leg(MAIN, "USD", 50 * U), Leg(Outside.WORLD, "USD", -50 * U))
    world.ledger.post(Entry(9, Cause.TRANSFER, legs, "T2"))  # the venue has told of it first
    assert world.ask("adjust", index=0, delta=50, transfer_id="T2") == "ok"
    assert world.rows[0] == 950


@pytest.mark.parametrize(
    ("actor", "name", "fields", "answer"),
    [
        ("a", "allocate", {"index": 2}, "ok"),
        ("a", "allocate", {"index": 3}, "NOT_OWNER"),
        ("a", "allocate", {"index": "b"}, "NOT_OWNER"),
        ("b", "release", {"index": 2}, "NOT_OWNER"),
        ("a", "allocate", {"index": None}, "ok"),
        ("a", "allocate", {"strategy": "b"}, "NOT_OWNER"),
        ("b", "allocate", {"strategy": "a"}, "NOT_OWNER"),
        ("x", "allocate", {"index": 2}, "NOT_OWNER"),
        ("x", "adjust", {"index": 0}, "NOT_OWNER"),
        ("", "allocate", {}, "PERMISSION_DENIED"),
        ("operator", "allocate", {"strategy": "a"}, "ok"),
        ("operator", "allocate", {"strategy": "b", "index": 2}, "NOT_OWNER"),
        ("operator", "allocate", {"strategy": "b", "index": "a"}, "NOT_OWNER"),
        ("operator", "release", {"strategy": "b", "index": 2}, "NOT_OWNER"),
        ("operator", "set", {"strategy": "b", "index": 2}, "NOT_OWNER"),
        ("operator", "allocate", {"strategy": "x", "index": 2}, "NOT_OWNER"),
        ("operator", "allocate", {"strategy": "x", "index": None}, "UNKNOWN_SUBACCOUNT"),
        ("operator", "allocate", {"index": 3}, "ok"),
        ("operator", "allocate", {"index": None, "strategy": "b"}, "ok"),
        ("a", "set", {}, "PERMISSION_DENIED"),
        ("a", "reset", {"index": 0}, "PERMISSION_DENIED"),
        ("operator", "allocate", {"index": 9}, "UNKNOWN_SUBACCOUNT"),
        ("a", "allocate", {"index": 0}, "UNKNOWN_SUBACCOUNT"),
        ("a", "allocate", {"index": 1}, "UNKNOWN_SUBACCOUNT"),
        ("a", "allocate", {"index": "main"}, "UNKNOWN_SUBACCOUNT"),
        ("a", "allocate", {"index": -1}, "UNKNOWN_SUBACCOUNT"),
        ("a", "allocate", {"index": 64}, "UNKNOWN_SUBACCOUNT"),
        ("a", "allocate", {"index": 10**30}, "UNKNOWN_SUBACCOUNT"),
        ("a", "allocate", {"index": True}, "UNKNOWN_SUBACCOUNT"),
        ("a", "allocate", {"index": 2.0}, "UNKNOWN_SUBACCOUNT"),
        ("a", "allocate", {"currency": "XYZ"}, "UNKNOWN_CURRENCY"),
        ("a", "allocate", {"currency": None}, "UNKNOWN_CURRENCY"),
        ("a", "allocate", {"currency": "Usd"}, "ok"),
        ("a", "grab", {}, "BAD_CONFIG"),
    ],
)
def test_who_may_do_what(actor, name, fields, answer):
    world = World()
    before = world.rows
    assert world.ask(name, actor=actor, **{"amount": 10, **fields}) == answer
    assert (world.rows == before) is (answer != "ok")


def test_set_without_an_index_is_of_the_strategy_that_it_names():
    world = World()
    assert world.ask("set", actor="operator", strategy="b", index=None, amount=40) == "ok"
    assert world.rows == [1000, 960, 0, 40]
    assert world.ask("set", actor="operator", index=None, amount=900) == "ok"
    assert world.rows == [900, 860, 0, 40]


def test_a_command_is_done_once_by_its_id():
    world = World()
    assert world.ask("allocate", amount=100, id="one") == "ok"
    assert world.ask("allocate", amount=100, id="one") == "DUPLICATE_COMMAND"
    assert world.ask("set", actor="operator", amount=900, index=0, id="two") == "ok"
    assert world.ask("set", actor="operator", amount=900, index=0, id="two") == "DUPLICATE_COMMAND"
    assert world.rows == [900, 800, 100, 0]


def test_the_operator_sets_the_total_and_the_pool_takes_it_up():
    world = World()
    world.ask("allocate", amount=300)
    assert world.ask("set", actor="operator", amount=1200, index=0) == "ok"
    assert world.rows == [1200, 900, 300, 0]
    assert world.ask("set", actor="operator", amount=0, index=2) == "ok"
    assert world.ask("set", actor="operator", amount=50, index="b") == "ok"
    assert world.ask("set", actor="operator", amount=50, index="b") == "ok"
    assert world.rows == [1200, 1150, 0, 50]
    assert world.ask("set", actor="operator", amount=50, index="main") == "UNKNOWN_SUBACCOUNT"
    assert world.ask("set", actor="operator", amount=-1, index=0) == "INVALID_AMOUNT"
    assert world.ask("set", actor="operator", amount=5000, index=2) == "INSUFFICIENT_FUNDS"


def test_a_reset_leaves_all_in_the_pool():
    world = World()
    world.ask("allocate", amount=300)
    world.ask("allocate", actor="b", index=3, amount=200)
    legs = (Leg(Outside.NETTING, "USD", 20 * U), Leg(2, "USD", -20 * U))
    world.ledger.post(Entry(9, Cause.FILL, legs))
    assert world.ask("reset", actor="operator", amount=800, index=0) == "ok"
    assert world.rows == [800, 800, 0, 0]
    assert world.ledger.balance("USD", Outside.NETTING) == 20 * U
    assert world.ledger.balance("USD", Outside.UNEXPLAINED) == 200 * U


@pytest.mark.parametrize(("balance", "credit", "usable"), [(100, 50, 150), (-30, 50, 20), (100, 0, 100), (-30, 0, -30)])
def test_credit_is_added_to_what_may_be_used_and_never_booked(balance, credit, usable):
    world = World(balance, credit)
    assert world.accounts.available("USD", MAIN) == usable * U
    assert world.rows == [balance, balance, 0, 0]
    assert world.accounts.available("USD", 2) == 0


def test_allocation_goes_into_credit_only_where_there_is_some():
    world = World(100)
    assert world.ask("allocate", amount=101) == "INSUFFICIENT_FUNDS"
    world = World(100, credit=50)
    assert world.ask("allocate", amount=151) == "INSUFFICIENT_FUNDS"
    assert world.ask("allocate", amount=150) == "ok"
    assert world.rows == [100, -50, 150, 0]


def test_what_netting_has_gained_is_not_allocated_and_what_it_has_lost_is_gone():
    for gained, usable in ((40, 60), (-40, 100)):
        world = World(100)
        legs = (Leg(Outside.NETTING, "USD", gained * U), Leg(MAIN, "USD", -gained * U))
        world.ledger.post(Entry(2, Cause.FILL, legs))
        assert world.rows[1] == 100
        assert world.accounts.available("USD", MAIN) == usable * U


@pytest.mark.parametrize(
    "names",
    [
        {"a": 1},
        {"a": 0},
        {"a": 64},
        {"a": -2},
        {"a": True},
        {"a": 2, "b": 2},
        {"main": 2},
        {"total": 3},
        {"": 2},
        {"7": 7},
        {" a": 2},
        {"operator": 2},
        {"-7": 7},
    ],
)
def test_names_and_numbers_of_sub_accounts_are_each_used_once(names):
    with pytest.raises(BadConfig):
        Slots(names)


def test_names_of_the_tape_stay_while_their_slots_hold_money():
    tape = Slots({"a": 2, "b": 3, "old": 5})
    same = Slots({"a": 2, "c": 3})
    same.take_over(tape, holds=lambda slot: slot in (2, 5))
    assert same.to_record() == {"a": 2, "c": 3, "old": 5}
    assert same.count == 6
    for swapped in ({"b": 2, "a": 3}, {"a": 4}, {"x": 2}):
        with pytest.raises(BadConfig, match="slot 2 holds money of 'a'"):
            Slots(swapped).take_over(tape, holds=lambda slot: slot == 2)
