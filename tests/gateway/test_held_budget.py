"""What a gateway's budgets make of requests for which there is no room."""

from __future__ import annotations

import pytest

from onetape.feeds.request_budget import AddressBudget, BudgetError
from onetape.model.errors import VenueRateLimit
from onetape.orders.budget import BudgetRule
from onetape.orders.calls import Call, Purpose
from onetape.orders.order_budget import OrderBudget
from onetape.orders.outcome import Answer, Outcome

SECOND = 10**9
NOW = 1_795_000_020 * SECOND


def call(purpose: Purpose, weight: int = 1) -> Call:
    return Call(purpose, "POST", "/x", b"", {}, weight, orders=1)


class Desk:
    def __init__(self, home) -> None:
        self.now = NOW
        self.said: list[str] = []
        self.budget = AddressBudget(
            home / "budget-x",
            (BudgetRule(60 * SECOND, 10, "x-used"),),
            now=lambda: self.now,
            steady=lambda: self.now,
            say=lambda out: self.said.append(out.state),
        )

    def take(self, purpose: Purpose, weight: int = 1) -> Answer | None:
        try:
            self.budget.take(call(purpose, weight))
        except BudgetError as error:
            return error.answer
        return None


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path)
    yield made
    made.budget.close()


@pytest.mark.parametrize(
    ("purpose", "outcome"),
    [
        (Purpose.PLACE, Outcome.DEFINITIVE),  # the price that it was meant for goes on
        (Purpose.AMEND, Outcome.DEFINITIVE),
        (Purpose.BALANCES, Outcome.SAFE),
    ],
)
def test_an_order_without_room_is_refused_at_once_and_a_question_may_come_later(desk, purpose, outcome):
    assert desk.take(Purpose.MARKET, 8) is None
    found = desk.take(purpose)
    assert (found.outcome, found.retry_after) == (outcome, 60 * SECOND)


def test_that_a_budget_is_used_up_is_said_once_for_each_end_of_it(desk):
    desk.take(Purpose.MARKET, 8)
    for _ in range(3):
        desk.take(Purpose.BALANCES)
    assert len(desk.said) == 1
    desk.now += 60 * SECOND
    desk.budget.look()
    assert desk.said[1:] == ["available again"]


def test_a_refusal_of_the_key_pauses_what_is_read_with_it_and_no_order(desk):
    refused = Answer(Outcome.SAFE, code=VenueRateLimit.code)
    desk.budget.answered(call(Purpose.BALANCES), 429, refused)  # of the address
    assert desk.take(Purpose.BALANCES) is None
    desk.budget.answered(call(Purpose.BALANCES), 200, refused)
    assert desk.take(Purpose.BALANCES).outcome is Outcome.SAFE
    assert desk.take(Purpose.CANCEL) is None


@pytest.mark.parametrize(("wait", "held"), [(7 * SECOND, 7.0), (0, 10.0)])
def test_orders_are_held_as_long_as_the_venue_says_or_until_the_window_s_end(wait, held):
    budget = OrderBudget("main", now=lambda: NOW, say=lambda out: None)
    budget.learn((BudgetRule(10 * SECOND, 50, ""),))
    budget.hold(wait)
    assert budget.status()["held_s"] == held
    assert budget.refusal(call(Purpose.CANCEL), reduces=lambda _: False) is None
    assert budget.refusal(call(Purpose.PLACE), reduces=lambda _: False) is not None
