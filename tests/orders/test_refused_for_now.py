"""An order that the venue refuses for now waits to be sent again; one that nobody wants any more by
then is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from onetape.model.enums import OrderNews, OrderState, RequestKind, Side
from onetape.model.errors import ClockSkew, OrderRate
from onetape.model.order import OrderSpec
from onetape.orders.calls import Purpose
from onetape.orders.managed import Request
from onetape.orders.manager import OrderManager
from onetape.orders.outcome import WAIT_MAX, Answer, Outcome, retry_after
from onetape.orders.queries import sent_last
from orders.binance_manager import NOW, SECOND, SYMBOL, binance_manager, words

REFUSED = Answer(Outcome.SAFE, code=4307, venue_code="-1015", text="too many orders", retry_after=9 * SECOND)


@pytest.fixture
def manager() -> OrderManager:
    return binance_manager()


def place(manager: OrderManager, **terms):
    """(order, the call that places it)."""
    spec = OrderSpec(symbol=SYMBOL, side=Side.BUY, size_int=10, price_int=600_000, **terms)
    order = manager.submit("id-1", Request(1, RequestKind.PLACE, 1, spec), NOW)
    return order, manager.calls.pop()


@pytest.mark.parametrize(
    ("header", "wait"),
    [("9", 9 * SECOND), ("0", 0), ("", 0), ("-1", 0), ("\u00b2", 0), ("Fri, 31 Dec 1999 23:59:59 GMT", 0)]
    + [(each, WAIT_MAX) for each in ("9" * 9, "9" * 5000)],
)
def test_the_wait_of_a_header_is_seconds_with_a_bound(header, wait):
    assert retry_after({"retry-after": header}) == wait


def test_it_is_sent_again_after_the_wait(manager):
    order, call = place(manager)
    manager.answered(call, REFUSED, NOW)
    manager.tick(NOW + 8 * SECOND)
    assert manager.calls == []
    manager.tick(NOW + 9 * SECOND)
    assert [each.purpose for each in manager.calls] == [Purpose.PLACE]
    assert order.state is OrderState.SUBMITTED
    assert sent_last(order) == NOW + 9 * SECOND  # from when its absence is a proof


@pytest.mark.parametrize(("reduce_only", "waits"), [(False, False), (True, True)])
def test_what_may_open_is_not_sent_on_a_market_of_much_later(manager, reduce_only, waits):
    order, call = place(manager, reduce_only=reduce_only)
    manager.answered(call, replace(REFUSED, retry_after=11 * SECOND), NOW)
    assert (order.state, order.code) == ((OrderState.SUBMITTED, 0) if waits else (OrderState.REJECTED, OrderRate.code))
    manager.tick(NOW + 11 * SECOND)
    assert [each.purpose for each in manager.calls] == [Purpose.PLACE] * waits


def test_an_amendment_that_would_leave_much_later_is_refused(manager):
    order, call = place(manager)
    manager.answered(call, Answer(Outcome.DONE), NOW)
    manager.amend(order, NOW, price=610_000, size=0)
    manager.answered(manager.calls.pop(), replace(REFUSED, retry_after=11 * SECOND), NOW)
    assert (order.state, words(manager)[-1]) == (OrderState.ACCEPTED, OrderNews.UPDATE_REJECTED)


def test_a_cancel_while_it_waits_ends_it_at_once(manager):
    order, call = place(manager)
    manager.answered(call, REFUSED, NOW)
    manager.cancel(order, NOW + SECOND)
    assert order.state is OrderState.REJECTED
    assert words(manager) == [OrderNews.REJECTED]
    manager.tick(NOW + 60 * SECOND)
    assert manager.calls == []
    assert not manager.open


def test_its_end_says_what_the_venue_refused_it_for_and_what_helps(manager):
    order, call = place(manager)
    manager.answered(call, REFUSED, NOW)
    manager.cancel(order, NOW + SECOND)
    assert order.code == OrderRate.code
    assert order.reason == (
        "-1015 too many orders; not sent again: canceled 8.0 s before it would have been."
        " Let orders stand for longer, or send fewer"
    )


def test_one_that_waits_for_the_clock_is_not_told_to_send_less(manager):
    order, call = place(manager)
    manager.answered(call, Answer(Outcome.SAFE, code=ClockSkew.code, retry_after=9 * SECOND), NOW)
    manager.cancel(order, NOW + SECOND)
    assert (order.code, order.reason) == (ClockSkew.code, "not sent again: canceled 8.0 s before it would have been")


def test_a_refusal_after_the_cancel_ends_it_at_once(manager):
    order, call = place(manager)
    manager.cancel(order, NOW)
    assert manager.calls == []  # not before the placing is answered
    manager.answered(call, REFUSED, NOW + SECOND)
    assert order.state is OrderState.REJECTED
    manager.tick(NOW + 60 * SECOND)
    assert manager.calls == []
    assert not manager.open
