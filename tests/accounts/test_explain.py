"""Every unit between two points of a tape has a name and a frame."""

from __future__ import annotations

import random

import pytest

from accounts.booking_world import INSTRUMENTS, INVERSE, LINEAR, SPOT, UNIT, fill_of
from onetape.accounts.booking import Booking
from onetape.accounts.entries import MAIN, TOTAL, Cause, Entry, Leg, Outside
from onetape.accounts.explain import Adopted, Event, Explained, Filled, Part, explain
from onetape.accounts.ledger import Ledger
from onetape.model.enums import PositionSide
from onetape.orders.reports import INTERNAL_TRADES

A, B = 2, 3
BOTH = PositionSide.BOTH
MARKS = {LINEAR: 1000, INVERSE: 1000}


def moved(cause: Cause, amount: int, slot: int, other: int, currency: str = "USDT") -> Entry:
    legs = (Leg(slot, currency, amount), Leg(other, currency, -amount))
    return Entry(1, cause, legs)


class Tape:
    """A gateway's books, and what its tape has of them."""

    def __init__(self) -> None:
        self.booking, self.ledger = Booking(INSTRUMENTS), Ledger()
        self.events: list[tuple[int, Event]] = []
        self.trades = 0

    @property
    def next(self) -> int:
        return len(self.events)

    def post(self, entry: Entry) -> None:
        self.ledger.post(entry)
        self.events.append((self.next, entry))

    def fill(self, symbol: str, text: str, slot: int, *, fee: int = 0, at: int = 0) -> None:
        self.trades += 1
        fill = fill_of(symbol, text, trade=self.trades + at, fee=fee)
        self.events.append((self.next, Filled(fill, slot)))
        self.post(self.booking.fill(fill, slot))

    def forced(self, symbol: str, text: str) -> None:
        self.trades += 1
        fill = fill_of(symbol, text, trade=self.trades, fee=UNIT)
        self.events.append((self.next, Filled(fill, MAIN, is_forced=True)))
        self.post(self.booking.forced(fill))

    def explain(
        self, since: int, until: int, before: dict[str, int], after: dict[str, int]
    ) -> dict[tuple[str, int], Explained]:
        found = explain(
            self.events, since=since, until=until, instruments=INSTRUMENTS, opening_marks=before, closing_marks=after
        )
        return {(each.currency, each.slot): each for each in found}


def test_a_day_of_a_sub_account_by_hand():
    tape = Tape()
    tape.post(moved(Cause.OPENING, 1000 * UNIT, MAIN, Outside.OPENING))
    tape.post(moved(Cause.COMMAND, 100 * UNIT, A, MAIN))
    tape.fill(LINEAR, "+2@100", A, fee=UNIT)
    since = tape.next
    tape.fill(LINEAR, "-1@110", A, fee=UNIT)
    tape.post(tape.booking.funding(LINEAR, BOTH, -2 * UNIT, "USDT", 5, "f"))
    tape.post(moved(Cause.COMMAND, -30 * UNIT, A, MAIN))
    tape.post(moved(Cause.TRANSFER, 50 * UNIT, MAIN, Outside.WORLD))
    tape.post(moved(Cause.CORRECTION, -UNIT, MAIN, Outside.UNEXPLAINED))
    until = tape.next
    tape.fill(LINEAR, "-1@200", A)
    found = tape.explain(since, until, {LINEAR: 1050}, {LINEAR: 1200})
    a = found["USDT", A]
    assert (a.opening, a.opening_profit) == (99 * UNIT, 10 * UNIT)
    assert a.parts == {Part.TRADES: 10 * UNIT, Part.FEES: -UNIT, Part.FUNDING: -2 * UNIT, Part.COMMANDS: -30 * UNIT}
    assert a.revaluation == {LINEAR: 10 * UNIT}  # one at 20 instead of two at 5
    assert (a.closing, a.closing_profit) == (76 * UNIT, 20 * UNIT)
    assert a.frames == {
        Part.TRADES: [since + 1],
        Part.FEES: [since + 1],
        Part.FUNDING: [since + 2],
        Part.COMMANDS: [since + 3],
    }
    main, total = found["USDT", MAIN], found["USDT", TOTAL]
    assert main.parts == {Part.COMMANDS: 30 * UNIT, Part.TRANSFERS: 50 * UNIT, Part.CORRECTIONS: -UNIT}
    assert total.parts[Part.TRADES] == 10 * UNIT
    assert total.closing + total.closing_profit == 1075 * UNIT
    assert Part.COMMANDS not in total.parts  # between the pool and a sub-account


