"""The order manager rule by rule: what it sends and asks, and what it makes of answers."""

from __future__ import annotations

from typing import Any

import pytest

from onetape.model.enums import OrderNews, OrderState, RequestKind
from onetape.model.errors import AccountMode, OrderInvalid, OrderUnknown, VenueRejected
from onetape.orders.calls import OrderKey, Purpose
from onetape.orders.managed import FillOut, NewsOut, Request
from onetape.orders.outcome import Answer, Outcome
from orders.binance_manager import NOW, PRICE, SECOND, SIZE, STOP, SYMBOL, Desk

ACCEPTED, CANCELED, FILLED = OrderState.ACCEPTED, OrderState.CANCELED, OrderState.FILLED
PENDING_CANCEL, UNKNOWN = OrderState.PENDING_CANCEL, OrderState.UNKNOWN
NOT_FOUND: dict[str, Any] = {"outcome": Outcome.AMBIGUOUS, "not_found": True}
REFUSED: dict[str, Any] = {"outcome": Outcome.DEFINITIVE, "code": OrderInvalid.code}
LATER: dict[str, Any] = {"outcome": Outcome.SAFE, "retry_after": 9 * SECOND}


@pytest.fixture
def desk() -> Desk:
    return Desk()


# --- what leaves ----------------------------------------------------------------------------------


def test_an_intent_is_on_the_journal_when_its_call_is_made(desk):
    order = desk.place(accepted=False)
    assert desk.intents() == [(RequestKind.PLACE, PRICE, SIZE)]
    desk.answer(desk.row(order))
    desk.manager.amend(order, desk.now, price=PRICE + 10, size=0)
    assert desk.intents() == [(RequestKind.AMEND, PRICE + 10, SIZE)]
    desk.answer(desk.row(order, price=PRICE + 10))
    desk.manager.cancel(order, desk.now)
    assert desk.intents() == [(RequestKind.CANCEL, PRICE + 10, SIZE)]


def test_what_is_held_or_denied_leaves_nothing(desk):
    order = desk.place(accepted=False)
    desk.take()
    request = Request(1, RequestKind.PLACE, 9, order.spec)
    held = desk.manager.submit("id-8", request, desk.now, held=True)
    denied = desk.manager.deny("id-9", request, desk.now, OrderInvalid.code, "why")
    assert desk.sent() == []
    assert (held.state, denied.state) == (OrderState.SUBMITTED, OrderState.DENIED)
    assert desk.manager.outs[-1] == NewsOut(
        denied, OrderNews.DENIED, OrderState.DENIED, desk.now, OrderInvalid.code, "why"
    )
    assert desk.news() == [(OrderNews.DENIED, OrderState.DENIED)]
    desk.manager.amend(held, desk.now, price=PRICE + 10, size=0)
    desk.manager.cancel(held, desk.now)
    assert desk.sent() == []
    assert desk.news() == [(OrderNews.UPDATE_REJECTED, OrderState.SUBMITTED), (OrderNews.CANCELED, CANCELED)]


def test_what_is_being_canceled_is_not_amended(desk):
    order = desk.place()
    desk.manager.cancel(order, desk.now)
    desk.take()
    desk.manager.amend(order, desk.now, price=PRICE + 10, size=0)
    assert desk.sent() == []
    assert desk.news() == [(OrderNews.UPDATE_REJECTED, PENDING_CANCEL)]


def test_an_answer_about_an_order_that_was_forgotten_is_none(desk):
    order = desk.place()
    desk.manager.cancel(order, desk.now)
    (call,) = desk.take()
    desk.manager.account.closed_kept = 0
    desk.manager.account.close(order)
    desk.manager.outs.clear()
    desk.manager.answered(call, Answer(Outcome.DONE), desk.now)
    assert desk.manager.outs == []


