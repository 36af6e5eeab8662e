"""Reductions that the venue does not see as such, and trades that it never sees."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.booking_world import INSTRUMENTS, LINEAR, SPOT, UNIT, fill_of, moved
from onetape.accounts.booking import Booking
from onetape.accounts.entries import Entry, Outside, checked
from onetape.accounts.ledger import Ledger
from onetape.accounts.netting import Match, Reduction, Resting, cross, fair_price, plain_reduction, traded
from onetape.model.enums import Liquidity, OrderType, PositionSide, Side, TimeInForce, TriggerBy
from onetape.model.order import OrderSpec
from onetape.orders.reports import INTERNAL_TRADES

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
    ("bid", "ask", "side", "limit", "waiting", "price"),
    [
        (99, 101, BUY, 0, 0, 100),
        (100, 101, BUY, 0, 0, 101),  # half a unit is the waiting one's
        (100, 101, SELL, 0, 0, 100),
        (90, 110, SELL, 0, 95, 95),  # as near to the middle as who waits allows
        (90, 110, BUY, 0, 105, 105),
        (90, 110, BUY, 98, 95, 98),  # and who comes
        (90, 110, SELL, 102, 105, 102),
        (90, 110, SELL, 0, 90, 90),  # at the market's edge
        (90, 110, SELL, 0, 89, 0),  # the market gives more
        (90, 110, BUY, 0, 111, 0),
        (90, 110, BUY, 94, 95, 0),  # they do not meet
        (0, 101, BUY, 0, 0, 0),
        (101, 101, BUY, 0, 0, 0),
        (102, 101, SELL, 0, 0, 0),
    ],
)
def test_the_fair_price_is_as_near_to_the_middle_as_both_allow(bid, ask, side, limit, waiting, price):
    assert fair_price(bid, ask, spec_of(side, 5, price=limit), waiting) == price


def crossed(spec: OrderSpec, *others: Resting, lot: int = 1) -> list[tuple[str, int, int]]:
    found = cross(spec, others, bid=99, ask=101, lot=lot)
    return [(each.client_id, each.size, each.price) for each in found]


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        (spec_of(BUY, 5), [("x", 2, 100), ("edge", 3, 101)]),
        (spec_of(BUY, 5, price=100), [("x", 2, 100), ("any", 3, 100)]),
        (spec_of(BUY, 5, price=99), [("any", 5, 99)]),
        (spec_of(BUY, 1), [("x", 1, 100)]),
        (spec_of(BUY, 5, reduce_only=True), [("x", 2, 100), ("edge", 3, 101)]),
        (spec_of(BUY, 5, price=100, post_only=True), []),
        (spec_of(BUY, 5, price=100, tif=TimeInForce.FOK), []),
        (spec_of(BUY, 5, trigger_int=100, trigger_by=TriggerBy.LAST), []),
        (spec_of(SELL, 5), []),
    ],
)
def test_interests_meet_within_both_limits_and_the_market(spec, found):
    others = (
        Resting("x", SELL, 100, 2),
        Resting("dear", SELL, 102, 9),
        Resting("edge", SELL, 101, 9),
        Resting("any", SELL, 0, 9),
    )
    assert crossed(spec, *others) == found


def test_only_whole_lots_meet():
    rest = Resting("x", SELL, 0, 7)
    assert crossed(spec_of(BUY, 20), rest, lot=5) == [("x", 5, 100)]
    assert crossed(spec_of(BUY, 4), rest, lot=5) == []


def test_each_side_of_a_trade_tells_the_other():
    spec = spec_of(BUY, 5)
    mine, other = traded(spec, "new", Match("old", 100, 3), time=7, trade_id=INTERNAL_TRADES + 1)
    assert (mine.client_id, mine.side, mine.liquidity) == ("new", BUY, Liquidity.TAKER)
    assert (other.client_id, other.side, other.liquidity) == ("old", SELL, Liquidity.MAKER)
    assert (mine.other_side, other.other_side) == (other, mine)
    assert mine.is_internal and mine.fee == 0 and mine.size == other.size == 3


def both(booking: Booking, symbol: str, text: str, slot: int, other: int, at: int = 0) -> list[Entry]:
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
