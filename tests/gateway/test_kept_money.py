"""A gateway's start: what its journal says of money is taken in frame by frame."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from accounts.booking_world import INSTRUMENTS, LINEAR, UNIT, fill_of
from onetape.accounts.booking import Booking
from onetape.accounts.bookkeeper import Bookkeeper
from onetape.accounts.entries import MAIN, Cause, Entry, Leg, Outside
from onetape.accounts.entry_frames import pack, unpack
from onetape.accounts.holding import Holding
from onetape.accounts.kept_money import OTHER_EXCHANGE, KeptMoney
from onetape.accounts.ledger import Ledger
from onetape.accounts.slots import Slots, SubAccounts
from onetape.accounts.statement import Statements
from onetape.accounts.unexplained import Unexplained
from onetape.model.enums import PositionSide
from onetape.orders.reports import FillReport
from worlds.gateway_money import options_of

A, B = 2, 3
BOTH = PositionSide.BOTH
OPENING = Entry(1, Cause.OPENING, (Leg(MAIN, "USDT", 10**24), Leg(Outside.OPENING, "USDT", -(10**24))), "USDT")


def kept_of(tmp_path, **fields) -> KeptMoney:
    return KeptMoney(options_of(tmp_path, subaccounts={"a": A, "b": B}), INSTRUMENTS, {}, lambda currency: 0, **fields)


def traded(count: int) -> Iterator[tuple[FillReport, int, int, bytes]]:
    """(fill, slot, its frame, payload of its entry), as a gateway writes them."""
    rng, booking = random.Random(4), Booking(INSTRUMENTS)
    for number in range(count):
        text = f"{rng.choice('+-')}{rng.randint(1, 9)}@{rng.randint(90, 110)}"
        fill = fill_of(LINEAR, text, trade=number + 1, time=10 + number, fee=UNIT // 7)
        slot = rng.choice((MAIN, A, B))
        entry = booking.fill(fill, slot)._replace(of=3 * number + 10)
        yield fill, slot, entry.of, pack(entry)


def held(holdings: Mapping[Any, Holding]) -> dict[Any, tuple[int, int, int]]:
    return {key: (each.qty, each.cost, each.realized) for key, each in holdings.items()}


def test_of_a_frame_that_was_taken_in_nothing_is_kept(tmp_path):
    def peak(count: int) -> int:
        kept = kept_of(tmp_path)
        tracemalloc.start()
        kept.entry(pack(OPENING))
        for fill, slot, sequence, payload in traded(count):
            kept.fills.fill(fill, slot, sequence)
            kept.entry(payload)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert kept.ledger.posted == count + 1
        assert list(kept.fills.unbooked()) == []
        return found

    # Threads of the process may allocate meanwhile: the least of a few is ours.
    few, many = (min(peak(count) for _ in range(3)) for count in (2_000, 12_000))
    assert many < 1.5 * few  # six times as many frames


def test_what_is_taken_in_is_what_was_booked(tmp_path):
    kept, booking, ledger = kept_of(tmp_path), Booking(INSTRUMENTS), Ledger()
    kept.entry(pack(OPENING))
    ledger.post(OPENING)
    for fill, slot, sequence, payload in traded(500):
        kept.fills.fill(fill, slot, sequence)
        kept.entry(payload)
        ledger.post(booking.fill(fill, slot))
    assert kept.ledger.to_record() == ledger.to_record()
    assert held(kept.booking.positions) == held(booking.positions)
    assert held(kept.booking.account) == held(booking.account)
    assert kept.slots_used() == B + 1


def test_a_fill_counts_when_its_entry_comes_and_the_last_without_one_is_still_to_be_booked(tmp_path):
    kept, rows = kept_of(tmp_path), list(traded(4))
    before = rows[0]
    kept.fills.fill(*before[:3])  # of before the ledger began
    kept.entry(pack(OPENING))
    for fill, slot, sequence, _ in rows[1:]:
        kept.fills.fill(fill, slot, sequence)
    kept.entry(pack(Entry(5, Cause.COMMAND, (Leg(MAIN, "USDT", -1), Leg(A, "USDT", 1)), "x")))
    assert kept.booking.positions == {}
    kept.entry(rows[2][3])  # that of the second: the first was booked when it was told before
    own = {fill.trade_id for fill, *_ in rows[1:3]}
    assert own == {2, 3} and kept.ledger.posted == 3
    own_qty = sum(each.qty for each in kept.booking.positions.values())
    assert own_qty == sum(fill.size * fill.side.sign for fill, *_ in rows[1:3])
    (left,) = kept.fills.unbooked()
    assert left == (rows[3][2], rows[3][0], rows[3][1])
    assert list(kept.fills.unbooked()) == []


def test_at_another_exchange_nothing_is_held(tmp_path):
    heard: list[str] = []
    kept = kept_of(tmp_path, on_reference=heard.append)
    kept.entry(pack(OPENING))
    for fill, slot, sequence, payload in traded(3):
        kept.fills.fill(fill, slot, sequence)
        kept.entry(payload)
    kept.transfer({"id": "t", "slot": A, "state": "sent"})
    kept.transfer({"id": "t", "slot": A, "state": "unknown"})
    assert kept.slots_away() == {A} and len(kept.transfers) == 1
    kept.entry(pack(Entry(99, Cause.RESET, (), "", 0, OTHER_EXCHANGE)))
    assert kept.booking.positions == {} and kept.transfers == {}
    kept.fills.adopt(LINEAR, BOTH, 5, 100)
    assert kept.booking.positions[MAIN, LINEAR, BOTH].qty == 5
    assert heard == ["USDT", ""]  # no fill's


@pytest.mark.parametrize("seed", range(5))
def test_a_frame_that_is_booked_as_it_lies_is_what_its_entry_would_be(seed):
    """Fills before and after corrections, told twice, of old and of strange forms."""
    rng = random.Random(seed)
    books = []
    for _ in range(2):
        ledger = Ledger(references_kept=40, recent_kept=30)
        statements = Statements(SubAccounts(ledger, Slots()), Unexplained())
        books.append((ledger, statements, Bookkeeper(ledger, statements, lambda entry: None)))
    read = 0
    for number in range(400):
        time, amount = number + rng.randint(-60, 5), rng.choice((1, -1)) * rng.randint(0, 10**25)
        cause = rng.choice((Cause.FILL,) * 8 + (Cause.CORRECTION, Cause.TRANSFER, Cause.FEE))
        other = Outside.UNEXPLAINED if cause is Cause.CORRECTION else Outside.MARKET
        slot, currency = rng.randint(1, 5), rng.choice(("USD", "BTC", "€"))
        legs = (Leg(slot, currency, amount), Leg(other, currency, -amount))
        name = "" if cause is Cause.CORRECTION else f"{rng.randrange(300)}"
        note = rng.choice(("", "", "", "forced"))
        payload = pack(Entry(time, cause, legs, name, number, note))
        found = books[0][2].read(payload)
        books[1][2].replay(unpack(payload))
        if isinstance(found, int):
            assert found == number
            read += 1
        for (ledger, statements, _), (same, likewise, _) in (books,):
            assert ledger.posted == same.posted
            assert statements.to_record() == likewise.to_record()
    assert books[0][0].to_record() == books[1][0].to_record()
    assert 20 < read < 300
