"""Streams of the simulated Binance USD-M: what a client hears, and when it hears nothing."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from exchange.venue_client import HISTORY, BinanceClient, Virtual, hashlib, heard, hmac
from onetape.exchange.dialect import Close
from onetape.exchange.venues import Crowd

BTC = {"symbol": "BTCUSDT"}
ORDER = "/fapi/v1/order"


def test_each_category_carries_its_own_streams_only(venue):
    public = venue.connect("/public/ws/btcusdt@bookTicker/btcusdt@markPrice@1s")
    market = venue.connect("/market/stream?streams=btcusdt@markPrice@1s/btcusdt@bookTicker")
    old = venue.connect("/ws/btcusdt@bookTicker/btcusdt@aggTrade")
    venue.wait(5)
    assert {m["e"] for m in heard(public)} == {"bookTicker"}
    assert {m["data"]["e"] for m in heard(market)} == {"markPriceUpdate"}
    assert {m["e"] for m in heard(old)} == {"bookTicker"}  # silence, and no error, for the rest


def test_depth_goes_on_from_a_snapshot_without_a_gap(venue, client):
    stream = venue.connect("/public/ws/btcusdt@depth@100ms")
    venue.wait(2)
    _, snapshot = client.ask("GET", "/fapi/v1/depth", signed=False, **BTC, limit=1000)
    book = {side: dict(snapshot[side]) for side in ("bids", "asks")}
    venue.wait(10)
    events = [e for e in heard(stream) if e["u"] >= snapshot["lastUpdateId"]]
    assert events[0]["U"] <= snapshot["lastUpdateId"] + 1
    previous = None
    for event in events:
        assert previous is None or event["pu"] == previous
        previous = event["u"]
        for side, rows in (("bids", event["b"]), ("asks", event["a"])):
            for price, size in rows:
                if Decimal(size) == 0:
                    book[side].pop(price, None)
                else:
                    book[side][price] = size
    venue.wait(0.2)
    _, now = client.ask("GET", "/fapi/v1/depth", signed=False, **BTC, limit=1000)
    last = list(heard(stream))
    for event in last:
        for side, rows in (("bids", event["b"]), ("asks", event["a"])):
            for price, size in rows:
                if Decimal(size) == 0:
                    book[side].pop(price, None)
                else:
                    book[side][price] = size
    assert dict(now["bids"]) == book["bids"]
    assert dict(now["asks"]) == book["asks"]


def test_the_account_hears_of_an_order_its_fill_its_money_and_its_position(venue, client):
    _, key = client.ask("POST", "/fapi/v1/listenKey", signed=False)
    stream = venue.connect(f"/private/ws/{key['listenKey']}")
    wrong = venue.connect(f"/market/ws/{key['listenKey']}")
    _, order = client.ask("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010")
    reported = heard(stream)
    kinds = [m["e"] for m in reported]
    assert kinds[0] == "ORDER_TRADE_UPDATE"
    assert {"TRADE_LITE", "ACCOUNT_UPDATE"} <= set(kinds)
    fills = [m["o"] for m in reported if m["e"] == "ORDER_TRADE_UPDATE" and m["o"]["x"] == "TRADE"]
    assert fills[-1]["X"] == "FILLED"
    assert fills[-1]["i"] == order["orderId"]
    assert sum(Decimal(f["l"]) for f in fills) == Decimal("0.010")
    lite = [m for m in reported if m["e"] == "TRADE_LITE"]
    assert [m["t"] for m in lite] == [f["t"] for f in fills]
    account = [m["a"] for m in reported if m["e"] == "ACCOUNT_UPDATE"][-1]
    _, balances = client.ask("GET", "/fapi/v3/balance")
    usdt = next(b["balance"] for b in balances if b["asset"] == "USDT")
    assert account["B"][0]["wb"] == usdt
    assert account["P"][0]["pa"] == "0.010"
    assert heard(wrong) == []


def test_a_listen_key_expires_and_the_stream_is_silent():
    venue = Virtual("binance-usdm", market=Crowd(0.02, HISTORY))  # two hours of it
    account = venue.dialect.exchange.accounts[0]
    client = BinanceClient(venue, account.key, account.secret)
    _, key = client.ask("POST", "/fapi/v1/listenKey", signed=False)
    stream = venue.connect(f"/private/ws/{key['listenKey']}")
    venue.wait(1800)
    assert client.ask("PUT", "/fapi/v1/listenKey", signed=False)[0] == 200
    venue.wait(3000)
    assert heard(stream) == []
    venue.wait(700)
    assert [m["e"] for m in heard(stream)] == ["listenKeyExpired"]
    client.ask("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010")
    assert heard(stream) == []
    assert client.ask("PUT", "/fapi/v1/listenKey", signed=False)[1]["code"] == -1125


def test_a_conditional_order_tells_its_states_in_order(venue, client):
    _, key = client.ask("POST", "/fapi/v1/listenKey", signed=False)
    client.ask("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010")
    stream = venue.connect(f"/private/ws/{key['listenKey']}")
    _, last = client.ask("GET", "/fapi/v1/ticker/price", signed=False, **BTC)
    near = f"{Decimal(last['price']) - Decimal('0.2'):.1f}"
    client.ask(
        "POST",
        "/fapi/v1/algoOrder",
        algoType="CONDITIONAL",
        **BTC,
        side="SELL",
        type="STOP_MARKET",
        triggerPrice=near,
        quantity="0.010",
        clientAlgoId="s1",
    )
    venue.wait(600)
    received = [m for m in heard(stream) if m["e"] in ("ALGO_UPDATE", "ORDER_TRADE_UPDATE")]
    states = [m["o"]["X"] for m in received if m["e"] == "ALGO_UPDATE"]
    assert states == ["NEW", "TRIGGERING", "TRIGGERED", "FINISHED"]
    child = next(m["o"] for m in received if m["e"] == "ORDER_TRADE_UPDATE" and m["o"]["x"] == "TRADE")
    assert child["c"] == "s1"
    assert received[-1]["o"]["ai"] == str(child["i"])


def test_the_socket_api_signs_sorted_parameters(venue):
    account = venue.dialect.exchange.accounts[0]
    api = venue.connect("/ws-fapi/v1")

    def call(method: str, secret: str = account.secret, **params):
        params = {"apiKey": account.key, "timestamp": venue.time // 1_000_000, **params}
        text = "&".join(f"{k}={params[k]}" for k in sorted(params))
        params["signature"] = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        request = json.dumps({"id": "1", "method": method, "params": params}).encode()
        venue.dialect.message(api, request, venue.time)
        venue.settle()
        return heard(api)[-1]

    placed = call("order.place", **BTC, side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.010", price="58000.0")
    assert placed["status"] == 200, placed
    order_id = placed["result"]["orderId"]
    assert call("order.status", **BTC, orderId=order_id)["result"]["status"] == "NEW"
    assert call("order.cancel", **BTC, orderId=order_id)["result"]["status"] == "CANCELED"
    assert call("order.place", secret="no", **BTC)["error"]["code"] == -1022
    assert call("no.such")["status"] == 400


def test_who_talks_too_much_is_disconnected(venue):
    stream = venue.connect("/public/ws")
    for number in range(12):
        request = json.dumps({"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": number})
        venue.dialect.message(stream, request.encode(), venue.time)
    assert isinstance(heard(stream)[-1], Close)


@pytest.mark.parametrize(
    ("method", "params"),
    [("SUBSCRIBE", 7), ("UNSUBSCRIBE", 7), ("UNSUBSCRIBE", [[]]), ("SET_PROPERTY", 7), ("SET_PROPERTY", ["combined"])],
)
def test_a_request_with_odd_parameters_is_answered(venue, method, params):
    stream = venue.connect("/public/ws")
    venue.dialect.message(stream, json.dumps({"method": method, "params": params, "id": 3}).encode(), venue.time)
    (answer,) = heard(stream)
    assert answer["id"] == 3


def test_weights_are_counted_refused_and_lead_to_a_ban(venue, client):
    for _ in range(300):
        status, answer = client.ask("GET", "/fapi/v1/exchangeInfo", signed=False)
    assert client.headers["x-mbx-used-weight-1m"] == "300"
    for _ in range(60):
        status, answer = client.ask("GET", "/fapi/v1/ticker/24hr", signed=False)
    assert (status, answer["code"]) == (429, -1003)
    assert int(client.headers["retry-after"]) > 0
    for _ in range(12):
        status, answer = client.ask("GET", "/fapi/v1/ping", signed=False)
    assert status == 418
    venue.wait(200)
    assert client.ask("GET", "/fapi/v1/ping", signed=False)[0] == 200
