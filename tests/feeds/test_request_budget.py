"""What a process may ask of a venue: it is counted with all processes of the home, and refused before it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from onetape.feeds.request_budget import PAUSED, AddressBudget, BudgetError, budget_file, check_limited
from onetape.model.errors import VenueRateLimit
from onetape.model.time import SECOND
from onetape.orders.budget import BAN_UNTOLD, BudgetRule
from onetape.orders.calls import Call, Purpose
from onetape.orders.outcome import Answer, Outcome

MINUTE = 60 * SECOND
NOW = 1_795_000_020 * SECOND // MINUTE * MINUTE
UP = 5_000 * SECOND  # that the machine has run for
RULE = BudgetRule(MINUTE, 100, "x-used")
ROLLS = BudgetRule(MINUTE, 100, "", rolls=True)
TOO_MANY = Answer(Outcome.SAFE, code=VenueRateLimit.code)


class Process:
    """One of those that share a file. now: by the machine's steady clock; clock: what it holds the venue's clock to
    be ahead of that by."""

    def __init__(self, path: Path, *rules: BudgetRule, up: int = UP, **more: int) -> None:
        self.now, self.clock = up, NOW - up
        self.said: list[str] = []
        self.budget = AddressBudget(
            path,
            rules,
            now=lambda: self.now + self.clock,
            steady=lambda: self.now,
            say=lambda out: self.said.append(out.state),
            **more,
        )

    def take(self, purpose: Purpose = Purpose.BALANCES, weight: int = 1, *, protects: bool = False) -> Answer | None:
        """Returns what is made of a request that is not sent, None where it is."""
        try:
            self.budget.take(call(purpose, weight)._replace(protects=protects))
        except BudgetError as error:
            assert str(error) == error.answer.text
            return error.answer
        return None

    def fill(self, purpose: Purpose = Purpose.BALANCES) -> int:
        count = 0
        while self.take(purpose) is None:
            count += 1
        return count


def call(purpose: Purpose, weight: int = 1) -> Call:
    return Call(purpose, "POST", "/x", b"", {}, weight, orders=1)


@pytest.fixture
def path(tmp_path) -> Path:
    return budget_file(tmp_path, "https://api.example.com:8443")


@pytest.fixture
def pair(path) -> Iterator[tuple[Process, Process]]:
    made = Process(path, RULE), Process(path, RULE)
    yield made
    for each in made:
        each.budget.close()


@pytest.mark.parametrize(
    ("rest", "key", "name"),
    [
        ("https://api.example.com", "", "budget-api.example.com"),
        ("https://api.example.com/v1?x=1", "", "budget-api.example.com"),
        ("http://127.0.0.1:8080", "", "budget-127.0.0.1-8080"),
        ("http://user:secret@127.0.0.1:8080", "", "budget-127.0.0.1-8080"),
        ("", "", "budget-bridge"),
        ("https://api.example.com", "key", "budget-api.example.com-2c70e12b"),
    ],
)
def test_a_budget_is_named_by_host_port_and_a_digest_of_its_key(tmp_path, rest, key, name):
    assert budget_file(tmp_path, rest, key) == tmp_path / "run" / name


def test_processes_of_a_home_spend_of_one_budget(pair):
    one, other = pair
    assert one.take(weight=79) is None
    assert other.take() is None  # 80 % are for usual requests, and no less
    for each in pair:
        assert each.take() is not None
        assert each.budget.status()["used"] == [80]
    assert [each.budget.refused for each in pair] == [1, 1]


def test_what_is_refused_costs_nothing_and_a_new_window_has_room(pair):
    one, other = pair
    assert one.fill() == 80
    assert one.budget.status() | {"refused": 0} == {
        "used": [80],
        "most": [100],
        "refused": 0,
        "shut_out_s": 0.0,
        "paused_s": 0.0,
    }
    other.now += MINUTE
    assert other.fill() == 80


def test_queries_of_orders_and_what_takes_risk_off_have_room_that_nothing_else_takes(path):
    process = Process(path, RULE)
    assert process.fill() == 80
    assert process.fill(Purpose.QUERY) == 10
    assert process.fill(Purpose.CANCEL) == 5
    assert process.take(Purpose.PLACE, protects=True) is not None
    process.budget.close()


def test_an_order_that_protects_has_the_room_of_a_cancel(path):
    process = Process(path, RULE)
    assert process.fill() == 80
    assert process.take(Purpose.PLACE) is not None
    assert process.take(Purpose.PLACE, 15, protects=True) is None
    process.budget.close()


@pytest.mark.parametrize("percent", [10, 50])
def test_the_usual_share_may_be_set_at_the_start_and_later(path, percent):
    process = Process(path, RULE, usual_percent=percent)
    assert process.fill() == percent
    process.budget.allow(60)
    assert process.fill() == 60 - percent
    process.budget.allow()
    process.now += MINUTE
    assert process.fill() == percent
    process.budget.close()


@pytest.mark.parametrize(
    ("purpose", "outcome"),
    [
        (Purpose.PLACE, Outcome.DEFINITIVE),  # the price that it was meant for goes on
        (Purpose.AMEND, Outcome.DEFINITIVE),
        (Purpose.CANCEL, Outcome.SAFE),
        (Purpose.QUERY, Outcome.SAFE),
        (Purpose.BALANCES, Outcome.SAFE),
    ],
)
def test_an_order_is_refused_for_good_and_everything_else_may_be_asked_later(pair, purpose, outcome):
    process, _ = pair
    process.budget.shut_out(7 * SECOND)
    found = process.take(purpose)
    assert (found.outcome, found.code, found.retry_after) == (outcome, VenueRateLimit.code, 7 * SECOND)


@pytest.mark.parametrize(("wait", "held"), [(7 * SECOND, 7 * SECOND), (0, BAN_UNTOLD)])
def test_a_home_that_is_shut_out_asks_nothing_until_the_venue_takes_it_again(pair, wait, held):
    one, other = pair
    one.budget.shut_out(wait)
    other.now += held - 1
    assert other.budget.is_shut_out and other.take(Purpose.CANCEL) is not None
    other.now += 1
    assert not other.budget.is_shut_out and other.take(Purpose.CANCEL) is None


@pytest.mark.parametrize(
    ("status", "headers", "is_limited", "shut_out_s"),
    [
        (429, {"retry-after": "3"}, True, 3),
        (418, {"retry-after": "3"}, True, 3),
        (418, {}, True, BAN_UNTOLD // SECOND),
        (429, {"retry-after": "3"}, False, 0),  # said of something else
        (403, {"retry-after": "3"}, True, 0),
        (200, {}, True, 0),
    ],
)
def test_the_statuses_that_shut_an_address_out(pair, status, headers, is_limited, shut_out_s):
    one, other = pair
    one.budget.heard(status, headers, is_limited=is_limited)
    assert other.budget.status()["shut_out_s"] == shut_out_s


def test_the_venue_s_own_count_holds_for_every_process(pair):
    one, other = pair
    one.budget.heard(200, {"x-used": "75"})
    assert other.fill() == 5
    one.budget.heard(200, {"x-used": "10"})  # an answer that was long on its way
    assert other.take() is not None


def test_a_refusal_of_the_key_pauses_reads_of_this_process_alone_and_no_order(pair):
    one, other = pair
    one.budget.answered(
        call(Purpose.BALANCES), 200, Answer(Outcome.SAFE, code=VenueRateLimit.code, retry_after=20 * SECOND)
    )
    assert one.take().text == PAUSED and one.take().retry_after > 20 * SECOND
    assert one.take(Purpose.QUERY).retry_after == 20 * SECOND
    assert (one.take(Purpose.PLACE), one.take(Purpose.CANCEL), other.take()) == (None, None, None)
    assert one.budget.status()["paused_s"] == 20
    one.now += 21 * SECOND
    assert one.take() is None
    one.budget.look()
    assert [state.partition(",")[0] for state in one.said] == [
        f"VENUE_RATE_LIMIT({VenueRateLimit.code}): {PAUSED}",
        "available again",
    ]


@pytest.mark.parametrize(("status", "code"), [(429, VenueRateLimit.code), (418, VenueRateLimit.code), (200, 0)])
def test_what_is_said_of_the_address_or_of_nothing_pauses_no_reads(pair, status, code):
    process, _ = pair
    process.budget.answered(call(Purpose.BALANCES), status, Answer(Outcome.SAFE, code=code))
    assert process.take() is None and process.said == []


def test_that_a_budget_is_used_up_is_said_once_for_each_end_of_it(pair):
    process, _ = pair
    process.fill()
    process.fill()
    process.budget.look()
    assert len(process.said) == 1 and "80 of 100 used by this address" in process.said[0]
    process.now += MINUTE
    process.budget.look()
    process.budget.look()
    assert process.said[1:] == ["available again"]


@pytest.mark.parametrize(
    ("status", "answer", "is_limited"),
    [
        (200, TOO_MANY, True),
        (429, Answer(Outcome.SAFE), True),
        (418, Answer(Outcome.SAFE), True),
        (403, Answer(Outcome.SAFE), False),
        (200, Answer(Outcome.DONE), False),
    ],
)
def test_an_answer_that_says_too_many_is_an_error_of_the_budget(status, answer, is_limited):
    if not is_limited:
        check_limited(status, answer)
        return
    with pytest.raises(BudgetError) as refused:
        check_limited(status, answer)
    assert refused.value.answer.code == VenueRateLimit.code


# --- a clock that is set --------------------------------------------------------------------------


@pytest.mark.parametrize("step_s", [-90, 90, -60, -30, -3600])
@pytest.mark.parametrize("second", [0, 10, 29, 31, 55])
def test_a_step_of_the_venues_clock_neither_blocks_the_address_nor_gives_it_a_second_budget(pair, second, step_s):
    """One process learns of the step 20 s after the other. Both spend whatever they may, all the time."""
    sent: list[int] = []
    began = UP // SECOND
    for now in range(began, began + 300):
        for late, each in zip((0, 20), pair, strict=True):
            each.now = now * SECOND
            if now == began + second + late:
                each.clock += step_s * SECOND
            sent += [now] * each.fill()
    stepped, phase = began + second, (NOW - UP) // SECOND + step_s
    minute = stepped + 60 - (stepped + phase) % 60  # of the clock as it is since
    minutes = [(began, minute), *((begin, begin + 60) for begin in range(minute, began + 240, 60))]
    assert [sum(begin <= now < end for now in sent) for begin, end in minutes] == [80] * len(minutes)


@pytest.mark.parametrize("step_s", [-90, 90])
def test_a_window_that_rolls_asks_no_clock_of_the_venue(path, step_s):
    one, other = Process(path, ROLLS), Process(path, ROLLS)
    sent: list[int] = []
    for second in range(300):
        for each in (one, other):
            each.now = UP + second * SECOND
            each.clock += step_s * SECOND * (second == 65)
            sent += [second] * each.fill()
    assert max(sum(first <= each < first + 60 for each in sent) for first in sent) == 80
    assert max(after - before for before, after in pairwise(sent)) <= 70
    one.budget.close()
    other.budget.close()


@pytest.mark.parametrize("step_s", [-90, 90])
def test_a_ban_and_a_pause_last_as_long_as_was_said_whatever_the_clock_is_set_to(pair, step_s):
    one, other = pair
    one.take()
    one.budget.shut_out(7 * SECOND)
    one.budget.answered(
        call(Purpose.BALANCES), 200, Answer(Outcome.SAFE, code=VenueRateLimit.code, retry_after=20 * SECOND)
    )
    one.clock += step_s * SECOND
    one.now += 7 * SECOND - 1
    other.now = one.now
    assert one.budget.is_shut_out and other.budget.is_shut_out
    one.now += 1
    assert not one.budget.is_shut_out and one.take(Purpose.CANCEL) is None
    assert one.take(Purpose.QUERY).retry_after == 13 * SECOND
    one.now += 13 * SECOND
    assert one.take(Purpose.QUERY) is None


def test_what_an_earlier_start_of_the_machine_counted_says_nothing(path):
    """Its steady clock begins anew."""
    process = Process(path, RULE)
    process.fill()
    process.budget.shut_out(3600 * SECOND)
    process.budget.close()
    process = Process(path, RULE, up=SECOND)
    assert not process.budget.is_shut_out and process.fill() == 80
    process.budget.close()
