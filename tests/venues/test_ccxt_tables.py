"""Tables of the bridge to ccxt: errors by their classes, ids in each venue's form, numbers,
markets, rows of orders and trades."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from bridge.bridge_process import as_read
from onetape.bridge.rows import trade_row
from onetape.model.enums import Kind, OrderState, OrderType, PositionSide, Side, TimeInForce
from onetape.model.enums import TriggerBy as By
from onetape.model.errors import NotAvailable, OrderUnknown, VenueRejected
from onetape.model.ids import EPOCH_MAX, client_id
from onetape.model.order import OrderSpec
from onetape.orders.calls import Call, OrderKey, Purpose
from onetape.orders.outcome import Outcome
from onetape.orders.reports import FillReport
from onetape.venues.ccxt.errors import ERRORS, LATE, UNSENT, UNWANTED, row_of_error, row_of_names
from onetape.venues.ccxt.facts import FACTS, Facts, facts_of
from onetape.venues.ccxt.instruments import instruments_of
from onetape.venues.ccxt.numbers import client_id_of, client_id_text, units
from onetape.venues.ccxt.trading import CcxtProtocol
from onetape.venues.client_ids import UUID_CHARS
from onetape.venues.numbers import trade_number

NOW = 1_795_000_000 * 10**9
MARKET = {
    "symbol": "BTC/USDT:USDT",
    "id": "BTC-USDT-SWAP",
    "active": True,
    "tick": "0.1",
    "lot": "0.01",
    "size": "0.01",
    "min": "0.005",
    "max": "10000",
    "cost": None,
    "maker": "0.0002",
    "taker": "0.0005",
    "option": False,
}
SYMBOL = "okx:BTC/USDT:USDT"
ORDER = {
    "symbol": "BTC/USDT:USDT",
    "id": "77",
    "client": "Tr1X1X1c",
    "status": "open",
    "side": "buy",
    "type": "limit",
    "tif": "GTC",
    "price": "60000.1",
    "amount": "1.50",
    "filled": "0",
    "trigger": None,
    "reduce": False,
}
TRADE = {
    "symbol": "BTC/USDT:USDT",
    "id": "9",
    "order": "77",
    "side": "sell",
    "price": "60000.1",
    "amount": "0.5",
    "ms": 1_795_000_000_123,
    "fee": "-0.000000000000000001",
    "fee_currency": "USDT",
    "maker": True,
}


def protocol(facts: Facts | None = None) -> CcxtProtocol:
    made = CcxtProtocol("okx", FACTS["okx"] if facts is None else facts, "token")
    made.set_instruments(instruments_of([MARKET], "okx"))
    return made


def spec(**terms) -> OrderSpec:
    fields_of = {"symbol": SYMBOL, "side": Side.BUY, "size_int": 150, "price_int": 600001, **terms}
    fields_of.setdefault("type", OrderType.LIMIT if fields_of["price_int"] else OrderType.MARKET)
    return OrderSpec(**fields_of)


def answered(p: CcxtProtocol, call: Call, value: object):
    return p.answer(call, 200, {}, msgspec.json.encode(value), NOW)


def failed(p: CcxtProtocol, call: Call, *names: str):
    return answered(p, call, {"error": {"names": names, "text": "it said so"}})


# --- errors ---------------------------------------------------------------------------------------


@as_read
def test_every_class_of_errors_that_ccxt_has_is_in_the_table():
    hierarchy = pytest.importorskip("ccxt.base.errors").error_hierarchy

    def names(tree):
        for name, below in tree.items():
            yield name
            yield from names(below)

    seen = set(names(hierarchy))
    assert seen - set(ERRORS) == set()
    assert set(ERRORS) - seen == {LATE, UNSENT, UNWANTED}


@pytest.mark.parametrize(
    ("names", "outcome"),
    [
        (("InsufficientFunds", "ExchangeError", "BaseError"), Outcome.DEFINITIVE),
        (("OrderImmediatelyFillable", "InvalidOrder"), Outcome.DEFINITIVE),
        (("DuplicateOrderId", "InvalidOrder"), Outcome.SETTLED),
        (("RequestTimeout", "NetworkError"), Outcome.AMBIGUOUS),
        (("RateLimitExceeded", "NetworkError"), Outcome.SAFE),
        (("Unsent", "ExchangeNotAvailable", "NetworkError"), Outcome.SAFE),
        (("Late", "Exception", "BaseException"), Outcome.SAFE),
        (("ExchangeError", "BaseError"), Outcome.AMBIGUOUS),
        # A class of a later version is its parent's; what is none of ccxt's may have left.
        (("NewKindOfRefusal", "InvalidOrder", "ExchangeError"), Outcome.DEFINITIVE),
        (("KeyError", "LookupError", "Exception"), Outcome.AMBIGUOUS),
        ((), Outcome.AMBIGUOUS),
    ],
)
def test_the_nearest_class_decides_what_became_of_a_request(names, outcome):
    assert row_of_names(names).outcome is outcome


@pytest.mark.parametrize(
    ("codes", "text", "outcome"),
    [
        ("binance", 'binanceusdm {"code":-2022,"msg":"ReduceOnly"}', Outcome.DEFINITIVE),
        ("binance", 'binanceusdm {"code":-4116,"msg":"duplicated."}', Outcome.SETTLED),
        ("binance", 'binanceusdm {"code":-987654,"msg":"new"}', Outcome.AMBIGUOUS),
        ("kraken", 'kraken {"error":["EOrder:Post only order"]}', Outcome.DEFINITIVE),
        ("kraken", 'kraken {"error":["EOrder:Never heard of"]}', Outcome.AMBIGUOUS),
        ("", 'okx {"code":-2022}', Outcome.AMBIGUOUS),
    ],
)
def test_what_ccxt_has_no_class_for_is_looked_up_by_the_venues_own_code(codes, text, outcome):
    assert row_of_error(("ExchangeError", "BaseError"), text, codes).outcome is outcome
    # A class that says more than the plain one is believed.
    named = row_of_error(("RequestTimeout", "NetworkError"), text, codes)
    assert named.outcome is Outcome.AMBIGUOUS


def test_an_order_that_is_not_there_is_said_of_questions_and_never_of_a_placing():
    p = protocol()
    key = OrderKey(SYMBOL, "Tr1X1X1c")
    gone = failed(p, p.cancel(key, NOW), "OrderNotFound", "InvalidOrder")
    assert (gone.outcome, gone.code, gone.not_found) == (Outcome.DEFINITIVE, OrderUnknown.code, True)
    assert not failed(p, p.place("Tr1X1X1c", spec(), NOW), "OrderNotFound").not_found


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"ok":3}', b'{"error":{}}'])
def test_an_answer_that_makes_no_sense_is_ambiguous(body):
    p = protocol()
    answer = p.answer(p.place("Tr1X1X1c", spec(), NOW), 200, {}, body, NOW)
    assert (answer.outcome, answer.code) == (Outcome.AMBIGUOUS, VenueRejected.code)


# --- ids and numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize("epoch", [3, EPOCH_MAX])
@pytest.mark.parametrize("tag", ["r1", "operator"])
@pytest.mark.parametrize("form", ["text", "hex", "uuid", "short"])
def test_an_id_of_ours_comes_back_as_it_was_in_every_form(form, tag, epoch):
    ours = client_id(tag, epoch=epoch, ordinal=3 << 30)
    there = client_id_text(ours, form)
    assert client_id_of(there, form) == ours
    if form == "hex":
        assert len(there) == 34 and int(there, 16)
    if form == "uuid":
        assert [len(part) for part in there.split("-")] == [8, 4, 4, 4, 12]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("", "hex"),
        ("0xffffffffffffffffffffffffffffffff", "hex"),
        ("web-1", "uuid"),
        ("57a5efb1-bb96-49a5-8bfd-f25d5f22bc7e", "uuid"),
        ("anything", "text"),
    ],
)
def test_an_id_that_others_wrote_stays_as_it_is(text, form):
    assert client_id_of(text, form) == text


def test_an_id_that_is_too_long_for_a_form_is_refused_and_not_cut():
    with pytest.raises(ValueError, match="more than 25"):
        client_id_text("T" + "x" * 25, "hex")


def test_facts_keep_ids_within_their_form():
    for facts in (*FACTS.values(), facts_of("nobody")):
        assert facts.client_id in ("text", "hex", "uuid", "short")
        assert facts.client_id == "text" or facts.client_id_chars == UUID_CHARS
        assert facts.by_client_id or not facts.proves_absence


@pytest.mark.parametrize(
    ("text", "decimals", "whole"),
    [
        ("60000.10", 1, 600001),
        ("0.00000001", 8, 1),
        ("-1.5", 2, -150),
        (None, 2, 0),
        ("60000.15", 1, 600002),
        ("60000.25", 1, 600002),
    ],
)
def test_numbers_become_whole_units(text, decimals, whole):
    assert units(text, decimals) == whole


@pytest.mark.parametrize("text", ["", "abc", "NaN", "Infinity"])
def test_what_is_no_number_is_an_error(text):
    with pytest.raises(ValueError, match="not a number"):
        units(text, 2)


def test_trades_keep_numbers_and_other_ids_get_one_of_their_own():
    assert trade_number("3405") == 3405
    first, second = trade_number("TXHTC7-ZCJ5T-HPHHIA"), trade_number("TXHTC7-ZCJ5T-HPHHIB")
    assert first == trade_number("TXHTC7-ZCJ5T-HPHHIA") != second
    assert 0 <= first < 2**63
    assert 0 <= trade_number("9" * 40) < 2**63


# --- markets --------------------------------------------------------------------------------------


def test_a_contract_counts_contracts_and_its_least_quantity_is_on_the_lot():
    (i,) = instruments_of([MARKET], "okx")
    assert (i.symbol, i.kind, i.perpetual) == (SYMBOL, Kind.LINEAR, True)
    assert (i.tick, i.lot, i.multiplier) == (Decimal("0.1"), Decimal("0.01"), Decimal("0.01"))
    assert i.size_min == Decimal("0.01")
    assert i.defaulted == ("maker_fee", "taker_fee")


def test_a_market_that_does_not_trade_is_passed_over_and_one_without_a_step_refused():
    assert instruments_of([{**MARKET, "active": False}], "okx") == []
    with pytest.raises(ValueError, match="tick"):
        instruments_of([{**MARKET, "tick": None}], "okx")


def test_an_inverse_contract_settles_in_its_base():
    (i,) = instruments_of([{**MARKET, "symbol": "BTC/USD:BTC", "size": "100"}], "bybit")
    assert (i.kind, i.settle, i.multiplier) == (Kind.INVERSE, "BTC", Decimal(100))


# --- requests -------------------------------------------------------------------------------------


def test_a_limit_order_is_said_exactly_with_the_moment_it_must_have_left():
    call = protocol().place("Tr1X1X1c", spec(tif=TimeInForce.IOC), NOW)
    assert (call.purpose, call.target) == (Purpose.PLACE, "/place")
    assert msgspec.json.decode(call.body) == {
        "symbol": "BTC/USDT:USDT",
        "client": "Tr1X1X1c",
        "type": "limit",
        "side": "buy",
        "amount": "1.50",
        "price": "60000.1",
        "params": {"timeInForce": "IOC"},
        "before": NOW + 2_500_000_000,
    }


def test_a_market_order_has_a_price_only_where_its_slippage_is_counted_from_one():
    order = spec(price_int=0)
    plain = protocol().place("Tr1X1X1c", order, NOW, reference=600000)
    assert msgspec.json.decode(plain.body)["price"] is None
    there = protocol(FACTS["hyperliquid"]).place("Tr1X1X1c", order, NOW, reference=600000)
    assert msgspec.json.decode(there.body)["price"] == "60000.0"


@pytest.mark.parametrize(
    "terms",
    [
        {"trigger_int": 610000, "trigger_by": By.LAST},
        {"tif": TimeInForce.GTD, "expire": NOW + 10**12},
        {"position_side": PositionSide.LONG},
    ],
)
def test_what_the_bridge_cannot_say_is_refused_before_anything_leaves(terms):
    p = protocol()
    call = p.place("Tr1X1X1c", spec(**terms), NOW)
    assert call.target == "/refused"
    answer = failed(p, call, "NotSupported", "ExchangeError")
    assert (answer.outcome, answer.code) == (Outcome.DEFINITIVE, NotAvailable.code)


def test_a_market_buy_of_spot_goes_only_where_it_is_by_quantity():
    spot = {**MARKET, "symbol": "BTC/USDT", "size": None}
    for facts, target in ((FACTS["okx"], "/refused"), (FACTS["kraken"], "/place")):
        p = CcxtProtocol("x", facts, "token")
        p.set_instruments(instruments_of([spot], "x"))
        assert not p.traits.positions
        order = spec(symbol="x:BTC/USDT", price_int=0)
        assert p.place("Tr1X1X1c", order, NOW).target == target


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({}, OrderState.ACCEPTED),
        ({"filled": "0.5"}, OrderState.PARTIALLY_FILLED),
        ({"status": "closed", "filled": "1.5"}, OrderState.FILLED),
        # Some venues call every end so.
        ({"status": "closed", "filled": "0.5"}, OrderState.CANCELED),
        ({"status": "canceled"}, OrderState.CANCELED),
        ({"status": "expired"}, OrderState.EXPIRED),
        ({"status": "rejected"}, OrderState.REJECTED),
        ({"status": None}, OrderState.UNKNOWN),
    ],
)
def test_an_order_stands_as_its_row_says(change, state):
    p = protocol()
    call = p.query(OrderKey(SYMBOL, "Tr1X1X1c"), NOW)
    answer = answered(p, call, {"ok": {"order": {**ORDER, **change}, "proof": True}})
    (reported,) = answer.reports
    assert (reported.state, reported.client_id, reported.venue_id) == (state, "Tr1X1X1c", "77")
    assert (reported.price, reported.size, reported.news) == (600001, 150, None)


@pytest.mark.parametrize(
    ("venue", "proof", "proven"),
    [("aster", True, True), ("aster", False, False), ("okx", True, False), ("bybit", True, False)],
)
def test_that_an_order_is_not_there_is_believed_only_where_the_venue_can_know(venue, proof, proven):
    p = protocol(FACTS[venue])
    call = p.query(OrderKey(SYMBOL, "Tr1X1X1c"), NOW)
    answer = answered(p, call, {"ok": {"order": None, "proof": proof}})
    assert (answer.outcome, answer.not_found) == (Outcome.DONE, proven)


def test_fills_are_exact_and_a_full_page_goes_on():
    p = protocol()
    call = p.fills(SYMBOL, NOW, since=NOW)
    cursor = {"since": 1, "older": 2, "newer": 3}
    answer = answered(p, call, {"ok": {"trades": [TRADE], "cursor": cursor}})
    (fill,) = answer.reports
    assert isinstance(fill, FillReport)
    assert (fill.price, fill.size, fill.fee, fill.venue_id) == (600001, 50, -1, "77")
    assert fill.time == 1_795_000_000_123 * 10**6
    second = msgspec.json.decode(p.fills(SYMBOL, NOW, since=0, cursor=answer.cursor).body)
    assert second == {**cursor, "symbol": "BTC/USDT:USDT"}


def test_a_short_position_is_negative():
    p = protocol()
    rows = [{"symbol": "BTC/USDT:USDT", "side": "short", "contracts": "2.5", "hedged": False}]
    (reported,) = answered(p, p.positions(NOW), {"ok": rows}).reports
    assert (reported.qty, reported.side, reported.time) == (-250, PositionSide.BOTH, NOW)


def test_a_long_and_a_short_position_are_one_number():
    p = protocol()
    rows = [
        {"symbol": "BTC/USDT:USDT", "side": side, "contracts": contracts, "hedged": True}
        for side, contracts in (("long", "2"), ("short", "0.5"))
    ]
    assert [t.qty for t in answered(p, p.positions(NOW), {"ok": rows}).reports] == [150]


def test_trades_without_an_id_are_told_apart_by_what_they_say():
    received = {"order": "7", "timestamp": 5, "side": "buy", "price": 1.0, "amount": 2.0}
    first, second = trade_row(received), trade_row({**received, "timestamp": 6})
    assert first["id"] == trade_row(dict(received))["id"] != second["id"]


def test_a_balance_may_be_off_by_the_digits_to_which_the_venue_rounds_and_no_more():
    p = protocol()
    before = p.slack("USDT")
    assert before == 10**10 + 10**13  # eight decimals of balances, five of fees
    answered(p, p.balances(NOW), {"ok": {"USDT": "100000.0", "BTC": "1"}})
    answered(p, p.balances(NOW), {"ok": {"USDT": "99999.1234", "BTC": "1"}})
    call = p.fills(SYMBOL, NOW, since=NOW)
    for fee in ("2.5", "2.39386", "3"):
        answered(p, call, {"ok": {"trades": [{**TRADE, "fee": fee}], "cursor": {}}})
    assert p.slack("USDT") == 10**14 + 10**13


def test_keys_that_are_refused_are_definitive():
    p = protocol()
    answer = failed(p, p.account(), "AuthenticationError", "ExchangeError")
    assert (answer.outcome, answer.value) == (Outcome.DEFINITIVE, "")
    odd = failed(p, p.account(), "ExchangeError")
    assert (odd.outcome, odd.code) == (Outcome.AMBIGUOUS, VenueRejected.code)
