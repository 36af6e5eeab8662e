"""Steering what a simulated exchange lists and whom it lets in: every change outlives a restart."""

from __future__ import annotations

import json

import pytest

from exchange.kraken_client import KrakenClient
from exchange.venue_client import BinanceClient, Virtual
from onetape.exchange.control import Control
from onetape.exchange.faulty import Faulty
from onetape.exchange.kept_state import VenueState

BTC = {"symbol": "BTCUSDT"}
LIMIT = {**BTC, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.010", "price": "58000.0"}
ORDER = "/fapi/v1/order"


class Steered:
    def __init__(self, kind: str = "binance-usdm") -> None:
        self.there = Virtual(kind, faults="\n[[fault]]\naction='gap'\nevent='nothing'")
        self.control = Control(self.there.dialect)
        self.exchange = self.there.dialect.exchange
        self.calls: list = []
        self.exchange.timeline.recorder = lambda name, a, k: self.calls.append(name)
        account = self.exchange.accounts[0]
        self.client = BinanceClient(self.there, account.key, account.secret)

    def steer(self, path: str, **body) -> dict:
        status, answer = self.try_to(path, **body)
        assert status == 200, answer
        return answer

    def try_to(self, path: str, **body) -> tuple[int, dict]:
        data = json.dumps(body).encode()
        reply = self.control.answer("POST", path, "", data, self.there.time)
        self.there.settle()
        return reply.status, json.loads(reply.body)

    def listed_keys(self) -> list[dict]:
        reply = self.control.answer("GET", "/keys", "", b"", self.there.time)
        return json.loads(reply.body)["keys"]

    def code(self, **change) -> int:
        status, answer = self.client.ask("POST", ORDER, **{**LIMIT, **change})
        return 0 if status == 200 else answer["code"]


@pytest.fixture(scope="module")
def steered():
    return Steered()


def symbols(steered: Steered) -> list[str]:
    info = steered.client.ask("GET", "/fapi/v1/exchangeInfo", signed=False)[1]
    return [s["symbol"] for s in info["symbols"] if s["status"] == "TRADING"]


def test_a_symbol_is_delisted_forgotten_and_listed_again(steered):
    assert steered.code() == 0
    assert steered.steer("/delist", **BTC)["open"] is False
    assert steered.code() == -4141
    assert steered.client.ask("GET", "/fapi/v1/openOrders", **BTC)[1] == []
    steered.steer("/delist", **BTC, gone=True)
    assert steered.code() == -1121
    assert "BTCUSDT" not in symbols(steered)
    back = steered.steer("/list", **BTC)
    assert (back["open"], back["listed"]) == (True, True)
    assert "BTCUSDT" in symbols(steered)
    assert steered.code() == 0


def test_filters_grow_coarser_in_answers_and_at_the_door(steered):
    steered.steer("/filter", symbol="ETHUSDT", changes={"tick": "0.50", "notional_min": "50"})
    terms = {"symbol": "ETHUSDT", "quantity": "0.100"}
    assert steered.code(**terms, price="2400.25") == -4014
    assert steered.code(symbol="ETHUSDT", quantity="0.010", price="2400.50") == -4164
    assert steered.try_to("/filter", symbol="ETHUSDT", changes={"colour": "1"})[0] == 400
    assert steered.try_to("/filter", symbol="ETHUSDT", changes={})[0] == 400


def test_brackets_change_for_the_venue_and_every_account(steered):
    rows = [
        {"notional_max": "1000", "maintenance_rate": "0.01", "leverage_max": 10},
        {"notional_max": "100000", "maintenance_rate": "0.05", "leverage_max": 5},
    ]
    steered.steer("/brackets", symbol="SOLUSDT", rows=rows)
    sol = {"symbol": "SOLUSDT"}
    shown = steered.client.ask("GET", "/fapi/v1/leverageBracket", **sol)[1][0]["brackets"]
    assert [(b["notionalCap"], b["initialLeverage"]) for b in shown] == [(1000, 10), (100000, 5)]
    assert steered.client.ask("POST", "/fapi/v1/leverage", **sol, leverage=11)[1]["code"] == -4028
    config = steered.client.ask("GET", "/fapi/v1/symbolConfig", **sol)[1][0]
    assert (config["leverage"], config["maxNotionalValue"]) == (10, "1000")
    assert steered.code(**sol, quantity="10", price="149.00") == -2027
    for bad in ([], [{"notional_max": "x"}], rows[::-1], "rows"):
        assert steered.try_to("/brackets", **sol, rows=bad)[0] == 400


def test_maintenance_refuses_in_the_venues_words_until_it_is_over(steered):
    stream = steered.there.connect("/public/ws/btcusdt@bookTicker")
    steered.steer("/maintenance", on=True, allow="cancel")
    assert stream.closed
    assert steered.code() == -1016
    assert steered.client.ask("DELETE", "/fapi/v1/allOpenOrders", **BTC)[0] == 200
    steered.steer("/maintenance", on=False)
    assert steered.code() == 0
    steered.steer("/maintenance", lasting="2s")
    assert steered.code() == -1016
    steered.there.wait(2.1)
    assert steered.code() == 0
    assert steered.try_to("/maintenance", on=True, allow="place")[0] == 400


def test_keys_are_made_restricted_and_withdrawn(steered):
    made = steered.steer("/keys", account="main", label="reader", trade=False)
    reader = BinanceClient(steered.there, made["key"], made["secret"])
    assert reader.ask("GET", "/fapi/v3/balance")[0] == 200
    assert reader.ask("POST", ORDER, **LIMIT)[1]["code"] == -2015
    assert reader.ask("POST", "/fapi/v1/leverage", **BTC, leverage=3)[1]["code"] == -2015
    may = lambda: reader.ask("GET", "/sapi/v1/account/apiRestrictions")[1]  # noqa: E731
    assert (may()["enableFutures"], may()["enableWithdrawals"]) == (False, False)
    steered.steer("/keys/change", key=made["key"], trade=True, withdraw=True)
    assert (may()["enableFutures"], may()["enableWithdrawals"]) == (True, True)
    assert reader.ask("POST", ORDER, **LIMIT)[0] == 200
    steered.steer("/keys/change", key=made["key"], addresses=["10.1.2.3"])
    assert reader.ask("GET", "/fapi/v3/balance")[1]["code"] == -2015
    steered.steer("/keys/change", key=made["key"], addresses=[])
    assert reader.ask("GET", "/fapi/v3/balance")[0] == 200
    listed = next(k for k in steered.listed_keys() if k["label"] == "reader")
    assert "secret" not in listed
    steered.steer("/keys/withdraw", key=made["key"])
    assert reader.ask("GET", "/fapi/v3/balance")[1]["code"] == -2015
    assert steered.try_to("/keys/withdraw", key=made["key"])[0] == 400
    assert steered.try_to("/keys", account="main", label="main2", kind="rsa")[0] == 400


def test_kraken_keys_of_ones_own_may_read_and_not_trade():
    steered = Steered("kraken")
    made = steered.steer("/keys", account="main", label="reader", trade=False)
    reader = KrakenClient(steered.there, made["key"], made["secret"])
    assert reader.ask("Balance")[1] == []
    terms = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "50000", "volume": "0.001"}
    assert reader.ask("AddOrder", **terms)[1] == ["EGeneral:Permission denied"]


