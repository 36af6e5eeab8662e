"""BitMEX for a gateway: what is asked, what answers mean, what the account's tables tell. Rows are the simulated
exchange's own, texts those of the venue."""

from __future__ import annotations

import json
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest

from onetape.exchange.dialect import Request
from onetape.exchange.venues import Crowd, open_venue
from onetape.model.enums import OrderNews, OrderState, OrderType, Side, TimeInForce, TriggerBy, TriggerKind
from onetape.model.errors import (
    ClockSkew,
    DuplicateClientId,
    OrderInvalid,
    OrderUnknown,
    OrderWouldCross,
    VenueRateLimit,
    VenueRejected,
    VenueUnavailable,
)
from onetape.model.order import OrderSpec
from onetape.orders.calls import Call, OrderKey, Purpose, signatures
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import AccountModeReport, FillReport, OrderStatusReport
from onetape.venues.bitmex.trading import PAGE
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue

NOW = 1_795_000_000_000_000_000
XBT = "bitmex:BTC/USD:BTC"


class World:
    def __init__(self) -> None:
        self.dialect = open_venue("bitmex", seed=4, now=NOW, limits=False, market=Crowd(0.5, 60 * 10**9))
        self.exchange = self.dialect.exchange
        self.account = self.exchange.accounts[0]
        self.venue = open_trading_venue("bitmex", self.account.key, self.account.secret, Addresses("", "", "ws://a"))
        self.protocol = self.venue.protocol
        self.listed = self.http(self.venue.instruments())[1]
        self.instruments = {i.symbol: i for i in self.venue.instruments_of(self.listed, frozenset())}
        self.bid = self.exchange.listings[0].bid

    def http(self, call: Call, now: int = NOW) -> tuple[int, bytes, dict[str, str]]:
        path, _, query = call.target.partition("?")
        reply = self.dialect.http(Request(call.method, path, query, call.body, dict(call.headers), "127.0.0.1"), now)
        return reply.status, reply.body, reply.headers

    def ask(self, call: Call, now: int = NOW) -> Answer:
        status, body, headers = self.http(call, now)
        return self.protocol.answer(call, status, headers, body, now)

    def order(self, name: str, **more) -> Answer:
        terms = {"symbol": XBT, "side": Side.BUY, "size_int": 100, "price_int": self.bid - 1000}
        return self.ask(self.protocol.place(name, OrderSpec(**{**terms, **more}), NOW))


@pytest.fixture
def world() -> World:
    return World()


def test_instruments_are_those_of_the_list(world):
    for listed in world.exchange.instruments:
        ours = world.instruments[listed.symbol]
        for fact in (
            "raw_symbol",
            "tick",
            "lot",
            "size_max",
            "multiplier",
            "taker_fee",
            "maintenance_rate",
            "leverage",
        ):
            assert getattr(ours, fact) == getattr(listed, fact), fact
    rows = json.loads(world.listed)
    rows[0] |= {"expiry": "2026-12-25T12:00:00.000Z", "typ": "FFCCSX"}
    rows[1]["isQuanto"] = True
    found = world.venue.instruments_of(json.dumps(rows).encode(), frozenset())
    assert [i.symbol for i in found] == [f"{XBT}-261225", "bitmex:LTC/USDT:USDT"]


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({}, (OrderState.ACCEPTED, OrderType.LIMIT, TimeInForce.GTC, 0)),
        ({"tif": TimeInForce.IOC}, (OrderState.CANCELED, OrderType.LIMIT, TimeInForce.IOC, 0)),
        ({"type": OrderType.MARKET, "price_int": 0}, (OrderState.FILLED, OrderType.MARKET, TimeInForce.GTC, 100)),
        ({"price_int": 10**6, "post_only": True}, (OrderState.REJECTED, OrderType.LIMIT, TimeInForce.GTC, 0)),
    ],
)
def test_an_order_is_what_its_row_says(world, more, wanted):
    answer = world.order("T1X1", **more)
    (row,) = answer.reports
    assert (row.state, row.type, row.tif, row.filled) == wanted
    assert (row.client_id, row.symbol, row.side) == ("T1X1", XBT, Side.BUY)
    assert row.code == (OrderWouldCross.code if row.state is OrderState.REJECTED else 0)
    found = world.ask(world.protocol.query(OrderKey(XBT, "T1X1"), NOW))
    assert [each.state for each in found.reports] == [row.state]
    named = world.ask(world.protocol.query_venue_id(XBT, row.venue_id, NOW))
    assert [each.client_id for each in named.reports] == ["T1X1"]


