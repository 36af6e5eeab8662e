"""What is held is what all orders and positions need, in whatever order they came."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.booking_world import INSTRUMENTS, INVERSE, LINEAR, SPOT, UNIT
from long_form import examples
from onetape.accounts.reserves import Reserves
from onetape.model.enums import OrderState, OrderType, PositionSide, Side
from onetape.model.order import OrderSpec
from onetape.orders.backing import Spending
from onetape.orders.order import Order

A = 2
BUY, SELL = Side.BUY, Side.SELL


def order_of(symbol: str, side: Side, size: int, price: int, name: str = "o", **more: Any) -> Order:
    spec = OrderSpec(symbol=symbol, side=side, size_int=size, price_int=price, **more)
    order = Order(1, 1, spec, client_id=name)
    order.state = OrderState.ACCEPTED
    return order


def reserves(leverage: float = 1.0) -> Reserves:
    return Reserves(INSTRUMENTS, leverage=leverage)


@pytest.mark.parametrize(
    ("symbol", "side", "size", "price", "leverage", "currency", "held"),
    [
        (SPOT, BUY, 5000, 6_000_000, 1, "USDT", 30_030 * UNIT),  # with 0.1 % fee
        (SPOT, SELL, 5000, 6_000_000, 1, "BTC", UNIT // 2),
        (LINEAR, BUY, 1000, 1000, 1, "USDT", 100 * UNIT + UNIT // 20),
        (LINEAR, SELL, 1000, 1000, 10, "USDT", 10 * UNIT + UNIT // 20),
        (LINEAR, SELL, 1000, 1000, 2.5, "USDT", 40 * UNIT + UNIT // 20),
        (INVERSE, BUY, 1, 100_000, 1, "BTC", UNIT // 100),
        (INVERSE, BUY, 1, 30_000, 1, "BTC", UNIT // 30 + 0),
    ],
)
def test_an_order_holds_what_it_may_need(symbol, side, size, price, leverage, currency, held):
    found = reserves(leverage)
    order = order_of(symbol, side, size, price)
    assert found.wanted(order.spec, size, price) == Spending(currency, held)
    assert list(found.update(order, A)) == [currency]
    assert found.held(currency, A) == found.of(order, currency) == held
    assert list(found.update(order, A)) == []  # nothing new
    order.filled = size // 2
    found.update(order, A)
    assert found.held(currency, A) == pytest.approx(held * (size - size // 2) / size)
    order.state = OrderState.CANCELED
    assert list(found.update(order, A)) == [currency]
    assert found.held(currency, A) == found.of(order, currency) == 0


def test_reductions_hold_nothing():
    found = reserves()
    for more in ({"reduce_only": True}, {"position_side": PositionSide.LONG}):
        order = order_of(LINEAR, SELL, 1000, 1000, **more)
        assert found.wanted(order.spec, 1000, 1000) is None
        assert list(found.update(order, A)) == []
    assert found.held("USDT", A) == 0


def test_of_an_order_that_holds_nothing_no_instrument_is_asked():
    """A foreign order's may be one that this gateway does not trade."""
    found = reserves()
    order = order_of("binance:ELSE/USDT:USDT", BUY, 1000, 1000)
    order.state = OrderState.CANCELED
    assert list(found.update(order, A)) == []
    reduces = order_of("binance:ELSE/USDT:USDT", SELL, 1000, 1000, reduce_only=True)
    assert list(found.update(reduces, A)) == []
    assert found.wanted(reduces.spec, 1000, 1000) is None