def test_every_change_comes_back_after_a_restart(tmp_path):
    options = {"kind": "binance-usdm", "seed": 7, "now": 1_795_000_000_000_000_000, "limits": False}
    state, inner = VenueState.open(tmp_path / "state", **options)
    dialect = Faulty(inner, "binance-usdm", seed=7)
    control, now = Control(dialect), options["now"]

    def steer(path: str, **body) -> dict:
        reply = control.answer("POST", path, "", json.dumps(body).encode(), now)
        assert reply.status == 200, reply.body
        return json.loads(reply.body)

    made = steer("/keys", account="second", label="robot", addresses=["127.0.0.1"])
    steer("/delist", **BTC, gone=True)
    steer("/filter", symbol="ETHUSDT", changes={"tick": "0.50"})
    row = {"notional_max": "5000", "maintenance_rate": "0.02", "leverage_max": 7}
    steer("/brackets", symbol="SOLUSDT", rows=[row])
    steer("/maintenance", on=True)
    state.close()
    assert all(made["secret"].encode() not in p.read_bytes() for p in (tmp_path / "state").iterdir() if p.is_file())
    second, inner = VenueState.open(tmp_path / "state", **options)
    exchange = inner.exchange
    assert exchange.accounts.keys[made["key"]].secret == made["secret"]
    assert exchange.accounts.keys[made["key"]].addresses == ("127.0.0.1",)
    assert not exchange.listings[0].is_listed
    assert str(exchange.instruments[1].tick) == "0.5"
    assert exchange.instruments[2].brackets[0].leverage_max == 7
    assert exchange.board.maintenance[0] > now
    second.close()
