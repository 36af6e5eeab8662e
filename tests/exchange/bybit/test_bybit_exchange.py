"""The simulated Bybit, as its documentation describes the venue: docs/reference/bybit.md has a line for each test."""

from __future__ import annotations

import hashlib
import hmac
import json
from uuid import UUID

import pytest

from exchange.venue_client import Virtual

LINEAR = {"category": "linear", "symbol": "BTCUSDT"}
SPOT = {"category": "spot", "symbol": "BTCUSDT"}
INVERSE = {"category": "inverse", "symbol": "BTCUSD"}


class Client:
    """An account that asks by REST and by WebSocket. number: of the account."""

    def __init__(self, venue: Virtual, number: int = 0, secret: str = "") -> None:
        self.venue, self.account = venue, venue.dialect.exchange.accounts[number]
        self.secret = secret or self.account.secret

    def _signed(self, text: str) -> str:
        return hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()

    def _headers(self, sent: str, at: int = 0, window: str = "5000") -> dict[str, str]:
        time = str(at or self.venue.now() // 10**6)
        about = {"X-BAPI-API-KEY": self.account.key, "X-BAPI-TIMESTAMP": time, "X-BAPI-RECV-WINDOW": window}
        return about | {"X-BAPI-SIGN": self._signed(f"{time}{self.account.key}{window}{sent}")}

    def get(self, path: str, **query):
        text = "&".join(f"{name}={value}" for name, value in query.items())
        return self.venue.request("GET", f"/v5/{path}?{text}", b"", self._headers(text))[1]

    def post(self, path: str, _at: int = 0, **params):
        body = json.dumps(params)
        return self.venue.request("POST", f"/v5/{path}", body.encode(), self._headers(body, _at))[1]

    def rows(self, path: str, **query):
        answer = self.get(path, **query)
        assert answer["retCode"] == 0, answer
        return answer["result"]["list"]

    def place(self, part: float = 0.99, side: str = "Buy", **changes):
        """A limit order at a part of the last price."""
        terms = {**LINEAR, "side": side, "orderType": "Limit", "qty": "0.010", "price": self.price(part), **changes}
        return self.post("order/create", **{name: value for name, value in terms.items() if value is not None})

    def market(self, side: str = "Buy", qty: str = "0.010", **more):
        return self.post("order/create", **LINEAR, side=side, orderType="Market", qty=qty, **more)

    def coins(self) -> dict[str, tuple[str, str]]:
        """By coin its balance, and how much of it orders of spot lock."""
        (wallet,) = self.rows("account/wallet-balance", accountType="UNIFIED")
        return {row["coin"]: (row["walletBalance"], row["locked"]) for row in wallet["coin"]}

    def spot(self, side: str, qty: str, price: str = "", **more):
        kind = {"orderType": "Limit", "price": price} if price else {"orderType": "Market"}
        return self.post("order/create", **SPOT, side=side, qty=qty, **kind, **more)

    def price(self, part: float) -> str:
        return f"{self.venue.dialect.exchange.listings[0].last / 10 * part:.1f}"

    def order(self, number: str):
        (row,) = self.rows("order/realtime", category="linear", orderId=number)
        return row

    def listen(self, path: str = "/v5/private", topics: tuple[str, ...] = ("order", "execution", "position", "wallet")):
        connection = self.venue.connect(path)
        if "public" not in path:
            until = self.venue.now() // 10**6 + 5000
            auth = {"op": "auth", "args": [self.account.key, until, self._signed(f"GET/realtime{until}")]}
            self.send(connection, auth)
        if topics:
            self.send(connection, {"op": "subscribe", "args": list(topics)})
        return connection

    def send(self, connection, request) -> None:
        self.venue.dialect.message(connection, json.dumps(request).encode(), self.venue.now())
        self.venue.settle()

    def say(self, connection, request) -> list:
        self.send(connection, request)
        return heard(connection)


def heard(connection, topic: str = "") -> list:
    """What has come since it was last asked; of a topic alone."""
    messages, connection.out = [json.loads(each) for each in connection.out], []
    return [each for each in messages if not topic or each.get("topic", "").startswith(topic)]


@pytest.fixture
def venue():
    return Virtual("bybit", limits=False)


@pytest.fixture
def client(venue):
    return Client(venue)


def code(answer) -> int:
    return answer["retCode"]


def test_a_request_is_signed_over_the_bytes_that_are_sent(venue, client):
    assert code(client.get("account/info")) == 0
    assert code(Client(venue, secret="0" * 64).get("account/info")) == 10004
    assert code(venue.request("GET", "/v5/account/info", b"", {})[1]) == 10003
    late = venue.now() // 10**6 - 6000
    assert code(client.post("order/cancel-all", late, **LINEAR)) == 10002
    assert code(client.post("order/cancel-all", venue.now() // 10**6 + 1500, **LINEAR)) == 10002


def test_the_market_is_there_by_rest(client):
    (row,) = client.rows("market/instruments-info", **LINEAR)
    assert (row["priceFilter"]["tickSize"], row["lotSizeFilter"]["qtyStep"]) == ("0.1", "0.001")
    assert row["fundingInterval"] == 480 and row["leverageFilter"]["maxLeverage"] == "100.00"
    assert client.rows("market/instruments-info", category="option") == []
    (ticker,) = client.rows("market/tickers", **LINEAR)
    assert float(ticker["bid1Price"]) < float(ticker["ask1Price"]) and float(ticker["markPrice"]) > 0
    book = client.get("market/orderbook", **LINEAR, limit=3)["result"]
    assert len(book["b"]) == len(book["a"]) == 3 and float(book["b"][0][0]) < float(book["a"][0][0])
    bars = client.rows("market/kline", **LINEAR, interval=1, limit=3)
    assert [int(bar[0]) for bar in bars] == sorted((int(bar[0]) for bar in bars), reverse=True) and len(bars) == 3
    assert len(client.rows("market/recent-trade", **LINEAR, limit=5)) == 5
    assert code(client.get("market/kline", **LINEAR, interval=7)) == 10001
    assert code(client.get("market/tickers", category="linear", symbol="NOPE")) == 10001
    assert code(client.get("market/tickers", category="nothing")) == 10001


def test_an_order_rests_is_amended_and_canceled(client):
    number = client.place(orderLinkId="a-1")["result"]["orderId"]
    row = client.order(number)
    assert (row["orderStatus"], row["orderLinkId"], row["leavesQty"]) == ("New", "a-1", "0.010")
    assert code(client.place(orderLinkId="a-1")) == 110072
    assert code(client.post("order/amend", **LINEAR, orderLinkId="a-1", qty="0.020")) == 0
    assert client.order(number)["qty"] == "0.020"
    assert code(client.post("order/amend", **LINEAR, orderId=number, qty="0.020")) == 10001
    assert code(client.post("order/cancel", **LINEAR, orderId=number)) == 0
    assert code(client.post("order/cancel", **LINEAR, orderLinkId="a-1")) == 110001
    (gone,) = client.rows("order/history", category="linear", orderId=number)
    assert (gone["orderStatus"], gone["cancelType"]) == ("Cancelled", "CancelByUser")
    assert client.rows("order/realtime", **LINEAR) == []


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"category": "option"}, 10001),
        ({"category": "nothing"}, 10001),
        ({"symbol": "NOPE"}, 10001),
        ({"side": "buy"}, 10001),
        ({"orderType": "Stop"}, 10001),
        ({"qty": "0.0105"}, 10001),
        ({"qty": "abc"}, 10001),
        ({"qty": None}, 10001),
        ({"price": "60000.05"}, 10001),
        ({"price": "nan"}, 10001),
        ({"timeInForce": "GTX"}, 10001),
        ({"timeInForce": "RPI"}, 110119),
        ({"positionIdx": 1}, 10001),
        ({"orderLinkId": "x" * 37}, 10001),
        ({"qty": "200"}, 110007),
        ({"price": "100", "qty": "0.001"}, 110094),
        ({"reduceOnly": True}, 110017),
        ({"triggerPrice": "1", "triggerDirection": 1}, 110092),
        ({"triggerPrice": "1000000", "triggerDirection": 2}, 110093),
        ({"takeProfit": "1"}, 10001),
    ],
)
def test_a_bad_order_is_refused_and_leaves_no_trace(client, changes, refused):
    assert code(client.place(**changes)) == refused
    assert client.rows("order/realtime", category="linear", settleCoin="USDT") == []


