"""Bybit for a gateway: what is asked, what answers mean, what the account's topics tell. Bodies are those of the
venue's documentation, and recorded ones."""

from __future__ import annotations

import json
import uuid
from decimal import Decimal

import pytest

from onetape._core import Book
from onetape.model.enums import (
    Kind,
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
from onetape.model.errors import (
    AccountMode,
    BadSignature,
    ClockSkew,
    DuplicateClientId,
    InsufficientFunds,
    OrderBelowMinNotional,
    OrderOutcomeUnknown,
    OrderWouldCross,
    ReduceOnlyViolated,
    VenueRateLimit,
)
from onetape.model.ids import client_id
from onetape.model.order import OrderSpec
from onetape.model.time import DAY, MINUTE, SECOND
from onetape.orders.calls import OrderKey, Purpose, TransferRoute
from onetape.orders.order import Order
from onetape.orders.outcome import Outcome
from onetape.orders.reports import AccountModeReport, MoveKind
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.venues.bybit.adapter import ADAPTER
from onetape.venues.bybit.market import live_market, unified
from onetape.venues.bybit.signing import signed_headers
from onetape.venues.contract import Addresses, joined
from onetape.venues.open import open_trading_venue
from onetape.venues.order_entry import EntrySession

MS = 1_000_000
NOW = 1_795_000_000_123 * MS
BTC, SPOT, COIN = "bybit:BTC/USDT:USDT", "bybit:BTC/USDT", "bybit:BTC/USD:BTC"
OURS = client_id("mm", epoch=3, ordinal=77)
UUID = "8c065341-7b52-4ca9-ac2c-37e31ac55c94"
ROW = {
    "symbol": "BTCUSDT",
    "contractType": "LinearPerpetual",
    "status": "Trading",
    "baseCoin": "BTC",
    "quoteCoin": "USDT",
    "settleCoin": "USDT",
    "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
    "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.80", "tickSize": "0.10"},
    "lotSizeFilter": {
        "maxOrderQty": "1190.000",
        "minOrderQty": "0.001",
        "qtyStep": "0.001",
        "maxMktOrderQty": "500.000",
        "minNotionalValue": "5",
    },
    "fundingInterval": 480,
}
ORDER = {
    "category": "linear",
    "symbol": "BTCUSDT",
    "orderId": UUID,
    "orderLinkId": OURS,
    "side": "Buy",
    "orderType": "Limit",
    "orderStatus": "New",
    "cancelType": "UNKNOWN",
    "rejectReason": "EC_NoError",
    "timeInForce": "GTC",
    "price": "60000.10",
    "qty": "0.010",
    "cumExecQty": "0.000",
    "reduceOnly": False,
    "closeOnTrigger": False,
    "positionIdx": 0,
    "triggerPrice": "",
    "triggerDirection": 0,
    "stopOrderType": "",
    "createdTime": "1795000000000",
    "updatedTime": "1795000000000",
}


