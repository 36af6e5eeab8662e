"""OKX for a gateway: what is requests, what answers mean, what the account's channels tell. Bodies are those of the
venue's documentation, and recorded ones."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

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
    BadSignature,
    ClockSkew,
    DuplicateClientId,
    InsufficientFunds,
    OrderInvalid,
    OrderOutcomeUnknown,
    OrderUnknown,
    OrderWouldCross,
    OrderWouldTrigger,
    PermissionDenied,
    ReduceOnlyViolated,
    VenueRateLimit,
)
from onetape.model.ids import client_id
from onetape.model.order import OrderSpec
from onetape.model.time import DAY, HOUR, SECOND, parse_time
from onetape.orders.calls import OrderKey, Purpose
from onetape.orders.order import Order
from onetape.orders.outcome import Outcome
from onetape.orders.reports import AccountModeReport, FillReport, MoveKind
from onetape.tape.journal import JournalReader, JournalWriter, type_id
from onetape.venues.contract import Addresses, joined
from onetape.venues.okx.adapter import ADAPTER
from onetape.venues.okx.market import PONG, live_market
from onetape.venues.okx.signing import signature, signed_headers
from onetape.venues.open import open_trading_venue
from onetape.venues.order_entry import EntrySession

MS = 1_000_000
NOW = 1_795_000_000_123 * MS
BTC, INVERSE = "okx:BTC/USDT:USDT", "okx:BTC/USD:BTC"
OURS = client_id("mm", epoch=3, ordinal=77)
NUMBER = "2497956918703120384"
ROW = {
    "instType": "SWAP",
    "instId": "BTC-USDT-SWAP",
    "instIdCode": 10459,
    "uly": "BTC-USDT",
    "instFamily": "BTC-USDT",
    "settleCcy": "USDT",
    "ctVal": "0.01",
    "ctMult": "1",
    "ctValCcy": "BTC",
    "ctType": "linear",
    "lever": "100",
    "tickSz": "0.1",
    "lotSz": "0.01",
    "minSz": "0.01",
    "maxLmtSz": "100000000",
    "maxMktSz": "35000",
    "state": "live",
    "ruleType": "normal",
}
USD = {
    "instId": "BTC-USD-SWAP",
    "uly": "BTC-USD",
    "settleCcy": "BTC",
    "ctVal": "100",
    "ctType": "inverse",
    "lotSz": "1",
}
ETH = {"instId": "ETH-USDT-SWAP", "uly": "ETH-USDT", "instIdCode": None, "ctVal": "0.1", "tickSz": "0.01"}
ORDER = {
    "instType": "SWAP",
    "instId": "BTC-USDT-SWAP",
    "ordId": NUMBER,
    "clOrdId": OURS,
    "algoId": "",
    "algoClOrdId": "",
    "px": "60000.1",
    "sz": "1.5",
    "ordType": "limit",
    "side": "buy",
    "posSide": "net",
    "tdMode": "cross",
    "accFillSz": "0",
    "fillSz": "0",
    "fillPx": "",
    "fillTime": "",
    "tradeId": "",
    "execType": "",
    "fillFee": "0",
    "fillFeeCcy": "",
    "state": "live",
    "category": "normal",
    "reduceOnly": "false",
    "cancelSource": "",
    "amendResult": "",
    "cTime": "1795000000000",
    "uTime": "1795000000000",
}
FILL = {
    "fillSz": "0.5",
    "fillPx": "60000.1",
    "fillTime": "1795000000100",
    "tradeId": "1518905529",
    "execType": "M",
    "fillFee": "-0.06",
    "fillFeeCcy": "USDT",
}
STOP = {"trigger_by": TriggerBy.MARK, "trigger_kind": TriggerKind.STOP, "side": Side.SELL, "trigger_int": 590000}
ALGO = {
    "instId": "BTC-USDT-SWAP",
    "algoId": "7066",
    "algoClOrdId": OURS,
    "ordId": "",
    "ordType": "conditional",
    "state": "live",
    "side": "sell",
    "posSide": "net",
    "sz": "1.5",
    "slTriggerPx": "59000",
    "slOrdPx": "-1",
    "tpTriggerPx": "",
    "tpOrdPx": "",
    "reduceOnly": "true",
    "uTime": "1795000000000",
}


def said(rows, code=0, text=""):
    return json.dumps({"code": str(code), "msg": text, "data": rows}).encode()


def swaps(rows):
    """The lists of instruments of an account that has swaps alone."""
    return joined([said(rows), said([]), said([])])


def acked(code=0, **more):
    return said([{"ordId": NUMBER, "clOrdId": OURS, "sCode": str(code), "sMsg": "why", **more}], min(code, 1))


def pushed(channel, *rows):
    return json.dumps({"arg": {"channel": channel, "instType": "SWAP"}, "data": rows}).encode()


@pytest.fixture
def venue():
    made = open_trading_venue("okx", "KEY", "secret", Addresses("http://127.0.0.1:1", "ws://a", "ws://a"), "word")
    made.instruments_of(swaps([ROW, {**ROW, **USD}, {**ROW, **ETH}]), frozenset())
    return made


@pytest.fixture
def protocol(venue):
    return venue.protocol


@pytest.fixture
def payloads(shared):
    return shared / "payloads" / "okx"


def spec(**changes):
    terms = {"symbol": BTC, "side": Side.BUY, "size_int": 150, "price_int": 600001, "tif": TimeInForce.GTC}
    return OrderSpec(**{**terms, **changes})


def body(call):
    return json.loads(call.body)


# --- signatures -----------------------------------------------------------------------------------


def test_signatures_are_those_of_the_documentations_text():
    """The vectors were computed from its description by hand, with the secret `secret`."""
    assert (
        signature("secret", b"2020-12-08T09:08:57.715ZGET/api/v5/account/balance?ccy=BTC")
        == "wpDvCwYCprcMQsQkxWJiWy+YADoQE4ep+OEKKLimMoY="
    )
    assert signature("secret", b"1538054050GET/users/self/verify") == "Gj2hQIVKFcXbiwCak8SmVOu5mxPCizWDdmUAhbx8Z+s="
    at = parse_time("2020-12-08T09:08:57.715Z")
    headers = signed_headers("KEY", "secret", "word", "GET/api/v5/account/balance?ccy=BTC", b"", at)
    assert headers == {
        "OK-ACCESS-KEY": "KEY",
        "OK-ACCESS-SIGN": "wpDvCwYCprcMQsQkxWJiWy+YADoQE4ep+OEKKLimMoY=",
        "OK-ACCESS-TIMESTAMP": "2020-12-08T09:08:57.715Z",
        "OK-ACCESS-PASSPHRASE": "word",
    }


def test_a_time_on_the_second_has_milliseconds():
    headers = signed_headers("KEY", "secret", "word", "GET/x", b"", 1_795_000_000 * SECOND)
    assert headers["OK-ACCESS-TIMESTAMP"].endswith(".000Z")


def test_demo_keys_have_a_header_and_their_own_address():
    addresses = ADAPTER.addresses
    assert addresses["live"].rest == addresses["demo"].rest
    for mode, header in (("live", None), ("demo", "1")):
        protocol = open_trading_venue("okx", "KEY", "secret", addresses[mode], "word").protocol
        assert protocol.balances(NOW).headers.get("x-simulated-trading") == header


# --- instruments ----------------------------------------------------------------------------------


def test_a_swap_has_the_venues_rules_and_its_contracts_have_a_value(venue):
    rows = [ROW, {**ROW, **USD}, {**ROW, "state": "suspend"}, {**ROW, "ruleType": "pre_market"}]
    linear, inverse = venue.instruments_of(swaps(rows), frozenset())
    assert (linear.symbol, linear.raw_symbol, linear.venue_number) == (BTC, "BTC-USDT-SWAP", 10459)
    assert (linear.tick, linear.lot, linear.multiplier) == (Decimal("0.1"), Decimal("0.01"), Decimal("0.01"))
    assert (linear.leverage, linear.maintenance_rate) == (100, Decimal("0.005"))
    assert (linear.funding_interval, linear.market_size_max) == (8 * HOUR, 35000)
    assert linear.notional_units(600000, 100) == 600 * 10**18  # a contract of 0.01 coins at 60,000
    assert (inverse.symbol, inverse.kind, inverse.multiplier) == (INVERSE, Kind.INVERSE, 100)
    assert venue.instruments_of(swaps([ROW]), frozenset({"okx:ETH/USDT:USDT"})) == []


# --- requests -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "terms"),
    [
        ({}, {"ordType": "limit", "px": "60000.1", "clOrdId": OURS}),
        ({"post_only": True}, {"ordType": "post_only"}),
        ({"tif": TimeInForce.IOC}, {"ordType": "ioc"}),
        ({"tif": TimeInForce.FOK}, {"ordType": "fok"}),
        ({"type": OrderType.MARKET, "price_int": 0}, {"ordType": "market"}),
        ({"reduce_only": True}, {"reduceOnly": "true"}),
        ({"position_side": PositionSide.SHORT}, {"posSide": "short"}),
        (
            {**STOP, "type": OrderType.MARKET, "price_int": 0},
            {
                "ordType": "conditional",
                "algoClOrdId": OURS,
                "slTriggerPx": "59000.0",
                "slTriggerPxType": "mark",
                "slOrdPx": "-1",
            },
        ),
        (
            {**STOP, "trigger_kind": TriggerKind.TAKE_PROFIT, "trigger_int": 610000},
            {"tpTriggerPx": "61000.0", "tpTriggerPxType": "mark", "tpOrdPx": "60000.1"},
        ),
    ],
)
def test_an_order_is_placed_in_the_venues_words(protocol, changes, terms):
    call = protocol.place(OURS, spec(**changes), NOW)
    sent, waits = body(call), "trigger_int" in changes
    assert (call.method, call.purpose) == ("POST", Purpose.PLACE)
    assert call.target == f"/api/v5/trade/order{'-algo' if waits else ''}" and call.subject.conditional is waits
    assert {name: sent[name] for name in terms} == terms
    assert (sent["instId"], sent["tdMode"], sent["sz"]) == ("BTC-USDT-SWAP", "cross", "1.50")
    signed = signed_headers("KEY", "secret", "word", f"POST{call.target}", call.body, NOW)
    assert call.headers == {"Content-Type": "application/json", "expTime": str(NOW // MS + 5000), **signed}


@pytest.mark.parametrize("changes", [{"tif": TimeInForce.IOC}, {"post_only": True}])
def test_a_kind_of_stop_that_the_venue_does_not_have_is_no_other_kind(protocol, changes):
    assert body(protocol.place(OURS, spec(**STOP, **changes), NOW))["ordType"] not in ("conditional", "trigger")


def test_an_order_is_named_by_the_venues_id_once_it_is_known(protocol):
    assert body(protocol.cancel(OrderKey(BTC, OURS), NOW)) == {"instId": "BTC-USDT-SWAP", "clOrdId": OURS}
    assert body(protocol.cancel(OrderKey(BTC, OURS, venue_id=NUMBER), NOW))["ordId"] == NUMBER
    assert body(protocol.cancel(OrderKey(BTC, NUMBER), NOW))["ordId"] == NUMBER  # a foreign order without an id
    waiting = OrderKey(BTC, OURS, True, "7066")
    assert body(protocol.cancel(waiting, NOW)) == [{"instId": "BTC-USDT-SWAP", "algoClOrdId": OURS}]
    assert protocol.query(waiting, NOW).target == f"/api/v5/trade/order-algo?algoClOrdId={OURS}"
    query = protocol.query_venue_id(BTC, NUMBER, NOW).target
    assert query == f"/api/v5/trade/order?instId=BTC-USDT-SWAP&ordId={NUMBER}"
    amended = body(protocol.amend(OrderKey(BTC, OURS), spec(), NOW, price=600002, size=200))
    assert (amended["newPx"], amended["newSz"]) == ("60000.2", "2.00")


def test_lists_have_pages_that_begin_after_the_last_id(protocol):
    orders, *algos = protocol.open_orders(NOW)
    assert [call.target.partition("ordType=")[2] for call in algos] == ["conditional%2Coco", "trigger"]
    rows = [{**ORDER, "ordId": str(900 - n)} for n in range(100)]
    answer = protocol.answer(orders, 200, {}, said(rows), NOW)
    assert (len(answer.reports), answer.cursor) == (100, "801")
    assert protocol.answer(orders, 200, {}, said(rows[:99]), NOW).cursor == ""
    assert "after=801" in protocol.more_orders(orders, "801", NOW).target
    more = protocol.more_orders(algos[1], "5", NOW).target
    assert "orders-algo-pending" in more and "ordType=trigger" in more and "after=5" in more


def test_an_old_history_is_read_from_the_archive(protocol):
    recent, old = (protocol.fills(BTC, NOW, since=NOW - days * DAY) for days in (1, 10))
    assert "/trade/fills?" in recent.target and "/trade/fills-history?" in old.target
    begin = (NOW - 10 * DAY) // MS
    rows = [{**ORDER, **FILL, "billId": str(500 - n), "fee": "0", "feeCcy": "USDT"} for n in range(100)]
    answer = protocol.answer(old, 200, {}, said(rows), NOW)
    assert answer.cursor == f"{begin} 401 SWAP"
    page = protocol.fills(BTC, NOW, since=0, cursor=answer.cursor).target
    assert f"begin={begin}&" in page and page.endswith("after=401")
    assert "/account/bills-archive?" in protocol.account_moves(NOW, since=NOW - 10 * DAY).target


def test_the_dead_mans_switch_is_of_the_account_and_within_the_venues_bounds(protocol):
    assert protocol.dead_man(BTC, NOW, after=30 * SECOND) is None
    seconds = [body(protocol.dead_man("", NOW, after=after * SECOND))["timeOut"] for after in (0, 3, 30, 500)]
    assert seconds == ["0", "10", "30", "120"]


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "outcome", "error"),
    [
        (51008, Outcome.DEFINITIVE, InsufficientFunds),
        (51169, Outcome.DEFINITIVE, ReduceOnlyViolated),
        (51016, Outcome.DEFINITIVE, DuplicateClientId),
        (51121, Outcome.DEFINITIVE, OrderInvalid),
        (51280, Outcome.DEFINITIVE, OrderWouldTrigger),
        (50036, Outcome.SAFE, ClockSkew),
        (50061, Outcome.SAFE, VenueRateLimit),
        (51149, Outcome.AMBIGUOUS, OrderOutcomeUnknown),
        (999999, Outcome.AMBIGUOUS, None),
    ],
)
def test_an_error_of_an_order_says_what_became_of_it(protocol, code, outcome, error):
    answer = protocol.answer(protocol.place(OURS, spec(), NOW), 200, {}, acked(code), NOW)
    assert (answer.outcome, answer.venue_code) == (outcome, str(code))
    assert error is None or answer.code == error.code


@pytest.mark.parametrize(
    ("status", "code", "outcome", "error"),
    [
        (401, 50113, Outcome.DEFINITIVE, BadSignature),
        (401, 50102, Outcome.SAFE, ClockSkew),
        (401, 50105, Outcome.DEFINITIVE, PermissionDenied),
        (401, 50101, Outcome.DEFINITIVE, PermissionDenied),
        (429, 50011, Outcome.SAFE, VenueRateLimit),
    ],
)
def test_an_error_of_a_request_is_in_its_envelope(protocol, status, code, outcome, error):
    answer = protocol.answer(protocol.place(OURS, spec(), NOW), status, {}, said([], code), NOW)
    assert (answer.outcome, answer.code) == (outcome, error.code)


def test_what_is_no_answer_of_the_venue_says_nothing(protocol):
    call = protocol.place(OURS, spec(), NOW)
    for status, text in ((502, b"<html>"), (200, b"{}"), (200, b""), (200, b"[]"), (200, b'{"code":"0"}')):
        assert protocol.answer(call, status, {}, text, NOW).outcome is Outcome.AMBIGUOUS, text
    assert protocol.answer(call, 403, {}, b"<html>Your country</html>", NOW).outcome is Outcome.AMBIGUOUS


@pytest.mark.parametrize("code", [51400, 51410, 51416])
def test_a_cancel_that_lost_its_race_proves_no_end(protocol, code):
    answer = protocol.answer(protocol.cancel(OrderKey(BTC, OURS), NOW), 200, {}, acked(code), NOW)
    assert (answer.outcome, answer.not_found) == (Outcome.AMBIGUOUS, True)


def test_a_query_says_that_there_is_no_order_by_an_error(protocol):
    answer = protocol.answer(protocol.query(OrderKey(BTC, OURS), NOW), 200, {}, said([], 51603), NOW)
    assert (answer.outcome, answer.not_found, answer.code) == (Outcome.DEFINITIVE, True, OrderUnknown.code)


def test_an_answer_to_an_order_is_a_receipt(protocol):
    answer = protocol.answer(protocol.place(OURS, spec(), NOW), 200, {}, acked(), NOW)
    assert (answer.outcome, answer.reports, answer.value, protocol.traits.acks) == (Outcome.DONE, (), NUMBER, True)


@pytest.mark.parametrize(
    ("row", "report"),
    [
        ({}, AccountModeReport(False, False, True, False, "77")),
        (
            {"posMode": "long_short_mode", "perm": "read_only,trade,withdraw"},
            AccountModeReport(True, False, True, True, "77"),
        ),
        ({"acctLv": "3"}, AccountModeReport(False, False, True, False, "77")),
        ({"acctLv": "1"}, AccountModeReport(False, False, True, False, "77")),  # what it lacks is said at the start
        ({"perm": "read_only"}, AccountModeReport(False, False, False, False, "77")),
    ],
)
def test_an_accounts_level_and_its_keys_rights_decide_whether_it_trades(protocol, row, report):
    usual = {"uid": "77", "acctLv": "2", "posMode": "net_mode", "perm": "read_only,trade", "ip": ""}
    answer = protocol.answer(protocol.modes(NOW), 200, {}, said([{**usual, **row}]), NOW)
    assert answer.reports == (report,)
    uid, rights = protocol.read_key({"data": [{**usual, **row, "ip": "1.2.3.4"}]})
    assert (uid, rights.trade, rights.withdraw, rights.is_bound) == (
        "77",
        "trade" in row.get("perm", "trade"),
        report.can_withdraw,
        True,
    )


def test_money_moves_as_the_venue_says_and_not_by_fills(protocol):
    row = {"billId": "1", "instId": "BTC-USDT-SWAP", "ccy": "USDT", "ts": str(NOW // MS)}
    rows = [
        {**row, "type": "8", "balChg": "-0.25"},
        {**row, "type": "1", "balChg": "100", "instId": ""},
        {**row, "type": "2", "balChg": "-1"},
        {**row, "type": "5", "balChg": "-1"},
        {**row, "type": "11", "balChg": "2", "instId": ""},
        # The margin of an isolated position: money for it is no change, and its funding is paid out of it.
        {**row, "type": "6", "balChg": "-50", "posBalChg": "50", "mgnMode": "isolated"},
        {**row, "type": "8", "balChg": "0", "posBalChg": "-0.5", "mgnMode": "isolated"},
    ]
    answer = protocol.answer(protocol.account_moves(NOW, since=NOW), 200, {}, said(rows), NOW)
    found = [(each.kind, each.amount / 10**18, each.symbol) for each in answer.reports]
    isolated = (MoveKind.FUNDING, -0.5, BTC)
    assert found == [(MoveKind.FUNDING, -0.25, BTC), (MoveKind.TRANSFER, 100, ""), (MoveKind.OTHER, 2, ""), isolated]


# --- orders and channels --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "state", "news", "code"),
    [
        ({}, OrderState.ACCEPTED, OrderNews.ACCEPTED, 0),
        ({"amendResult": "0"}, OrderState.ACCEPTED, OrderNews.UPDATED, 0),
        ({"amendResult": "-1"}, OrderState.ACCEPTED, OrderNews.UPDATE_REJECTED, 4401),
        ({"state": "partially_filled", "accFillSz": "0.5"}, OrderState.PARTIALLY_FILLED, None, 0),
        ({"state": "filled", "accFillSz": "1.5"}, OrderState.FILLED, None, 0),
        ({"state": "canceled", "cancelSource": "1"}, OrderState.CANCELED, OrderNews.CANCELED, 0),
        ({"state": "canceled", "cancelSource": "31"}, OrderState.REJECTED, OrderNews.REJECTED, OrderWouldCross.code),
        ({"state": "mmp_canceled"}, OrderState.CANCELED, OrderNews.CANCELED, 0),
    ],
)
def test_the_order_channel_tells_an_orders_life(protocol, changes, state, news, code):
    (report,) = protocol.reports_of(pushed("orders", {**ORDER, **changes}))
    assert (report.state, report.news, report.code, report.client_id) == (state, news, code, OURS)
    assert (report.price, report.size, report.venue_id) == (600001, 150, NUMBER)


def test_an_order_event_with_a_fill_has_it_first_and_what_is_paid_is_positive(protocol):
    fill, report = protocol.reports_of(pushed("orders", {**ORDER, **FILL, "state": "partially_filled"}))
    assert isinstance(fill, FillReport) and report.client_id == OURS
    assert (fill.price, fill.size, fill.trade_id, fill.liquidity) == (600001, 50, 1518905529, Liquidity.MAKER)
    assert (fill.fee, fill.fee_currency) == (6 * 10**16, "USDT")


def test_an_order_with_a_trigger_becomes_the_one_that_it_sends(protocol):
    (waiting,) = protocol.reports_of(pushed("orders-algo", ALGO))
    assert (waiting.conditional, waiting.trigger, waiting.state) == (True, 590000, OrderState.ACCEPTED)
    assert (waiting.takes_profit, waiting.type, waiting.news) == (False, OrderType.MARKET, OrderNews.ACCEPTED)
    (fired,) = protocol.reports_of(pushed("orders-algo", {**ALGO, "state": "effective", "ordId": NUMBER}))
    assert (fired.conditional, fired.venue_id, fired.news) == (False, NUMBER, OrderNews.TRIGGERED)
    child = {**ORDER, "clOrdId": "", "algoId": "7066", "algoClOrdId": OURS, "ordType": "market", "px": ""}
    (sent,) = protocol.reports_of(pushed("orders", child))
    assert (sent.client_id, sent.news, sent.venue_id) == (OURS, OrderNews.TRIGGERED, NUMBER)
    failed = {**ALGO, "state": "order_failed", "failCode": "51008", "failReason": "margin"}
    (refused,) = protocol.reports_of(pushed("orders-algo", failed))
    assert (refused.state, refused.code, refused.reason) == (OrderState.REJECTED, InsufficientFunds.code, "margin")


def test_a_listed_fill_of_an_order_without_our_id_leaves_its_owner_open(protocol):
    row = {**ORDER, **FILL, "clOrdId": "", "billId": "1", "fee": "0.06", "feeCcy": "USDT"}
    row.pop("fillFee")
    (fill,) = protocol.answer(protocol.fills(BTC, NOW, since=NOW), 200, {}, said([row]), NOW).reports
    assert (fill.client_id, fill.venue_id, fill.fee) == ("", NUMBER, -6 * 10**16)


def test_what_the_venue_closes_itself_is_nobodys_order(protocol, payloads):
    recorded = (payloads / "ws_orders_liquidation.json").read_bytes()
    found = protocol.reports_of(recorded.replace(b"isolated", b"cross"))
    assert {each.client_id for each in found} == {"liquidation-2497956918703120999"}
    assert found[0].client_id.startswith(protocol.traits.forced)


def test_positions_and_balances_come_with_their_times(protocol, payloads):
    row = {"instId": "BTC-USDT-SWAP", "posSide": "net", "pos": "-1.5", "avgPx": "60000", "markPx": "60001"}
    row |= {"liqPx": "", "uTime": "1795000000001"}
    held = protocol.answer(protocol.positions(NOW), 200, {}, said([row]), NOW).reports[0]
    assert (held.qty, held.entry, held.liquidation, held.time) == (-150, Decimal(60000), None, NOW)
    (report,) = protocol.reports_of(pushed("positions", {**row, "posSide": "short", "pos": "1.5"}))
    assert (report.qty, report.side, report.time) == (-150, PositionSide.SHORT, 1795000000001 * MS)
    answer = (payloads / "http_get_account_balance.json").read_bytes()
    (balance,) = protocol.answer(protocol.balances(NOW), 200, {}, answer, NOW).reports
    # 94.43 free of isolated positions, whose margin is 5.47 with a loss of 0.03.
    assert (balance.currency, balance.total) == ("USDT", 99921996569999997200)
    assert balance.margin is not None and (balance.margin.profit, balance.margin.available) == (0, 94426129903333330000)


def test_a_balance_of_the_account_s_channel_is_as_of_the_venue_s_time(protocol):
    details = {"ccy": "USDT", "cashBal": "12.5", "upl": "0", "availEq": "12"}
    (balance,) = protocol.reports_of(pushed("account", {"uTime": "1795000000001", "details": [details]}))
    assert (balance.currency, balance.total, balance.time) == ("USDT", 125 * 10**17, 1795000000001 * MS)


def test_recorded_messages_of_an_account_are_all_understood(venue, protocol, payloads):
    venue.instruments_of(swaps([{**ROW, "lotSz": "0.001"}, {**ROW, **ETH, "lotSz": "0.001"}]), frozenset())
    recorded = [each for each in payloads.glob("ws_*.json") if any(w in each.name for w in ("order", "account"))]
    recorded = [each for each in recorded if "option" not in each.name and "ioc" not in each.name]  # other instruments
    assert len(recorded) > 4
    for each in recorded:
        for message in each.read_text().replace("}\n{", "}\0{").split("\0"):
            found = protocol.reports_of(message.encode())
            bad = [report for report in found if getattr(report, "what", "") in ("malformed", "unknown")]
            assert not bad and not protocol.unknown, (each.name, bad)


def test_recorded_answers_about_orders_are_all_understood(protocol, payloads):
    requests = {
        "http_get_orders_history.json": protocol.query(OrderKey(BTC, OURS), NOW),
        "http_get_orders_pending_with_attached_tp_sl.json": protocol.open_orders(NOW)[0],
        "http_get_orders_algo_pending.json": protocol.open_orders(NOW)[2],
        "http_place_algo_order_response.json": protocol.place(OURS, spec(**STOP), NOW),
        "http_cancel_algo_order_response.json": protocol.cancel(OrderKey(BTC, OURS, True), NOW),
    }
    for name, call in requests.items():
        answer = protocol.answer(call, 200, {}, (payloads / name).read_bytes(), NOW)
        assert answer.outcome is Outcome.DONE, (name, answer)


def test_other_symbols_of_the_account_are_noted(protocol):
    (report,) = protocol.reports_of(pushed("orders", {**ORDER, "instId": "XRP-USDT-SWAP"}))
    assert (report.what, protocol.unlisted) == ("other symbol", {"XRP-USDT-SWAP"})


def test_what_is_in_isolated_margin_is_noted_and_is_no_position_or_order_of_ours(protocol):
    row = {"instId": "BTC-USDT-SWAP", "posSide": "net", "pos": "2", "avgPx": "60000", "markPx": "60001"}
    row |= {"liqPx": "", "uTime": "1795000000001", "mgnMode": "cross"}
    for flat in ("0", "3"):
        rows = [row, {**row, "mgnMode": "isolated", "pos": flat}]
        for found in (
            protocol.answer(protocol.positions(NOW), 200, {}, said(rows), NOW).reports,
            protocol.reports_of(json.dumps({"arg": {"channel": "positions"}, "data": rows}).encode()),
        ):
            assert [each.qty for each in found] == [200]
        assert bool(protocol.unlisted) is (flat != "0")
    apart = {"BTC-USDT-SWAP in isolated margin"}
    assert protocol.unlisted == apart
    order = {**ORDER, "tdMode": "isolated"}
    (report,) = protocol.reports_of(pushed("orders", order))
    assert ({report.detail}, protocol.unlisted) == (apart, apart)
    answer = protocol.answer(protocol.open_orders(NOW)[0], 200, {}, said([order, ORDER]), NOW)
    assert [each.venue_id for each in answer.reports] == [ORDER["ordId"]]


def test_an_account_that_trades_in_isolated_margin_names_it_and_notes_the_other_mode():
    addresses = Addresses("http://127.0.0.1:1", "ws://a", "ws://a")
    venue = open_trading_venue("okx", "KEY", "secret", addresses, "word", isolated=True)
    venue.instruments_of(swaps([ROW]), frozenset())
    isolated, own = venue.protocol, Order(1, 1, spec(), NOW, OURS)
    calls = (isolated.place(OURS, spec(), NOW), isolated.place_order(own, NOW, number=3))
    assert [json.loads(call.body)["tdMode"] for call in calls] == ["isolated"] * 2
    assert json.loads(isolated.leverage(BTC, 5, NOW).body)["mgnMode"] == "isolated"
    for mode in ("cross", "isolated"):
        isolated.reports_of(pushed("orders", {**ORDER, "tdMode": mode}))
    assert isolated.unlisted == {"BTC-USDT-SWAP in cross margin"}
    row = {"acctLv": "3", "perm": "trade", "posMode": "net_mode", "uid": "7", "ip": ""}
    answer = isolated.answer(isolated.stream_key(NOW), 200, {}, said([row]), NOW)
    assert answer.text == "the account is in multi-currency margin (acctLv 3), which has no isolated margin"


@pytest.mark.parametrize("text", [b"", b"{", pushed("orders", {}), pushed("account", 1), b"[1]"])
def test_a_broken_message_is_reported_and_nothing_else_happens(protocol, text):
    (report,) = protocol.reports_of(text)
    assert report.what == "malformed"


# --- the sockets ----------------------------------------------------------------------------------


def test_an_account_has_two_streams_that_subscribe_once_their_signature_is_taken(venue):
    streams = venue.account_streams(str(NOW))
    assert [each.url for each in streams] == ["ws://a/ws/v5/private", "ws://a/ws/v5/business"]
    channels = []
    for stream in streams:
        (opening,) = stream.hello
        signed = json.loads(opening)["args"][0]
        assert (signed["apiKey"], signed["passphrase"], signed["timestamp"]) == ("KEY", "word", str(NOW // SECOND))
        assert not stream.due() and not stream.is_live
        assert stream.reports_of(b'{"event":"login","code":"0","msg":"","connId":"a"}') == []
        (subscription,) = stream.due()
        channels.append([arg["channel"] for arg in json.loads(subscription)["args"]])
        assert not stream.due()  # once
        for channel in channels[-1]:
            stream.reports_of(json.dumps({"event": "subscribe", "arg": {"channel": channel}}).encode())
        assert stream.is_live and stream.reports_of(PONG) == []
    assert channels == [["orders", "account", "positions"], ["orders-algo"]]


@pytest.mark.parametrize(
    "message",
    [
        b'{"event":"error","code":"60009","msg":"Login failed","connId":"a"}',
        b'{"event":"channel-conn-count-error","channel":"orders","connCount":"30","connId":"a"}',
        b'{"event":"notice","code":"64008","msg":"The connection will soon be closed","connId":"a"}',
    ],
)
def test_a_stream_that_is_refused_or_will_end_is_made_again(venue, message):
    stream = venue.account_streams(str(NOW))[0]
    stream.reports_of(message)
    assert stream.broken


def test_orders_go_over_the_private_socket_by_the_instruments_number(venue):
    protocol = venue.protocol
    protocol.signs_late = True
    session = EntrySession(venue.entry_dialect(""))
    (hello,) = session.opened(NOW)
    assert json.loads(hello)["op"] == "login" and venue.entry_url == "ws://a/ws/v5/private"
    session.take(b'{"event":"login","code":"0","msg":"","connId":"c"}', NOW)
    assert session.is_ready
    message = json.loads(session.send(protocol.place(OURS, spec(), NOW), NOW))
    (terms,) = message["args"]
    assert (message["op"], terms["instIdCode"], terms["clOrdId"]) == ("order", 10459, OURS)
    assert "instId" not in terms and message["expTime"] == str(NOW // MS + 5000)
    row = {"ordId": NUMBER, "clOrdId": OURS, "sCode": "0", "sMsg": ""}
    reply = {"id": message["id"], "op": "order", "code": "0", "msg": "", "data": [row]}
    (done,) = session.take(json.dumps(reply).encode(), NOW)
    assert (done.answer.outcome, done.answer.value) == (Outcome.DONE, NUMBER)
    cancel = json.loads(session.send(protocol.cancel(OrderKey(BTC, OURS), NOW), NOW))
    gone = {**reply, "id": cancel["id"], "code": "1", "data": [{**row, "sCode": "51400"}]}
    (late,) = session.take(json.dumps(gone).encode(), NOW)
    assert (late.answer.outcome, late.answer.not_found) == (Outcome.AMBIGUOUS, True)
    assert session.dialect.read(PONG, NOW) == ""


def test_what_the_socket_does_not_take_goes_by_rest(venue):
    protocol = venue.protocol
    protocol.signs_late = True
    dialect = venue.entry_dialect("")
    assert dialect.message(protocol.place(OURS, spec(**STOP), NOW), 1, NOW) is None
    unnumbered = protocol.place(OURS, spec(symbol="okx:ETH/USDT:USDT"), NOW)
    assert dialect.message(unnumbered, 1, NOW) is None
    assert body(protocol.signed(unnumbered, NOW))["instId"] == "ETH-USDT-SWAP"


# --- the market -----------------------------------------------------------------------------------


def test_best_prices_marks_funding_and_trades_come_to_the_tape(tmp_path, venue):
    (i,) = venue.instruments_of(swaps([ROW]), frozenset())
    market, at = live_market([i], "ws://a"), 1795000000000
    (stream,) = market.streams()
    assert stream.url == "ws://a/ws/v5/public" and stream.confirmations == 4
    writer = JournalWriter(tmp_path / "j", process="t", durable=False)
    rate = {"fundingRate": "0.0001", "fundingTime": str(at + 1000), "nextFundingTime": str(at + 9000), "ts": str(at)}
    later = {**rate, "fundingRate": "0.0002", "fundingTime": str(at + 9000)}
    rows = {
        "bbo-tbt": {"bids": [["60000.1", "1.5", "0", "2"]], "asks": [["60000.2", "2", "0", "1"]], "seqId": 7},
        "mark-price": {"markPx": "60000.3"},
        "trades": {"tradeId": "9", "px": "60000.2", "sz": "0.01", "side": "buy", "count": "1"},
    }
    messages = [*rows.items(), ("funding-rate", rate), ("funding-rate", later)]
    for channel, row in messages:
        message = {"arg": {"channel": channel, "instId": i.raw_symbol}, "data": [{"ts": str(at), **row}]}
        market.take(json.dumps(message).encode(), at * MS, writer.core)
    assert market.top(1) == (600001, 600002, 150, 200)
    assert market.next_funding(1) == (2 * 10**8, (at + 9000) * MS)
    assert (market.rejected, market.unmapped) == (0, {})
    writer.close()
    frames = list(JournalReader(tmp_path / "j").frames())
    expected = ("quote", "mark", "trade", "funding_rate", "funding", "funding_rate")
    assert [frame.type for frame in frames] == [type_id(each) for each in expected]
    # The rate comes apart from the mark; the payment has the last mark.
    assert (600003).to_bytes(8, "little") in frames[4].payload


def test_depth_follows_numbered_changes_and_a_checksum_of_zero_is_none(tmp_path, venue):
    (i,) = venue.instruments_of(swaps([ROW]), frozenset())
    depth, at = venue.depth(i, 1), 1795000000000
    writer = JournalWriter(tmp_path / "j", process="t", durable=False)

    def take(action, previous, number, bids, asks):
        levels = [[[*level, "0", "1"] for level in side] for side in (bids, asks)]
        row = {"bids": levels[0], "asks": levels[1], "ts": str(at), "checksum": 0}
        row |= {"seqId": number, "prevSeqId": previous}
        message = {"arg": {"channel": "books", "instId": i.raw_symbol}, "action": action, "data": [row]}
        depth.take(json.dumps(message).encode(), at * MS, writer.core)

    take("snapshot", -1, 7, [["60000.1", "1"], ["60000.0", "2"]], [["60000.2", "3"]])
    take("update", 7, 9, [["60000.1", "0"]], [["60000.3", "1"]])
    take("update", 9, 9, [], [])  # nothing has changed for a minute
    take("update", 9, 3, [], [["60000.3", "2"]])  # the venue numbers anew
    depth.take(PONG, at * MS, writer.core)
    assert (depth.book.bids(5), depth.book.asks(5)) == ([(600000, 200)], [(600002, 300), (600003, 200)])
    assert not depth.broken
    take("update", 4, 5, [], [["60000.3", "1"]])
    assert depth.broken
    writer.close()
