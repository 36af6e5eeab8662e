"""What is asked about an order and when, and what a "not found" proves."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from onetape.model.enums import OrderNews, OrderState, RequestKind
from onetape.orders.account_orders import NEVER
from onetape.orders.calls import Call, OrderKey, Purpose
from onetape.orders.order import Order
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.queries import is_absent, next_query, queries, request
from orders.binance_manager import NOW, PRICE, SECOND, SIZE, STOP, SYMBOL, Desk

PLACE = RequestKind.PLACE


@pytest.fixture
def desk() -> Desk:
    return Desk()


def key(*, ended: bool = False) -> OrderKey:
    return OrderKey(SYMBOL, "id-1", ended=ended)


@pytest.mark.parametrize(
    ("seconds", "answers", "has_trigger", "proves"),
    [
        (10, 2, False, True),
        (9, 2, False, False),  # a request that is late may still arrive
        (10, 1, False, False),
        (600, 1, False, False),
        (60, 4, True, True),
        (59, 4, True, False),  # it is invisible for half a minute
        (60, 3, True, False),  # of both lists, twice
    ],
)
def test_absence_is_proven_by_time_and_by_answers(desk, seconds, answers, has_trigger, proves):
    order = desk.place(accepted=False)
    order.not_found = answers
    assert is_absent(order, key(), NOW + seconds * SECOND, has_trigger=has_trigger) is proves


def test_absence_counts_from_when_an_order_was_sent_last(desk):
    order = desk.place(accepted=False)
    order.not_found, order.sent_at = 2, NOW + 100 * SECOND
    assert not is_absent(order, key(), NOW + 109 * SECOND, has_trigger=False)
    assert is_absent(order, key(), NOW + 110 * SECOND, has_trigger=False)


def test_absence_counts_from_when_an_order_left_again_that_was_refused_for_now(desk):
    order = desk.place(accepted=False)
    desk.answer(outcome=Outcome.SAFE, retry_after=9 * SECOND)
    desk.wait(9 * SECOND)
    desk.lose()
    order.not_found = 2
    assert not is_absent(order, key(), NOW + 18 * SECOND, has_trigger=False)
    assert is_absent(order, key(), NOW + 19 * SECOND, has_trigger=False)


def test_where_ended_orders_are_apart_it_counts_from_the_question_for_the_working_ones(desk):
    order = desk.place(accepted=False)
    order.not_found, order.working_query_at = 2, NOW + 9 * SECOND
    assert not is_absent(order, key(ended=True), NOW + 20 * SECOND, has_trigger=False)
    order.working_query_at = NOW + 10 * SECOND
    assert is_absent(order, key(ended=True), NOW + 20 * SECOND, has_trigger=False)


@pytest.mark.parametrize(
    ("state", "pending", "due"),
    [
        ({}, None, NEVER),
        ({"ask_at": NOW}, None, NOW),
        ({"ask_at": NOW, "asking": True}, None, NEVER),
        ({}, (NOW + 5, 0), NOW + 5),
        ({}, (NOW + 5, NOW + 2), NOW + 2),
        ({"ask_at": NOW + 9}, (NOW + 5, 0), NOW + 5),
    ],
)
def test_when_something_of_an_order_is_due(desk, state, pending, due):
    order = desk.place()
    for name, value in state.items():
        setattr(order, name, value)
    if pending is not None:
        order.pending.begin(PLACE, pending[0]).resend_at = pending[1]
    assert order.due_at == due
    assert desk.manager.next_due == due


def test_questions_come_later_each_time_and_where_they_take_two_when_absence_can_be_believed(desk):
    order = desk.place()
    order.created = -10 * SECOND
    assert [next_query(order, 0) for _ in range(6)] == [
        SECOND // 4,
        SECOND // 2,
        SECOND,
        2 * SECOND,
        5 * SECOND,
        5 * SECOND,
    ]
    assert next_query(order, 0, ended_apart=True) == 10 * SECOND


def test_absence_is_not_asked_for_later_than_it_can_be_believed(desk):
    order = desk.place(accepted=False)
    order.asks = 4  # 8.75 s after it was sent: the next query would be at 13.75 s
    assert next_query(order, NOW + 8 * SECOND) == NOW + 10 * SECOND
    assert next_query(order, NOW + 10 * SECOND) == NOW + 15 * SECOND
    assert next_query(order, NOW + 5 * SECOND, ended_apart=True) == NOW + 10 * SECOND


class Apart:
    """As Kraken: an order is asked for among those that work, then among those that ended."""

    def __init__(self, venue) -> None:
        self.traits = venue.traits._replace(ended_apart=True)
        self.keys: list[OrderKey] = []
        self.fills = venue.fills

    def query(self, wanted: OrderKey, now: int) -> object:
        self.keys.append(wanted)
        return wanted


def ask(order: Order, venue, now: int = NOW) -> OrderKey:
    return queries(order, venue, now)[0]


def test_the_other_list_is_asked_once_and_then_the_first_again(desk):
    order, venue = desk.place(), Apart(desk.manager.venue)
    assert not ask(order, venue, NOW + 1).ended
    assert order.working_query_at == NOW + 1
    order.ask_other = True
    assert ask(order, venue, NOW + 2).ended
    assert order.working_query_at == NOW + 1
    assert not ask(order, venue, NOW + 3).ended


def test_an_order_that_the_venue_has_named_is_looked_for_among_the_ended_ones_too(desk):
    order = desk.place()
    desk.manager.venue = venue = Apart(desk.manager.venue)
    key = ask(order, venue)
    assert key.venue_id and not key.ended
    call = Call(Purpose.QUERY, "GET", "", b"", {}, 1, subject=key)
    desk.manager.answered(call, Answer(Outcome.DONE, not_found=True), NOW + SECOND)
    assert order.state is OrderState.ACCEPTED
    assert order.ask_at == NOW + SECOND and ask(order, venue, NOW + SECOND).ended


def test_a_conditional_order_that_may_have_fired_is_asked_for_in_the_book(desk):
    order, venue = desk.place(**STOP), desk.manager.venue
    assert ask(order, venue).subject.conditional
    order.ask_other = True
    assert not ask(order, venue).subject.conditional
    assert ask(order, venue).subject.conditional


def test_fills_that_were_claimed_are_asked_for_from_before_the_order_on(desk):
    order, venue = desk.place(), desk.manager.venue
    assert [call.purpose for call in queries(order, venue, NOW)] == [Purpose.QUERY]
    order.reported_filled = 4
    _, fills = queries(order, venue, NOW + 500 * SECOND)
    assert fills.purpose is Purpose.FILLS
    begin = dict(parse_qsl(urlsplit(fills.target).query))["startTime"]
    assert int(begin) * 1_000_000 == NOW - 60 * SECOND


def test_an_amendment_is_of_what_the_venue_has(desk):
    order, venue = desk.place(), desk.manager.venue
    order.away, order.amend_to = 4, (PRICE, SIZE)
    call = request(venue, order, RequestKind.AMEND, NOW, number=1, reference=0)
    assert dict(parse_qsl(urlsplit(call.target).query))["quantity"] == "0.006"
    assert call.number == 1


def test_a_late_word_of_an_earlier_amendment_does_not_settle_one_that_is_lost(desk):
    order = desk.place()
    desk.manager.amend(order, desk.now, price=PRICE + 5, size=11)
    desk.answer()  # done; the stream's word of it is late
    desk.manager.amend(order, desk.now, price=PRICE + 10, size=12)
    desk.lose()
    desk.hear(desk.row(order, news=OrderNews.UPDATED, price=PRICE + 5, size=11))
    assert (order.state, order.worst_left) == (OrderState.UNKNOWN, 12)
    desk.hear(desk.row(order, news=OrderNews.UPDATED, price=PRICE + 10, size=12))
    assert (order.state, order.price, order.worst_left) == (OrderState.ACCEPTED, PRICE + 10, 12)


def test_a_late_answer_to_an_amendment_that_the_stream_has_told_of_is_none_to_the_next(desk):
    order = desk.place()
    desk.manager.amend(order, desk.now, price=PRICE + 5, size=11)
    (first,) = desk.take()
    done = desk.row(order, news=OrderNews.UPDATED, price=PRICE + 5, size=11)
    desk.hear(done)
    desk.manager.amend(order, desk.now, price=PRICE + 10, size=12)
    (second,) = desk.take()
    for late in (Answer(Outcome.DONE, (done._replace(news=None),)), Answer(Outcome.AMBIGUOUS)):
        desk.manager.answered(first, late, desk.now)
        assert (order.state, order.price) == (OrderState.PENDING_UPDATE, PRICE + 5)
    desk.manager.answered(second, Answer(Outcome.AMBIGUOUS), desk.now)
    assert (order.state, order.worst_left) == (OrderState.UNKNOWN, 12)
