"""Orders on the simulated Binance USD-M: what the documentation says happens."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exchange.venue_client import BinanceClient, Wire, served

ORDER = "/fapi/v1/order"
BTC = {"symbol": "BTCUSDT"}


def bid(client) -> Decimal:
    _, book = client.ask("GET", "/fapi/v1/depth", signed=False, symbol="BTCUSDT", limit=5)
    return Decimal(book["bids"][0][0])


def test_a_limit_order_rests_is_listed_and_is_canceled(client):
    price = f"{bid(client) * Decimal('0.97'):.1f}"
    status, order = client.ask(
        "POST",
        ORDER,
        **BTC,
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        quantity="0.010",
        price=price,
        newClientOrderId="rests-1",
    )
    assert status == 200
    assert order["status"] == "NEW"
    assert "avgPrice" not in order  # gone from acknowledgements since 2026-07
    assert client.headers["x-mbx-order-count-10s"]
    _, listed = client.ask("GET", "/fapi/v1/openOrders", **BTC)
    assert [o["clientOrderId"] for o in listed] == ["rests-1"]
    _, request = client.ask("GET", ORDER, **BTC, origClientOrderId="rests-1")
    assert request["orderId"] == order["orderId"]
    assert request["avgPrice"] == "0.00"
    status, gone = client.ask("DELETE", ORDER, **BTC, orderId=order["orderId"])
    assert (status, gone["status"]) == (200, "CANCELED")
    assert client.ask("GET", "/fapi/v1/openOrders", **BTC)[1] == []
    assert client.ask("DELETE", ORDER, **BTC, orderId=order["orderId"])[1]["code"] == -2011


def test_a_market_order_moves_position_balance_and_history_alike(client):
    _, before = client.ask("GET", "/fapi/v3/balance")
    _, order = client.ask("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.020", newOrderRespType="RESULT")
    assert order["status"] == "FILLED"
    assert order["executedQty"] == "0.020"
    _, trades = client.ask("GET", "/fapi/v1/userTrades", **BTC, orderId=order["orderId"])
    assert sum(Decimal(t["qty"]) for t in trades) == Decimal("0.020")
    fees = sum(Decimal(t["commission"]) for t in trades)
    _, after = client.ask("GET", "/fapi/v3/balance")
    usdt = [next(Decimal(r["balance"]) for r in rows if r["asset"] == "USDT") for rows in (before, after)]
    assert usdt[0] - usdt[1] == fees
    _, risk = client.ask("GET", "/fapi/v3/positionRisk")
    assert [(r["symbol"], r["positionAmt"]) for r in risk] == [("BTCUSDT", "0.020")]
    _, income = client.ask("GET", "/fapi/v1/income", incomeType="COMMISSION")
    assert -sum(Decimal(r["income"]) for r in income) == fees
    status, closed = client.ask("POST", ORDER, **BTC, side="SELL", type="MARKET", quantity="0.020", reduceOnly="true")
    assert status == 200, closed
    assert client.ask("GET", "/fapi/v3/positionRisk")[1] == []


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"symbol": "NOSUCH"}, 400, -1121),
        ({"side": "HOLD"}, 400, -1117),
        ({"type": "STOP_MARKET"}, 400, -4120),
        ({"type": "FANCY"}, 400, -1116),
        ({"timeInForce": "NEVER"}, 400, -1115),
        ({"quantity": "0.0105"}, 400, -1111),
        ({"quantity": "0"}, 400, -4003),
        ({"quantity": "1000000000000"}, 400, -4005),
        ({"quantity": "abc"}, 400, -1100),
        ({"quantity": ""}, 400, -1102),
        ({"price": "10.05"}, 400, -1111),
        ({"price": "0"}, 400, -4013),
        ({"quantity": "0.001"}, 400, -4164),
        ({"newClientOrderId": "x" * 37}, 400, -4015),
        ({"newClientOrderId": "ä"}, 400, -1100),
        ({"positionSide": "LONG"}, 400, -4061),
        ({"reduceOnly": "true"}, 400, -2022),
        ({"quantity": "900"}, 400, -2019),
        ({"timeInForce": "GTD", "goodTillDate": "1"}, 400, -5040),
    ],
)
def test_what_is_wrong_with_an_order_is_said_in_the_venues_words(client, change, status, code):
    order = {
        **BTC,
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.010",
        "price": f"{bid(client) * Decimal('0.97'):.1f}",
        **change,
    }
    got, answer = client.ask("POST", ORDER, **order)
    assert (got, answer.get("code")) == (status, code), answer
    assert client.ask("GET", "/fapi/v1/openOrders", **BTC)[1] == []


def test_post_only_and_fill_or_kill_leave_no_trace_when_they_fail(client):
    high = f"{bid(client) * Decimal('1.01'):.1f}"
    for tif, price, size, code in (("GTX", high, "0.010", -5022), ("FOK", high, "15", -5021)):
        status, answer = client.ask(
            "POST",
            ORDER,
            **BTC,
            side="BUY",
            type="LIMIT",
            timeInForce=tif,
            quantity=size,
            price=price,
            newClientOrderId=f"no-trace-{tif}",
        )
        assert (status, answer["code"]) == (400, code)
        _, request = client.ask("GET", ORDER, **BTC, origClientOrderId=f"no-trace-{tif}")
        assert request["code"] == -2013


def test_a_conditional_order_is_in_its_own_list_and_makes_a_child(client):
    client.ask("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010")
    _, last = client.ask("GET", "/fapi/v1/ticker/price", signed=False, **BTC)
    far = f"{Decimal(last['price']) * Decimal('0.9'):.1f}"
    near = f"{Decimal(last['price']) - Decimal('0.2'):.1f}"
    status, far_stop = client.ask(
        "POST",
        "/fapi/v1/algoOrder",
        algoType="CONDITIONAL",
        **BTC,
        side="SELL",
        type="STOP_MARKET",
        triggerPrice=far,
        closePosition="true",
        clientAlgoId="far-1",
    )
    assert (status, far_stop["algoStatus"]) == (200, "NEW")
    assert client.ask("GET", "/fapi/v1/openOrders", **BTC)[1] == []
    assert len(client.ask("GET", "/fapi/v1/openAlgoOrders", **BTC)[1]) == 1
    assert client.ask("GET", ORDER, **BTC, orderId=far_stop["algoId"])[1]["code"] == -2013
    second = client.ask(
        "POST",
        "/fapi/v1/algoOrder",
        algoType="CONDITIONAL",
        **BTC,
        side="SELL",
        type="STOP_MARKET",
        triggerPrice=far,
        closePosition="true",
    )[1]
    assert second["code"] == -4130
    _, stop = client.ask(
        "POST",
        "/fapi/v1/algoOrder",
        algoType="CONDITIONAL",
        **BTC,
        side="SELL",
        type="STOP_MARKET",
        triggerPrice=near,
        quantity="0.010",
        reduceOnly="true",
        clientAlgoId="near-1",
    )
    assert stop["algoStatus"] == "NEW", stop
    client.transport.wait(600)
    _, request = client.ask("GET", "/fapi/v1/algoOrder", clientAlgoId="near-1")
    assert request["algoStatus"] == "FINISHED"
    _, child = client.ask("GET", ORDER, **BTC, orderId=request["actualOrderId"])
    assert (child["status"], child["clientOrderId"]) == ("FILLED", "near-1")
    # The position is gone, and with it what was to close it.
    _, first = client.ask("GET", "/fapi/v1/algoOrder", clientAlgoId="far-1")
    assert first["algoStatus"] == "EXPIRED"
    assert client.ask("DELETE", "/fapi/v1/algoOrder", clientAlgoId="far-1")[1]["code"] == -2011


def test_keys_signatures_and_clocks_are_checked_over_a_socket():
    with served("binance-usdm") as (dialect, port):
        account, path = dialect.exchange.accounts[0], "/fapi/v3/account"

        def code(key: str, secret: str, ahead: int = 0) -> object:
            return BinanceClient(Wire(port), key, secret, ahead).ask("GET", path)[1].get("code")

        assert code(account.key, account.secret) is None
        assert code("nosuchkey", "x") == -2015
        assert code(account.key, "wrong") == -1022
        assert code("", "x") == -2014
        assert code(account.key, account.secret, -6000) == -1021
        assert code(account.key, account.secret, 2000) == -1021
        assert BinanceClient(Wire(port), "", "").ask("GET", "/fapi/v1/nothing")[0] == 404


def test_what_closes_a_position_ends_where_it_turns(client):
    client.ask("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010")
    _, last = client.ask("GET", "/fapi/v1/ticker/price", signed=False, **BTC)
    low, high = (f"{Decimal(last['price']) * Decimal(part):.1f}" for part in ("0.9", "1.01"))
    stop = {"side": "SELL", "type": "STOP_MARKET", "triggerPrice": low, "closePosition": "true"}
    _, made = client.ask("POST", "/fapi/v1/algoOrder", algoType="CONDITIONAL", **BTC, **stop)
    terms = {"side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.010", "price": high}
    client.ask("POST", ORDER, **BTC, **terms, reduceOnly="true")
    client.ask("POST", ORDER, **BTC, side="SELL", type="MARKET", quantity="0.030")
    assert client.ask("GET", "/fapi/v1/openOrders", **BTC)[1] == []
    _, found = client.ask("GET", "/fapi/v1/algoOrder", algoId=made["algoId"])
    assert found["algoStatus"] == "EXPIRED"
