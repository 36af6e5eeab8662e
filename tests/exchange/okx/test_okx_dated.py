"""Dated futures at the simulated OKX: their terms, and what happens when they end."""

from __future__ import annotations

import pytest
from test_okx_exchange import BTC, Client, heard, rows_of

from exchange.venue_client import HISTORY, Virtual
from onetape.exchange.kept_state import VenueState
from onetape.exchange.venues import Crowd
from onetape.model.errors import UnknownSymbol, UsageError
from onetape.model.symbol import parse_symbol
from onetape.model.time import HOUR

DATED, LATER = "BTC-USDT-261119", "BTC-USDT-261225"
SYMBOLS = ("okx:BTC/USDT:USDT", *(f"okx:BTC/USDT:USDT-{each.rpartition('-')[2]}" for each in (DATED, LATER)))
EXPIRY = parse_symbol(SYMBOLS[1]).expiry or 0


def market(*symbols: str) -> Crowd:
    return Crowd(0.02, HISTORY, symbols or SYMBOLS)


@pytest.fixture
def client():
    return Client(Virtual("okx", limits=False, market=market(), now=EXPIRY - HOUR))


def until_expiry(client: Client, *, after_s: float) -> None:
    client.venue.wait((EXPIRY - client.venue.now()) / 1e9 + after_s)


def listen(client: Client, *channels: str, way: str = "private"):
    connection, _ = client.login(way)
    client.say(connection, {"op": "subscribe", "args": [{"channel": each, "instType": "FUTURES"} for each in channels]})
    return connection


def test_a_dated_contract_has_the_terms_of_its_swap_and_an_end(client):
    rows = {each["instId"]: each for each in client.get("public/instruments", instType="FUTURES")}
    (swap,) = client.get("public/instruments", instType="SWAP")
    assert rows.keys() == {DATED, LATER} and rows[DATED]["expTime"] == str(EXPIRY // 10**6)
    for name in ("uly", "ctVal", "ctType", "tickSz", "lotSz", "settleCcy", "lever"):
        assert rows[DATED][name] == swap[name]
    assert client.ask("GET", "public/funding-rate", instId=DATED)[1]["code"] == "51000"
    assert client.get("public/mark-price", instType="FUTURES", instId=DATED)[0]["instType"] == "FUTURES"


def test_what_is_no_contract_of_the_venue_is_not_listed():
    with pytest.raises(UnknownSymbol):
        Virtual("bybit", market=market("bybit:BTC/USDT:USDT-261225"))
    with pytest.raises(UsageError):
        Virtual("okx", market=market("binance:BTC/USDT"))


def test_a_kept_exchange_has_the_symbols_that_it_was_opened_with(tmp_path):
    terms = {"kind": "okx", "seed": 7, "now": EXPIRY - HISTORY, "limits": True}
    for _ in range(2):
        state, dialect = VenueState.open(tmp_path / "state", symbols=SYMBOLS, **terms)
        state.close()
        assert [i.symbol for i in dialect.exchange.instruments] == [*SYMBOLS]
    with pytest.raises(UsageError, match="another market"):
        VenueState.open(tmp_path / "state", **terms)


def test_a_dated_contract_is_traded_beside_its_swap(client):
    connection = listen(client, "orders", "positions")
    client.market(instId=DATED)
    client.market("sell")
    held = {each["instId"]: each["pos"] for each in client.get("account/positions")}
    assert held == {DATED: "1", BTC: "-1"}
    assert [each["instId"] for each in client.get("account/positions", instType="FUTURES")] == [DATED]
    messages = heard(connection)
    assert {row["instId"] for name in ("orders", "positions") for row in rows_of(messages, name)} == {DATED}


def test_dated_contracts_of_a_family_have_one_leverage(client):
    client.post("account/set-leverage", {"instId": DATED, "mgnMode": "cross", "lever": "7"})
    rows = client.get("account/leverage-info", instId=f"{DATED},{LATER},{BTC}", mgnMode="cross")
    assert {each["instId"]: each["lever"] for each in rows} == {DATED: "7", LATER: "7", BTC: "100"}


def test_at_its_end_orders_are_canceled_and_the_position_is_delivered_at_the_mark(client):
    connection = listen(client, "orders", "positions")
    client.market(instId=DATED, sz="2")
    working = client.order(instId=DATED, px=client.price(0.5))["ordId"]
    stop = client.stop(0.5, instId=DATED, algoClOrdId="stop")["algoId"]
    before = float(client.get("account/balance")[0]["details"][0]["cashBal"])
    until_expiry(client, after_s=-1)
    assert client.get("account/positions")[0]["pos"] == "2"
    connection.out.clear()
    client.say(connection, b"ping")
    until_expiry(client, after_s=1)
    rows = rows_of(heard(connection), "orders")
    canceled, delivery = rows[0], rows[-1]
    assert (canceled["ordId"], canceled["state"], canceled["cancelSource"]) == (working, "canceled", "7")
    assert (delivery["category"], delivery["side"], delivery["fillSz"], delivery["fillFee"]) == (
        "delivery",
        "sell",
        "2",
        "0",
    )
    (bill,) = client.get("account/bills", type="3")
    assert (bill["instId"], bill["instType"], bill["ccy"]) == (DATED, "FUTURES", "USDT")
    assert float(bill["balChg"]) == pytest.approx(float(delivery["fillPnl"]))
    after = float(client.get("account/balance")[0]["details"][0]["cashBal"])
    assert after - before == pytest.approx(float(bill["balChg"]))
    assert (
        client.get("account/positions") == [] and client.get("trade/orders-algo-pending", ordType="conditional") == []
    )
    assert client.get("trade/order-algo", algoId=stop)[0]["state"] == "canceled"
    assert client.get("trade/fills", instType="FUTURES")[0]["ordId"] == delivery["ordId"]


def test_after_its_end_a_contract_is_listed_and_traded_no_longer(client):
    until_expiry(client, after_s=1)
    assert [each["instId"] for each in client.get("public/instruments", instType="FUTURES")] == [LATER]
    assert client.market(instId=DATED)["sCode"] == "51027" and client.stop(0.5, instId=DATED)["sCode"] == "51027"
    assert client.market(instId=LATER)["sCode"] == "0"
