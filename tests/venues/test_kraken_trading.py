"""Kraken spot for a gateway: what is asked, what answers mean, what the channels tell."""

from __future__ import annotations

import json
from decimal import Decimal
from urllib.parse import parse_qsl

import pytest

from onetape.model.enums import OrderNews, OrderState, OrderType, RequestKind, Side, TriggerBy, TriggerKind
from onetape.model.errors import BadConfig, NotAvailable
from onetape.model.order import OrderSpec
from onetape.model.time import clock_offset
from onetape.orders.calls import OrderKey, Purpose
from onetape.orders.managed import Request
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import BalanceReport, FillReport, MoveReport, OrderStatusReport, StreamReport
from onetape.venues.contract import Addresses
from onetape.venues.kraken.gateway import KrakenSpotVenue
from onetape.venues.open import open_trading_venue, ws_address
from orders.surroundings import manager_at

SECOND = 1_000_000_000
NOW = 1_795_000_000 * SECOND
SYMBOL = "kraken:BTC/USD"
PAIRS = {
    "XXBTZUSD": {
        "altname": "XBTUSD", "wsname": "XBT/USD", "base": "XXBT", "quote": "ZUSD",
        "pair_decimals": 1, "lot_decimals": 8, "tick_size": "0.1", "ordermin": "0.00005",
        "costmin": "0.5", "fees": [[0, 0.4], [10000, 0.35]], "fees_maker": [[0, 0.25]],
        "status": "online", "execution_venue": "international",
    },
    "XBTUSD.B": {
        "altname": "XBTUSD.B", "wsname": "XBT/USD", "base": "XXBT", "quote": "ZUSD",
        "pair_decimals": 0, "lot_decimals": 2, "tick_size": "5", "ordermin": "1", "costmin": "1",
        "fees": [[0, 1]], "status": "online", "execution_venue": "bitnomial_exchange",
    },
    "XDGUSD": {
        "altname": "XDGUSD", "wsname": "XDG/USD", "base": "XXDG", "quote": "ZUSD",
        "pair_decimals": 7, "lot_decimals": 8, "ordermin": "10", "costmin": "0.5",
        "fees": [[0, 0.4]], "status": "cancel_only",
    },
}  # fmt: skip


@pytest.fixture
def venue() -> KrakenSpotVenue:
    made = open_trading_venue("kraken", "key", "c2VjcmV0", Addresses("", "ws://a/v2", "ws://b/v2"))
    assert isinstance(made, KrakenSpotVenue)
    body = json.dumps({"error": [], "result": PAIRS}).encode()
    made.found = made.instruments_of(body, frozenset())  # type: ignore[attr-defined]
    return made


def spec(**more) -> OrderSpec:
    return OrderSpec(**{"symbol": SYMBOL, "side": Side.BUY, "size_int": 1_000_000, "price_int": 600_000, **more})


def form(call) -> dict[str, str]:
    return dict(parse_qsl(call.body.decode()))


def answer(venue, call, value, status=200):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return venue.protocol.answer(call, status, {}, body, NOW)


def test_instruments_are_those_of_this_exchange_that_trade_now(venue):
    (found,) = venue.found
    assert (found.symbol, found.raw_symbol, found.tick) == (SYMBOL, "XBTUSD", Decimal("0.1"))
    assert (found.maker_fee, found.taker_fee) == (Decimal("0.0025"), Decimal("0.004"))
    assert (found.price_decimals, found.size_decimals) == (1, 8)


def test_nonces_rise_whatever_the_clock_does_and_begin_with_it(venue):
    times = [NOW, NOW, NOW - SECOND, NOW + 1, NOW + SECOND]
    nonces = [int(form(venue.protocol.balances(time))["nonce"]) for time in times]
    assert nonces == sorted(set(nonces))
    assert nonces[0] == NOW // 1000
    assert nonces[-1] == (NOW + SECOND) // 1000


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({}, {"ordertype": "limit", "price": "60000.0", "timeinforce": "GTC", "oflags": "fciq"}),
        ({"post_only": True}, {"oflags": "post,fciq"}),
        ({"type": OrderType.MARKET, "price_int": 0}, {"ordertype": "market"}),
        (
            {
                "type": OrderType.MARKET,
                "price_int": 0,
                "trigger_int": 610_000,
                "trigger_by": TriggerBy.LAST,
                "trigger_kind": TriggerKind.STOP,
            },
            {"ordertype": "stop-loss", "price": "61000.0", "trigger": "last"},
        ),
        (
            {"trigger_int": 590_000, "trigger_by": TriggerBy.INDEX, "trigger_kind": TriggerKind.TAKE_PROFIT},
            {"ordertype": "take-profit-limit", "price": "59000.0", "price2": "60000.0", "trigger": "index"},
        ),
        ({"reduce_only": True}, {"reduce_only": "true"}),
    ],
)
def test_an_order_in_the_venues_words_ends_in_time(venue, more, wanted):
    sent = form(venue.protocol.place("Tx", spec(**more), NOW, reference=600_000))
    assert wanted.items() <= sent.items()
    assert sent["deadline"] == "2026-11-18T11:06:45.000Z"  # five seconds from now
    assert (sent["pair"], sent["volume"], sent["cl_ord_id"]) == ("XBTUSD", "0.01000000", "Tx")


