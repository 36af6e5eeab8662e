"""Spot beside swaps at the simulated OKX: docs/reference/okx.md names the sources."""

from __future__ import annotations

import json

import pytest
from test_okx_exchange import BTC, Client, heard, rows_of

from exchange.venue_client import Virtual

SPOT = "BTC-USDT"
CASH = {"instId": SPOT, "tdMode": "cash", "sz": "0.01"}


@pytest.fixture
def client():
    return Client(Virtual("okx", limits=False))


def money(client: Client) -> dict[str, float]:
    return {each["ccy"]: float(each["cashBal"]) for each in client.get("account/balance")[0]["details"]}


def last(client: Client) -> float:
    return float(client.get("market/ticker", instId=SPOT)[0]["last"])


def limit(client: Client, part: float) -> str:
    return f"{last(client) * part:.1f}"


def test_each_type_lists_its_own_instruments(client):
    (row,) = client.get("public/instruments", instType="SPOT")
    assert (row["instId"], row["baseCcy"], row["quoteCcy"], row["minSz"]) == (SPOT, "BTC", "USDT", "0.00001")
    assert (row["ctVal"], row["lever"], row["settleCcy"], row["uly"]) == ("", "", "", "")
    swaps = client.get("public/instruments", instType="SWAP")
    assert {each["instType"] for each in swaps} == {"SWAP"} and SPOT not in {each["instId"] for each in swaps}
    assert client.get("public/instruments", instType="FUTURES") == []
    assert [each["instId"] for each in client.get("market/tickers", instType="SPOT")] == [SPOT]
    assert client.ask("GET", "public/funding-rate", instId=SPOT)[1]["code"] == "51000"
    indices = [each["instId"] for each in client.get("market/index-tickers", quoteCcy="USDT")]
    assert indices.count("BTC-USDT") == 1


def test_a_purchase_pays_its_fee_in_the_coin_and_a_sale_in_money(client):
    before, price = money(client), last(client)
    number = client.market(**CASH, tgtCcy="base_ccy")["ordId"]
    row = client.get("trade/order", instId=SPOT, ordId=number)[0]
    assert (row["instType"], row["tdMode"], row["state"], row["feeCcy"]) == ("SPOT", "cash", "filled", "BTC")
    assert float(row["fee"]) == pytest.approx(-0.01 * 0.001)
    bought = money(client)
    assert bought["BTC"] - before["BTC"] == pytest.approx(0.01 * 0.999)
    assert before["USDT"] - bought["USDT"] == pytest.approx(0.01 * price, rel=0.01)
    client.market("sell", **CASH)
    fills = client.get("trade/fills")
    assert [(each["instId"], each["side"], each["feeCcy"]) for each in fills] == [
        (SPOT, "sell", "USDT"),
        (SPOT, "buy", "BTC"),
    ]
    assert client.get("account/positions") == [] and client.get("trade/fills", instType="SWAP") == []
    assert client.post("trade/close-position", {"instId": SPOT, "mgnMode": "cross"})["code"] == "51000"


def test_a_purchase_at_the_market_is_for_an_amount_of_money_unless_it_says_otherwise(client):
    before = money(client)
    number = client.market(instId=SPOT, tdMode="cash", sz="1000")["ordId"]
    row = client.get("trade/order", instId=SPOT, ordId=number)[0]
    assert (row["sz"], row["tgtCcy"]) == ("1000", "quote_ccy")
    assert 0.99 < (before["USDT"] - money(client)["USDT"]) / 1000 <= 1
    assert float(row["accFillSz"]) == pytest.approx(1000 / last(client), rel=0.01)
    assert client.market("sell", instId=SPOT, tdMode="cash", sz="1000")["sCode"] == "51008"  # coins
    assert client.market(instId=SPOT, tdMode="cash", sz="0.01")["sCode"] == "51020"  # a cent


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"tdMode": "cross"}, "51000"),
        ({"posSide": "long"}, "51000"),
        ({"reduceOnly": "true"}, "51205"),
        ({"sz": "0.000000001"}, "51121"),
        ({"sz": "9"}, "51008"),
        ({"side": "sell", "sz": "1.1"}, "51008"),
        ({"ordType": "optimal_limit_ioc"}, "51000"),
    ],
)
def test_an_order_on_spot_is_refused_with_the_venues_number(client, terms, code):
    assert client.order(**{**CASH, "px": limit(client, 0.99), **terms})["sCode"] == code
    assert client.get("trade/orders-pending") == []


def test_a_working_order_holds_its_money_that_margin_cannot_use(client):
    free = {each["ccy"]: float(each["availBal"]) for each in client.get("account/balance")[0]["details"]}
    client.order(**{**CASH, "sz": "1"}, px=limit(client, 0.9))
    client.order(**{**CASH, "sz": "1"}, side="sell", px=limit(client, 1.1))
    held = {each["ccy"]: float(each["availBal"]) for each in client.get("account/balance")[0]["details"]}
    assert free["USDT"] - held["USDT"] == pytest.approx(0.9 * last(client) * 1.001, rel=0.01) and held["BTC"] == 0
    assert client.market(instId="BTC-USD-SWAP", sz="1")["sCode"] == "51008"  # its margin is the coin
    assert client.market(sz="20")["sCode"] == "0"


def test_what_a_currency_is_worth_has_no_coins_in_it(client):
    client.market(**CASH, tgtCcy="base_ccy")
    for row in client.get("account/balance")[0]["details"]:
        assert row["eq"] == row["cashBal"] and row["upl"] == "0"


