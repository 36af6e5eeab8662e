"""Binance USD-M: an account's requests term by term, what answers mean, what the stream tells."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from onetape.model import catalogue
from onetape.model.enums import (
    Liquidity,
    OrderNews,
    OrderState,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
    TriggerBy,
    TriggerKind,
)
from onetape.model.errors import InvariantViolation
from onetape.model.order import OrderSpec
from onetape.orders.calls import Call, OrderKey, Purpose
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import (
    AccountModeReport,
    BalanceReport,
    FillReport,
    OrderStatusReport,
    PositionReport,
    StreamReport,
)
from onetape.venues.binance.errors import ERRORS
from onetape.venues.binance.trading import BinanceUsdmProtocol

SECOND = 1_000_000_000
MS = 1_000_000
NOW = 1_795_000_000 * SECOND
AT = NOW // MS
SYMBOL = "binance:BTC/USDT:USDT"
KEY = OrderKey(SYMBOL, "id-1")
STOP: dict[str, Any] = {"trigger_int": 610_000, "trigger_by": TriggerBy.LAST, "trigger_kind": TriggerKind.STOP}
MARKET: dict[str, Any] = {"type": OrderType.MARKET, "price_int": 0}


@pytest.fixture
def protocol() -> BinanceUsdmProtocol:
    made = BinanceUsdmProtocol("k", "s")
    made.set_instruments([catalogue.find(SYMBOL)])
    return made


def spec(**more: Any) -> OrderSpec:
    return OrderSpec(**{"symbol": SYMBOL, "side": Side.BUY, "size_int": 10, "price_int": 600_000, **more})


def terms(call: Call) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(call.target).query))


def place(protocol, *, reference: int = 0, **more: Any) -> Call:
    return protocol.place("id-1", spec(**more), NOW, reference=reference)


def answer(protocol, call: Call, value: Any, status: int = 200, **headers: str) -> Answer:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return protocol.answer(call, status, headers, body, NOW)


# --- requests -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "sent"),
    [
        ({}, {"type": "LIMIT", "timeInForce": "GTC", "price": "60000.0", "quantity": "0.010"}),
        ({"post_only": True}, {"timeInForce": "GTX"}),
        ({"tif": TimeInForce.IOC}, {"timeInForce": "IOC"}),
        (
            {"tif": TimeInForce.GTD, "expire": NOW + 700 * SECOND},
            {"timeInForce": "GTD", "goodTillDate": str(AT + 700_000)},
        ),
        (MARKET, {"type": "MARKET", "side": "BUY", "newClientOrderId": "id-1"}),
        ({"reduce_only": True}, {"reduceOnly": "true"}),
        ({"position_side": PositionSide.LONG}, {"positionSide": "LONG"}),
        (STOP, {"algoType": "CONDITIONAL", "clientAlgoId": "id-1", "triggerPrice": "61000.0"}),
        (STOP, {"workingType": "CONTRACT_PRICE", "type": "STOP"}),
        ({**STOP, "trigger_by": TriggerBy.MARK}, {"workingType": "MARK_PRICE"}),
        ({**STOP, **MARKET}, {"type": "STOP_MARKET"}),
    ],
)
def test_an_order_in_the_venue_s_words(protocol, more, sent):
    call = place(protocol, **more)
    assert sent.items() <= terms(call).items()
    apart = "trigger_by" in more
    assert urlsplit(call.target).path == ("/fapi/v1/algoOrder" if apart else "/fapi/v1/order")
    assert call.subject == OrderKey(SYMBOL, "id-1", apart)


@pytest.mark.parametrize("reference", [0, 600_000, 620_000])  # none, below and above the trigger
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
@pytest.mark.parametrize(
    ("kind", "as_market", "word"),
    [
        (TriggerKind.STOP, {}, "STOP"),
        (TriggerKind.STOP, MARKET, "STOP_MARKET"),
        (TriggerKind.TAKE_PROFIT, {}, "TAKE_PROFIT"),
        (TriggerKind.TAKE_PROFIT, MARKET, "TAKE_PROFIT_MARKET"),
    ],
)
def test_a_trigger_is_of_the_kind_it_says_whatever_the_price(protocol, kind, as_market, word, side, reference):
    more = {**STOP, **as_market, "trigger_kind": kind, "side": side}
    sent = terms(place(protocol, reference=reference, **more))
    assert (sent["type"], sent["side"]) == (word, side.upper())


def test_a_trigger_without_a_kind_is_not_sent(protocol):
    with pytest.raises(InvariantViolation, match="a trigger without its kind"):
        place(protocol, reference=600_000, **STOP | {"trigger_kind": TriggerKind.NONE})


def test_each_request_has_a_window_in_which_it_is_taken(protocol):
    sent = terms(place(protocol))
    assert (sent["recvWindow"], sent["timestamp"]) == ("5000", str(AT))


@pytest.mark.parametrize("is_conditional", [False, True])
def test_an_order_is_asked_for_and_canceled_where_it_is(protocol, is_conditional):
    key = KEY._replace(conditional=is_conditional)
    for call, method in ((protocol.query(key, NOW), "GET"), (protocol.cancel(key, NOW), "DELETE")):
        path, sent = urlsplit(call.target).path, terms(call)
        assert call.method == method
        if is_conditional:
            assert (path, sent["clientAlgoId"]) == ("/fapi/v1/algoOrder", "id-1")
        else:
            assert (path, sent["origClientOrderId"]) == ("/fapi/v1/order", "id-1")


def test_both_lists_of_working_orders_are_asked_for(protocol):
    calls = protocol.open_orders(NOW)
    assert [(c.purpose, urlsplit(c.target).path) for c in calls] == [
        (Purpose.OPEN_ORDERS, "/fapi/v1/openOrders"),
        (Purpose.OPEN_CONDITIONALS, "/fapi/v1/openAlgoOrders"),
    ]


def test_the_dead_man_s_time_is_in_milliseconds(protocol):
    assert terms(protocol.dead_man(SYMBOL, NOW, after=30 * SECOND))["countdownTime"] == "30000"


# --- what an answer proves ------------------------------------------------------------------------

UNKNOWN_503 = "Unknown error, please check your request or try again later."


@pytest.mark.parametrize(
    ("status", "value", "outcome"),
    [
        (200, {"code": -2010, "msg": ""}, Outcome.DEFINITIVE),  # an error, whatever its status
        (400, {"code": -2019, "msg": "Margin is insufficient."}, Outcome.DEFINITIVE),
        (400, {"code": -9876, "msg": "Nobody has seen this"}, Outcome.AMBIGUOUS),
        (400, b"<html>", Outcome.AMBIGUOUS),
        (403, b"", Outcome.AMBIGUOUS),
        (408, {"code": -1007, "msg": "Timeout"}, Outcome.AMBIGUOUS),
        (408, {"code": -2010, "msg": ""}, Outcome.AMBIGUOUS),
        (418, {"code": -1003, "msg": "banned"}, Outcome.SAFE),
        (429, {"code": -1003, "msg": "too many"}, Outcome.SAFE),
        (429, b"", Outcome.SAFE),
        (500, {"code": -2010, "msg": ""}, Outcome.AMBIGUOUS),
        (502, b"<html>", Outcome.AMBIGUOUS),
        (503, {"msg": UNKNOWN_503}, Outcome.AMBIGUOUS),
        (503, {"msg": "Service Unavailable."}, Outcome.SAFE),
        (503, {"code": -1008, "msg": ERRORS[-1008].text}, Outcome.SAFE),
        (503, {"msg": "Something that nobody has seen"}, Outcome.AMBIGUOUS),
        (503, b"", Outcome.AMBIGUOUS),
        (200, b"", Outcome.AMBIGUOUS),
        (200, {}, Outcome.AMBIGUOUS),
        (200, [], Outcome.AMBIGUOUS),
    ],
)
def test_what_an_answer_to_a_placing_proves(protocol, status, value, outcome):
    found = answer(protocol, place(protocol), value, status)
    assert (found.outcome, found.not_found) == (outcome, False)


def test_the_venue_s_wait_is_that_of_the_answer(protocol):
    found = answer(protocol, place(protocol), {}, 429, **{"retry-after": "7"})
    assert found.retry_after == 7 * SECOND


@pytest.mark.parametrize("code", [-2011, -2013])
def test_an_order_that_is_not_there_is_not_found_unless_it_was_being_placed(protocol, code):
    said = {"code": code, "msg": "Unknown order sent."}
    assert answer(protocol, protocol.cancel(KEY, NOW), said, 400).not_found
    assert answer(protocol, protocol.query(KEY, NOW), said, 400).not_found
    assert not answer(protocol, place(protocol), said, 400).not_found


@pytest.mark.parametrize(
    ("value", "outcome"),
    [({"code": "200", "msg": "success"}, Outcome.DONE), ({"code": "201"}, Outcome.AMBIGUOUS), ({}, Outcome.AMBIGUOUS)],
)
def test_only_200_says_that_a_conditional_order_is_canceled(protocol, value, outcome):
    call = protocol.cancel(KEY._replace(conditional=True), NOW)
    assert answer(protocol, call, value).outcome is outcome


# --- rows -----------------------------------------------------------------------------------------


def order_row(**more: Any) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "clientOrderId": "id-1",
        "orderId": 77,
        "status": "PARTIALLY_FILLED",
        "updateTime": AT,
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "price": "60000.0",
        "origQty": "0.010",
        "executedQty": "0.004",
        "positionSide": "BOTH",
        "reduceOnly": True,
        **more,
    }


def trade_row(number: int, **more: Any) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "orderId": 77,
        "id": number,
        "side": "BUY",
        "positionSide": "BOTH",
        "price": "60000.0",
        "qty": "0.001",
        "time": AT,
        "commission": "0.03",
        "commissionAsset": "BNB",
        "maker": True,
        **more,
    }


def test_a_row_of_an_order_is_read_as_it_says(protocol):
    (found,) = answer(protocol, protocol.query(KEY, NOW), order_row()).reports
    assert found == OrderStatusReport(
        SYMBOL,
        "id-1",
        "77",
        OrderState.PARTIALLY_FILLED,
        NOW,
        side=Side.BUY,
        price=600_000,
        size=10,
        filled=4,
        reduce_only=True,
    )


@pytest.mark.parametrize(
    ("status", "state"),
    [("NEW", OrderState.ACCEPTED), ("EXPIRED_IN_MATCH", OrderState.CANCELED), ("SOMETHING_NEW", OrderState.UNKNOWN)],
)
def test_a_state_that_nobody_knows_is_unknown(protocol, status, state):
    (found,) = answer(protocol, protocol.query(KEY, NOW), order_row(status=status)).reports
    assert found.state is state


def test_orders_of_symbols_that_are_not_traded_are_not_read(protocol):
    call, _ = protocol.open_orders(NOW)
    rows = [order_row(), order_row(symbol="ETHUSDT", orderId=78)]
    assert [t.venue_id for t in answer(protocol, call, rows).reports] == ["77"]


@pytest.mark.parametrize(
    ("row", "reported"),
    [
        ({}, ("1000000123", True, OrderState.ACCEPTED)),
        ({"actualOrderId": ""}, ("1000000123", True, OrderState.ACCEPTED)),
        ({"algoStatus": "TRIGGERED", "actualOrderId": "88"}, ("88", False, OrderState.TRIGGERED)),
        ({"algoStatus": "CANCELED"}, ("1000000123", True, OrderState.CANCELED)),
    ],
)
def test_a_conditional_order_that_has_fired_is_what_it_sent(protocol, row, reported):
    _, call = protocol.open_orders(NOW)
    full = {
        "symbol": "BTCUSDT",
        "clientAlgoId": "id-1",
        "algoId": 1000000123,
        "algoStatus": "NEW",
        "updateTime": AT,
        "side": "BUY",
        "orderType": "STOP_MARKET",
        "price": "",
        "quantity": "0.010",
        "triggerPrice": "61000.0",
        "positionSide": "BOTH",
        "reduceOnly": False,
        **row,
    }
    (found,) = answer(protocol, call, [full]).reports
    assert (found.venue_id, found.conditional, found.state) == reported
    assert (found.trigger, found.type) == (610_000, OrderType.MARKET)


@pytest.mark.parametrize(("count", "cursor"), [(0, ""), (999, ""), (1000, "1001")])
def test_a_full_page_of_fills_is_not_the_last_and_the_next_begins_after_it(protocol, count, cursor):
    call = protocol.fills(SYMBOL, NOW, since=NOW - SECOND)
    assert (terms(call)["limit"], terms(call)["startTime"]) == ("1000", str(AT - 1000))
    found = answer(protocol, call, [trade_row(number) for number in range(1, count + 1)])
    assert (len(found.reports), found.cursor) == (count, cursor)
    if cursor:
        sent = terms(protocol.fills(SYMBOL, NOW, since=0, cursor=cursor))
        assert (sent["fromId"], "startTime" in sent) == (cursor, False)


def test_fills_of_long_ago_are_asked_for_in_weeks(protocol):
    """The venue gives seven days from a start on: what came after them would never be read."""
    week = 7 * 86_400_000
    call = protocol.fills(SYMBOL, NOW, since=NOW - 16 * 86_400 * SECOND)
    spans = []
    while True:
        sent = terms(call)
        spans.append((int(sent["startTime"]) - AT, int(sent.get("endTime", AT)) - AT))
        if not (cursor := answer(protocol, call, [trade_row(len(spans))]).cursor):
            break
        call = protocol.fills(SYMBOL, NOW, since=0, cursor=cursor)
    days = 86_400_000
    assert spans == [(-16 * days, -9 * days), (-9 * days, -2 * days), (-2 * days, 0)]
    full = answer(protocol, protocol.fills(SYMBOL, NOW, since=1), [trade_row(n) for n in range(1, 1001)])
    assert terms(protocol.fills(SYMBOL, NOW, since=0, cursor=full.cursor))["fromId"] == "1001"
    begun = terms(protocol.fills(SYMBOL, NOW, since=1))
    assert (AT - int(begun["startTime"]), int(begun["endTime"]) - int(begun["startTime"])) == (89 * days, week)


def test_a_fill_has_its_fee_in_its_currency_and_says_who_made_the_price(protocol):
    call = protocol.fills(SYMBOL, NOW, since=NOW)
    rows = [trade_row(1), trade_row(2, maker=False)]
    one, two = answer(protocol, call, rows).reports
    assert (one.fee, one.fee_currency, one.size, one.client_id) == (3 * 10**16, "BNB", 1, "")
    assert (one.liquidity, two.liquidity) == (Liquidity.MAKER, Liquidity.TAKER)


@pytest.mark.parametrize("amount", ["0.010", "-0.010"])
def test_a_position_is_signed(protocol, amount):
    row = {"symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": amount}
    rows = [row, {**row, "symbol": "ETHUSDT"}]
    (found,) = answer(protocol, protocol.positions(NOW), rows).reports
    assert found == PositionReport(SYMBOL, PositionSide.BOTH, int(float(amount) * 1000), NOW)


@pytest.mark.parametrize("key", range(4))
def test_how_an_account_is_set_is_what_it_says(protocol, key):
    words = ("dualSidePosition", "multiAssetsMargin", "canTrade", "canWithdraw")
    value = {word: number == key for number, word in enumerate(words)}
    (found,) = answer(protocol, protocol.modes(NOW), value).reports
    assert found == AccountModeReport(*value.values())


# --- the stream -----------------------------------------------------------------------------------


def event(**more: Any) -> bytes:
    order = {
        "s": "BTCUSDT", "c": "id-1", "S": "BUY", "o": "LIMIT", "f": "GTC", "q": "0.010",
        "p": "60000.0", "x": "NEW", "X": "NEW", "i": 77, "l": "0", "z": "0", "L": "0", "n": None,
        "N": None, "T": AT, "t": 0, "m": False, "R": False, "ps": "BOTH", **more,
    }  # fmt: skip
    return json.dumps({"e": "ORDER_TRADE_UPDATE", "o": order}).encode()


def test_a_fill_is_told_before_its_order_with_its_fee(protocol):
    text = event(x="TRADE", X="PARTIALLY_FILLED", l="0.004", z="0.006", L="59999.9", n="0.02", N="BNB", t=9, m=True)
    fill, order = protocol.reports_of(text)
    assert isinstance(fill, FillReport)
    assert (fill.trade_id, fill.size, fill.price) == (9, 4, 599_999)
    assert (fill.fee, fill.fee_currency, fill.liquidity) == (2 * 10**16, "BNB", Liquidity.MAKER)
    assert (order.filled, order.news, order.state) == (6, None, OrderState.PARTIALLY_FILLED)


@pytest.mark.parametrize(
    ("words", "news", "state"),
    [
        ({}, OrderNews.ACCEPTED, OrderState.ACCEPTED),
        ({"x": "CANCELED", "X": "CANCELED"}, OrderNews.CANCELED, OrderState.CANCELED),
        ({"x": "EXPIRED", "X": "EXPIRED"}, OrderNews.EXPIRED, OrderState.EXPIRED),
        ({"x": "EXPIRED", "X": "EXPIRED_IN_MATCH"}, OrderNews.CANCELED, OrderState.CANCELED),
        ({"x": "AMENDMENT", "X": "NEW"}, OrderNews.UPDATED, OrderState.ACCEPTED),
    ],
)
def test_what_happens_to_an_order_is_news(protocol, words, news, state):
    (found,) = protocol.reports_of(event(**words))
    assert (found.news, found.state, found.time) == (news, state, NOW)


def test_a_liquidation_that_is_announced_is_not_done_yet(protocol):
    assert protocol.reports_of(event(x="CALCULATED", X="NEW", c="autoclose-1")) == []


def algo(**more: Any) -> bytes:
    order = {
        "s": "BTCUSDT",
        "caid": "id-1",
        "aid": 123,
        "X": "NEW",
        "S": "BUY",
        "o": "STOP_MARKET",
        "p": "0",
        "q": "0.010",
        "tp": "61000.0",
        "ps": "BOTH",
        "R": False,
        "ai": "",
        **more,
    }
    return json.dumps({"e": "ALGO_UPDATE", "T": AT - 3, "E": AT, "o": order}).encode()


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        ({}, ("123", True, OrderNews.ACCEPTED)),
        ({"X": "TRIGGERED", "ai": "88"}, ("88", False, OrderNews.TRIGGERED)),
        ({"X": "REJECTED", "rm": "why"}, ("123", True, OrderNews.REJECTED)),
    ],
)
def test_a_conditional_order_is_told_by_the_earlier_of_its_times(protocol, words, reported):
    (found,) = protocol.reports_of(algo(**words))
    assert (found.venue_id, found.conditional, found.news) == reported
    assert (found.time, found.trigger) == (NOW - 3 * MS, 610_000)


@pytest.mark.parametrize("word", ["TRIGGERING", "FINISHED"])
def test_a_trigger_that_is_firing_is_told_of_the_order_that_it_sends(protocol, word):
    assert protocol.reports_of(algo(X=word)) == []


def test_a_balance_is_the_wallet_s_and_a_position_is_signed(protocol):
    value = {
        "e": "ACCOUNT_UPDATE",
        "T": AT,
        "a": {
            "m": "ORDER",
            "B": [{"a": "USDT", "wb": "100.5", "cw": "90.0", "bc": "0"}],
            "P": [{"s": "BTCUSDT", "pa": "-0.010", "ps": "BOTH"}],
        },
    }
    balance, position = protocol.reports_of(json.dumps(value).encode())
    assert balance == BalanceReport("USDT", 1005 * 10**17, NOW)
    assert position == PositionReport(SYMBOL, PositionSide.BOTH, -10, NOW)


def test_a_key_that_has_expired_is_said(protocol):
    assert protocol.reports_of(b'{"e":"listenKeyExpired"}') == [StreamReport("expired")]
