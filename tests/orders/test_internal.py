"""What waits here and what is placed again: its names, its terms, what is asked about it."""

from __future__ import annotations

from typing import Any

import pytest

from onetape.model.enums import OrderState, RequestKind, Side
from onetape.model.ids import ATTEMPT_MAX, client_id, robot_tag
from onetape.orders.calls import Purpose
from onetape.orders.internal import end_held, release, take_off, trade_inside
from onetape.orders.managed import IntentOut, in_our_sizes, next_name, spec_sent
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import INTERNAL_TRADES
from orders.binance_manager import NOW, PRICE, SECOND, SIZE, Desk

NAME, OTHER = (client_id(robot_tag("mm"), epoch=1, ordinal=n) for n in (1, 2))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def held(desk: Desk, *, accepted: bool = True, filled: int = 0):
    """An order that was taken off the venue and waits here."""
    order = desk.place(NAME, accepted=accepted)
    if filled:
        desk.hear(desk.fill(filled, name=NAME))
    if accepted:
        take_off(desk.manager, order, desk.now)
        desk.take()
    desk.manager.account.keep(order)
    return order


def test_what_is_taken_off_is_canceled_and_known_as_such_on_the_journal(desk):
    order = desk.place(NAME)
    take_off(desk.manager, order, desk.now)
    assert desk.sent() == [Purpose.CANCEL]
    assert order.is_taken_off
    (intent,) = [out for out in desk.manager.outs if isinstance(out, IntentOut)]
    assert (intent.kind, intent.is_reissue) == (RequestKind.CANCEL, True)


def test_nothing_is_asked_about_what_waits_here(desk):
    order = desk.place(NAME)
    take_off(desk.manager, order, desk.now)
    desk.take()
    order.ask_at = order.lost_at = desk.now
    desk.manager.account.keep(order)
    assert (bool(order.pending), order.ask_at, order.lost_at) == (False, 0, 0)
    assert (order.is_held, order.cancel_open) == (True, False)
    desk.wait(60 * SECOND)
    assert desk.sent() == []


def test_what_is_released_leaves_under_another_name_with_what_is_left(desk):
    order = held(desk, filled=4)
    desk.manager.outs.clear()
    assert release(desk.manager, order, desk.now + 1)
    (call,) = desk.take()
    assert (call.purpose, call.subject.client_id) == (Purpose.PLACE, order.name)
    assert order.name != NAME
    assert (order.reissues, order.away, order.filled_outside, order.reported_filled) == (1, 4, 4, 4)
    assert (order.sent_at, order.reported_time, order.asks, order.not_found) == (desk.now + 1, 0, 0, 0)
    assert spec_sent(order).size_int == 6
    assert "quantity=0.006" in call.target
    (intent,) = desk.manager.outs
    assert (intent.kind, intent.size, intent.is_reissue) == (RequestKind.AMEND, SIZE, True)
    assert order.state is OrderState.PENDING_UPDATE


@pytest.mark.parametrize(
    ("outcome", "is_open", "state"),
    [
        (Outcome.DONE, False, OrderState.ACCEPTED),
        (Outcome.AMBIGUOUS, True, OrderState.UNKNOWN),
        (Outcome.DEFINITIVE, False, OrderState.CANCELED),
    ],
)
def test_what_is_placed_again_is_open_until_the_venue_has_answered(desk, outcome, is_open, state):
    order = held(desk)
    release(desk.manager, order, desk.now)
    (call,) = desk.take()
    assert (order.reissue_open, order.state) == (True, OrderState.PENDING_UPDATE)
    desk.manager.answered(call, Answer(outcome), desk.now)
    assert (order.reissue_open, order.state) == (is_open, state)


def test_what_never_was_at_the_venue_leaves_under_its_own_name(desk):
    order = desk.place(NAME, accepted=False)
    desk.take()
    order.pending.clear()
    order.is_held = True
    assert release(desk.manager, order, desk.now)
    assert (order.name, order.reissues, order.state) == (NAME, 0, OrderState.SUBMITTED)