def test_what_the_engine_ends_was_acknowledged(client):
    """A post-only order that would take, and an order that finds no match at once."""
    connection = client.listen()
    crossing = client.place(1.01, timeInForce="PostOnly")["result"]["orderId"]
    missing = client.place(0.9, timeInForce="IOC")["result"]["orderId"]
    ends = {row["orderId"]: row for each in heard(connection, "order") for row in each["data"]}
    assert (ends[crossing]["orderStatus"], ends[crossing]["rejectReason"]) == (
        "Cancelled",
        "EC_PostOnlyWillTakeLiquidity",
    )
    assert (ends[missing]["orderStatus"], ends[missing]["rejectReason"]) == ("Cancelled", "EC_NoImmediateQtyToFill")


def test_a_market_order_opens_a_position_and_its_money_adds_up(client):
    connection = client.listen()
    client.market()
    messages = heard(connection)
    fills = [row for each in messages if each.get("topic") == "execution" for row in each["data"]]
    assert sum(float(row["execQty"]) for row in fills) == pytest.approx(0.01)
    (held,) = client.rows("position/list", **LINEAR)
    assert (held["side"], held["size"], held["positionIdx"]) == ("Buy", "0.010", 0)
    (wallet,) = client.rows("account/wallet-balance", accountType="UNIFIED")
    fees = sum(float(row["execFee"]) for row in fills)
    assert float(wallet["coin"][0]["walletBalance"]) == pytest.approx(100_000 - fees, abs=1e-7)
    logged = client.rows("account/transaction-log", accountType="UNIFIED")
    assert {row["type"] for row in logged} == {"TRADE", "TRANSFER_IN"}
    assert {each.get("topic") for each in messages} >= {"order", "execution", "position", "wallet"}
    listed = client.rows("execution/list", **LINEAR)
    assert [row["execId"] for row in listed] == [row["execId"] for row in reversed(fills)]


