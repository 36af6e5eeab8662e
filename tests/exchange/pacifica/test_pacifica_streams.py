"""The simulated Pacifica: channels and calls of its WebSocket."""

from __future__ import annotations

import json
from uuid import NAMESPACE_URL, uuid5

import pytest

from exchange.pacifica.pacifica_client import PacificaClient
from exchange.venue_client import Virtual, heard


@pytest.fixture
def venue():
    return Virtual("pacifica", limits=False)


@pytest.fixture
def client(venue):
    return PacificaClient(venue, venue.dialect.exchange.accounts[0].secret)


class Socket:
    def __init__(self, venue) -> None:
        self.venue, self.connection = venue, venue.connect("/ws")

    def say(self, value) -> list:
        """What is heard at once."""
        self.venue.time += 1_000_000
        self.venue.dialect.exchange.advance(self.venue.time)
        self.venue.settle()
        heard(self.connection)
        self.venue.dialect.message(self.connection, json.dumps(value).encode(), self.venue.time)
        return heard(self.connection)

    def subscribe(self, **params) -> list:
        first, *more = self.say({"method": "subscribe", "params": params})
        assert first == {"channel": "subscribe", "data": params}
        return more

    def listen(self, seconds: float = 1) -> dict[str, list]:
        """Messages of the next seconds, by channel."""
        for _ in range(round(seconds * 20)):
            self.venue.wait(0.05)
        found: dict[str, list] = {}
        for message in heard(self.connection):
            found.setdefault(message["channel"], []).append(message)
        return found

    def call(self, client, operation: str, **payload):
        (answer,) = self.say({"id": "7", "params": {operation: client.body(operation, payload)}})
        assert (answer["id"], answer["type"]) == ("7", operation)
        return answer


@pytest.fixture
def socket(venue):
    return Socket(venue)


def test_the_market_is_streamed_whole_and_in_steps(venue, socket):
    for source in ("book", "bbo", "trades"):
        socket.subscribe(source=source, symbol="BTC")
    socket.subscribe(source="prices")
    socket.subscribe(source="candle", symbol="BTC", interval="1m")
    found = socket.listen(5)
    assert len(found["book"]) == 20
    book = found["book"][-1]["data"]
    assert [len(side) for side in book["l"]] == [10, 10]
    assert book["li"] > 0
    assert {row["symbol"] for row in found["prices"][0]["data"]} == {"BTC", "ETH", "SOL"}
    numbers = [row["h"] for message in found["trades"] for row in message["data"]]
    assert numbers == sorted(set(numbers))
    assert float(found["bbo"][-1]["data"]["b"]) < float(found["bbo"][-1]["data"]["a"])
    assert found["candle"][-1]["data"]["i"] == "1m"


def test_an_unknown_subscription_is_met_with_silence(socket):
    for params in (
        {"source": "book", "symbol": "NONE"},
        {"source": "nothing"},
        {"source": "account_trades", "account": "x"},
        7,
    ):
        assert socket.say({"method": "subscribe", "params": params}) == []
    assert socket.say({"method": "ping"}) == [{"channel": "pong"}]
    assert socket.say(["no", "request"])[0]["code"] == 400


def test_an_order_is_told_of_from_its_making_to_its_end(client, socket):
    for source in ("account_order_updates", "account_trades", "account_info"):
        assert socket.subscribe(source=source, account=client.account) == []
    (positions,) = socket.subscribe(source="account_positions", account=client.account)
    assert positions["data"] == []
    name = str(uuid5(NAMESPACE_URL, "b"))
    terms = {"symbol": "BTC", "amount": "0.01", "reduce_only": False}
    made = socket.call(client, "create_order", **terms, side="bid", price="50000", tif="GTC", client_order_id=name)
    assert (made["code"], made["data"]["I"], made["data"]["s"]) == (200, name, "BTC")
    (update,) = socket.listen()["account_order_updates"]
    row = update["data"][0]
    assert (row["i"], row["oe"], row["os"], row["ip"]) == (made["data"]["i"], "make", "open", "50000")
    assert socket.call(client, "cancel_order", symbol="BTC", client_order_id=name)["code"] == 200
    assert [m["data"][0]["oe"] for m in socket.listen()["account_order_updates"]] == ["cancel"]
    gone = socket.call(client, "cancel_order", symbol="BTC", client_order_id=name)
    assert (gone["code"], gone["err"][:15]) == (420, "Order not found")
    bought = socket.call(client, "create_market_order", **terms, side="bid", slippage_percent="0.5")
    found = socket.listen()
    assert found["account_order_updates"][-1]["data"][0]["os"] == "filled"
    assert {m["data"][0]["i"] for m in found["account_trades"]} == {bought["data"]["i"]}
    assert found["account_positions"][-1]["data"][0]["a"] == "0.01"
    socket.call(client, "create_market_order", **terms, side="ask", slippage_percent="0.5")
    assert socket.listen()["account_positions"][-1]["data"] == []


def test_a_silent_client_is_cut_off(venue, socket):
    venue.wait(59)
    assert not socket.connection.closed
    venue.wait(2)
    assert socket.connection.closed


# --- what goes wrong on request -----------------------------------------------------------------------

FAULTS = """
[[fault]]
purpose = "place"
method = "POST"
nth = [1]
action = "drop_answer"

[[fault]]
purpose = "cancel"
action = "error"
error = "500"
done = false
count = 2

[[fault]]
event = "book"
symbol = "BTC"
action = "gap"
from = "2s"
to = "4s"
"""


def test_faults_meet_requests_calls_and_channels():
    venue = Virtual("pacifica", limits=False, faults=FAULTS)
    client, socket = PacificaClient(venue, venue.dialect.exchange.accounts[0].secret), Socket(venue)
    socket.subscribe(source="book", symbol="BTC", agg_level=1)
    assert [len(socket.listen().get("book", ())) > 2 for _ in range(6)] == [True, True, False, False, True, True]
    with pytest.raises(ConnectionResetError):
        client.limit("50000")
    (made,) = client.mine("orders")  # it was carried out, and nobody was told
    payload = {"symbol": "BTC", "order_id": made["order_id"]}
    assert client.ask("orders/cancel", "cancel_order", **payload)[1]["error"] == "Internal server error"
    answer = socket.call(client, "cancel_order", **payload)
    assert (answer["code"], answer["err"]) == (500, "Internal server error")
    assert len(client.mine("orders")) == 1
    assert socket.call(client, "cancel_order", **payload)["code"] == 200
    assert client.mine("orders") == []


def test_a_candle_that_has_ended_is_told_whole(venue, socket):
    socket.subscribe(source="candle", symbol="BTC", interval="1m")
    shown = {each["data"]["t"]: each["data"]["n"] for each in socket.listen(25)["candle"]}
    bars = {bar.open_time // 1_000_000: bar.trades for bar in venue.dialect.exchange.listings[0].bars}
    ended = [at for at in shown if at in bars]
    assert ended
    assert [shown[at] for at in ended] == [bars[at] for at in ended]
