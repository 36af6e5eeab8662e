"""What the order manager makes of words about an order: fills first, then the end, each once."""

from __future__ import annotations

import pytest

from onetape.model import catalogue
from onetape.model.enums import OrderNews, OrderState
from onetape.model.errors import OrderInvalid
from onetape.orders.calls import Purpose
from onetape.orders.managed import FillOut, NewsOut
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import INTERNAL_TRADES
from orders.binance_manager import BTC, PRICE, SECOND, SIZE, STOP, Desk

CANCELED, FILLED = OrderState.CANCELED, OrderState.FILLED


@pytest.fixture
def desk() -> Desk:
    return Desk()


# --- fills ----------------------------------------------------------------------------------------


def test_a_fill_of_an_order_of_other_hands_moves_the_position_and_not_its_state(desk):
    desk.hear(desk.row("web_1"))
    desk.manager.outs.clear()
    desk.hear(desk.fill(4, name="web_1"))
    met = desk.manager.orders["web_1"]
    assert (met.filled, met.state) == (0, OrderState.ACCEPTED)
    assert [type(out) for out in desk.manager.outs] == [FillOut]
    assert desk.manager.counts == {}


def test_a_fill_before_the_word_of_an_order_of_ours_that_no_tape_has_is_its_robot_s(desk):
    desk.manager.owners.owner_of = lambda name: (1, 7) if name == "mine" else None
    desk.hear(desk.fill(SIZE, name="mine", venue_id="99"))
    assert [type(out) for out in desk.manager.outs] == []  # whose it is is asked first
    assert desk.sent() == [Purpose.QUERY]
    desk.hear(desk.row("mine", FILLED, venue_id="99", filled=SIZE))
    (fill,) = [out for out in desk.manager.outs if isinstance(out, FillOut)]
    assert (fill.order.robot, fill.order.order_id) == (1, 7)


def test_a_fill_that_waits_for_its_order_is_not_given_to_one_of_another_symbol(desk):
    eth = catalogue.find("binance:ETH/USDT:USDT")
    desk.manager.venue.set_instruments([BTC, eth])
    order = desk.place(accepted=False)
    desk.hear(desk.fill(3, name="", symbol=eth.symbol, venue_id="77"))
    desk.hear(desk.row(order))
    assert (order.venue_id, order.filled) == ("77", 0)
    assert list(desk.manager.positions) == []


def test_a_fill_names_the_venue_s_order_before_its_answer_does(desk):
    order = desk.place(accepted=False)
    desk.hear(desk.fill(4, venue_id="91"))
    assert order.venue_id == "91"
    assert desk.manager.by_venue_id[order.spec.symbol, "91"] is order


def test_fills_inside_add_up_and_name_no_order_of_the_venue(desk):
    order = desk.place(accepted=False)
    for number, size in enumerate((3, 4)):
        desk.hear(desk.fill(size, trade=INTERNAL_TRADES + number, venue_id="other"))
    assert (order.filled_outside, order.venue_id) == (7, "")


def test_a_fill_of_an_order_that_was_denied_is_booked_and_counted(desk):
    order = desk.place(accepted=False)
    order.state = OrderState.DENIED
    desk.hear(desk.fill(4))
    assert desk.manager.counts == {"fill of an order that cannot have one": 1}
    assert desk.manager.booked == 1


def test_fills_beyond_the_old_size_prove_an_amendment(desk):
    order = desk.place()
    desk.manager.amend(order, desk.now, price=0, size=12)
    desk.hear(desk.fill(11))
    assert order.size == 12
    assert order.state is OrderState.PENDING_UPDATE


def test_a_fill_of_a_lost_order_ends_the_doubt(desk):
    order = desk.place(accepted=False)
    desk.lose()
    assert order.lost_at == desk.now
    desk.hear(desk.fill(4))
    assert (order.state, order.lost_at) == (OrderState.PARTIALLY_FILLED, 0)


def test_fills_wait_until_whose_they_are_is_known(desk):
    order = desk.place(accepted=False)
    desk.hear(desk.fill(4, name="", venue_id="77"))
    assert order.filled == 0
    desk.hear(desk.row(order))
    assert order.filled == 4
    assert desk.manager.unmatched == {}