def said(result, code=0, **more):
    if "list" in result:
        result = {"category": "linear", **result}
    body = {"retCode": code, "retMsg": "OK" if not code else "why", "result": result, "retExtInfo": {}, **more}
    return json.dumps({"time": NOW // MS, **body}).encode()


INVERSE_ROW = {
    **ROW,
    "symbol": "BTCUSD",
    "contractType": "InversePerpetual",
    "quoteCoin": "USD",
    "settleCoin": "BTC",
    "priceFilter": {"minPrice": "0.5", "maxPrice": "999999", "tickSize": "0.5"},
    "lotSizeFilter": {"maxOrderQty": "25000000", "minOrderQty": "1", "qtyStep": "1"},
}
SPOT_ROW = {
    "symbol": "BTCUSDT",
    "baseCoin": "BTC",
    "quoteCoin": "USDT",
    "status": "Trading",
    "lotSizeFilter": {
        "basePrecision": "0.000001",
        "quotePrecision": "0.0000001",
        "minOrderQty": "0.000011",
        "maxOrderQty": "83",
        "maxLimitOrderQty": "83",
        "maxMarketOrderQty": "41.5",
        "minOrderAmt": "5",
    },
    "priceFilter": {"tickSize": "0.1"},
}


def lists(linear, spot=(), inverse=()):
    """The answers to the requests of instruments."""
    return joined([said({"list": list(rows)}) for rows in (linear, spot, inverse)])


@pytest.fixture
def venue():
    made = open_trading_venue("bybit", "KEY", "secret", Addresses("http://127.0.0.1:1", "ws://a", "ws://a"))
    others = {**ROW, "symbol": "BTCPERP", "settleCoin": "USDC"}
    made.instruments_of(lists([ROW, others], [SPOT_ROW]), frozenset())
    return made


@pytest.fixture
def payloads(shared):
    return shared / "payloads" / "bybit"


@pytest.fixture
def protocol(venue):
    return venue.protocol


def spec(**changes):
    terms = {"symbol": BTC, "side": Side.BUY, "size_int": 10, "price_int": 600001, "tif": TimeInForce.GTC}
    return OrderSpec(**{**terms, **changes})


def body(call):
    return json.loads(call.body)


# --- signatures -----------------------------------------------------------------------------------


def test_a_signature_is_over_time_key_window_and_what_is_sent():
    """The vector was computed from the documentation's text: time, key and window before the query."""
    at = 1658384314791 * MS
    sent = b"category=option&symbol=BTC-29JUL22-25000-C"
    headers = signed_headers("XXXXXXXXXX", "secret", sent, at)
    assert headers["X-BAPI-SIGN"] == "02e9182e346177050f199ce1e0703d738589e3763805ed71590ced65539a73a7"
    assert headers["X-BAPI-TIMESTAMP"] == "1658384314791" and headers["X-BAPI-RECV-WINDOW"] == "5000"


# --- instruments ----------------------------------------------------------------------------------


def test_a_contract_has_the_venues_rules_and_others_are_left_out(venue):
    (i,) = venue.instruments_of(lists([ROW, {**ROW, "status": "PreLaunch"}]), frozenset())
    assert (i.symbol, i.raw_symbol, i.tick, i.lot) == (BTC, "BTCUSDT", Decimal("0.1"), Decimal("0.001"))
    assert (i.size_max, i.notional_min, i.leverage) == (1190, 5, 100)
    assert (i.maintenance_rate, i.funding_interval) == (Decimal("0.005"), 480 * MINUTE)
    assert i.kind is Kind.LINEAR and i.defaulted == ("maker_fee", "taker_fee")
    assert venue.instruments_of(lists([ROW]), frozenset({"bybit:ETH/USDT:USDT"})) == []


# --- requests -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "terms"),
    [
        ({}, {"orderType": "Limit", "price": "60000.1", "timeInForce": "GTC", "positionIdx": 0}),
        ({"post_only": True}, {"timeInForce": "PostOnly"}),
        ({"tif": TimeInForce.IOC}, {"timeInForce": "IOC"}),
        ({"type": OrderType.MARKET, "price_int": 0}, {"orderType": "Market"}),
        ({"reduce_only": True}, {"reduceOnly": True}),
        ({"position_side": PositionSide.SHORT}, {"positionIdx": 2}),
        (
            {"trigger_int": 610000, "trigger_by": TriggerBy.MARK, "trigger_kind": TriggerKind.STOP},
            {"triggerPrice": "61000.0", "triggerBy": "MarkPrice", "triggerDirection": 1},
        ),
        (
            {"side": Side.SELL, "trigger_int": 590000, "trigger_by": TriggerBy.LAST, "trigger_kind": TriggerKind.STOP},
            {"triggerPrice": "59000.0", "triggerBy": "LastPrice", "triggerDirection": 2},
        ),
        (
            {
                "side": Side.SELL,
                "trigger_int": 620000,
                "trigger_by": TriggerBy.LAST,
                "trigger_kind": TriggerKind.TAKE_PROFIT,
            },
            {"triggerDirection": 1},
        ),
    ],
)
def test_an_order_is_placed_in_the_venues_words(protocol, changes, terms):
    call = protocol.place(OURS, spec(**changes), NOW)
    said = body(call)
    assert (call.method, call.target, call.purpose) == ("POST", "/v5/order/create", Purpose.PLACE)
    assert {name: said[name] for name in terms} == terms
    assert (said["category"], said["qty"], said["orderLinkId"]) == ("linear", "0.010", OURS)
    assert call.headers == {"Content-Type": "application/json"} | signed_headers("KEY", "secret", call.body, NOW)


def test_an_order_is_named_by_our_id_or_by_the_venues(protocol):
    assert body(protocol.cancel(OrderKey(BTC, OURS), NOW))["orderLinkId"] == OURS
    assert body(protocol.cancel(OrderKey(BTC, UUID), NOW))["orderId"] == UUID
    amended = body(protocol.amend(OrderKey(BTC, OURS), spec(), NOW, price=600002, size=20))
    assert (amended["price"], amended["qty"]) == ("60000.2", "0.020")
    working, ended = (protocol.query(OrderKey(BTC, OURS, ended=e), NOW).target for e in (False, True))
    assert working == f"/v5/order/realtime?category=linear&symbol=BTCUSDT&orderLinkId={OURS}"
    assert ended.startswith("/v5/order/history?")
    assert "orderId=" + UUID in protocol.query_venue_id(BTC, UUID, NOW).target


def test_a_history_is_asked_for_by_weeks_and_pages(protocol, payloads):
    call = protocol.fills(BTC, NOW, since=NOW - 10 * DAY)
    begin = (NOW - 10 * DAY) // MS
    assert f"startTime={begin}&endTime={begin + (7 * DAY - SECOND) // MS}" in call.target
    row = json.loads((payloads / "http_get_executions.json").read_text())["result"]["list"][0]
    first = protocol.answer(call, 200, {}, said({"list": [row], "nextPageCursor": "abc%3A2"}), NOW)
    assert (len(first.reports), first.cursor) == (1, f"linear {begin} {begin} abc%3A2")
    second = protocol.fills(BTC, NOW, since=0, cursor=first.cursor)
    assert second.target.endswith("cursor=abc%253A2") and f"startTime={begin}&" in second.target
    week = protocol.answer(second, 200, {}, said({"list": [], "nextPageCursor": ""}), NOW)
    last = protocol.fills(BTC, NOW, since=0, cursor=week.cursor)
    of_spot = protocol.answer(last, 200, {}, said({"list": [], "nextPageCursor": ""}), NOW).cursor
    assert of_spot == f"spot {begin}"
    call, weeks = protocol.fills(BTC, NOW, since=0, cursor=of_spot), 1
    assert "category=spot&" in call.target and f"startTime={begin}&" in call.target
    while cursor := protocol.answer(call, 200, {}, said({"category": "spot", "list": []}), NOW).cursor:
        call, weeks = protocol.fills(BTC, NOW, since=0, cursor=cursor), weeks + 1
    assert weeks == 2


def test_a_long_list_of_orders_has_pages(protocol):
    linear, spot = protocol.open_orders(NOW)
    answer = protocol.answer(linear, 200, {}, said({"list": [ORDER], "nextPageCursor": "next"}), NOW)
    assert answer.cursor == "next"
    for call, part in ((linear, "category=linear&settleCoin=USDT&cursor=next"), (spot, "category=spot&cursor=next")):
        assert part in protocol.more_orders(call, "next", NOW).target


# --- contracts in coin ----------------------------------------------------------------------------


def test_contracts_in_coin_are_read_and_dated_ones_are_not(venue):
    dated = {**INVERSE_ROW, "symbol": "BTCUSDZ26", "contractType": "InverseFutures"}
    (i,) = venue.instruments_of(lists([], [], [INVERSE_ROW, dated]), frozenset())
    assert (i.symbol, i.kind, i.settle, i.lot, i.notional_min) == (COIN, Kind.INVERSE, "BTC", 1, 0)


def test_a_position_that_nobody_here_trades_is_noted_whatever_its_category(protocol):
    row = {"symbol": "ETHUSD", "side": "Buy", "size": "5", "positionIdx": 0}
    answer = said({"category": "inverse", "list": [row, {**row, "symbol": "XRPUSD", "size": "0"}]})
    assert protocol.answer(protocol.more_positions("inverse", NOW), 200, {}, answer, NOW).reports == ()
    assert protocol.unlisted == {"ETH/USD:ETH"}
    message = {"topic": "position", "data": [{**row, "category": each} for each in ("linear", "option")]}
    assert protocol.reports_of(json.dumps(message).encode()) == [] and protocol.unlisted == {"ETH/USD:ETH", "ETHUSD"}


def test_positions_of_contracts_in_coin_are_the_second_page(venue, protocol):
    venue.instruments_of(lists([ROW], [], [INVERSE_ROW]), frozenset())
    held = {"side": "Sell", "positionIdx": 0, "avgPrice": "60000", "markPrice": "60001", "liqPrice": ""}
    first = protocol.positions(NOW)
    answer = protocol.answer(first, 200, {}, said({"list": [{**held, "symbol": "BTCUSDT", "size": "0.010"}]}), NOW)
    assert [(each.symbol, each.qty) for each in answer.reports] == [(BTC, -10)] and answer.cursor == "inverse"
    second = protocol.more_positions(answer.cursor, NOW)
    assert second.target == "/v5/position/list?category=inverse&limit=200"
    listed = {"category": "inverse", "list": [{**held, "symbol": "BTCUSD", "size": "250"}]}
    answer = protocol.answer(second, 200, {}, said(listed), NOW)
    assert [(each.symbol, each.qty) for each in answer.reports] == [(COIN, -250)] and answer.cursor == ""
    row = {**held, "category": "inverse", "symbol": "BTCUSD", "size": "1", "updatedTime": "1", "entryPrice": "60000"}
    (report,) = protocol.reports_of(json.dumps({"topic": "position", "data": [row]}).encode())
    assert (report.symbol, report.qty) == (COIN, -1)


def test_the_bars_of_contracts_in_coin_have_no_turnover(venue, tmp_path):
    """It is an amount of the coin, in more decimals than price and size have."""
    (i,) = instruments = venue.instruments_of(lists([], [], [INVERSE_ROW]), frozenset())
    prices = ("60000.5", "60010.0", "59990.0", "60001.0")
    row = ["1795000000000", *prices, "250", "0.00416663888"]
    (bar,) = venue.past.bars_of(i, said({"category": "inverse", "list": [row]}))
    assert (bar.volume, bar.turnover) == (250, 0)
    assert "category=inverse" in venue.past.bars(i, MINUTE, NOW, NOW + MINUTE).target
    market = venue.market(instruments)
    (stream,) = market.streams()
    assert stream.url == "ws://a/v5/public/inverse"
    names = zip(("open", "high", "low", "close", "volume", "turnover"), (*prices, "250", "0.00416663888"), strict=True)
    kline = {"start": 1795000000000, "end": 1795000059999, "interval": "1", **dict(names), "confirm": True}
    message = {"topic": "kline.1.BTCUSD", "data": [{**kline, "timestamp": 1795000060000}], "ts": 1, "type": "snapshot"}
    with JournalWriter(tmp_path / "a.tape", process="hub", created=1) as writer:
        market.take(json.dumps(message).encode(), NOW + MINUTE, writer.core)
        assert (market.rejected, writer.published) == (0, 1)


# --- spot -----------------------------------------------------------------------------------------


def test_spot_has_rules_of_its_own_beside_the_perpetual_of_the_same_name(venue):
    linear, spot = venue.instruments_of(lists([ROW], [SPOT_ROW]), frozenset())
    assert (linear.symbol, spot.symbol) == (BTC, SPOT) and linear.raw_symbol == spot.raw_symbol == "BTCUSDT"
    assert (spot.kind, spot.lot, spot.size_min, spot.notional_min) == (
        Kind.SPOT,
        Decimal("0.000001"),
        Decimal("0.000011"),
        5,
    )
    assert (spot.market_size_max, spot.taker_fee, spot.trigger_by) == (Decimal("41.5"), Decimal("0.001"), ())


def test_recorded_instruments_of_all_categories_are_read(venue, payloads):
    bodies = [(payloads / f"http_get_instruments_{each}.json").read_bytes() for each in ("linear", "spot", "inverse")]
    assert {BTC, SPOT, COIN} <= {i.symbol for i in venue.instruments_of(joined(bodies), frozenset())}


def test_an_order_of_spot_names_its_category_and_no_position(protocol):
    limit = body(protocol.place(OURS, spec(symbol=SPOT, size_int=10_000), NOW))
    assert (limit["category"], limit["symbol"], limit["qty"]) == ("spot", "BTCUSDT", "0.010000")
    assert not {"positionIdx", "marketUnit", "reduceOnly"} & limit.keys()
    market = body(protocol.place(OURS, spec(symbol=SPOT, size_int=10_000, price_int=0, type=OrderType.MARKET), NOW))
    assert (market["marketUnit"], market["qty"]) == ("baseCoin", "0.010000")
    assert body(protocol.cancel(OrderKey(SPOT, OURS), NOW))["category"] == "spot"
    ended = protocol.query(OrderKey(SPOT, OURS, venue_id="17", ended=True), NOW).target
    assert ended == "/v5/order/history?category=spot&orderId=17"


def test_a_usual_order_of_spot_is_the_same_from_the_template(protocol):
    for terms in ({}, {"price_int": 0, "type": OrderType.MARKET}, {"post_only": True}, {"tif": TimeInForce.IOC}):
        order = Order(1, 1, spec(symbol=SPOT, size_int=10_000, **terms), NOW, OURS)
        assert body(protocol.place_order(order, NOW, number=3)) == body(protocol.place(OURS, order.spec, NOW))


def test_rows_of_one_name_are_told_apart_by_their_category(protocol):
    row = {**ORDER, "category": "spot", "orderId": "1523347543495541248", "orderLinkId": "", "price": "60000.1"}
    answer = said({"category": "spot", "list": [{**row, "qty": "0.010000", "cumExecQty": "0.000000"}]})
    (report,) = protocol.answer(protocol.open_orders(NOW)[1], 200, {}, answer, NOW).reports
    assert (report.symbol, report.size, report.position_side) == (SPOT, 10_000, PositionSide.BOTH)
    assert body(protocol.cancel(OrderKey(SPOT, report.client_id), NOW))["orderId"] == "1523347543495541248"
    by_value = said({"category": "spot", "list": [{**row, "qty": "250.5", "marketUnit": "quoteCoin"}]})
    (report,) = protocol.answer(protocol.open_orders(NOW)[1], 200, {}, by_value, NOW).reports
    assert report.size == 1  # of the amount nothing has traded yet


def test_a_purchase_of_spot_pays_its_fee_in_the_bought_coin(protocol):
    row = {
        "category": "spot",
        "symbol": "BTCUSDT",
        "orderId": "15",
        "orderLinkId": OURS,
        "side": "Buy",
        "execId": "2100000000007764263",
        "execPrice": "60000.0",
        "execQty": "0.010000",
        "execFee": "0.00001",
        "feeCurrency": "BTC",
        "execType": "Trade",
        "execTime": "1795000000000",
        "isMaker": False,
    }
    message = json.dumps({"topic": "execution", "creationTime": NOW // MS, "data": [row]}).encode()
    (fill,) = protocol.reports_of(message)
    assert (fill.symbol, fill.trade_id, fill.fee_currency) == (SPOT, 2100000000007764263, "BTC")
    assert dict(protocol.moves(fill)) == {"USDT": -600 * 10**18, "BTC": 999 * 10**13}
    assert protocol.moves(fill._replace(symbol=BTC)) == []
    for side, fee, currency in (
        ("Buy", "1", "BTC"),
        ("Sell", "1", "USDT"),
        ("Buy", "-1", "USDT"),
        ("Sell", "-1", "BTC"),
    ):
        unnamed = {**row, "side": side, "execFee": fee, "feeCurrency": ""}
        (fill,) = protocol.reports_of(json.dumps({"topic": "execution", "data": [unnamed]}).encode())
        assert fill.fee_currency == currency
    assert not protocol.traits.has_position(SPOT) and protocol.traits.has_position(BTC)


def test_a_coin_that_is_not_listed_any_more_is_zero(protocol):
    coins = [{"coin": "USDT", "walletBalance": "5"}]
    answer = said({"list": [{"totalAvailableBalance": "5", "coin": coins}]})
    reports = protocol.answer(protocol.balances(NOW), 200, {}, answer, NOW).reports
    assert {each.currency: each.total for each in reports} == {"USDT": 5 * 10**18, "BTC": 0}


def test_each_category_has_a_connection_of_its_own(venue, tmp_path):
    """The same names in their messages are other instruments."""
    instruments = venue.instruments_of(lists([ROW], [SPOT_ROW]), frozenset())
    market = venue.market(instruments, (4, 9))
    linear, spot = market.streams()
    assert (linear.url, spot.url) == ("ws://a/v5/public/linear", "ws://a/v5/public/spot")
    assert "tickers" in linear.hello[0].decode() and "tickers" not in spot.hello[0].decode()
    with JournalWriter(tmp_path / "a.tape", process="hub", created=1) as writer:
        for stream, number, bid in ((linear, 4, "60000.0"), (spot, 9, "59990.5")):
            data = {"s": "BTCUSDT", "b": [[bid, "1"]], "a": [["60100.0", "2"]], "u": 5, "seq": 5}
            about = {"topic": "orderbook.1.BTCUSDT", "type": "snapshot", "ts": 1, "cts": 1, "data": data}
            assert stream.market.take(json.dumps(about).encode(), NOW, writer.core) == number
    assert (market.top(4).bid, market.top(9).bid) == (600000, 599905)
    assert market.rejected == 0 and market.unmapped == {}
    market.forget()
    assert market.top(9).bid == 0


def test_a_request_to_the_socket_of_spot_names_ten_topics(venue):
    rows = [{**SPOT_ROW, "symbol": f"X{n}USDT", "baseCoin": f"X{n}"} for n in range(7)]
    (stream,) = venue.market(venue.instruments_of(lists([], rows), frozenset())).streams()
    counts = [len(json.loads(each)["args"]) for each in stream.hello]
    assert counts == [10, 10, 1] and stream.confirmations == 3


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "outcome", "error"),
    [
        (110007, Outcome.DEFINITIVE, InsufficientFunds),
        (110017, Outcome.DEFINITIVE, ReduceOnlyViolated),
        (110072, Outcome.DEFINITIVE, DuplicateClientId),
        (110094, Outcome.DEFINITIVE, OrderBelowMinNotional),
        (10004, Outcome.DEFINITIVE, BadSignature),
        (10002, Outcome.SAFE, ClockSkew),
        (10006, Outcome.SAFE, VenueRateLimit),
        (10016, Outcome.AMBIGUOUS, OrderOutcomeUnknown),
        (999999, Outcome.AMBIGUOUS, None),
    ],
)
def test_an_error_says_what_became_of_the_request(protocol, code, outcome, error):
    answer = protocol.answer(protocol.place(OURS, spec(), NOW), 200, {}, said({}, code), NOW)
    assert answer.outcome is outcome and answer.venue_code == str(code)
    assert error is None or answer.code == error.code


def test_what_is_no_answer_of_the_venue_says_nothing(protocol):
    call = protocol.place(OURS, spec(), NOW)
    for status, text in ((502, b"<html>"), (200, b"{}"), (200, b""), (200, b"[]"), (200, b'{"retCode":0}')):
        assert protocol.answer(call, status, {}, text, NOW).outcome is Outcome.AMBIGUOUS, text
    assert protocol.answer(call, 403, {}, b"<html>Your country</html>", NOW).outcome is Outcome.AMBIGUOUS
    locked = protocol.answer(call, 403, {}, b'{"retCode":10018,"retMsg":"access too frequent"}', NOW)
    assert (locked.outcome, locked.retry_after) == (Outcome.SAFE, 600 * SECOND)


def test_a_limit_says_how_long_to_wait(protocol):
    until = {"x-bapi-limit-reset-timestamp": str(NOW // MS + 700)}
    answer = protocol.answer(protocol.place(OURS, spec(), NOW), 200, until, said({}, 10006), NOW)
    assert answer.retry_after // MS in (699, 700)


@pytest.mark.parametrize("code", [110001, 110008, 110010])
def test_a_cancel_that_lost_its_race_proves_no_end(protocol, code):
    answer = protocol.answer(protocol.cancel(OrderKey(BTC, OURS), NOW), 200, {}, said({}, code), NOW)
    assert (answer.outcome, answer.not_found) == (Outcome.AMBIGUOUS, True)


def test_an_answer_to_an_order_is_a_receipt(protocol):
    answer = protocol.answer(
        protocol.place(OURS, spec(), NOW), 200, {}, said({"orderId": UUID, "orderLinkId": OURS}), NOW
    )
    assert (answer.outcome, answer.reports, protocol.traits.acks) == (Outcome.DONE, (), True)


def test_hedge_mode_is_seen_by_the_rows_of_a_flat_position(protocol):
    row = {"positionIdx": 0, "symbol": "BTCUSDT", "side": "", "size": "0"}
    for rows, hedge in (([row], False), ([{**row, "positionIdx": 1}, {**row, "positionIdx": 2}], True)):
        answer = protocol.answer(protocol.modes(NOW), 200, {}, said({"list": rows}), NOW)
        assert answer.reports == (AccountModeReport(hedge, False, True, False),)


@pytest.mark.parametrize(
    ("mode", "outcome"),
    [
        ("REGULAR_MARGIN", Outcome.DONE),
        ("ISOLATED_MARGIN", Outcome.DONE),
        ("PORTFOLIO_MARGIN", Outcome.DEFINITIVE),
        (None, Outcome.AMBIGUOUS),
    ],
)
def test_an_account_in_portfolio_margin_is_refused_by_name(protocol, mode, outcome):
    answer = protocol.answer(protocol.stream_key(NOW), 200, {}, said({"marginMode": mode} if mode else {}), NOW)
    assert answer.outcome is outcome
    if outcome is Outcome.DEFINITIVE:
        assert answer.code == AccountMode.code
        assert answer.text == "the account has portfolio margin (PORTFOLIO_MARGIN), which is not supported"


def test_the_balance_of_an_account_in_isolated_margin_has_no_margin_of_its_own(protocol):
    coin = {"coin": "USDT", "walletBalance": "1000.5", "unrealisedPnl": "-2"}
    for available, has_margin in (("900", True), ("", False)):
        account = {"totalAvailableBalance": available, "totalInitialMargin": available, "coin": [coin]}
        reports = protocol.answer(protocol.balances(NOW), 200, {}, said({"list": [account]}), NOW).reports
        (found,) = (each for each in reports if each.currency == "USDT")
        assert (found.total, found.margin is not None) == (10005 * 10**17, has_margin)


def test_a_transfer_is_found_by_its_id_whatever_its_form(protocol):
    way = TransferRoute("", "funding")
    for name in ("mine", "22c2bc11-ed5b-49a4-8647-c4e0f5f6f2b2"):
        sent = body(protocol.transfer(way, "USDT", 10**18, NOW, name=name))
        number = str(uuid.UUID(sent["transferId"]))
        assert (sent["fromAccountType"], sent["toAccountType"], sent["amount"]) == ("UNIFIED", "FUND", "1")
        call = protocol.transfers(way, NOW, since=NOW, name=name)
        assert f"transferId={number}" in call.target
        row = {"coin": "USDT", "amount": "1", "fromAccountType": "UNIFIED", "toAccountType": "FUND"}
        row |= {"transferId": f"selfTransfer_{number}", "timestamp": str(NOW // MS), "status": "SUCCESS"}
        other = {**row, "transferId": str(uuid.UUID(int=7)), "status": "PENDING"}
        rows = [row, other, {**row, "toAccountType": "SPOT"}]
        found = protocol.answer(call, 200, {}, said({"list": rows}), NOW).reports
        assert [(each.name, each.state.value) for each in found] == [
            (name, "done"),
            (str(uuid.UUID(int=7)), "underway"),
        ]
    assert protocol.transfer(TransferRoute("", "spot"), "USDT", 10**18, NOW, name="x") is None
    assert protocol.transfer(TransferRoute("", "funding", "other"), "USDT", 10**18, NOW, name="x") is None


def test_money_moves_as_the_venue_says_and_not_by_fills(protocol):
    row = {
        "id": "1_USDT",
        "category": "linear",
        "symbol": "BTCUSDT",
        "currency": "USDT",
        "transactionTime": str(NOW // MS),
    }
    rows = [
        {**row, "type": "SETTLEMENT", "change": "-0.25"},
        {**row, "type": "TRANSFER_IN", "change": "100", "symbol": ""},
        {**row, "type": "TRADE", "change": "-1"},
        {**row, "type": "AIRDROP", "change": "2", "symbol": ""},
    ]
    answer = protocol.answer(protocol.account_moves(NOW, since=NOW), 200, {}, said({"list": rows}), NOW)
    found = [(each.kind, each.amount / 10**18, each.symbol) for each in answer.reports]
    assert found == [(MoveKind.FUNDING, -0.25, BTC), (MoveKind.TRANSFER, 100, ""), (MoveKind.OTHER, 2, "")]


# --- orders and topics ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "state", "news", "code"),
    [
        ({}, OrderState.ACCEPTED, OrderNews.ACCEPTED, 0),
        ({"updatedTime": "1795000000500"}, OrderState.ACCEPTED, OrderNews.UPDATED, 0),
        ({"orderStatus": "PartiallyFilled", "cumExecQty": "0.004"}, OrderState.PARTIALLY_FILLED, None, 0),
        ({"orderStatus": "Filled", "cumExecQty": "0.010"}, OrderState.FILLED, None, 0),
        ({"orderStatus": "Cancelled", "cancelType": "CancelByUser"}, OrderState.CANCELED, OrderNews.CANCELED, 0),
        (
            {"orderStatus": "Cancelled", "rejectReason": "EC_PostOnlyWillTakeLiquidity", "timeInForce": "PostOnly"},
            OrderState.REJECTED,
            OrderNews.REJECTED,
            OrderWouldCross.code,
        ),
        ({"orderStatus": "Deactivated"}, OrderState.CANCELED, OrderNews.CANCELED, 0),
    ],
)
def test_the_order_topic_tells_an_orders_life(protocol, changes, state, news, code):
    message = {"topic": "order", "id": "1", "creationTime": NOW // MS, "data": [{**ORDER, **changes}]}
    (report,) = protocol.reports_of(json.dumps(message).encode())
    assert (report.state, report.news, report.code, report.client_id) == (state, news, code, OURS)
    assert (report.price, report.size, report.venue_id) == (600001, 10, UUID)


def test_a_conditional_order_keeps_its_id_when_it_fires(protocol):
    stop = {"stopOrderType": "Stop", "triggerPrice": "61000", "triggerDirection": 1}
    waiting = {**ORDER, **stop, "orderStatus": "Untriggered"}
    fired = {**ORDER, **stop, "updatedTime": "1795000000900"}
    rows = [waiting, {**waiting, "orderStatus": "Triggered"}, fired]
    found = protocol.reports_of(json.dumps({"topic": "order", "data": rows}).encode())
    assert [(each.trigger, each.state) for each in found] == [
        (610000, OrderState.ACCEPTED),
        (0, OrderState.TRIGGERED),
        (0, OrderState.TRIGGERED),
    ]
    assert len({each.venue_id for each in found}) == 1 and not found[0].takes_profit


def test_an_execution_is_a_fill_with_its_fee(protocol, payloads):
    row = json.loads((payloads / "http_get_executions.json").read_text())["result"]["list"][0]
    message = {"topic": "execution", "data": [{**row, "category": "linear", "orderLinkId": OURS}]}
    (fill,) = protocol.reports_of(json.dumps(message).encode())
    assert (fill.client_id, fill.price, fill.size, fill.liquidity) == (OURS, 500000, 100, Liquidity.MAKER)
    assert (fill.fee, fill.fee_currency) == (15 * 10**15, "USDT")
    funding = {**message["data"][0], "execType": "Funding"}
    assert protocol.reports_of(json.dumps({"topic": "execution", "data": [funding]}).encode()) == []


def test_what_the_venue_closes_itself_is_nobodys_order(protocol, payloads):
    message = json.loads((payloads / "ws_account_execution_adl.json").read_text())
    (fill,) = protocol.reports_of(json.dumps(message).encode())
    assert fill.client_id == "adl-9aac161b-8ed6-450d-9cab-c5cc67c21785"
    assert fill.client_id.startswith(protocol.traits.forced)


def test_positions_and_balances_come_with_their_times(protocol, payloads):
    row = json.loads((payloads / "http_get_positions.json").read_text())["result"]["list"][0]
    held = protocol.answer(protocol.positions(NOW), 200, {}, said({"list": [row]}), NOW).reports[0]
    assert (held.qty, held.entry, held.time) == (500, Decimal(50000), NOW)
    short = {**row, "category": "linear", "side": "Sell", "entryPrice": row["avgPrice"], "updatedTime": "1795000000001"}
    (report,) = protocol.reports_of(json.dumps({"topic": "position", "data": [short]}).encode())
    assert (report.qty, report.time) == (-500, 1795000000001 * MS)
    wallet = json.loads((payloads / "ws_account_wallet_small_order.json").read_text())
    (balance,) = protocol.reports_of(json.dumps(wallet).encode())
    assert (balance.currency, balance.total, balance.time) == ("USDT", 5133382543837 * 10**10, 1762960669000 * MS)
    assert balance.margin is not None and balance.margin.available == 0


def test_recorded_messages_of_an_account_are_all_understood(protocol, payloads):
    """`execution.fast` is not asked for, and one file has no message but a row."""
    recorded = [each for each in payloads.glob("ws_account_*.json") if b'"topic"' in each.read_bytes()]
    recorded = [each for each in recorded if "fast" not in each.name]
    assert len(recorded) > 10
    for each in recorded:
        found = protocol.reports_of(each.read_bytes())
        bad = [report for report in found if getattr(report, "what", "") in ("malformed", "unknown")]
        assert not bad and not protocol.unknown, (each.name, bad)


def test_other_symbols_of_the_account_are_noted_and_other_markets_are_not(protocol):
    other = json.dumps({"topic": "order", "data": [{**ORDER, "symbol": "XRPUSDT"}]}).encode()
    (report,) = protocol.reports_of(other)
    assert (report.what, protocol.unlisted) == ("other symbol", {"XRP/USDT:USDT"})
    for category, found in (("spot", {"XRP/USDT:USDT", "XRP/USDT"}), ("option", {"XRP/USDT:USDT", "XRP/USDT"})):
        row = {**ORDER, "symbol": "XRPUSDT", "category": category}
        assert bool(protocol.reports_of(json.dumps({"topic": "order", "data": [row]}).encode())) is (category == "spot")
        assert protocol.unlisted == found


@pytest.mark.parametrize(
    "text", [b"", b"{", b'{"topic":"order","data":[{}]}', b'{"topic":"wallet","data":[1]}', b"[1]"]
)
def test_a_broken_message_is_reported_and_nothing_else_happens(protocol, text):
    (report,) = protocol.reports_of(text)
    assert report.what == "malformed"


# --- the sockets ----------------------------------------------------------------------------------


def test_an_account_stream_is_live_once_key_and_topics_are_taken(venue, payloads):
    stream = venue.account_stream(str(NOW))
    key, expires, signature = json.loads(stream.hello[0])["args"]
    assert (key, expires > NOW // MS, len(signature)) == ("KEY", True, 64)
    assert json.loads(stream.hello[1])["args"] == ["order", "execution", "position", "wallet"]
    assert stream.url == "ws://a/v5/private" and not stream.is_live
    for message in ("ws_auth_success.json", "ws_subscription_ack.json"):
        assert stream.reports_of((payloads / message).read_bytes()) == []
    assert stream.is_live and not stream.broken
    refused = venue.account_stream(str(NOW))
    refused.reports_of((payloads / "ws_subscription_failure.json").read_bytes())
    assert refused.broken


def test_orders_go_over_the_trade_socket(venue):
    protocol = venue.protocol
    protocol.signs_late = True
    session = EntrySession(venue.entry_dialect(""))
    (hello,) = session.opened(NOW)
    assert json.loads(hello)["op"] == "auth"
    session.take(b'{"retCode":0,"retMsg":"OK","op":"auth","connId":"c"}', NOW)
    assert session.is_ready
    message = json.loads(session.send(protocol.place(OURS, spec(), NOW), NOW))
    assert (message["op"], message["args"][0]["orderLinkId"]) == ("order.create", OURS)
    assert message["header"] == {"X-BAPI-TIMESTAMP": str(NOW // MS), "X-BAPI-RECV-WINDOW": "5000"}
    limits = {"X-Bapi-Limit": "10", "X-Bapi-Limit-Status": "9", "X-Bapi-Limit-Reset-Timestamp": "1"}
    reply = {"reqId": message["reqId"], "retCode": 0, "retMsg": "OK", "op": "order.create", "header": limits}
    (done,) = session.take(json.dumps({**reply, "data": {"orderId": UUID, "orderLinkId": OURS}}).encode(), NOW)
    assert done.answer.outcome is Outcome.DONE and session.dialect.limits == {"orders 1s": (1, 10)}
    cancel = json.loads(session.send(protocol.cancel(OrderKey(BTC, OURS), NOW), NOW))
    (gone,) = session.take(json.dumps({**reply, "reqId": cancel["reqId"], "retCode": 110001, "data": {}}).encode(), NOW)
    assert (gone.answer.outcome, gone.answer.not_found) == (Outcome.AMBIGUOUS, True)


# --- the market -----------------------------------------------------------------------------------


def test_best_prices_marks_trades_and_bars_come_to_the_tape(tmp_path, venue):
    (i,) = venue.instruments_of(lists([ROW]), frozenset())
    market, at = live_market([i], "ws://a"), 1795000000000
    writer = JournalWriter(tmp_path / "j", process="t", durable=False)
    book = {"s": "BTCUSDT", "b": [["60000.1", "1.5"]], "a": [["60000.2", "2"]], "u": 3, "seq": 5}
    trade = {"T": at, "s": "BTCUSDT", "S": "Buy", "v": "0.001", "p": "60000.2", "i": UUID, "BT": False, "seq": 6}
    kline = {"start": at - 60000, "end": at - 1, "open": "60000.1", "close": "60000.2", "high": "60000.2"}
    kline |= {"low": "60000.1", "volume": "0.001", "turnover": "60.0002", "confirm": True, "timestamp": at}
    ticker = {"symbol": "BTCUSDT", "markPrice": "60000.3", "fundingRate": "0.0001", "nextFundingTime": str(at + 1000)}
    messages = [
        {"topic": "orderbook.1.BTCUSDT", "type": "snapshot", "ts": at, "data": book, "cts": at},
        {"topic": "tickers.BTCUSDT", "type": "snapshot", "data": ticker, "cs": 1, "ts": at},
        {"topic": "tickers.BTCUSDT", "type": "delta", "data": {"symbol": "BTCUSDT", "bid1Price": "1"}, "ts": at},
        {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": at, "data": [trade]},
        {"topic": "kline.1.BTCUSDT", "type": "snapshot", "ts": at, "data": [kline]},
    ]
    for message in messages:
        market.take(json.dumps(message).encode(), at * MS, writer.core)
    assert market.top(1) == (600001, 600002, 1500, 2000)
    assert market.next_funding(1) == (10**8, (at + 1000) * MS)
    assert (market.rejected, market.unmapped) == (0, {})
    writer.close()
    types = [frame.type for frame in JournalReader(tmp_path / "j").frames()]
    assert sorted(types) == sorted({*types}) and len(types) == 5  # quote, mark, funding, trade, bar


def test_depth_follows_snapshot_and_changes_and_notices_a_gap(tmp_path, venue):
    (i,) = venue.instruments_of(lists([ROW]), frozenset())
    depth, at = venue.depth(i, 1), 1795000000000
    writer = JournalWriter(tmp_path / "j", process="t", durable=False)

    def take(kind, update, bids, asks):
        data = {"s": "BTCUSDT", "b": bids, "a": asks, "u": update, "seq": update}
        message = {"topic": "orderbook.200.BTCUSDT", "type": kind, "ts": at, "data": data, "cts": at}
        depth.take(json.dumps(message).encode(), at * MS, writer.core)

    take("snapshot", 7, [["60000.1", "1"], ["60000.0", "2"]], [["60000.2", "3"]])
    take("delta", 8, [["60000.1", "0"]], [["60000.3", "1"]])
    book: Book = depth.book
    assert (book.bids(5), book.asks(5)) == ([(600000, 2000)], [(600002, 3000), (600003, 1000)])
    take("snapshot", 1, [["59999.9", "1"]], [["60000.2", "3"]])  # the venue's service has begun anew
    assert book.synced and book.bids(5) == [(599999, 1000)] and not depth.broken
    take("delta", 3, [["60000.0", "1"]], [])
    assert not book.synced and depth.broken == "a change of the book is missing"
    assert json.loads(depth.hello[0])["args"] == ["orderbook.200.BTCUSDT"]
    writer.close()


def test_past_bars_come_oldest_first(venue):
    (i,) = venue.instruments_of(lists([ROW]), frozenset())
    call = venue.past.bars(i, MINUTE, NOW - 3 * MINUTE, NOW)
    assert "interval=1&" in call.target and "category=linear&symbol=BTCUSDT" in call.target
    rows = [["120000", "3", "4", "2", "3", "0.002", "6"], ["60000", "1", "2", "1", "2", "0.001", "1.5"]]
    first, second = venue.past.bars_of(i, said({"list": rows}))
    assert (first.ts_open, first.open, first.close, first.volume) == (60000 * MS, 10, 20, 1)
    assert second.ts_open > first.ts_open


# --- the folder -----------------------------------------------------------------------------------


def test_names_of_contracts_without_a_catalogue_are_known():
    assert unified("SOLUSDT", Kind.LINEAR) == "SOL/USDT:USDT" and unified("BTCUSD", Kind.INVERSE) == "BTC/USD:BTC"


def test_hosts_are_those_of_the_venue_and_its_regions():
    live = ADAPTER.hosts("live")
    assert {"api.bybit.com", "stream.bybit.com", "api.bytick.com", "api.bybit.eu", "stream.bybit-tr.com"} <= live
    assert ADAPTER.hosts("demo") == {"api-testnet.bybit.com", "stream-testnet.bybit.com"}
