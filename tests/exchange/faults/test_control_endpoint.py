"""The control endpoint: the exchange's own ledger, what it received, and its faults."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from exchange.venue_client import BinanceClient, Virtual, Wire
from onetape.exchange.control import Control
from waiting import PATIENCE_S

BTC = {"symbol": "BTCUSDT"}


class Steered:
    """A venue in virtual time, and its control."""

    def __init__(self) -> None:
        self.there = Virtual("binance-usdm", faults="\n[[fault]]\naction='gap'\nevent='nothing'")
        self.control = Control(self.there.dialect)
        self.account = self.there.dialect.exchange.accounts[0]
        self.client = BinanceClient(self.there, self.account.key, self.account.secret)

    def ask(self, method: str, path: str, body: dict | None = None, query: str = ""):
        data = b"" if body is None else json.dumps(body).encode()
        reply = self.control.answer(method, path, query, data, self.there.time)
        self.there.settle()
        return reply.status, json.loads(reply.body)

    def market(self, side: str = "BUY", size: str = "0.010"):
        return self.client.ask("POST", "/fapi/v1/order", **BTC, side=side, type="MARKET", quantity=size)


@pytest.fixture
def steered() -> Steered:
    return Steered()


def test_the_ledger_is_exact_and_agrees_with_what_the_venue_says(steered):
    assert steered.market()[0] == 200
    _, state = steered.ask("GET", "/state", query="account=main")
    (account,) = state["accounts"]
    assert account["positions"] == [{"symbol": "binance:BTC/USDT:USDT", "side": "both", "size": "0.01"}]
    _, rows = steered.client.ask("GET", "/fapi/v3/balance")
    reported = next(Decimal(r["balance"]) for r in rows if r["asset"] == "USDT")
    assert Decimal(account["balances"]["USDT"]) == reported
    assert sum(Decimal(t["size"]) for t in account["trades"]) == Decimal("0.01")
    assert [o["state"] for o in account["orders"]] == ["FILLED"]


def test_requests_are_listed_without_signatures(steered):
    steered.market()
    _, reported = steered.ask("GET", "/requests")
    (only,) = reported["requests"]
    assert (only["method"], only["purpose"], only["account"]) == ("POST", "place", "main")
    assert "signature" not in only["query"]
    assert "quantity=0.010" in only["query"]
    assert steered.ask("GET", "/requests", query="since=1")[1] == {"requests": []}


def test_faults_are_given_counted_and_cleared(steered):
    rule = {"action": "error", "purpose": "place", "error": "-1007", "done": False}
    assert steered.ask("POST", "/faults", {"fault": [rule]})[0] == 200
    assert steered.market()[1]["code"] == -1007
    _, reported = steered.ask("GET", "/faults")
    assert reported["faults"][1] == {"name": "error", "action": "error", "met": 1, "hits": 1}
    assert steered.ask("GET", "/requests")[1]["requests"][0]["fault"] == "error"
    assert steered.ask("POST", "/faults", {"clear": True}) == (200, {"faults": []})
    assert steered.market()[0] == 200


def test_a_wrong_rule_clears_nothing(steered):
    bad = {"clear": True, "fault": [{"action": "halt", "symbol": "NOSUCH"}]}
    assert steered.ask("POST", "/faults", bad)[0] == 400
    assert len(steered.ask("GET", "/faults")[1]["faults"]) == 1


def test_the_exchange_is_steered(steered):
    steered.market()
    assert steered.ask("POST", "/time", {"offset": "-10s"}) == (200, {"skew": -10_000_000_000})
    assert steered.market()[1]["code"] == -1021
    steered.ask("POST", "/time", {"offset": "0s"})
    before = steered.account.money.balance(0)
    assert steered.ask("POST", "/fund", {"symbol": "BTCUSDT", "rate": "0.01"})[0] == 200
    assert steered.account.money.balance(0) < before
    body = {"account": "main", "currency": "USDT", "amount": "12.5"}
    balance = Decimal(steered.ask("GET", "/state")[1]["accounts"][0]["balances"]["USDT"])
    after = steered.ask("POST", "/deposit", body)[1]["balances"]["USDT"]
    assert Decimal(after) - balance == Decimal("12.5")
    closed = {"account": "main", "symbol": "BTCUSDT", "origin": "adl"}
    assert steered.ask("POST", "/close", closed)[1]["positions"] == []
    assert steered.account.trades[-1].order.client_id.startswith("adl_autoclose-")
    hand = {"account": "main", "symbol": "BTCUSDT", "amount": "-0.02"}
    assert steered.ask("POST", "/trade", hand)[1]["filled"] == "0.02"
    assert steered.account.qty(0) == -20
    assert steered.ask("POST", "/halt", {"symbol": "BTCUSDT"})[0] == 200
    assert steered.market()[1]["code"] == -4141


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/nothing", None),
        ("POST", "/state", {}),
        ("POST", "/time", {"offset": 10}),
        ("POST", "/time", {"offset": "soon"}),
        ("POST", "/fund", {"symbol": "BTCUSDT", "rate": "nan"}),
        ("POST", "/fund", {"symbol": "BTCUSDT", "rate": "2"}),
        ("POST", "/deposit", {"account": "main", "currency": "USDT", "amount": 1.5}),
        ("POST", "/deposit", {"account": "main", "currency": "USDT", "amount": "1e400"}),
        ("POST", "/deposit", {"account": "main", "currency": "NOSUCH", "amount": "1"}),
        ("POST", "/deposit", {"account": "nobody", "currency": "USDT", "amount": "1"}),
        ("POST", "/close", {"account": "main", "symbol": "BTCUSDT"}),
        ("POST", "/close", {"account": "main", "symbol": "BTCUSDT", "origin": "whim"}),
        ("POST", "/trade", {"account": "main", "symbol": "BTCUSDT", "amount": "0.00001"}),
        ("POST", "/halt", {"symbol": "BTCUSDT", "open": "no"}),
        ("POST", "/halt", {"symbol": "BTCUSDT", "opne": True}),
        ("POST", "/faults", {"fault": "all"}),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_changes_nothing(steered, method, path, body):
    before = steered.ask("GET", "/state")
    status, said = steered.ask(method, path, body)
    assert status in (400, 404)
    assert "\n" not in said["error"]
    assert steered.ask("GET", "/state") == before


# What a page's request looks like: of another origin, an image of a page, and one whose name was
# made to mean this machine.
PAGES = [
    {"Origin": "http://example.org"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Host": "example.org"},
    {"Host": "localhost.example.org:80"},
    {"Host": "127.0.0.1.example.org"},
    {"Host": "[::1"},
    {"Host": ""},
]


def refused_with(port: int, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request("GET", "/state", headers=headers)
    return connection.getresponse().status


def test_it_is_served_on_a_port_of_its_own_and_not_to_browsers(tmp_path):
    command = [str(Path(sys.executable).parent / "onetape"), "sim", "binance-usdm", "--control", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path) as process:
        try:
            answer = json.loads(process.stdout.readline())
            assert answer["control"].startswith("http://127.0.0.1:")
            assert answer["control"] != answer["rest"]
            port = int(answer["control"].rpartition(":")[2])
            status, state, _ = Wire(port).request("GET", "/state", b"", {})
            assert (status, state["venue"]) == (200, "binance-usdm")
            for headers in PAGES:
                assert (headers, refused_with(port, headers)) == (headers, 403)
            for host in (f"localhost:{port}", "127.0.0.1", "[::1]:80"):
                assert (host, refused_with(port, {"Host": host})) == (host, 200)
            with socket.socket() as outside:  # every address of this machine is listened at, or one
                outside.settimeout(5)
                with pytest.raises(OSError):
                    outside.connect(("127.0.0.2", port))
        finally:
            process.terminate()
            assert process.wait(PATIENCE_S) == 0
