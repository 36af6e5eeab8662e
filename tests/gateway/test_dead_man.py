"""The dead man's switch: how often it is armed, and of what."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from onetape.gateway.core import DeadMan
from onetape.model import catalogue
from onetape.model.enums import RequestKind, Side
from onetape.model.order import OrderSpec
from onetape.orders.calls import Purpose
from onetape.orders.managed import Request
from onetape.orders.manager import OrderManager
from onetape.venues.kraken.trading import KrakenSpotProtocol
from orders.binance_manager import NOW, SECOND, Desk


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


def test_where_it_is_the_account_s_it_is_armed_once():
    pairs = [catalogue.find(f"kraken:{name}/USD") for name in ("BTC", "ETH")]
    protocol = KrakenSpotProtocol("k", "c2VjcmV0")
    protocol.set_instruments(pairs)
    manager = OrderManager(protocol)
    for number, pair in enumerate(pairs, 1):
        spec = OrderSpec(symbol=pair.symbol, side=Side.BUY, size_int=10**6, price_int=10**6)
        manager.submit(f"id-{number}", Request(1, RequestKind.PLACE, number, spec), NOW)
    manager.calls.clear()
    DeadMan(manager, 60 * SECOND).arm(NOW)
    (call,) = manager.calls
    assert (call.purpose, b"timeout=60" in call.body) == (Purpose.DEAD_MAN, True)


def test_without_a_time_it_is_not_armed(desk):
    DeadMan(desk.manager, 0).arm(NOW)
    assert desk.take() == []