def test_a_market_order_is_reckoned_at_the_price_that_is_known():
    found = Reserves(INSTRUMENTS, leverage=1.0, references={LINEAR: 1000})
    spec = OrderSpec(symbol=LINEAR, side=BUY, size_int=1000, type=OrderType.MARKET)
    assert found.wanted(spec, 1000, 1200) == Spending("USDT", 120 * UNIT + 6 * UNIT // 100)
    assert found.wanted(spec, 1000, 0) == Spending("USDT", 100 * UNIT + UNIT // 20)
    assert reserves().wanted(spec, 1000, 0) is None


def test_a_position_holds_margin_and_what_closes_it_holds_none():
    found = reserves(10)
    assert list(found.position(A, LINEAR, PositionSide.BOTH, 1000, 100 * UNIT)) == ["USDT"]
    assert found.held("USDT", A) == 10 * UNIT
    fee = UNIT // 20
    closing = order_of(LINEAR, SELL, 1000, 1000)
    assert found.wanted(closing.spec, 1000, 1000, slot=A) == Spending("USDT", fee)
    found.update(closing, A)
    assert found.held("USDT", A) == 10 * UNIT + fee
    assert found.of(closing, "USDT") == fee
    flipping = order_of(LINEAR, SELL, 3000, 1000, "p")
    found.update(flipping, A)  # short by three, were both filled
    assert found.held("USDT", A) == 30 * UNIT + 4 * fee
    found.position(A, LINEAR, PositionSide.BOTH, -3000, -300 * UNIT)
    assert found.held("USDT", A) == 70 * UNIT + 4 * fee


@pytest.mark.parametrize(
    ("symbol", "price", "currency", "more"),
    [(LINEAR, 1000, "USDT", 5 * UNIT + UNIT // 40), (SPOT, 600_000, "USDT", 300 * UNIT + 3 * UNIT // 10)],
)
def test_what_replaces_an_order_needs_the_difference(symbol, price, currency, more):
    found = reserves(10)
    old = order_of(symbol, BUY, 1000, price)
    found.update(old, A)
    wanted = found.wanted(old.spec, 1500, price, slot=A, without=old)
    assert wanted == Spending(currency, more)
    assert found.wanted(old.spec, 1000, price, slot=A, without=old) is None


def test_of_an_amendment_that_nobody_has_answered_the_dearer_price_counts():
    found, order = reserves(), order_of(LINEAR, BUY, 1000, 1000)
    order.update_open, order.size_wanted, order.amend_to = True, 2000, (1100, 2000)
    found.update(order, A)
    assert found.held("USDT", A) == 220 * UNIT + 11 * UNIT // 100


def test_an_exchange_that_begins_anew_has_no_positions():
    found = reserves()
    found.position(A, LINEAR, PositionSide.BOTH, 1000, 100 * UNIT)
    found.update(order_of(LINEAR, BUY, 1000, 1000), A)
    found.flatten()
    assert found.held("USDT", A) == 100 * UNIT + UNIT // 20


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["open", "fill", "close", "position"]),
        st.integers(0, 4),
        st.sampled_from([SPOT, LINEAR, INVERSE]),
        st.sampled_from([BUY, SELL]),
        st.integers(1, 5000),
        st.integers(1, 50_000),
    ),
    max_size=40,
)


@settings(max_examples=examples(100), deadline=None)
@given(STEPS, st.sampled_from([1.0, 3.0, 0.5]))
def test_held_is_the_same_as_of_all_that_is_there_at_once(steps, leverage):
    found = reserves(leverage)
    orders: dict[int, Order] = {}
    positions: dict[str, tuple[int, int]] = {}
    for kind, number, symbol, side, size, price in steps:
        if kind == "position":
            if symbol != SPOT:
                positions[symbol] = (size * side.sign, size * price * 10**12)
                found.position(A, symbol, PositionSide.BOTH, *positions[symbol])
            continue
        if kind == "open":
            if number in orders:
                orders[number].state = OrderState.CANCELED
                found.update(orders[number], A)
            orders[number] = order_of(symbol, side, size, price, str(number))
        order = orders.get(number)
        if order is None:
            continue
        if kind == "fill":
            order.filled = min(order.filled + size, order.size)
        if kind == "close":
            order.state = OrderState.CANCELED
        found.update(order, A)
    anew = reserves(leverage)
    for symbol, row in positions.items():
        anew.position(A, symbol, PositionSide.BOTH, *row)
    for order in orders.values():
        anew.update(order, A)
    for currency in ("USDT", "BTC"):
        assert found.held(currency, A) == anew.held(currency, A) >= 0
        for order in orders.values():
            if order.is_open:
                before, alone = found.held(currency, A), found.of(order, currency)
                order.state = OrderState.CANCELED
                found.update(order, A)
                assert before - found.held(currency, A) == alone
                order.state = OrderState.ACCEPTED
                found.update(order, A)


@pytest.mark.parametrize(
    ("held", "side", "size", "opens"),
    [
        (1000, SELL, 1000, False),
        (1000, SELL, 1999, False),
        (1000, SELL, 2001, True),
        (1000, BUY, 1, True),
        (-1000, BUY, 1000, False),
        (0, BUY, 1, True),
    ],
)
def test_what_only_closes_opens_nothing(held, side, size, opens):
    found = reserves()
    value = held * UNIT // 10
    found.position(A, LINEAR, PositionSide.BOTH, held, value)
    order = order_of(LINEAR, side, size, 1000)
    before = found.held("USDT", A)
    assert found.opens(order.spec, size, 1000, slot=A) is opens
    assert found.held("USDT", A) == before
    coins = order_of(SPOT, SELL, 1, 1000)
    assert found.opens(coins.spec, 1, 1000, slot=A)  # coins are held by their number