def test_a_conditional_order_keeps_its_id_and_is_listed_with_the_others(venue, client):
    last, numbers = venue.dialect.exchange.listings[0].last / 10, []
    for side, sign in (("Buy", 1), ("Sell", -1)):
        stop = {"triggerPrice": f"{last + sign:.1f}", "triggerDirection": 1 if sign > 0 else 2}
        numbers.append(client.place(side=side, price=None, orderType="Market", **stop)["result"]["orderId"])
    assert [client.order(number)["orderStatus"] for number in numbers] == ["Untriggered"] * 2
    assert client.rows("order/realtime", **LINEAR, orderFilter="Order") == []
    connection, ended = client.listen(), {}
    for _ in range(500):
        venue.wait(1)
        ended |= {row["orderId"]: row["orderStatus"] for each in heard(connection, "order") for row in each["data"]}
        if "Filled" in ended.values():
            break
    (number,) = (number for number, state in ended.items() if state == "Filled")
    assert number in numbers
    assert client.rows("order/history", category="linear", orderId=number)[0]["orderStatus"] == "Filled"


def test_take_profit_and_stop_loss_belong_to_the_position(client):
    client.market(takeProfit=client.price(1.05), stopLoss=client.price(0.95))
    (held,) = client.rows("position/list", **LINEAR)
    assert held["takeProfit"] and held["stopLoss"]
    kinds = {row["stopOrderType"]: row for row in client.rows("order/realtime", **LINEAR, orderFilter="StopOrder")}
    assert set(kinds) == {"TakeProfit", "StopLoss"} and kinds["StopLoss"]["createType"] == "CreateByStopLoss"
    moved = client.price(0.94)
    assert code(client.post("position/trading-stop", **LINEAR, positionIdx=0, stopLoss=moved)) == 0
    assert client.rows("position/list", **LINEAR)[0]["stopLoss"] == moved
    assert code(client.post("position/trading-stop", **LINEAR, positionIdx=0)) == 34040
    client.market("Sell", reduceOnly=True)
    assert client.rows("order/realtime", **LINEAR) == []
    assert code(client.post("position/trading-stop", **LINEAR, positionIdx=0, stopLoss=moved)) == 10001


