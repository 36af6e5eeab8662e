"""An operator's word on an order that stays UNKNOWN: taken as the venue's, and never a fill."""

from __future__ import annotations

import pytest

from onetape.model.enums import Liquidity, OrderNews, OrderState, PositionSide, RequestKind, Side
from onetape.model.errors import BadInput
from onetape.model.order import OrderSpec
from onetape.orders.calls import Purpose
from onetape.orders.managed import HealthOut, Request
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reconcile import Reconciler
from onetape.orders.reports import FillReport, OrderStatusReport
from onetape.orders.resolve import resolution_of
from orders.binance_manager import BTC, NOW, SECOND, SYMBOL, binance_manager, words


class World:
    """A manager with one order that nobody knows anything about."""

    def __init__(self) -> None:
        self.manager = binance_manager()
        spec = OrderSpec(symbol=SYMBOL, side=Side.BUY, size_int=10, price_int=600_000)
        request = Request(1, RequestKind.PLACE, 1, spec)
        self.order = self.manager.place_uncertain("id-1", request, NOW)

    def say(self, **said) -> None:
        self.manager.resolve(*resolution_of(self.manager, {SYMBOL: BTC}, {"order": "id-1"} | said), NOW)

    def fill(self, size: int, trade: int = 5) -> None:
        fill = FillReport(
            symbol=SYMBOL,
            client_id="",
            venue_id="77",
            trade_id=trade,
            side=Side.BUY,
            position_side=PositionSide.BOTH,
            price=600_000,
            size=size,
            time=NOW,
            fee=0,
            fee_currency="USDT",
            liquidity=Liquidity.MAKER,
        )
        self.manager.hear([fill], NOW, source="rest")

    def words(self) -> list[OrderNews]:
        return words(self.manager)[1:]


@pytest.fixture
def world() -> World:
    return World()


def test_closed_ends_it_and_frees_its_instrument(world):
    world.say(**{"as": "closed"})
    assert world.order.state is OrderState.CANCELED
    assert world.words() == [OrderNews.CANCELED]
    assert world.manager.unknown == []
    assert world.manager.booked == 0


def test_open_is_found_under_the_venue_s_id(world):
    world.say(**{"as": "open", "venue_id": "77"})
    assert (world.order.state, world.order.venue_id) == (OrderState.ACCEPTED, "77")
    world.fill(4)
    assert world.order.filled == 4
    assert world.order.state is OrderState.PARTIALLY_FILLED
    assert world.manager.account.resolved == set()


def test_what_works_may_be_filled_in_part(world):
    world.say(**{"as": "open", "filled": "0.004"}, venue_id="77")
    assert (world.order.state, world.order.reported_filled) == (OrderState.ACCEPTED, 4)
    world.fill(4)
    assert world.order.state is OrderState.PARTIALLY_FILLED


@pytest.mark.parametrize(
    ("said", "size", "ends"),
    [
        ({"as": "filled"}, 10, OrderState.FILLED),
        ({"as": "closed", "filled": "0.004"}, 4, OrderState.CANCELED),
        ({"as": "closed", "filled": "0.010"}, 10, OrderState.FILLED),
    ],
)
def test_what_was_filled_is_asked_for_and_not_invented(world, said, size, ends):
    world.say(**said, venue_id="77")
    assert world.order.is_open
    assert (world.manager.booked, world.manager.positions) == (0, {})
    world.manager.tick(NOW)
    assert Purpose.FILLS in [call.purpose for call in world.manager.calls]
    world.fill(size)
    assert world.order.state is ends
    assert world.manager.positions == {(SYMBOL, PositionSide.BOTH): size}


def test_fills_that_never_come_are_given_up_by_another_word(world):
    world.say(**{"as": "filled"})
    assert world.order.is_open
    world.say(**{"as": "closed"})
    assert world.order.state is OrderState.CANCELED


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"as": "gone"}, "settle takes"),
        ({"as": "closed", "price": "1"}, "settle takes"),
        ({"as": "closed", "order": "id-2"}, "no order of ours"),
        ({"as": "closed", "filled": "0.011"}, "filled must be"),
        ({"as": "open", "filled": "0.010"}, "filled must be"),
        ({"as": "closed", "filled": "some"}, "filled is no quantity"),
        ({"as": "closed", "note": "", "order": "id-2"}, "settle takes"),
    ],
)
def test_a_word_that_means_nothing_changes_nothing(world, said, why):
    with pytest.raises(BadInput, match=why):
        world.say(**said)
    assert world.words() == []


