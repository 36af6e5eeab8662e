"""An order that works here and is in no list of the venue: a round is over when it is known what
became of it, and not before."""

from __future__ import annotations

import pytest

from onetape.model.enums import OrderNews, OrderState, RequestKind, Side
from onetape.model.order import OrderSpec
from onetape.orders.calls import Purpose
from onetape.orders.managed import Request
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reconcile import ROUNDS_MAX, SETTLE, Reconciler
from onetape.orders.reports import OrderStatusReport
from orders.binance_manager import NOW, SECOND, SYMBOL, binance_manager

SIZE = 10


def row(state: OrderState, time: int) -> OrderStatusReport:
    return OrderStatusReport(SYMBOL, "id-1", "77", state, time, side=Side.BUY, price=600_000, size=SIZE)


class Round:
    """Of a manager with one order, which the lists lack. Everything else is answered at once."""

    def __init__(self) -> None:
        self.manager = binance_manager()
        spec = OrderSpec(symbol=SYMBOL, side=Side.BUY, size_int=SIZE, price_int=600_000)
        self.order = self.manager.submit("id-1", Request(1, RequestKind.PLACE, 1, spec), NOW)
        (place,) = self.manager.calls
        done = Answer(Outcome.DONE, (row(OrderState.ACCEPTED, NOW),))
        self.manager.answered(place, done, NOW)
        self.manager.calls.clear()
        self.reconciler = Reconciler(self.manager, [SYMBOL], is_new=False)
        self.now = NOW + 60 * SECOND
        self.reconciler.start(self.now, "periodic")
        self.questions = self.passed()

    def passed(self, wait: int = 0) -> list:
        """After a while: what is asked about the order by then."""
        self.now += wait
        questions = []
        for _ in range(4):
            self.manager.tick(self.now)
            self.reconciler.tick(self.now)
            calls, self.manager.calls = self.manager.calls, []
            for call in calls:
                if call.purpose is Purpose.QUERY:
                    questions.append(call)
                elif not self.reconciler.answered(call, Answer(Outcome.DONE), self.now):
                    self.manager.answered(call, Answer(Outcome.DONE), self.now)
        return questions


@pytest.mark.parametrize("state", [OrderState.ACCEPTED, OrderState.CANCELED])
def test_a_round_waits_for_what_became_of_an_order_that_no_list_has(state):
    world = Round()
    (question,) = world.questions
    assert world.reconciler.is_running
    answer = Answer(Outcome.DONE, (row(state, world.now),))
    world.manager.answered(question, answer, world.now)
    world.passed(SETTLE)
    assert not world.reconciler.is_running
    assert world.reconciler.differences == []
    assert world.order.state is state


def test_a_question_that_nobody_answers_is_asked_again_and_shown_as_a_difference():
    world = Round()
    (question,) = world.questions
    request = 0
    for _ in range(2 * ROUNDS_MAX):
        world.manager.answered(question, Answer(Outcome.AMBIGUOUS), world.now)
        question, *_ = world.passed(SETTLE) or [question]
        request += 1
        if not world.reconciler.is_running:
            break
    assert 1 < request <= ROUNDS_MAX + 1
    (difference,) = world.reconciler.differences
    assert (difference.what, difference.venue) == ("order id-1", "not known")
    news = row(OrderState.CANCELED, world.now)._replace(news=OrderNews.CANCELED)
    world.manager.hear([news], world.now)
    world.reconciler.start(world.now, "periodic")
    assert world.passed() == []
    assert world.reconciler.differences == []