@pytest.mark.parametrize(
    ("status", "value", "outcome", "not_found"),
    [
        (200, {"error": ["EOrder:Insufficient funds"]}, Outcome.DEFINITIVE, False),
        (200, {"error": ["EService:Deadline elapsed"]}, Outcome.DEFINITIVE, False),
        (200, {"error": ["EService:Busy"]}, Outcome.AMBIGUOUS, False),
        (200, {"error": ["EOrder:Nobody has seen this"]}, Outcome.AMBIGUOUS, False),
        (200, {"error": ["EAPI:Invalid nonce"]}, Outcome.SAFE, False),
        (200, {"error": ["WGeneral:be careful"], "result": {"txid": ["OA"]}}, Outcome.DONE, False),
        (520, b"<html>", Outcome.AMBIGUOUS, False),
        (200, b"", Outcome.AMBIGUOUS, False),
        (200, b"[" * 100_000, Outcome.AMBIGUOUS, False),
        (200, {"error": [], "result": {}}, Outcome.AMBIGUOUS, False),
        (200, {"error": [], "result": {"txid": []}}, Outcome.AMBIGUOUS, False),
        (429, b"", Outcome.SAFE, False),
    ],
)
def test_what_an_answer_to_a_placing_means(venue, status, value, outcome, not_found):
    found = answer(venue, venue.protocol.place("Tx", spec(), NOW), value, status)
    assert (found.outcome, found.not_found) == (outcome, not_found)


def test_a_cancel_that_finds_nothing_is_no_proof_of_anything_but_itself(venue):
    call = venue.protocol.cancel(OrderKey(SYMBOL, "Tx"), NOW)
    found = answer(venue, call, {"error": ["EOrder:Unknown order"]})
    assert (found.outcome, found.not_found) == (Outcome.DEFINITIVE, True)


def test_fills_come_in_pages_until_there_are_no_more(venue):
    row = {
        "ordertxid": "OA",
        "pair": "XXBTZUSD",
        "time": 1795000000.123456,
        "type": "sell",
        "price": "60000.10000",
        "fee": "1.50000",
        "vol": "0.01000000",
        "trade_id": 7,
        "maker": True,
    }
    call = venue.protocol.fills(SYMBOL, NOW, since=NOW)
    page = {"error": [], "result": {"trades": {"T1": row}, "count": 2}}
    found = answer(venue, call, page)
    (fill,) = found.reports
    assert (fill.price, fill.size, fill.time) == (600_001, 1_000_000, NOW + 123_456_000)
    assert (fill.fee, fill.fee_currency) == (1_500_000_000_000_000_000, "USD")
    more = venue.protocol.fills(SYMBOL, NOW, since=0, cursor=found.cursor)
    assert (form(more)["ofs"], form(more)["start"]) == ("1", form(call)["start"])
    assert answer(venue, more, page).cursor == ""
    assert dict(venue.protocol.moves(fill)) == {"USD": 600_001 * 10**15 - 1_500_000_000_000_000_000, "BTC": -(10**16)}


