"""An account as the frames of its gateway's journal make it: positions, robots' parts, what sub-accounts hold. The
simulation compares the same with what the gateway has, after every event
(`src/onetape/simulation/state_invariants.py`).
"""

from __future__ import annotations

import msgspec
import pytest

from onetape.accounts.entries import Cause, Entry, Leg
from onetape.accounts.entry_frames import pack
from onetape.accounts.kept_money import LEDGER, OTHER_EXCHANGE
from onetape.model.catalogue import find
from onetape.model.enums import EventType, Liquidity, PositionSide, Side
from onetape.orders.books import OPENING
from onetape.orders.reports import INTERNAL_TRADES
from onetape.projections.account import AccountState
from onetape.tape.journal import Frame
from onetape.tape.payloads import fields

SYMBOL = "binance:BTC/USDT:USDT"
BTC = find(SYMBOL)
BOTH = PositionSide.BOTH
AT = SYMBOL, BOTH
FILL = fields("fill", "order_id", "trade_id", "price", "size", "side", "liquidity", "position_side", "robot")


class Tape:
    """Feeds a state with frames, numbered from 1."""

    def __init__(self) -> None:
        self.state, self.sequence = AccountState(keeps_parts=True), 0
        self.apply(EventType.INSTRUMENT, BTC.to_msgpack())
        for number, slot in ((1, 2), (2, 3)):
            self.robot(number, slot, epoch=1)

    def apply(self, event: EventType, payload: bytes, flags: int = 0) -> set:
        self.sequence += 1
        return set(self.state.apply(Frame(event.id, flags, self.sequence, self.sequence, 1, payload)))

    def record(self, event: EventType, **record: object) -> None:
        self.apply(event, msgspec.msgpack.encode(record))

    def robot(self, number: int, slot: int, epoch: int) -> None:
        self.record(EventType.PARAMS, robot=number, name=f"r{number}", epoch=epoch, journal="", slot=slot)

    def fill(self, robot: int, qty: int, price: int = 100, *, is_internal: bool = False) -> int:
        side, trade = Side.BUY if qty > 0 else Side.SELL, INTERNAL_TRADES * is_internal + self.sequence + 1
        words = (side.id, Liquidity.MAKER.id, BOTH.id, robot)
        self.apply(EventType.FILL, FILL.pack(0, trade, price, abs(qty), *words))
        return self.sequence

    def entry(self, of: int, note: str = "") -> set:
        legs = (Leg(2, "USDT", 1), Leg(-1, "USDT", -1))
        return self.apply(EventType.ENTRY, pack(Entry(1, Cause.FILL, legs, "", of, note)))

    def position(self, source: str, qty: int, price: int = 0) -> None:
        self.record(EventType.POSITION, symbol=SYMBOL, side="both", qty=qty, price=price, source=source)

    def parts(self) -> dict[int, int]:
        return {n: each.held[SYMBOL][BOTH] for n, each in self.state.robots.items() if SYMBOL in each.held}

    def subaccounts(self) -> dict[int, int]:
        positions = self.state.subaccounts.booking.positions
        return {slot: own.qty for (slot, *_), own in positions.items() if own.qty}


@pytest.fixture
def tape() -> Tape:
    return Tape()


def test_a_fill_moves_the_account_and_its_robots_part_and_names_what_it_opens(tape):
    first = tape.fill(1, 10)
    tape.fill(2, -4)
    assert (tape.state.held[AT].qty, tape.parts()) == (6, {1: 10, 2: -4})
    assert tape.state.openings.frame(AT) == first
    turned = tape.fill(2, -8)
    assert (tape.state.held[AT].qty, tape.state.openings.frame(AT)) == (-2, turned)


def test_a_trade_inside_moves_parts_and_not_the_account(tape):
    tape.fill(1, 10)
    tape.fill(1, -4, is_internal=True)
    assert tape.state.held[AT].qty == 10
    tape.fill(2, 4, is_internal=True)
    assert (tape.state.held[AT].qty, tape.parts()) == (10, {1: 6, 2: 4})


def test_a_robot_that_attaches_again_keeps_its_part(tape):
    tape.fill(1, 10)
    tape.robot(1, slot=2, epoch=2)
    assert (tape.parts(), tape.state.robots[1].epoch) == ({1: 10}, 2)


def test_a_sub_account_holds_what_an_entry_has_booked(tape):
    tape.entry(0)  # the books begin
    fill = tape.fill(1, 10)
    assert tape.subaccounts() == {}
    assert (tape.entry(fill), tape.subaccounts()) == ({AT}, {2: 10})
    assert tape.state.subaccounts.opened(2, *AT) == fill


def test_what_the_account_had_before_is_held_at_no_price(tape):
    tape.position(OPENING, 7)
    assert (tape.state.held[AT].qty, tape.state.held[AT].cost) == (7, 0)
    assert tape.state.openings.frame(AT) == tape.sequence
    tape.fill(1, -3)
    assert (tape.state.held[AT].qty, tape.state.held[AT].realized) == (4, 0)


def test_the_ledgers_beginning_is_the_pools(tape):
    tape.position(LEDGER, 7, price=100)
    assert (tape.subaccounts(), tape.state.held.get(AT)) == ({1: 7}, None)


def test_at_another_exchange_nothing_is_held(tape):
    tape.entry(0)
    tape.entry(tape.fill(1, 10))
    tape.record(EventType.BALANCE, currency="USDT", total="5", ts_event=1, source="rest")
    tape.record(EventType.HEALTH, kind="exchange", subject="main", state="new")
    assert (tape.state.held, tape.state.balances, tape.parts()) == ({}, {}, {})
    assert tape.state.openings.frame(AT) == 0
    tape.entry(0, note=OTHER_EXCHANGE)
    assert tape.subaccounts() == {}