def test_a_late_fill_that_a_correction_had_is_a_trade_and_gives_it_back():
    tape = Tape()
    tape.post(moved(Cause.OPENING, 1000 * UNIT, MAIN, Outside.OPENING))
    legs = (
        Leg(A, "USDT", UNIT),
        Leg(Outside.MARKET, "USDT", -UNIT),
        Leg(MAIN, "USDT", -UNIT),
        Leg(Outside.UNEXPLAINED, "USDT", UNIT),
    )
    tape.post(Entry(1, Cause.FILL, legs))
    found = tape.explain(1, 9, {}, {})
    assert found["USDT", A].parts == {Part.TRADES: UNIT}
    assert found["USDT", MAIN].parts == {Part.CORRECTIONS: -UNIT}
    assert found["USDT", TOTAL].closing == 1000 * UNIT


@pytest.mark.parametrize("seed", range(30))
def test_random_days_add_up_and_sub_accounts_are_the_account(seed: int):
    rng, tape, marks = random.Random(seed), Tape(), [dict(MARKS)]
    for currency in ("USDT", "BTC"):
        tape.post(moved(Cause.OPENING, 10**6 * UNIT, MAIN, Outside.OPENING, currency))
    tape.events.append((tape.next, Adopted(LINEAR, BOTH, 500, 990)))
    tape.booking.adopt(LINEAR, BOTH, 500, 990)
    clean = [tape.next]  # between what belongs together
    for _ in range(60):
        if clean[-1] != tape.next:
            clean.append(tape.next)
        slot, symbol = rng.choice([MAIN, A, B]), rng.choice([SPOT, LINEAR, INVERSE])
        size = rng.randint(1, 9)
        text = f"{rng.choice('+-')}{size}@{rng.randint(900, 1100) / 10}"
        match rng.randint(0, 5):
            case 0:
                tape.post(moved(Cause.COMMAND, rng.randint(1, 9) * UNIT, slot, MAIN))
            case 1 if symbol != SPOT:
                settle = INSTRUMENTS[symbol].settle
                amount = rng.randint(-(10**18), 10**18)
                tape.post(tape.booking.funding(symbol, BOTH, amount, settle, 1, str(tape.next)))
            case 2 if symbol != SPOT:
                tape.forced(symbol, text)
            case 3:
                at = INTERNAL_TRADES
                tape.fill(symbol, text, A, at=at)
                opposite = ("-" if text[0] == "+" else "+") + text[1:]
                tape.fill(symbol, opposite, B, at=at)
            case _:
                tape.fill(symbol, text, slot, fee=rng.randint(-(10**15), 10**16))
    cuts = sorted(rng.sample(clean, 2))
    after = {symbol: price + rng.randint(-99, 99) for symbol, price in MARKS.items()}
    found = tape.explain(cuts[0], cuts[1], marks[0], after)
    whole = tape.explain(0, tape.next, marks[0], after)
    assert not any(each.rest for each in (*found.values(), *whole.values()))
    for currency in ("USDT", "BTC"):
        for slot in (TOTAL, MAIN, A, B):
            row = whole.get((currency, slot), Explained(currency, slot))
            assert row.opening == 0
            assert row.closing == tape.ledger.balance(currency, slot)
        for rows in (found, whole):
            # An inverse contract's value is rounded, once for each position.
            slack = 4 if currency == "BTC" else 0
            ends = {slot: row.closing + row.closing_profit for (name, slot), row in rows.items() if name == currency}
            assert abs(2 * ends[TOTAL] - sum(ends.values())) <= slack


def test_windows_that_follow_each_other_meet():
    tape = Tape()
    tape.post(moved(Cause.OPENING, 1000 * UNIT, MAIN, Outside.OPENING))
    tape.fill(LINEAR, "+2@100", A)
    tape.fill(LINEAR, "-1@105", A)
    marks = {LINEAR: 1040}
    first = tape.explain(0, 3, {}, marks)["USDT", A]
    second = tape.explain(3, 9, marks, {LINEAR: 1100})["USDT", A]
    assert (first.closing, first.closing_profit) == (second.opening, second.opening_profit)
