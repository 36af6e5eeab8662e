"""A gateway's money rule by rule: at a start, of fills and moves, and who is refused."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from test_account_money import BEGAN, Life

from accounts.booking_world import LINEAR, UNIT, fill_of
from onetape.accounts.entries import MAIN, TRANSFER_REPORTED, Cause, Entry, Leg, Outside
from onetape.accounts.entry_frames import pack
from onetape.accounts.kept_money import LEDGER, OTHER_EXCHANGE
from onetape.accounts.table import AccountReader
from onetape.accounts.transfers import State
from onetape.accounts.unexplained import WINDOW
from onetape.gateway.account_money import GRACE, REPORT_STEP_NS
from onetape.model.enums import OrderState, PositionSide, RequestKind, Side
from onetape.model.errors import BadConfig
from onetape.model.order import OrderSpec
from onetape.orders.managed import AccountOut, FillOut, HealthOut, NewsOut, Request, requested_order
from onetape.orders.reports import BalanceReport, MoveKind, MoveReport

BOTH = PositionSide.BOTH


@pytest.fixture
def life(tmp_path: Path):
    with Life(tmp_path) as made:
        made.report(1000, BEGAN)
        yield made


def order_of(robot: int = 2, size: int = 1000):
    spec = OrderSpec(symbol=LINEAR, side=Side.BUY, size_int=size, price_int=1000)
    return requested_order("id-1", Request(robot, RequestKind.PLACE, 1, spec), BEGAN)


def _noted(life: Life) -> list[Entry]:
    """What is booked from here on."""
    booked: list[Entry] = []
    note = life.money._note

    def also(entry: Entry) -> None:
        booked.append(entry)
        note(entry)

    life.money._note = also  # type: ignore[method-assign]
    return booked


# --- at a start -----------------------------------------------------------------------------------


def test_a_fill_on_the_tape_without_its_entry_is_booked_at_a_start_and_once(tmp_path):
    with Life(tmp_path) as life:
        life.report(1000, BEGAN)
        kept = life.money._kept
        kept.fills.entry(0)  # the one that the ledger began with
        reported = fill_of(LINEAR, "+1@100", trade=1, time=BEGAN + 5, fee=UNIT)
        kept.fills.fill(reported, 2, 77)
        life.money.recover()
        assert life.money.own(2, LINEAR, BOTH) == reported.size
        assert life.money.ledger.balance("USDT", 2) == -UNIT
        assert list(kept.fills.unbooked()) == []
        life.money.fill(FillOut(None, reported), 77)  # the venue tells of it once more
        assert life.money.ledger.balance("USDT", 2) == -UNIT


def test_what_positions_hold_is_held_after_a_start(tmp_path):
    with Life(tmp_path) as life:
        life.report(1000, BEGAN)
        life.money.booking.adopt(LINEAR, BOTH, 1000, 1000, slot=2)
        assert life.money.reserves.held("USDT", 2) == 0
        life.money.recover()
        assert life.money.reserves.held("USDT", 2) > 0


def test_a_slot_with_money_is_nobody_else_s_after_a_start(tmp_path):
    with Life(tmp_path) as life:
        life.report(1000, BEGAN)
        assert isinstance(life.send("allocate", amount="100"), Entry)
        life.money._kept.names = {"another": 2}
        with pytest.raises(BadConfig):
            life.money.recover()


@pytest.mark.parametrize(
    ("reference", "entry", "price"), [(1000, None, 1000), (1000, "90", 900), (0, "99.96", 1000), (0, None, 0)]
)
def test_a_position_of_before_the_books_is_the_pool_s_and_they_begin_with_its_price(tmp_path, reference, entry, price):
    with Life(tmp_path) as life:
        life.money._references = {LINEAR: reference}
        positions, entries = {(LINEAR, BOTH): 5}, {} if entry is None else {(LINEAR, BOTH): Decimal(entry)}
        for _ in range(2):  # the books begin once
            is_begun = life.money.adopt(positions, entries, is_other=False)
        assert (is_begun, life.money.own(MAIN, LINEAR, BOTH)) == ((True, 5) if price else (False, 0))
        if not price:
            assert [(each.kind, each.subject) for each in life.said] == [("ledger", LINEAR)]
            life.said.clear()
            life.money._references[LINEAR] = price = 900  # and then it has a quote
            assert life.money.adopt(positions, entries, is_other=False)
            assert not life.said.pop(0).severity.startswith("w")
        assert life.said == [AccountOut(LINEAR, BOTH, 5, 0, LEDGER, price=price)]


def test_books_that_ended_before_their_first_balance_begin_with_what_is_held_then(tmp_path):
    with Life(tmp_path) as life:
        life.money._references = {LINEAR: 1000}
        life.money._kept.fills.adopt(LINEAR, BOTH, 5, 1000)  # an earlier life
        assert life.money.adopt({(LINEAR, BOTH): 3}, {}, is_other=False)
        assert life.money.own(MAIN, LINEAR, BOTH) == 3
        assert [each.amount for each in life.said] == [-2]


def test_at_another_exchange_the_books_begin_once(life):
    life.money._has_begun = False  # this gateway's first words of the venue
    for total in (500, 700):
        received = {"USDT": BalanceReport("USDT", total * UNIT, BEGAN + 9)}
        life.money.adopt({}, {}, is_other=True)
        life.money.begin(received, is_other=True)
    assert life.rows()[0] == 500


# --- fills ----------------------------------------------------------------------------------------


def test_a_fill_is_its_robot_s_sub_account_s_and_names_its_frame(life):
    booked = _noted(life)
    life.money.wrote(FillOut(order_of(), fill_of(LINEAR, "+1@100", time=BEGAN + 5)), 77)
    assert (life.money.own(2, LINEAR, BOTH), life.money.own(MAIN, LINEAR, BOTH)) == (1000, 0)
    assert [entry.of for entry in booked] == [77]


def test_a_fill_of_before_the_ledger_began_is_in_what_it_began_with(tmp_path):
    with Life(tmp_path) as life:
        life.money.fill(FillOut(None, fill_of(LINEAR, "+1@100", fee=UNIT)), 1)
        assert life.money.ledger.currencies() == []
        assert life.money.own(MAIN, LINEAR, BOTH) == 0


def test_what_the_venue_closes_by_force_is_shared_by_who_holds(life):
    for trade, slot in enumerate((1, 2), 1):
        out = FillOut(order_of(slot), fill_of(LINEAR, "+1@100", trade=trade, time=BEGAN + 5))
        life.money.fill(out, trade)
    forced = fill_of(LINEAR, "-2@90", trade=3, time=BEGAN + 6, client_id="autoclose-1")
    life.money.fill(FillOut(None, forced, True), 3)
    assert [life.money.own(slot, LINEAR, BOTH) for slot in (1, 2)] == [0, 0]


def test_what_an_order_held_is_free_once_it_was_filled(life):
    order = order_of()
    life.money.order(order)
    held = life.money.reserves.of(order, "USDT")
    assert held > 0
    order.state, order.filled = OrderState.FILLED, order.size
    life.money.wrote(FillOut(order, fill_of(LINEAR, "+1@100", time=BEGAN + 5)), 7)
    assert life.money.reserves.of(order, "USDT") == 0
    other = order_of()
    other.client_id = "id-2"
    life.money.order(other)
    other.state = OrderState.CANCELED
    life.money.wrote(NewsOut(other, "canceled", other.state, BEGAN), 0)
    assert life.money.reserves.of(other, "USDT") == 0


# --- moves and balances ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "cause", "outside"),
    [
        (MoveKind.TRANSFER, Cause.TRANSFER, Outside.WORLD),
        (MoveKind.INTEREST, Cause.INTEREST, Outside.INTEREST),
        (MoveKind.FEE, Cause.FEE, Outside.FEES),
        (MoveKind.FUNDING, Cause.FUNDING, Outside.FUNDING),  # of a symbol that nobody names
    ],
)
def test_what_moves_money_is_booked_as_what_it_is(life, kind, cause, outside):
    booked = _noted(life)
    reported = MoveReport("m1", "USDT", 7 * UNIT, BEGAN + REPORT_STEP_NS + 1, kind)
    for _ in range(2):
        life.money.heard([reported], BEGAN)
    (entry,) = booked
    assert (entry.cause, [leg.holder for leg in entry.legs]) == (cause, [MAIN, outside])


def test_funding_is_shared_by_who_holds_the_position(life):
    for slot in (1, 2):
        life.money.booking.adopt(LINEAR, BOTH, 1000, 1000, slot=slot)
    reported = MoveReport("f", "USDT", -8 * UNIT, BEGAN + REPORT_STEP_NS + 1, MoveKind.FUNDING, LINEAR)
    life.money.heard([reported], BEGAN)
    assert [life.money.ledger.balance("USDT", slot) // UNIT for slot in (1, 2)] == [996, -4]


def test_a_balance_of_the_stream_is_looked_at_when_the_fill_behind_it_has_had_its_time(life):
    life.money.ready()
    life.money.heard([BalanceReport("USDT", 1001 * UNIT, BEGAN + 5)], BEGAN + 5)
    life.money.tick(BEGAN + 5 + GRACE - 1)
    assert life.money.moves_wanted is None
    life.money.tick(BEGAN + 5 + GRACE)
    assert life.money.moves_wanted is not None


def test_of_two_currencies_that_differ_what_moved_is_read_since_the_earlier(life):
    legs = (Leg(MAIN, "BNB", 5 * UNIT), Leg(Outside.OPENING, "BNB", -5 * UNIT))
    life.money.book(Entry(BEGAN + 50, Cause.OPENING, legs))
    later = BEGAN + 2 * WINDOW  # at least an hour is read
    life.money.check({"BNB": BalanceReport("BNB", 6 * UNIT, later)}, later)
    assert life.money.moves_wanted == BEGAN + 50
    received = {name: BalanceReport(name, total * UNIT, later + 10) for name, total in (("USDT", 1001), ("BNB", 7))}
    life.money.check(received, later + 10)
    assert life.money.moves_wanted == BEGAN


@pytest.mark.parametrize(("at", "total"), [(BEGAN, 1000), (BEGAN + REPORT_STEP_NS + 1, 1007)])
def test_a_deposit_of_a_transfer_that_the_opening_has_moves_nothing(life, at, total):
    life.money.arrived("USDT", 7 * UNIT, "", at, BEGAN + 9, transfer="t1", note="n")
    assert life.money.ledger.total("USDT") == total * UNIT


# --- what may be done -----------------------------------------------------------------------------


def test_an_order_for_which_its_sub_account_has_not_enough_is_refused(life):
    assert "has 0 free" in life.refusal()
    assert isinstance(life.send("allocate", amount="100"), Entry)
    assert life.refusal() == ""


def test_owners_of_what_is_reset_are_stopped_by_name(life):
    assert isinstance(life.send("allocate", amount="100"), Entry)
    assert isinstance(life.send("reset", amount="1000", index=None), Entry)
    assert life.stopped == [(2,)]
    words = "its USDT went back to the pool: allocate again"
    assert HealthOut("sub-account", "a", words, "critical") in life.said


def test_readers_see_what_a_command_has_moved(life, tmp_path):
    life.money.ready()
    assert isinstance(life.send("allocate", amount="100"), Entry)
    totals, *_ = AccountReader(tmp_path, "gateway:main").slots("USDT", max_age=2**62).all()
    assert [each // UNIT for each in totals[:3]] == [1000, 900, 100]


# --- what a tape says of it -----------------------------------------------------------------------


def test_what_the_tape_has_of_moves_transfers_and_beginnings_is_taken_in(tmp_path):
    heard: list[str] = []
    with Life(tmp_path) as life:
        kept = life.money._kept
        kept._on_reference = heard.append
        legs = (Leg(MAIN, "USDT", UNIT), Leg(Outside.OPENING, "USDT", -UNIT))
        kept.entry(pack(Entry(BEGAN, Cause.OPENING, legs, "USDT")))
        assert kept.opened == {"USDT": BEGAN}
        received = (Leg(MAIN, "USDT", UNIT), Leg(Outside.WORLD, "USDT", -UNIT))
        arrived = Entry(BEGAN + 5, Cause.COMMAND, received, f"{TRANSFER_REPORTED}t1")
        kept.entry(pack(arrived))
        assert heard == ["USDT", f"{TRANSFER_REPORTED}t1"]
        assert [each.reference for each in kept.arrivals] == [f"{TRANSFER_REPORTED}t1"]


def test_a_fill_that_was_shared_is_shared_again(tmp_path):
    with Life(tmp_path) as life:
        life.report(1000, BEGAN)
        kept = life.money._kept
        for slot in (1, 2):
            kept.booking.adopt(LINEAR, BOTH, 1000, 1000, slot=slot)
        kept.fills.entry(0)  # the one that the ledger began with
        forced = fill_of(LINEAR, "-2@90", trade=3, time=BEGAN + 6)
        kept.fills.fill(forced, MAIN, 9)
        made = type(kept.booking)(kept.instruments)
        for slot in (1, 2):
            made.adopt(LINEAR, BOTH, 1000, 1000, slot=slot)
        kept.entry(pack(made.forced(forced)._replace(of=9)))
        assert [kept.booking.positions[slot, LINEAR, BOTH].qty for slot in (1, 2)] == [0, 0]


def test_at_another_exchange_nothing_waits_and_no_transfer_is_followed(tmp_path):
    with Life(tmp_path) as life:
        life.report(1000, BEGAN)
        kept = life.money._kept
        kept.fills.entry(0)  # the one that the ledger began with
        kept.fills.fill(fill_of(LINEAR, "+1@100", trade=1, time=BEGAN + 5), 2, 77)
        kept.transfer({"id": "t", "slot": 2, "state": str(State.SENT)})
        legs = (Leg(MAIN, "USDT", UNIT), Leg(Outside.UNEXPLAINED, "USDT", -UNIT))
        kept.entry(pack(Entry(BEGAN + 9, Cause.RESET, legs, "", 0, OTHER_EXCHANGE)))
        assert (list(kept.fills.unbooked()), kept.transfers) == ([], {})
        assert kept.opened["USDT"] == BEGAN + 9
