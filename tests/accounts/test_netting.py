"""Reductions that the venue does not see as such, and trades that it never sees."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.booking_world import INSTRUMENTS, LINEAR, SPOT, UNIT, fill_of, moved
from onetape.accounts.booking import INTERNAL_TRADES, Booking
from onetape.accounts.entries import Entry, Outside, checked
from onetape.accounts.ledger import Ledger
from onetape.accounts.netting import Reduction, Resting, cross, fair_price, plain_reduction
from onetape.model.enums import Liquidity, OrderType, PositionSide, Side
from onetape.model.order import OrderSpec

A, B, C = 2, 3, 4
BUY, SELL = Side.BUY, Side.SELL
NETTING = int(Outside.NETTING)


def spec_of(side: Side, size: int, *, price: int = 0, **more: object) -> OrderSpec:
    kind = OrderType.LIMIT if price else OrderType.MARKET
    fields = {"symbol": LINEAR, "side": side, "size_int": size, "type": kind, "price_int": price}
    return OrderSpec(**{**fields, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("own", "own_reducing", "account", "account_reducing", "opening", "bound", "found"),
    [
        (5, 0, 5, 0, 0, None, "as it is"),  # alone
        (5, 0, 8, 0, 0, None, "as it is"),
        (5, 0, 0, 0, 0, None, "plain"),  # another is short by as much
        (5, 0, -3, 0, 0, None, "plain"),
        (5, 0, 4, 0, 0, None, "plain"),  # the venue would cut it
        (5, 0, 8, 4, 0, None, "plain"),  # another's reduction works already
        (5, 1, 8, 0, 0, None, "too much"),
        (4, 0, 8, 0, 0, None, "too much"),
        (-5, 0, 5, 0, 0, None, "too much"),
        (5, 0, 0, 0, 0, 5, "plain"),
        (5, 0, 0, 0, 1, 5, "beyond"),
        (5, 0, -3, 0, 0, 7, "beyond"),
        (5, 0, -3, 0, 0, 8, "plain"),
        (5, 0, 4, 3, 0, 3, "beyond"),
        (5, 0, 4, 3, 0, 4, "plain"),
    ],
)
@pytest.mark.parametrize("side", [SELL, BUY])
def test_a_reduction_that_is_right_for_its_owner_goes_out(
    side, own, own_reducing, account, account_reducing, opening, bound, found
):
    sign = -side.sign
    reduction = plain_reduction(
        spec_of(side, 5, reduce_only=True),
        own=own * sign,
        own_reducing=own_reducing,
        account=account * sign,
        account_reducing=account_reducing,
        account_opening=opening,
        bound=bound,
    )
    assert reduction == found


def test_what_is_no_reduction_of_a_one_way_account_goes_out_as_it_is():
    sums = {"own": 0, "own_reducing": 0, "account": 0, "account_reducing": 0}
    for more in ({}, {"reduce_only": True, "position_side": PositionSide.LONG}):
        found = plain_reduction(spec_of(SELL, 5, **more), **sums, account_opening=0, bound=0)
        assert found is Reduction.AS_IT_IS


@pytest.mark.parametrize(
    ("bid", "ask", "taker", "price"),
    [(99, 101, BUY, 100), (100, 101, BUY, 101), (100, 101, SELL, 100), (0, 101, BUY, 0),
     (101, 101, BUY, 0), (102, 101, SELL, 0)],
)  # fmt: skip
def test_the_fair_price_is_the_middle_and_half_a_unit_the_waiting_one_s(bid, ask, taker, price):
    assert fair_price(bid, ask, taker=taker) == price


def crossed(spec: OrderSpec, *others: Resting, lot: int = 1) -> list[tuple[str, int, int, int]]:
    found = cross(
        spec,
        others,
        slot=A,
        client_id="new",
        bid=99,
        ask=101,
        lot=lot,
        time=7,
        trade_id=INTERNAL_TRADES,
    )
    for each in found:
        assert (each.fill.side, each.other.side) == (spec.side, spec.side.opposite)
        assert (each.fill.size, each.fill.price) == (each.other.size, each.other.price)
        assert (each.fill.liquidity, each.other.liquidity) == (Liquidity.TAKER, Liquidity.MAKER)
    return [
        (e.other.client_id, e.fill.size, e.fill.price, e.fill.trade_id - INTERNAL_TRADES)
        for e in found
    ]


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        (spec_of(BUY, 5), [("x", 2, 100, 0), ("z", 3, 100, 1)]),
        (spec_of(BUY, 5, price=100), [("x", 2, 100, 0), ("z", 3, 100, 1)]),
        (spec_of(BUY, 5, price=99), []),
        (spec_of(BUY, 1), [("x", 1, 100, 0)]),
        (spec_of(BUY, 5, price=100, post_only=True), []),
        (spec_of(BUY, 5, reduce_only=True), []),
        (spec_of(SELL, 5), []),
    ],
)
def test_interests_meet_at_the_middle_within_both_limits(spec, found):
    others = (
        Resting("x", B, SELL, 100, 2),
        Resting("own", A, SELL, 90, 9),
        Resting("dear", C, SELL, 101, 9),
        Resting("z", C, SELL, 0, 9),
    )
    assert crossed(spec, *others) == found


def test_only_whole_lots_meet():
    rest = Resting("x", B, SELL, 0, 7)
    assert crossed(spec_of(BUY, 20), rest, lot=5) == [("x", 5, 100, 0)]
    assert crossed(spec_of(BUY, 4), rest, lot=5) == []


def both(
    booking: Booking, symbol: str, text: str, slot: int, other: int, at: int = 0
) -> list[Entry]:
    """An internal trade: what `slot` does, and `other` does the opposite."""
    opposite = ("-" if text[0] == "+" else "+") + text[1:]
    trade = INTERNAL_TRADES + at
    return [
        checked(booking.fill(fill_of(symbol, text, trade=trade), slot)),
        checked(booking.fill(fill_of(symbol, opposite, trade=trade), other)),
    ]


def test_a_crossed_trade_moves_nothing_at_the_venue():
    booking = Booking(INSTRUMENTS)
    booking.fill(fill_of(LINEAR, "+1@100", trade=1), A)
    closed, opened = both(booking, LINEAR, "-1@110", A, B)
    assert moved(closed) == {(A, "USDT"): 10 * UNIT, (NETTING, "USDT"): -10 * UNIT}
    assert moved(opened) == {}
    assert closed.reference != opened.reference
    account = booking.account[LINEAR, PositionSide.BOTH]
    assert (account.qty, account.realized) == (1000, 0)
    last = booking.fill(fill_of(LINEAR, "-1@105", trade=2), B)
    assert moved(last)[NETTING, "USDT"] == 10 * UNIT


def test_a_crossed_spot_trade_is_coins_for_money():
    ledger = Ledger()
    for entry in both(Booking(INSTRUMENTS), SPOT, "+0.5@60000", A, B):
        ledger.post(entry)
        assert ledger.total("BTC") == ledger.total("USDT") == 0
    assert ledger.slots("BTC", 4) == [0, 0, UNIT // 2, -UNIT // 2]
    assert ledger.slots("USDT", 4) == [0, 0, -30_000 * UNIT, 30_000 * UNIT]
    assert ledger.balance("BTC", NETTING) == ledger.balance("USDT", NETTING) == 0


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.sampled_from([A, B, C]),
            st.sampled_from([BUY, SELL]),
            st.integers(1, 5000),
            st.integers(1, 999),
        ),
        max_size=25,
    )
)
def test_crossing_leaves_the_account_alone_and_netting_ends_at_zero(rows):
    booking, ledger, held = Booking(INSTRUMENTS), Ledger(), {A: 0, B: 0, C: 0}
    side_of = {True: "+", False: "-"}

    def fill(slot: int, qty: int, price: int, trade: int) -> None:
        text = f"{side_of[qty > 0]}{abs(qty) / 1000}@{price / 10}"
        ledger.post(booking.fill(fill_of(LINEAR, text, trade=trade), slot))
        held[slot] += qty

    for number, (is_crossed, slot, side, price, size) in enumerate(rows, 1):
        if not is_crossed:
            fill(slot, size * side.sign, price, number)
            continue
        other, before = {A: B, B: C, C: A}[slot], ledger.total("USDT")
        text = f"{side_of[side is BUY]}{size / 1000}@{price / 10}"
        for entry in both(booking, LINEAR, text, slot, other, number):
            ledger.post(entry)
        held[slot] += size * side.sign
        held[other] -= size * side.sign
        assert ledger.total("USDT") == before
    for number, (slot, qty) in enumerate(list(held.items()), 1000):
        if qty:
            fill(slot, -qty, 777, number)
    assert ledger.balance("USDT", NETTING) == 0
    assert not any(each.qty for each in booking.positions.values())
