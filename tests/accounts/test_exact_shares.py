"""Where one unit or one leg decides: fills inside, fills by force, what is rounded up."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from accounts.booking_world import INSTRUMENTS, INVERSE, LINEAR, SPOT, UNIT, fill_of, moved
from onetape.accounts.booking import Booking
from onetape.accounts.entries import MAIN, Outside
from onetape.accounts.holding import Holding, Terms
from onetape.accounts.reserves import Reserves
from onetape.accounts.sharing import shares, split
from onetape.model.enums import PositionSide, Side
from onetape.model.order import OrderSpec
from onetape.orders.reports import INTERNAL_TRADES

A, B = 2, 3
BOTH, LONG, SHORT = PositionSide.BOTH, PositionSide.LONG, PositionSide.SHORT
MARKET, NETTING = int(Outside.MARKET), int(Outside.NETTING)


def inside(symbol: str, text: str, number: int = 0, **more: Any):
    return fill_of(symbol, text, trade=INTERNAL_TRADES + number, **more)


# --- internal trades ------------------------------------------------------------------------------


def test_an_internal_trade_leaves_the_account_as_it_is_and_is_netting():
    booking = Booking(INSTRUMENTS)
    booking.fill(inside(LINEAR, "+1@100"), A)
    assert booking.account[LINEAR, BOTH].qty == 0
    booking.fill(inside(LINEAR, "-1@100"), B)
    assert [booking.positions[slot, LINEAR, BOTH].qty for slot in (A, B)] == [1000, -1000]
    entry = booking.fill(inside(LINEAR, "-1@110", 1), A)
    assert moved(entry) == {(A, "USDT"): 10 * UNIT, (NETTING, "USDT"): -10 * UNIT}


def test_an_internal_trade_on_spot_is_netting_until_its_other_side_comes():
    entry = Booking(INSTRUMENTS).fill(inside(SPOT, "+1@100"), A)
    assert {holder for holder, _ in moved(entry)} == {A, NETTING}


def test_an_internal_trade_that_comes_late_leaves_the_account_as_it_is():
    booking = Booking(INSTRUMENTS)
    booking.fill(fill_of(LINEAR, "+1@100", trade=1, time=10), A)
    booking.fill(inside(LINEAR, "-1@100", time=5), A)
    assert booking.account[LINEAR, BOTH].qty == 1000


def test_of_two_fills_of_one_time_the_number_says_which_was_first():
    """Bought at 100 and 110, sold one at 120 after the first: 20, not 15."""
    received = [
        fill_of(LINEAR, text, trade=trade, time=7) for trade, text in ((1, "+1@100"), (2, "-1@120"), (3, "+1@110"))
    ]
    for order in ((0, 1, 2), (0, 2, 1), (2, 1, 0), (1, 0, 2)):
        booking = Booking(INSTRUMENTS)
        for at in order:
            booking.fill(received[at], A)
        assert booking.account[LINEAR, BOTH].realized == 20 * UNIT


def test_an_instrument_with_a_new_version_has_new_terms():
    instruments = dict(INSTRUMENTS)
    booking = Booking(instruments)
    booking.fill(fill_of(LINEAR, "+1@100"), A)
    before = booking.terms(LINEAR)
    instruments[LINEAR] = structs.replace(INSTRUMENTS[LINEAR], multiplier=Decimal(2))
    assert booking.terms(LINEAR) is not before
    booking.fill(fill_of(LINEAR, "+1@100", trade=2), A)
    assert booking.positions[A, LINEAR, BOTH].cost == 300 * UNIT


# --- by force -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "left"),
    [
        (3, (0, 0, 0)),  # exactly what they hold
        (2, (0, 0.333, 0.667)),
        (4, (-4, 1, 2)),  # more than anybody is known to hold: a foreign hand's
    ],
)
def test_a_liquidation_is_shared_up_to_exactly_what_is_held(size, left):
    booking = Booking(INSTRUMENTS)
    booking.fill(fill_of(LINEAR, "+1@100", trade=1), A)
    booking.fill(fill_of(LINEAR, "+2@100", trade=2), B)
    booking.forced(fill_of(LINEAR, f"-{size}@90", trade=3, client_id="autoclose-1"))
    found = [booking.positions.get((slot, LINEAR, BOTH)) for slot in (MAIN, A, B)]
    assert [each.qty / 1000 if each else 0 for each in found] == list(left)


@pytest.mark.parametrize(("held", "side"), [((3, 1), LONG), ((1, 3), SHORT), ((3, 0), LONG)])
def test_funding_that_names_no_leg_is_of_the_larger(held, side):
    booking = Booking(INSTRUMENTS)
    for trade, (leg, qty, sign) in enumerate(((LONG, held[0], "+"), (SHORT, held[1], "-")), 1):
        if qty:
            booking.fill(fill_of(LINEAR, f"{sign}{qty}@100", trade=trade, side=leg), A)
    assert booking.one_side(LINEAR) is side


def test_shares_are_whole_lots_and_nobody_gives_more_than_he_holds():
    assert split(10, {A: 5, B: 5}, lot=2) == {A: 6 - 1, B: 5}
    assert split(7, {A: 1, B: 6}, lot=3) == {A: 1, B: 6}
    assert split(5, {A: 10, B: 10}, lot=2) == {A: 3, B: 2}
    assert split(4, {A: 10, B: 10}, lot=4) == {A: 4, B: 0}
    assert sum(shares(10, {A: 1, B: 1, 4: 1}, rest_to=MAIN).values()) == 10


@pytest.mark.parametrize(("mark", "profit"), [(200_000, 1), (50_000, -2)])
def test_the_open_profit_of_an_inverse_contract_grows_with_the_price(mark, profit):
    terms = Terms(INSTRUMENTS[INVERSE])
    holding = Holding(terms)
    holding.fill(2, terms.value(100_000, 2))  # 200 USD at 10,000: 0.02 BTC
    assert holding.unrealized_at(mark) == profit * UNIT // 100


# --- what is held ---------------------------------------------------------------------------------


def held(leverage: float, size: int, price: int, instruments=INSTRUMENTS, **more: Any) -> int:
    reserves = Reserves(instruments, leverage=leverage)
    spec = OrderSpec(symbol=LINEAR, side=Side.BUY, size_int=size, price_int=price, **more)
    wanted = reserves.wanted(spec, size, price)
    return wanted[1] if wanted is not None else 0


def rated(maker: str, taker: str) -> dict[str, Any]:
    made = structs.replace(INSTRUMENTS[LINEAR], maker_fee=Decimal(maker), taker_fee=Decimal(taker))
    return {**INSTRUMENTS, LINEAR: made}


def test_margin_that_is_held_is_rounded_up():
    value = 10**14  # one unit of size at one of price
    assert held(3, 1, 1, rated("0", "0")) == -(-value // 3)


def test_fees_that_are_held_are_rounded_up_and_a_rebate_sets_nothing_free():
    fee = Decimal("0.0000000000000003")
    value = 10**14
    assert held(1, 1, 1, rated("0", str(fee))) == value + 1
    assert held(1, 1, 1, rated("-0.5", "0"), post_only=True) == value


def test_a_post_only_order_is_charged_the_maker_s_fee():
    instruments = rated("0.01", "0.02")
    assert held(1, 1000, 1000, instruments, post_only=True) == 101 * UNIT
    assert held(1, 1000, 1000, instruments) == 102 * UNIT
