"""The order manager rule by rule: what it makes of what its venue tells it."""

from __future__ import annotations

from typing import Any

import pytest

from onetape.model.enums import OrderNews, OrderState, PositionSide, RequestKind
from onetape.model.errors import OrderOutcomeUnknown, OrderUnknown, VenueRejected
from onetape.orders.calls import Purpose
from onetape.orders.managed import AccountOut, FillOut, HealthOut, NewsOut
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import AccountModeReport, BalanceReport, PositionReport, StreamReport
from orders.binance_manager import NOW, PRICE, SECOND, SIZE, STOP, SYMBOL, Desk, words

ACCEPTED, CANCELED, FILLED = OrderState.ACCEPTED, OrderState.CANCELED, OrderState.FILLED
PENDING_CANCEL, UNKNOWN = OrderState.PENDING_CANCEL, OrderState.UNKNOWN
NOT_FOUND: dict[str, Any] = {"outcome": Outcome.AMBIGUOUS, "not_found": True}
LATER: dict[str, Any] = {"outcome": Outcome.SAFE, "retry_after": 9 * SECOND}


@pytest.fixture
def desk() -> Desk:
    return Desk()


# --- the stream -----------------------------------------------------------------------------------


def test_how_the_account_is_set_is_believed_and_asked_for_when_that_changes(desk):
    mode = AccountModeReport(hedge=True, multi_assets=False, can_trade=True, can_withdraw=False)
    desk.hear(mode)
    assert desk.manager.mode == mode
    desk.hear(StreamReport("expired"))
    assert desk.sent() == []
    desk.hear(StreamReport("settings changed", "x"))
    assert desk.sent() == [Purpose.MODES]


def test_an_amendment_that_the_stream_tells_is_answered_with_its_price(desk):
    order = desk.place()
    desk.manager.amend(order, desk.now, price=PRICE + 10, size=12)
    desk.hear(desk.row(order, news=OrderNews.UPDATED, price=PRICE + 10, size=12))
    assert (order.price, order.size, bool(order.pending)) == (PRICE + 10, 12, False)
    assert order.state is ACCEPTED


@pytest.mark.parametrize(
    "row",
    [
        {"price": PRICE + 5, "size": 11},  # of the amendment before
        {"price": PRICE + 10, "size": 12, "time": 5},  # older than what is known
    ],
)
def test_an_old_word_about_an_amendment_changes_nothing(desk, row):
    order = desk.place()
    desk.manager.amend(order, desk.now, price=PRICE + 10, size=12)
    desk.hear(desk.row(order, news=OrderNews.UPDATED, **row))
    assert (order.price, order.size, order.state) == (PRICE, SIZE, OrderState.PENDING_UPDATE)


def test_an_amendment_to_less_than_is_filled_is_an_old_one(desk):
    order = desk.place()
    desk.hear(desk.fill(6))
    desk.hear(desk.row(order, news=OrderNews.UPDATED, size=5))
    assert (order.size, order.state) == (SIZE, OrderState.PARTIALLY_FILLED)


def test_a_word_about_the_venue_s_former_order_is_not_about_the_present_one(desk):
    order = desk.place()
    desk.manager.account.rename(order, "id-1r1")
    desk.hear(desk.row("id-1", CANCELED, news=OrderNews.CANCELED))
    assert order.is_open
    desk.hear(desk.row("id-1r1", CANCELED, news=OrderNews.CANCELED, venue_id="78"))
    assert order.state is CANCELED


# --- how an order stands at the venue -------------------------------------------------------------


def test_an_older_snapshot_is_not_believed(desk):
    order = desk.place()
    desk.manager.cancel(order, desk.now)
    desk.lose()
    desk.hear(desk.row(order, time=desk.now - SECOND))
    assert order.state is UNKNOWN
    desk.hear(desk.row(order, time=0))  # a list without times is as fresh as its answer
    assert order.state is not UNKNOWN


@pytest.mark.parametrize("state", [CANCELED, OrderState.EXPIRED])
def test_an_end_is_believed_however_old(desk, state):
    order = desk.place()
    desk.hear(desk.row(order, state, time=desk.now - SECOND))
    assert order.state is state


