"""An order that closes stays one, however it is amended."""

from __future__ import annotations

from decimal import Decimal

from exchange.venue_client import ok

BTC = {"symbol": "BTCUSDT"}
ORDER = "/fapi/v1/order"


def held(client, side: str) -> Decimal:
    rows = ok(client.ask("GET", "/fapi/v2/positionRisk", **BTC))
    return next(Decimal(row["positionAmt"]) for row in rows if row["positionSide"] == side)


def prices(client) -> tuple[str, str]:
    """(far above what is bid, far below)."""
    bid = Decimal(ok(client.ask("GET", "/fapi/v1/ticker/bookTicker", **BTC))["bidPrice"])
    return f"{bid * Decimal('1.02'):.1f}", f"{bid * Decimal('0.98'):.1f}"


def test_a_side_of_hedge_mode_does_not_turn_by_an_amendment(client):
    ok(client.ask("POST", "/fapi/v1/positionSide/dual", dualSidePosition="true"))
    long = {**BTC, "positionSide": "LONG"}
    ok(client.ask("POST", ORDER, **long, side="BUY", type="MARKET", quantity="0.030"))
    above, below = prices(client)
    limit = {"side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "price": above}
    first = ok(client.ask("POST", ORDER, **long, **limit, quantity="0.010"))
    ok(client.ask("POST", ORDER, **long, **limit, quantity="0.005"))

    def amend(size: str, price: str):
        return client.ask("PUT", ORDER, **BTC, side="SELL", orderId=first["orderId"], quantity=size, price=price)

    assert amend("0.026", below)[1]["code"] == -2022
    assert ok(client.ask("GET", ORDER, **BTC, orderId=first["orderId"]))["origQty"] == "0.010"
    ok(amend("0.025", below))  # what the other one leaves of it
    assert held(client, "LONG") == Decimal("0.005")


def test_a_reduce_only_order_does_not_turn_a_position_by_an_amendment(client):
    ok(client.ask("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010"))
    above, below = prices(client)
    order = ok(
        client.ask(
            "POST",
            ORDER,
            **BTC,
            side="SELL",
            type="LIMIT",
            timeInForce="GTC",
            price=above,
            quantity="0.005",
            reduceOnly="true",
        )
    )
    client.ask("PUT", ORDER, **BTC, side="SELL", orderId=order["orderId"], quantity="0.030", price=below)
    assert held(client, "BOTH") >= 0