def test_a_batch_is_carried_out_each_by_itself(client):
    one = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.010", "price": client.price(0.99)}
    answer = client.post("order/create-batch", category="linear", request=[one, {**one, "qty": "0"}, one])
    assert [each["code"] for each in answer["retExtInfo"]["list"]] == [0, 10001, 0]
    assert [bool(row["orderId"]) for row in answer["result"]["list"]] == [True, False, True]
    ids = [{"symbol": "BTCUSDT", "orderId": row["orderId"]} for row in answer["result"]["list"] if row["orderId"]]
    assert code(client.post("order/cancel-batch", category="linear", request=ids)) == 0
    assert client.rows("order/realtime", **LINEAR) == []
    assert code(client.post("order/create-batch", category="linear", request=[])) == 10001


def test_all_orders_are_canceled_or_those_of_a_kind(client):
    stop = {"triggerPrice": client.price(1.05), "triggerDirection": 1, "price": None, "orderType": "Market"}
    client.place()
    client.place(**stop)
    assert len(client.post("order/cancel-all", **LINEAR, orderFilter="StopOrder")["result"]["list"]) == 1
    client.place(**stop)
    assert len(client.post("order/cancel-all", category="linear", settleCoin="USDT")["result"]["list"]) == 2
    assert code(client.post("order/cancel-all", category="linear")) == 10001


def test_hedge_mode_has_a_position_for_each_side(client):
    assert code(client.post("position/switch-mode", category="linear", coin="USDT", mode=3)) == 0
    assert code(client.post("position/switch-mode", category="linear", coin="USDT", mode=3)) == 0
    assert code(client.post("position/switch-mode", **LINEAR, mode=3)) == 110025
    client.market("Buy", positionIdx=1)
    client.market("Sell", "0.020", positionIdx=2)
    held = {row["positionIdx"]: (row["side"], row["size"]) for row in client.rows("position/list", **LINEAR)}
    assert held == {1: ("Buy", "0.010"), 2: ("Sell", "0.020")}
    assert code(client.market("Buy")) == 10001
    assert code(client.post("position/switch-mode", category="linear", coin="USDT", mode=0)) == 110024


def test_isolated_margin_is_a_mode_of_the_account(client):
    def mode():
        return client.get("account/info")["result"]["marginMode"]

    def set_mode(name):
        return code(client.post("account/set-margin-mode", setMarginMode=name))

    def position():
        (row,) = client.rows("position/list", **LINEAR)
        return row

    def available():
        (row,) = client.rows("account/wallet-balance", accountType="UNIFIED")
        return row["totalAvailableBalance"]

    client.post("position/set-leverage", **LINEAR, buyLeverage="5", sellLeverage="5")
    assert (mode(), set_mode("REGULAR_MARGIN"), set_mode("PORTFOLIO_MARGIN")) == ("REGULAR_MARGIN", 0, 3400045)
    client.market("Buy")
    assert position()["liqPrice"] == "" and float(available()) > 0  # a hundred thousand dollars carry a hundredth
    assert set_mode("ISOLATED_MARGIN") == 3400045 and mode() == "REGULAR_MARGIN"
    client.market("Sell", reduceOnly=True)
    assert set_mode("ISOLATED_MARGIN") == 0 and mode() == "ISOLATED_MARGIN"
    client.market("Buy")
    row = position()
    price, size = float(row["avgPrice"]), float(row["size"])
    margin, owed = float(row["positionBalance"]), float(row["positionMM"])
    assert margin == pytest.approx(price * size / 5, rel=0.01)
    assert float(row["liqPrice"]) == pytest.approx(price - (margin - owed) / size, rel=0.002)
    assert available() == ""


