"""What an adapter believes of its venue, against what a venue says: named and counted."""

from __future__ import annotations

import copy
import json
from datetime import date
from urllib.parse import urlsplit

import pytest

from exchange.venue_client import Virtual
from onetape.model import catalogue
from onetape.model.enums import OrderType, Side, TimeInForce, TriggerBy, TriggerKind
from onetape.model.errors import NotAvailable
from onetape.model.order import OrderSpec
from onetape.orders.calls import MASTER, OrderKey, TransferRoute
from onetape.simulation.guardian_world import GuardianWorld
from onetape.venues.contract import Addresses
from onetape.venues.drift import BadRequest, Drifts, What
from onetape.venues.fact_tables import errors_of, facts_of
from onetape.venues.open import open_trading_venue

KINDS = {"binance-usdm": "binance:BTC/USDT:USDT", "kraken": "kraken:BTC/USD", "aster": "aster:BTC/USDT:USDT"}
DESCRIBED = (*KINDS, "binance-spot", "bybit", "hyperliquid", "okx")
WALLET = ("0x" + "1" * 40, "2" * 64)
NOW = 1_795_000_000_000_000_000
# Of money between wallets, and to other accounts; a venue has some of them.
WAYS = (("", "spot", ""), ("", "spot", "a@b.c"), ("spot", "spot", MASTER), ("", "futures", ""))


@pytest.fixture(scope="module")
def worlds():
    return {kind: Virtual(kind) for kind in DESCRIBED}


@pytest.fixture(scope="module")
def answers(worlds):
    """What each simulated exchange answers: its time, and its list of instruments."""
    found = {}
    for kind, world in worlds.items():
        venue = open_trading_venue(kind, "", "", Addresses("", "", ""))
        for name, calls in (("time", [venue.time()]), ("instruments", venue.instrument_lists())):
            answers = [world.request(each.method, each.target, each.body, each.headers) for each in calls]
            assert [status for status, *_ in answers] == [200] * len(calls)
            found[kind, name] = answers[0][1] if len(answers) == 1 else [value for _, value, _ in answers]
    return found


@pytest.mark.parametrize("kind", DESCRIBED)
def test_facts_are_dated_and_say_where_they_are_from(kind):
    facts = facts_of(kind)
    assert facts.kind == kind
    assert date.fromisoformat(facts.read) >= date(2026, 7, 1)
    assert facts.sources


