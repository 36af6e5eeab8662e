"""What has to be known later: after a restart, of two that look alike, of what is set apart."""

from __future__ import annotations

import msgspec
import pytest
from account_world import U, World

from accounts.shared_account import BUY, SELL, A, Account, B
from onetape.accounts.entries import MAIN, Cause, Entry, Leg, Outside
from onetape.accounts.ledger import Ledger
from onetape.accounts.slots import Refused
from onetape.accounts.statement import Recheck
from onetape.accounts.unexplained import WINDOW, moved
from onetape.model.errors import InvalidAmount
from onetape.model.time import SECOND
from onetape.orders.calls import Purpose
from onetape.orders.filters import Refusal
from onetape.orders.reports import MoveReport


@pytest.fixture
def world() -> World:
    return World()


def report_move(world: World, amount: int, *, at: int, name: str = "T1") -> None:
    world.keeper.book(moved(MoveReport(name, "USD", amount * U, at)))


# --- the ledger ---------------------------------------------------------------------------------


def transfer(name: str, time: int, amount: int = U) -> Entry:
    legs = (Leg(MAIN, "USD", amount), Leg(Outside.WORLD, "USD", -amount))
    return Entry(time, Cause.TRANSFER, legs, name)


def test_a_restored_ledger_knows_what_was_booked_and_what_it_has_forgotten():
    ledger = Ledger(references_kept=2)
    for time in (1, 2, 3):
        assert ledger.post(transfer(f"t{time}", time))
    record = msgspec.msgpack.decode(msgspec.msgpack.encode(ledger.to_record()))
    second = Ledger.from_record(record, references_kept=2)
    assert [second.has(Cause.TRANSFER, f"t{time}") for time in (1, 2, 3)] == [False, True, True]
    assert not second.post(transfer("t1", 1))  # as old as what is not remembered
    assert not second.post(transfer("t3", 3))
    assert second.post(transfer("t4", 4))
    assert second.posted == 4


def test_money_on_its_way_is_counted_whatever_wallet_it_left():
    ledger = Ledger()
    for number, wallet in enumerate(("", "spot")):
        legs = (Leg(MAIN, "USD", -U, wallet), Leg(Outside.TRANSIT, "USD", U, wallet))
        ledger.post(Entry(1, Cause.TRANSFER, legs, f"t{number}"))
    assert ledger.transit("USD") == 2 * U


# --- sub-accounts -------------------------------------------------------------------------------


def test_nothing_is_no_amount_to_move(world):
    for amount in (0, -1):
        done = world.accounts.allocate("USD", 2, amount, now=1)
        assert isinstance(done, Refused)
        assert done.kind is InvalidAmount


def test_a_reset_empties_sub_accounts_that_owe_too(world):
    world.fill(-7, at=5)
    assert world.rows[2] == -7
    world.command("reset", 9000, at=6)
    assert world.rows == [9000, 9000, 0, 0]


# --- the venue's word ---------------------------------------------------------------------------


def test_a_word_that_has_what_happened_after_it_is_a_difference(world):
    world.fill(5, at=20)
    (effect,) = world.report(10_005, at=10)
    assert isinstance(effect, Recheck)


def test_who_was_stopped_is_so_after_a_restart(world):
    world.command("allocate", 100, at=5, index=2)
    world.command("reset", 9000, at=6)
    assert world.statements.is_stopped("USD", 2)
    record = msgspec.msgpack.decode(msgspec.msgpack.encode(world.statements.to_record()))
    other = World()
    other.statements.restore(record)
    assert other.statements.is_stopped("USD", 2)
    assert not other.statements.is_stopped("USD", 3)


# --- told by two --------------------------------------------------------------------------------


@pytest.mark.parametrize(("apart", "total"), [(WINDOW, 10_100), (WINDOW + SECOND, 10_200)])
def test_equal_amounts_long_apart_are_two_transfers(world, apart, total):
    world.command("adjust", 100, at=10)
    report_move(world, 100, at=10 + apart)
    assert world.rows[0] == total


def test_money_that_comes_is_not_the_same_as_money_that_leaves(world):
    world.command("adjust", 100, at=10 * SECOND)
    report_move(world, -100, at=11 * SECOND)
    assert world.rows[0] == 10_000


def test_each_word_of_the_venue_explains_one_of_ours(world):
    report_move(world, 100, at=10 * SECOND)
    for at in (11, 12):
        world.command("adjust", 100, at=at * SECOND)
    assert world.rows[0] == 10_200


# --- orders and margin --------------------------------------------------------------------------


def test_an_order_whose_placing_is_unanswered_is_not_taken_off():
    account = Account(crosses=True)
    waiting = account.ask(A, BUY, 10, 599_990)
    waiting.take_fill(1, waiting.price, 4)
    taking = account.ask(B, SELL, 4, 0)
    assert waiting.pending
    assert isinstance(taking, Refusal)  # at the venue it would be a trade with oneself
    assert Purpose.CANCEL not in [call.purpose for call in account.manager.calls]
