"""Orders on the simulated BitMEX: what the documentation says happens."""

from __future__ import annotations

import json
import re

import pytest

from exchange.bitmex.bitmex_client import client_of, push
from exchange.venue_client import Virtual

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


@pytest.fixture
def client():
    return client_of(Virtual("bitmex"))


def facts(client) -> dict:
    return client.ask("GET", "/instrument", symbol="XBTUSD")[1][0]


def far(client, by: float = 0.9) -> float:
    return round(facts(client)["bidPrice"] * by, 1)


def open_orders(client) -> list[dict]:
    return client.ask("GET", "/order", filter={"open": True})[1]


def test_a_limit_order_rests_is_amended_and_is_canceled(client):
    price = far(client)
    status, order = client.order("Buy", 300, price, clOrdID="one", text="of a test")
    assert (status, order["ordStatus"], order["workingIndicator"]) == (200, "New", True)
    assert UUID.match(order["orderID"])
    assert order["text"] == "of a test\nSubmitted via API."
    assert [o["orderID"] for o in open_orders(client)] == [order["orderID"]]
    _, changed = client.ask("PUT", "/order", origClOrdID="one", clOrdID="two", orderQty=500, price=price - 1)
    assert (changed["orderQty"], changed["price"], changed["clOrdID"]) == (500, price - 1, "two")
    assert client.ask("PUT", "/order", origClOrdID="one", orderQty=100)[0] == 400
    _, gone = client.ask("DELETE", "/order", clOrdID="two")
    assert [(o["ordStatus"], o["leavesQty"]) for o in gone] == [("Canceled", 0)]
    _, second = client.ask("DELETE", "/order", orderID=[order["orderID"]])
    assert second[0]["error"] == "Unable to cancel order due to existing state: Canceled"
    assert open_orders(client) == []
    assert client.ask("DELETE", "/order", orderID="no-such-order")[0] == 404


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"symbol": "NOSUCH"}, "Invalid symbol"),
        ({"symbol": None}, "symbol is a required arg."),
        ({"side": "Hold"}, "Invalid side"),
        ({"ordType": "Fancy"}, "Invalid ordType"),
        ({"ordType": "Pegged"}, "Invalid ordType"),
        ({"pegOffsetValue": 5}, "Trailing and other pegged orders are not simulated"),
        ({"timeInForce": "Never"}, "Invalid timeInForce"),
        ({"execInst": "Sideways"}, "Invalid execInst"),
        ({"execInst": "LastPrice,MarkPrice"}, "Invalid execInst"),
        ({"orderQty": 0}, "orderQty is invalid"),
        ({"orderQty": 150}, "orderQty is invalid"),
        ({"orderQty": -100}, "orderQty is invalid"),
        ({"orderQty": 10**12}, "orderQty is invalid"),
        ({"orderQty": "abc"}, "orderQty is invalid"),
        ({"orderQty": "nan"}, "orderQty is invalid"),
        ({"orderQty": "1e999999"}, "orderQty is invalid"),
        ({"orderQty": None}, "orderQty is invalid"),
        ({"price": 0}, "Invalid price"),
        ({"price": -5}, "Invalid price"),
        ({"price": 50000.05}, "Invalid price tickSize"),
        ({"price": "Infinity"}, "Invalid price"),
        ({"stopPx": 50000}, "Invalid stopPx for ordType"),
        ({"clOrdID": "x" * 37}, "clOrdID length exceeds 36"),
        ({"orderQty": 10_000_000, "price": 1000.0}, "Account has insufficient Available Balance"),
    ],
)
def test_what_is_wrong_with_an_order_is_said_and_leaves_no_trace(client, change, message):
    order = {"symbol": "XBTUSD", "side": "Buy", "orderQty": 100, "price": far(client), "ordType": "Limit", **change}
    status, answer = client.ask("POST", "/order", **order)
    assert status == 400, answer
    assert answer["error"]["message"].startswith(message)
    assert client.ask("GET", "/order")[1] == []


def test_a_client_id_is_unique_for_good(client):
    client.order("Buy", 100, far(client), clOrdID="once")
    client.ask("DELETE", "/order", clOrdID="once")
    status, answer = client.order("Buy", 100, far(client), clOrdID="once")
    assert (status, answer["error"]["message"]) == (400, "Duplicate clOrdID")


def test_post_only_and_immediate_orders_that_cannot_be_are_taken_in_and_canceled(client):
    high, low = round(facts(client)["askPrice"] * 1.01, 1), far(client)
    for options, said in (
        ({"price": high, "execInst": "ParticipateDoNotInitiate"}, "ParticipateDoNotInitiate"),
        ({"price": low, "timeInForce": "ImmediateOrCancel"}, "ImmediateOrCancel"),
        ({"price": low, "timeInForce": "FillOrKill"}, "FillOrKill"),
        ({"price": low, "execInst": "ReduceOnly"}, "ReduceOnly"),
    ):
        status, order = client.order("Buy", 100, **options)
        assert (status, order["ordStatus"], order["cumQty"]) == (200, "Canceled", 0)
        assert order["text"].startswith("Canceled: ")
        assert said in order["text"]
    assert open_orders(client) == []


