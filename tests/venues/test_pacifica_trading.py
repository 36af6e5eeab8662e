"""Pacifica for a gateway: what is asked, what answers mean, what the account's channels tell. Bodies are those
of the venue's documentation, and of live answers that public clients quote."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from test_pacifica_signing import ACCOUNT, OTHER, SECRET

from onetape.model.enums import Liquidity, OrderNews, OrderState, OrderType, Side, TimeInForce, TriggerBy, TriggerKind
from onetape.model.errors import (
    BadConfig,
    BadSignature,
    DuplicateClientId,
    InsufficientFunds,
    OrderBelowMinNotional,
    OrderInvalid,
    OrderOutcomeUnknown,
    OrderWouldCross,
    PermissionDenied,
    VenueRateLimit,
)
from onetape.model.ids import client_id
from onetape.model.order import OrderSpec
from onetape.orders.calls import OrderKey, Purpose
from onetape.orders.outcome import Outcome
from onetape.orders.reports import AccountModeReport, BalanceReport, MoveKind, OrderStatusReport, StreamReport
from onetape.venues.client_ids import client_id_of, uuid_of
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue, ws_address
from onetape.venues.order_entry import EntrySession
from onetape.venues.pacifica.adapter import ADAPTER
from onetape.venues.pacifica.errors import ERRORS
from onetape.venues.pacifica.signing import base58, is_signed, message_of
from onetape.venues.pacifica.words import named

MS = 1_000_000
NOW = 1_795_000_000_123 * MS
BTC = "pacifica:BTC/USDC:USDC"
OURS = client_id("mm", epoch=3, ordinal=77)
INFO = [
    {
        "symbol": "BTC",
        "tick_size": "1",
        "min_tick": "0",
        "max_tick": "1000000",
        "lot_size": "0.00001",
        "max_leverage": 50,
        "isolated_only": False,
        "min_order_size": "10",
        "max_order_size": "5000000",
        "funding_rate": "0.0000125",
        "next_funding_rate": "0.0000125",
        "created_at": 1748881333944,
    },
    {"symbol": "SOL-USDC", "instrument_type": "spot", "base_asset": "SOL"},
]
UPDATE = {
    "i": 1559665358,
    "I": uuid_of(OURS),
    "u": OTHER,
    "s": "BTC",
    "d": "bid",
    "p": "89501",
    "ip": "89501",
    "lp": "89501",
    "a": "0.00012",
    "f": "0.00012",
    "oe": "fulfill_limit",
    "os": "filled",
    "ot": "limit",
    "sp": None,
    "si": None,
    "tp": None,
    "r": False,
    "ct": 1765017049008,
    "ut": 1765017219639,
    "li": 1559696133,
}
TRADE = {
    "h": 80063441,
    "i": 1559912767,
    "I": uuid_of(OURS),
    "u": OTHER,
    "s": "BTC",
    "p": "89477",
    "o": "89505",
    "a": "0.00036",
    "te": "fulfill_taker",
    "ts": "close_long",
    "tc": "normal",
    "f": "0.012885",
    "n": "-0.022965",
    "t": 1765018588190,
    "li": 1559912767,
}
ROW = {
    "order_id": 315979358,
    "client_order_id": uuid_of(OURS),
    "symbol": "BTC",
    "side": "ask",
    "price": "89000",
    "initial_amount": "0.002",
    "filled_amount": "0",
    "cancelled_amount": "0",
    "stop_price": None,
    "order_type": "limit",
    "stop_parent_order_id": None,
    "trigger_price_type": None,
    "reduce_only": False,
    "created_at": 1759224706737,
    "updated_at": 1759224706737,
}


@pytest.fixture
def venue():
    made = open_trading_venue("pacifica", OTHER, SECRET, Addresses("http://127.0.0.1:1", "ws://a/ws", "ws://a/ws"))
    body = json.dumps({"success": True, "data": INFO}).encode()
    assert [i.symbol for i in made.instruments_of(body, frozenset())] == [BTC]
    return made


@pytest.fixture
def protocol(venue):
    return venue.protocol


def spec(**more) -> OrderSpec:
    return OrderSpec(**{"symbol": BTC, "side": Side.BUY, "size_int": 200, "price_int": 89000, **more})


def stop(**more) -> OrderSpec:
    terms = {"type": OrderType.MARKET, "price_int": 0, "trigger_int": 88000, "trigger_by": TriggerBy.MARK}
    return spec(**{**terms, "trigger_kind": TriggerKind.STOP, "reduce_only": True, "side": Side.SELL, **more})


def signed_body(call, operation: str) -> dict:
    """What was signed, of a request whose signature holds."""
    body = json.loads(call.body)
    who = (body.pop("account"), body.pop("agent_wallet"))
    signature, time, window = (body.pop(name) for name in ("signature", "timestamp", "expiry_window"))
    assert (who, time, window) == ((OTHER, ACCOUNT), NOW // MS, 5000)
    assert is_signed(message_of(operation, body, time, window), signature, ACCOUNT)
    return body


def answered(protocol, call, data, status=200, **more):
    body = {"success": status == 200, "data": data, "error": None, "code": None, **more}
    return protocol.answer(call, status, {}, json.dumps(body).encode(), NOW + 5 * MS)


def refused(protocol, call, status, text, code=None):
    return answered(protocol, call, None, status, error=text, code=code)


def heard(protocol, channel, data):
    return protocol.reports_of(json.dumps({"channel": channel, "data": data}).encode())


# --- what is asked --------------------------------------------------------------------------------


def test_an_instrument_is_what_the_list_says(venue):
    (i,) = venue.instruments_of(json.dumps({"data": INFO}).encode(), frozenset({BTC}))
    assert (i.tick, i.lot, i.notional_min, i.maintenance_rate) == (1, Decimal("0.00001"), 10, Decimal("0.01"))
    assert venue.instruments_of(json.dumps({"data": INFO}).encode(), frozenset({"pacifica:ETH/USDC:USDC"})) == []


@pytest.mark.parametrize(
    ("order", "path", "operation", "more"),
    [
        (spec(), "create", "create_order", {"price": "89000", "tif": "GTC"}),
        (spec(post_only=True), "create", "create_order", {"price": "89000", "tif": "ALO"}),
        (spec(tif=TimeInForce.IOC), "create", "create_order", {"price": "89000", "tif": "IOC"}),
        (spec(type=OrderType.MARKET, price_int=0), "create_market", "create_market_order", {"slippage_percent": "5"}),
    ],
)
def test_an_order_is_placed_in_the_venues_words(protocol, order, path, operation, more):
    call = protocol.place(OURS, order, NOW)
    assert (call.method, call.target) == ("POST", f"/api/v1/orders/{path}")
    assert signed_body(call, operation) == {
        "symbol": "BTC",
        "side": "bid",
        "amount": "0.00200",
        "reduce_only": False,
        "client_order_id": uuid_of(OURS),
        **more,
    }


@pytest.mark.parametrize(
    ("order", "target", "operation", "around", "more"),
    [
        (stop(), "orders/stop/create", "create_stop_order", "stop_order", {}),
        (
            stop(type=OrderType.LIMIT, price_int=87900),
            "orders/stop/create",
            "create_stop_order",
            "stop_order",
            {"limit_price": "87900"},
        ),
        (stop(trigger_kind=TriggerKind.TAKE_PROFIT), "positions/tpsl", "set_position_tpsl", "take_profit", {}),
        # What opens is no take-profit of a position: it is the venue's to refuse.
        (
            stop(trigger_kind=TriggerKind.TAKE_PROFIT, reduce_only=False),
            "orders/stop/create",
            "create_stop_order",
            "stop_order",
            {},
        ),
    ],
)
def test_an_order_with_a_trigger_waits_at_the_venue(protocol, order, target, operation, around, more):
    call = protocol.place(OURS, order, NOW)
    body = signed_body(call, operation)
    assert (call.target, call.subject) == (f"/api/v1/{target}", OrderKey(BTC, OURS, conditional=True))
    waiting = {"stop_price": "88000", "amount": "0.00200", "client_order_id": uuid_of(OURS)}
    assert body.pop(around) == {**waiting, "trigger_price_type": "mark_price", **more}
    assert body.pop("reduce_only", order.reduce_only) is order.reduce_only
    assert body == {"symbol": "BTC", "side": "ask"}


def test_an_order_goes_by_our_id_or_else_by_the_venues(protocol):
    for name, conditional, path, operation, said in (
        (OURS, False, "orders/cancel", "cancel_order", {"client_order_id": uuid_of(OURS)}),
        (OURS, True, "orders/stop/cancel", "cancel_stop_order", {"client_order_id": uuid_of(OURS)}),
        ("315979358", False, "orders/cancel", "cancel_order", {"order_id": 315979358}),
        (
            "0b7b6ad0-93c5-4d0b-95bb-4b6fb4b8b1a2",
            False,
            "orders/cancel",
            "cancel_order",
            {"client_order_id": "0b7b6ad0-93c5-4d0b-95bb-4b6fb4b8b1a2"},
        ),
    ):
        call = protocol.cancel(OrderKey(BTC, name, conditional), NOW)
        assert call.target == f"/api/v1/{path}"
        assert signed_body(call, operation) == {"symbol": "BTC", **said}


def test_what_the_line_does_not_take_is_signed_when_it_goes_by_request(protocol):
    protocol.signs_late = True
    call = protocol.place(OURS, spec(), NOW - 3000 * MS)
    assert (call.body, call.headers) == (b"", {})
    sent = protocol.signed(call, NOW)
    assert signed_body(sent, "create_order")["price"] == "89000"
    assert protocol.signed(sent, NOW + MS) is sent


@pytest.mark.parametrize("tag", ["m", "abcdefgh"])
def test_our_ids_are_uuids_and_come_back(tag):
    for number in (1, 35, 36**4, 36**7):
        ours = client_id(tag, epoch=35, ordinal=number, attempt=3)
        assert client_id_of(uuid_of(ours)) == ours
        assert named(ours) == {"client_order_id": uuid_of(ours)}
        assert uuid_of(ours)[14] == "4" and uuid_of(ours)[19] in "89ab"


@pytest.mark.parametrize("text", ["", "no", "1234", "0b7b6ad0-93c5-4d0b-95bb-4b6fb4b8b1a2", "ade1aa6", uuid_of("")])
def test_ids_of_others_stay_as_they_are(text):
    assert client_id_of(text) == text


def test_an_id_that_does_not_fit_is_no_uuid():
    with pytest.raises(ValueError, match="more than 25"):
        uuid_of("T" * 26)
    with pytest.raises(ValueError, match="other letters"):
        uuid_of("A")


# --- what answers mean ----------------------------------------------------------------------------


def test_an_order_that_is_placed_has_the_venues_number(protocol):
    call = protocol.place(OURS, spec(), NOW)
    answer = answered(protocol, call, {"order_id": 12345})
    (row,) = answer.reports
    assert (answer.outcome, row.venue_id, row.client_id, row.state) == (
        Outcome.DONE,
        "12345",
        OURS,
        OrderState.ACCEPTED,
    )
    waits = protocol.place(OURS, stop(trigger_kind=TriggerKind.TAKE_PROFIT), NOW)
    assert answered(protocol, waits, {"success": True}).reports == ()


@pytest.mark.parametrize(
    ("status", "code", "text", "outcome", "error"),
    [
        (
            400,
            400,
            "Verification failed: signature does not match signer and canonical payload.",
            Outcome.DEFINITIVE,
            BadSignature,
        ),
        (400, 400, "Agent not authorized for account", Outcome.DEFINITIVE, PermissionDenied),
        (403, 403, "Beta access required. Signer must redeem a valid beta code.", Outcome.DEFINITIVE, PermissionDenied),
        (422, 0, "Order amount too low for x: 7.81140 < 10", Outcome.DEFINITIVE, OrderBelowMinNotional),
        (422, 5, "Insufficient balance", Outcome.DEFINITIVE, InsufficientFunds),
        (422, 36, "Duplicate client order id", Outcome.DEFINITIVE, DuplicateClientId),
        (400, 400, "Bad Request", Outcome.DEFINITIVE, OrderInvalid),
        (500, 500, "Internal server error", Outcome.AMBIGUOUS, OrderOutcomeUnknown),
        (504, None, "", Outcome.AMBIGUOUS, OrderOutcomeUnknown),
        (429, 429, "", Outcome.SAFE, VenueRateLimit),
        # A number that nobody has classed proves nothing.
        (422, 9999, "Something new", Outcome.AMBIGUOUS, None),
        (418, None, "", Outcome.AMBIGUOUS, None),
    ],
)
def test_a_refusal_says_what_became_of_the_request(protocol, status, code, text, outcome, error):
    answer = refused(protocol, protocol.place(OURS, spec(), NOW), status, text, code)
    assert answer.outcome is outcome
    assert error is None or answer.code == error.code
    assert not answer.not_found


def test_an_answer_that_makes_no_sense_proves_nothing(protocol):
    for body in (b"", b"<html>", b"[]", b"null", b'{"success":false}'):
        assert protocol.answer(protocol.place(OURS, spec(), NOW), 200, {}, body, NOW).outcome is Outcome.AMBIGUOUS
    fills = protocol.fills(BTC, NOW, since=0)
    assert answered(protocol, fills, [{"symbol": "BTC"}]).outcome is Outcome.AMBIGUOUS


@pytest.mark.parametrize("more", [{}, {"data": None, "error": None, "code": None}])
def test_a_cancel_is_done_with_or_without_data(protocol, more):
    call = protocol.cancel(OrderKey(BTC, OURS), NOW)
    body = json.dumps({"success": True, **more}).encode()
    assert protocol.answer(call, 200, {}, body, NOW).outcome is Outcome.DONE


@pytest.mark.parametrize(
    ("status", "code", "text"),
    [(422, 37, "Unused client order id"), (422, 6, "Order not found"), (420, None, "Failed to cancel order")],
)
def test_a_cancel_of_what_is_not_there_asks_what_became_of_it(protocol, status, code, text):
    answer = refused(protocol, protocol.cancel(OrderKey(BTC, OURS), NOW), status, text, code)
    assert (answer.outcome, answer.not_found) == (Outcome.DEFINITIVE, True)


def test_a_key_is_proven_by_the_cancel_of_no_order(venue):
    protocol = venue.protocol
    call = protocol.modes(NOW)
    assert signed_body(call, "cancel_order") == {"symbol": "BTC", "client_order_id": uuid_of("")}
    answer = refused(protocol, call, 422, "Unused client order id", 37)
    assert answer.reports == (AccountModeReport(False, False, True, False, OTHER),)
    assert refused(protocol, call, 400, "Agent not authorized for account", 400).reports == ()
    key = refused(protocol, venue.stream_key(NOW), 422, "Order not found", 6)
    assert (key.outcome, key.value) == (Outcome.DONE, OTHER)
    assert refused(protocol, venue.stream_key(NOW), 400, "Verification failed", 400).outcome is Outcome.DEFINITIVE


def test_an_order_is_asked_for_among_the_working_and_then_among_the_ended(protocol):
    working = protocol.query(OrderKey(BTC, OURS), NOW)
    assert working.target == f"/api/v1/orders?account={OTHER}"
    assert answered(protocol, working, [{**ROW, "client_order_id": None}]).not_found
    (row,) = answered(protocol, working, [{**ROW, "order_id": 1, "client_order_id": None}, ROW]).reports
    assert (row.client_id, row.price, row.size, row.state, row.news) == (OURS, 89000, 200, OrderState.ACCEPTED, None)
    ended = protocol.query(OrderKey(BTC, OURS, ended=True), NOW)
    assert ended.target.startswith(f"/api/v1/orders/history?account={OTHER}&limit=")
    past = {**ROW, "initial_price": "89000", "amount": "0.002", "order_status": "cancelled", "reason": "cancel"}
    del past["price"], past["initial_amount"]
    (row,) = answered(protocol, ended, [past]).reports
    assert (row.state, row.size, row.reason) == (OrderState.CANCELED, 200, "cancel")


def test_an_order_that_has_a_number_is_asked_for_by_it(protocol):
    call = protocol.query(OrderKey(BTC, OURS, venue_id="315979358"), NOW)
    assert call.target == f"/api/v1/orders/history_by_id?account={OTHER}&order_id=315979358"
    made = {**ROW, "history_id": 641452513, "event_type": "make", "order_status": "open"}
    gone = {**made, "history_id": 641452639, "event_type": "cancel", "order_status": "cancelled"}
    for rows in ([gone, made], [made, gone]):
        (row,) = answered(protocol, call, rows).reports
        assert row.state is OrderState.CANCELED
    assert answered(protocol, call, []).not_found
    foreign = protocol.query_venue_id(BTC, "315979358", NOW)
    (row,) = answered(protocol, foreign, [{**made, "client_order_id": None}]).reports
    assert row.client_id == "315979358"


@pytest.mark.parametrize(
    ("change", "conditional", "state"),
    [
        ({}, True, OrderState.ACCEPTED),
        ({"order_status": "open", "event_type": "stop_triggered"}, False, OrderState.TRIGGERED),
        ({"stop_parent_order_id": 7}, True, OrderState.ACCEPTED),
        ({"filled_amount": "0.001"}, False, OrderState.PARTIALLY_FILLED),
    ],
)
def test_a_stop_waits_until_it_has_fired(protocol, change, conditional, state):
    row = {**ROW, "order_type": "stop_limit", "stop_price": "88000", **change}
    (found,) = answered(protocol, protocol.open_orders(NOW)[0], [row]).reports
    assert (found.conditional, found.state, found.trigger) == (conditional, state, 88000 if conditional else 0)
    listed = answered(protocol, protocol.open_stops(BTC, NOW), [row, ROW]).reports
    assert len(listed) == conditional


def test_positions_and_money_are_of_when_they_were_asked_for(protocol):
    row = {
        "symbol": "BTC",
        "side": "ask",
        "amount": "0.00022",
        "entry_price": "87185.5",
        "margin": "0",
        "funding": "-0.00023989",
        "isolated": False,
        "liquidation_price": None,
    }
    (held,) = answered(protocol, protocol.positions(NOW), [row, {**row, "symbol": "DOGE"}]).reports
    assert (held.symbol, held.qty, held.time, held.entry) == (BTC, -22, NOW, Decimal("87185.5"))
    money = {
        "balance": "100.5",
        "account_equity": "99.25",
        "spot_collateral": "0",
        "available_to_spend": "80",
        "total_margin_used": "10",
    }
    (balance,) = answered(protocol, protocol.balances(NOW), money).reports
    assert (balance.currency, balance.total, balance.time) == ("USDC", 100_500_000 * 10**12, NOW)
    assert balance.as_of_from < NOW < NOW + 5 * MS < balance.as_of_to
    assert balance.margin == (-1_250_000 * 10**12, 80 * 10**18, 10 * 10**18)
    # Equity has spot assets at their market value in it, of which only a part is collateral: an answer of 2026-09.
    recorded = {
        "balance": "4970.000323",
        "account_equity": "5478.140323",
        "cross_account_equity": "5376.512323",
        "spot_market_value": "508.14",
        "spot_collateral": "406.512",
        "available_to_spend": "5376.512323",
        "total_margin_used": "0",
    }
    (balance,) = answered(protocol, protocol.balances(NOW), recorded).reports
    assert balance.margin == (0, 5_376_512_323 * 10**12, 0)


def test_fills_are_told_oldest_first_a_page_at_a_time(protocol):
    row = {
        "history_id": 9,
        "order_id": 5,
        "client_order_id": uuid_of(OURS),
        "symbol": "BTC",
        "amount": "0.1",
        "price": "89477",
        "entry_price": "89477",
        "fee": "0.5",
        "pnl": "0",
        "event_type": "fulfill_maker",
        "side": "open_short",
        "created_at": 1765018588190,
        "cause": "normal",
    }
    day = 86_400 * 10**9
    late = protocol.fills(BTC, NOW, since=0)  # the venue tells of thirty days
    assert f"start_time={(NOW - 29 * day) // MS}&" in late.target
    call = protocol.fills(BTC, 1765018588190 * MS + day, since=1765018588190 * MS)
    assert "start_time=1765018588190&limit=" in call.target
    answer = answered(protocol, call, [{**row, "history_id": 10}, row], next_cursor="11114Lz77", has_more=True)
    assert [fill.trade_id for fill in answer.reports] == [9, 10]
    (fill, _) = answer.reports
    assert (fill.side, fill.size, fill.fee, fill.liquidity) == (Side.SELL, 10_000, 5 * 10**17, Liquidity.MAKER)
    assert "&cursor=11114Lz77" in (more := protocol.fills(BTC, NOW, since=0, cursor=answer.cursor)).target
    assert "start_time=1765018588190&" in more.target
    assert answered(protocol, more, [row]).cursor == ""


def test_what_moved_money_is_told_without_what_fills_bring(protocol):
    rows = [
        {"amount": "-0.5", "balance": "99.5", "pending_balance": "0", "event_type": "funding", "created_at": 2000},
        {"amount": "1", "balance": "100", "pending_balance": "0", "event_type": "trade", "created_at": 1500},
        {"amount": "99", "balance": "99", "pending_balance": "0", "event_type": "deposit", "created_at": 1000},
    ]
    call = protocol.account_moves(NOW, since=1000 * MS)
    answer = answered(protocol, call, rows, next_cursor="abc", has_more=True)
    assert [(move.kind, move.amount) for move in answer.reports] == [
        (MoveKind.TRANSFER, 99 * 10**18),
        (MoveKind.FUNDING, -5 * 10**17),
    ]
    later = protocol.account_moves(NOW, since=0, cursor=answer.cursor)
    older = answered(protocol, later, [{**rows[2], "created_at": 999}], next_cursor="abd", has_more=True)
    assert (older.reports, older.cursor) == ((), "")
    assert len({move.reference for move in answer.reports}) == 2


def test_the_venue_tells_its_time_with_its_prices(venue):
    rows = [{"symbol": "BTC", "timestamp": 1795000000100}, {"symbol": "ETH", "timestamp": 1795000000120}]
    assert answered(venue.protocol, venue.time(), rows).value == str(1795000000120 * MS)


# --- what the channels tell -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "news", "state"),
    [
        ({}, None, OrderState.FILLED),
        ({"oe": "make", "os": "open", "f": "0"}, OrderNews.ACCEPTED, OrderState.ACCEPTED),
        ({"oe": "fulfill_limit", "os": "partially_filled", "f": "0.00001"}, None, OrderState.PARTIALLY_FILLED),
        ({"oe": "cancel", "os": "cancelled", "f": "0.00001"}, OrderNews.CANCELED, OrderState.CANCELED),
        ({"oe": "force_cancel", "os": "cancelled", "f": "0"}, OrderNews.CANCELED, OrderState.CANCELED),
        ({"oe": "self_trade_prevented", "os": "rejected", "f": "0"}, OrderNews.CANCELED, OrderState.CANCELED),
        ({"oe": "expired", "os": "cancelled", "f": "0"}, OrderNews.EXPIRED, OrderState.CANCELED),
        ({"oe": "post_only_rejected", "os": "rejected", "f": "0"}, OrderNews.REJECTED, OrderState.REJECTED),
        ({"oe": "stop_triggered", "os": "open", "f": "0", "sp": "1"}, OrderNews.TRIGGERED, OrderState.TRIGGERED),
    ],
)
def test_an_orders_update_is_news_of_it(protocol, change, news, state):
    (report,) = heard(protocol, "account_order_updates", [{**UPDATE, **change}])
    assert isinstance(report, OrderStatusReport)
    assert (report.client_id, report.venue_id, report.time) == (OURS, "1559665358", 1765017219639 * MS)
    assert (report.news, report.state, report.size) == (news, state, 12)
    assert (report.code == OrderWouldCross.code) is (state is OrderState.REJECTED)


def test_a_position_is_told_by_its_row_and_a_closed_one_by_its_last_trade(protocol):
    row = {
        "s": "BTC",
        "d": "bid",
        "a": "0.0005",
        "p": "87185",
        "m": "0",
        "f": "0",
        "i": False,
        "l": None,
        "t": TRADE["t"] - 2,
    }
    (held,) = heard(protocol, "account_positions", [row, {**row, "s": "DOGE"}])
    assert (held.symbol, held.qty, held.time, held.entry) == (BTC, 50, row["t"] * MS, Decimal(87185))
    (fill,) = heard(protocol, "account_trades", TRADE)
    assert (fill.side, fill.price, fill.size, fill.client_id) == (Side.SELL, 89477, 36, OURS)
    assert (fill.fee, fill.fee_currency, fill.liquidity) == (12_885 * 10**12, "USDC", Liquidity.TAKER)
    last = {**TRADE, "h": 1, "a": "0.00014"}
    assert heard(protocol, "account_positions", []) == []
    assert heard(protocol, "account_trades", [TRADE, last])[2].qty == 0
    # What a row has in it, what was said before and what is older change nothing.
    assert len(heard(protocol, "account_trades", [last])) == 1
    assert [each.qty for each in heard(protocol, "account_positions", [{**row, "t": TRADE["t"]}])] == [50]
    assert heard(protocol, "account_positions", [row]) == []
    assert len(heard(protocol, "account_trades", [{**TRADE, "h": 2, "a": "0.0005"}])) == 1


def test_what_the_venue_closes_by_force_is_no_order_of_ours(protocol):
    fill, *_ = heard(protocol, "account_trades", [{**TRADE, "I": None, "tc": "market_liquidation"}])
    assert fill.client_id == "market_liquidation-1559912767"
    assert fill.client_id.startswith(protocol.traits.forced)


def test_money_is_told_with_its_time(protocol):
    said = {
        "ae": "2000",
        "as": "1500",
        "aw": "1400",
        "b": "2000.25",
        "f": 1,
        "mu": "500",
        "oc": 10,
        "pb": "0",
        "pc": 2,
        "sc": 2,
        "t": 1234567890,
    }
    assert heard(protocol, "account_info", said) == [BalanceReport("USDC", 2_000_250_000 * 10**12, 1234567890 * MS)]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"[]",
        b'{"channel":"account_info","data":[]}',
        b'{"channel":"account_trades","data":[{}]}',
        b'{"channel":"account_order_updates","data":[7]}',
    ],
)
def test_what_makes_no_sense_is_malformed(protocol, message):
    (report,) = protocol.reports_of(message)
    assert isinstance(report, StreamReport)
    assert report.what == "malformed"


def test_what_has_no_meaning_here_is_counted(protocol):
    assert heard(protocol, "account_leverage", {}) == [StreamReport("unknown", "account_leverage")]
    assert heard(protocol, "account_trades", [{**TRADE, "s": "DOGE"}]) == [StreamReport("other symbol", "DOGE")]
    assert heard(protocol, "account_order_updates", [{**UPDATE, "s": "DOGE"}])[0].what == "other symbol"
    assert heard(protocol, "pong", None) == []
    assert protocol.unknown == {"account_leverage": 1}


def test_the_stream_is_live_when_all_is_confirmed_and_the_positions_are_here(venue):
    stream = venue.account_stream(OTHER)
    subscribed = [json.loads(each)["params"] for each in stream.hello]
    assert {each["account"] for each in subscribed} == {OTHER}
    for each in subscribed:
        assert not stream.is_live
        stream.reports_of(json.dumps({"channel": "subscribe", "data": each}).encode())
    assert not stream.is_live
    stream.reports_of(b'{"channel":"account_positions","data":[],"li":1559395580}')
    assert stream.is_live
    assert len(stream.reports_of(json.dumps({"channel": "account_trades", "data": [TRADE]}).encode())) == 1
    assert stream.reports_of(b'{"channel":"account_positions","data":[],"li":1559912768}') == []


# --- orders by socket -----------------------------------------------------------------------------


@pytest.fixture
def session(venue):
    venue.protocol.signs_late = True
    session = EntrySession(venue.entry_dialect(""))
    assert session.opened(NOW) == []
    return session


def sent(session, call):
    message = json.loads(session.send(call, NOW))
    ((name, body),) = message["params"].items()
    return message["id"], name, body


def test_an_order_goes_over_the_socket_as_it_would_by_request(venue, session):
    call = venue.protocol.place(OURS, spec(), NOW)
    number, name, body = sent(session, call)
    assert (name, body) == ("create_order", json.loads(venue.protocol.signed(call, NOW).body))
    said = {
        "code": 200,
        "data": {"I": body["client_order_id"], "i": 645953, "s": "BTC"},
        "id": number,
        "t": 1749223025962,
        "type": "create_order",
        "rl": {"r": 1245, "q": 1250, "t": 56},
    }
    ((_, answer),) = session.take(json.dumps(said).encode(), NOW)
    assert (answer.outcome, answer.reports[0].venue_id) == (Outcome.DONE, "645953")
    assert session.dialect.limits == {"credits 1m": (0, 125)}


def test_a_refusal_over_the_socket_is_read_by_the_same_table(venue, session):
    number, name, _ = sent(session, venue.protocol.cancel(OrderKey(BTC, OURS), NOW))
    said = {"id": number, "type": name, "code": 420, "err": "Failed to cancel order", "t": 1769474703073}
    ((_, answer),) = session.take(json.dumps(said).encode(), NOW)
    assert (answer.outcome, answer.not_found) == (Outcome.DEFINITIVE, True)
    number, *_ = sent(session, venue.protocol.place(OURS, spec(), NOW))
    ((_, answer),) = session.take(json.dumps({"id": number, "code": 429, "err": "", "t": 1}).encode(), NOW)
    assert answer.outcome is Outcome.SAFE


def test_an_error_without_an_id_leaves_all_in_doubt(venue, session):
    assert session.take(b'{"channel":"pong"}', NOW) == []
    sent(session, venue.protocol.place(OURS, spec(), NOW))
    assert session.take(b'{"code":400,"err":"bad","t":1}', NOW) == []
    assert session.broken
    ((_, answer),) = session.closed()
    assert answer.outcome is Outcome.AMBIGUOUS


def test_stops_go_by_request(venue, session):
    assert session.send(venue.protocol.place(OURS, stop(), NOW), NOW) is None
    assert session.send(venue.protocol.cancel(OrderKey(BTC, OURS, conditional=True), NOW), NOW) is None
    assert session.send(venue.protocol.cancel(OrderKey(BTC, OURS), NOW), NOW) is not None


# --- keys and addresses ---------------------------------------------------------------------------


def test_the_main_wallets_key_is_refused_where_it_is_real():
    sim = Addresses("http://127.0.0.1:9102", "", "")
    open_trading_venue("pacifica", ACCOUNT, SECRET, sim)
    for mode in ("live", "demo"):
        with pytest.raises(BadConfig, match="key of the main wallet"):
            open_trading_venue("pacifica", ACCOUNT, SECRET, ADAPTER.addresses[mode])
        open_trading_venue("pacifica", OTHER, SECRET, ADAPTER.addresses[mode])


def test_what_is_public_needs_no_key():
    venue = open_trading_venue("pacifica", "", "", Addresses("http://127.0.0.1:9102", "", ""))
    assert venue.time().target == "/api/v1/info/prices"
    for key, secret in (("", SECRET), (OTHER, ""), (OTHER, base58(bytes(64)))):
        with pytest.raises(BadConfig):
            open_trading_venue("pacifica", key, secret, Addresses("http://127.0.0.1:9102", "", ""))


def test_the_socket_is_beside_the_requests():
    assert ws_address("pacifica", "http://127.0.0.1:9102") == "ws://127.0.0.1:9102/ws"


def test_every_error_has_a_class_of_ours():
    assert all(row.outcome in Outcome for row in ERRORS.values())
    assert {row.code for row in ERRORS.values()} == set(ERRORS)


def test_there_is_no_dead_mans_switch_and_no_transfer(protocol):
    assert protocol.dead_man(BTC, NOW, after=1) is None
    assert protocol.dead_man("", NOW, after=1) is None
    assert protocol.deposits("USDC", NOW, since=0) is None
    assert protocol.cancel(OrderKey(BTC, OURS), NOW).purpose is Purpose.CANCEL


# --- API config keys --------------------------------------------------------------------------------


def calls_of(venue) -> list:
    """One of each kind that it asks."""
    p, key = venue.protocol, OrderKey(BTC, OURS)
    return [
        p.place(OURS, spec(), NOW),
        p.cancel(key, NOW),
        p.query(key, NOW),
        p.query(key._replace(ended=True), NOW),
        p.query(key._replace(venue_id="7"), NOW),
        *p.open_orders(NOW),
        p.open_stops(BTC, NOW),
        p.fills(BTC, NOW, since=0),
        p.account_moves(NOW, since=0),
        p.positions(NOW),
        p.balances(NOW),
        p.modes(NOW),
        p.leverage(BTC, 5, NOW),
        venue.time(),
        venue.instruments(),
        venue.past.bars(p._by_symbol[BTC], 60_000 * MS, NOW - 10 * 60_000 * MS, NOW),
    ]


def test_an_api_config_key_is_on_every_request_and_makes_histories_cheaper():
    plain = open_trading_venue("pacifica", ACCOUNT, SECRET, Addresses("", "", ""))
    keyed = open_trading_venue("pacifica", ACCOUNT, SECRET, Addresses("", "", ""), "abcdefgh_6Fk7")
    for each in (plain, keyed):
        each.instruments_of(json.dumps({"data": INFO}).encode(), frozenset({BTC}))
    assert (plain.budget[0].most, keyed.budget[0].most) == (200, 600)  # halves of a credit
    weights = [(a.weight, b.weight) for a, b in zip(calls_of(plain), calls_of(keyed), strict=True)]
    assert set(weights) == {(1, 1), (2, 2), (24, 8)}
    assert (weights.count((24, 8)), weights.count((1, 1))) == (4, 2)  # cancels, one to prove the key
    assert {call.headers.get("PF-API-KEY") for call in calls_of(keyed)} == {"abcdefgh_6Fk7"}
    assert {call.headers.get("PF-API-KEY") for call in calls_of(plain)} == {None}
    assert keyed.entry_dialect("").handshake == {"PF-API-KEY": "abcdefgh_6Fk7"}
    assert plain.entry_dialect("").handshake == {}


@pytest.mark.parametrize("key", ["a b", "a\nX: y", "\u00e4"])
def test_what_is_no_api_config_key_is_refused_without_being_repeated(key):
    with pytest.raises(BadConfig) as refused:
        open_trading_venue("pacifica", ACCOUNT, SECRET, Addresses("", "", ""), key)
    assert key not in str(refused.value)
