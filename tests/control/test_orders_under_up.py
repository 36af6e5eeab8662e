"""Order entry over HTTP on a running system: the gateway's checks, one order for one key, dry runs, lists."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from decimal import Decimal
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import pytest

from onetape.control.client import ControlClient
from onetape.model.errors import (
    AccountMode,
    BadInput,
    InvalidAccount,
    Killed,
    OrderInvalid,
    OrderUnknown,
    PermissionDenied,
    ServiceTimeout,
    UnknownSymbol,
)
from onetape.model.home import gateway_journal
from onetape.tape.journal import JournalReader
from onetape.web.control_routes import BASE
from waiting import wait_for
from worlds.supervised import Home

SYMBOL = "binance:BTC/USDT:USDT"
CONFIG = f"""
[control]
port = 0
[venues.binance]
kind = "binance-usdm"
[accounts.main]
venue = "binance"
symbols = ["{SYMBOL}"]
[accounts.second]
venue = "binance"
master = "main"
symbols = ["{SYMBOL}"]
[venues.other]
kind = "binance-usdm"
[accounts.hedged]
venue = "other"
position_mode = "hedge"
symbols = ["{SYMBOL}"]
"""
REST = {"symbol": SYMBOL, "account": "main", "side": "buy", "quantity": 0.01, "price": 40_000}  # far from the market


class World(NamedTuple):
    home: Home

    @property
    def url(self) -> str:
        """The address of the running process."""
        return str(self.home.now()["control"])

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        url = urlsplit(self.url)
        connection = HTTPConnection(url.hostname or "", url.port, timeout=60)
        sent = {"Content-Type": "application/json", **{name.replace("_", "-"): each for name, each in headers.items()}}
        connection.request(method, BASE + path, None if body is None else json.dumps(body), sent)
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    def working(self, query: str = "") -> list[str]:
        return [each["orderId"] for each in self.call("GET", f"/orders{query}")[1]]

    def requests(self) -> int:
        """Counts what was to be placed or canceled at the gateways."""
        found = 0
        for name in ("main", "second"):
            with JournalReader(gateway_journal(self.home.home, name)) as reader:
                found += sum(1 for _ in reader.frames(("order_request",)))
        return found

    def can_trade(self) -> bool:
        dry = [self.call("POST", "/orders", {**REST, "account": each, "dryRun": True}) for each in ("main", "second")]
        dry.append(self.call("POST", "/orders", {**REST, "account": "hedged", "positionSide": "long", "dryRun": True}))
        return all(status == 200 and reply["success"] for status, reply in dry)

    def cancel_all(self) -> None:
        self.home.run("cancel", "--all")
        wait_for(lambda: not self.home.run("orders"))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Home(tmp_path_factory.mktemp("orders"), CONFIG) as home:
        home.run("up")
        made = World(home)
        wait_for(made.can_trade, home.log)
        yield made


@pytest.fixture
def world(running: World) -> Iterator[World]:
    yield running
    running.cancel_all()


def test_an_order_passes_the_checks_rests_is_listed_and_is_canceled(world: World) -> None:
    status, reply = world.call("POST", "/orders", {**REST, "type": "limit", "timeInForce": "GTC", "postOnly": True})
    (order,) = reply["orders"]
    assert (status, reply["success"], reply["status"], order["state"]) == (200, True, "applied", "ACCEPTED"), reply
    assert reply["checks"] and all(each["passed"] for each in reply["checks"])
    assert (order["account"], order["quantity"], order["robot"]) == ("main", "0.010", "operator")
    (listed,) = world.call("GET", f"/orders?account=main&symbol={quote(SYMBOL)}")[1]
    same = ("orderId", "venueId", "account", "symbol", "side", "price", "quantity", "remaining", "state")
    assert {name: listed[name] for name in same} == {name: order[name] for name in same}
    assert [row["client_id"] for row in world.home.run("orders")] == [order["orderId"]]
    assert world.working("?account=second") == []
    dry = world.call("DELETE", f"/orders/{order['orderId']}?dryRun=true")
    assert (dry[0], dry[1]["status"], dry[1]["orders"][0]["state"]) == (200, "passed", "ACCEPTED")
    assert world.working() == [order["orderId"]]
    status, gone = world.call("DELETE", f"/orders/{order['venueId']}")
    assert (status, [each["state"] for each in gone["orders"]]) == (200, ["CANCELED"]), gone
    assert world.working() == []
    operation = world.call("GET", f"/operations/{reply['operationId']}")[1]
    assert operation["done"] and operation["answer"]["orders"][0]["orderId"] == order["orderId"]


def test_a_market_order_ends_filled_and_its_position_is_listed(world: World) -> None:
    market = {"symbol": "BTC-USDT", "account": "second", "quantity": 0.01}
    status, reply = world.call("POST", "/orders", {**market, "side": "buy", "type": "market"})
    assert (status, [each["state"] for each in reply["orders"]]) == (200, ["FILLED"]), reply

    def held() -> list[tuple[str, str, str]]:
        return [
            (each["account"], each["symbol"], each["quantity"])
            for each in world.call("GET", "/positions?account=second")[1]
            if float(each["quantity"])
        ]

    wait_for(lambda: held() == [("second", SYMBOL, "0.010")], held)
    assert all(each["account"] != "second" for each in world.call("GET", "/positions?account=main")[1])
    status, reply = world.call("POST", "/orders", {**market, "side": "sell", "reduceOnly": True})
    assert (status, reply["orders"][0]["state"]) == (200, "FILLED")
    wait_for(lambda: held() == [], held)


def test_a_dry_run_names_what_would_refuse_the_order_and_sends_nothing(world: World) -> None:
    before = world.requests()
    status, reply = world.call("POST", "/orders", {**REST, "dryRun": True})
    assert (status, reply["success"], reply["status"], reply["orders"]) == (200, True, "passed", [])
    world.home.run("send", "gateway:main", "kill", "reason=lunch")
    try:
        status, dry = world.call("POST", "/orders", {**REST, "dryRun": True})
        assert (status, dry["success"], dry["status"]) == (200, False, "refused")
        assert [each["code"] for each in dry["blocked"]] == [Killed.code] and "lunch" in dry["error"]
        assert [each["rule"] for each in dry["checks"] if not each["passed"]] == ["kill switch"]
        assert world.requests() == before
        status, denied = world.call("POST", "/orders", REST)
        assert (status, denied["code"], denied["success"]) == (423, 1004, False)
        assert [each["code"] for each in denied["causes"]] == [Killed.code]
        assert [each["state"] for each in denied["orders"]] == ["DENIED"]
    finally:
        world.home.run("send", "gateway:main", "unkill")
    assert world.working() == []


def test_a_repeated_key_makes_one_order_and_another_request_with_it_is_refused(world: World) -> None:
    first = world.call("POST", "/orders", REST, Idempotency_Key="client-1")
    repeated = world.call("POST", "/orders", REST, Idempotency_Key="client-1")
    assert first[0] == 200 and repeated == first
    assert world.working() == [first[1]["orders"][0]["orderId"]]
    other = world.call("POST", "/orders", {**REST, "quantity": 0.02}, Idempotency_Key="client-1")
    assert (other[0], other[1]["code"]) == (409, 4605)
    assert len(world.working()) == 1


def test_after_a_kill_a_repeated_key_gets_the_order_that_was_placed(world: World) -> None:
    before, control = world.requests(), world.home.process("control")["pid"]
    url = urlsplit(world.url)
    connection = HTTPConnection(url.hostname or "", url.port, timeout=60)
    sent = {"Idempotency-Key": "k-9", "Content-Type": "application/json"}
    with world.home.frozen("venue:binance"):  # the order leaves, and is not acknowledged
        connection.request("POST", f"{BASE}/orders", json.dumps(REST), sent)
        wait_for(lambda: world.requests() == before + 1)
        os.kill(control, signal.SIGKILL)
    world.home.wait_for(lambda: world.home.process("control")["pid"] not in (None, control) and world.url != "None")
    status, reply = world.call("POST", "/orders", REST, Idempotency_Key="k-9")
    assert (status, [each["state"] for each in reply["orders"]]) == (200, ["ACCEPTED"]), reply
    assert world.working() == [reply["orders"][0]["orderId"]] and world.requests() == before + 1


def test_a_cancel_passes_while_the_system_is_stopped_and_an_order_does_not(world: World) -> None:
    order = world.call("POST", "/orders", REST)[1]["orders"][0]["orderId"]
    assert world.call("POST", "/system/stop", {})[0] == 200
    try:
        status, reply = world.call("POST", "/orders", REST)
        assert (status, reply["code"]) == (423, 1004)
        status, reply = world.call("DELETE", f"/orders/{order}")
        assert (status, [each["state"] for each in reply["orders"]]) == (200, ["CANCELED"]), reply
    finally:
        assert world.call("POST", "/system/restart", {})[0] == 200
        wait_for(world.can_trade, world.home.log)


def test_in_hedge_mode_an_order_names_its_side_and_a_side_is_closed_alone(world: World) -> None:
    market = {"symbol": SYMBOL, "account": "hedged", "quantity": 0.01}
    dry = world.call("POST", "/orders", {**market, "side": "buy", "dryRun": True})[1]
    assert [each["code"] for each in dry["blocked"]] == [AccountMode.code], dry
    for side, of in (("buy", "long"), ("sell", "short")):
        order = world.call("POST", "/orders", {**market, "side": side, "positionSide": of})[1]
        assert [(each["state"], each["positionSide"]) for each in order["orders"]] == [("FILLED", of)], order

    def held() -> list[tuple[str, str]]:
        rows = world.call("GET", "/positions?account=hedged")[1]
        return sorted((each["side"], each["quantity"]) for each in rows if float(each["quantity"]))

    wait_for(lambda: held() == [("long", "0.010"), ("short", "-0.010")], held)
    status, reply = world.call("POST", "/orders", {**market, "side": "sell", "positionSide": "long"})
    assert (status, reply["orders"][0]["state"]) == (200, "FILLED"), reply
    wait_for(lambda: held() == [("short", "-0.010")], held)
    assert world.home.run("close", SYMBOL, "--account", "hedged", "--position-side", "long")["orders"] == []
    closed = world.home.run("close", SYMBOL, "--account", "hedged", "--position-side", "short")
    assert [(each["state"], each["position_side"]) for each in closed["orders"]] == [("FILLED", "short")]
    wait_for(lambda: held() == [], held)
    status, reply = world.call("POST", "/orders", {**REST, "positionSide": "long"})
    assert (status, reply["code"]) == (409, AccountMode.code), reply
    refused = world.home.run("close", SYMBOL, "--account", "main", "--position-side", "long", code=5)
    assert refused["error"]["code"] == AccountMode.code


def protective(world: World, account: str) -> list[tuple[str, str, str, str]]:
    rows = world.call("GET", f"/orders?account={account}")[1]
    return sorted((each["kind"], each["side"], each["positionSide"], each["remaining"]) for each in rows)


@pytest.mark.parametrize(("account", "of"), [("main", "both"), ("hedged", "long")])
def test_an_entry_has_its_stop_and_take_profits_at_the_venue_until_it_is_closed(
    world: World, account: str, of: str
) -> None:
    entry = {"symbol": SYMBOL, "account": account, "side": "buy", "quantity": 0.04, "positionSide": of}
    ladder = [["4%", 0.5], [70_000, 0.25]]
    status, reply = world.call("POST", "/orders", {**entry, "stopLoss": "4%", "takeProfit": ladder})
    assert (status, [each["state"] for each in reply["orders"]]) == (200, ["FILLED"]), reply
    legs = [("stop", "0.040"), ("take_profit", "0.010"), ("take_profit", "0.020")]
    whole = [(kind, "sell", of, qty) for kind, qty in legs]
    wait_for(lambda: protective(world, account) == whole, lambda: protective(world, account))
    tags = {each["tag"].partition(" of ")[0] for each in world.call("GET", f"/orders?account={account}")[1]}
    assert tags == {"stop", "take 1", "take 2"}
    world.home.run("close", SYMBOL, "--account", account)
    wait_for(lambda: not protective(world, account), lambda: protective(world, account))


def test_fills_and_balances_are_listed(world: World) -> None:
    market = {"symbol": SYMBOL, "account": "second", "quantity": 0.01}
    bought = world.call("POST", "/orders", {**market, "side": "buy"})[1]["orders"][0]
    sold = world.call("POST", "/orders", {**market, "side": "sell"})[1]["orders"][0]

    def filled(query: str = "") -> list[dict[str, Any]]:
        return world.call("GET", f"/fills?account=second{query}")[1]

    def both() -> list[dict[str, Any]]:
        """Their fills, in order, once they are whole: each order may have several."""
        found = [each for each in filled() if each["orderId"] in (bought["orderId"], sold["orderId"])]
        return found if sum(Decimal(each["quantity"]) for each in found) == Decimal("0.02") else []

    rows = wait_for(both, filled)
    sides = dict.fromkeys((each["orderId"], each["side"]) for each in rows)
    assert [*sides] == [(bought["orderId"], "buy"), (sold["orderId"], "sell")]
    assert filled(f"&limit={len(rows)}") == rows and filled("&limit=1") == rows[-1:]
    shown = world.home.run("fills")
    of_command = [row for row in shown if row["account"] == "second"][-len(rows) :]
    assert [(r["id"], r["price"], r["quantity"], r["fee"]) for r in rows] == [
        (r["id"], r["price"], r["qty"], r["fee"]) for r in of_command
    ]
    assert filled(f"&since={rows[-1]['timestamp']}") == []
    assert world.call("GET", "/fills?account=nobody")[0] == 404
    balances = world.call("GET", "/balances?account=second")[1]
    assert {each["account"] for each in balances} == {"second"} and all(each["alive"] for each in balances)
    own = {each["currency"]: each["total"] for each in world.home.run("accounts") if each["account"] == "second"}
    assert {each["currency"]: each["total"] for each in balances} == own


def test_an_order_may_have_an_expiry(world: World) -> None:
    expire = int(time.time() * 1000) + 700_000  # Binance demands ten minutes
    status, reply = world.call("POST", "/orders", {**REST, "timeInForce": "GTD", "expire": expire})
    assert (status, [each["state"] for each in reply["orders"]]) == (200, ["ACCEPTED"]), reply


@pytest.mark.parametrize(
    ("change", "status", "code", "says"),
    [
        ({"account": "nobody"}, 404, InvalidAccount.code, "nobody"),
        ({"account": None}, 400, BadInput.code, "account"),
        ({"symbol": "binance:XYZ/USDT:USDT"}, 400, UnknownSymbol.code, "XYZ"),
        ({"price": None, "type": "limit"}, 409, OrderInvalid.code, "price"),
        ({"type": "market"}, 409, OrderInvalid.code, "price"),
        ({"quantity": 0}, 400, BadInput.code, ">"),
        ({"quantity": 0.00001}, 409, OrderInvalid.code, "decimals"),
        ({"trigger": 50_000}, 409, OrderInvalid.code, "kind"),
        ({"takeProfit": 1}, 409, OrderInvalid.code, "take_profit=1"),
        ({"takeProfit": "a lot"}, 400, BadInput.code, "takeProfit"),
        ({"takeProfit": [["1%", 0.7], ["2%", 0.7]]}, 409, OrderInvalid.code, "at most 1"),
        ({"stopLoss": 41_000}, 409, OrderInvalid.code, "wrong side"),
        ({"stopLoss": 30_000, "reduceOnly": True}, 409, OrderInvalid.code, "only reduces"),
        ({"timeInForce": "GTD"}, 409, OrderInvalid.code, "expiry"),
    ],
)
def test_a_wrong_order_is_refused_with_its_number_and_nothing_is_sent(
    world: World, change: dict[str, Any], status: int, code: int, says: str
) -> None:
    before = world.requests()
    body = {name: value for name, value in {**REST, **change}.items() if value is not None}
    found, reply = world.call("POST", "/orders", body)
    assert (found, reply["code"]) == (status, code) and says in json.dumps(reply), reply
    assert world.working() == [] and world.requests() <= before + ("orders" in reply)


def test_an_unknown_order_is_said_to_be_so(world: World) -> None:
    status, reply = world.call("DELETE", "/orders/nothing")
    assert (status, reply["code"]) == (409, OrderUnknown.code), reply
    assert world.call("DELETE", "/orders/nothing?account=nobody")[0] == 404


def test_an_order_is_not_called_unknown_while_a_gateway_that_may_have_it_is_silent(world: World) -> None:
    order = world.call("POST", "/orders", REST)[1]["orders"][0]["orderId"]
    with ControlClient(world.url) as client, world.home.frozen("gateway:main"), pytest.raises(ServiceTimeout):
        client.cancel_order(order)
    wait_for(world.can_trade, world.home.log)


def test_tokens_and_the_client(world: World) -> None:
    tokens = {each: world.home.run("token", "create", each, "--scope", each)["token"] for each in ("read", "trade")}
    with ControlClient(world.url, tokens["trade"]) as trader, ControlClient(world.url, tokens["read"]) as reader:
        fields = {"symbol": SYMBOL, "account": "main", "side": "buy", "quantity": 0.01, "price": 40_000.0}
        assert reader.place_order(**fields, dry_run=True).status == "passed"
        with pytest.raises(PermissionDenied):
            reader.place_order(**fields)
        (order,) = trader.place_order(**fields).orders
        assert [each.order_id for each in reader.orders()] == [order.order_id]
        assert reader.positions(account="main") is not None
        with pytest.raises(PermissionDenied):
            reader.cancel_order(order.order_id)
        assert reader.cancel_order(order.order_id, dry_run=True).status == "passed"
        assert [each.state for each in trader.cancel_order(order.order_id).orders] == ["CANCELED"]
        assert reader.orders() == []
