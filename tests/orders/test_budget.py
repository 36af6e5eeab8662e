"""Weights, windows, and what is kept back: in a time of the test's own."""

from __future__ import annotations

import random

import pytest

from onetape.model.time import SECOND
from onetape.orders.budget import ESSENTIAL, PROTECTIVE, Budget, BudgetRule, Recount, WindowCounts
from onetape.orders.calls import Purpose
from onetape.store.shared_counters import SharedCounters
from reference.window_counts import WindowCounts as Model

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


@pytest.mark.parametrize("purpose", sorted(ESSENTIAL - PROTECTIVE))
def test_what_must_not_wait_has_the_reserve_and_no_more(budgets, purpose):
    mine, other = budgets
    spend(mine, 1000)
    assert mine.take(purpose, 60, NOW + 30 * SECOND) is None
    assert other.take(purpose, 40, NOW + 31 * SECOND) is None
    assert other.take(purpose, 1, NOW + 32 * SECOND) is not None


@pytest.mark.parametrize(
    ("purpose", "terms"), [*((each, {}) for each in sorted(PROTECTIVE)), (Purpose.PLACE, {"protects": True})]
)
def test_what_takes_risk_off_has_a_reserve_that_no_question_can_spend(budgets, purpose, terms):
    mine, other = budgets
    spend(mine, 1000)
    while other.take(Purpose.QUERY, 10, NOW + 30 * SECOND) is None:
        pass
    assert mine.take(purpose, 50, NOW + 31 * SECOND, **terms) is None
    assert mine.take(purpose, 1, NOW + 32 * SECOND, **terms) is not None


ROLLS = (BudgetRule(MINUTE, 1000, "", rolls=True),)


@pytest.mark.parametrize("offset", [0, 7, 30, 55])
def test_no_span_of_a_rolling_window_has_more_than_it_may(tmp_path, offset):
    """A process that begins anew goes on with the counts of the one before it, whenever a minute of the clock ends."""
    sent: list[int] = []
    for second in range(offset, offset + 300):
        if second % 20 == offset % 20:  # it is restarted
            counts = SharedCounters(tmp_path / "run" / "counts")
            budget = Budget(ROLLS, counts)
        at = NOW + second * SECOND
        while budget.take(Purpose.MARKET, 50, at) is None:
            sent.append(at)
        if second % 20 == (offset + 19) % 20:
            counts.close()
    most = max(sum(50 for each in sent if first <= each < first + MINUTE) for first in sent)
    assert most == 800
    assert len(sent) * 50 >= 4 * 600  # and nearly all of it can be spent


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


def test_the_core_counts_as_its_reference_does():
    for seed in range(200):
        rng, now = random.Random(seed), NOW
        core, model = WindowCounts(), Model()
        limits = [(rng.choice((SECOND, 10 * SECOND)), rng.choice((1, 3, 20))) for _ in range(rng.randint(1, 3))]
        for _ in range(60):
            now += rng.choice((0, 1, SECOND // 3, SECOND, 11 * SECOND))
            slot, weight = rng.randrange(3), rng.choice((0, 1, 2, -1))
            begins = now - now % SECOND
            match rng.randrange(6):
                case 0:
                    assert core.spend(slot, begins, weight, 5) == model.spend(slot, begins, weight, 5)
                case 1:
                    core.correct(slot, begins, weight + 2)
                    model.correct(slot, begins, weight + 2)
                case 2:
                    before, phase = core.phase(), rng.choice((0, SECOND // 7))
                    moved = [Recount(slot, begins, begins - phase)]
                    core.restate(before, phase, moved)
                    model.restate(before, phase, moved)
                case 3 if rng.random() < 0.2:
                    core.ban(now + SECOND)
                    model.ban(now + SECOND)
                case _:
                    assert core.spend_each(limits, max(weight, 0), now) is each_spent(
                        model, limits, max(weight, 0), now
                    )
            assert (core.phase(), core.banned_until()) == (model.phase(), model.banned_until())
            for each in range(3):
                assert core.spend(each, begins, 0, 0) == model.spend(each, begins, 0, 0)


def each_spent(model: Model, limits: list[tuple[int, int]], weight: int, now: int) -> bool:
    """All or nothing, of the limits by their place."""
    if now < model.banned_until():
        return False
    windows = [now - (now + model.phase()) % window for window, _ in limits]
    rows = list(zip(range(len(limits)), windows, limits, strict=True))
    if any(model.spend(slot, window, 0, -1) + weight > most for slot, window, (_, most) in rows):
        return False
    for slot, window, (_, most) in rows:
        model.spend(slot, window, weight, most)
    return True
