"""Weights, windows, and what is kept back: in a time of the test's own."""

from __future__ import annotations

import pytest

from onetape.model.time import SECOND
from onetape.orders.budget import ESSENTIAL, Budget, BudgetRule, WindowCounts
from onetape.orders.calls import Purpose
from onetape.store.shared_counters import SharedCounters

MINUTE = 60 * SECOND
RULES = (BudgetRule(MINUTE, 1000, "x-used"), BudgetRule(SECOND, 500, "x-used-1s"))
NOW = 1_795_000_000 * SECOND // MINUTE * MINUTE


@pytest.fixture
def budgets(tmp_path):
    """Two processes' budgets of one address."""
    counts = [SharedCounters(tmp_path / "run" / "counts") for _ in range(2)]
    yield [Budget(RULES, each) for each in counts]
    for each in counts:
        each.close()


def spend(budget, weight: int, purpose=Purpose.MARKET, at: int = NOW, chunk: int = 50) -> int:
    """In chunks, a second apart; how much went out."""
    sent = 0
    for n in range(weight // chunk):
        sent += chunk * (budget.take(purpose, chunk, at + n * SECOND) is None)
    return sent


def test_usual_requests_leave_a_reserve(budgets):
    mine, other = budgets
    assert spend(mine, 600) == 600
    assert spend(other, 600) == 200  # of the same budget
    verdict = mine.take(Purpose.MARKET, 50, NOW + 30 * SECOND)
    assert verdict.retry_at == NOW + MINUTE
    assert mine.state == verdict.reason
    assert "800 of 1000" in verdict.reason


@pytest.mark.parametrize("purpose", sorted(ESSENTIAL))
def test_what_must_not_wait_has_the_reserve_and_no_more(budgets, purpose):
    mine, other = budgets
    spend(mine, 1000)
    assert mine.take(purpose, 60, NOW + 30 * SECOND) is None
    assert other.take(purpose, 40, NOW + 31 * SECOND) is None
    assert other.take(purpose, 1, NOW + 32 * SECOND) is not None


def test_a_new_window_begins_at_nothing(budgets):
    mine, other = budgets
    spend(mine, 1000)
    assert mine.take(Purpose.MARKET, 50, NOW + MINUTE) is None
    assert mine.state == ""
    assert other.take(Purpose.MARKET, 750, NOW + MINUTE + 2 * SECOND) is not None  # the short one
    assert spend(other, 1000, at=NOW + MINUTE + 3 * SECOND) == 750


def test_a_late_look_at_an_old_window_takes_nothing_from_the_new_one(budgets):
    mine, other = budgets
    mine.take(Purpose.MARKET, 100, NOW + MINUTE)
    other.heard(200, {"x-used": "990"}, NOW + MINUTE - 1)  # of the minute before
    assert other.take(Purpose.MARKET, 100, NOW + MINUTE + 2 * SECOND) is None


def test_the_venue_s_count_is_believed_where_it_is_higher(budgets):
    mine, other = budgets
    mine.heard(200, {"x-used": "790"}, NOW)
    assert other.take(Purpose.MARKET, 20, NOW) is not None
    other.heard(200, {"x-used": "3"}, NOW)  # an answer that was long under way
    assert other.take(Purpose.MARKET, 20, NOW) is not None
    assert other.take(Purpose.MARKET, 10, NOW) is None


@pytest.mark.parametrize("status", [418, 429])
def test_who_is_shut_out_stops_all(budgets, status):
    mine, other = budgets
    mine.heard(status, {"retry-after": "7"}, NOW)
    for each in (mine, other):
        verdict = each.take(Purpose.CANCEL, 0, NOW + 6 * SECOND)
        assert verdict.retry_at == NOW + 7 * SECOND
    assert other.take(Purpose.CANCEL, 0, NOW + 7 * SECOND) is None
    other.heard(status, {}, NOW)  # nothing is said of how long
    assert mine.take(Purpose.CANCEL, 0, NOW + 59 * SECOND) is not None
    mine.heard(status, {"retry-after": "1"}, NOW)  # an earlier end changes nothing
    assert mine.take(Purpose.CANCEL, 0, NOW + 59 * SECOND) is not None


def test_requests_without_weight_ask_nobody(budgets):
    mine, _ = budgets
    spend(mine, 1000)
    assert mine.take(Purpose.PLACE, 0, NOW) is None


def test_a_ban_is_never_made_shorter_nor_made_by_a_limit_of_something_else():
    counts = WindowCounts()
    counts.ban(NOW + 7)
    counts.ban(NOW + 3)
    assert counts.banned_until() == NOW + 7
    budget = Budget((), counts)
    budget.heard(429, {"retry-after": "9"}, NOW, is_limited=False)
    assert counts.banned_until() == NOW + 7
    budget.heard(418, {"retry-after": "9"}, NOW, is_limited=False)
    assert counts.banned_until() == NOW + 9 * SECOND
