"""The core moves an order as the model does: each cell with every set of facts beside it, and whole lives."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onetape.model.enums import OrderNews, OrderState, RequestKind, Side
from onetape.model.errors import InvariantViolation
from onetape.model.order import OrderSpec
from onetape.orders.machine import EFFECT_IDS, FILLS, TABLE, Effect, OrderEvent
from onetape.orders.order import Order
from reference.order_life import OrderLife

LONG = bool(os.environ.get("ONETAPE_LONG"))
FACTS = ("accepted", "triggered", "cancel_open", "update_open")
NEWS = {
    OrderNews.ACCEPTED: OrderEvent.ACCEPT,
    OrderNews.REJECTED: OrderEvent.REJECT,
    OrderNews.CANCELED: OrderEvent.CANCEL_ACK,
    OrderNews.EXPIRED: OrderEvent.EXPIRE,
    OrderNews.TRIGGERED: OrderEvent.TRIGGER,
    OrderNews.UPDATED: OrderEvent.AMEND_ACK,
    OrderNews.CANCEL_REJECTED: OrderEvent.CANCEL_REJECT,
    OrderNews.UPDATE_REJECTED: OrderEvent.AMEND_REJECT,
    OrderNews.DENIED: OrderEvent.DENY,
    OrderNews.LOST: OrderEvent.REPLY_LOST,
    OrderNews.FOUND: OrderEvent.FOUND_WORKING,
    OrderNews.ABSENT: OrderEvent.FOUND_ABSENT,
}


def order_like(life: OrderLife) -> Order:
    spec = OrderSpec(symbol="binance:BTC/USDT:USDT", side=Side.BUY, size_int=life.size, price_int=1)
    order = Order(1, 1, spec)
    order.state, order.filled, order.size_wanted = life.state, life.filled, life.size_wanted
    for name in FACTS:
        setattr(order, name, getattr(life, name))
    return order


def is_bug(state: OrderState, event: OrderEvent) -> bool:
    """Tells whether the model raises: a request of ours that cannot be."""
    return event.is_ours and TABLE[state][event] is Effect.IMPOSSIBLE


def shown(of: OrderLife | Order) -> tuple:
    return of.state, of.filled, of.size, of.size_wanted, *(getattr(of, name) for name in FACTS)


def number_of(cell: OrderState | Effect) -> int:
    return cell.id if isinstance(cell, OrderState) else EFFECT_IDS[cell]


@pytest.mark.parametrize("state", list(OrderState))
def test_the_core_moves_an_order_as_the_model_does(state: OrderState) -> None:
    events = [event for event in OrderEvent if event not in FILLS and not is_bug(state, event)]
    for filled, wanted, size, *facts in product((0, 5), (0, 12), (0, 7, 20), *[(False, True)] * 4):
        if state.is_final and (facts[2] or facts[3]):
            continue  # an ended order has no open request
        of = OrderLife(10, state, filled, *map(bool, facts), size_wanted=wanted)
        for event in events:
            life, order = replace(of, trade_ids=set()), order_like(of)
            cell = life.on_event(event, size=size)
            assert order.take(event, size) == number_of(cell), (state, event)
            assert shown(order) == shown(life), (state, event, filled, wanted, size, facts)
            if event.is_ours:
                assert order_like(of).sends(event) is of.is_sent(event)
        for amount in (1, 5, 10, 12, 30):
            life, order = replace(of, trade_ids=set()), order_like(of)
            cell = life.on_fill("1", amount)
            assert order.take_fill(1, 1, amount) is (cell is not Effect.IMPOSSIBLE)
            assert shown(order) == shown(life), (state, amount, filled, wanted, facts)


def test_a_request_of_ours_that_cannot_be_is_a_fault_of_ours() -> None:
    order = order_like(OrderLife(10, OrderState.SUBMITTED))
    with pytest.raises(InvariantViolation, match="submit cannot follow in state SUBMITTED"):
        order.take_request(RequestKind.PLACE)
    order.state = OrderState.ACCEPTED
    with pytest.raises(InvariantViolation, match="deny cannot follow in state ACCEPTED"):
        order.take_news(OrderNews.DENIED, 0)
    with pytest.raises(InvariantViolation, match="a fill has a quantity: 0"):
        order.take_fill(1, 1, 0)
    assert (order.state, order.filled) == (OrderState.ACCEPTED, 0)


def test_each_word_of_a_venue_is_its_event() -> None:
    assert set(NEWS) == set(OrderNews)
    for (news, event), state, size in product(NEWS.items(), OrderState, (0, 4)):
        if is_bug(state, event):
            continue
        by_news, by_event = order_like(OrderLife(10, state)), order_like(OrderLife(10, state))
        assert by_news.take_news(news, size) is (by_event.take(event, size) != EFFECT_IDS[Effect.IMPOSSIBLE])
        assert shown(by_news) == shown(by_event)


@settings(max_examples=20_000 if LONG else 300, deadline=None)
@given(data=st.data())
def test_a_whole_life_is_the_model_s(data: st.DataObject) -> None:
    life = OrderLife(10)
    order = order_like(life)
    for _ in range(data.draw(st.integers(1, 30))):
        if data.draw(st.booleans()):
            trade, size = data.draw(st.integers(0, 8)), data.draw(st.integers(1, 6))
            cell = life.on_fill(str(trade), size)
            assert order.take_fill(trade, 3, size) is (cell is not Effect.IMPOSSIBLE)
        else:
            event = data.draw(st.sampled_from([e for e in OrderEvent if e not in FILLS]))
            size = data.draw(st.integers(0, 12))
            if is_bug(life.state, event):
                continue
            life.on_event(event, size=size)
            order.take(event, size)
        assert shown(order) == shown(life)
        assert order.trade_ids == sorted(map(int, life.trade_ids))
        assert order.spent == 3 * order.filled