def test_stops_are_in_the_list_of_orders(world):
    trigger = {"trigger_int": world.bid - 2000, "trigger_by": TriggerBy.MARK, "trigger_kind": TriggerKind.STOP}
    answer = world.order("T1X1", side=Side.SELL, type=OrderType.MARKET, price_int=0, **trigger)
    assert [(each.trigger, each.type) for each in answer.reports] == [(world.bid - 2000, OrderType.MARKET)]
    world.order("T1X2")
    (call,) = world.protocol.open_orders(NOW)
    assert len(world.ask(call).reports) == 2
    (stop,) = world.ask(world.protocol.open_stops(XBT, NOW)).reports
    assert (stop.client_id, stop.trigger, stop.takes_profit) == ("T1X1", world.bid - 2000, False)
    target = {**trigger, "trigger_int": world.bid + 2000, "trigger_kind": TriggerKind.TAKE_PROFIT}
    world.order("T1X3", side=Side.SELL, type=OrderType.MARKET, price_int=0, **target)
    stops = world.ask(world.protocol.open_stops(XBT, NOW)).reports
    assert {each.client_id: each.takes_profit for each in stops} == {"T1X1": False, "T1X3": True}


def test_an_order_is_amended_and_canceled_by_our_id_or_the_venues(world):
    (row,) = world.order("T1X1").reports
    key, spec = OrderKey(XBT, "T1X1"), OrderSpec(symbol=XBT, side=Side.BUY, size_int=100, price_int=world.bid - 1000)
    amended = world.ask(world.protocol.amend(key, spec, NOW, price=world.bid - 2000, size=200))
    assert [(each.price, each.size) for each in amended.reports] == [(world.bid - 2000, 200)]
    repeated = world.ask(world.protocol.amend(key, spec, NOW, price=world.bid - 2000, size=200))
    assert (repeated.outcome, repeated.code) == (Outcome.DEFINITIVE, OrderInvalid.code)
    gone = world.ask(world.protocol.cancel(OrderKey(XBT, row.venue_id), NOW))
    assert [each.state for each in gone.reports] == [OrderState.CANCELED]
    absent = world.ask(world.protocol.cancel(OrderKey(XBT, "T1X9"), NOW))
    assert (absent.code, absent.not_found) == (OrderUnknown.code, True)
    assert world.ask(world.protocol.query(OrderKey(XBT, "T1X9"), NOW)).not_found


def test_a_late_request_is_refused_and_a_name_counts_once(world):
    world.order("T1X1")
    assert world.order("T1X1").code == DuplicateClientId.code
    late = world.protocol.place("T1X2", OrderSpec(symbol=XBT, side=Side.BUY, size_int=100, price_int=world.bid), NOW)
    answer = world.ask(late, NOW + 5_000_000_000)
    assert (answer.outcome, answer.code) == (Outcome.SAFE, ClockSkew.code)
    assert world.order("T1X3", tif=TimeInForce.GTD, expire=NOW + 10**12).code == OrderInvalid.code
    assert signatures(late) == [late.headers["api-signature"]]  # which no log shows