def test_a_venue_without_facts_is_said_to_have_none():
    for kind in ("pacifica", "../binance-usdm"):
        with pytest.raises(NotAvailable):
            facts_of(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_every_request_of_an_adapter_is_among_its_facts(kind):
    symbol = KINDS[kind]
    venue = open_trading_venue(kind, *(WALLET if kind == "aster" else ("", "")), Addresses("", "", ""))
    protocol = venue.protocol
    protocol.set_instruments([catalogue.find(symbol)])
    spec = OrderSpec(symbol=symbol, side=Side.BUY, type=OrderType.LIMIT, price_int=500_000, size_int=10)
    stop = OrderSpec(
        symbol=symbol,
        side=Side.SELL,
        type=OrderType.MARKET,
        size_int=10,
        trigger_int=400_000,
        trigger_by=TriggerBy.LAST,
        trigger_kind=TriggerKind.STOP,
        tif=TimeInForce.GTC,
    )
    keys = [OrderKey(symbol, "a"), OrderKey(symbol, "a", True), OrderKey(symbol, "a", ended=True)]
    calls = [
        venue.time(),
        venue.instruments(),
        venue.stream_key(NOW),
        venue.stream_key(NOW, keep=True),
        protocol.place("a", spec, NOW),
        protocol.place("a", stop, NOW),
        protocol.amend(keys[0], spec, NOW, price=500_010, size=10),
        protocol.query_venue_id(symbol, "1", NOW),
        *protocol.open_orders(NOW),
        protocol.fills(symbol, NOW, since=0),
        protocol.balances(NOW),
        protocol.modes(NOW),
        protocol.account_moves(NOW, since=0),
        protocol.dead_man("" if kind == "kraken" else symbol, NOW, after=60 * 10**9),
    ]
    calls += [each(key, NOW) for key in keys for each in (protocol.cancel, protocol.query)]
    for source, target, to in WAYS:
        calls.append(protocol.transfer(TransferRoute(source, target, to), "USDT", 10**18, NOW))
        calls.append(protocol.transfers(TransferRoute(source, target, to), NOW, since=0))
    if protocol.traits.positions:
        calls.append(protocol.positions(NOW))
    requests = {f"{call.method} {urlsplit(call.target).path}" for call in calls if call}
    seen = set(facts_of(kind).endpoints)
    assert requests <= seen
    # Asked before it trades, for a book, and by hand.
    before = {"GET /sapi/v1/account/apiRestrictions", "GET /api/v3/account", "GET /fapi/v1/depth"}
    before |= {"POST /fapi/v1/leverage", "POST /fapi/v3/leverage", "GET /fapi/v3/agent"}
    assert seen - requests <= before | {"POST /sapi/v1/asset/get-funding-asset"}


@pytest.mark.parametrize("kind", DESCRIBED)
def test_a_simulated_exchange_is_as_the_facts_say(kind, answers):
    drifts = Drifts(facts_of(kind))
    for name in ("time", "instruments"):
        assert drifts.answer(name, answers[kind, name]) == []


@pytest.mark.parametrize("kind", DESCRIBED)
def test_the_messages_of_a_simulated_account_are_as_the_facts_say(kind, monkeypatch):
    """Orders with and without triggers, fills, forced closings, money, in a network that loses answers."""
    world, drifts, count = GuardianWorld(3, kind=kind), Drifts(facts_of(kind)), 0
    read = type(world.protocol).reports_in

    def compared(self, value):
        nonlocal count
        count += 1
        if value:  # else it was no JSON
            drifts.message(value)
        return read(self, value)

    monkeypatch.setattr(type(world.protocol), "reports_in", compared)
    world.run(200.0)
    assert drifts.rows() == [] and count > 100


@pytest.mark.parametrize("kind", DESCRIBED)
def test_deliberately_bad_requests_are_refused_as_expected(kind, worlds):
    world, drifts = worlds[kind], Drifts(facts_of(kind))
    for requested in facts_of(kind).bad_requests:
        status, value, _ = world.request("GET", requested.target, b"", {})
        body = json.dumps(value).encode()
        assert drifts.refusal(requested, status, body, errors_of(kind)) == []


def changed(answer: dict, change) -> dict:
    copied = copy.deepcopy(answer)
    change(copied)
    return copied


SYMBOL = "instruments.symbols"
BINANCE_ROWS = [
    (lambda a: a["symbols"][0].update(mood="calm"), What.FIELD, f"{SYMBOL}.mood"),
    (lambda a: a.update(gravity=9.81), What.FIELD, "instruments.gravity"),
    (lambda a: a["symbols"][1].pop("baseAsset"), What.MISSING, f"{SYMBOL}.baseAsset"),
    (lambda a: a["symbols"][0].update(status="ASLEEP"), What.VALUE, f"{SYMBOL}.status = ASLEEP"),
    (lambda a: a["symbols"][0]["timeInForce"].append("GTW"), What.VALUE, f"{SYMBOL}.timeInForce = GTW"),
    (lambda a: a["symbols"][0]["filters"][0].pop("tickSize"), What.MISSING, f"{SYMBOL}.filters.PRICE_FILTER.tickSize"),
    (
        lambda a: a["symbols"][0]["filters"].append({"filterType": "MAX_POSITION", "limit": 1}),
        What.VALUE,
        f"{SYMBOL}.filters.filterType = MAX_POSITION",
    ),
    (lambda a: a["symbols"][0]["filters"][1].update(odd=1), What.FIELD, f"{SYMBOL}.filters.LOT_SIZE.odd"),
    (lambda a: a.update(symbols=["BTCUSDT"]), What.MISSING, f"{SYMBOL}: str and no object"),
]


@pytest.mark.parametrize(("change", "what", "name"), BINANCE_ROWS)
def test_each_change_of_exchange_info_has_its_name(change, what, name, answers):
    drifts = Drifts(facts_of("binance-usdm"))
    drifts.answer("instruments", changed(answers["binance-usdm", "instruments"], change))
    assert [(d.what, d.name) for d in drifts.rows()] == [(what, name)]


PAIR = "instruments.result"


@pytest.mark.parametrize(
    ("change", "what", "name"),
    [
        (lambda p: p.update(mood="calm"), What.FIELD, f"{PAIR}.mood"),
        (lambda p: p.pop("pair_decimals"), What.MISSING, f"{PAIR}.pair_decimals"),
        (lambda p: p.update(status="asleep"), What.VALUE, f"{PAIR}.status = asleep"),
        (lambda p: p.update(execution_venue="moon"), What.VALUE, f"{PAIR}.execution_venue = moon"),
    ],
)
def test_each_change_of_asset_pairs_has_its_name(change, what, name, answers):
    drifts = Drifts(facts_of("kraken"))
    answer = changed(answers["kraken", "instruments"], lambda a: change(a["result"]["XXBTZUSD"]))
    drifts.answer("instruments", answer)
    assert [(d.what, d.name) for d in drifts.rows()] == [(what, name)]


QUOTE = {
    "e": "bookTicker",
    "u": 1,
    "s": "BTCUSDT",
    "b": "1",
    "B": "1",
    "a": "2",
    "A": "1",
    "T": 1,
    "E": 1,
    "ps": "BTCUSDT",
    "st": 1,
}


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (QUOTE, []),
        ({"stream": "btcusdt@bookTicker", "data": QUOTE}, []),
        ({**QUOTE, "zz": 1}, [(What.FIELD, "bookTicker.zz")]),
        ({k: v for k, v in QUOTE.items() if k != "T"}, [(What.MISSING, "bookTicker.T")]),
        ({"e": "bookTocker"}, [(What.MESSAGE, "bookTocker")]),
        ({"e": "TRADE_LITE", "what": "ever"}, []),
        ([1, 2], [(What.MESSAGE, "list")]),
        (None, [(What.MESSAGE, "NoneType")]),
        (
            {"e": "ORDER_TRADE_UPDATE", "o": 7, "E": 1, "T": 1},
            [(What.MISSING, "ORDER_TRADE_UPDATE.o: int and no object")],
        ),
        (
            {"e": "ACCOUNT_UPDATE", "T": 1, "a": {"m": "GIFT", "B": [{"a": "X", "wb": "1", "q": 0}]}},
            [(What.FIELD, "ACCOUNT_UPDATE.a.B.q"), (What.VALUE, "ACCOUNT_UPDATE.a.m = GIFT")],
        ),
    ],
)
def test_messages_are_compared_with_their_kind(message, found):
    drifts = Drifts(facts_of("binance-usdm"))
    drifts.message(message)
    assert [(d.what, d.name) for d in drifts.rows()] == found


