"""What clients that others wrote found missing on the simulated Binance USD-M."""

from __future__ import annotations

import pytest

from sim.venue_client import BinanceClient, Virtual, heard

BTC = {"symbol": "BTCUSDT"}
ORDER = "/fapi/v1/order"


@pytest.fixture
def client():
    venue = Virtual("binance-usdm")
    account = venue.dialect.exchange.accounts[0]
    return BinanceClient(venue, account.key, account.secret)


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
        client.ask(
            "POST", ORDER, **BTC, side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.010",
            price=price,
        )[1]
        for price in ("57000.0", "57001.0")
    ]  # fmt: skip
    quote = '"' if field == "clientOrderId" else ""
    ids = ",".join(f"{quote}{order[field]}{quote}" for order in orders)
    status, gone = client.ask("DELETE", "/fapi/v1/batchOrders", **BTC, **{name: f"[{ids}]"})
    assert (status, [row["status"] for row in gone]) == (200, ["CANCELED", "CANCELED"])
    assert client.ask("GET", "/fapi/v1/openOrders", **BTC)[1] == []


def test_the_wallet_side_says_that_it_is_up(client):
    status, told = client.ask("GET", "/sapi/v1/system/status", signed=False)
    assert (status, told) == (200, {"status": 0, "msg": "normal"})


def test_continuous_klines_are_those_of_the_perpetual_contract():
    venue = Virtual("binance-usdm")
    plain = venue.connect("/market/ws/btcusdt@kline_1m")
    continuous = venue.connect("/market/ws/btcusdt_perpetual@continuousKline_1m")
    elsewhere = venue.connect("/public/ws/btcusdt_perpetual@continuousKline_1m")
    venue.wait(3)
    one, other = heard(plain), heard(continuous)
    assert other
    assert {(e["e"], e["ps"], e["ct"]) for e in other} == {
        ("continuous_kline", "BTCUSDT", "PERPETUAL")
    }
    bars = [{k: v for k, v in e["k"].items() if k != "s"} for e in one]
    assert [e["k"] for e in other] == bars
    assert heard(elsewhere) == []