@pytest.mark.parametrize("comes", [True, False])
def test_fills_of_an_order_that_is_told_as_filled_are_waited_for_a_moment(desk, comes):
    """A channel that tells of orders may be before the one that tells of trades, and the question is a dear one."""
    order = desk.place()
    desk.hear(desk.row(order, FILLED, filled=SIZE))
    desk.wait(SECOND // 10)
    assert not desk.take()
    if comes:
        desk.hear(desk.fill(SIZE))
    desk.wait(SECOND // 4)
    assert desk.sent() == ([] if comes else [Purpose.QUERY, Purpose.FILLS])
    assert order.is_open is not comes


def test_a_reduction_that_was_cut_and_filled_has_ended_though_its_trigger_is_dated_later(desk):
    order = desk.place(**STOP, reduce_only=True)
    desk.hear(desk.row(order, OrderState.TRIGGERED, venue_id="78", conditional=False))
    fired = desk.now - 30
    desk.hear(desk.row(order, FILLED, venue_id="78", time=fired, size=2, filled=2), desk.fill(2, venue_id="78"))
    assert (order.state, order.size) == (FILLED, 2)


def test_the_trigger_of_an_order_does_not_date_the_order_that_it_sends(desk):
    order = desk.place(**STOP, reduce_only=True)
    desk.hear(desk.row(order, OrderState.TRIGGERED, venue_id="78", conditional=False, time=desk.now + SECOND))
    desk.hear(desk.row(order, venue_id="78", size=2))
    assert (order.is_open, order.size) == (True, 2)


def test_a_state_that_is_not_understood_proves_nothing(desk):
    order = desk.place(accepted=False)
    desk.lose()
    desk.hear(desk.row(order, UNKNOWN))
    assert order.state is UNKNOWN


def test_an_order_that_works_though_its_cancel_was_answered_is_not_being_canceled(desk):
    order = desk.place()
    desk.manager.cancel(order, desk.now)
    desk.answer()
    desk.news()
    desk.hear(desk.row(order))
    assert desk.news() == [(OrderNews.CANCEL_REJECTED, ACCEPTED)]


def test_an_order_that_is_found_waits_for_no_answer_and_has_the_venue_s_terms(desk):
    order = desk.place(accepted=False)
    desk.hear(desk.row(order, size=7, price=PRICE + 5))
    assert not order.pending
    assert desk.news() == [(OrderNews.FOUND, ACCEPTED)]
    desk = Desk()
    order = desk.place()
    desk.manager.amend(order, desk.now, price=PRICE + 10, size=12)
    desk.lose()
    desk.hear(desk.row(order, size=12, price=PRICE + 10))
    assert (order.price, order.size, order.state) == (PRICE + 10, 12, ACCEPTED)


def test_an_order_that_was_seen_has_not_been_absent(desk):
    order = desk.place(accepted=False)
    desk.lose()
    desk.wait(20 * SECOND)
    desk.answer(**NOT_FOUND)
    assert (order.not_found, order.asks) == (1, 1)
    desk.hear(desk.row(order))
    assert (order.not_found, order.asks) == (0, 0)


def test_a_question_that_fails_is_no_proof_of_absence(desk):
    order = desk.place(accepted=False)
    desk.lose()
    for _ in range(30):
        desk.wait(10 * SECOND)
        desk.answer(outcome=Outcome.AMBIGUOUS)
    assert (order.state, order.not_found) == (UNKNOWN, 0)


def test_a_fill_finds_its_order_by_the_answer_about_the_venue_s_id(desk):
    order = desk.place(accepted=False)
    desk.take()
    desk.hear(desk.fill(4, name="", venue_id="91"))
    assert order.filled == 0
    desk.answer(desk.row(order, venue_id="91"))
    assert (order.filled, order.venue_id) == (4, "91")


# --- what the venue says --------------------------------------------------------------------------


def test_a_word_without_our_id_finds_its_order_by_the_venue_s(desk):
    order = desk.place()
    desk.hear(desk.row("", CANCELED, news=OrderNews.CANCELED))
    assert order.state is CANCELED


def test_that_a_stop_was_triggered_is_told(desk):
    order = desk.place(**STOP)
    desk.hear(desk.row(order, OrderState.TRIGGERED, news=OrderNews.TRIGGERED))
    assert desk.news() == [(OrderNews.TRIGGERED, OrderState.TRIGGERED)]


def test_an_amendment_to_what_is_filled_is_believed(desk):
    order = desk.place()
    desk.hear(desk.fill(4))
    desk.manager.outs.clear()
    desk.hear(desk.row(order, OrderState.PARTIALLY_FILLED, news=OrderNews.UPDATED, size=4))
    assert order.size == 4


@pytest.mark.parametrize("kind", ["cancel", "amend"])
def test_why_a_change_was_refused_is_said_until_the_next_word_about_its_order(desk, kind):
    order = desk.place()
    if kind == "cancel":
        desk.manager.cancel(order, desk.now)
    else:
        desk.manager.amend(order, desk.now, price=PRICE + 1, size=0)
    desk.answer(outcome=Outcome.DEFINITIVE, code=VenueRejected.code, text="busy")
    assert (order.state, order.code, order.reason) == (ACCEPTED, VenueRejected.code, "busy")
    desk.hear(desk.fill(SIZE))
    assert (order.state, order.code, order.reason) == (FILLED, 0, "")


def test_a_cancel_that_is_refused_because_its_order_is_filled_is_no_reason_of_the_order(desk):
    order = desk.place()
    desk.manager.cancel(order, desk.now)
    desk.hear(desk.fill(SIZE))
    desk.answer(outcome=Outcome.DEFINITIVE, code=OrderUnknown.code, text="-2011 Unknown order sent.")
    assert (order.state, order.code, order.reason) == (FILLED, 0, "")


def test_that_an_order_works_is_no_answer_to_a_cancel_that_is_under_way(desk):
    order = desk.place()
    desk.hear(desk.row(order))
    desk.manager.cancel(order, desk.now)
    desk.hear(desk.row(order))
    assert (order.state, desk.news(), desk.manager.counts) == (PENDING_CANCEL, [], {})
    desk.answer()  # it goes, says the venue
    desk.hear(desk.row(order))
    assert desk.manager.outs[-1] == NewsOut(order, OrderNews.CANCEL_REJECTED, ACCEPTED, desk.now, VenueRejected.code)


def test_an_order_that_is_found_keeps_a_price_that_is_not_told_and_is_asked_for_no_more(desk):
    order = desk.place(accepted=False)
    desk.lose()
    assert (order.lost_at, order.ask_at) == (desk.now, desk.now)
    desk.hear(desk.row(order, price=0))
    assert (order.price, order.lost_at, order.ask_at) == (PRICE, 0, 0)


def test_an_order_that_is_found_is_not_canceled_twice(desk):
    order = desk.place()
    desk.manager.amend(order, desk.now, price=PRICE + 10, size=0)
    (amending,) = desk.take()
    desk.manager.cancel(order, desk.now)
    desk.take()
    desk.manager.answered(amending, Answer(Outcome.AMBIGUOUS), desk.now)
    assert order.state is UNKNOWN
    desk.hear(desk.row(order))
    assert ([each.kind for each in order.pending.all()], desk.sent()) == ([RequestKind.CANCEL], [])


@pytest.mark.parametrize("accepted", [True, False])
def test_an_order_found_with_its_old_terms_is_unknown_while_an_amendment_may_arrive(desk, accepted):
    """It was lost on its way, or is late."""
    order = desk.place(accepted=accepted)
    desk.manager.amend(order, desk.now, price=PRICE + 10, size=12)
    desk.take()
    desk.wait(5 * SECOND)
    assert desk.sent() == [Purpose.QUERY]
    desk.manager.outs.clear()
    desk.hear(desk.row(order))
    assert (order.state, order.worst_left, order.accepted) == (UNKNOWN, 12, True)
    assert desk.news() == ([] if accepted else [(OrderNews.ACCEPTED, UNKNOWN)])
    assert order.ask_at == NOW + 10 * SECOND
    desk.now = NOW + 10 * SECOND
    desk.hear(desk.row(order))
    assert (order.state, order.worst_left) == (ACCEPTED, SIZE)
    assert desk.news() == [(OrderNews.FOUND, ACCEPTED)]


def test_an_order_found_with_its_new_terms_is_known_at_once(desk):
    order = desk.place()
    desk.manager.amend(order, desk.now, price=PRICE + 10, size=12)
    desk.lose()
    desk.hear(desk.row(order, price=PRICE + 10, size=12))
    assert (order.state, order.price, order.worst_left) == (ACCEPTED, PRICE + 10, 12)


def test_what_counts_of_an_amendment_is_when_it_was_last_sent(desk):
    order = desk.place()
    desk.manager.amend(order, desk.now, price=PRICE + 10, size=12)
    desk.answer(**LATER)
    desk.wait(9 * SECOND)
    desk.lose()
    desk.hear(desk.row(order))
    assert (order.state, order.worst_left) == (UNKNOWN, 12)
    assert desk.manager.next_due == desk.now + 5 * SECOND


def test_a_lost_cancel_is_sent_again_while_an_amendment_may_arrive_and_given_up_behind_it(desk):
    order = desk.place()
    desk.manager.amend(order, desk.now, price=PRICE + 10, size=12)
    (amending,) = desk.take()
    desk.manager.cancel(order, desk.now)
    desk.manager.answered(amending, Answer(Outcome.AMBIGUOUS), desk.now)
    for _ in range(4):
        desk.lose()
        desk.hear(desk.row(order))
    assert (desk.sent(), order.state) == ([], UNKNOWN)
    assert OrderNews.CANCEL_REJECTED not in words(desk.manager)
    desk.now += 10 * SECOND
    desk.hear(desk.row(order))
    assert words(desk.manager)[-2:] == [OrderNews.FOUND, OrderNews.CANCEL_REJECTED]


def test_a_cancel_that_is_given_up_is_told_with_its_reason(desk):
    order = desk.place()
    desk.manager.cancel(order, desk.now)
    for _ in range(4):
        desk.lose()
        desk.hear(desk.row(order))
    code, reason = OrderOutcomeUnknown.code, "none of its cancels was answered"
    assert desk.sent() == []
    assert desk.manager.outs[-1] == NewsOut(
        order, OrderNews.CANCEL_REJECTED, order.state, desk.now, code, reason, is_local=True
    )


def test_a_fill_with_an_id_that_is_not_ours_is_booked_and_nobody_is_asked(desk):
    fill = desk.fill(3, name="web_9", venue_id="99")
    desk.hear(fill)
    assert desk.sent() == []
    assert [out for out in desk.manager.outs if isinstance(out, FillOut)] == [FillOut(None, fill)]


def test_balances_and_positions_are_told_with_where_they_are_from(desk):
    desk.hear(BalanceReport("USDT", 5, desk.now), PositionReport(SYMBOL, PositionSide.BOTH, 7, desk.now))
    desk.manager.hear([BalanceReport("USDT", 6, desk.now + 9)], desk.now, source="rest")
    received = [out for out in desk.manager.outs if isinstance(out, AccountOut)]
    assert [(out.name, out.amount, out.source) for out in received] == [
        ("USDT", 5, "stream"),
        (SYMBOL, 7, "stream"),
        ("USDT", 6, "rest"),
    ]


def test_what_is_odd_of_the_stream_is_counted(desk):
    desk.hear(StreamReport("unknown event", "X"), StreamReport("expired"), StreamReport("expired"))
    assert desk.manager.counts == {"unknown event X": 1, "expired": 2}


# --- orders that no tape has ----------------------------------------------------------------------


def test_an_order_that_no_tape_has_is_its_robot_s_by_its_id(desk):
    desk.manager.owners.owner_of = lambda name: (3, 9) if name == "ours" else None
    desk.hear(desk.row("ours"), desk.row("web_1", venue_id="78"))
    assert desk.manager.by_robot[3, 9] is desk.manager.orders["ours"]
    assert desk.manager.orders["web_1"].is_foreign
    assert desk.health() == [("ours", "attributed"), ("web_1", "foreign")]


def test_an_order_that_the_venue_refused_and_no_tape_has_is_none(desk):
    desk.hear(desk.row("web_1", OrderState.REJECTED, news=OrderNews.REJECTED))
    assert not desk.manager.orders


def test_an_order_of_other_hands_that_was_canceled_is_so(desk):
    desk.hear(desk.fill(4, name="", venue_id="91"))
    desk.answer(desk.row("web_1", CANCELED, venue_id="91", filled=4))
    assert desk.manager.orders["web_1"].state is CANCELED
    assert not desk.manager.open


def test_an_order_of_other_hands_of_which_all_is_filled_is_not_open(desk):
    desk.hear(desk.row("web_1", filled=SIZE))
    assert not desk.manager.open


def test_an_order_that_is_met_when_it_has_ended_is_not_open_and_no_news(desk):
    desk.hear(desk.fill(SIZE, name="", venue_id="91"))
    desk.answer(desk.row("web_1", FILLED, venue_id="91", filled=SIZE))
    assert not desk.manager.open
    order = desk.manager.orders["web_1"]
    assert (order.state, order.filled) == (FILLED, SIZE)
    fills = [out for out in desk.manager.outs if isinstance(out, FillOut)]
    assert len(fills) == 1
    assert not [out for out in desk.manager.outs if isinstance(out, HealthOut)]
