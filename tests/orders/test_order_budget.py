"""How many orders an account may send: counted as addresses' weights are, by one process alone."""

from __future__ import annotations

import pytest

from onetape.model.errors import VenueRateLimit
from onetape.model.time import SECOND
from onetape.orders.calls import Call, Purpose
from onetape.orders.order_budget import OrderBudget
from onetape.orders.outcome import Outcome
from onetape.venues.binance.instruments import order_rules_of

NOW = 1_795_000_020 * SECOND  # where a minute begins, and ten seconds do
INFO = {
    "rateLimits": [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
        {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 100},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50},
        {"rateLimitType": "ORDERS", "interval": "MOON", "intervalNum": 1, "limit": 5},
    ]
}


class Account:
    """A budget in a time of the test's own, and what is said of it."""

    def __init__(self) -> None:
        self.now = NOW + SECOND
        self.said: list[str] = []
        self.budget = OrderBudget("main", now=lambda: self.now, say=lambda out: self.said.append(out.state))
        self.budget.learn(order_rules_of(INFO))

    def refusal(self, purpose: Purpose = Purpose.PLACE, *, reduces: bool = False):
        counted = 0 if purpose is Purpose.CANCEL else 1
        call = Call(purpose, "POST", "/x", b"", {}, 0, orders=counted)
        return self.budget.refusal(call, reduces=lambda _: reduces)

    def sent(self, tries: int, **how) -> int:
        return sum(self.refusal(**how) is None for _ in range(tries))


@pytest.fixture
def account() -> Account:
    return Account()


def test_windows_are_those_of_the_venue_s_list():
    assert [(r.window // SECOND, r.most, r.header) for r in order_rules_of(INFO)] == [
        (60, 100, "x-mbx-order-count-1m"),
        (10, 50, "x-mbx-order-count-10s"),
    ]


def test_an_order_that_would_exceed_a_window_is_refused_until_the_next(account):
    assert account.sent(60) == 40  # of 50, a reserve kept
    refusal = account.refusal(Purpose.AMEND)
    assert (refusal.outcome, refusal.code) == (Outcome.DEFINITIVE, VenueRateLimit.code)
    assert "40 of 50 used by the orders of this account" in refusal.text
    account.now += 9 * SECOND
    assert account.sent(60) == 40  # the minute has room for these
    account.now += 10 * SECOND
    assert account.sent(60) == 0
    account.now = NOW + 60 * SECOND
    assert account.sent(60) == 40
    account.budget.look()
    assert len(account.said) == 3  # once for each window that it waited for
    account.now += 10 * SECOND
    account.budget.look()
    assert account.said[3:] == ["available again"]


def test_reductions_have_a_reserve_and_cancels_are_not_counted(account):
    assert account.sent(60) == 40
    assert account.sent(60, reduces=True) == 5
    assert account.sent(1000, purpose=Purpose.CANCEL) == 1000
    assert account.budget.status()["used"] == [45, 45]


def test_what_other_hands_have_ordered_is_learned_from_the_answers(account):
    account.budget.heard({"x-mbx-order-count-10s": "39", "x-mbx-order-count-1m": "39"})
    assert account.sent(10) == 1


def test_an_answer_that_may_be_of_the_window_before_is_not_believed(account):
    account.now = NOW + SECOND // 2
    account.budget.heard({"x-mbx-order-count-10s": "50", "x-mbx-order-count-1m": "50"})
    assert account.sent(50) == 40


@pytest.mark.parametrize(("wait", "ends"), [(7 * SECOND, 8), (0, 10)])
def test_a_refusal_of_the_venue_s_holds_all_orders_and_no_cancel(account, wait, ends):
    account.budget.hold(wait)
    assert account.sent(5, reduces=True) == 0
    assert account.sent(5, purpose=Purpose.CANCEL) == 5
    account.now = NOW + ends * SECOND - 1
    assert account.sent(1) == 0
    account.now += 1
    assert account.sent(1) == 1


def test_without_windows_only_what_the_venue_says_counts():
    account = Account()
    account.budget.learn(())
    assert account.sent(1000) == 1000
    account.budget.hold(0)
    assert account.sent(1) == 0


def test_a_step_of_the_venues_clock_gives_no_second_budget_and_holds_nobody_up(account):
    """Its windows begin elsewhere from then on: those that run go on until the next one begins."""
    assert account.sent(60) == 40
    account.budget.restate(-93 * SECOND)
    assert account.sent(60) == 0
    account.now = NOW + 3 * SECOND - 1
    assert account.sent(60) == 0
    account.now += 1
    assert account.sent(60) == 40
    account.budget.hold(0)
    account.now += 10 * SECOND
    assert account.budget.status()["held_s"] == 0
