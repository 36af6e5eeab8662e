"""A manager from its journal: as it was, and what is unanswered may have arrived."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from onetape.model.enums import OrderNews, OrderState, PositionSide, RequestKind, Side
from onetape.model.ids import client_id, robot_tag
from onetape.model.order import OrderSpec
from onetape.orders.calls import OrderKey
from onetape.orders.managed import NewsOut
from onetape.orders.order_frames import NewsFrame, RequestFrame
from onetape.orders.order_record import OrderRecord, order_of, record_of
from onetape.orders.queries import is_absent
from onetape.orders.reports import INTERNAL_TRADES
from onetape.projections.recovered_orders import RecoveredOrders
from onetape.projections.robot_life import RobotLife
from orders.binance_manager import NOW, PRICE, SECOND, SIZE, STOP, SYMBOL, Desk

NAME, OTHER = (client_id(robot_tag("mm"), epoch=1, ordinal=n) for n in (1, 2))
LIFE = RobotLife(1, "mm", 1, "")
LATER = NOW + 100 * SECOND


class Tape(Desk):
    """A recovery, fed with records as they stand on the journal."""

    def __init__(self) -> None:
        super().__init__()
        self.recovery = RecoveredOrders(self.manager.account)

    def intent(self, kind=RequestKind.PLACE, name: str = NAME, **more: Any) -> None:
        marks = {k: more.pop(k) for k in ("is_held", "is_reissue") if k in more}
        terms = {"symbol": SYMBOL, "side": Side.BUY, "size_int": SIZE, "price_int": PRICE, **more}
        number = LIFE.base + {NAME: 1, OTHER: 2}[name]
        self.recovery.request(RequestFrame(1, kind, number, OrderSpec(**terms), **marks), NOW, LIFE)

    def news(
        self, news: OrderNews, *, size: int = SIZE, price: int = PRICE, venue_id: int = 77, is_local: bool = False
    ) -> None:
        self.recovery.news(NewsFrame(LIFE.base + 1, venue_id, price, size, 0, news, 1, is_local))

    def working(self, **terms: Any):
        self.intent(**terms)
        self.news(OrderNews.ACCEPTED)
        return self.order

    @property
    def order(self):
        return self.manager.orders[NAME]

    def finish(self) -> int:
        return self.recovery.finish(self.manager, LATER)


@pytest.fixture
def tape() -> Tape:
    return Tape()


def test_what_was_accepted_is_so_under_the_venue_s_id(tape):
    order = tape.working()
    assert tape.finish() == 0
    assert (order.state, order.venue_id) == (OrderState.ACCEPTED, "77")
    assert tape.manager.by_venue_id[SYMBOL, "77"] is order
    assert tape.manager.outs == []


def test_what_is_unknown_after_a_start_may_have_left_until_then(tape):
    tape.intent()
    tape.finish()
    tape.now = LATER
    tape.order.not_found = 2
    key = OrderKey(SYMBOL, NAME)
    assert not is_absent(tape.order, key, LATER + 9 * SECOND, has_trigger=False)
    assert is_absent(tape.order, key, LATER + 10 * SECOND, has_trigger=False)


def test_a_number_of_nought_is_no_id_of_the_venue(tape):
    tape.intent()
    tape.news(OrderNews.ACCEPTED, venue_id=0)
    assert tape.order.venue_id == ""


@pytest.mark.parametrize("kind", [RequestKind.PLACE, RequestKind.CANCEL, RequestKind.AMEND])
def test_a_request_whose_answer_is_not_on_the_tape_may_have_arrived_and_is_asked_for(tape, kind):
    tape.intent()
    if kind is not RequestKind.PLACE:
        tape.news(OrderNews.ACCEPTED)
        tape.intent(kind, size_int=12, price_int=PRICE + 10)
    assert tape.finish() == 1
    order = tape.order
    assert (order.state, order.lost_at, order.ask_at) == (OrderState.UNKNOWN, LATER, LATER)
    assert tape.manager.next_due == LATER
    assert order.cancel_open is (kind is RequestKind.CANCEL)
    if kind is RequestKind.AMEND:
        assert (order.amend_to, order.worst_left) == ((PRICE + 10, 12), 12)


def test_a_conditional_order_is_one_after_a_restart(tape):
    assert tape.working(**STOP).conditional


def test_an_amended_order_has_its_new_terms(tape):
    order = tape.working()
    tape.intent(RequestKind.AMEND, size_int=12, price_int=PRICE + 10)
    tape.news(OrderNews.UPDATED, size=12, price=PRICE + 10)
    assert tape.finish() == 0
    assert (order.price, order.size) == (PRICE + 10, 12)


def test_an_amendment_that_was_asked_for_shortly_before_the_end_may_still_arrive(tape):
    order = tape.working()
    tape.intent(RequestKind.AMEND, size_int=12, price_int=PRICE + 10)
    tape.recovery.finish(tape.manager, NOW + SECOND)
    tape.now = NOW + SECOND
    tape.hear(tape.row(order))
    assert (order.state, order.worst_left) == (OrderState.UNKNOWN, 12)
    tape.now = LATER
    tape.hear(tape.row(order))
    assert (order.state, order.worst_left) == (OrderState.ACCEPTED, SIZE)


def test_an_order_that_was_found_has_the_terms_it_has_there(tape):
    order = tape.working()
    tape.intent(RequestKind.AMEND, size_int=12, price_int=PRICE + 10)
    tape.news(OrderNews.LOST)
    tape.news(OrderNews.FOUND, size=12, price=PRICE + 10)
    assert tape.finish() == 0
    assert (order.price, order.size) == (PRICE + 10, 12)


@pytest.mark.parametrize("is_lost", [False, True])
@pytest.mark.parametrize("is_canceled", [False, True])
def test_a_refused_amendment_that_never_left_is_no_answer_to_one_under_way(tape, is_canceled, is_lost):
    """Also where the order is being cancelled, and that is refused."""
    order = tape.working()
    tape.intent(RequestKind.AMEND, size_int=12, price_int=PRICE + 10)
    if is_canceled:
        tape.intent(RequestKind.CANCEL)
    if is_lost:
        tape.news(OrderNews.LOST)
    tape.news(OrderNews.UPDATE_REJECTED, is_local=True)
    if is_canceled:
        tape.news(OrderNews.CANCEL_REJECTED)
    assert tape.finish() == 1
    assert (order.state, order.worst_left) == (OrderState.UNKNOWN, 12)


def test_an_amendment_that_the_venue_refused_is_answered(tape):
    order = tape.working()
    tape.intent(RequestKind.AMEND, size_int=12, price_int=PRICE + 10)
    tape.news(OrderNews.UPDATE_REJECTED)
    assert tape.finish() == 0
    assert (order.state, order.worst_left) == (OrderState.ACCEPTED, SIZE)


def test_a_cancel_that_was_to_take_it_off_is_known_as_such(tape):
    order = tape.working()
    tape.intent(RequestKind.CANCEL, is_reissue=True)
    assert order.is_taken_off
    tape.intent(RequestKind.CANCEL)
    assert not order.is_taken_off


def test_what_could_not_be_taken_off_is_not_placed_again_when_it_ends(tape):
    order = tape.working()
    tape.intent(RequestKind.CANCEL, is_reissue=True)
    tape.news(OrderNews.CANCEL_REJECTED)
    assert not order.is_taken_off


def test_what_was_placed_again_has_its_new_name_and_is_smaller(tape):
    order = tape.working()
    tape.recovery.fill(None, tape.fill(4, name=NAME))
    tape.intent(RequestKind.CANCEL, is_reissue=True)
    tape.intent(RequestKind.AMEND, is_reissue=True)
    assert order.name != NAME
    assert tape.manager.orders[order.name] is order
    assert (order.away, order.sent_at) == (4, NOW)
    assert tape.finish() == 1


def test_what_has_ended_is_not_open(tape):
    order = tape.working()
    tape.news(OrderNews.CANCELED)
    assert not tape.manager.open
    assert order.state is OrderState.CANCELED
    tape.intent(RequestKind.CANCEL)
    assert tape.finish() == 0


def test_nobody_is_told_of_a_fill_that_the_tape_has(tape):
    tape.working()
    tape.recovery.fill(None, tape.fill(4, name=NAME))
    assert tape.manager.outs == []
    assert tape.manager.positions == {(SYMBOL, PositionSide.BOTH): 4}
    tape.manager.hear([tape.fill(4, name=NAME)], NOW)
    assert tape.manager.booked == 1


@pytest.mark.parametrize("is_held_after", [False, True])
def test_what_waited_here_is_over_when_its_gateway_died(tape, is_held_after):
    tape.intent(is_held=True)
    if is_held_after:
        tape.recovery.fill(None, tape.fill(4, name=NAME, trade=INTERNAL_TRADES, venue_id="foreign"))
    assert tape.finish() == 0
    assert not tape.manager.open
    wanted = OrderState.CANCELED if is_held_after else OrderState.DENIED
    assert tape.order.state is wanted
    assert [o.state for o in tape.manager.outs if isinstance(o, NewsOut)][-1] is wanted


def test_one_side_of_an_internal_trade_brings_the_other(tape):
    tape.working()
    tape.intent(name=OTHER, side=Side.SELL)
    half = tape.fill(4, name=NAME, trade=INTERNAL_TRADES + 5, venue_id=OTHER)
    tape.recovery.fill(None, half)
    assert tape.manager.account.trades_inside == INTERNAL_TRADES + 5
    tape.recovery.fill(None, replace_trade(half, INTERNAL_TRADES + 3))
    tape.recovery.fill(None, replace_trade(half, INTERNAL_TRADES + 3).other_side)
    assert tape.manager.account.trades_inside == INTERNAL_TRADES + 5
    tape.finish()
    filled = [tape.manager.orders[name].filled for name in (NAME, OTHER)]
    assert filled == [8, 8]


def replace_trade(fill, trade: int):
    return fill._replace(trade_id=trade)


def test_up_to_where_fills_are_known_is_the_newest_of_the_last_round(tape):
    tape.working()
    tape.recovery.began(NOW)
    tape.recovery.began(NOW + SECOND)
    assert tape.recovery.newest_fill == NOW
    for trade, time in enumerate((NOW + 9, NOW + 5), 1):
        tape.recovery.fill(None, tape.fill(1, trade, name=NAME, time=time))
    assert tape.recovery.newest_fill == NOW  # a round that did not end may have left gaps
    assert not tape.recovery.has_begun
    tape.recovery.reconciled()
    assert (tape.recovery.newest_fill, tape.recovery.has_begun) == (NOW + 9, True)


def test_an_internal_trade_says_nothing_of_the_venue_s_fills(tape):
    tape.working()
    tape.recovery.fill(None, tape.fill(1, INTERNAL_TRADES, name=NAME, time=NOW + 9, venue_id="x"))
    tape.recovery.reconciled()
    assert tape.recovery.newest_fill == 0


def test_the_position_that_the_books_began_with_is_there(tape):
    tape.recovery.opening(SYMBOL, PositionSide.BOTH, 7)
    assert tape.manager.positions == {(SYMBOL, PositionSide.BOTH): 7}


def test_a_checkpoint_names_an_order_s_fields_as_it_always_did(tape):
    """Of a journal whose beginning was pruned, one of an earlier version is read."""
    order = tape.working()
    tape.intent(RequestKind.CANCEL, is_reissue=True)
    tape.intent(RequestKind.AMEND, is_reissue=True)
    order.filled_outside, order.reported_filled, order.reported_time = 1, 2, 3
    order.cancel_retries, order.working_query_at, order.reported_end = 4, 5, OrderNews.CANCELED
    kept = msgspec.to_builtins(record_of(order))
    names = ("again", "elsewhere", "told_filled", "told_time", "cancels_again", "asked_working", "told_end", "is_again")
    assert [kept[name] for name in names] == [1, 1, 2, 3, 4, 5, "canceled", True]
    assert msgspec.to_builtins(record_of(order_of(msgspec.convert(kept, OrderRecord)))) == kept