def test_what_is_not_in_doubt_is_not_settled(world):
    world.say(**{"as": "open"})
    with pytest.raises(BadInput, match="id-1 is ACCEPTED"):
        world.say(**{"as": "closed"})


def test_a_wrong_word_is_a_difference_at_the_next_reconciliation(world):
    world.say(**{"as": "closed"})
    manager, reconciler = world.manager, Reconciler(world.manager, [SYMBOL], is_new=False)
    now = NOW + SECOND
    reconciler.start(now, "test")
    row = OrderStatusReport(SYMBOL, "id-1", "77", OrderState.ACCEPTED, NOW, side=Side.BUY, size=10)
    while reconciler.is_running:
        calls, manager.calls = manager.calls, []
        for call in calls:
            reported = (row,) if call.purpose is Purpose.OPEN_ORDERS else ()
            reconciler.answered(call, Answer(Outcome.DONE, reported), now)
        now += SECOND
        reconciler.tick(now)
    assert [str(d) for d in reconciler.differences] == ["order id-1: ours CANCELED, by an operator, the venue's works"]
    assert [o.severity for o in manager.outs if isinstance(o, HealthOut)][-1] == "critical"


def test_nobody_settles_as_less_than_is_booked(world):
    world.say(**{"as": "filled"}, venue_id="77")
    world.fill(4)
    with pytest.raises(BadInput, match="filled must be"):
        world.say(**{"as": "closed", "filled": "0.003"})


def test_what_is_booked_may_be_all_that_was_filled(world):
    world.say(**{"as": "filled"}, venue_id="77")
    world.fill(4)
    world.say(**{"as": "closed", "filled": "0.004"})
    assert world.order.state is OrderState.CANCELED


def test_what_is_settled_is_asked_for_at_once_where_fills_are_missing(world):
    world.manager.tick(NOW)
    assert world.manager.next_due > NOW  # the question is under way
    world.say(**{"as": "filled"}, venue_id="77")
    assert world.manager.next_due == NOW


def test_an_order_whose_fills_never_come_may_be_settled(world):
    """It is known to have ended, so that it is unknown no longer, and open for ever."""
    world.say(**{"as": "open", "venue_id": "77"})
    row = OrderStatusReport(SYMBOL, "id-1", "77", OrderState.CANCELED, NOW, filled=6)
    world.manager.hear([row], NOW)
    assert not world.order.is_unknown
    world.say(**{"as": "closed"})
    assert world.order.state is OrderState.CANCELED


def test_an_order_of_other_hands_is_not_ours_to_settle(world):
    row = OrderStatusReport(SYMBOL, "web_1", "78", OrderState.ACCEPTED, NOW, side=Side.BUY, size=10)
    world.manager.hear([row], NOW)
    world.manager.orders["web_1"].state = OrderState.UNKNOWN
    with pytest.raises(BadInput, match="no order of ours"):
        world.say(**{"as": "closed", "order": "web_1"})


def test_of_an_order_that_was_filled_elsewhere_the_venue_has_the_rest(world):
    """4 of 10 inside, the rest placed again: what the operator sees there is 6."""
    world.order.filled = world.order.filled_outside = world.order.away = 4
    _, reported = resolution_of(world.manager, {SYMBOL: BTC}, {"order": "id-1", "as": "filled"})
    assert (reported.size, reported.filled) == (6, 6)


def test_a_conditional_order_that_works_is_one_still(world):
    world.order.conditional = True
    world.say(**{"as": "open"})
    assert world.order.conditional


def test_an_order_under_question_is_asked_for_anew_when_it_is_settled(world):
    world.manager.tick(NOW)
    world.manager.calls.clear()  # that question is never answered
    world.say(**{"as": "filled"}, venue_id="77")
    world.manager.tick(NOW)
    assert [call.purpose for call in world.manager.calls] == [Purpose.QUERY, Purpose.FILLS]
