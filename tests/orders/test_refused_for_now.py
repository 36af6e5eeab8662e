"""An order that the venue refuses for now waits to be sent again; one that nobody wants any more by
then is not."""

from __future__ import annotations

import pytest

from onetape.model.enums import OrderNews, OrderState, RequestKind, Side
from onetape.model.order import OrderSpec
from onetape.orders.calls import Purpose
from onetape.orders.managed import Request
from onetape.orders.manager import OrderManager
from onetape.orders.outcome import Answer, Outcome
from orders.binance_manager import NOW, SECOND, SYMBOL, binance_manager, words

REFUSED = Answer(Outcome.SAFE, code=4307, venue_code="-1015", retry_after=30 * SECOND)


@pytest.fixture
def manager() -> OrderManager:
    return binance_manager()


def place(manager: OrderManager):
    """(order, the call that places it)."""
    spec = OrderSpec(symbol=SYMBOL, side=Side.BUY, size_int=10, price_int=600_000)
    order = manager.submit("id-1", Request(1, RequestKind.PLACE, 1, spec), NOW)
    return order, manager.calls.pop()


def test_it_is_sent_again_after_the_wait(manager):
    order, call = place(manager)
    manager.answered(call, REFUSED, NOW)
    manager.tick(NOW + 29 * SECOND)
    assert manager.calls == []
    manager.tick(NOW + 30 * SECOND)
    assert [each.purpose for each in manager.calls] == [Purpose.PLACE]
    assert order.state is OrderState.SUBMITTED


def test_a_cancel_while_it_waits_ends_it_at_once(manager):
    order, call = place(manager)
    manager.answered(call, REFUSED, NOW)
    manager.cancel(order, NOW + SECOND)
    assert order.state is OrderState.REJECTED
    assert words(manager) == [OrderNews.REJECTED]
    manager.tick(NOW + 60 * SECOND)
    assert manager.calls == []
    assert manager.open == {}


def test_a_refusal_after_the_cancel_ends_it_at_once(manager):
    order, call = place(manager)
    manager.cancel(order, NOW)
    assert manager.calls == []  # not before the placing is answered
    manager.answered(call, REFUSED, NOW + SECOND)
    assert order.state is OrderState.REJECTED
    manager.tick(NOW + 60 * SECOND)
    assert manager.calls == []
    assert manager.open == {}
