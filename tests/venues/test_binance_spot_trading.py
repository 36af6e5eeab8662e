"""Binance spot: an account's requests term by term, what answers mean, what the stream tells."""

from __future__ import annotations

import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from onetape.model import catalogue
from onetape.model.enums import (
    AmendRule,
    Liquidity,
    OrderNews,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
    TriggerBy,
    TriggerKind,
)
from onetape.model.order import OrderSpec
from onetape.orders.calls import MASTER, Call, Destination, OrderKey, Purpose, TransferRoute
from onetape.orders.outcome import Outcome
from onetape.orders.reports import OUTSIDE, AccountModeReport, BalanceReport, FillReport, MoveReport, OrderStatusReport
from onetape.venues.binance.signing import HmacSigner
from onetape.venues.binance_spot.gateway import BinanceSpotVenue
from onetape.venues.binance_spot.instruments import instruments_of
from onetape.venues.binance_spot.trading import FILLS_PAGE, BinanceSpotProtocol
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue

SECOND = 1_000_000_000
MS = 1_000_000
NOW = 1_795_000_000 * SECOND
AT = NOW // MS
SYMBOL = "binance:BTC/USDT"
KEY = OrderKey(SYMBOL, "id-1")
STOP: dict[str, Any] = {"trigger_int": 6_100_000, "trigger_by": TriggerBy.LAST, "trigger_kind": TriggerKind.STOP}
MARKET: dict[str, Any] = {"type": OrderType.MARKET, "price_int": 0}
# The secret and the two signatures of the venue's documentation of signed requests.
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
VECTORS = [
    ("LTCBTC", "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
    ("１２３４５６", "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3"),
]


@pytest.fixture
def protocol() -> BinanceSpotProtocol:
    made = BinanceSpotProtocol("k", "s")
    made.set_instruments([catalogue.find(SYMBOL)])
    return made


def spec(**more: Any) -> OrderSpec:
    return OrderSpec(**{"symbol": SYMBOL, "side": Side.BUY, "size_int": 1000, "price_int": 6_000_000, **more})


def terms(call: Call) -> dict[str, str]:
    found = dict(parse_qsl(urlsplit(call.target).query))
    return {name: text for name, text in found.items() if name not in ("recvWindow", "timestamp", "signature")}


def answered(protocol: BinanceSpotProtocol, call: Call, value: Any, status: int = 200) -> Any:
    return protocol.answer(call, status, {}, json.dumps(value).encode(), NOW)


@pytest.mark.parametrize(("symbol", "signature"), VECTORS)
def test_a_request_is_signed_over_its_percent_encoded_parameters(symbol, signature):
    params = {"symbol": symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "0.1"}
    query = HmacSigner(SECRET).signed_query(params, "recvWindow=5000&timestamp=1499827319559")
    assert query.endswith(f"&signature={signature}")


PLACED = {
    "limit": (spec(), {"type": "LIMIT", "price": "60000.00", "timeInForce": "GTC"}),
    "ioc": (spec(tif=TimeInForce.IOC), {"type": "LIMIT", "price": "60000.00", "timeInForce": "IOC"}),
    "post only": (spec(post_only=True), {"type": "LIMIT_MAKER", "price": "60000.00"}),
    "market": (spec(**MARKET), {"type": "MARKET"}),
    "stop": (spec(**MARKET, **STOP), {"type": "STOP_LOSS", "stopPrice": "61000.00"}),
    "stop limit": (
        spec(**STOP),
        {"type": "STOP_LOSS_LIMIT", "stopPrice": "61000.00", "price": "60000.00", "timeInForce": "GTC"},
    ),
    "take profit": (
        spec(**MARKET, **STOP | {"trigger_kind": TriggerKind.TAKE_PROFIT}),
        {"type": "TAKE_PROFIT", "stopPrice": "61000.00"},
    ),
}


@pytest.mark.parametrize("name", PLACED)
def test_an_order_is_placed_in_the_venue_s_words(protocol, name):
    order, wanted = PLACED[name]
    call = protocol.place("id-1", order, NOW)
    fixed = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.01000", "newOrderRespType": "ACK"}
    assert terms(call) == {**fixed, "newClientOrderId": "id-1", **wanted}
    assert (call.method, call.target.partition("?")[0], call.orders) == ("POST", "/api/v3/order", 1)


def test_an_amendment_sends_the_smaller_quantity_and_our_id(protocol):
    call = protocol.amend(KEY, spec(), NOW, price=6_000_000, size=500)
    assert call.target.startswith("/api/v3/order/amend/keepPriority?") and call.method == "PUT"
    own = {"origClientOrderId": "id-1", "newClientOrderId": "id-1", "newQty": "0.00500"}
    assert terms(call) == {"symbol": "BTCUSDT", **own}
    row = {"symbol": "BTCUSDT", "orderId": 9, "origClientOrderId": "id-1", "clientOrderId": "id-1", "price": "60000.00"}
    row |= {"qty": "0.00500000", "executedQty": "0.00100000", "status": "PARTIALLY_FILLED", "timeInForce": "GTC"}
    answer = answered(protocol, call, {"transactTime": AT, "amendedOrder": {**row, "type": "LIMIT", "side": "BUY"}})
    (report,) = answer.reports
    assert (report.size, report.filled, report.state) == (500, 100, OrderState.PARTIALLY_FILLED)


def test_the_engine_s_acknowledgement_is_an_acceptance(protocol):
    call = protocol.place("id-1", spec(), NOW)
    answer = answered(protocol, call, {"symbol": "BTCUSDT", "orderId": 9, "clientOrderId": "id-1", "transactTime": AT})
    assert answer.reports == (OrderStatusReport(SYMBOL, "id-1", "9", OrderState.ACCEPTED, NOW),)


REFUSED = [
    (400, -2010, "Account has insufficient balance for requested action.", Outcome.DEFINITIVE, "INSUFFICIENT_FUNDS"),
    (400, -2010, "Duplicate order sent.", Outcome.SETTLED, "DUPLICATE_CLIENT_ID"),
    (400, -2010, "Order would immediately match and take.", Outcome.DEFINITIVE, "ORDER_WOULD_CROSS"),
    (400, -2010, "Stop price would trigger immediately.", Outcome.DEFINITIVE, "ORDER_WOULD_TRIGGER"),
    (400, -2010, "A text that nobody has seen.", Outcome.DEFINITIVE, "VENUE_REJECTED"),
    (400, -1013, "Filter failure: NOTIONAL", Outcome.DEFINITIVE, "ORDER_BELOW_MIN_NOTIONAL"),
    (400, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE", Outcome.DEFINITIVE, "PRICE_BAND"),
    (400, -1013, "Filter failure: MAX_NUM_ALGO_ORDERS", Outcome.DEFINITIVE, "POSITION_LIMIT"),
    (400, -1013, "Filter failure: LOT_SIZE", Outcome.DEFINITIVE, "ORDER_INVALID"),
    (400, -2038, "Order amend rejected.", Outcome.DEFINITIVE, "VENUE_REJECTED"),
    (400, -2021, "Order cancel-replace partially failed.", Outcome.AMBIGUOUS, "ORDER_OUTCOME_UNKNOWN"),
    (408, -1007, "Timeout waiting for response from backend server.", Outcome.AMBIGUOUS, "ORDER_OUTCOME_UNKNOWN"),
    (400, -1006, "Execution status unknown.", Outcome.AMBIGUOUS, "ORDER_OUTCOME_UNKNOWN"),
    (503, -1008, "Service Unavailable.", Outcome.AMBIGUOUS, "ORDER_OUTCOME_UNKNOWN"),
    (429, -1003, "Too many requests.", Outcome.SAFE, "VENUE_RATE_LIMIT"),
    (400, -1021, "Timestamp for this request is outside of the recvWindow.", Outcome.SAFE, "CLOCK_SKEW"),
    (400, -9999, "of tomorrow", Outcome.AMBIGUOUS, "VENUE_REJECTED"),
]


@pytest.mark.parametrize(("status", "code", "text", "outcome", "name"), REFUSED)
def test_a_refusal_is_read_by_its_text_and_then_by_its_code(protocol, status, code, text, outcome, name):
    from onetape.model.errors import BY_NAME

    answer = answered(protocol, protocol.place("id-1", spec(), NOW), {"code": code, "msg": text}, status)
    assert (answer.outcome, answer.code) == (outcome, BY_NAME[name].code)


def test_an_order_that_is_not_there_is_no_proof(protocol):
    answer = answered(protocol, protocol.query(KEY, NOW), {"code": -2013, "msg": "Order does not exist."}, 400)
    assert (answer.outcome, answer.not_found) == (Outcome.AMBIGUOUS, True)
    answer = answered(protocol, protocol.cancel(KEY, NOW), {"code": -2011, "msg": "Unknown order sent."}, 400)
    assert (answer.outcome, answer.not_found) == (Outcome.DEFINITIVE, True)


def row_of(**more: Any) -> dict[str, Any]:
    row = {"symbol": "BTCUSDT", "orderId": 9, "clientOrderId": "id-1", "price": "60000.00000000", "status": "NEW"}
    row |= {"origQty": "0.01000000", "executedQty": "0.00000000", "timeInForce": "GTC", "type": "LIMIT", "side": "BUY"}
    return {**row, "stopPrice": "0.00000000", "updateTime": AT, "isWorking": True, **more}


def test_a_cancel_has_an_id_of_its_own_and_the_order_s_is_the_original(protocol):
    row = row_of(clientOrderId="other", origClientOrderId="id-1", status="CANCELED", transactTime=AT)
    del row["updateTime"]
    (report,) = answered(protocol, protocol.cancel(KEY, NOW), row).reports
    assert (report.client_id, report.state, report.time) == ("id-1", OrderState.CANCELED, NOW)


def test_a_stop_waits_in_the_list_until_it_works(protocol):
    stop = {"type": "STOP_LOSS_LIMIT", "stopPrice": "61000.00000000"}
    rows = [row_of(**stop, isWorking=False), row_of(**stop), row_of(), row_of(symbol="ETHUSDT")]
    (call,) = protocol.open_orders(NOW)
    waits, works, usual = answered(protocol, call, rows).reports
    assert (waits.state, waits.trigger, waits.waits) == (OrderState.ACCEPTED, 6_100_000, True)
    assert (works.state, works.waits) == (OrderState.TRIGGERED, False)
    assert (usual.state, usual.trigger, protocol.unlisted) == (OrderState.ACCEPTED, 0, {"ETHUSDT"})


def trade(number: int) -> dict[str, Any]:
    row = {"symbol": "BTCUSDT", "id": number, "orderId": 9, "price": "60000.00000000", "qty": "0.01000000", "time": AT}
    return {**row, "commission": "0.00001000", "commissionAsset": "BTC", "isBuyer": True, "isMaker": False}


def test_fills_are_read_by_days_and_from_the_first_one_on_by_number(protocol):
    day = 86_400_000
    call = protocol.fills(SYMBOL, NOW, since=NOW - 3 * day * MS)
    span = {"startTime": str(AT - 3 * day), "endTime": str(AT - 2 * day - 1)}
    assert terms(call) == {"symbol": "BTCUSDT", "limit": "1000", **span}
    answer = answered(protocol, call, [])
    assert answer.cursor == f"from{AT - 2 * day - 1}"
    call = protocol.fills(SYMBOL, NOW, since=0, cursor=answer.cursor)
    answer = answered(protocol, call, [trade(7)])
    (fill,) = answer.reports
    assert (fill.fee, fill.fee_currency, fill.side, answer.cursor) == (10**13, "BTC", Side.BUY, "8")
    call = protocol.fills(SYMBOL, NOW, since=0, cursor=answer.cursor)
    assert terms(call) == {"symbol": "BTCUSDT", "limit": "1000", "fromId": "8"}
    assert answered(protocol, call, [trade(n) for n in range(8, 8 + FILLS_PAGE)]).cursor == str(8 + FILLS_PAGE)
    assert answered(protocol, call, [trade(8)]).cursor == ""
    assert answered(protocol, protocol.fills(SYMBOL, NOW, since=NOW - SECOND), []).cursor == ""


def test_a_fill_moves_both_balances_and_the_currency_of_its_fee(protocol):
    fill = FillReport(SYMBOL, "", "9", 7, Side.BUY, None, 6_000_000, 1000, NOW, 10**13, "BTC", Liquidity.TAKER)
    assert protocol.moves(fill) == [("USDT", -600 * 10**18), ("BTC", 10**16 - 10**13)]
    in_bnb = fill._replace(fee=10**15, fee_currency="BNB")
    assert protocol.moves(in_bnb) == [("USDT", -600 * 10**18), ("BTC", 10**16), ("BNB", -(10**15))]


def test_a_list_of_balances_reports_what_it_leaves_out_as_zero(protocol):
    call = protocol.balances(NOW)
    assert terms(call) == {"omitZeroBalances": "true"}
    rows = [{"asset": "USDT", "free": "10.00000000", "locked": "2.50000000"}]
    found = answered(protocol, call, {"balances": [*rows, {"asset": "BNB", "free": "1", "locked": "0"}]}).reports
    assert {each.currency: each.total for each in found} == {"BTC": 0, "USDT": 125 * 10**17, "BNB": 10**18}
    found = answered(protocol, call, {"balances": rows}).reports
    assert {each.currency: each.total for each in found} == {"BTC": 0, "USDT": 125 * 10**17, "BNB": 0}


def test_a_key_that_may_trade_and_its_account_are_known(protocol):
    value = {"canTrade": True, "canWithdraw": False, "uid": 354937868}
    (mode,) = answered(protocol, protocol.modes(NOW), value).reports
    assert mode == AccountModeReport(False, False, True, False, "354937868")
    rights = {"enableReading": True, "enableSpotAndMarginTrading": False, "enableFutures": True, "ipRestrict": True}
    found = protocol.family.wallet_side.read_rights(rights, "")
    assert found is not None and found.trade is False


# --- the stream -----------------------------------------------------------------------------------


def event(**more: Any) -> dict[str, Any]:
    row = {"e": "executionReport", "E": AT, "s": "BTCUSDT", "c": "id-1", "C": "", "S": "BUY", "o": "LIMIT", "f": "GTC"}
    row |= {"q": "0.01000000", "p": "60000.00000000", "P": "0.00000000", "x": "NEW", "X": "NEW", "r": "NONE", "i": 9}
    row |= {"l": "0.00000000", "z": "0.00000000", "L": "0.00000000", "n": "0", "N": None, "T": AT, "t": -1, "w": True}
    return {"subscriptionId": 0, "event": {**row, "m": False, **more}}


def reports_of(protocol: BinanceSpotProtocol, **more: Any) -> Any:
    return protocol.reports_of(json.dumps(event(**more)).encode())


NEWS = {
    "accepted": ({}, OrderNews.ACCEPTED, OrderState.ACCEPTED),
    "canceled": (
        {"x": "CANCELED", "X": "CANCELED", "c": "other", "C": "id-1"},
        OrderNews.CANCELED,
        OrderState.CANCELED,
    ),
    "reduced": ({"x": "REPLACED", "C": "id-1"}, OrderNews.UPDATED, OrderState.ACCEPTED),
    "expired": ({"x": "EXPIRED", "X": "EXPIRED", "f": "IOC"}, OrderNews.EXPIRED, OrderState.EXPIRED),
    "prevented": ({"x": "TRADE_PREVENTION", "X": "EXPIRED_IN_MATCH"}, OrderNews.CANCELED, OrderState.CANCELED),
    "rejected": ({"x": "REJECTED", "X": "REJECTED"}, OrderNews.REJECTED, OrderState.REJECTED),
    "waits": ({"o": "STOP_LOSS", "P": "61000.00000000", "w": False}, OrderNews.ACCEPTED, OrderState.ACCEPTED),
    "fired": ({"o": "STOP_LOSS", "P": "61000.00000000"}, OrderNews.TRIGGERED, OrderState.TRIGGERED),
}


@pytest.mark.parametrize("name", NEWS)
def test_an_event_of_an_order_is_news_under_our_id(protocol, name):
    more, news, state = NEWS[name]
    (report,) = reports_of(protocol, **more)
    assert (report.client_id, report.venue_id, report.news, report.state) == ("id-1", "9", news, state)
    assert report.waits is (name == "waits")


def test_an_event_of_a_trade_is_a_fill_with_its_fee(protocol):
    more = {"x": "TRADE", "X": "PARTIALLY_FILLED", "l": "0.00400000", "z": "0.00400000", "L": "59999.50000000"}
    fill, status = reports_of(protocol, **more, n="0.00000400", N="BTC", t=77, m=True)
    assert (fill.trade_id, fill.price, fill.size, fill.fee_currency) == (77, 5_999_950, 400, "BTC")
    assert (fill.liquidity, status.filled, status.news) == (Liquidity.MAKER, 400, None)


def test_balances_come_with_the_time_of_the_account_and_transfers_with_a_name(protocol):
    position = {"e": "outboundAccountPosition", "E": AT + 5, "u": AT, "B": [{"a": "BTC", "f": "1.5", "l": "0.5"}]}
    message = json.dumps({"subscriptionId": 0, "event": position}).encode()
    assert protocol.reports_of(message) == [BalanceReport("BTC", 2 * 10**18, NOW)]
    moved = json.dumps(
        {"subscriptionId": 0, "event": {"e": "balanceUpdate", "a": "BTC", "d": "-1.0", "T": AT}}
    ).encode()
    (report,) = protocol.reports_of(moved)
    assert isinstance(report, MoveReport) and (report.currency, report.amount) == ("BTC", -(10**18))
    assert protocol.reports_of(moved) == [report]  # the same name: it is booked once


def test_events_of_other_clients_fixtures_are_read(protocol):
    """Two of NautilusTrader's, as of 2026-07."""
    protocol.set_instruments([catalogue.find("binance:ETH/USDT")])
    text = (
        '{"e":"executionReport","E":1709654401000,"s":"ETHUSDT","c":"x-TD67BGP9-T0000000000000","S":"BUY","o":"LIMIT",'
        '"f":"GTC","q":"1.00000000","p":"2500.00000000","P":"0.00000000","x":"TRADE","X":"FILLED","r":"NONE",'
        '"i":12345678,"l":"1.00000000","z":"1.00000000","L":"2500.00000000","n":"0.00100000","N":"ETH",'
        '"T":1709654401000,"t":98765432,"w":false,"m":true,"O":1709654400000,"Z":"2500.00000000","C":""}'
    )
    fill, status = protocol.reports_of(text.encode())
    assert (fill.client_id, fill.fee_currency, status.state) == ("x-TD67BGP9-T0000000000000", "ETH", OrderState.FILLED)
    text = '{"e":"balanceUpdate","E":1709654400000,"a":"BTC","d":"0.00100000","T":1709654400000}'
    (moved,) = protocol.reports_of(text.encode())
    assert (moved.currency, moved.amount) == ("BTC", 10**15)


# --- the venue beside its orders ------------------------------------------------------------------


def test_the_account_s_stream_is_a_signed_subscription_and_ends_as_the_venue_says():
    venue = open_trading_venue("binance-spot", "k", "s", Addresses("", "wss://a", "wss://b"))
    assert isinstance(venue, BinanceSpotVenue) and venue.entry_url == "wss://b/ws-api/v3"
    call = venue.stream_key(NOW)
    key = venue.protocol.answer(call, 200, {}, b'{"serverTime":%d}' % AT, NOW).value
    stream = venue.account_stream(key)
    request = json.loads(stream.hello[0])
    params = request["params"]
    signed = "&".join(f"{name}={params[name]}" for name in ("apiKey", "recvWindow", "timestamp"))
    assert params["signature"] == hmac.new(b"s", signed.encode(), hashlib.sha256).hexdigest()
    assert (request["method"], params["timestamp"]) == ("userDataStream.subscribe.signature", AT)
    assert not stream.is_live
    stream.reports_of(b'{"id":1,"status":200,"result":{"subscriptionId":0}}')
    assert stream.is_live and not stream.broken
    for word in ("serverShutdown", "eventStreamTerminated"):
        each = venue.account_stream(key)
        assert each.reports_of(json.dumps({"subscriptionId": 0, "event": {"e": word, "E": AT}}).encode()) == []
        assert each.broken == word
    refused = venue.account_stream(key)
    refused.reports_of(b'{"id":1,"status":400,"error":{"code":-1021,"msg":"x"}}')
    assert "-1021" in refused.broken and not refused.is_live


def test_the_testnet_has_other_addresses_under_the_same_name():
    venue = open_trading_venue(
        "binance-spot", "k", "s", Addresses("https://testnet.binance.vision", "wss://x", "wss://x")
    )
    assert venue.account_stream("0").url == "wss://ws-api.testnet.binance.vision/ws-api/v3"


def symbol_row(*filters: dict[str, str], **more: Any) -> dict[str, Any]:
    row = {"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT", "baseAssetPrecision": 8}
    return {**row, "quotePrecision": 8, "filters": list(filters), **more}


PRICE = {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01000000"}
LOT = {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001000"}


def test_an_instrument_follows_from_the_filters_and_zero_turns_one_off():
    market = {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "120.5", "stepSize": "0.00000000"}
    side = {"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "1.5", "askMultiplierDown": "0.8"}
    notional = {"filterType": "NOTIONAL", "minNotional": "5.00000000"}
    row = symbol_row(PRICE, LOT, market, side, notional, amendAllowed=True)
    (i,) = instruments_of({"symbols": [row]}, frozenset())
    assert (i.symbol, str(i.tick), str(i.lot), i.price_decimals, i.size_decimals) == (SYMBOL, "0.01", "0.00001", 2, 5)
    assert (i.market_lot, i.market_size_max, i.notional_min) == (i.lot, Decimal("120.5"), 5)
    assert (i.band_up, i.band_down, i.amend) == (Decimal("0.5"), Decimal("0.2"), AmendRule.DECREASE_ONLY)
    (i,) = instruments_of({"symbols": [symbol_row(PRICE | {"tickSize": "0"}, LOT, amendAllowed=False)]}, frozenset())
    assert (i.tick, i.amend) == (Decimal("0.00000001"), AmendRule.NONE)


@pytest.mark.parametrize("status", ["HALT", "BREAK", "END_OF_DAY", "CANCEL_ONLY", "OF_TOMORROW"])
def test_what_does_not_trade_now_is_no_instrument(status):
    assert instruments_of({"symbols": [symbol_row(PRICE, LOT, status=status)]}, frozenset()) == []


OUT = Destination(network="BTC", address="bc1q")
ROUTES = {
    "to futures": (TransferRoute("", "usdm"), "/sapi/v1/asset/transfer", {"type": "MAIN_UMFUTURE"}),
    "from futures": (TransferRoute("usdm", ""), "/sapi/v1/asset/transfer", {"type": "UMFUTURE_MAIN"}),
    "to a sub-account": (
        TransferRoute("", "", "a@b"),
        "/sapi/v1/sub-account/universalTransfer",
        {"toEmail": "a@b", "fromAccountType": "SPOT", "toAccountType": "SPOT"},
    ),
    "to the master": (TransferRoute("", "", MASTER), "/sapi/v1/sub-account/transfer/subToMaster", {}),
    "outside": (TransferRoute("", "", OUT), "/sapi/v1/capital/withdraw/apply", {"address": "bc1q", "walletType": "0"}),
}


@pytest.mark.parametrize("name", ROUTES)
def test_money_moves_from_the_spot_wallet_which_is_the_trading_one(protocol, name):
    route, path, wanted = ROUTES[name]
    call = protocol.transfer(route, "BTC", 10**17, NOW, name="t1")
    assert call.target.partition("?")[0] == path and wanted.items() <= terms(call).items()
    assert protocol.transfer(TransferRoute("", "funding"), "BTC", 10**17, NOW) is None


def test_deposits_and_withdrawals_are_of_the_trading_wallet(protocol):
    row = {"id": "7", "coin": "BTC", "amount": "0.5", "insertTime": AT, "status": 1, "txId": "x"}
    (deposit,) = answered(protocol, protocol.deposits("BTC", NOW, since=NOW - SECOND), [row]).reports
    assert (deposit.source, deposit.target, deposit.amount) == (OUTSIDE, "", 5 * 10**17)
    route = TransferRoute("", "", OUT)
    row = {"id": "8", "coin": "BTC", "amount": "0.4", "transactionFee": "0.1", "status": 6, "txId": "y"}
    row |= {"applyTime": "2026-11-30 10:00:00", "withdrawOrderId": "t1"}
    (withdrawn,) = answered(protocol, protocol.transfers(route, NOW, since=NOW - SECOND, name="t1"), [row]).reports
    assert (withdrawn.source, withdrawn.target, withdrawn.amount) == ("", OUTSIDE, 5 * 10**17)


def test_requests_of_other_purposes_are_not_made(protocol):
    assert protocol.dead_man(SYMBOL, NOW, after=SECOND) is None  # there is none
    assert protocol.account_moves(NOW, since=0) is None
    assert protocol.open_stops(SYMBOL, NOW).purpose is Purpose.OPEN_ORDERS
