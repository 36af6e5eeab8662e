"""A gateway's journal, explained between two times."""

from __future__ import annotations

import struct
from pathlib import Path

import msgspec

from accounts.booking_world import INSTRUMENTS, LINEAR, UNIT, fill_of
from onetape.accounts.booking import Booking
from onetape.accounts.entries import MAIN, TOTAL, Cause, Entry, Leg, Outside
from onetape.accounts.entry_frames import pack
from onetape.accounts.explain import Part
from onetape.gateway.explain_tape import explain_journal
from onetape.model.enums import PositionSide
from onetape.tape.journal import JournalWriter

A = 2
BOTH = PositionSide.BOTH


def test_a_journal_is_explained_between_two_times(tmp_path: Path):
    """As a gateway writes it: instruments, robots, marks, fills and their entries."""
    tape, booking = tmp_path / "tape", Booking(INSTRUMENTS)
    instrument = INSTRUMENTS[LINEAR]
    opening = (Leg(MAIN, "USDT", 1000 * UNIT), Leg(Outside.OPENING, "USDT", -1000 * UNIT))
    with JournalWriter(tape) as writer:

        def cold(event: str, record: object, time: int) -> int:
            return writer.append(event, msgspec.msgpack.encode(record), stream=1, time=time)

        def book(entry: Entry, time: int) -> int:
            return writer.append("entry", pack(entry), time=time)

        writer.append_instrument(1, 1, instrument.to_msgpack())
        cold("params", {"robot": 7, "name": "a", "slot": A}, 1)
        position = {"symbol": LINEAR, "side": "both", "source": "ledger", "ts_event": 1}
        cold("position", {**position, "qty": 1000, "price": 900}, 1)
        booking.adopt(LINEAR, BOTH, 1000, 900)
        book(Entry(1, Cause.OPENING, opening), 1)

        def mark(price: int, time: int) -> None:
            writer.append("mark", struct.pack("<4q", 0, 0, price, 0), stream=1, time=time)

        mark(1000, 10)
        frames = []
        for trade, (text, robot, time) in enumerate(
            [("+2@100", 7, 11), ("-1@110", 7, 21), ("-1@120", 0, 22), ("-1@130", 7, 40)], 1
        ):
            fill = fill_of(LINEAR, text, trade=trade, fee=UNIT)
            record = struct.pack(
                "<QQQqqqqqBBBBIQ", 1, 1, trade, time, fill.price, fill.size, fill.fee, 0,
                fill.side.id, fill.liquidity.id, fill.position_side.id, robot, 0, 0,
            )  # fmt: skip
            of = writer.append("fill", record, stream=1, time=time)
            is_forced = trade == 3
            entry = booking.forced(fill) if is_forced else booking.fill(fill, A)
            frames.append(book(entry._replace(of=of), time))
            mark(1000 + 10 * trade, time)
        other = Leg(Outside.UNEXPLAINED, "USDT", 0)
        book(Entry(60, Cause.RESET, (other,), note="another exchange"), 60)
    found = {each.slot: each for each in explain_journal(tape, since=20, until=30)}
    a = found[A]
    assert (a.opening, a.opening_profit) == (999 * UNIT - 1000 * UNIT, 2 * UNIT)
    assert a.frames == {Part.TRADES: frames[1:3], Part.FEES: frames[1:3]}
    assert a.parts == {Part.TRADES: 20 * UNIT, Part.FEES: -3 * UNIT // 2}
    assert a.closing_profit == 3 * UNIT * 500 // 1000
    assert found[MAIN].parts == {Part.TRADES: 15 * UNIT, Part.FEES: -UNIT // 2}
    total = found[TOTAL]
    assert total.parts[Part.FEES] == -2 * UNIT
    ends = [found[slot].closing + found[slot].closing_profit for slot in (TOTAL, MAIN, A)]
    assert ends[0] == ends[1] + ends[2]
    assert explain_journal(tape, since=0, until=99)[0].opening == 0
    assert all(each.parts == {} for each in explain_journal(tape, since=50, until=60))
    last = {each.slot: each for each in explain_journal(tape, since=50, until=99)}
    assert last[A].closing_profit == 0 != last[A].opening_profit