def test_an_account_with_two_sides_trades_spot_without_one(client):
    assert client.post("account/set-position-mode", {"posMode": "long_short_mode"})["code"] == "0"
    assert client.market(**CASH, tgtCcy="base_ccy")["sCode"] == "0"
    assert client.market("sell", **CASH)["sCode"] == "0"
    assert client.market(posSide="long")["sCode"] == "0"
    assert client.post("account/set-position-mode", {"posMode": "net_mode"})["code"] == "59000"


def test_a_channel_of_orders_has_one_type_or_all(client):
    connections = {}
    for kind in ("SPOT", "SWAP", "ANY"):
        connections[kind], _ = client.login()
        args = [{"channel": name, "instType": kind} for name in ("orders", "positions")]
        client.say(connections[kind], {"op": "subscribe", "args": args})
    client.market(**CASH, tgtCcy="base_ccy")
    client.market()
    found = {kind: heard(connection) for kind, connection in connections.items()}
    seen = {kind: {row["instId"] for row in rows_of(messages, "orders")} for kind, messages in found.items()}
    assert seen == {"SPOT": {SPOT}, "SWAP": {BTC}, "ANY": {SPOT, BTC}}
    held = {kind: {row["instId"] for row in rows_of(messages, "positions")} for kind, messages in found.items()}
    assert held == {"SPOT": set(), "SWAP": {BTC}, "ANY": {BTC}}
    (fill,) = [row for row in rows_of(found["SPOT"], "orders") if row["fillSz"] != "0"]
    assert (fill["instType"], fill["fillFeeCcy"], fill["fillPnl"]) == ("SPOT", "BTC", "0")
    wrong = {"op": "subscribe", "args": [{"channel": "orders", "instType": "COINS"}]}
    assert client.say(connections["ANY"], wrong)[0]["code"] == "60018"


def test_a_stop_on_spot_holds_no_coins_and_sends_its_order_when_it_fires(client):
    terms = {"side": "buy", "tgtCcy": "base_ccy", "reduceOnly": None, "slTriggerPx": limit(client, 1.0002)}
    value = {name: text for name, text in {**CASH, "ordType": "conditional", "slOrdPx": "-1", **terms}.items() if text}
    free = money(client)
    number = client.post("trade/order-algo", {**value, "algoClOrdId": "stop"})["data"][0]["algoId"]
    (row,) = client.get("trade/orders-algo-pending", ordType="conditional")
    assert (row["instType"], row["algoId"], row["tdMode"]) == ("SPOT", number, "cash") and money(client) == free
    for _ in range(600):
        if not client.get("trade/orders-algo-pending", ordType="conditional"):
            break
        client.venue.wait(5)
    child = client.get("trade/orders-history", instType="SPOT")[0]
    assert (child["algoClOrdId"], child["state"], child["feeCcy"]) == ("stop", "filled", "BTC")
    assert money(client)["BTC"] - free["BTC"] == pytest.approx(0.01 * 0.999)
    refused = client.post("trade/order-algo", {**value, "slTriggerPx": limit(client, 1.01), "tgtCcy": ""})
    assert "not available in this simulation" in refused["data"][0]["sMsg"]


def test_an_account_in_spot_mode_has_no_contracts_and_no_margin(client):
    assert client.post("account/set-account-level", {"acctLv": "4"})["code"] == "51000"
    client.market()
    assert client.post("account/set-account-level", {"acctLv": "1"})["code"] == "59000"
    client.market("sell")
    assert client.post("account/set-account-level", {"acctLv": "1"})["code"] == "0"
    assert client.get("account/config")[0]["acctLv"] == "1"
    assert client.market()["sCode"] == "51010" and client.stop(0.9)["sCode"] == "51010"
    assert client.market(**CASH, tgtCcy="base_ccy")["sCode"] == "0"
    value = {"instId": BTC, "mgnMode": "cross", "lever": "10"}
    assert client.post("account/set-leverage", value)["code"] == "51010"
    assert {each["availEq"] for each in client.get("account/balance")[0]["details"]} == {""}


def test_in_multi_currency_margin_spot_is_traded_with_cross(client):
    assert client.post("account/set-account-level", {"acctLv": "3"})["code"] == "0"
    assert client.market(**CASH, tgtCcy="base_ccy")["sCode"] == "51000"
    placed = client.market(**{**CASH, "tdMode": "cross"}, tgtCcy="base_ccy")
    assert client.get("trade/order", instId=SPOT, ordId=placed["ordId"])[0]["tdMode"] == "cross"
    assert client.market()["sCode"] == "0" and len(client.get("account/positions")) == 1


def test_an_order_on_spot_by_websocket_names_its_instrument_by_number(client):
    (code,) = [each["instIdCode"] for each in client.get("public/instruments", instType="SPOT")]
    connection, _ = client.login()
    terms = {"instIdCode": code, "tdMode": "cash", "side": "sell", "ordType": "market", "sz": "0.01"}
    request = {"id": "1", "op": "batch-orders", "args": [terms, {**terms, "tdMode": "cross"}]}
    answer = client.say(connection, request)[-1]
    assert (answer["code"], [each["sCode"] for each in answer["data"]]) == ("2", ["0", "51000"])


def test_the_market_of_spot_is_on_the_public_socket(client):
    connection = client.venue.connect("/ws/v5/public")
    names = ("bbo-tbt", "trades", "books5")
    client.say(connection, {"op": "subscribe", "args": [{"channel": name, "instId": SPOT} for name in names]})
    for _ in range(20):
        client.venue.wait(0.5)
    messages = heard(connection)
    assert {each["arg"]["channel"] for each in messages if isinstance(each, dict) and "data" in each} == set(names)
    refused = client.say(connection, {"op": "subscribe", "args": [{"channel": "funding-rate", "instId": SPOT}]})
    assert json.dumps(refused).count("60018") == 1
