"""A request that may have left before a journal lost its end: asked for, never sent or denied."""

from __future__ import annotations

import pytest

from onetape.model.enums import OrderNews, OrderState, RequestKind, Side, TriggerBy, TriggerKind
from onetape.model.errors import OrderOutcomeUnknown, OrderUnknown
from onetape.model.order import OrderSpec
from onetape.orders.calls import Purpose
from onetape.orders.managed import HealthOut, IntentOut, NewsOut, Request
from onetape.orders.manager import OrderManager
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import OrderStatusReport
from orders.binance_manager import NOW, SECOND, SYMBOL, binance_manager, words

NOT_FOUND = Answer(Outcome.AMBIGUOUS, venue_code="-2013", not_found=True)


@pytest.fixture
def manager() -> OrderManager:
    return binance_manager()


def uncertain(manager: OrderManager):
    spec = OrderSpec(symbol=SYMBOL, side=Side.BUY, size_int=10, price_int=600_000)
    return manager.place_uncertain("id-1", Request(1, RequestKind.PLACE, 1, spec), NOW)


def working(*, price: int = 600_000, size: int = 10) -> Answer:
    row = OrderStatusReport(SYMBOL, "id-1", "77", OrderState.ACCEPTED, NOW, side=Side.BUY, price=price, size=size)
    return Answer(Outcome.DONE, (row,))


def queries(manager: OrderManager, now: int):
    """The question that is due by then, nothing else."""
    manager.tick(now)
    (call,) = manager.calls
    manager.calls.clear()
    assert call.purpose is Purpose.QUERY
    return call


def test_it_is_on_the_journal_unknown_and_not_sent(manager):
    order = uncertain(manager)
    assert manager.calls == []
    intent = manager.outs[0]
    assert isinstance(intent, IntentOut)
    assert (intent.kind, intent.price, intent.size) == (RequestKind.PLACE, 600_000, 10)
    lost = NewsOut(order, OrderNews.LOST, OrderState.UNKNOWN, NOW, OrderOutcomeUnknown.code)
    assert manager.outs[1] == lost
    assert HealthOut("order", "id-1", "unknown") in manager.outs
    assert order.lost_at == NOW
    assert manager.unknown == [order]
    assert order.worst_left == 10


def test_what_works_at_the_venue_is_adopted(manager):
    order = uncertain(manager)
    manager.answered(queries(manager, NOW), working(), NOW)
    assert order.state is OrderState.ACCEPTED
    assert order.venue_id == "77"
    assert words(manager)[1:] == [OrderNews.FOUND]


def test_what_the_venue_never_saw_ends_once_that_is_proven(manager):
    order = uncertain(manager)
    now = NOW
    while order.is_open:
        manager.answered(queries(manager, now), NOT_FOUND, now)
        assert now < NOW + 60 * SECOND
        now = manager.next_due if order.is_open else now
    assert now >= NOW + 10 * SECOND
    assert order.state is OrderState.REJECTED
    assert words(manager)[1:] == [OrderNews.ABSENT]
    absent = NewsOut(order, OrderNews.ABSENT, OrderState.REJECTED, now, OrderUnknown.code)
    assert absent in manager.outs


def test_an_amendment_in_doubt_is_asked_for_too(manager):
    order = uncertain(manager)
    manager.answered(queries(manager, NOW), working(), NOW)
    manager.amend_uncertain(order, NOW, price=590_000, size=0)
    assert order.state is OrderState.UNKNOWN
    manager.answered(queries(manager, NOW), working(price=590_000), NOW)
    assert (order.state, order.price) == (OrderState.ACCEPTED, 590_000)


def test_an_amendment_in_doubt_is_asked_for_at_once(manager):
    order = uncertain(manager)
    manager.answered(queries(manager, NOW), working(), NOW)
    assert manager.next_due > NOW + SECOND
    manager.amend_uncertain(order, NOW + SECOND, price=590_000, size=0)
    assert manager.next_due == NOW + SECOND


def test_an_amendment_of_what_has_ended_is_nothing(manager):
    order = uncertain(manager)
    manager.deny("id-2", Request(1, RequestKind.PLACE, 2, order.spec), NOW, 1, "")
    manager.outs.clear()
    manager.amend_uncertain(manager.orders["id-2"], NOW, price=590_000, size=0)
    assert manager.outs == []


@pytest.mark.parametrize(
    ("wanted", "terms", "worst"),
    [({"price": 590_000, "size": 0}, (590_000, 10), 10), ({"price": 0, "size": 12}, (600_000, 12), 12)],
)
def test_an_amendment_in_doubt_of_one_keeps_the_other_and_counts_as_the_larger(manager, wanted, terms, worst):
    order = uncertain(manager)
    manager.answered(queries(manager, NOW), working(), NOW)
    manager.outs.clear()
    manager.amend_uncertain(order, NOW, **wanted)
    intent = manager.outs[0]
    assert isinstance(intent, IntentOut)
    assert (intent.kind, intent.price, intent.size) == (RequestKind.AMEND, *terms)
    assert (order.amend_to, order.worst_left) == (terms, worst)
    manager.answered(queries(manager, NOW), working(), NOW)  # it may still arrive
    assert (order.state, order.worst_left) == (OrderState.UNKNOWN, worst)


def test_a_conditional_order_in_doubt_is_asked_for_where_these_are(manager):
    spec = OrderSpec(
        symbol=SYMBOL,
        side=Side.BUY,
        size_int=10,
        price_int=600_000,
        trigger_int=610_000,
        trigger_by=TriggerBy.LAST,
        trigger_kind=TriggerKind.STOP,
    )
    manager.place_uncertain("id-1", Request(1, RequestKind.PLACE, 1, spec), NOW)
    assert "algoOrder" in queries(manager, NOW).target
