"""The simulated Pacifica: what its documentation says, by REST."""

from __future__ import annotations

from decimal import Decimal
from uuid import NAMESPACE_URL, uuid5

import pytest

from exchange.pacifica.pacifica_client import PacificaClient, data, refusal, wallet
from exchange.venue_client import Virtual


@pytest.fixture
def venue():
    return Virtual("pacifica", limits=False)


@pytest.fixture
def client(venue):
    return PacificaClient(venue, venue.dialect.exchange.accounts[0].secret)


def bid(client, symbol: str = "BTC") -> Decimal:
    return Decimal(data(client.get("book", symbol=symbol))["l"][0][0]["p"])


def test_markets_are_read_without_a_key(client):
    info = {row["symbol"]: row for row in data(client.get("info"))}
    assert (info["BTC"]["tick_size"], info["BTC"]["lot_size"], info["BTC"]["max_leverage"]) == ("1", "0.00001", 50)
    assert info["SOL"]["max_leverage"] == 20
    prices = {row["symbol"]: row for row in data(client.get("info/prices"))}
    assert prices["BTC"]["funding"] == "0.0000125"
    assert Decimal(prices["BTC"]["mid"]) > 1000
    book = data(client.get("book", symbol="BTC", agg_level=10))
    assert all(Decimal(level["p"]) % 10 == 0 for side in book["l"] for level in side)
    assert data(client.get("trades", symbol="BTC"))
    assert data(client.get("kline", symbol="BTC", interval="1m", start_time=0))


def test_an_order_rests_is_edited_and_is_canceled(client):
    name = str(uuid5(NAMESPACE_URL, "a"))
    price = bid(client) - 500
    made = data(client.limit(price, client_order_id=name))["order_id"]
    (row,) = client.mine("orders")
    assert (row["order_id"], row["client_order_id"], row["price"], row["initial_amount"]) == (
        made,
        name,
        str(price),
        "0.01",
    )
    edited = data(
        client.ask("orders/edit", "edit_order", symbol="BTC", price=str(price + 1), amount="0.02", order_id=made)
    )["order_id"]
    assert edited > made
    (row,) = client.mine("orders")
    assert (row["order_id"], row["client_order_id"], row["initial_amount"]) == (edited, name, "0.02")
    assert data(client.ask("orders/cancel", "cancel_order", symbol="BTC", client_order_id=name)) is None
    assert client.mine("orders") == []
    assert refusal(client.ask("orders/cancel", "cancel_order", symbol="BTC", order_id=made))[:2] == (422, 6)


def test_a_market_order_opens_a_position_and_its_money_adds_up(client):
    before = Decimal(client.mine("account")["balance"])
    data(client.market("bid", "0.1"))
    (position,) = client.mine("positions")
    assert (position["symbol"], position["side"], position["amount"]) == ("BTC", "bid", "0.1")
    (trade, *_) = client.mine("trades/history")
    assert (trade["side"], trade["event_type"]) == ("open_long", "fulfill_taker")
    data(client.market("ask", "0.1", reduce_only=True))
    assert client.mine("positions") == []
    trades = client.mine("trades/history")
    assert {trade["side"] for trade in trades} == {"open_long", "close_long"}
    after = Decimal(client.mine("account")["balance"])
    assert abs(after - before - sum(Decimal(trade["pnl"]) for trade in trades)) <= Decimal("0.000001") * len(trades)


def test_a_wallet_that_was_never_seen_has_an_account(venue):
    stranger = PacificaClient(venue, wallet("stranger"))
    assert Decimal(stranger.mine("account")["balance"]) == 100_000
    data(stranger.market("bid"))
    assert stranger.mine("positions")
