"""The dead man's switch: how often it is armed, and of what."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from onetape.gateway.core import DeadMan
from onetape.model import catalogue
from onetape.model.enums import OrderState, RequestKind, Side, TriggerBy, TriggerKind
from onetape.model.order import OrderSpec
from onetape.orders.calls import Purpose
from onetape.orders.managed import Request
from onetape.venues.kraken.trading import KrakenSpotProtocol
from orders.binance_manager import NOW, SECOND, Desk
from orders.surroundings import manager_at


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.place()
    return desk


def test_it_is_armed_again_while_a_third_of_its_time_is_left_twice(desk):
    dead_man, armed = DeadMan(desk.manager, 60 * SECOND), []
    for second in range(0, 61, 5):
        dead_man.arm(NOW + second * SECOND)
        armed += [second] * len(desk.take())
    assert armed == [0, 20, 40, 60]


def test_it_is_told_of_what_has_something_open_and_how_long_to_wait(desk):
    dead_man = DeadMan(desk.manager, 60 * SECOND)
    dead_man.arm(NOW)
    (call,) = desk.take()
    terms = parse_qs(urlsplit(call.target).query)
    assert call.purpose is Purpose.DEAD_MAN
    assert (terms["symbol"], terms["countdownTime"]) == (["BTCUSDT"], ["60000"])
    for order in list(desk.manager.open.values()):
        desk.manager.cancel(order, NOW)
        desk.answer(desk.row(order, state=order.state.CANCELED))
    dead_man.arm(NOW + 60 * SECOND)
    assert desk.take() == []


class Kraken:
    """A manager of two pairs, whose switch is the account's and takes stops along."""

    def __init__(self) -> None:
        self.pairs = [catalogue.find(f"kraken:{name}/USD") for name in ("BTC", "ETH")]
        protocol = KrakenSpotProtocol("k", "c2VjcmV0")
        protocol.set_instruments(self.pairs)
        self.manager = manager_at(protocol)
        self.dead_man = DeadMan(self.manager, 60 * SECOND)

    def place(self, number: int, **more) -> None:
        spec = OrderSpec(symbol=self.pairs[number].symbol, side=Side.BUY, size_int=10**6, price_int=10**6, **more)
        self.manager.submit(f"id-{number}", Request(1, RequestKind.PLACE, number + 1, spec), NOW)
        self.manager.calls.clear()
        self.manager.outs.clear()

    def armed(self, second: int) -> tuple[list[str], list[str]]:
        """The times that the venue hears, and what is said."""
        self.dead_man.arm(NOW + second * SECOND)
        calls, outs = list(self.manager.calls), [out.state.split(":")[0] for out in self.manager.outs]
        self.manager.calls.clear()
        self.manager.outs.clear()
        assert {call.purpose for call in calls} <= {Purpose.DEAD_MAN}
        return [parse_qs(call.body.decode())["timeout"][0] for call in calls], outs


def test_where_it_is_the_account_s_it_is_armed_once():
    kraken = Kraken()
    kraken.place(0)
    kraken.place(1)
    assert kraken.armed(0) == (["60"], [])


def test_where_it_takes_stops_along_it_is_off_at_once_while_one_rests_and_comes_back():
    kraken = Kraken()
    kraken.place(0)
    assert kraken.armed(0) == (["60"], [])
    kraken.place(1, trigger_int=10**6, trigger_by=TriggerBy.LAST, trigger_kind=TriggerKind.STOP)
    assert kraken.armed(1) == (["0"], ["off"])
    assert kraken.armed(2) == ([], [])
    assert kraken.armed(20) == (["0"], [])  # the answer to the first may have been lost
    stop = kraken.manager.orders["id-1"]
    stop.state = OrderState.CANCELED
    kraken.manager.account.close(stop)
    assert kraken.armed(21) == (["60"], ["armed"])


def test_where_stops_wait_in_a_service_of_their_own_it_stays_armed(desk):
    desk.place(trigger_int=10**6, trigger_by=TriggerBy.LAST, trigger_kind=TriggerKind.STOP)
    desk.take()
    DeadMan(desk.manager, 60 * SECOND).arm(NOW)
    (call,) = desk.take()
    assert parse_qs(urlsplit(call.target).query)["countdownTime"] == ["60000"]


def test_without_a_time_it_is_not_armed(desk):
    DeadMan(desk.manager, 0).arm(NOW)
    assert desk.take() == []
