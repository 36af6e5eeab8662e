"""A venue whose answers acknowledge the receipt of a request: the stream or a query says what became of it."""

from __future__ import annotations

import pytest

from onetape.model.enums import OrderNews, OrderState
from onetape.orders.calls import Purpose
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reconcile import Reconciler
from orders.binance_manager import NOW, PRICE, SECOND, SYMBOL, Desk


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.manager.venue.traits = desk.manager.venue.traits._replace(acks=True)
    return desk


def test_an_acknowledged_order_is_not_accepted_until_the_stream_says_so(desk):
    order = desk.place(accepted=False)
    desk.answer(value="77")
    assert (order.state, desk.news()) == (OrderState.SUBMITTED, [])
    desk.hear(desk.row(order, news=OrderNews.ACCEPTED))
    assert desk.news() == [(OrderNews.ACCEPTED, OrderState.ACCEPTED)]
    desk.wait(2 * SECOND)
    assert desk.sent() == []


def test_an_acknowledged_order_of_which_the_stream_is_silent_is_queried_after_a_second(desk):
    order = desk.place(accepted=False)
    desk.answer(value="77")
    assert desk.manager.next_due == desk.now + SECOND
    desk.wait(SECOND - 1)
    assert desk.sent() == []
    desk.wait(1)
    assert desk.sent() == [Purpose.QUERY]
    desk.manager.hear([desk.row(order, OrderState.REJECTED)], desk.now)
    assert order.state is OrderState.REJECTED


def test_an_acknowledged_amendment_holds_when_the_stream_shows_it(desk):
    order = desk.place()
    desk.manager.amend(order, desk.now, price=PRICE + 10, size=0)
    desk.answer(value="77")
    assert (order.price, desk.news()) == (PRICE, [])
    desk.hear(desk.row(order, price=PRICE + 10, news=OrderNews.UPDATED))
    assert (order.price, desk.news()) == (PRICE + 10, [(OrderNews.UPDATED, OrderState.ACCEPTED)])


def test_an_acknowledged_amendment_that_is_never_shown_is_lost_and_queried(desk):
    order = desk.place()
    desk.manager.amend(order, desk.now, price=PRICE + 10, size=0)
    desk.answer(value="77")
    desk.wait(60 * SECOND)
    assert order.state is OrderState.UNKNOWN
    desk.wait(SECOND)
    assert Purpose.QUERY in desk.sent()


def test_an_order_on_the_second_page_of_a_list_is_not_missing(desk):
    venue, order = desk.manager.venue, desk.place()
    venue.more_orders = lambda call, cursor, now: call._replace(target=cursor)
    reconciler = Reconciler(desk.manager, [SYMBOL], is_new=False, since=NOW)
    desk.now += SECOND
    reconciler.start(desk.now, "start")
    for call in desk.take():
        cursor = "page 2" if call.purpose is Purpose.OPEN_ORDERS else ""
        reconciler.answered(call, Answer(Outcome.DONE, cursor=cursor), desk.now)
    assert order.ask_at == 0
    (more,) = desk.take()
    assert more.target == "page 2"
    reconciler.answered(more, Answer(Outcome.DONE, (desk.row(order),)), desk.now)
    reconciler.tick(desk.now)
    assert not reconciler.is_running and order.ask_at == 0