def test_money_moves_between_the_unified_and_the_funding_account(client):
    def held():
        (coin,) = client.get("asset/transfer/query-account-coins-balance", accountType="FUND")["result"]["balance"] or [
            {}
        ]
        wallet = {row["coin"]: float(row["walletBalance"]) for row in client.rows("account/wallet-balance")[0]["coin"]}
        return wallet["USDT"], float(coin.get("walletBalance", 0))

    before, ids = held(), [str(UUID(int=n)) for n in range(3)]
    way = {"coin": "USDT", "amount": "100.5", "fromAccountType": "UNIFIED", "toAccountType": "FUND"}
    made = client.post("asset/transfer/inter-transfer", **way, transferId=ids[0])
    assert made["result"] == {"transferId": ids[0], "status": "SUCCESS"}
    assert held() == (before[0] - 100.5, before[1] + 100.5)
    assert code(client.post("asset/transfer/inter-transfer", **way, transferId=ids[0])) == 131214  # an id counts once
    back = {**way, "amount": "40", "fromAccountType": "FUND", "toAccountType": "UNIFIED"}
    assert code(client.post("asset/transfer/inter-transfer", **back, transferId=ids[1])) == 0
    assert held() == (before[0] - 60.5, before[1] + 60.5)
    for wrong, number in ({"amount": "61"}, 131212), ({"toAccountType": "FUND"}, 131203), ({"coin": "XYZ"}, 131203):
        refused = client.post("asset/transfer/inter-transfer", **{**back, **wrong}, transferId=ids[2])
        assert code(refused) == number
    rows = client.rows("asset/transfer/query-inter-transfer-list", coin="USDT")
    assert [(row["transferId"], row["amount"]) for row in rows] == [(ids[1], "40"), (ids[0], "100.5")]
    assert len(client.rows("asset/transfer/query-inter-transfer-list", transferId=ids[0])) == 1
    log = [(row["type"], row["change"]) for row in client.rows("account/transaction-log")]
    assert log[:2] == [("TRANSFER_IN", "40"), ("TRANSFER_OUT", "-100.5")]


def test_leverage_is_a_setting_of_a_symbol(client):
    terms = {**LINEAR, "buyLeverage": "5", "sellLeverage": "5"}
    assert [code(client.post("position/set-leverage", **terms)) for _ in range(2)] == [0, 110043]
    assert client.rows("position/list", **LINEAR)[0]["leverage"] == "5"
    assert code(client.post("position/set-leverage", **{**terms, "sellLeverage": "6"})) != 0
    assert code(client.post("position/set-leverage", **{**terms, "buyLeverage": "x"})) == 10001