def test_orders_of_other_hands_are_neither_canceled_nor_amended(desk):
    desk.hear(desk.row("web_1"))
    order = desk.manager.orders["web_1"]
    desk.manager.cancel(order, desk.now)
    desk.manager.amend(order, desk.now, price=1, size=1)
    assert desk.manager.cancel_all(desk.now) == 0
    assert desk.sent() == []
    assert [news for news, _ in desk.news()] == [OrderNews.CANCEL_REJECTED, OrderNews.UPDATE_REJECTED]


def test_a_robot_s_cancels_are_of_its_own_orders(desk):
    mine, other = desk.place("id-1"), desk.place("id-2", robot=2)
    assert desk.manager.cancel_all(desk.now, robot=2) == 1
    assert (mine.state, other.state) == (ACCEPTED, PENDING_CANCEL)
    assert desk.manager.cancel_all(desk.now) == 2


def test_a_cancel_waits_for_the_answer_to_the_placing_and_leaves_with_it(desk):
    order = desk.place(accepted=False)
    (placing,) = desk.take()
    desk.intents()
    for _ in range(2):
        desk.manager.cancel(order, desk.now)
    assert desk.sent() == []
    assert [kind for kind, _, _ in desk.intents()] == [RequestKind.CANCEL]
    desk.manager.answered(placing, Answer(Outcome.DONE, (desk.row(order),)), desk.now)
    assert desk.sent() == [Purpose.CANCEL]


@pytest.mark.parametrize("end", [{"outcome": Outcome.DEFINITIVE}, {"filled": SIZE}])
def test_a_cancel_that_waits_does_not_leave_for_what_has_ended(desk, end):
    order = desk.place(accepted=False)
    (placing,) = desk.take()
    desk.manager.cancel(order, desk.now)
    if "filled" in end:
        desk.hear(desk.fill(SIZE))
    desk.manager.answered(placing, Answer(end.get("outcome", Outcome.DONE)), desk.now)
    assert desk.sent() == []
    assert not order.is_open


def test_what_has_ended_is_neither_canceled_nor_amended(desk):
    order = desk.place()
    desk.hear(desk.row(order, CANCELED, news=OrderNews.CANCELED))
    desk.manager.outs.clear()
    desk.manager.cancel(order, desk.now)
    desk.manager.amend(order, desk.now, price=PRICE + 10, size=0)
    assert desk.sent() == []
    reason = "the order is not open"
    assert desk.manager.outs == [
        NewsOut(order, news, CANCELED, desk.now, OrderUnknown.code, reason, is_local=True)
        for news in (OrderNews.CANCEL_REJECTED, OrderNews.UPDATE_REJECTED)
    ]


def test_a_cancel_leaves_at_once_where_the_stream_was_faster_than_the_answer(desk):
    order = desk.place(accepted=False)
    desk.take()
    desk.hear(desk.row(order, news=OrderNews.ACCEPTED))
    assert RequestKind.PLACE in order.pending
    desk.manager.cancel(order, desk.now)
    assert desk.sent() == [Purpose.CANCEL]


def test_what_is_asked_for_has_its_deadline_at_once(desk):
    """Nothing was marked before: who changes an order marks it."""
    order = desk.place()
    for change in (
        lambda: desk.manager.cancel(order, desk.now),
        lambda: desk.manager.amend(order, desk.now, price=PRICE + 10, size=0),
    ):
        desk.hear(desk.row(order, time=desk.now + SECOND))
        order.pending.clear()
        order.cancel_open = order.update_open = False
        order.state = ACCEPTED
        assert desk.manager.next_due > desk.now + 3600 * SECOND
        change()
        assert desk.manager.next_due == desk.now + 5 * SECOND
        desk.take()


def test_a_second_cancel_is_not_sent_while_the_first_is_unanswered(desk):
    order = desk.place()
    desk.manager.cancel(order, desk.now)
    desk.manager.cancel(order, desk.now)
    desk.manager.cancel_once(order, desk.now)
    assert desk.sent() == [Purpose.CANCEL]
    assert len(desk.intents()) == 1


