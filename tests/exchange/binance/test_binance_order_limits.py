"""How many orders an account may send, and what it is told of that."""

from __future__ import annotations

import json

import pytest

from exchange.venue_client import BinanceClient, Virtual, Wire, served
from onetape.exchange.binance.limits import UNLIMITED
from onetape.venues.binance.instruments import order_rules_of

BATCH, ORDER = "/fapi/v1/batchOrders", "/fapi/v1/order"
LIMIT = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.010",
    "price": "40000",
}
# Refused each by itself: what is counted is that it was sent.
FIVE = json.dumps([{**LIMIT, "price": "0"}] * 5)
WINDOWS = {"x-mbx-order-count-10s": (300, 10), "x-mbx-order-count-1m": (1200, 60)}


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("orders", [[1, 2], ["a"], [None], [[]], [LIMIT, 1]])
def test_a_batch_of_what_are_no_orders_is_refused_as_a_whole(method, orders):
    world = Virtual("binance-usdm")
    client = client_of(world, world.dialect)
    status, refused = client.ask(method, BATCH, batchOrders=json.dumps(orders))
    assert (status, refused["code"]) == (400, -1102)
    assert client.ask("GET", "/fapi/v1/openOrders") == (200, [])


def client_of(transport, dialect, account: int = 0) -> BinanceClient:
    owner = dialect.exchange.accounts[account]
    return BinanceClient(transport, owner.key, owner.secret)


def until_refused(client: BinanceClient) -> tuple[dict, list[dict]]:
    """(the refusal, the headers of what was taken before)."""
    received = []
    for _ in range(600):
        status, body = client.ask("POST", BATCH, batchOrders=FIVE)
        if status != 200:
            assert status == 429
            return body, received
        received.append(client.headers)
    raise AssertionError("nobody was ever refused")


def test_orders_are_counted_in_headers_and_refused_over_a_real_socket():
    with served("binance-usdm") as (dialect, port):
        client, other = (client_of(Wire(port), dialect, number) for number in (0, 1))
        body, reported = until_refused(client)
        refused = client.headers
        used = [{name: int(headers[name]) for name in WINDOWS} for headers in reported]
        # A window may end while this goes on, and is counted from 0 again.
        for before, after in zip([dict.fromkeys(WINDOWS, 0), *used], used, strict=False):
            for name in WINDOWS:
                assert after[name] in (before[name] + 5, 5)
        full = [name for name, (most, _) in WINDOWS.items() if used[-1][name] == most]
        assert body["code"] == -1015
        assert full
        assert any(f"{WINDOWS[name][0]} orders" in body["msg"] for name in full), body
        assert 1 <= int(refused["retry-after"]) <= max(WINDOWS[name][1] for name in full)
        # Neither what is no order, nor somebody else's, nor a cancel is held up by it.
        assert client.ask("GET", "/fapi/v1/openOrders")[0] == 200
        assert client.ask("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT")[0] == 200
        assert other.ask("POST", ORDER, **LIMIT)[0] == 200
        assert int(other.headers["x-mbx-order-count-10s"]) == 1


def test_who_waits_as_long_as_he_was_told_is_let_in_again():
    venue = Virtual("binance-usdm")
    client = client_of(venue, venue.dialect)
    venue.wait(60 - venue.time // 10**9 % 60)  # a minute begins
    for _ in range(4):  # four windows of ten seconds use up the minute
        until_refused(client)
        venue.wait(int(client.headers["retry-after"]))
    body, _ = until_refused(client)
    assert "1200 orders per 1 MINUTE" in body["msg"]
    venue.wait(int(client.headers["retry-after"]))
    assert client.ask("POST", ORDER, **LIMIT)[0] == 200
    assert client.headers["x-mbx-order-count-1m"] == "1"


@pytest.mark.parametrize(("limits", "most"), [(True, [300, 1200]), (False, [UNLIMITED] * 2)])
def test_who_refuses_nobody_announces_it(limits, most):
    """A client that keeps to what is announced, as a gateway does, is not held back."""
    venue = Virtual("binance-usdm", limits=limits)
    client = client_of(venue, venue.dialect)
    _, info = client.ask("GET", "/fapi/v1/exchangeInfo")
    _, own = client.ask("GET", "/fapi/v1/rateLimit/order")
    assert sorted(rule.most for rule in order_rules_of(info)) == most
    assert sorted(rule.most for rule in order_rules_of({"rateLimits": own})) == most
    said = {row["limit"] for row in info["rateLimits"] if row["rateLimitType"] == "REQUEST_WEIGHT"}
    assert said == ({2400} if limits else {UNLIMITED})