# --- the end --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "news", "fills", "state"),
    [
        (CANCELED, OrderNews.CANCELED, (4, 2), CANCELED),
        (CANCELED, None, (4, 2), CANCELED),
        (FILLED, None, (4, 6), FILLED),
        (OrderState.EXPIRED, OrderNews.EXPIRED, (1, 5), OrderState.EXPIRED),
    ],
)
def test_an_order_ends_when_the_last_of_its_fills_is_here(desk, end, news, fills, state):
    order = desk.place()
    desk.hear(desk.row(order, end, news=news, filled=sum(fills)))
    for trade, size in enumerate(fills, 1):
        assert order.is_open
        desk.hear(desk.fill(size, trade))
    assert order.state is state
    assert desk.news() == ([] if end is FILLED else [(OrderNews(end.value.lower()), state)])


def test_fills_that_the_venue_claims_and_never_sent_are_asked_for_until_they_come(desk):
    order = desk.place()
    desk.hear(desk.row(order, CANCELED, news=OrderNews.CANCELED, filled=6))
    waits = []
    for _ in range(4):
        began = desk.now
        desk.wait(max(desk.manager.next_due - desk.now, 0))
        waits.append(desk.now - began)
        query, fills = desk.take()
        assert (query.purpose, fills.purpose) == (Purpose.QUERY, Purpose.FILLS)
        desk.manager.answered(fills, _done(), desk.now)
        desk.manager.answered(query, _done(desk.row(order, CANCELED, filled=6)), desk.now)
    assert waits == sorted(waits)
    assert waits[-1] >= SECOND
    assert order.is_open
    desk.hear(desk.fill(6))
    assert order.state is CANCELED


def _done(*rows):
    return Answer(Outcome.DONE, rows)


def test_a_working_order_with_more_filled_than_was_told_is_asked_for_a_moment_later(desk):
    order = desk.place()
    desk.hear(desk.row(order, OrderState.PARTIALLY_FILLED, filled=4))
    assert desk.manager.next_due == desk.now + SECOND // 4
    desk.wait(SECOND // 4)
    assert desk.sent() == [Purpose.QUERY, Purpose.FILLS]


def test_what_was_filled_inside_and_refused_there_is_canceled_to_its_robot(desk):
    order = desk.place(accepted=False)
    desk.hear(desk.fill(4, trade=INTERNAL_TRADES, venue_id="other"))
    desk.hear(desk.row(order, OrderState.REJECTED, news=OrderNews.REJECTED, size=6))
    assert order.state is CANCELED


def test_the_reason_of_an_end_reaches_the_robot(desk):
    order = desk.place()
    row = desk.row(order, OrderState.EXPIRED, news=OrderNews.EXPIRED)
    desk.hear(row._replace(code=OrderInvalid.code, reason="too late"))
    (end,) = [out for out in desk.manager.outs if isinstance(out, NewsOut)]
    assert (end.news, end.code, end.reason) == (OrderNews.EXPIRED, OrderInvalid.code, "too late")


@pytest.mark.parametrize("terms", [{"reduce_only": True}, {}])  # in hedge mode no flag says it
def test_what_was_filled_as_far_as_the_position_went_is_filled(desk, terms):
    order = desk.place(**terms)
    desk.hear(desk.fill(6))
    desk.hear(desk.row(order, FILLED, size=6, filled=6))
    assert (order.state, order.size) == (FILLED, 6)


def test_what_has_ended_is_open_no_more_and_asked_for_no_more(desk):
    order = desk.place()
    desk.hear(desk.row(order, OrderState.PARTIALLY_FILLED, filled=4))
    desk.hear(desk.fill(10))
    assert (order.state, order.ask_at, bool(order.pending)) == (FILLED, 0, False)
    assert not desk.manager.open


# --- what the venue has cut -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "row", "size"),
    [
        ({"reduce_only": True}, {"size": 6}, 6),
        ({"reduce_only": True}, {"size": 6, "reduce_only": False}, 6),
        ({}, {"size": 6, "reduce_only": True}, 6),  # in hedge mode the venue says so
        ({}, {"size": 6}, SIZE),
        ({"reduce_only": True}, {"size": 6, "time": 5}, SIZE),
        ({"reduce_only": True}, {"size": 0}, SIZE),
    ],
)
def test_only_a_newer_word_about_a_reduction_makes_it_smaller(desk, terms, row, size):
    order = desk.place(**terms)
    desk.hear(desk.row(order, news=OrderNews.ACCEPTED, **row))
    assert order.size == size
    cut = [(OrderNews.UPDATED, OrderState.ACCEPTED)]
    assert desk.news() == (cut if size != SIZE else [])


