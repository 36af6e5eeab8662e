"""The simulated Pacifica: channels and calls of its WebSocket."""

from __future__ import annotations

import json
from decimal import Decimal
from uuid import NAMESPACE_URL, uuid5

import pytest

from exchange.pacifica.pacifica_client import PacificaClient, data
from exchange.venue_client import Virtual, heard
from onetape.exchange.dialect import Connection
from onetape.exchange.pacifica.facts import wallet_pair


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
        {"source": ["book"], "symbol": "BTC"},
        {"source": "candle", "symbol": "BTC", "interval": []},
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


def test_working_orders_are_told_whole_first_and_with_each_change(client, socket):
    client.limit(50000, side="bid", client_order_id=str(uuid5(NAMESPACE_URL, "c")))
    (first,) = socket.subscribe(source="account_orders", account=client.account)
    assert [(row["ip"], row["a"], row["os"], row["c"]) for row in first["data"]] == [("50000", "0.01", "open", "0")]
    client.limit(49000)
    last = socket.listen()["account_orders"][-1]
    assert [row["ip"] for row in last["data"]] == ["50000", "49000"]
    client.ask("orders/cancel_all", "cancel_all_orders", all_symbols=True, exclude_reduce_only=False)
    assert socket.listen()["account_orders"][-1]["data"] == []


def test_leverage_that_is_refused_is_told_to_nobody(client, socket):
    socket.subscribe(source="account_leverage", account=client.account)
    price = Decimal(data(client.get("book", symbol="BTC"))["l"][0][0]["p"]) - 500
    data(client.limit(price, "50"))
    ask = ("account/leverage", "update_leverage")
    assert client.ask(*ask, symbol="BTC", leverage=1)[1]["code"] == 5
    data(client.ask(*ask, symbol="BTC", leverage=45))
    (message,) = socket.listen()["account_leverage"]
    assert message["data"]["l"] == "45"


def test_money_that_comes_and_goes_is_told_with_what_is_of_its_kind(venue, client, socket):
    assert socket.subscribe(source="account_transfers", account=client.account) == []
    exchange, account = venue.dialect.exchange, venue.dialect.exchange.accounts[0]
    exchange.accounts.deposit(account, "USDC", "1000.5", venue.now())
    exchange.accounts.deposit(account, "SOL", "-2", venue.now(), reason="withdraw")
    rows = [message["data"] for message in socket.listen()["account_transfers"]]
    assert [(row["u"], row["e"], row["a"], row["am"]) for row in rows] == [
        (client.account, "deposit", "USDC", "1000.500000"),
        (client.account, "withdraw", "SOL", "2.000000"),
    ]
    assert all(set(row) == {"u", "e", "a", "am", "t"} for row in rows)
    other = exchange.accounts[1]
    exchange.accounts.give(account, other.name, ("", ""), "USDC", "7", "", venue.now())
    (message,) = socket.listen()["account_transfers"]
    about = {name: message["data"][name] for name in ("e", "am", "s", "r")}
    assert about == {"e": "subaccount_transfer", "am": "7.000000", "s": account.key, "r": other.key}


def test_an_address_has_three_hundred_connections_and_twenty_subscriptions_of_a_channel_on_one():
    venue = Virtual("pacifica")
    first, *_ = [Socket(venue) for _ in range(300)]
    another = Connection(301, "/ws", "", "127.0.0.1", venue.time)
    assert not venue.dialect.connect(another, venue.time)
    external = Connection(302, "/ws", "", "127.0.0.2", venue.time)
    assert venue.dialect.connect(external, venue.time)
    for number in range(20):
        first.subscribe(source="account_trades", account=wallet_pair(0, f"some {number}")[0])
    params = {"source": "account_trades", "account": wallet_pair(0, "one more")[0]}
    assert first.say({"method": "subscribe", "params": params}) == []
    assert first.subscribe(source="account_info", account=params["account"]) == []


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


def test_orders_that_may_take_wait_at_a_speed_bump():
    venue = Virtual("pacifica", limits=False, faults="# none")
    venue.dialect.speed_bump = venue.dialect.inner.speed_bump
    client, exchange = PacificaClient(venue, venue.dialect.exchange.accounts[0].secret), venue.dialect.exchange

    def waited(send) -> float:
        """Milliseconds from a request to its answer, and to its order, if there is one."""
        before, orders = venue.time, set(exchange.accounts[0].by_id)
        assert send()[0] == 200
        made = [each for number, each in exchange.accounts[0].by_id.items() if number not in orders]
        assert all(each.created == venue.time for each in made)
        return (venue.time - before) / 1e6 - 1  # that a request takes

    assert waited(lambda: client.limit(50000)) == waited(lambda: client.limit(50000, tif="IOC")) == 200
    assert waited(lambda: client.market("bid")) == 200
    assert waited(lambda: client.limit(50000, tif="ALO")) == waited(lambda: client.limit(50000, tif="TOB")) == 0
    everything = {"all_symbols": True, "exclude_reduce_only": False}
    assert waited(lambda: client.ask("orders/cancel_all", "cancel_all_orders", **everything)) == 0
    terms = {"symbol": "BTC", "price": "50000", "amount": "0.01", "side": "bid", "reduce_only": False}

    def batch(*tifs):
        made = [{"type": "Create", "data": client.body("create_order", {**terms, "tif": tif})} for tif in tifs]
        return client.post("orders/batch", {"actions": made})

    assert waited(lambda: batch("ALO", "TOB")) == 0
    odd = (7, "Create", [{"type": []}])
    assert [client.post("orders/batch", {"actions": each})[0] for each in odd] == [400, 400, 200]
    some = [waited(lambda: batch("ALO", "GTC")) for _ in range(20)]
    assert 50 <= min(some) < max(some) <= 100
    socket = Socket(venue)
    message = {"id": "7", "params": {"create_order": client.body("create_order", {**terms, "tif": "GTC"})}}
    assert socket.say(message) == []
    venue.wait(0.199)
    assert heard(socket.connection) == []
    venue.wait(0.002)
    assert [(each["id"], each["code"]) for each in heard(socket.connection)] == [("7", 200)]
    assert socket.say({"method": "ping"}) == [{"channel": "pong"}]


def test_a_candle_that_has_ended_is_told_whole(venue, socket):
    socket.subscribe(source="candle", symbol="BTC", interval="1m")
    shown = {each["data"]["t"]: each["data"]["n"] for each in socket.listen(25)["candle"]}
    bars = {bar.open_time // 1_000_000: bar.trades for bar in venue.dialect.exchange.listings[0].bars}
    ended = [at for at in shown if at in bars]
    assert ended
    assert [shown[at] for at in ended] == [bars[at] for at in ended]
