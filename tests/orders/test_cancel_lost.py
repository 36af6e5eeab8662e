"""A cancel whose answer is lost, of an order that turns out to work: its robot is told, and what it
asked for is asked for again."""

from __future__ import annotations

import pytest

from onetape.model.enums import OrderNews, OrderState, RequestKind, Side
from onetape.model.order import OrderSpec
from onetape.orders.calls import Purpose
from onetape.orders.managed import IntentOut, NewsOut, Request
from onetape.orders.order import Order
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import OrderStatusReport
from orders.binance_manager import NOW, SECOND, SYMBOL, binance_manager

LOST = Answer(Outcome.AMBIGUOUS, code=4105)
SIZE, PRICE = 10, 600_000


def row(order: Order, now: int, state: OrderState = OrderState.ACCEPTED) -> OrderStatusReport:
    return OrderStatusReport(
        symbol=SYMBOL, client_id=order.name, venue_id="77", state=state, time=now, side=Side.BUY, price=PRICE, size=SIZE
    )


class World:
    """A manager, and an order that is being placed."""

    def __init__(self) -> None:
        self.manager = binance_manager()
        spec = OrderSpec(symbol=SYMBOL, side=Side.BUY, size_int=SIZE, price_int=PRICE)
        self.order = self.manager.submit("id-1", Request(1, RequestKind.PLACE, 1, spec), NOW)
        self.now = NOW

    def take_it(self) -> World:
        self.answer(Answer(Outcome.DONE, reports=(row(self.order, NOW),)))
        self.manager.outs.clear()
        return self

    def answer(self, answer: Answer) -> None:
        """To the one call that is on the wire."""
        self.now += SECOND // 10
        (call,) = self.manager.calls
        self.manager.calls = []
        self.manager.answered(call, answer, self.now)
        self.manager.tick(self.now)

    def lose_the_cancel(self) -> None:
        assert self.purposes == [Purpose.CANCEL]
        self.answer(LOST)

    def find(self) -> None:
        assert self.purposes == [Purpose.QUERY]
        self.answer(Answer(Outcome.DONE, reports=(row(self.order, self.now),)))

    @property
    def purposes(self) -> list[Purpose]:
        return [call.purpose for call in self.manager.calls]

    def reports(self) -> list[tuple[OrderNews, OrderState]]:
        outs, self.manager.outs = self.manager.outs, []
        self.intents = [o.kind for o in outs if isinstance(o, IntentOut)]
        return [(o.news, o.state) for o in outs if isinstance(o, NewsOut)]


@pytest.fixture
def world() -> World:
    """The venue has taken the order."""
    return World().take_it()


def test_the_robot_is_told_and_the_cancel_sent_again(world):
    world.manager.cancel(world.order, world.now)
    world.lose_the_cancel()
    assert world.reports() == [(OrderNews.LOST, OrderState.UNKNOWN)]
    world.find()
    assert world.reports() == [(OrderNews.FOUND, OrderState.ACCEPTED)]
    assert world.intents == [RequestKind.CANCEL]
    assert world.order.state is OrderState.PENDING_CANCEL
    world.answer(Answer(Outcome.DONE, reports=(row(world.order, world.now, OrderState.CANCELED),)))
    assert world.reports() == [(OrderNews.CANCELED, OrderState.CANCELED)]
    assert world.manager.calls == []


def test_one_that_is_lost_each_time_is_given_up_until_it_is_asked_for_anew(world):
    world.manager.cancel(world.order, world.now)
    sent = 0
    while world.manager.calls:
        world.lose_the_cancel()
        world.find()
        sent += 1
        assert sent < 20
    assert sent == 4
    assert world.order.state is OrderState.ACCEPTED
    assert world.reports()[-2:] == [
        (OrderNews.FOUND, OrderState.ACCEPTED),
        (OrderNews.CANCEL_REJECTED, OrderState.ACCEPTED),
    ]
    world.manager.cancel(world.order, world.now)
    world.lose_the_cancel()
    world.find()
    assert world.purposes == [Purpose.CANCEL]


def test_one_that_was_asked_for_while_the_placing_was_unanswered_holds_as_well():
    world = World()
    world.reports()
    world.manager.cancel(world.order, world.now)
    world.reports()
    assert world.intents == [RequestKind.CANCEL]  # on the tape at once, should the gateway die now
    world.manager.calls.clear()  # nobody ever answers
    world.now += 6 * SECOND
    world.manager.tick(world.now)
    assert world.order.state is OrderState.UNKNOWN
    world.find()
    assert world.purposes == [Purpose.CANCEL]
    world.answer(Answer(Outcome.DONE, reports=(row(world.order, world.now, OrderState.CANCELED),)))
    assert world.reports()[-1] == (OrderNews.CANCELED, OrderState.CANCELED)
    assert world.manager.calls == []
