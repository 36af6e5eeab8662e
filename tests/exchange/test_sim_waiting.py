"""The simulated exchange's orders that wait for a price in a book of their own."""

from __future__ import annotations

from typing import Any

import pytest
from test_sim_entry import BUY, SELL, Desk

from onetape.exchange.conditional import NewConditional
from onetape.model.enums import PositionSide, Side, TimeInForce, TriggerBy


@pytest.fixture
def desk() -> Desk:
    return Desk()


def waiting(desk: Desk, kind: str, side: Side, percent: float, **more: Any):
    terms = {
        "client_id": "w",
        "index": 0,
        "type": kind,
        "side": side,
        "position_side": PositionSide.BOTH,
        "size": 10,
        "price": 0,
        "trigger": desk.at(percent),
        "by": TriggerBy.LAST,
        "tif": TimeInForce.GTC,
        **more,
    }
    return desk.exchange.conditionals.place(desk.account, desk.now, NewConditional(**terms))


def glance(desk: Desk, value: int, by: TriggerBy = TriggerBy.LAST) -> None:
    """The market is at a price for a moment."""
    desk.now += 10**9
    desk.exchange.conditionals.on_price(0, by, value, desk.now)


def price(desk: Desk, value: int, by: TriggerBy = TriggerBy.LAST) -> None:
    """The same, and what follows from it has happened."""
    glance(desk, value, by)
    desk.now += 10**9
    desk.exchange.advance(desk.now)


@pytest.mark.parametrize(
    ("kind", "side", "percent", "fires"),
    [
        ("STOP_MARKET", BUY, 3, 1),
        ("STOP_MARKET", SELL, -3, -1),
        ("TAKE_PROFIT_MARKET", BUY, -3, -1),
        ("TAKE_PROFIT_MARKET", SELL, 3, 1),
    ],
)
def test_a_trigger_waits_in_its_direction_and_may_be_met_to_the_unit(desk, kind, side, percent, fires):
    order = waiting(desk, kind, side, percent)
    price(desk, order.trigger - fires)
    assert order.state == "NEW"
    price(desk, order.trigger, TriggerBy.MARK)  # not the price that it names
    assert order.state == "NEW"
    price(desk, order.trigger)
    assert order.state == "FINISHED"
    assert (order.child.client_id, order.child.filled) == ("w", 10)


@pytest.mark.parametrize(("side", "stop", "other"), [(SELL, -3, 2), (BUY, 3, -2)])
def test_of_a_stop_and_a_take_profit_in_one_order_the_first_that_is_met_is_sent(desk, side, stop, other):
    for percent, kind in ((stop, "STOP_MARKET"), (other, "TAKE_PROFIT_MARKET")):
        order = waiting(desk, "STOP_MARKET", side, stop, other_trigger=desk.at(other), client_id=f"w{percent}")
        glance(desk, desk.at(other) - (1 if other > 0 else -1))
        assert order.state == "NEW"
        price(desk, desk.at(percent))
        assert (order.state, order.type, order.trigger) == ("FINISHED", kind, desk.at(percent))


def test_a_trailing_stop_follows_the_best_price_from_its_activation_on(desk):
    order = waiting(desk, "TRAILING_STOP_MARKET", SELL, 0, activate=desk.at(3), callback=100)
    glance(desk, desk.at(2))
    assert not order.activated
    for percent in (3, 5, 4.5):
        glance(desk, desk.at(percent))
    assert order.trigger == desk.at(5) * 99 // 100
    assert order.state == "NEW"
    price(desk, order.trigger)
    assert order.state == "FINISHED"


@pytest.mark.parametrize("held", [0, 7, 20, -7])  # the order itself names 10
def test_what_closes_a_position_closes_what_is_held_then(desk, held):
    order = waiting(desk, "STOP_MARKET", SELL, -3, close_position=True)
    if held:
        desk.place(BUY if held > 0 else SELL, abs(held))
    price(desk, order.trigger)
    assert order.state == ("FINISHED" if held > 0 else "EXPIRED")
    assert desk.account.qty(0) == min(held, 0)


def test_what_was_to_close_a_position_goes_with_it(desk):
    desk.place(BUY, 7)
    order = waiting(desk, "STOP_MARKET", SELL, -3, close_position=True)
    desk.place(SELL, 7)
    assert order.state == "EXPIRED"


def test_what_is_to_close_a_position_stays_while_a_part_is_held(desk):
    desk.place(BUY, 7)
    order = waiting(desk, "STOP_MARKET", SELL, -3, close_position=True)
    desk.place(SELL, 3)
    assert order.state == "NEW"


def test_a_child_that_is_refused_ends_the_waiting_order(desk):
    order = waiting(desk, "STOP_MARKET", BUY, 3, size=10**9)
    price(desk, order.trigger)
    assert (order.state, bool(order.reason)) == ("REJECTED", True)


def test_an_order_that_waits_expires_and_its_child_ends_with_it(desk):
    order = waiting(desk, "STOP_MARKET", BUY, 3, expire=desk.now + 10**9)
    desk.exchange.advance(desk.now + 2 * 10**9)
    assert order.state == "EXPIRED"
    desk.now += 3 * 10**9
    limit = waiting(desk, "STOP", BUY, 3, price=desk.at(-3), client_id="v")
    price(desk, limit.trigger)
    assert limit.state == "TRIGGERED"
    desk.exchange.orders.cancel(desk.account, limit.child, desk.now)
    assert limit.state == "TRIGGERED"  # the service hears of it some time later
    desk.exchange.advance(desk.exchange.now + 10**9)
    assert limit.state == "FINISHED"


def test_what_has_ended_otherwise_is_not_finished_later(desk):
    order = waiting(desk, "STOP", BUY, 3, price=desk.at(-3))
    price(desk, order.trigger)
    desk.exchange.orders.cancel(desk.account, order.child, desk.now)
    desk.exchange.conditionals.cancel(order, desk.now)
    desk.exchange.advance(desk.exchange.now + 10**9)
    assert order.state == "CANCELED"
