"""Spot and dated futures of OKX for a gateway, beside swaps in one account: bodies as its documentation has them."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from onetape.model.enums import Kind, OrderState, OrderType, PositionSide, Side, TriggerBy, TriggerKind
from onetape.model.errors import AccountMode
from onetape.model.ids import client_id
from onetape.model.order import OrderSpec
from onetape.model.time import DAY, MS
from onetape.orders.books import Books
from onetape.orders.order import Order
from onetape.orders.outcome import Outcome
from onetape.orders.reports import FillReport
from onetape.venues.contract import Addresses, joined
from onetape.venues.okx.market import PONG, live_market
from onetape.venues.open import open_trading_venue

NOW = 1_795_000_000_123 * MS
SPOT, SWAP, DATED = "okx:BTC/USDT", "okx:BTC/USDT:USDT", "okx:BTC/USDT:USDT-261225"
OURS = client_id("mm", epoch=3, ordinal=77)
LISTED = {"state": "live", "ruleType": "normal", "maxLmtSz": "9999999999", "maxMktSz": "1000000"}
SPOT_ROW = {
    **LISTED,
    "instType": "SPOT",
    "instId": "BTC-USDT",
    "instIdCode": 10001,
    "baseCcy": "BTC",
    "quoteCcy": "USDT",
    "uly": "",
    "settleCcy": "",
    "ctVal": "",
    "ctMult": "",
    "ctType": "",
    "lever": "10",
    "tickSz": "0.1",
    "lotSz": "0.00000001",
    "minSz": "0.00001",
    "expTime": "",
}
CONTRACT = {
    **LISTED,
    "instType": "SWAP",
    "instId": "BTC-USDT-SWAP",
    "instIdCode": 10459,
    "uly": "BTC-USDT",
    "settleCcy": "USDT",
    "ctVal": "0.01",
    "ctMult": "1",
    "ctType": "linear",
    "lever": "100",
    "tickSz": "0.1",
    "lotSz": "0.01",
    "minSz": "0.01",
    "expTime": "",
}
EXPIRES = 1_798_185_600_000  # 2026-12-25 08:00 UTC
DATED_ROW = {**CONTRACT, "instType": "FUTURES", "instId": "BTC-USDT-261225", "expTime": str(EXPIRES), "lever": "50"}
FILL = {
    "instId": "BTC-USDT",
    "ordId": "7",
    "clOrdId": OURS,
    "side": "buy",
    "posSide": "",
    "fillPx": "60000.1",
    "fillSz": "0.5",
    "fillTime": str(NOW // MS),
    "tradeId": "15",
    "execType": "T",
}


def said(*rows, code=0):
    return json.dumps({"code": str(code), "msg": "", "data": rows}).encode()


def opened(*lists):
    venue = open_trading_venue("okx", "KEY", "secret", Addresses("http://127.0.0.1:1", "ws://a", "ws://a"), "word")
    venue.instruments_of(joined([said(*rows) for rows in lists]), frozenset())
    return venue


@pytest.fixture
def venue():
    return opened([CONTRACT], [SPOT_ROW], [DATED_ROW])


@pytest.fixture
def protocol(venue):
    return venue.protocol


def spec(**changes):
    terms = {"symbol": SPOT, "side": Side.BUY, "size_int": 150_000_000, "price_int": 600001}
    return OrderSpec(**{**terms, **changes})


def sent(protocol, **changes):
    return json.loads(protocol.place(OURS, spec(**changes), NOW).body)


# --- instruments ----------------------------------------------------------------------------------


def test_each_type_of_instrument_has_a_list_and_its_own_terms():
    venue = open_trading_venue("okx", "KEY", "secret", Addresses("http://127.0.0.1:1", "ws://a", "ws://a"), "word")
    calls = venue.instrument_lists()
    assert [call.target.partition("instType=")[2] for call in calls] == ["SWAP", "SPOT", "FUTURES"]
    other = {**DATED_ROW, "instId": "BTC-USDT-261226", "ruleType": "xperp"}
    body = joined((said(CONTRACT), said(SPOT_ROW), said(DATED_ROW, other)))
    swap, spot, dated = venue.instruments_of(body, frozenset())
    assert (swap.symbol, spot.symbol, dated.symbol) == (SWAP, SPOT, DATED)
    assert (spot.kind, spot.lot, spot.size_min, spot.multiplier) == (Kind.SPOT, Decimal("1e-8"), Decimal("1e-5"), 1)
    assert (spot.market_size_max, spot.leverage, spot.taker_fee) == (0, 0, Decimal("0.001"))  # it is in dollars
    assert (dated.kind, dated.expiry, dated.perpetual) == (Kind.LINEAR, EXPIRES * MS, False)
    assert (dated.multiplier, dated.leverage, dated.funding_interval) == (Decimal("0.01"), 50, 0)
    assert venue.instruments_of(body, frozenset({DATED})) == [dated]


def test_a_refused_list_is_no_empty_one(venue):
    with pytest.raises(ValueError):
        venue.instruments_of(joined((said(CONTRACT), said(code=50011))), frozenset())


# --- orders ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "terms"),
    [
        ({}, {"ordType": "limit", "px": "60000.1"}),
        ({"post_only": True}, {"ordType": "post_only"}),
        ({"type": OrderType.MARKET, "price_int": 0}, {"ordType": "market", "tgtCcy": "base_ccy"}),
        (
            {
                "type": OrderType.MARKET,
                "price_int": 0,
                "trigger_int": 610000,
                "trigger_by": TriggerBy.LAST,
                "trigger_kind": TriggerKind.STOP,
            },
            {"ordType": "conditional", "slTriggerPx": "61000.0", "slOrdPx": "-1", "tgtCcy": "base_ccy"},
        ),
    ],
)
def test_an_order_on_spot_is_paid_in_cash_and_its_size_is_in_coins(protocol, changes, terms):
    found = sent(protocol, **changes)
    assert {name: found[name] for name in terms} == terms
    assert (found["instId"], found["tdMode"], found["sz"]) == ("BTC-USDT", "cash", "1.50000000")
    assert "posSide" not in found and "reduceOnly" not in found and ("tgtCcy" in found) is ("tgtCcy" in terms)


def test_a_contract_of_the_same_account_has_margin(protocol):
    for symbol, raw in ((SWAP, "BTC-USDT-SWAP"), (DATED, "BTC-USDT-261225")):
        found = sent(protocol, symbol=symbol, size_int=100, type=OrderType.MARKET, price_int=0)
        assert (found["instId"], found["tdMode"], found["sz"]) == (raw, "cross", "1.00") and "tgtCcy" not in found


def test_a_purchase_for_money_by_someone_else_has_the_size_of_its_fills(protocol):
    row = {
        **{name: FILL[name] for name in ("instId", "ordId", "side", "posSide")},
        "clOrdId": "",
        "px": "",
        "sz": "1000",
        "tgtCcy": "quote_ccy",
        "ordType": "market",
        "reduceOnly": "false",
        "state": "filled",
        "accFillSz": "0.016",
        "fillSz": "0",
        "tradeId": "",
        "uTime": "1795000000000",
    }
    (report,) = protocol.reports_of(json.dumps({"arg": {"channel": "orders"}, "data": [row]}).encode())
    assert (report.state, report.size, report.filled) == (OrderState.FILLED, 1_600_000, 1_600_000)


# --- what a fill changes --------------------------------------------------------------------------


def test_only_contracts_have_positions():
    both = opened([CONTRACT], [SPOT_ROW]).protocol.traits
    assert both.positions and both.has_position(SWAP) and not both.has_position(SPOT)
    spot = opened([], [SPOT_ROW]).protocol.traits
    assert not spot.positions and not spot.has_position(SPOT)
    assert opened([CONTRACT], []).protocol.traits.has_position(SWAP)


def test_a_purchase_pays_its_fee_in_the_coin_and_changes_two_balances(protocol):
    row = {**FILL, "fee": "-0.0005", "feeCcy": "BTC", "billId": "1"}
    (fill,) = protocol.answer(protocol.fills(SPOT, NOW, since=NOW), 200, {}, said(row), NOW).reports
    assert isinstance(fill, FillReport)
    assert (fill.fee, fill.fee_currency, fill.position_side) == (5 * 10**14, "BTC", PositionSide.BOTH)
    assert dict(protocol.moves(fill)) == {"USDT": -3000005 * 10**16, "BTC": 4995 * 10**14}
    books = Books(protocol)
    books.book(fill)
    books.book(fill._replace(symbol=SWAP, size=100, trade_id=16))
    assert books.holding("BTC") == 4995 * 10**14 and books.holding("USDT") == -3000005 * 10**16
    assert books.positions == {(SPOT, PositionSide.BOTH): 50_000_000, (SWAP, PositionSide.BOTH): 100}


def test_a_loan_on_spot_is_no_position_of_ours(protocol):
    row = {"posSide": "net", "pos": "2", "avgPx": "60000", "markPx": "60001", "liqPx": "", "uTime": "1795000000001"}
    rows = [{**row, "instId": raw} for raw in ("BTC-USDT", "BTC-USDT-SWAP")]
    message = json.dumps({"arg": {"channel": "positions"}, "data": rows}).encode()
    for found in (
        protocol.answer(protocol.positions(NOW), 200, {}, said(*rows), NOW).reports,
        protocol.reports_of(message),
    ):
        assert [(each.symbol, each.qty) for each in found] == [(SWAP, 200)]


# --- lists ----------------------------------------------------------------------------------------


def test_lists_have_all_types_and_old_fills_come_type_by_type(protocol):
    lists = (*protocol.open_orders(NOW), protocol.positions(NOW), protocol.fills(SPOT, NOW, since=NOW))
    assert not [call.target for call in lists if "instType" in call.target]
    call, types = protocol.fills(SPOT, NOW, since=NOW - 10 * DAY), []
    for rows in ([{**FILL, "billId": str(500 - n), "fee": "0"} for n in range(100)], [], [], []):
        types.append(call.target.partition("instType=")[2].partition("&")[0])
        cursor = protocol.answer(call, 200, {}, said(*rows), NOW).cursor
        if not cursor:
            break
        call = protocol.fills(SPOT, NOW, since=0, cursor=cursor)
        assert ("after=401" in call.target) is bool(rows)
    assert types == ["FUTURES", "FUTURES", "SPOT", "SWAP"] and not cursor


@pytest.mark.parametrize(
    ("lists", "level", "borrows", "refusal"),
    [
        (([CONTRACT], [SPOT_ROW]), "1", False, f"spot mode (acctLv 1), which has no contracts: {SWAP}"),
        (([], [SPOT_ROW]), "1", False, ""),
        (([CONTRACT], [SPOT_ROW]), "2", False, ""),
        ((), "1", False, ""),  # nothing is named that it could lack
        (([CONTRACT], [SPOT_ROW]), "3", False, ""),
        (([CONTRACT], [SPOT_ROW]), "3", True, "borrows by itself (autoLoan)"),
        (([], [SPOT_ROW]), "4", False, "portfolio margin (acctLv 4), which is not supported"),
    ],
)
def test_an_accounts_level_decides_what_it_may_trade(lists, level, borrows, refusal):
    protocol = opened(*lists).protocol
    row = {
        "uid": "77",
        "acctLv": level,
        "posMode": "net_mode",
        "perm": "read_only,trade",
        "ip": "",
        "autoLoan": borrows,
    }
    answer = protocol.answer(protocol.stream_key(NOW), 200, {}, said(row), NOW)
    assert answer.outcome is (Outcome.DEFINITIVE if refusal else Outcome.DONE)
    assert refusal in answer.text and (answer.code == AccountMode.code) is bool(refusal)
    assert protocol.read_key({"data": [row]})[1].portfolio_margin is (level == "4")


@pytest.mark.parametrize(("level", "mode"), [("2", "cash"), ("3", "cross"), ("1", "cash")])
def test_spot_is_traded_in_the_mode_of_the_accounts_level(level, mode):
    protocol = opened([], [SPOT_ROW]).protocol
    row = {"uid": "77", "acctLv": level, "posMode": "net_mode", "perm": "read_only,trade", "ip": ""}
    protocol.answer(protocol.stream_key(NOW), 200, {}, said(row), NOW)
    usual = protocol.place_order(Order(1, 1, spec(), NOW, OURS), NOW, number=3)
    for call in (protocol.place(OURS, spec(), NOW), usual):
        assert json.loads(call.body)["tdMode"] == mode


# --- channels -------------------------------------------------------------------------------------


def test_an_accounts_channels_are_of_any_type(venue):
    for stream in venue.account_streams(str(NOW)):
        stream.reports_of(b'{"event":"login","code":"0","msg":"","connId":"a"}')
        (subscription,) = stream.due()
        for arg in json.loads(subscription)["args"]:
            assert arg.get("instType") == (None if arg["channel"] == "account" else "ANY")


def test_the_market_of_each_type_has_its_channels(venue):
    lists = said(CONTRACT), said(SPOT_ROW), said(DATED_ROW)
    instruments = venue.instruments_of(joined(lists), frozenset())
    (stream,) = live_market(instruments, "ws://a").streams()
    found = {}
    for message in stream.hello:
        for arg in json.loads(message)["args"]:
            found.setdefault(arg["instId"], set()).add(arg["channel"])
    tops = {"bbo-tbt", "trades"}
    assert found == {
        "BTC-USDT-SWAP": tops | {"mark-price", "funding-rate"},
        "BTC-USDT": tops,
        "BTC-USDT-261225": tops | {"mark-price"},
    }
    assert stream.confirmations == 9 and stream.most_s == 10.0 and not stream.ping


def test_a_market_without_marks_is_kept_by_pings(venue):
    (spot,) = venue.instruments_of(joined([said(), said(SPOT_ROW), said()]), frozenset())
    market = live_market([spot], "ws://a")
    (stream,) = market.streams()
    assert (stream.ping, stream.most_s) == (b"ping", 0.0)
    assert market.take(PONG, NOW, None) == 0 and market.rejected == 0