@pytest.mark.parametrize("change", [{"client_id_chars": 5}, {"again": ATTEMPT_MAX}])
def test_what_cannot_be_named_is_not_released(desk, change, monkeypatch):
    order = held(desk)
    if "again" in change:
        order.reissues = change["again"]
    else:
        monkeypatch.setattr(desk.manager.venue, "client_id_chars", change["client_id_chars"])
    assert release(desk.manager, order, desk.now) is False
    assert desk.sent() == []


def test_a_name_of_nobody_s_has_no_next_one(desk):
    assert next_name(desk.place("web_1"), 99) == ""


@pytest.mark.parametrize(("accepted", "state"), [(True, "CANCELED"), (False, "DENIED")])
def test_what_was_held_and_is_over_is_denied_or_canceled_and_open_no_more(desk, accepted, state):
    order = desk.place(NAME, accepted=accepted)
    desk.take()
    order.is_held = True
    end_held(desk.manager, order, desk.now, 4402, "why")
    assert order.state == state
    assert not desk.manager.open
    assert desk.news() == [(state.lower(), state)]


def test_both_sides_of_an_internal_trade_are_booked_once(desk):
    one, two = desk.place(NAME), desk.place(OTHER, side=Side.SELL)
    fill = desk.fill(4, INTERNAL_TRADES, NAME, OTHER)
    desk.manager.book(fill, one, desk.now)
    trade_inside(desk.manager, fill, desk.now)
    trade_inside(desk.manager, fill, desk.now)
    assert (one.filled, two.filled, desk.manager.booked) == (4, 4, 2)
    assert desk.manager.positions == {}


# --- words about what was placed again ------------------------------------------------------------


def recovered(desk: Desk, **more: Any):
    order = held(desk, filled=4)
    release(desk.manager, order, desk.now)
    desk.take()
    return order


def test_a_word_about_a_former_order_is_none_about_this_one(desk):
    order = recovered(desk)
    assert in_our_sizes(order, desk.row(NAME)) is None
    assert in_our_sizes(order, desk.row("", venue_id="77")) is None
    desk.hear(desk.row(NAME, OrderState.CANCELED, venue_id="77"))
    assert order.is_open


def test_an_amendment_of_the_former_order_does_not_arrive_at_this_one(desk):
    order = held(desk, filled=4)
    order.amended_at = desk.now
    release(desk.manager, order, desk.now)
    desk.take()
    desk.wait(5 * SECOND)
    desk.hear(desk.row(order.name, size=5, venue_id="78"))
    assert order.state is OrderState.PARTIALLY_FILLED


def test_the_venue_s_quantities_are_of_what_is_left(desk):
    order = recovered(desk)
    reported = in_our_sizes(order, desk.row(order.name, size=6, filled=2, venue_id="78"))
    assert (reported.size, reported.filled) == (10, 6)
    assert in_our_sizes(order, desk.row(order.name, size=0, venue_id="78")).size == 0


@pytest.mark.parametrize(
    ("outcome", "state", "news"),
    [(Outcome.DONE, OrderState.PARTIALLY_FILLED, "updated"), (Outcome.DEFINITIVE, OrderState.CANCELED, "canceled")],
)
def test_to_its_robot_it_is_an_amendment_that_changes_nothing(desk, outcome, state, news):
    order = held(desk, filled=4)
    release(desk.manager, order, desk.now)
    desk.news()
    desk.answer(outcome=outcome)
    assert desk.news() == [(news, state)]
    assert order.size == SIZE


def test_one_that_nobody_finds_is_proven_absent_and_one_that_was_filled_is_not(desk):
    order = recovered(desk)
    desk.manager._lost(order, desk.now)
    for _ in range(4):
        desk.wait(30 * SECOND)
        if order.is_open:
            desk.answer(outcome=Outcome.AMBIGUOUS, not_found=True)
    assert order.state is OrderState.CANCELED
    desk = Desk()
    order = recovered(desk)
    desk.hear(desk.fill(2, 2, order.name, "78"))
    desk.manager._lost(order, desk.now)
    for _ in range(4):
        desk.wait(30 * SECOND)
        desk.answer(outcome=Outcome.AMBIGUOUS, not_found=True)
    assert order.is_open


def test_a_name_that_it_has_already_is_begun_once(desk):
    order = recovered(desk)
    desk.manager.account.reissue(order, order.name, NOW)
    assert (order.reissues, order.price) == (1, PRICE)
