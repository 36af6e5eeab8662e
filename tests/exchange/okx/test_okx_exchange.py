"""The simulated OKX, as its documentation describes the venue: docs/reference/okx.md names the sources."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from itertools import pairwise
from urllib.parse import urlencode

import pytest

from exchange.venue_client import HISTORY, NOW, Virtual
from onetape.exchange.venues import Crowd
from onetape.model.time import HOUR, MINUTE, format_time

BTC = "BTC-USDT-SWAP"
CODE = 10459  # of the first instrument


def sign(secret: str, text: bytes) -> str:
    return base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()


class Client:
    """An account that asks by REST and by WebSocket, and signs as the documentation says."""

    def __init__(self, venue: Virtual, number: int = 0) -> None:
        self.venue, self.account = venue, venue.dialect.exchange.accounts[number]
        self.key, self.secret, self.password = self.account.key, self.account.secret, self.account.password

    def ask(self, method: str, path: str, value=None, *, ahead_s: float = 0, more=None, **query):
        target = f"/api/v5/{path}" + (f"?{urlencode(query)}" if query else "")
        body = json.dumps(value).encode() if value is not None else b""
        at = int(self.venue.now() + ahead_s * 1e9)
        time = f"{format_time(at - at % 10**9)[:-1]}.{at % 10**9 // 10**6:03d}Z"
        headers = {
            "OK-ACCESS-KEY": self.key,
            "OK-ACCESS-SIGN": sign(self.secret, f"{time}{method}{target}".encode() + body),
            "OK-ACCESS-TIMESTAMP": time,
            "OK-ACCESS-PASSPHRASE": self.password,
            "x-simulated-trading": "1",
            **(more or {}),
        }
        return self.venue.request(method, target, body, headers)[:2]

    def get(self, path: str, **query):
        status, answer = self.ask("GET", path, **query)
        assert status == 200 and answer["code"] == "0", answer
        return answer["data"]

    def post(self, path: str, value):
        return self.ask("POST", path, value)[1]

    def price(self, part: float) -> str:
        return f"{self.venue.dialect.exchange.listings[0].last / 10 * part:.1f}"

    def order(self, **terms):
        usual = {"instId": BTC, "tdMode": "cross", "side": "buy", "ordType": "limit", "sz": "1", "px": self.price(0.99)}
        wanted = {name: text for name, text in {**usual, **terms}.items() if text is not None}
        return self.post("trade/order", wanted)["data"][0]

    def market(self, side: str = "buy", sz: str = "1", **terms):
        return self.order(side=side, ordType="market", px=None, sz=sz, **terms)

    def stop(self, part: float, **terms):
        usual = {"instId": BTC, "tdMode": "cross", "side": "sell", "ordType": "conditional", "sz": "1"}
        return self.post(
            "trade/order-algo",
            {**usual, "slTriggerPx": self.price(part), "slOrdPx": "-1", "reduceOnly": "true", **terms},
        )["data"][0]

    def mark(self, part: float) -> None:
        """Moves the mark to a part of the last price."""
        exchange = self.venue.dialect.exchange
        price = int(exchange.listings[0].last * part)
        exchange.set_mark(0, price, price, self.venue.now())
        self.venue.wait(1)

    def status(self, **named):
        return self.get("trade/order", instId=BTC, **named)[0]

    def position(self) -> str:
        return self.get("account/positions", instId=BTC)[0]["pos"]

    def login(self, way: str = "private", **wrong):
        connection = self.venue.connect(f"/ws/v5/{way}")
        time = str(self.venue.now() // 10**9)
        signed = sign(self.secret, f"{time}GET/users/self/verify".encode())
        account = {"apiKey": self.key, "passphrase": self.password, "timestamp": time, "sign": signed, **wrong}
        return connection, self.say(connection, {"op": "login", "args": [account]})

    def listen(self, *channels: str, way: str = "private"):
        connection, _ = self.login(way)
        for channel in channels:
            self.say(connection, {"op": "subscribe", "args": [{"channel": channel, "instType": "SWAP"}]})
        return connection

    def say(self, connection, request) -> list:
        data = request if isinstance(request, bytes) else json.dumps(request).encode()
        self.venue.dialect.message(connection, data, self.venue.now())
        self.venue.settle()
        return heard(connection)


def heard(connection) -> list:
    out = [each for each in connection.out if isinstance(each, bytes)]
    connection.out.clear()
    return [json.loads(each) if each[:1] == b"{" else each for each in out]


def rows_of(messages: list, channel: str) -> list:
    return [row for each in messages if each.get("arg", {}).get("channel") == channel for row in each.get("data", ())]


@pytest.fixture
def venue():
    return Virtual("okx", limits=False)


@pytest.fixture
def client(venue):
    return Client(venue)


def quiet(**options) -> Client:
    """An account at a market where little happens, for tests of hours."""
    return Client(Virtual("okx", limits=False, market=Crowd(0.02, HISTORY), **options))


# --- who asks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"OK-ACCESS-KEY": "other"}, "50111"),
        ({"OK-ACCESS-SIGN": "bm8="}, "50113"),
        ({"OK-ACCESS-PASSPHRASE": "no"}, "50105"),
        ({"OK-ACCESS-TIMESTAMP": "yesterday"}, "50112"),
        ({"OK-ACCESS-KEY": ""}, "50103"),
    ],
)
def test_each_part_of_a_signature_is_checked(client, wrong, code):
    status, answer = client.ask("GET", "account/balance", more=wrong)
    assert (status, answer["code"]) == (401, code)


def test_a_request_is_thirty_seconds_off_at_most(client):
    assert client.ask("GET", "account/balance", ahead_s=-29)[0] == 200
    assert client.ask("GET", "account/balance", ahead_s=-31)[1]["code"] == "50102"


def test_a_late_order_is_refused_by_its_own_deadline(client):
    late = {"expTime": str(client.venue.now() // 10**6 - 1)}
    value = {"instId": BTC, "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "1"}
    assert client.ask("POST", "trade/order", value, more=late)[1]["code"] == "50036"
    assert client.get("trade/orders-history", instType="SWAP") == []


# --- orders ---------------------------------------------------------------------------------------


def test_an_order_is_acknowledged_then_listed_filled_and_paid_for(client):
    assert client.order(clOrdId="mine1")["sCode"] == "0"
    (row,) = client.get("trade/orders-pending", instType="SWAP")
    assert (row["clOrdId"], row["state"], row["sz"]) == ("mine1", "live", "1")
    number = client.market()["ordId"]
    row = client.status(ordId=number)
    assert (row["state"], row["accFillSz"], row["feeCcy"]) == ("filled", "1", "USDT")
    (fill,) = client.get("trade/fills", instType="SWAP")
    assert (fill["ordId"], fill["execType"]) == (number, "T")
    # A contract is a hundredth of a coin; what is paid is negative.
    assert float(fill["fee"]) == pytest.approx(-float(fill["fillPx"]) * 0.01 * 0.0005)
    assert client.position() == "1"
    bills = client.get("account/bills")
    assert sum(float(bill["balChg"]) for bill in bills if bill["type"] == "2") == pytest.approx(float(fill["fee"]))


def test_a_name_is_free_again_when_its_order_has_ended(client):
    client.order(clOrdId="mine")
    assert client.order(clOrdId="mine")["sCode"] == "51016"
    client.post("trade/cancel-order", {"instId": BTC, "clOrdId": "mine"})
    assert client.order(clOrdId="mine")["sCode"] == "0"
    assert client.order(clOrdId="not-alphanumeric")["sCode"] == "51000"


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"sz": "0.001"}, "51121"),
        ({"sz": "0"}, "51000"),
        ({"px": "1.23"}, "51000"),
        ({"tdMode": "cash"}, "51000"),
        ({"posSide": "long"}, "51000"),
        ({"ordType": "iceberg"}, "51000"),
        ({"reduceOnly": "true"}, "51169"),
        ({"sz": "900000"}, "51008"),
    ],
)
def test_an_order_is_refused_with_the_venues_number_and_is_nowhere(client, terms, code):
    assert client.order(**terms)["sCode"] == code
    assert client.get("trade/orders-pending", instType="SWAP") == []


def test_an_order_that_reduces_more_than_is_held_is_refused_whole(client):
    client.market()
    assert client.market("sell", "2", reduceOnly="true")["sCode"] == "51169"
    assert client.market("sell", "1", reduceOnly="true")["sCode"] == "0" and client.position() == "0"


def test_a_post_only_order_that_would_take_is_acknowledged_and_canceled(client):
    connection = client.listen("orders")
    answer = client.order(ordType="post_only", px=client.price(1.01))
    assert answer["sCode"] == "0"
    (row,) = rows_of(heard(connection), "orders")
    assert (row["ordId"], row["state"], row["cancelSource"]) == (answer["ordId"], "canceled", "31")


def test_an_order_amended_says_so_and_one_that_cannot_be_says_that(client):
    connection = client.listen("orders")
    number = client.order(ordType="post_only")["ordId"]
    heard(connection)
    named = {"instId": BTC, "ordId": number}
    assert client.post("trade/amend-order", {**named, "newSz": "2", "reqId": "r1"})["data"][0]["sCode"] == "0"
    (row,) = rows_of(heard(connection), "orders")
    assert (row["amendResult"], row["reqId"], row["sz"]) == ("0", "r1", "2")
    client.post("trade/amend-order", {**named, "newPx": client.price(1.02)})
    rows = rows_of(heard(connection), "orders")
    assert "-1" in [each["amendResult"] for each in rows] or rows[-1]["state"] == "canceled"
    gone = client.post("trade/amend-order", {"instId": BTC, "ordId": "1", "newSz": "2"})
    assert (gone["code"], gone["data"][0]["sCode"]) == ("1", "51503")


def test_a_batch_says_what_became_of_each(client):
    usual = {"instId": BTC, "tdMode": "cross", "side": "buy", "ordType": "limit", "px": client.price(0.98)}
    answer = client.post("trade/batch-orders", [{**usual, "sz": "1", "clOrdId": "a"}, {**usual, "sz": "0.0001"}])
    assert (answer["code"], [row["sCode"] for row in answer["data"]]) == ("2", ["0", "51121"])
    names = [{"instId": BTC, "clOrdId": "a"}, {"instId": BTC, "clOrdId": "b"}]
    answer = client.post("trade/cancel-batch-orders", names)
    assert [row["sCode"] for row in answer["data"]] == ["0", "51400"]
    assert client.post("trade/batch-orders", [usual] * 21)["code"] == "51000"


def test_an_order_that_was_canceled_without_a_fill_is_forgotten_after_two_hours():
    client = quiet()
    number = client.order()["ordId"]
    client.post("trade/cancel-order", {"instId": BTC, "ordId": number})
    assert client.status(ordId=number)["state"] == "canceled"
    client.venue.wait(7201)
    status, answer = client.ask("GET", "trade/order", instId=BTC, ordId=number)
    assert (status, answer["code"]) == (200, "51603")


def test_the_dead_mans_switch_cancels_what_works_and_leaves_what_waits(client):
    client.market()
    client.order(clOrdId="mine")
    client.stop(0.9, algoClOrdId="stop")
    assert client.post("trade/cancel-all-after", {"timeOut": "5"})["code"] == "51000"
    assert client.post("trade/cancel-all-after", {"timeOut": "10"})["code"] == "0"
    client.venue.wait(11)
    row = client.status(clOrdId="mine")
    assert (row["state"], row["cancelSource"]) == ("canceled", "20")
    assert len(client.get("trade/orders-algo-pending", ordType="conditional")) == 1


# --- orders with a trigger ------------------------------------------------------------------------


def test_a_stop_waits_apart_and_sends_an_order_that_names_it(client):
    client.market()
    connection, business = client.listen("orders"), client.listen("orders-algo", way="business")
    assert client.stop(0.9999, algoClOrdId="stop")["sCode"] == "0"
    (row,) = rows_of(heard(business), "orders-algo")
    assert (row["state"], row["algoClOrdId"], row["slOrdPx"]) == ("live", "stop", "-1")
    assert client.get("trade/orders-pending", instType="SWAP") == []
    for _ in range(600):
        if client.position() == "0":
            break
        client.venue.wait(5)
    fired = rows_of(heard(business), "orders-algo")[0]
    child = rows_of(heard(connection), "orders")[-1]
    assert (fired["state"], fired["ordId"]) == ("effective", child["ordId"])
    assert (child["clOrdId"], child["algoClOrdId"], child["state"]) == ("", "stop", "filled")
    status, answer = client.ask("GET", "trade/order", instId=BTC, clOrdId="stop")
    assert (status, answer["code"]) == (200, "51603")
    late = client.post("trade/cancel-algos", [{"instId": BTC, "algoClOrdId": "stop"}])
    assert late["data"][0]["sCode"] == "51416"


@pytest.mark.parametrize(("side", "part", "code"), [("sell", 1.01, "51280"), ("buy", 0.99, "51278")])
def test_a_stop_whose_trigger_is_met_is_refused(client, side, part, code):
    client.market("buy" if side == "sell" else "sell")
    assert client.stop(part, side=side)["sCode"] == code
    profit = {"slTriggerPx": "", "tpTriggerPx": client.price(2 - part), "tpOrdPx": "-1"}
    assert client.stop(part, side=side, **profit)["sCode"] == {"sell": "51279", "buy": "51277"}[side]


def test_an_order_of_type_trigger_waits_for_the_price_from_either_side(client):
    for part in (0.98, 1.02):
        terms = {"ordType": "trigger", "triggerPx": client.price(part), "orderPx": "-1", "slTriggerPx": ""}
        assert client.stop(part, **terms, reduceOnly="false")["sCode"] == "0"
    rows = client.get("trade/orders-algo-pending", ordType="trigger")
    assert [row["state"] for row in rows] == ["live", "live"]


def test_attached_stops_are_placed_when_their_order_is_filled(client):
    attached = [{"attachAlgoClOrdId": "tp1", "tpTriggerPx": client.price(1.05), "tpOrdPx": "-1"}]
    attached.append({"attachAlgoClOrdId": "sl1", "slTriggerPx": client.price(0.95), "slOrdPx": "-1"})
    number = client.market(attachAlgoOrds=attached)["ordId"]
    assert len(client.status(ordId=number)["attachAlgoOrds"]) == 2
    rows = client.get("trade/orders-algo-pending", ordType="conditional,oco")
    assert {row["algoClOrdId"]: (row["side"], row["sz"]) for row in rows} == {
        "tp1": ("sell", "1"),
        "sl1": ("sell", "1"),
    }


def test_attached_to_one_row_both_are_one_order(client):
    row = {"tpTriggerPx": client.price(1.05), "tpOrdPx": "-1", "slTriggerPx": client.price(0.95), "slOrdPx": "-1"}
    client.market(attachAlgoOrds=[row])
    (found,) = client.get("trade/orders-algo-pending", ordType="oco")
    assert {name: float(found[name]) for name in row} == {name: float(text) for name, text in row.items()}


@pytest.mark.parametrize(("part", "side"), [(0.9, "sl"), (1.1, "tp")])
def test_of_a_pair_in_one_order_the_first_that_is_met_is_sent(client, part, side):
    client.market(sz="2")
    connection = client.listen("orders-algo", way="business")
    pair = {"tpTriggerPx": client.price(1.02), "tpOrdPx": "-1", "ordType": "oco"}
    pair |= {"slTriggerPxType": "mark", "tpTriggerPxType": "mark"}
    assert client.stop(0.98, **{**pair, "tpTriggerPx": client.price(0.99)})["sCode"] == "51279"
    assert client.stop(0.98, **{**pair, "tpTriggerPx": ""})["sCode"] == "50014"
    number, sold = client.stop(0.98, **pair, sz="2")["algoId"], client.price(0.98)
    client.mark(part)
    row = client.get("trade/order-algo", algoId=number)[0]
    assert (row["state"], row["actualSide"], row["slTriggerPx"], row["tpTriggerPx"]) == (
        "effective",
        side,
        sold,
        pair["tpTriggerPx"],
    )
    sent = client.status(ordId=row["ordId"])
    assert (sent["state"], sent["algoId"], sent["source"]) == ("filled", number, "7")
    assert client.get("account/positions") == []
    client.venue.settle()
    assert [each["state"] for each in rows_of(heard(connection), "orders-algo")] == ["live", "effective"]


def test_a_trailing_stop_follows_the_price_and_has_a_channel_of_its_own(client):
    client.market()
    connection = client.listen("algo-advance", "orders-algo", way="business")
    terms = {"ordType": "move_order_stop", "callbackRatio": "0.001", "slTriggerPx": ""}
    number, best = client.stop(1, **terms)["algoId"], float(client.price(1))
    (row,) = client.get("trade/orders-algo-pending", ordType="move_order_stop")
    assert (row["callbackRatio"], row["activePx"]) == ("0.001", "")
    assert float(row["moveTriggerPx"]) == pytest.approx(best * 0.999, rel=1e-5)
    pushed = heard(connection)
    for _ in range(6000):
        client.venue.wait(0.5)
        pushed += [each for each in client.say(connection, b"ping") if each != b"pong"]
        best, (row,) = max(best, float(client.price(1))), client.get("trade/order-algo", algoId=number)
        if row["state"] == "effective":
            break
    sent = client.status(ordId=row["ordId"])
    assert (sent["state"], sent["source"]) == ("filled", "25") and float(sent["avgPx"]) < best * 0.9995
    pushed += heard(connection)
    assert [each["state"] for each in rows_of(pushed, "algo-advance")] == ["live", "effective"]
    assert not rows_of(pushed, "orders-algo")


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        ({"ordType": "chase"}, "chase is not available in this simulation"),
        ({"ordType": "move_order_stop", "callbackSpread": "5"}, "callbackSpread is not available in this simulation"),
        ({"ordType": "move_order_stop", "callbackRatio": "1.5"}, "Parameter callbackRatio error"),
    ],
)
def test_what_is_not_simulated_is_refused_by_name(client, terms, text):
    answer = client.stop(0.9, **terms)
    assert (answer["sCode"], answer["sMsg"]) == ("51000", text)


# --- the account ----------------------------------------------------------------------------------


def test_both_sides_are_held_in_long_short_mode(client):
    assert client.post("account/set-position-mode", {"posMode": "long_short_mode"})["code"] == "0"
    client.market(posSide="long")
    client.market("sell", "2", posSide="short")
    rows = client.get("account/positions", instType="SWAP")
    assert {row["posSide"]: row["pos"] for row in rows} == {"long": "1", "short": "2"}
    assert client.post("account/set-position-mode", {"posMode": "net_mode"})["code"] == "59000"
    assert client.market()["sCode"] == "51000"  # without a side


def test_a_short_position_is_negative_and_an_inverse_one_settles_in_coin(client):
    client.market("sell", "2")
    assert client.position() == "-2"
    client.market(instId="BTC-USD-SWAP", sz="10")
    row = client.get("account/positions", instId="BTC-USD-SWAP")[0]
    assert (row["pos"], row["ccy"]) == ("10", "BTC")
    balances = {each["ccy"]: float(each["cashBal"]) for each in client.get("account/balance")[0]["details"]}
    assert 0.99 < balances["BTC"] < 1


def test_a_position_in_isolated_margin_has_margin_of_its_own(client):
    assert client.post("account/set-leverage", {"instId": BTC, "mgnMode": "isolated", "lever": "5"})["code"] == "0"
    resting = client.order(tdMode="isolated")
    assert resting["sCode"] == "0"
    assert client.get("trade/orders-pending", instId=BTC)[0]["tdMode"] == "isolated"
    assert client.order(tdMode="cross")["sCode"] == "51000"  # an instrument has one mode here
    client.post("trade/cancel-order", {"instId": BTC, "ordId": resting["ordId"]})
    client.market(tdMode="isolated")
    (row,) = client.get("account/positions", instId=BTC)
    contract = float(client.get("public/instruments", instType="SWAP", instId=BTC)[0]["ctVal"])
    price, size = float(row["avgPx"]), float(row["pos"]) * contract
    assert (row["mgnMode"], row["imr"]) == ("isolated", "")
    assert float(row["margin"]) == pytest.approx(price * size / 5, rel=0.01)
    expected = price - (float(row["margin"]) - float(row["mmr"])) / size
    assert float(row["liqPx"]) == pytest.approx(expected, rel=0.002)
    (money,) = client.get("account/balance", ccy="USDT")[0]["details"]
    cash, apart, profit = (float(money[name]) for name in ("cashBal", "isoEq", "isoUpl"))
    assert apart - profit == pytest.approx(float(row["margin"])) and profit == pytest.approx(float(row["upl"]))
    assert float(money["eq"]) == pytest.approx(cash + apart) and cash < 100_000 - float(row["margin"])


def test_leverage_is_set_within_the_instruments_bounds(client):
    value = {"instId": BTC, "mgnMode": "cross", "lever": "10"}
    assert client.post("account/set-leverage", value)["data"][0]["lever"] == "10"
    assert client.get("account/leverage-info", instId=BTC, mgnMode="cross")[0]["lever"] == "10"
    assert client.post("account/set-leverage", {**value, "lever": "101"})["code"] == "59102"


def test_money_moves_between_the_funding_and_the_trading_account(client):
    def held() -> tuple[float, float]:
        trading = {each["ccy"]: float(each["cashBal"]) for each in client.get("account/balance")[0]["details"]}
        return trading["USDT"], sum(float(each["bal"]) for each in client.get("asset/balances", ccy="USDT"))

    out = {"ccy": "USDT", "amt": "100.5", "from": "18", "to": "6", "clientId": "mine"}
    before = held()
    (made,) = client.post("asset/transfer", out)["data"]
    assert (made["amt"], made["clientId"]) == ("100.5", "mine")
    assert held() == (before[0] - 100.5, before[1] + 100.5)
    back = {**out, "amt": "40", "from": "6", "to": "18", "clientId": ""}
    assert client.post("asset/transfer", back)["code"] == "0" and held() == (before[0] - 60.5, before[1] + 60.5)
    bills = [(row["type"], row["balChg"], row["clientId"]) for row in client.get("asset/bills", ccy="USDT")]
    assert bills == [("131", "-40", ""), ("130", "100.5", "mine")]
    assert [row["balChg"] for row in client.get("asset/bills", clientId="mine")] == ["100.5"]
    assert [row["balChg"] for row in client.get("account/bills", type="1")][:2] == ["40", "-100.5"]
    assert client.get("asset/transfer-state", transId=made["transId"])[0]["state"] == "success"
    assert client.post("asset/transfer", {**back, "amt": "61"})["code"] == "58350"
    assert client.post("asset/transfer", {**out, "to": "1"})["code"] == "51000"


def test_funding_is_a_bill_of_its_own():
    """Of a position in isolated margin its margin pays."""
    client = quiet(now=-(-NOW // (8 * HOUR)) * 8 * HOUR - MINUTE)
    client.market()
    client.post("account/set-leverage", {"instId": "BTC-USD-SWAP", "mgnMode": "isolated", "lever": "1"})
    client.market(instId="BTC-USD-SWAP", tdMode="isolated")
    client.venue.wait(61)
    bills = {bill["instId"]: bill for bill in client.get("account/bills", type="8")}
    cross, isolated = bills[BTC], bills["BTC-USD-SWAP"]
    assert cross["mgnMode"] == "cross" and float(cross["balChg"]) and cross["posBalChg"] == "0"
    assert isolated["mgnMode"] == "isolated" and isolated["balChg"] == "0" and float(isolated["posBalChg"])


def test_an_account_has_its_endpoints_limits():
    client = Client(Virtual("okx"))
    answers = [client.ask("GET", "account/config")[0] for _ in range(7)]
    assert answers == [200] * 5 + [429] * 2
    client.venue.wait(2)
    assert client.ask("GET", "account/config")[0] == 200
    orders = [
        client.order()["sCode"] if n < 60 else client.ask("POST", "trade/order", {"instId": BTC})[0] for n in range(61)
    ]
    assert orders == ["0"] * 60 + [429]


# --- the sockets ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"apiKey": "x"}, "60005"),
        ({"sign": "x"}, "60007"),
        ({"passphrase": "x"}, "60024"),
        ({"timestamp": "1"}, "60006"),
    ],
)
def test_a_wrong_login_is_an_error_by_its_number(client, wrong, code):
    _, (answer,) = client.login(**wrong)
    assert (answer["event"], answer["code"]) == ("error", code)


def test_private_channels_need_a_login_and_their_own_socket(client):
    connection = client.venue.connect("/ws/v5/private")
    ask = {"op": "subscribe", "args": [{"channel": "orders", "instType": "SWAP"}]}
    assert client.say(connection, ask)[0]["code"] == "60011"
    business = client.venue.connect("/ws/v5/business")
    assert client.say(business, ask)[0]["code"] == "60018"
    moved = {"op": "subscribe", "args": [{"channel": "candle1m", "instId": BTC}]}
    assert client.say(client.venue.connect("/ws/v5/public"), moved)[0]["code"] == "64001"


def test_balances_and_positions_begin_with_what_there_is_and_repeat_it(client):
    client.market()
    connection = client.listen("account", "positions")
    client.venue.wait(6)
    messages = heard(connection)
    assert rows_of(messages, "account") and rows_of(messages, "positions")[0]["pos"] == "1"
    client.market("sell")
    changed = heard(connection)
    assert rows_of(changed, "positions")[0]["pos"] == "0"
    assert [each["ccy"] for each in rows_of(changed, "account")[0]["details"]] == ["USDT"]


def test_an_order_by_websocket_names_its_instrument_by_number(client):
    connection, _ = client.login()
    terms = {"tdMode": "cross", "side": "buy", "ordType": "market", "sz": "1"}
    refused = client.say(connection, {"id": "1", "op": "order", "args": [{**terms, "instId": BTC}]})[-1]
    assert refused["data"][0]["sCode"] == "50014"
    answer = client.say(connection, {"id": "2", "op": "order", "args": [{**terms, "instIdCode": CODE}]})[-1]
    assert (answer["id"], answer["op"], answer["code"]) == ("2", "order", "0") and client.position() == "1"
    late = {"id": "3", "op": "order", "expTime": "1", "args": [{**terms, "instIdCode": CODE}]}
    assert client.say(connection, late)[-1]["code"] == "50036"


def test_a_book_is_a_snapshot_then_changes_that_name_the_message_before(client):
    connection = client.venue.connect("/ws/v5/public")
    client.say(connection, {"op": "subscribe", "args": [{"channel": "books", "instId": BTC}]})
    client.venue.wait(10)
    connection.out.clear()
    client.say(connection, {"op": "unsubscribe", "args": [{"channel": "books", "instId": BTC}]})
    first, *rest = client.say(connection, {"op": "subscribe", "args": [{"channel": "books", "instId": BTC}]})
    for _ in range(20):
        client.venue.wait(0.5)
    messages = [*rest, *heard(connection)]
    assert first["event"] == "subscribe" and messages[0]["action"] == "snapshot" and len(messages) > 5
    rows = [each["data"][0] for each in messages]
    assert {row["checksum"] for row in rows} == {0} and rows[0]["prevSeqId"] == -1
    assert all(later["prevSeqId"] == row["seqId"] for row, later in pairwise(rows))


def test_a_silent_connection_is_closed_and_a_ping_keeps_it(client):
    kept, silent = (client.venue.connect("/ws/v5/private") for _ in range(2))
    client.venue.wait(20)
    assert client.say(kept, b"ping") == [b"pong"]
    client.venue.wait(15)
    assert silent.closed and not kept.closed