def test_who_cancels_again_and_again_cancels_once_and_is_not_refused(desk):
    waiting = desk.place(accepted=False)
    desk.take()
    for _ in range(3):
        desk.manager.cancel_once(waiting, desk.now)
    assert waiting.cancel_wanted
    assert [kind for kind, _, _ in desk.intents()] == [RequestKind.PLACE, RequestKind.CANCEL]


def test_an_order_that_waits_for_its_trigger_is_not_amended(desk):
    order = desk.place(**STOP)
    desk.manager.amend(order, desk.now, price=PRICE + 10, size=0)
    assert desk.sent() == []
    assert desk.news() == [(OrderNews.UPDATE_REJECTED, ACCEPTED)]


@pytest.mark.parametrize(("wanted", "sent"), [((PRICE + 10, 0), (PRICE + 10, SIZE)), ((0, 12), (PRICE, 12))])
def test_an_amendment_of_one_keeps_the_other(desk, wanted, sent):
    order = desk.place()
    desk.manager.amend(order, desk.now, price=wanted[0], size=wanted[1])
    assert order.amend_to == sent
    desk.answer()
    assert (order.price, order.size) == sent
    assert desk.news() == [(OrderNews.UPDATED, ACCEPTED)]


def test_a_cancel_that_waited_and_was_refused_may_be_sent_again(desk):
    order = desk.place(accepted=False)
    (placing,) = desk.take()
    desk.manager.cancel(order, desk.now)
    desk.manager.answered(placing, Answer(Outcome.DONE, (desk.row(order),)), desk.now)
    desk.answer(**REFUSED)
    assert desk.sent() == []  # not by itself
    desk.manager.cancel_once(order, desk.now)
    assert desk.sent() == [Purpose.CANCEL]


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "reported"), [(OrderInvalid.code, 4101), (0, VenueRejected.code)])
@pytest.mark.parametrize(
    ("wanted", "news", "state"),
    [
        ("place", OrderNews.REJECTED, OrderState.REJECTED),
        ("cancel", OrderNews.CANCEL_REJECTED, ACCEPTED),
        ("amend", OrderNews.UPDATE_REJECTED, ACCEPTED),
    ],
)
def test_a_refusal_is_told_in_the_venue_s_words(desk, wanted, news, state, code, reported):
    order = desk.place(accepted=wanted != "place")
    if wanted == "cancel":
        desk.manager.cancel(order, desk.now)
    if wanted == "amend":
        desk.manager.amend(order, desk.now, price=PRICE + 10, size=0)
    desk.answer(outcome=Outcome.DEFINITIVE, code=code, venue_code="-1", text="not so")
    words = (order, news, state, desk.now, reported, "-1 not so")
    assert NewsOut(*words) in desk.manager.outs


def test_the_venue_s_id_is_known_with_the_answer(desk):
    order = desk.place()
    assert order.venue_id == "77"
    desk.hear(desk.fill(4, name=""))
    assert (order.filled, desk.sent()) == (4, [])


def test_an_amendment_that_finds_nothing_is_refused_and_the_order_asked_for(desk):
    order = desk.place()
    desk.manager.amend(order, desk.now, price=PRICE + 10, size=0)
    desk.answer(outcome=Outcome.DEFINITIVE, not_found=True)
    assert desk.news() == [(OrderNews.UPDATE_REJECTED, ACCEPTED)]
    assert order.ask_at == desk.now