@pytest.mark.parametrize(
    ("kind", "side", "offset", "limit"),
    [
        ("Stop", "Buy", 2, None),
        ("Stop", "Sell", -2, None),
        ("StopLimit", "Buy", 2, 500),
        ("StopLimit", "Sell", -2, -500),
        ("MarketIfTouched", "Buy", -2, None),
        ("MarketIfTouched", "Sell", 2, None),
        ("LimitIfTouched", "Buy", -2, 500),
        ("LimitIfTouched", "Sell", 2, -500),
    ],
)
def test_orders_with_a_trigger_wait_in_the_list_and_fire(client, kind, side, offset, limit):
    last = facts(client)["lastPrice"]
    terms = {"ordType": kind, "stopPx": round(last + offset, 1), "execInst": "LastPrice"}
    if limit is not None:
        terms["price"] = round(last + limit, 1)
    wrong = {**terms, "stopPx": round(last - 20 * offset, 1)}
    status, answer = client.order(side, 100, **wrong)
    assert (status, answer["error"]["message"]) == (400, "Invalid stopPx for ordType")
    status, order = client.order(side, 100, **terms)
    assert (status, order["ordStatus"], order["triggered"]) == (200, "New", ""), order
    assert (order["workingIndicator"], order["ordType"]) == (False, kind)
    assert [o["orderID"] for o in open_orders(client)] == [order["orderID"]]
    push(client, offset)
    found = client.ask("GET", "/order", filter={"orderID": order["orderID"]})[1][0]
    assert (found["triggered"], found["ordStatus"]) == ("StopOrderTriggered", "Filled")
    assert found["stopPx"] == terms["stopPx"]
    fills = client.ask("GET", "/execution/tradeHistory", symbol="XBTUSD")[1]
    assert sum(f["lastQty"] for f in fills if f["orderID"] == order["orderID"]) == 100


def test_a_stop_may_be_moved_while_it_waits(client):
    last = facts(client)["lastPrice"]
    _, stop = client.order("Sell", 100, ordType="Stop", stopPx=round(last * 0.8, 1))
    moved = round(last * 0.85, 1)
    _, order = client.ask("PUT", "/order", orderID=stop["orderID"], stopPx=moved)
    assert (order["stopPx"], order["workingIndicator"]) == (moved, False)
    status, answer = client.ask("PUT", "/order", orderID=stop["orderID"], stopPx=round(last * 1.1, 1))
    assert (status, answer["error"]["message"]) == (400, "Invalid stopPx for ordType")
    assert open_orders(client)[0]["stopPx"] == moved


@pytest.mark.parametrize("disarmed", [False, True])
def test_the_dead_mans_switch_takes_stops_too_unless_put_off(client, disarmed):
    last = facts(client)["lastPrice"]
    client.order("Buy", 100, far(client))
    client.order("Sell", 100, ordType="Stop", stopPx=round(last * 0.8, 1))
    _, said = client.ask("POST", "/order/cancelAllAfter", timeout=15_000)
    assert said["cancelTime"] > said["now"]
    client.transport.wait(14)
    assert len(open_orders(client)) == 2
    if disarmed:
        client.ask("POST", "/order/cancelAllAfter", timeout=0)
    client.transport.wait(2)
    assert len(open_orders(client)) == (2 if disarmed else 0)


