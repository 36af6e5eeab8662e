"""Usual orders are written by a template and signed in the core: the same requests, to the byte, as Python makes."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from msgspec import structs

from onetape._core import HmacSha256, PlaceTemplate
from onetape.model import catalogue
from onetape.model.enums import OrderType, PositionSide, Side, TimeInForce, TriggerBy, TriggerKind
from onetape.model.ids import client_id
from onetape.model.order import OrderSpec
from onetape.orders.managed import spec_sent
from onetape.orders.order import Order
from onetape.venues.binance.order_session import BinanceOrderSession
from onetape.venues.binance.signing import socket_payload
from onetape.venues.binance.trading import BinanceUsdmProtocol
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue

PERP = "binance:BTC/USDT:USDT"
NOW = 1_795_000_000_123_456_789


def protocol_of(*, signs_late: bool) -> BinanceUsdmProtocol:
    protocol = BinanceUsdmProtocol("k" * 64, "s" * 64)
    instrument = catalogue.find(PERP)
    assert instrument is not None
    protocol.set_instruments([instrument])
    protocol.signs_late = signs_late
    return protocol


def any_order(rng: random.Random, symbol: str = PERP) -> Order:
    is_limit, terms = rng.random() < 0.8, dict[str, Any]()
    if is_limit:
        terms["tif"] = rng.choice(list(TimeInForce))
        terms["expire"] = NOW if terms["tif"] is TimeInForce.GTD else 0
        terms["post_only"] = rng.random() < 0.3
    terms["position_side"] = rng.choice(list(PositionSide))
    terms["reduce_only"] = rng.random() < 0.1
    if rng.random() < 0.1:
        terms |= {"trigger_int": 1, "trigger_by": TriggerBy.LAST, "trigger_kind": TriggerKind.STOP}
    spec = OrderSpec(
        symbol=symbol,
        side=rng.choice((Side.BUY, Side.SELL)),
        size_int=rng.choice((1, 10, 999, 1000, 123_456_789)),
        type=OrderType.LIMIT if is_limit else OrderType.MARKET,
        price_int=rng.choice((1, 9, 10, 600_000, 10**15)) if is_limit else 0,
        **terms,
    )
    order = Order(1, 1, spec, NOW, client_id("one", epoch=1, ordinal=rng.randint(1, 10**9)))
    if rng.random() < 0.1:  # what is left of it is placed again
        order.sent_at, order.size, order.away, order.sent_as = NOW, spec.size_int, 1, "Tagain"
    return order


@pytest.mark.parametrize("signs_late", [False, True])
def test_a_request_of_the_template_is_the_one_of_the_parameters(signs_late: bool) -> None:
    protocol, rng = protocol_of(signs_late=signs_late), random.Random(5)
    for number in range(1, 500):
        order = any_order(rng)
        made = protocol.place_order(order, NOW, number=number)
        slow = protocol.place(order.name, spec_sent(order), NOW)
        assert made._replace(terms=None) == slow._replace(number=number, terms=None)
        assert list(dict(made.terms or ()).items()) == list(dict(slow.terms or ()).items())


def test_a_request_of_the_socket_is_signed_as_its_parts_are() -> None:
    protocol, rng = protocol_of(signs_late=True), random.Random(6)
    session = BinanceOrderSession(protocol)
    for number in range(1, 300):
        order = any_order(rng)
        call = protocol.place_order(order, NOW, number=number)
        message = session.message(call, number, NOW)
        if message is None:
            continue
        params = {
            name: int(value) if name == "goodTillDate" else value for name, value in dict(call.terms or ()).items()
        }
        params |= {"apiKey": protocol.key, "recvWindow": 5000, "timestamp": NOW // 10**6}
        params["signature"] = protocol.signer.sign(socket_payload(params))
        method = {"/fapi/v1/order": "order.place", "/fapi/v1/algoOrder": "algoOrder.place"}[call.target]
        wanted = msgspec.json.encode({"id": number, "method": method, "params": params})
        assert message == wanted


@pytest.mark.parametrize("signs_late", [False, True])
@pytest.mark.parametrize(
    ("kind", "symbol"), [("bybit", "bybit:BTC/USDT:USDT"), ("okx", "okx:BTC/USDT:USDT"), ("okx", "okx:BTC/USDT")]
)
def test_a_body_of_the_template_says_what_that_of_the_parameters_says(kind: str, symbol: str, signs_late: bool) -> None:
    venue = open_trading_venue(
        kind, "k" * 36, "s" * 36, Addresses("http://x", "ws://x", "ws://x"), "word" * (kind == "okx")
    )
    protocol: Any = venue.protocol
    instrument = catalogue.find(symbol)
    assert instrument is not None
    protocol.set_instruments([structs.replace(instrument, venue_number=7)])
    protocol.signs_late = signs_late
    dialect, rng = venue.entry_dialect(""), random.Random(8)
    for number in range(1, 500):
        order = any_order(rng, symbol)
        made = protocol.place_order(order, NOW, number=number)
        slow = protocol.place(order.name, spec_sent(order), NOW)
        assert (made.purpose, made.target, made.subject, made.number) == (*slow[0:1], slow.target, slow.subject, number)
        sent, wanted = (protocol.signed(call, NOW) for call in (made, slow))
        assert msgspec.json.decode(sent.body) == msgspec.json.decode(wanted.body)
        assert sent.headers.keys() == wanted.headers.keys()
        if signs_late:
            said = [dialect.message(call, number, NOW) for call in (made, slow)]
            assert [each and msgspec.json.decode(each) for each in said[:1]] == [
                each and msgspec.json.decode(each) for each in said[1:]
            ]


def test_any_text_is_written_as_json_has_it() -> None:
    key = HmacSha256(b"secret")
    params = {"symbol": "币安人生USDT", "b": 'a"b\\c', "line": "a\nb\x01\x1f", "n": -5}
    message = key.socket_request(3, "order.place", params, {"timestamp": 7})
    signed = {**params, "timestamp": 7}
    signed["signature"] = key.hex(socket_payload(signed))
    assert msgspec.json.decode(message) == {"id": 3, "method": "order.place", "params": signed}


def test_a_table_of_words_that_says_nothing_of_an_order_is_refused() -> None:
    with pytest.raises(ValueError, match="a field that no order has"):
        PlaceTemplate([("x", "colour", {})])
