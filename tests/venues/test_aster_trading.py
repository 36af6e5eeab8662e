"""Aster's answers and events: refusals in words, and trailing stops that somebody placed by hand."""

from __future__ import annotations

import json

import pytest

from exchange.aster.test_aster_exchange import BTC, ORDER, AsterClient, bid
from exchange.venue_client import Virtual, heard, ok
from onetape.model.enums import OrderNews, OrderState, Side
from onetape.model.errors import BadSignature, ClockSkew, OrderBelowMinNotional, OrderOutcomeUnknown, PermissionDenied
from onetape.model.time import DAY
from onetape.orders.calls import OrderKey
from onetape.orders.outcome import Outcome
from onetape.venues.aster.family import ASTER
from onetape.venues.binance.instruments import instruments_of
from onetape.venues.binance.trading import BinanceUsdmProtocol

NOW = 1_795_000_000_000_000_000


@pytest.fixture
def venue():
    return Virtual("aster")


@pytest.fixture
def protocol(venue):
    account = venue.dialect.exchange.accounts[0]
    made = BinanceUsdmProtocol(account.key, account.secret, ASTER)
    info = venue.request("GET", "/fapi/v1/exchangeInfo", b"", {})[1]
    made.set_instruments(instruments_of(info, frozenset({"aster:BTC/USDT:USDT"}), "aster"))
    return made


@pytest.mark.parametrize(
    ("code", "text", "outcome", "error"),
    [
        (-1000, "Signature check failed", Outcome.DEFINITIVE, BadSignature),
        (-1000, "No agent found.", Outcome.DEFINITIVE, PermissionDenied),
        (-1000, "An unknown error occurred.", Outcome.AMBIGUOUS, OrderOutcomeUnknown),
        (-4225, "Nonce Expired", Outcome.AMBIGUOUS, ClockSkew),
        (-5050, "", Outcome.DEFINITIVE, PermissionDenied),
        (-5076, "Total order value should be more than 5 USDT", Outcome.DEFINITIVE, OrderBelowMinNotional),
    ],
)
def test_a_refusal_of_its_own_says_what_became_of_the_order(protocol, code, text, outcome, error):
    call = protocol.cancel(OrderKey("aster:BTC/USDT:USDT", "a"), NOW)
    answer = protocol.answer(call, 400, {}, json.dumps({"code": code, "msg": text}).encode(), NOW)
    assert (answer.outcome, answer.code) == (outcome, error.code)


def test_a_fill_is_read_however_long_ago_the_last_one_was(venue, protocol):
    account = venue.dialect.exchange.accounts[0]
    client = AsterClient(venue, account.secret)
    ok(client.ask("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010"))
    call, found = protocol.fills("aster:BTC/USDT:USDT", venue.now(), since=venue.now() - 30 * DAY), []
    for _ in range(9):
        status, body, headers = venue.request(call.method, call.target, call.body, call.headers)
        answer = protocol.answer(call, status, headers, json.dumps(body).encode(), venue.now())
        found += answer.reports
        if not answer.cursor:
            break
        call = protocol.fills("aster:BTC/USDT:USDT", venue.now(), since=0, cursor=answer.cursor)
    assert [report.trade_id for report in found] == [trade.fill.trade_id for trade in account.trades] != []


def test_a_trailing_stop_by_hand_is_an_order_that_waits_and_then_fires(venue, protocol):
    client = AsterClient(venue, venue.dialect.exchange.accounts[0].secret)
    key = ok(client.ask("POST", "/fapi/v3/listenKey"))["listenKey"]
    connection = venue.connect(f"/ws/{key}")
    terms = {"side": "SELL", "type": "TRAILING_STOP_MARKET", "quantity": "0.010", "callbackRate": "0.1"}
    ok(client.ask("POST", ORDER, **BTC, **terms, newClientOrderId="hand"))
    rows = json.dumps(ok(client.ask("GET", "/fapi/v3/openOrders"))).encode()
    (report,) = protocol.answer(protocol.open_orders(NOW)[0], 200, {}, rows, NOW).reports
    assert (report.client_id, report.side, report.state, report.waits) == ("hand", Side.SELL, OrderState.ACCEPTED, True)
    assert report.trigger < bid(venue) * 10
    for _ in range(3000):
        venue.wait(1)
        if ok(client.ask("GET", ORDER, **BTC, origClientOrderId="hand"))["status"] == "FILLED":
            break
    reports = [each for event in heard(connection) for each in protocol.reports_of(json.dumps(event).encode())]
    news = [each.news for each in reports if getattr(each, "news", None) is not None]
    assert news == [OrderNews.ACCEPTED, OrderNews.TRIGGERED]
