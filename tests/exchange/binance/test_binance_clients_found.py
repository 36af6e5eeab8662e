"""What clients that others wrote found missing on the simulated Binance USD-M."""

from __future__ import annotations

import pytest

from exchange.venue_client import Virtual, heard
from onetape.exchange.options import VenueOptions
from onetape.exchange.server import opened, push_unrouted
from onetape.model.errors import UsageError

BTC = {"symbol": "BTCUSDT"}
ORDER = "/fapi/v1/order"


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("orderIdList", "orderId"),
        ("orderidlist", "orderId"),  # as ccxt and python-binance write it
        ("origClientOrderIdList", "clientOrderId"),
        ("origclientorderidlist", "clientOrderId"),
    ],
)
def test_the_lists_of_a_batch_cancel_are_known_in_both_spellings(client, name, field):
    orders = [
        client.ask("POST", ORDER, **BTC, side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.010", price=price)[1]
        for price in ("57000.0", "57001.0")
    ]
    quote = '"' if field == "clientOrderId" else ""
    ids = ",".join(f"{quote}{order[field]}{quote}" for order in orders)
    status, gone = client.ask("DELETE", "/fapi/v1/batchOrders", **BTC, **{name: f"[{ids}]"})
    assert (status, [row["status"] for row in gone]) == (200, ["CANCELED", "CANCELED"])
    assert client.ask("GET", "/fapi/v1/openOrders", **BTC)[1] == []


def test_the_wallet_side_says_that_it_is_up(client):
    status, reported = client.ask("GET", "/sapi/v1/system/status", signed=False)
    assert (status, reported) == (200, {"status": 0, "msg": "normal"})


def test_continuous_klines_are_those_of_the_perpetual_contract():
    venue = Virtual("binance-usdm")
    plain = venue.connect("/market/ws/btcusdt@kline_1m")
    continuous = venue.connect("/market/ws/btcusdt_perpetual@continuousKline_1m")
    remote = venue.connect("/public/ws/btcusdt_perpetual@continuousKline_1m")
    venue.wait(3)
    one, other = heard(plain), heard(continuous)
    assert other
    assert {(e["e"], e["ps"], e["ct"]) for e in other} == {("continuous_kline", "BTCUSDT", "PERPETUAL")}
    bars = [{k: v for k, v in e["k"].items() if k != "s"} for e in one]
    assert [e["k"] for e in other] == bars
    assert heard(remote) == []


def test_times_in_force_are_those_that_live_rows_list(client):
    _, info = client.ask("GET", "/fapi/v1/exchangeInfo", signed=False)
    for row in info["symbols"]:
        assert row["timeInForce"] == ["GTC", "IOC", "FOK", "GTX", "GTD"]
        assert "RPI" in row["permissionSets"]


def test_lists_of_conditional_orders_have_what_trails_only_where_something_trails(client):
    terms = {**BTC, "algoType": "CONDITIONAL", "side": "SELL", "quantity": "0.010"}
    place = lambda **more: client.ask("POST", "/fapi/v1/algoOrder", **terms, **more)  # noqa: E731
    status, stop = place(type="STOP_MARKET", triggerPrice="30000.0")
    assert (status, stop["activatePrice"], stop["callbackRate"]) == (200, "", "")
    status, trail = place(type="TRAILING_STOP_MARKET", callbackRate="5", activatePrice="90000.0")
    assert (status, trail["activatePrice"], trail["callbackRate"]) == (200, "90000.00", "5")
    of_trails = {"activatePrice", "callbackRate", "isActivated"}
    for path in ("openAlgoOrders", "allAlgoOrders"):
        _, rows = client.ask("GET", f"/fapi/v1/{path}", **BTC)
        plain, trailing = sorted(rows, key=lambda row: row["algoId"])
        assert set(trailing) - set(plain) == of_trails
        assert (trailing["activatePrice"], trailing["isActivated"]) == ("90000.00", False)
        assert not {"actualType", "actualQty"} & set(plain)  # of a query, once it was triggered
    _, one = client.ask("GET", "/fapi/v1/algoOrder", algoId=stop["algoId"])
    assert not (of_trails | {"actualType", "actualQty"}) & set(one)


def test_what_a_conditional_order_came_to_is_told_some_time_after_its_fill(venue, client):
    """The service hears of it from the matching engine; a fill is on the stream before."""
    _, key = client.ask("POST", "/fapi/v1/listenKey", signed=False)
    client.ask("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.100")
    stream = venue.connect(f"/private/ws/{key['listenKey']}")
    _, last = client.ask("GET", "/fapi/v1/ticker/price", signed=False, **BTC)
    for number in range(1, 6):
        client.ask(
            "POST",
            "/fapi/v1/algoOrder",
            algoType="CONDITIONAL",
            **BTC,
            side="SELL",
            type="STOP_MARKET",
            triggerPrice=f"{float(last['price']) - number:.1f}",
            quantity="0.010",
            clientAlgoId=f"s{number}",
        )
    for _ in range(6000):
        venue.wait(0.1)
    fills, ends, heard_of = {}, {}, heard(stream)
    for message in heard_of:
        order = message.get("o", {})
        if message["e"] == "ORDER_TRADE_UPDATE" and order["X"] == "FILLED":
            fills[order["c"]] = message["T"]
        if message["e"] == "ALGO_UPDATE" and order["X"] == "FINISHED":
            ends[order["caid"]] = message["T"]
    assert len(ends) == 5
    gaps = [ends[name] - fills[name] for name in ends]
    assert all(2 <= gap <= 40 for gap in gaps), gaps
    assert len(set(gaps)) > 1


@pytest.mark.parametrize("market", ["/api/v3", "/dapi/v1"])
def test_other_markets_are_there_list_nothing_and_say_so(client, market):
    for path in ("ping", "time", "exchangeInfo"):
        status, reported = client.ask("GET", f"{market}/{path}", signed=False)
        assert status == 200
        assert client.headers["x-simulation"].startswith("an empty market")
        assert client.headers["x-mbx-used-weight"] == client.headers["x-mbx-used-weight-1m"]
    assert reported["symbols"] == []
    answer = client.ask("GET", f"{market}/exchangeInfo", signed=False, **BTC)
    order = client.ask("POST", f"{market}/order", **BTC, side="BUY")
    if market == "/api/v3":  # it sells what fees are paid in to who knows its name
        assert [each["symbol"] for each in answer[1]["symbols"]] == ["BTCUSDT"]
        assert order[1]["code"] == -1116
    else:
        assert answer[1]["code"] == -1121
        assert order[1]["code"] == -5000
    client.ask("GET", "/fapi/v1/ping", signed=False)
    assert "x-simulation" not in client.headers


def test_an_unrouted_address_carries_every_stream_where_that_is_wanted(venue, client):
    streams = ("btcusdt@bookTicker", "btcusdt@markPrice@1s", "btcusdt@kline_1m")
    _, key = client.ask("POST", "/fapi/v1/listenKey", signed=False)
    venue.dialect.streams.is_unrouted = True
    plain = venue.connect(f"/ws/{'/'.join(streams)}/{key['listenKey']}")
    combined = venue.connect(f"/stream?streams={'/'.join(streams)}")
    routed = venue.connect(f"/public/stream?streams={'/'.join(streams)}")
    client.ask("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010")
    venue.wait(3)
    of_market = {"bookTicker", "markPriceUpdate", "kline"}
    assert {m["e"] for m in heard(plain)} == of_market | {"ORDER_TRADE_UPDATE", "TRADE_LITE", "ACCOUNT_UPDATE"}
    assert {m["data"]["e"] for m in heard(combined)} == of_market
    assert {m["data"]["e"] for m in heard(routed)} == {"bookTicker"}


def test_only_a_venue_with_categories_can_do_without_them():
    dialect, _ = opened(VenueOptions(kind="binance-usdm", seed=3))
    push_unrouted(dialect)
    assert dialect.inner.streams.is_unrouted
    with pytest.raises(UsageError, match="kraken has no categories"):
        push_unrouted(opened(VenueOptions(kind="kraken", seed=3))[0])
