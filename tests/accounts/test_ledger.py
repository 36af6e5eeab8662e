"""Balances are the sum of entries, each booked whole and once."""

from __future__ import annotations

import msgspec
import pytest

from onetape.accounts.entries import MAIN, SLOTS_MAX, TOTAL, Cause, Entry, Leg, Outside
from onetape.accounts.entry_frames import pack, unpack
from onetape.accounts.ledger import Ledger
from onetape.model.errors import BadInput, InvariantViolation
from onetape.model.money import INT128_MAX
from onetape.tape.journal import JournalReader, JournalWriter

USD = 10**18


def moved(amount: int, *, to: int = MAIN, time: int = 1, reference: str = "") -> Entry:
    legs = (Leg(to, "USD", amount), Leg(Outside.WORLD, "USD", -amount))
    return Entry(time, Cause.TRANSFER, legs, reference)


def bought(reference: str = "t1", time: int = 5) -> Entry:
    """0.5 BTC for 30 USD by slot 2, with a fee of 1 USD."""
    legs = (
        Leg(2, "BTC", USD // 2),
        Leg(Outside.MARKET, "BTC", -USD // 2),
        Leg(2, "USD", -31 * USD),
        Leg(Outside.MARKET, "USD", 30 * USD),
        Leg(Outside.FEES, "USD", USD),
    )
    return Entry(time, Cause.FILL, legs, reference)


def test_a_fill_moves_both_currencies_of_its_slot_and_no_other():
    ledger = Ledger()
    assert ledger.post(moved(100 * USD))
    assert ledger.post(moved(50 * USD, to=2))
    assert ledger.post(bought())
    assert ledger.slots("USD", 4) == [119 * USD, 100 * USD, 19 * USD, 0]
    assert ledger.slots("BTC", 4) == [USD // 2, 0, USD // 2, 0]
    assert ledger.balance("USD", TOTAL) == ledger.total("USD") == 119 * USD
    assert ledger.balance("USD", Outside.FEES) == USD
    assert ledger.currencies() == ["BTC", "USD"]


def test_an_entry_is_booked_once_by_cause_and_reference():
    ledger = Ledger()
    assert ledger.post(moved(5, reference="x"))
    assert not ledger.post(moved(5, reference="x"))
    assert not ledger.post(moved(7, reference="x", time=9))
    assert ledger.post(Entry(1, Cause.FUNDING, moved(1).legs, "x"))  # another cause
    assert ledger.post(moved(3))
    assert ledger.post(moved(3))  # nothing to know it by
    assert ledger.total("USD") == 12
    assert ledger.has(Cause.TRANSFER, "x")
    assert not ledger.has(Cause.FILL, "x")


@pytest.mark.parametrize(
    "legs",
    [
        (Leg(MAIN, "USD", 5),),
        (Leg(MAIN, "USD", 5), Leg(2, "USD", -4)),
        (Leg(MAIN, "USD", 5), Leg(2, "BTC", -5)),
        (Leg(MAIN, "USD", 5), Leg(2, "NEW", 3), Leg(3, "NEW", -3), Leg(2, "USD", -4)),
        (Leg(MAIN, "USD", 5), Leg(0, "USD", -5)),
        (Leg(2, "USD", 5, "new"), Leg(-77, "USD", -5)),
        (Leg(MAIN, "USD", 5, "spot"), Leg(MAIN, "USD", -5), Leg(2, "USD", 1)),
    ],
)
def test_what_is_no_entry_changes_nothing(legs):
    ledger = Ledger()
    ledger.post(moved(9))
    ledger.post(moved(9, to=2))
    before = msgspec.msgpack.encode(ledger.to_record())
    with pytest.raises(BadInput):
        ledger.post(Entry(2, Cause.COMMAND, legs, "bad"))
    assert msgspec.msgpack.encode(ledger.to_record()) == before
    assert not ledger.has(Cause.COMMAND, "bad")


def test_legs_of_a_currency_need_not_stand_together():
    ledger = Ledger()
    legs = (Leg(MAIN, "USD", -7), Leg(MAIN, "BTC", 2), Leg(Outside.MARKET, "USD", 7), Leg(Outside.MARKET, "BTC", -2))
    assert ledger.post(Entry(1, Cause.FILL, legs))
    assert (ledger.total("USD"), ledger.total("BTC")) == (-7, 2)


def test_wallets_are_kept_apart_and_money_on_its_way_is_neither():
    ledger = Ledger()
    ledger.post(moved(100))
    leaves = (Leg(MAIN, "USD", -40), Leg(Outside.TRANSIT, "USD", 40))
    ledger.post(Entry(2, Cause.TRANSFER, leaves, "t"))
    assert (ledger.total("USD"), ledger.transit("USD"), ledger.total("USD", "spot")) == (60, 40, 0)
    comes = (Leg(MAIN, "USD", 40, "spot"), Leg(Outside.TRANSIT, "USD", -40))
    ledger.post(Entry(3, Cause.TRANSFER, comes, "t/in"))
    assert (ledger.total("USD"), ledger.transit("USD"), ledger.total("USD", "spot")) == (60, 0, 40)
    assert ledger.wallets() == ["", "spot"]
    assert ledger.slots("USD", 3, "spot") == [40, 40, 0]


def test_what_netting_leaves_is_the_pools():
    ledger = Ledger()
    ledger.post(moved(100))
    legs = (Leg(2, "USD", 30), Leg(Outside.NETTING, "USD", -30))
    ledger.post(Entry(2, Cause.FILL, legs, "n"))
    assert ledger.total("USD") == 100
    assert ledger.slots("USD", 3) == [100, 70, 30]


def test_a_slot_beyond_those_asked_for_may_hold_nothing():
    ledger = Ledger()
    ledger.post(moved(5, to=7))
    with pytest.raises(InvariantViolation, match="slot 7 of 4 holds"):
        ledger.slots("USD", 4)
    assert ledger.slots("USD")[7] == 5
    assert len(ledger.slots("USD")) == SLOTS_MAX
    with pytest.raises(InvariantViolation, match="slots are 2 to 64"):
        ledger.slots("USD", SLOTS_MAX + 1)


def test_the_total_of_a_time_leaves_later_entries_out_in_whatever_order_they_came():
    ledger = Ledger()
    for time, amount in ((10, 100), (30, 7), (20, 5)):
        ledger.post(moved(amount, time=time))
    ledger.post(Entry(40, Cause.COMMAND, (Leg(MAIN, "USD", -9), Leg(2, "USD", 9))))
    assert [ledger.as_of("USD", at) for at in (9, 10, 20, 29, 30, 99)] == [0, 100, 105, 105, 112, 112]
    assert ledger.as_of("BTC", 9) == 0


def test_a_time_older_than_the_entries_kept_cannot_be_looked_at():
    ledger = Ledger(recent_kept=2)
    for time in (10, 30, 20, 40):
        ledger.post(moved(1, time=time))
    assert [ledger.as_of("USD", at) for at in (10, 29, 30, 39, 40)] == [None, None, 3, 3, 4]


def test_references_are_forgotten_by_age_and_what_is_no_newer_counts_as_booked():
    ledger = Ledger(references_kept=4)
    for time in (50, 10, 40, 20, 30):
        assert ledger.post(moved(1, reference=f"at {time}", time=time))
    assert not ledger.post(moved(1, reference="at 10", time=10))  # forgotten, and as old
    assert not ledger.post(moved(1, reference="never seen", time=9))
    assert not ledger.post(moved(1, reference="at 30", time=30))
    assert ledger.has(Cause.TRANSFER, "never seen", 10)
    assert not ledger.has(Cause.TRANSFER, "at 10")
    assert ledger.post(moved(1, reference="new", time=30))  # for which the one at 20 goes
    assert ledger.has(Cause.TRANSFER, "at 20", 20)
    assert not ledger.has(Cause.TRANSFER, "never seen", 21)
    assert ledger.total("USD") == 6


def test_what_is_forgotten_of_one_cause_is_known_of_another():
    ledger = Ledger(references_kept=2)
    for time in range(6):
        ledger.post(moved(1, reference=f"{time}", time=time))
    assert ledger.has(Cause.TRANSFER, "other", 1)
    assert not ledger.has(Cause.COMMAND, "other", 1)


@pytest.mark.parametrize("amount", [0, 1, -1, 2**63 - 1, -(2**63), 2**63, -(2**63) - 1, INT128_MAX, -INT128_MAX])
def test_an_amount_of_any_size_goes_through_a_frame_unchanged(amount):
    legs = (Leg(2, "USD", amount), Leg(Outside.TRANSIT, "USD", -amount, "spot"))
    entry = Entry(2**62, Cause.CORRECTION, legs, "ü/7", 2**40, "why")
    second = unpack(pack(entry))
    assert second == entry
    assert isinstance(second.cause, Cause)
    assert [type(leg.amount) for leg in second.legs] == [int, int]


@pytest.mark.parametrize(
    "payload", [b"", b"\x80", b"\xc1", msgspec.msgpack.encode({"time": 1, "cause": "x", "legs": []})]
)
def test_a_frame_that_is_no_entry_is_named(payload):
    with pytest.raises(BadInput, match="no entry of a ledger"):
        unpack(payload)


def test_a_ledger_is_rebuilt_from_its_frames_and_from_a_checkpoint(tmp_path):
    ledger = Ledger(references_kept=20, recent_kept=10)
    with JournalWriter(tmp_path / "j", durable=False) as writer:
        for number in range(50):
            entry = moved(number * USD, to=1 + number % 3, time=number, reference=f"{number}")
            writer.append("entry", pack(entry), time=number)
            ledger.post(entry)
            if number == 20:
                half = msgspec.msgpack.encode(ledger.to_record())
    rebuilt = Ledger(references_kept=20, recent_kept=10)
    resumed = Ledger.from_record(msgspec.msgpack.decode(half), references_kept=20, recent_kept=10)
    with JournalReader(tmp_path / "j") as reader:
        for frame in reader.frames(["entry"]):
            rebuilt.post(unpack(frame.payload))
            if frame.time > 20:
                resumed.post(unpack(frame.payload))
    assert rebuilt.to_record() == resumed.to_record() == ledger.to_record()


def test_what_moved_the_total_within_a_span_is_known_one_by_one():
    ledger = Ledger()
    assert ledger.within("USD", 0, 10) == []
    for time, amount in ((5, 7), (3, -2), (9, 4), (4, 0)):
        legs = (Leg(2, "USD", amount), Leg(Outside.MARKET, "USD", -amount))
        ledger.post(Entry(time, Cause.FILL, legs, f"fill {time}"))
    assert ledger.within("USD", 3, 9) == [(5, 7), (9, 4)]  # after the first, until the last
    assert ledger.within("USD", 2, 8) == [(3, -2), (5, 7)]