@pytest.mark.parametrize(("due", "asks"), [(SECOND // 2, SECOND // 2), (0, SECOND)])
def test_a_question_that_is_due_is_not_put_off_by_a_cancel(desk, due, asks):
    order = desk.place()
    desk.manager.cancel(order, desk.now)
    order.ask_at = due and desk.now + due
    desk.answer()
    assert 0 < order.ask_at - desk.now <= asks


def test_what_is_refused_for_now_waits_a_moment_at_least(desk):
    desk.place(accepted=False)
    desk.answer(outcome=Outcome.SAFE)
    assert desk.manager.next_due == desk.now + SECOND // 5


def test_a_full_page_of_fills_is_followed_by_the_next(desk):
    call = desk.manager.venue.fills(SYMBOL, desk.now, since=NOW)
    desk.manager.answered(call, Answer(Outcome.DONE, cursor="1001"), desk.now)
    (more,) = desk.take()
    assert more.purpose is Purpose.FILLS
    assert "fromId=1001" in more.target


def test_an_answer_after_its_deadline_is_heard_and_counted(desk):
    order = desk.place(accepted=False)
    (placing,) = desk.take()
    desk.wait(5 * SECOND)
    assert order.state is UNKNOWN
    desk.take()
    desk.manager.answered(placing, Answer(Outcome.DONE, (desk.row(order),)), desk.now)
    assert order.state is ACCEPTED
    assert desk.manager.counts == {"answer nobody waits for": 1}


def test_what_the_venue_refuses_for_now_is_sent_four_times_at_most(desk):
    order = desk.place(accepted=False)
    tries = 0
    while order.is_open and not order.is_unknown:
        desk.answer(outcome=Outcome.SAFE)
        tries += 1
        desk.wait(SECOND)
    assert tries == 4
    assert order.state is OrderState.REJECTED


def test_a_request_that_was_sent_again_is_lost_by_a_deadline_of_its_own(desk):
    order = desk.place(accepted=False)
    desk.answer(**LATER)
    desk.wait(11 * SECOND)  # a little late
    assert desk.sent() == [Purpose.PLACE]
    assert desk.manager.next_due == desk.now + 5 * SECOND
    desk.wait(4 * SECOND)
    assert order.state is OrderState.SUBMITTED
    desk.wait(SECOND)
    assert order.state is UNKNOWN


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.DONE, ACCEPTED),
        (Outcome.DEFINITIVE, OrderState.REJECTED),
        (Outcome.AMBIGUOUS, UNKNOWN),
        (Outcome.SETTLED, UNKNOWN),  # "that id is there already": an earlier try may live
    ],
)
def test_what_an_answer_to_a_placing_proves(desk, outcome, state):
    order = desk.place(accepted=False)
    desk.answer(outcome=outcome)
    assert order.state is state


@pytest.mark.parametrize("wanted", ["amend", "cancel"])
@pytest.mark.parametrize("end", [OrderState.REJECTED, OrderState.EXPIRED, CANCELED])
def test_an_answer_that_shows_an_end_ends_the_order(desk, wanted, end):
    """An amendment that would take ends a post-only order, and its stream may be silent."""
    order = desk.place()
    if wanted == "amend":
        desk.manager.amend(order, desk.now, price=PRICE + 10, size=0)
    else:
        desk.manager.cancel(order, desk.now)
    desk.answer(desk.row(order, end))
    assert order.state is end
    desk.manager.cancel(order, desk.now)
    assert desk.sent() == []


@pytest.mark.parametrize(
    ("outcome", "state"), [(Outcome.DEFINITIVE, ACCEPTED), (Outcome.SETTLED, ACCEPTED), (Outcome.AMBIGUOUS, UNKNOWN)]
)
def test_what_an_answer_to_an_amendment_proves(desk, outcome, state):
    order = desk.place()
    desk.manager.amend(order, desk.now, price=0, size=12)
    desk.answer(outcome=outcome)
    assert (order.state, order.size) == (state, SIZE)
    assert desk.news()[0][0] is (OrderNews.LOST if state is UNKNOWN else OrderNews.UPDATE_REJECTED)


def test_how_much_was_filled_of_a_canceled_order_is_asked_for(desk):
    order = desk.place()
    desk.manager.cancel(order, desk.now)
    desk.answer()
    assert order.state is PENDING_CANCEL
    assert desk.manager.next_due == desk.now + SECOND
    desk.wait(SECOND)
    assert desk.sent() == [Purpose.QUERY]