@pytest.mark.parametrize(
    ("status", "text", "outcome", "code"),
    [
        (429, "Rate limit exceeded, retry in 1 seconds.", Outcome.SAFE, VenueRateLimit.code),
        (503, "The system is currently overloaded. Please try again later.", Outcome.SAFE, VenueUnavailable.code),
        (400, "What nobody has said yet", Outcome.DEFINITIVE, VenueRejected.code),
        (418, "What nobody has said yet", Outcome.AMBIGUOUS, VenueRejected.code),
    ],
)
def test_a_refusal_is_what_its_text_says(world, status, text, outcome, code):
    call = world.protocol.cancel(OrderKey(XBT, "T1X1"), NOW)
    body = json.dumps({"error": {"message": text, "name": "HTTPError"}}).encode()
    answer = world.protocol.answer(call, status, {"retry-after": "7"}, body, NOW)
    assert (answer.outcome, answer.code) == (outcome, code)
    assert world.protocol.answer(call, 502, {}, b"<html>", NOW).outcome is Outcome.AMBIGUOUS


def test_the_tables_of_an_account_say_what_happens(world):
    key = world.ask(world.venue.stream_key(NOW)).value
    stream = world.venue.account_stream(key)
    login, topics = (json.loads(each) for each in stream.hello)
    assert login["args"][:2] == [world.account.key, int(key)]
    for table in topics["args"]:
        assert not stream.is_live
        stream.reports_of(json.dumps({"table": table, "action": "partial", "data": []}).encode())
    assert stream.is_live
    world.order("T1X1", type=OrderType.MARKET, price_int=0)
    call = world.protocol.fills(XBT, NOW, since=NOW - 10**9)
    for report in world.exchange.take():
        world.dialect.publish([report], NOW)
    fills = world.ask(call).reports
    assert sum(each.size for each in fills) == 100 and {each.client_id for each in fills} == {"T1X1"}
    assert all(isinstance(each, FillReport) and each.fee_currency == "BTC" for each in fills)
    row = json.loads(world.http(call)[1])[0]
    reports = stream.reports_of(json.dumps({"table": "execution", "action": "insert", "data": [row]}).encode())
    assert reports[0] == fills[0]
    assert isinstance(reports[1], OrderStatusReport) and reports[1].filled
    ended = row | {"execType": "Canceled", "ordStatus": "Canceled"}
    (news,) = stream.reports_of(json.dumps({"table": "execution", "action": "insert", "data": [ended]}).encode())
    assert news.news is OrderNews.CANCELED
    (held,) = world.ask(world.protocol.positions(NOW)).reports
    assert (held.qty, held.entry) == (100, Decimal(str(row["lastPx"])))
    stream.reports_of(b'{"status": 401, "error": "Signature not valid.", "meta": {}}')
    assert "Signature" in stream.broken


def test_lists_go_on_where_a_page_ends(world):
    for call in (world.protocol.fills(XBT, NOW, since=NOW), world.protocol.account_moves(NOW, since=NOW)):
        row = {"symbol": "none", "transactType": "RealisedPNL"}
        answer = world.protocol.answer(call, 200, {}, json.dumps([row] * PAGE).encode(), NOW)
        is_fills, cursor = call.purpose is Purpose.FILLS, answer.cursor
        more = (
            world.protocol.fills(XBT, NOW, since=0, cursor=cursor)
            if is_fills
            else world.protocol.account_moves(NOW, since=0, cursor=cursor)
        )
        first, then = (parse_qs(urlsplit(each.target).query) for each in (call, more))
        assert (then["start"], then["startTime"]) == ([str(PAGE)], first["startTime"])
        assert world.protocol.answer(more, 200, {}, json.dumps([row]).encode(), NOW).cursor == ""


def test_money_came_and_went_under_names_that_stay(world):
    moves = world.ask(world.protocol.account_moves(NOW, since=0)).reports
    assert {(each.currency, each.amount) for each in moves} == {("BTC", 10 * 10**18), ("USDT", 100_000 * 10**18)}
    balances = world.ask(world.protocol.balances(NOW)).reports
    assert [(each.currency, each.total) for each in balances] == [("BTC", 10 * 10**18), ("USDT", 100_000 * 10**18)]
    mode = world.ask(world.protocol.modes(NOW)).reports
    assert mode == (AccountModeReport(False, False, can_trade=True, can_withdraw=False, account="1"),)