def test_while_an_amendment_is_unanswered_no_cut_is_believed(desk):
    order = desk.place(reduce_only=True)
    desk.manager.amend(order, desk.now, price=0, size=8)
    desk.hear(desk.row(order, news=OrderNews.ACCEPTED, size=6))
    assert (order.size, order.size_wanted) == (SIZE, 8)


def test_an_older_word_does_not_make_the_newest_one_forgotten(desk):
    order = desk.place(reduce_only=True)
    desk.hear(desk.row(order, time=desk.now + 100))
    desk.hear(desk.row(order, news=OrderNews.ACCEPTED, time=desk.now - 100))
    desk.hear(desk.row(order, size=2, time=desk.now + 50))
    assert order.size == SIZE


def test_of_an_order_of_other_hands_the_venue_says_what_is_filled(desk):
    desk.hear(desk.row("web_1"))
    desk.hear(desk.row("web_1", OrderState.PARTIALLY_FILLED, filled=4))
    met = desk.manager.orders["web_1"]
    assert (met.filled, met.worst_left) == (4, 6)
    desk.hear(desk.row("web_1", size=2, filled=4))
    assert (met.filled, met.size) == (4, 4)


def test_an_order_that_is_met_has_what_was_filled_before(desk):
    desk.hear(desk.row("web_1", OrderState.PARTIALLY_FILLED, filled=4, reduce_only=True))
    met = desk.manager.orders["web_1"]
    assert (met.filled, met.worst_left, met.accepted) == (4, 6, True)
    assert met.spec.reduce_only


def test_what_has_ended_cannot_be_filled_any_more(desk):
    order = desk.place()
    assert order.worst_left == SIZE
    desk.manager.amend(order, desk.now, price=0, size=12)
    assert order.worst_left == 12
    desk.hear(desk.row(order, CANCELED, news=OrderNews.CANCELED))
    assert order.worst_left == 0


# --- what is lost, and what is said ---------------------------------------------------------------


def test_an_order_whose_answer_is_lost_is_unknown_and_asked_for_at_once(desk):
    order = desk.place(accepted=False)
    desk.lose()
    assert desk.news() == [(OrderNews.LOST, OrderState.UNKNOWN)]
    assert desk.health() == [("id-1", "unknown")]
    assert order.lost_at == desk.now
    desk.wait(0)
    assert desk.sent() == [Purpose.QUERY]


def test_one_question_about_an_order_at_a_time(desk):
    order = desk.place(accepted=False)
    desk.lose()
    desk.wait(0)
    desk.take()
    desk.manager.cancel(order, desk.now)
    desk.lose()
    assert (order.asking, order.ask_at) == (True, 0)
    desk.wait(SECOND)
    assert desk.sent() == []


def test_a_word_of_the_stream_ends_the_doubt(desk):
    order = desk.place(accepted=False)
    desk.lose()
    desk.hear(desk.row(order, news=OrderNews.ACCEPTED))
    assert (order.state, order.lost_at) == (OrderState.ACCEPTED, 0)


def test_a_conditional_order_that_has_fired_is_one_of_the_book(desk):
    order = desk.place(**STOP)
    assert order.conditional
    desk.hear(desk.row(order, news=OrderNews.ACCEPTED, conditional=False, venue_id="88"))
    assert (order.conditional, order.venue_id) == (False, "88")


def test_news_that_cannot_be_is_counted_and_said_to_nobody(desk):
    order = desk.place(accepted=False)
    desk.answer(outcome=Outcome.DEFINITIVE, code=OrderInvalid.code)
    desk.news()
    desk.hear(desk.row(order, news=OrderNews.UPDATED, size=5, price=PRICE))
    assert desk.news() == []
    assert desk.manager.counts == {"updated in REJECTED": 1}


def test_a_refused_amendment_is_said_although_the_order_is_still_being_canceled(desk):
    order = desk.place()
    desk.manager.amend(order, desk.now, price=0, size=12)
    amendment = desk.take()
    desk.manager.cancel(order, desk.now)
    desk.take()
    desk.manager.answered(amendment[0], Answer(Outcome.DEFINITIVE, code=4101), desk.now)
    assert desk.news() == [(OrderNews.UPDATE_REJECTED, OrderState.PENDING_CANCEL)]


def test_what_changes_nothing_is_said_to_nobody(desk):
    order = desk.place()
    desk.hear(desk.row(order, news=OrderNews.ACCEPTED))
    desk.hear(desk.row(order))
    assert desk.manager.outs == []
