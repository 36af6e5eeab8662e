"""Trailing stops at the simulated Aster: orders of the account from the first, whose trigger follows the price."""

from __future__ import annotations

import signal
from decimal import Decimal

import pytest

from exchange.aster.test_aster_exchange import BTC, ORDER, AsterClient, bid
from exchange.venue_client import Virtual, heard, ok
from exchange.venue_process import VenueProcess

TRAIL = {**BTC, "side": "SELL", "type": "TRAILING_STOP_MARKET", "quantity": "0.010"}


@pytest.fixture
def venue():
    return Virtual("aster")


@pytest.fixture
def client(venue):
    return AsterClient(venue, venue.dialect.exchange.accounts[0].secret)


def last(venue) -> Decimal:
    return Decimal(ok(venue.request("GET", "/fapi/v3/ticker/price?symbol=BTCUSDT", b"", {})[:2])["price"])


def listed(client):
    return ok(client.ask("GET", "/fapi/v3/openOrders", **BTC))


def until(venue, ask, holds):
    for _ in range(3000):
        found = ask()
        if holds(found):
            return found
        venue.wait(1)
    raise AssertionError("never")


def held(client) -> Decimal:
    return Decimal(ok(client.ask("GET", "/fapi/v3/positionRisk", **BTC))[0]["positionAmt"])


def test_it_is_an_order_of_the_account_that_fires_behind_the_best_price(client, venue):
    ok(client.ask("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010"))
    began = last(venue)
    order = ok(client.ask("POST", ORDER, **TRAIL, callbackRate="0.1", reduceOnly="true", newClientOrderId="t-1"))
    assert (order["type"], order["origType"], order["status"]) == (
        "TRAILING_STOP_MARKET",
        "TRAILING_STOP_MARKET",
        "NEW",
    )
    assert (order["priceRate"], order["cumQty"], order["reduceOnly"]) == ("0.1", "0.000", True)
    assert [o["orderId"] for o in listed(client)] == [order["orderId"]]
    best = began

    def query():
        nonlocal best
        best = max(best, last(venue))
        return ok(client.ask("GET", ORDER, **BTC, origClientOrderId="t-1"))

    done = until(venue, query, lambda o: o["status"] == "FILLED")
    assert (done["orderId"], done["type"], done["origType"]) == (order["orderId"], "MARKET", "TRAILING_STOP_MARKET")
    assert Decimal(done["avgPrice"]) < best * Decimal("0.9995")
    assert held(client) == 0 and listed(client) == []


@pytest.mark.parametrize("by", ["CONTRACT_PRICE", "MARK_PRICE"])
@pytest.mark.parametrize("kind", ["STOP_MARKET", "STOP"])
def test_a_protected_stop_waits_while_mark_and_last_trade_are_far_apart(client, venue, kind, by):
    """More than `triggerProtect`; another one that is not protected fires."""
    ok(client.ask("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.020"))
    limit = {"price": f"{last(venue) * Decimal('0.985'):.1f}"} if kind == "STOP" else {}
    terms = {**BTC, "side": "SELL", "type": kind, "quantity": "0.010", "workingType": by, "reduceOnly": "true", **limit}
    terms["stopPrice"] = f"{last(venue) * Decimal('0.9999'):.1f}"
    for name, protect in (("plain", "FALSE"), ("kept", "TRUE")):
        row = ok(client.ask("POST", ORDER, **terms, priceProtect=protect, newClientOrderId=name))
        assert (row["priceProtect"], row["origType"], row["status"]) == (protect == "TRUE", kind, "NEW")
    assert [o["stopPrice"] for o in listed(client)] == [row["stopPrice"]] * 2
    exchange = venue.dialect.exchange
    far = int(exchange.listings[0].last * (1.08 if by == "CONTRACT_PRICE" else 0.92))

    def state(name):
        return ok(client.ask("GET", ORDER, **BTC, origClientOrderId=name))["status"]

    def plain():
        exchange.set_mark(0, far, far, venue.now())
        return state("plain")

    until(venue, plain, lambda found: found == "FILLED")
    assert state("kept") == "NEW"
    until(venue, lambda: state("kept"), lambda found: found == "FILLED")
    assert held(client) == 0 and listed(client) == []


def test_a_protected_stop_is_canceled_and_told_of_as_others_are(client, venue):
    key = ok(client.ask("POST", "/fapi/v3/listenKey"))["listenKey"]
    connection = venue.connect(f"/ws/{key}")
    ok(client.ask("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010"))
    terms = {**BTC, "side": "SELL", "type": "STOP_MARKET", "stopPrice": f"{last(venue) * Decimal('0.9'):.1f}"}
    row = ok(client.ask("POST", ORDER, **terms, closePosition="true", priceProtect="TRUE"))
    assert (row["closePosition"], listed(client)[0]["closePosition"]) == (True, True)
    assert ok(client.ask("DELETE", ORDER, **BTC, orderId=row["orderId"]))["status"] == "CANCELED"
    orders = [m["o"] for m in heard(connection) if m["e"] == "ORDER_TRADE_UPDATE"]
    assert [(o["x"], o["ot"], o["cp"]) for o in orders[-2:]] == [
        ("NEW", "STOP_MARKET", True),
        ("CANCELED", "STOP_MARKET", True),
    ]


