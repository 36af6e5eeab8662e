"""Fields of answers and events as Binance's own client documents them (binance-connector-python, usds_futures 12.0.0
of June to 17.2.0 of August 2026)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exchange.venue_client import NOW, BinanceClient, Virtual, heard
from onetape.exchange.venues import Crowd
from onetape.model.time import HOUR, MINUTE

BTC = {"symbol": "BTCUSDT"}
ORDER = "/fapi/v1/order"
REST = {"type": "LIMIT", "timeInForce": "GTC", "quantity": "0.010", "price": "57000.0"}
ANSWER = {
    "clientOrderId", "cumQty", "executedQty", "orderId", "origQty", "price", "reduceOnly", "side", "positionSide",
    "status", "stopPrice", "closePosition", "symbol", "timeInForce", "type", "origType", "updateTime", "workingType",
    "priceProtect", "priceMatch", "selfTradePreventionMode", "goodTillDate",
}  # fmt: skip
QUERY = (ANSWER - {"cumQty"}) | {"avgPrice", "cumQuote", "time"}


def test_answers_to_requests_have_the_documented_fields(client):
    placed = client.ask("POST", ORDER, **BTC, side="BUY", **REST)[1]
    changed = client.ask(
        "PUT", ORDER, **BTC, side="BUY", orderId=placed["orderId"], quantity="0.011", price="57001.0", modifyId=7
    )[1]
    second = client.ask("PUT", ORDER, **BTC, side="BUY", orderId=placed["orderId"], quantity="0.012", price="57001.0")[
        1
    ]
    canceled = client.ask("DELETE", ORDER, **BTC, orderId=placed["orderId"])[1]
    assert set(placed) == ANSWER
    assert set(canceled) == ANSWER
    assert set(changed) == ANSWER | {"pair", "modifyId"}
    assert (changed["modifyId"], changed["pair"], changed["cumQty"]) == (7, "BTCUSDT", "0.000")
    assert set(second) == ANSWER | {"pair"}
    history = client.ask("GET", "/fapi/v1/orderAmendment", **BTC, orderId=placed["orderId"])[1]
    assert [row["amendment"].get("modifyId") for row in history] == [None, 7]


@pytest.mark.parametrize("path", [ORDER, "/fapi/v1/openOrder", "/fapi/v1/openOrders"])
def test_queries_have_the_documented_fields(client, path):
    placed = client.ask("POST", ORDER, **BTC, side="BUY", **REST)[1]
    found = client.ask("GET", path, **BTC, orderId=placed["orderId"])[1]
    assert set(found[0] if isinstance(found, list) else found) == QUERY


def test_lists_of_all_orders_and_trades_say_the_pair_and_the_base(client):
    client.ask("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010")
    order = client.ask("GET", "/fapi/v1/allOrders", **BTC)[1][-1]
    assert set(order) == QUERY | {"pair", "cumBase"}
    assert (order["pair"], order["cumBase"]) == ("BTCUSDT", "0.010")
    rows = client.ask("GET", "/fapi/v1/userTrades", **BTC)[1]
    assert {(row["pair"], row["marginAsset"]) for row in rows} == {("BTCUSDT", "USDT")}
    assert [row["baseQty"] for row in rows] == [row["qty"] for row in rows]


def test_a_modify_id_that_is_no_number_changes_nothing(client):
    placed = client.ask("POST", ORDER, **BTC, side="BUY", **REST)[1]
    request = {**BTC, "side": "BUY", "orderId": placed["orderId"], "quantity": "0.011", "price": "57001.0"}
    assert client.ask("PUT", ORDER, **request, modifyId="x")[1]["code"] == -1130
    assert client.ask("GET", ORDER, **BTC, orderId=placed["orderId"])[1]["origQty"] == "0.010"


def test_funding_is_regular():
    venue = Virtual(
        "binance-usdm", market=Crowd(rate=0.02, history=10**9), now=-(-NOW // (8 * HOUR)) * 8 * HOUR - MINUTE
    )
    account = venue.dialect.exchange.accounts[0]
    venue.wait(61)
    rows = BinanceClient(venue, account.key, account.secret).ask("GET", "/fapi/v1/fundingRate", signed=False, **BTC)[1]
    assert {row["rateType"] for row in rows} == {"Regular"}


def test_tickers_and_marks_have_the_fields_of_2026():
    venue = Virtual("binance-usdm")
    streams = [venue.connect(f"/market/ws/btcusdt@{name}") for name in ("ticker", "miniTicker", "markPrice@1s")]
    venue.wait(3)
    for stream in streams:
        events = heard(stream)
        assert events
        for event in events:
            assert event["st"] == 1
            if event["e"] != "markPriceUpdate":
                assert event["ps"] == "BTCUSDT"
                continue
            assert all(len(event[name].partition(".")[2]) == 8 for name in ("p", "ap", "P", "i"))
            assert "ps" not in event


def algo_events(venue, client, **terms) -> list[dict]:
    _, key = client.ask("POST", "/fapi/v1/listenKey", signed=False)
    client.ask("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010")
    stream = venue.connect(f"/private/ws/{key['listenKey']}")
    request = {"algoType": "CONDITIONAL", "side": "SELL", "quantity": "0.010", **terms}
    assert client.ask("POST", "/fapi/v1/algoOrder", **BTC, **request)[0] == 200
    venue.wait(600)
    return [m["o"] for m in heard(stream) if m["e"] == "ALGO_UPDATE"]


def test_an_order_that_triggers_has_no_child_before_it_is_sent(venue, client):
    last = client.ask("GET", "/fapi/v1/ticker/price", signed=False, **BTC)[1]["price"]
    near = f"{Decimal(last) - Decimal('0.2'):.1f}"
    events = {o["X"]: o for o in algo_events(venue, client, type="STOP_MARKET", triggerPrice=near)}
    for state in ("NEW", "TRIGGERING"):
        assert (events[state]["ai"], events[state]["aq"], events[state]["act"]) == ("", "0.000", "")
    assert events["TRIGGERED"]["ai"]
    assert events["FINISHED"]["aq"] == "0.010"


def test_a_trailing_stop_that_is_active_at_once_is_new_once(venue, client):
    states = algo_events(venue, client, type="TRAILING_STOP_MARKET", callbackRate="5")
    assert [(o["X"], o["ia"]) for o in states] == [("NEW", True)]


def test_a_trailing_stop_that_becomes_active_is_new_again(venue, client):
    last = client.ask("GET", "/fapi/v1/ticker/price", signed=False, **BTC)[1]["price"]
    above = f"{Decimal(last) + Decimal('0.5'):.1f}"
    states = algo_events(venue, client, type="TRAILING_STOP_MARKET", callbackRate="5", activatePrice=above)
    assert [(o["X"], o["ia"]) for o in states] == [("NEW", False), ("NEW", True)]