def test_lists_have_pages_that_new_rows_do_not_shift(client):
    numbers = [client.place(0.99 - n / 1000)["result"]["orderId"] for n in range(5)]
    first = client.get("order/realtime", **LINEAR, limit=2)["result"]
    client.place(0.9)
    second = client.get("order/realtime", **LINEAR, limit=3, cursor=first["nextPageCursor"])["result"]
    found = [row["orderId"] for row in (*first["list"], *second["list"])]
    assert found == numbers[::-1] and second["nextPageCursor"] == ""
    assert code(client.get("order/realtime", **LINEAR, cursor="what")) == 10001
    begin = client.venue.now() // 10**6 - 8 * 24 * 3600 * 1000
    late = client.get("execution/list", category="linear", startTime=begin, endTime=client.venue.now() // 10**6)
    assert code(late) == 10001


def test_a_second_has_so_many_orders_and_five_so_many_requests():
    venue = Virtual("bybit")
    client = Client(venue)
    codes = [code(client.place(0.9)) for _ in range(12)]
    assert codes == [0] * 10 + [10006] * 2
    venue.wait(1)
    assert code(client.place(0.9)) == 0
    for _ in range(620):
        status, _, _ = venue.request("GET", "/v5/market/time", b"", {})
    assert status == 403
    venue.wait(6)
    assert venue.request("GET", "/v5/market/time", b"", {})[0] == 403


def test_the_market_is_streamed(venue, client):
    connection = client.listen(
        "/v5/public/linear",
        ("orderbook.1.BTCUSDT", "orderbook.50.BTCUSDT", "publicTrade.BTCUSDT", "tickers.BTCUSDT", "kline.1.BTCUSDT"),
    )
    answer, *first = heard(connection)
    assert (answer["success"], answer["op"]) == (True, "subscribe")
    assert [each["topic"].partition(".")[0] for each in first[:3]] == ["orderbook", "orderbook", "tickers"]
    assert all(each["type"] == "snapshot" for each in first)
    book = {side: dict(map(tuple, first[1]["data"][side])) for side in "ba"}
    update = first[1]["data"]["u"]
    kinds = set()
    for _ in range(200):
        venue.wait(0.5)
        for each in heard(connection):
            kinds.add(each["topic"].partition(".")[0])
            if each["topic"] == "orderbook.50.BTCUSDT":
                assert each["type"] == "delta" and each["data"]["u"] == update + 1
                update += 1
                for side in "ba":
                    for price, size in each["data"][side]:
                        if size == "0":
                            del book[side][price]  # what is removed was there
                        else:
                            book[side][price] = size
        if len(kinds) == 4:
            break
    assert kinds == {"orderbook", "publicTrade", "tickers", "kline"}
    best = client.get("market/orderbook", **LINEAR, limit=50)["result"]
    venue.wait(0.1)
    assert max(map(float, book["b"])) == pytest.approx(float(best["b"][0][0]), abs=5)
    assert len(book["b"]) == len(book["a"]) == 50


def test_a_wrong_subscription_is_refused_with_all_of_its_request(client):
    connection = client.listen("/v5/public/linear", ("orderbook.1.BTCUSDT", "orderbook.7.BTCUSDT"))
    (answer,) = heard(connection)
    assert answer["success"] is False and "orderbook.7" in answer["ret_msg"]
    strange = client.venue.connect("/v5/private")  # without a signature
    (refused,) = client.say(strange, {"op": "subscribe", "args": ["order"]})
    assert refused["success"] is False


def test_orders_by_websocket_have_the_same_answers(client):
    connection = client.listen("/v5/trade", ())
    assert heard(connection)[0]["retCode"] == 0
    header = {"X-BAPI-TIMESTAMP": str(client.venue.now() // 10**6)}
    order = {**LINEAR, "side": "Buy", "orderType": "Limit", "qty": "0.010", "price": client.price(0.99)}
    request = {"reqId": "1", "header": header, "op": "order.create", "args": [{**order, "orderLinkId": "w"}]}
    (made,) = client.say(connection, request)
    assert (made["retCode"], made["reqId"], made["data"]["orderLinkId"]) == (0, "1", "w")
    (twice,) = client.say(connection, request)
    assert twice["retCode"] == 20006
    (repeated,) = client.say(connection, {**request, "reqId": "2"})
    assert repeated["retCode"] == 110072
    cancel = {"reqId": "3", "header": header, "op": "order.cancel", "args": [{**LINEAR, "orderLinkId": "w"}]}
    (gone,) = client.say(connection, cancel)
    assert gone["retCode"] == 0
    (unknown,) = client.say(connection, {**cancel, "reqId": "4", "op": "order.nothing"})
    assert unknown["retCode"] == 10404
    (pong,) = client.say(connection, {"op": "ping"})
    assert pong["op"] == "pong"


def test_a_silent_client_is_cut_off(venue, client):
    connection = client.listen("/v5/public/linear", ("tickers.BTCUSDT",))
    venue.wait(601)
    assert connection.closed


def test_funding_is_paid_every_eight_hours(venue, client):
    client.market()
    venue.dialect.exchange.clearing.fund(0, venue.time, 100_000_000)
    venue.settle()
    rows = [row for row in client.rows("account/transaction-log", accountType="UNIFIED") if row["type"] == "SETTLEMENT"]
    assert len(rows) == 1 and float(rows[0]["change"]) < 0 and rows[0]["symbol"] == "BTCUSDT"


# --- spot -----------------------------------------------------------------------------------------


def test_spot_is_listed_beside_the_perpetual_of_the_same_name(client):
    (spot,), (linear,) = (client.rows("market/instruments-info", **of) for of in (SPOT, LINEAR))
    assert spot["lotSizeFilter"]["basePrecision"] == "0.000001" and "contractType" not in spot
    assert linear["contractType"] == "LinearPerpetual"
    (ticker,) = client.rows("market/tickers", **SPOT)
    assert float(ticker["bid1Price"]) < float(ticker["ask1Price"]) and "markPrice" not in ticker
    assert len(client.get("market/orderbook", **SPOT)["result"]["b"]) == 1
    assert (
        client.get("market/orderbook", **SPOT)["result"]["b"] != client.get("market/orderbook", **LINEAR)["result"]["b"]
    )
    assert len(client.rows("market/recent-trade", **SPOT, limit=900)) <= 60
    for path in ("market/funding/history", "market/open-interest", "market/risk-limit", "position/list"):
        assert code(client.get(path, **SPOT)) == 10001, path
    assert code(client.post("position/set-leverage", **SPOT, buyLeverage="2", sellLeverage="2")) == 10001


def test_a_purchase_moves_coins_and_its_fee_is_taken_from_them(client):
    connection = client.listen()
    number = client.spot("Buy", "0.010000", marketUnit="baseCoin", orderLinkId="s-1")["result"]["orderId"]
    messages = heard(connection)
    assert number.isdigit()
    (ended,) = [row for each in messages for row in each.get("data", ()) if row.get("orderStatus") == "Filled"]
    fills = [row for each in messages if each.get("topic") == "execution" for row in each["data"]]
    assert {(row["category"], row["feeCurrency"], row["execId"].isdigit()) for row in fills} == {("spot", "BTC", True)}
    fees = sum(float(row["execFee"]) for row in fills)
    assert fees == pytest.approx(0.00001) and float(ended["cumFeeDetail"]["BTC"]) == pytest.approx(fees)
    assert not any(each.get("topic") == "position" for each in messages)
    coins = client.coins()
    assert float(coins["BTC"][0]) == pytest.approx(1.01 - fees)
    assert float(coins["USDT"][0]) == pytest.approx(100_000 - sum(float(row["execValue"]) for row in fills), abs=1e-7)
    client.spot("Sell", "0.010000")
    (sold, *_) = client.rows("execution/list", **SPOT)
    assert sold["feeCurrency"] == "USDT" and client.rows("execution/list", **LINEAR) == []


def test_a_purchase_at_the_market_is_an_amount_of_the_quote_coin_unless_it_says_otherwise(client):
    number = client.spot("Buy", "100")["result"]["orderId"]
    (row,) = client.rows("order/history", category="spot", orderId=number)
    assert (row["qty"], row["marketUnit"]) == ("100", "quoteCoin") and 99 < float(row["cumExecValue"]) <= 100
    assert code(client.spot("Buy", "0.01")) == 170140


def test_orders_of_spot_lock_coins_until_they_end(client):
    number = client.spot("Sell", "0.500000", "90000.0", orderLinkId="s-2")["result"]["orderId"]
    client.spot("Buy", "0.100000", "50000.0", orderLinkId="s-3")
    assert client.coins() == {"USDT": ("100000", "5000"), "BTC": ("1", "0.5")}
    assert code(client.spot("Sell", "0.500001", "90000.0")) == 170131
    assert code(client.spot("Sell", "0.1", "90000.0", orderLinkId="s-2")) == 170141
    assert code(client.post("order/amend", **SPOT, orderId=number, qty="0.400000")) == 0
    assert client.coins()["BTC"] == ("1", "0.4")
    assert code(client.post("order/cancel", **LINEAR, orderId=number)) == 110001  # of another category
    assert [row["orderLinkId"] for row in client.rows("order/realtime", category="spot")] == ["s-3", "s-2"]
    assert client.rows("order/realtime", category="linear", settleCoin="USDT") == []
    client.place()
    assert len(client.post("order/cancel-all", category="spot")["result"]["list"]) == 2
    assert len(client.rows("order/realtime", **LINEAR)) == 1
    assert code(client.post("order/cancel", **SPOT, orderLinkId="s-2")) == 170213
    assert client.coins() == {"USDT": ("100000", "0"), "BTC": ("1", "0")}


@pytest.mark.parametrize(
    "changes",
    [
        {"reduceOnly": True},
        {"triggerPrice": "50000.0", "triggerDirection": 2},
        {"takeProfit": "90000"},
        {"isLeverage": 1},
        {"orderFilter": "tpslOrder"},
        {"positionIdx": 1},
    ],
)
def test_what_spot_does_not_have_is_refused_by_name(client, changes):
    assert code(client.spot("Buy", "0.010000", "50000.0", **changes)) == 10001
    assert client.rows("order/realtime", category="spot") == []


def test_spot_trades_in_hedge_mode_too_and_does_not_keep_from_it(client):
    client.spot("Buy", "0.010000", marketUnit="baseCoin")
    assert code(client.post("position/switch-mode", category="linear", coin="USDT", mode=3)) == 0
    assert code(client.spot("Sell", "0.010000")) == 0
    assert code(client.market(positionIdx=1)) == 0


def test_spot_is_streamed_at_an_address_of_its_own(venue, client):
    topics = ("orderbook.50.BTCUSDT", "tickers.BTCUSDT", "publicTrade.BTCUSDT")
    connections = [client.listen(f"/v5/public/{each}", topics) for each in ("spot", "linear")]
    for _ in range(10):
        venue.wait(0.2)
    spot, linear = (heard(each) for each in connections)
    books = [next(each for each in of if each.get("topic") == topics[0])["data"]["b"] for of in (spot, linear)]
    assert books[0] != books[1]
    tickers = [[each for each in of if each.get("topic") == topics[1]] for of in (spot, linear)]
    assert {each["type"] for each in tickers[0]} == {"snapshot"} and "lastPrice" in tickers[0][-1]["data"]
    assert {each["type"] for each in tickers[1]} == {"snapshot", "delta"}
    many = client.listen(
        "/v5/public/spot", tuple(f"kline.{each}.BTCUSDT" for each in (1, 3, 5, 15, 30, 60, 120, 240, 360, 720, "D"))
    )
    (answer,) = heard(many)
    assert not answer["success"] and "args size" in answer["ret_msg"]


def test_a_topic_of_a_category_has_the_news_of_that_category_alone(client):
    connection = client.listen(topics=("order.spot",))
    client.place()
    client.spot("Buy", "0.010000", "50000.0")
    assert [row["category"] for each in heard(connection, "order.spot") for row in each["data"]] == ["spot"]


def test_a_batch_of_spot_has_ten_orders(client):
    order = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.001000", "price": "50000.0"}
    assert code(client.post("order/create-batch", category="spot", request=[order] * 11)) == 10001
    assert len(client.post("order/create-batch", category="spot", request=[order] * 10)["result"]["list"]) == 10


# --- contracts in coin ----------------------------------------------------------------------------


def test_a_contract_in_coin_has_whole_dollars_and_its_money_in_the_coin(client):
    (row,) = client.rows("market/instruments-info", **INVERSE)
    assert (row["contractType"], row["settleCoin"], row["lotSizeFilter"]["qtyStep"]) == ("InversePerpetual", "BTC", "1")
    connection = client.listen()
    assert code(client.post("order/create", **INVERSE, side="Buy", orderType="Market", qty="0.5")) == 10001
    number = client.post("order/create", **INVERSE, side="Buy", orderType="Market", qty="6000")["result"]["orderId"]
    messages = heard(connection)
    fills = [row for each in messages if each.get("topic") == "execution" for row in each["data"]]
    assert sum(int(row["execQty"]) for row in fills) == 6000 and {row["feeCurrency"] for row in fills} == {"BTC"}
    worth = sum(int(row["execQty"]) / float(row["execPrice"]) for row in fills)
    fees = sum(float(row["execFee"]) for row in fills)
    assert fees == pytest.approx(worth * 0.00055, abs=1e-7)
    (order,) = client.rows("order/history", category="inverse", orderId=number)
    assert float(order["cumExecValue"]) == pytest.approx(worth, abs=1e-7)
    assert float(order["avgPrice"]) == pytest.approx(6000 / worth, abs=0.2)
    (held,) = client.rows("position/list", category="inverse")
    assert (held["symbol"], held["size"]) == ("BTCUSD", "6000")
    assert float(held["positionValue"]) == pytest.approx(worth, rel=0.01)
    assert client.rows("position/list", category="linear", settleCoin="USDT") == []
    client.post("order/create", **INVERSE, side="Sell", orderType="Market", qty="6000", reduceOnly=True)
    fills = client.rows("execution/list", **INVERSE)
    gained = sum(float(row["execPnl"]) - float(row["execFee"]) for row in fills)
    assert float(client.coins()["BTC"][0]) == pytest.approx(1 + gained, abs=1e-7)
    assert client.coins()["USDT"] == ("100000", "0")


def test_a_topic_of_positions_names_their_category(client):
    connection = client.listen(topics=("position.inverse",))
    client.market()
    client.post("order/create", **INVERSE, side="Sell", orderType="Market", qty="100")
    assert {row["symbol"] for each in heard(connection, "position") for row in each["data"]} == {"BTCUSD"}


def test_spot_has_a_pool_of_requests_of_its_own():
    client = Client(Virtual("bybit"))
    order = {"orderType": "Limit", "qty": "0.001000", "price": "50000.0", "side": "Buy"}
    linear = [code(client.post("order/create", **LINEAR, **{**order, "qty": "0.001"})) for _ in range(11)]
    spot = [code(client.post("order/create", **SPOT, **order)) for _ in range(21)]
    assert (linear.count(0), linear[-1], spot.count(0), spot[-1]) == (10, 10006, 20, 10006)