def test_it_waits_for_its_activation(client, venue):
    above = f"{last(venue) * Decimal('1.2'):.1f}"
    order = ok(client.ask("POST", ORDER, **TRAIL, callbackRate="0.1", activationPrice=above))
    assert Decimal(order["activatePrice"]) == Decimal(above)
    venue.wait(300)
    assert [o["orderId"] for o in listed(client)] == [order["orderId"]]


@pytest.mark.parametrize(
    ("side", "part", "code"), [("SELL", "0.99", -2021), ("BUY", "1.01", -2021), ("SELL", "1.01", 0), ("BUY", "0.99", 0)]
)
def test_an_activation_lies_where_the_price_has_to_come_to(client, venue, side, part, code):
    at = f"{last(venue) * Decimal(part):.1f}"
    status, answer = client.ask("POST", ORDER, **{**TRAIL, "side": side}, callbackRate="1", activationPrice=at)
    assert (status, answer.get("code", 0)) == ((400, code) if code else (200, 0))


@pytest.mark.parametrize(("rate", "code"), [("0.05", -2021), ("5.1", -2021), (None, -1102), ("0.1", 0), ("5", 0)])
def test_it_stays_between_a_tenth_and_five_percent_behind(client, rate, code):
    terms = TRAIL if rate is None else {**TRAIL, "callbackRate": rate}
    assert client.ask("POST", ORDER, **terms)[1].get("code", 0) == code


def test_it_is_canceled_as_any_order_and_says_so(client, venue):
    key = ok(client.ask("POST", "/fapi/v3/listenKey"))["listenKey"]
    connection = venue.connect(f"/ws/{key}")
    first, second = (ok(client.ask("POST", ORDER, **TRAIL, callbackRate="2"))["orderId"] for _ in range(2))
    assert ok(client.ask("DELETE", ORDER, **BTC, orderId=first))["status"] == "CANCELED"
    assert client.ask("DELETE", ORDER, **BTC, orderId=first)[1]["code"] == -2011
    ok(client.ask("DELETE", "/fapi/v3/allOpenOrders", **BTC))
    assert listed(client) == []
    events = [each["o"] for each in heard(connection) if each["e"] == "ORDER_TRADE_UPDATE"]
    assert [(o["i"], o["x"], o["o"]) for o in events] == [
        (number, kind, "TRAILING_STOP_MARKET")
        for number, kind in ((first, "NEW"), (second, "NEW"), (first, "CANCELED"), (second, "CANCELED"))
    ]
    assert {o["cr"] for o in events} == {"2"} and "AP" in events[0]
    venue.wait(600)
    assert held(client) == 0


def test_a_reduce_only_one_whose_position_is_gone_expires(client, venue):
    ok(client.ask("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010"))
    order = ok(client.ask("POST", ORDER, **TRAIL, callbackRate="0.1", reduceOnly="true"))["orderId"]
    ok(client.ask("POST", ORDER, **BTC, side="SELL", type="MARKET", quantity="0.010"))

    def query():
        return ok(client.ask("GET", ORDER, **BTC, orderId=order))

    assert until(venue, query, lambda o: o["status"] != "NEW")["status"] == "EXPIRED"
    assert held(client) == 0


@pytest.mark.parametrize("terms", [{"closePosition": "true"}, {"quantity": "0.020"}])
def test_in_hedge_mode_a_stop_closes_what_is_held_when_its_price_comes(client, venue, terms):
    ok(client.ask("POST", "/fapi/v3/positionSide/dual", dualSidePosition="true"))
    ok(client.ask("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010", positionSide="LONG"))
    near = f"{last(venue) - 5:.1f}"
    stop = {"side": "SELL", "positionSide": "LONG", "type": "STOP_MARKET", "stopPrice": near}
    made = ok(client.ask("POST", ORDER, **BTC, **stop, **terms))

    def now():
        return ok(client.ask("GET", ORDER, **BTC, orderId=made["orderId"]))

    found = until(venue, now, lambda order: order["status"] != "NEW")
    assert (found["status"], found["executedQty"]) == ("FILLED", "0.010")


def test_of_a_symbol_ten_orders_wait_for_a_price(client, venue):
    low = f"{bid(venue) * Decimal('0.9'):.1f}"
    for at in range(10):
        kind = {"callbackRate": "3"} if at % 2 else {"type": "STOP_MARKET", "stopPrice": low}
        ok(client.ask("POST", ORDER, **{**TRAIL, **kind}))
    assert client.ask("POST", ORDER, **TRAIL, callbackRate="3")[1]["code"] == -4045
    assert ok(client.ask("DELETE", "/fapi/v3/allOpenOrders", **BTC)) and listed(client) == []
    ok(client.ask("POST", ORDER, **TRAIL, callbackRate="3"))


def test_it_goes_on_after_the_exchange_was_killed(tmp_path):
    """What it follows is not on the journal: it comes from the prices, which do."""
    first = VenueProcess(tmp_path, "aster")
    try:
        client = AsterClient(first.wire, first.ready["accounts"][0]["secret"])
        order = ok(client.ask("POST", ORDER, **TRAIL, callbackRate="5"))
    finally:
        first.stop(signal.SIGKILL)
    second = VenueProcess(tmp_path, "aster")
    try:
        client = AsterClient(second.wire, second.ready["accounts"][0]["secret"])
        assert [(o["orderId"], o["priceRate"]) for o in listed(client)] == [(order["orderId"], "5")]
        assert ok(client.ask("DELETE", ORDER, **BTC, orderId=order["orderId"]))["status"] == "CANCELED"
    finally:
        second.stop(signal.SIGTERM)
