"""The clock that orders are timed by is set right: what was noted by the wrong one is due in as long as before."""

from __future__ import annotations

import pytest

from onetape._core import OrderRates
from onetape.model.enums import OrderState, Side
from onetape.model.errors import ClockSkew
from onetape.orders.calls import Call, Purpose
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reconcile import Reconciler
from orders.binance_manager import SECOND, STOP, SYMBOL, Desk

REFUSED = {"outcome": Outcome.SAFE, "code": ClockSkew.code, "venue_code": "-1021"}


class Clock(Desk):
    def set_by(self, step: int) -> None:
        self.now += step
        self.manager.restate(step)


@pytest.fixture(params=[90 * SECOND, -90 * SECOND], ids=["ahead", "back"])
def step(request) -> int:
    return request.param


def test_what_was_refused_for_its_time_is_sent_again_as_soon(step):
    desk = Clock()
    order = desk.place()
    desk.manager.cancel(order, desk.now)
    desk.answer(**REFUSED)
    desk.set_by(step)
    assert desk.sent() == []
    desk.wait(SECOND // 5)
    assert desk.sent() == [Purpose.CANCEL]


def test_an_answer_is_waited_for_as_long_and_absence_believed_as_late(step):
    desk = Clock()
    order = desk.place(accepted=False)
    desk.take()
    desk.set_by(step)
    desk.wait(5 * SECOND - 1)
    assert order.state is OrderState.SUBMITTED
    desk.wait(1)
    assert order.is_unknown
    desk.answer(outcome=Outcome.DEFINITIVE, not_found=True)
    for _ in range(4):  # no clock has made it older than it is
        assert order.is_unknown
        desk.wait(SECOND)
        for _ in desk.manager.calls[1:]:
            desk.manager.calls.pop()
        if desk.manager.calls:
            desk.answer(outcome=Outcome.DEFINITIVE, not_found=True)
    desk.wait(5 * SECOND)
    desk.answer(outcome=Outcome.DEFINITIVE, not_found=True)
    assert order.state is OrderState.REJECTED


def test_a_round_asks_again_for_what_was_refused(step):
    desk = Clock()
    reconciler = Reconciler(desk.manager, [SYMBOL], is_new=False, since=desk.now)
    reconciler.start(desk.now, "test")
    calls: list[Call] = desk.take()
    for call in calls:
        reconciler.answered(call, Answer(**REFUSED), desk.now)
    desk.set_by(step)
    reconciler.restate(step)
    desk.now += SECOND
    reconciler.tick(desk.now)
    assert sorted(desk.sent()) == sorted(call.purpose for call in calls)


def test_a_robot_s_rate_is_counted_on(step):
    rates, now = OrderRates(), 10**18
    for _ in range(3):
        rates.count(1, 2, now)
    rates.restate(step)
    assert rates.ahead_ns(1, now + step) == 3 * SECOND // 2


def test_unknown_orders_are_asked_for_at_once_when_the_venue_is_back():
    desk = Desk()
    order = desk.place(accepted=False, side=Side.SELL, reduce_only=True, **STOP)
    desk.lose()
    desk.wait(1)
    desk.lose()
    desk.wait(1)
    assert order.is_unknown and desk.sent() == []
    desk.manager.ask_unknown(desk.now)
    desk.wait(0)
    assert desk.sent() == [Purpose.QUERY]
    desk.manager.ask_unknown(desk.now)
    desk.wait(0)
    assert desk.sent() == []  # that is under way