def test_the_answered_cancel_of_a_conditional_order_ends_it(desk):
    order = desk.place(**STOP)
    desk.manager.cancel(order, desk.now)
    desk.answer()
    assert order.state is CANCELED


def test_a_cancel_that_found_the_order_filled_does_not_end_it_as_canceled(desk):
    order = desk.place()
    desk.manager.cancel(order, desk.now)
    desk.answer(desk.row(order, FILLED, filled=SIZE))
    assert order.is_open
    desk.hear(desk.fill(SIZE))
    assert order.state is FILLED


def test_only_a_canceled_row_says_that_the_order_is_canceled(desk):
    order = desk.place()
    desk.manager.cancel(order, desk.now)
    desk.answer(desk.row(order))
    assert order.is_open


def test_what_an_answer_says_is_filled_is_asked_for_where_no_fill_has_come(desk):
    order = desk.place(accepted=False)
    desk.answer(desk.row(order, OrderState.PARTIALLY_FILLED, filled=4))
    assert order.reported_filled == 4
    desk.wait(SECOND // 4)
    assert desk.sent() == [Purpose.QUERY, Purpose.FILLS]


@pytest.mark.parametrize(("code", "wanted"), [(AccountMode.code, True), (OrderInvalid.code, False)])
def test_a_refusal_for_the_account_s_mode_looks_at_the_modes(desk, code, wanted):
    desk.place(accepted=False)
    desk.answer(outcome=Outcome.DEFINITIVE, code=code)
    assert desk.sent() == [Purpose.MODES] * wanted


def test_a_cancel_that_finds_nothing_proves_nothing_and_the_order_is_asked_for(desk):
    order = desk.place()
    desk.manager.cancel(order, desk.now)
    desk.answer(outcome=Outcome.DEFINITIVE, not_found=True)
    assert order.state is PENDING_CANCEL
    assert desk.news() == []
    desk.wait(0)
    assert desk.sent() == [Purpose.QUERY]


def test_a_refused_cancel_is_said_as_one(desk):
    order = desk.place()
    desk.manager.cancel(order, desk.now)
    desk.answer(**REFUSED)
    assert desk.news() == [(OrderNews.CANCEL_REJECTED, ACCEPTED)]


# --- questions ------------------------------------------------------------------------------------


def test_not_found_of_an_accepted_order_is_no_absence(desk):
    """It was there. Whether it was filled, canceled or is hidden, nobody has said."""
    order = desk.place()
    desk.manager.cancel(order, desk.now)
    desk.answer(outcome=Outcome.DEFINITIVE, not_found=True)
    for _ in range(8):
        desk.wait(max(desk.manager.next_due - desk.now, 10 * SECOND))
        assert desk.sent() == [Purpose.QUERY]
        desk.manager.answered(_query(desk, order), Answer(Outcome.AMBIGUOUS, not_found=True), desk.now)
    assert order.state is UNKNOWN


def test_not_found_by_another_name_proves_nothing(desk):
    order = desk.place(accepted=False)
    desk.lose()
    for name in ("id-1r1", "id-1r2"):
        desk.manager.account.rename(order, name)
    for _ in range(3):
        desk.wait(30 * SECOND)
        desk.take()
        key = OrderKey(SYMBOL, "id-1r1")
        desk.manager.answered(
            _query(desk, order)._replace(subject=key), Answer(Outcome.AMBIGUOUS, not_found=True), desk.now
        )
    assert (order.state, order.not_found) == (UNKNOWN, 0)


def _query(desk, order):
    return desk.manager.venue.query(OrderKey(SYMBOL, order.name), desk.now)


def test_a_question_that_nobody_answers_is_asked_later_and_later(desk):
    order = desk.place(accepted=False)
    desk.lose()
    desk.wait(0)
    waits = []
    for _ in range(6):
        desk.lose()
        waits.append(desk.manager.next_due - desk.now)
        desk.wait(waits[-1])
    last = 10 * SECOND - sum(waits[:5])  # then its absence can be believed
    assert waits == [SECOND // 4, SECOND // 2, SECOND, 2 * SECOND, 5 * SECOND, last]
    assert order.state is UNKNOWN


def test_a_conditional_order_that_is_not_found_is_asked_for_in_the_book_and_back(desk):
    order = desk.place(accepted=False, **STOP)
    desk.lose()
    apart = []
    for _ in range(4):
        desk.wait(max(desk.manager.next_due - desk.now, 0))
        apart.append("algoOrder" in desk.manager.calls[0].target)
        desk.answer(**NOT_FOUND)
    assert apart == [True, False, True, False]
    assert order.state is UNKNOWN


def test_whose_fills_are_is_asked_once_until_that_is_answered(desk):
    first, second = desk.fill(4, 1, name="", venue_id="91"), desk.fill(1, 2, name="", venue_id="91")
    desk.hear(first, second)
    assert [call.subject.venue_id for call in desk.manager.calls] == ["91"]
    desk.lose()
    desk.hear(desk.fill(1, 3, name="", venue_id="91"))
    assert [call.subject.venue_id for call in desk.manager.calls] == ["91"]
    assert len(desk.manager.unmatched) == 3
    desk.answer(desk.row("web_1", FILLED, venue_id="91", filled=6))
    assert desk.manager.booked == 3
    assert desk.manager.unmatched == {}


def test_a_fill_is_booked_once_whichever_way_it_comes(desk):
    order = desk.place()
    fill = desk.fill(4)
    desk.hear(fill)
    desk.hear(fill._replace(client_id=""))
    desk.manager.hear([fill], desk.now, source="rest")
    assert (desk.manager.booked, order.filled) == (1, 4)
    assert list(desk.manager.positions.values()) == [4]
    assert sum(isinstance(out, FillOut) for out in desk.manager.outs) == 1


# --- time -----------------------------------------------------------------------------------------


def test_a_question_that_is_due_is_no_lost_answer(desk):
    order = desk.place()
    desk.manager.cancel(order, desk.now)
    desk.take()
    order.ask_at = desk.now + SECOND
    desk.wait(SECOND)
    assert desk.sent() == [Purpose.QUERY]
    assert (order.state, [each.kind for each in order.pending.all()]) == (PENDING_CANCEL, [RequestKind.CANCEL])
    desk.wait(4 * SECOND)  # now the answer is
    assert (order.state, bool(order.pending)) == (UNKNOWN, False)
    assert desk.sent() == []  # what is asked already is not asked again


def test_while_a_question_is_under_way_no_other_is_asked(desk):
    order = desk.place()
    desk.manager.cancel(order, desk.now)
    order.ask_at = desk.now
    desk.wait(0)
    assert desk.sent() == [Purpose.CANCEL, Purpose.QUERY]
    desk.hear(desk.row(order, filled=4))  # whose fill is not here
    assert order.ask_at > desk.now
    desk.wait(5 * SECOND)  # something else is due
    assert (order.state, desk.sent()) == (UNKNOWN, [])


def test_what_is_to_be_sent_again_waits_although_a_question_is_due(desk):
    order = desk.place()
    desk.manager.cancel(order, desk.now)
    desk.answer(**LATER)
    order.ask_at = desk.now + SECOND
    desk.wait(SECOND)
    assert desk.sent() == [Purpose.QUERY]
    desk.wait(29 * SECOND)
    assert desk.sent() == [Purpose.CANCEL]


def test_a_lost_answer_does_not_bring_a_question_forward(desk):
    order = desk.place()
    desk.manager.cancel(order, desk.now)
    desk.take()
    order.ask_at = desk.now + 9 * SECOND
    desk.wait(5 * SECOND)
    assert (order.state, desk.sent()) == (UNKNOWN, [])
    desk.wait(4 * SECOND)
    assert desk.sent() == [Purpose.QUERY]