def test_cancel_all_keeps_to_its_symbol_and_filter_and_bulk_to_its_order(client):
    price = far(client)
    rows = client.ask(
        "POST",
        "/order/bulk",
        orders=[
            {"symbol": "XBTUSD", "side": "Buy", "orderQty": 100, "price": price, "clOrdID": "a"},
            {"symbol": "XBTUSD", "side": "Buy", "orderQty": 150, "price": price, "clOrdID": "b"},
            {"symbol": "XBTEUR", "side": "Buy", "orderQty": 100, "price": price // 1, "clOrdID": "c"},
            {"symbol": "XBTUSD", "side": "Sell", "orderQty": 100, "price": price * 1.5 // 1, "clOrdID": "d"},
        ],
    )[1]
    assert [row.get("error", row["ordStatus"]) for row in rows] == ["New", "orderQty is invalid", "New", "New"]
    gone = client.ask("DELETE", "/order/all", symbol="XBTUSD", filter={"side": "Buy"})[1]
    assert [row["clOrdID"] for row in gone] == ["a"]
    assert [row["clOrdID"] for row in client.ask("DELETE", "/order/all")[1]] == ["c", "d"]


def test_leverage_and_isolation_are_settings_of_a_position(client):
    _, row = client.ask("POST", "/position/leverage", symbol="XBTUSD", leverage=5)
    assert (row["leverage"], row["crossMargin"], row["initMarginReq"]) == (5, False, 0.2)
    _, row = client.ask("POST", "/position/isolate", symbol="XBTUSD", enabled=False)
    assert row["crossMargin"] is True
    _, row = client.ask("POST", "/position/leverage", symbol="XBTUSD", leverage=0)
    assert (row["leverage"], row["crossMargin"]) == (100, True)
    for wrong in (-1, 101, 2.5, "nan", "x"):
        assert client.ask("POST", "/position/leverage", symbol="XBTUSD", leverage=wrong)[0] == 400
    assert client.ask("POST", "/position/leverage", symbol="XBTEUR", leverage=51)[0] == 400


def test_pages_are_cut_by_count_start_reverse_and_time(client):
    def ask(**more):
        return client.ask("GET", "/trade", symbol="XBTUSD", **more)[1]

    every = ask(count=1000)
    assert ask(count=3) == every[:3]
    assert ask(count=3, start=2) == every[2:5]
    assert ask(count=3, reverse=True) == every[::-1][:3]
    start, end = every[100]["timestamp"], every[200]["timestamp"]
    found = ask(startTime=start, endTime=end, count=1000)
    assert found == [t for t in every if start <= t["timestamp"] <= end]
    for wrong in ({"count": 0}, {"count": 1001}, {"startTime": "soon"}, {"filter": "{"}):
        assert client.ask("GET", "/trade", symbol="XBTUSD", **wrong)[0] == 400


def test_a_body_that_is_none_is_refused_and_a_form_is_understood(client):
    price = far(client)
    for body, wanted in (
        (b'{"symbol":', 400),
        (b"[1,2]", 400),
        (f"symbol=XBTUSD&side=Buy&orderQty=100&price={price}".encode(), 200),
    ):
        headers = client.signed("POST", "/api/v1/order", body)
        status, _, _ = client.transport.request("POST", "/api/v1/order", body, headers)
        assert status == wanted


def test_the_linear_contract_counts_in_its_own_coin(client):
    row = client.ask("GET", "/instrument", symbol="LTCUSDT")[1][0]
    wanted = {
        "settlCurrency": "USDt",
        "multiplier": 100,
        "underlyingToPositionMultiplier": 10000,
        "isInverse": False,
        "lotSize": 1000,
    }
    assert {name: row[name] for name in wanted} == wanted
    before = client.ask("GET", "/user/wallet", currency="USDt")[1]["amount"]
    assert before == 100_000 * 10**6
    order = client.ask("POST", "/order", symbol="LTCUSDT", side="Buy", orderQty=10_000)[1]
    assert order["ordStatus"] == "Filled"
    fills = client.ask("GET", "/execution/tradeHistory", symbol="LTCUSDT")[1]
    fees = sum(f["execComm"] for f in fills)
    assert before - client.ask("GET", "/user/wallet", currency="USDt")[1]["amount"] == fees > 0
    worth = sum(f["lastQty"] * f["lastPx"] * 100 for f in fills)
    assert sum(f["execCost"] for f in fills) == pytest.approx(worth)


def test_equal_seeds_and_equal_requests_give_equal_bytes():
    def session() -> str:
        client = client_of(Virtual("bitmex", seed=3))
        client.order("Buy", 5000)
        client.order("Buy", 100, far(client), clOrdID="x")
        client.transport.wait(30)
        paths = ("/order", "/execution", "/position", "/trade", "/user/margin", "/instrument")
        return json.dumps([client.ask("GET", path) for path in paths])

    assert session() == session()


def test_an_amended_order_says_what_was_amended(client):
    price = far(client)
    order = client.order("Buy", 200, price)[1]
    for change, text in (
        ({"price": price - 1}, "Amended price: Amended via API.\nSubmitted via API."),
        ({"orderQty": 300, "price": price - 2}, "Amended orderQty price: Amended via API.\nSubmitted via API."),
        ({"leavesQty": 400}, "Amended leavesQty: Amended via API.\nSubmitted via API."),
        ({"orderQty": 500, "text": "Wider"}, "Amended orderQty: Wider\nSubmitted via API."),
    ):
        assert client.ask("PUT", "/order", orderID=order["orderID"], **change)[1]["text"] == text
    client.ask("PUT", "/order", orderID=order["orderID"], orderQty=1)
    shown = client.ask("GET", "/order", filter={"orderID": order["orderID"]})[1][0]
    assert shown["text"] == "Amended orderQty: Wider\nSubmitted via API."  # a refused one leaves nothing
    replaced = [r["text"] for r in client.ask("GET", "/execution")[1] if r["execType"] == "Replaced"]
    assert len(replaced) == 4 and replaced[-1].startswith("Amended orderQty: Wider")