@pytest.mark.parametrize(
    ("kind", "message", "name"),
    [
        ("bybit", {"topic": "orderbook.1.BTCUSDT"}, "orderbook"),
        ("bybit", {"op": "subscribe", "success": True}, "subscribe"),
        ("okx", {"arg": {"channel": "books", "instId": "BTC-USDT-SWAP"}}, "books"),
        ("okx", {"event": "subscribe", "arg": {"channel": "books"}}, "subscribe"),
        ("okx", {"arg": 7}, "without a name"),
        ("hyperliquid", {"channel": "pong"}, "pong"),
        ("binance-spot", {"u": 1, "s": "BTCUSDT", "b": "1"}, "bookTicker"),
        ("binance-spot", {"id": 1, "status": 200, "result": {}}, "answer"),
        ("binance-spot", {"subscriptionId": 0, "event": {"e": "executionReport"}}, "executionReport"),
        ("binance-spot", {"stream": "btcusdt@trade", "data": {"e": "trade"}}, "trade"),
    ],
)
def test_a_message_is_named_as_its_venue_names_it(kind, message, name):
    assert Drifts(facts_of(kind)).name_of(message) == name


def test_a_drift_is_new_once_and_counted_each_time():
    drifts = Drifts(facts_of("binance-usdm"))
    odd = {**QUOTE, "zz": 1}
    assert [each.text for each in drifts.message(odd)] == ["unknown field bookTicker.zz"]
    assert drifts.message(odd) == drifts.message(odd) == []
    assert [each.text for each in drifts.rows()] == ["unknown field bookTicker.zz (3 times)"]


def test_parts_of_a_list_are_compared_by_their_numbers(answers):
    """A list of pairs: assets, and their states."""
    lists = copy.deepcopy(answers["hyperliquid", "instruments"])
    del lists[0][1][2]["markPx"]
    lists[1][0]["tokens"][0]["mood"] = 1
    drifts = Drifts(facts_of("hyperliquid")).answer("instruments", lists)
    assert [each.text for each in drifts] == [
        "missing field instruments.0.1.markPx",
        "unknown field instruments.1.0.tokens.mood",
    ]


def test_names_are_bounded():
    """A venue, or who claims to be one, that invents a name a message costs no memory."""
    drifts = Drifts(facts_of("binance-usdm"))
    for number in range(5000):
        drifts.message({**QUOTE, f"x{number}": 1})
    assert len(drifts.rows()) <= 201
    assert sum(each.times for each in drifts.rows()) == 5000


ASK = BadRequest("a symbol that there is not", "/x", 400, "-1121", "Invalid symbol.")


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        (400, b'{"code":-1121,"msg":"Invalid symbol."}', []),
        (
            400,
            b'{"code":-1121,"msg":"No such thing."}',
            [(What.REFUSAL, "a symbol that there is not: -1121 says 'No such thing.'")],
        ),
        (
            404,
            b'{"code":-1121,"msg":"Invalid symbol."}',
            [(What.REFUSAL, "a symbol that there is not: HTTP 404 -1121")],
        ),
        (400, b'{"code":-1100,"msg":"x"}', [(What.REFUSAL, "a symbol that there is not: HTTP 400 -1100")]),
        (
            400,
            b'{"code":-9999,"msg":"x"}',
            [(What.REFUSAL, "a symbol that there is not: HTTP 400 -9999"), (What.CODE, "-9999")],
        ),
        (502, b"<html>", [(What.REFUSAL, "a symbol that there is not: HTTP 502 without a code")]),
        (200, b"[]", [(What.REFUSAL, "a symbol that there is not: HTTP 200 without a code")]),
    ],
)
def test_another_refusal_is_named(status, body, found):
    drifts = Drifts(facts_of("binance-usdm"))
    drifts.refusal(ASK, status, body, errors_of("binance-usdm"))
    assert [(d.what, d.name) for d in drifts.rows()] == found