def test_an_order_that_nobody_answered_for_is_asked_for_here_then_there(venue):
    """Absent is what was not open, and then not closed, long after it could still arrive."""
    manager = manager_at(venue.protocol)
    order = manager.submit("Tx", Request(1, RequestKind.PLACE, 1, spec()), NOW)
    (call,) = manager.calls
    manager.answered(call, Answer(Outcome.AMBIGUOUS), NOW)
    assert order.is_unknown
    requests: list[tuple[str, int]] = []
    time = NOW
    while order.is_open and time < NOW + 60 * SECOND:
        manager.calls.clear()
        manager.tick(time)
        for call in manager.calls:
            assert call.purpose is Purpose.QUERY
            requests.append((call.target.rpartition("/")[2], time - NOW))
            rows = {"open": {}} if requests[-1][0] == "OpenOrders" else {"closed": {}, "count": 0}
            manager.answered(call, answer(venue, call, {"error": [], "result": rows}), time)
        time += SECOND // 10
    assert order.state is OrderState.REJECTED
    names = [name for name, _ in requests]
    assert names == ["OpenOrders", "ClosedOrders"] * (len(names) // 2)
    assert requests[-2][1] >= 10 * SECOND


def trade(**more) -> dict:
    return {
        "order_id": "OA",
        "cl_ord_id": "Tx",
        "symbol": "BTC/USD",
        "exec_type": "trade",
        "trade_id": 7,
        "side": "buy",
        "order_type": "limit",
        "order_qty": 0.01,
        "order_status": "partially_filled",
        "last_qty": 0.01,
        "last_price": 60000.0,
        "cum_qty": 0.01,
        "liquidity_ind": "t",
        "fees": [{"asset": "USD", "qty": 2.4}],
        "timestamp": "2026-11-18T11:06:40.123456Z",
        **more,
    }


def message(channel: str, *rows, sequence: int = 1, kind: str = "update") -> bytes:
    value = {"channel": channel, "type": kind, "data": list(rows), "sequence": sequence}
    return json.dumps(value).encode()


def test_the_last_trade_is_not_the_end_and_the_end_is_told_apart(venue):
    fill, order = venue.protocol.reports_of(message("executions", trade()))
    assert isinstance(fill, FillReport)
    assert isinstance(order, OrderStatusReport)
    assert (fill.trade_id, fill.price, fill.size, fill.fee) == (7, 600_000, 1_000_000, 24 * 10**17)
    assert (order.state, order.news, order.filled) == (OrderState.PARTIALLY_FILLED, None, 1_000_000)
    (end,) = venue.protocol.reports_of(message("executions", trade(exec_type="filled", order_status="filled")))
    assert end.state is OrderState.FILLED
    (gone,) = venue.protocol.reports_of(message("executions", trade(exec_type="canceled", order_status="canceled")))
    assert gone.news is OrderNews.CANCELED


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"[" * 50_000,
        b'{"channel":"executions"}',
        b'{"channel":"executions","type":"update","data":[{"exec_type":"trade"}]}',
        message("executions", trade(last_qty="nan")),
        message("executions", trade(last_price=1e300)),
        message("executions", trade(timestamp="yesterday")),
        message("balances", {"asset": "USD"}),
    ],
)
def test_what_cannot_be_read_is_said_and_raises_nothing(venue, text):
    reported = venue.protocol.reports_of(text)
    assert [type(each) for each in reported] == [StreamReport]


def test_small_numbers_are_read_exactly_however_they_are_written(venue):
    text = message("executions", trade(last_qty=0.01)).replace(b'"last_qty": 0.01', b'"last_qty": 1e-8')
    assert venue.protocol.reports_of(text)[0].size == 1


def test_a_deposit_is_told_as_a_move_and_a_trade_is_not(venue):
    row = {
        "asset": "USD",
        "amount": 100.0,
        "balance": 1100.0,
        "fee": 1.0,
        "ledger_id": "L1",
        "timestamp": "2026-11-18T11:06:40Z",
        "type": "deposit",
    }
    balance, move = venue.protocol.reports_of(message("balances", row))
    assert balance == BalanceReport("USD", 1100 * 10**18, NOW)
    assert move == MoveReport("L1", "USD", 99 * 10**18, NOW)
    assert len(venue.protocol.reports_of(message("balances", {**row, "type": "trade"}))) == 1


def test_a_stream_is_live_when_both_channels_are_and_broken_when_one_misses_a_message(venue):
    stream = venue.account_stream("token")
    assert [json.loads(each)["params"]["token"] for each in stream.hello] == ["token"] * 2
    for channel in ("executions", "balances"):
        assert not stream.is_live
        said = {"method": "subscribe", "success": True, "result": {"channel": channel}}
        stream.reports_of(json.dumps(said).encode())
    assert stream.is_live
    for number in (3, 4):
        stream.reports_of(message("executions", trade(), sequence=number))
    stream.reports_of(message("balances", sequence=1))
    assert stream.broken == ""
    stream.reports_of(message("executions", trade(), sequence=6))
    assert stream.broken == "executions 6 after 4"


def test_a_stream_that_is_refused_says_why(venue):
    stream = venue.account_stream("token")
    stream.reports_of(b'{"method":"subscribe","success":false,"error":"ESession:Invalid session"}')
    assert stream.broken == "not subscribed: ESession:Invalid session"
    assert not stream.is_live


def test_the_market_is_one_connection_with_three_subscriptions(venue):
    (stream,) = venue.market(venue.found).streams()
    assert stream.url == "ws://a/v2"
    assert [json.loads(each)["params"]["channel"] for each in stream.hello] == ["ticker", "trade", "ohlc"]


def test_a_clock_of_whole_seconds_does_not_move_a_clock_that_fits_it():
    reported = 1_000 * SECOND
    assert clock_offset(reported, SECOND, reported + 400, reported + 500) == 0
    assert clock_offset(reported, SECOND, reported - 700, reported - 600) == 600  # ours is behind by at least
    assert clock_offset(reported, 1, reported + 400, reported + 500) == -399


def test_what_cannot_be_traded_on_is_said():
    addresses = Addresses("", "", "")
    with pytest.raises(BadConfig, match="not base64"):
        open_trading_venue("kraken", "key", "not base64!", addresses)
    with pytest.raises(NotAvailable, match="'mtgox' is no kind of venue"):
        open_trading_venue("mtgox", "", "", addresses)
    assert ws_address("kraken", "http://h:1") == "ws://h:1/v2"
    assert ws_address("binance-usdm", "https://h") == "wss://h"
