"""The simulated Binance spot, as its documentation describes the venue: docs/reference/binance-spot.md names the
sources."""

from __future__ import annotations

import hashlib
import hmac
import json
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest

from exchange.venue_client import HISTORY, BinanceClient, Virtual, heard, ok
from onetape.exchange.control import Control
from onetape.exchange.faulty import Faulty
from onetape.exchange.order_entry import NewOrder
from onetape.exchange.venues import Crowd, open_venue
from onetape.model.enums import OrderType, Side

LISTS = "/api/v3/orderList"
MATCHES = "Order would immediately match and take."
ORDER, AMEND, REPLACE = "/api/v3/order", "/api/v3/order/amend/keepPriority", "/api/v3/order/cancelReplace"


class Client(BinanceClient):
    """An account that asks by REST and by the WebSocket API."""

    def __init__(self, venue: Virtual, number: int = 0) -> None:
        self.venue, self.account = venue, venue.dialect.exchange.accounts[number]
        super().__init__(venue, self.account.key, self.account.secret)

    def price(self, part: float) -> str:
        return f"{self.venue.dialect.exchange.listings[0].last / 100 * part:.2f}"

    def place(self, part: float = 0.9, **more):
        """A limit order at a part of the last price."""
        usual = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
        wanted = {**usual, "price": self.price(part), **more}
        return self.ask("POST", ORDER, **{name: text for name, text in wanted.items() if text is not None})

    def market(self, side: str, quantity: str = "0.01", **more):
        usual = {"symbol": "BTCUSDT", "side": side, "type": "MARKET", "quantity": quantity}
        return ok(self.ask("POST", ORDER, **usual | more))

    def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        rows = ok(self.ask("GET", "/api/v3/account"))["balances"]
        return {row["asset"]: (Decimal(row["free"]), Decimal(row["locked"])) for row in rows}

    # --- the WebSocket API ------------------------------------------------------------------------

    def connect(self) -> None:
        self.socket = self.venue.connect("/ws-api/v3")

    def call(self, method: str, *, signed: bool = True, **params):
        if signed:
            params |= {"apiKey": self.key, "timestamp": self.venue.now() // 1_000_000}
            text = "&".join(f"{name}={params[name]}" for name in sorted(params))
            params["signature"] = hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        request = {"id": "x1", "method": method, "params": params}
        self.venue.dialect.message(self.socket, json.dumps(request).encode(), self.venue.time)
        found = [each for each in heard(self.socket) if "id" in each]
        self.venue.settle()
        (answer,) = found
        return answer

    def events(self) -> list[dict]:
        return [each["event"] for each in heard(self.socket) if "event" in each]


@pytest.fixture
def venue() -> Virtual:
    return Virtual("binance-spot")


@pytest.fixture
def client(venue) -> Client:
    return Client(venue)


def locked(price: str) -> Decimal:
    """What a hundredth of a coin locks: its cost, and here a fee as well."""
    return Decimal(price) / 100 * Decimal("1.001")


def refused(answer) -> tuple[int, str]:
    status, body = answer
    assert status >= 400, body
    return body["code"], body["msg"]


# --- requests -------------------------------------------------------------------------------------


def test_a_signature_is_over_the_percent_encoded_text(venue, client):
    text = "symbol=%EF%BC%91&timestamp=" + str(venue.now() // 1_000_000)
    for signed, wanted in ((text, -1121), (text.replace("%EF%BC%91", "１"), -1022)):
        digest = hmac.new(client.secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
        headers = {"X-MBX-APIKEY": client.key}
        status, body, _ = venue.request("GET", f"/api/v3/openOrders?{text}&signature={digest}", b"", headers)
        assert (status, body["code"]) == (400, wanted)


def test_parameters_of_a_form_are_signed_with_those_of_the_query(venue, client):
    query, form = "symbol=BTCUSDT&side=BUY&type=MARKET", "quantity=0.01&timestamp=" + str(venue.now() // 1_000_000)
    digest = hmac.new(client.secret.encode(), (query + form).encode(), hashlib.sha256).hexdigest()
    headers = {"X-MBX-APIKEY": client.key, "Content-Type": "application/x-www-form-urlencoded"}
    body = f"{form}&signature={digest}".encode()
    status, answer, _ = venue.request("POST", f"{ORDER}?{query}", body, headers)
    assert (status, answer["status"]) == (200, "FILLED")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_listen_key_is_gone_with_a_page(client, method):
    status, page = client.ask(method, "/api/v3/userDataStream", signed=False)
    assert status == 410 and "410 Gone" in page


def test_an_unknown_path_is_no_json(client):
    status, page = client.ask("GET", "/api/v3/nothing", signed=False)
    assert status == 404 and "404" in page


def test_a_request_of_another_time_is_refused(client):
    client.ahead = 1500
    assert refused(client.ask("GET", "/api/v3/account"))[0] == -1021
    client.ahead = -6000
    assert refused(client.ask("GET", "/api/v3/account"))[0] == -1021
    assert ok(client.ask("GET", "/api/v3/account", recvWindow="7000.123"))["accountType"] == "SPOT"


# --- orders ---------------------------------------------------------------------------------------


def test_the_engine_answers_an_order_with_its_fills(client):
    before = client.balances()
    answer = client.market("BUY")
    assert (answer["status"], answer["executedQty"]) == ("FILLED", "0.01000000")
    (fill,) = answer["fills"]
    assert (fill["commission"], fill["commissionAsset"]) == ("0.00001000", "BTC")
    after = client.balances()
    assert after["BTC"][0] - before["BTC"][0] == Decimal("0.00999")
    assert before["USDT"][0] - after["USDT"][0] == Decimal(answer["cummulativeQuoteQty"])
    (fill,) = client.market("SELL")["fills"]
    assert fill["commissionAsset"] == "USDT"
    rows = ok(client.ask("GET", "/api/v3/myTrades", symbol="BTCUSDT"))
    assert [(row["isBuyer"], row["commissionAsset"]) for row in rows] == [(True, "BTC"), (False, "USDT")]


def test_a_market_order_may_name_its_cost(client):
    answer = ok(client.ask("POST", ORDER, symbol="BTCUSDT", side="BUY", type="MARKET", quoteOrderQty="1000"))
    assert 990 < Decimal(answer["cummulativeQuoteQty"]) <= 1000
    assert answer["origQuoteOrderQty"] == "1000.00000000"


def test_an_account_may_pay_its_fees_in_bnb_at_a_discount(client):
    client.connect()
    client.call("userDataStream.subscribe.signature")
    first = client.market("BUY")["fills"][0]
    assert first["commissionAsset"] == "BTC"
    assert ok(client.ask("GET", "/sapi/v1/bnbBurn")) == {"spotBNBBurn": False, "interestBNBBurn": False}
    assert refused(client.ask("POST", "/sapi/v1/bnbBurn", spotBNBBurn="yes"))[0] == -1130
    assert ok(client.ask("POST", "/sapi/v1/bnbBurn", spotBNBBurn="true"))["spotBNBBurn"] is True
    before = client.balances()
    client.events()
    answer = client.market("BUY")
    after, fee = client.balances(), sum(Decimal(each["commission"]) for each in answer["fills"])
    assert {each["commissionAsset"] for each in answer["fills"]} == {"BNB"} and fee > 0
    assert before["BNB"][0] - after["BNB"][0] == fee
    assert after["BTC"][0] - before["BTC"][0] == Decimal("0.01")
    price = Decimal(ok(client.ask("GET", "/api/v3/ticker/price", symbol="BNBUSDT"))["price"])
    usual = Decimal(answer["cummulativeQuoteQty"]) / 1000
    assert abs(fee * price / usual - Decimal("0.75")) < Decimal("0.01")
    trade = ok(client.ask("GET", "/api/v3/myTrades", symbol="BTCUSDT"))[-1]
    assert trade["commissionAsset"] == "BNB"
    events = client.events()
    assert [each["N"] for each in events if each["e"] == "executionReport" and each["x"] == "TRADE"][-1] == "BNB"
    moved = [row for each in events if each["e"] == "outboundAccountPosition" for row in each["B"] if row["a"] == "BNB"]
    assert Decimal(moved[-1]["f"]) == after["BNB"][0]
    sold = client.market("SELL")
    assert client.balances()["USDT"][0] - after["USDT"][0] == Decimal(sold["cummulativeQuoteQty"])


def test_fees_are_the_usual_ones_where_there_is_not_enough_bnb(client):
    ok(client.ask("POST", "/sapi/v1/bnbBurn", spotBNBBurn="true"))
    held = client.balances()["BNB"][0]
    sold = client.market("SELL", f"{held - Decimal('0.001'):.3f}", symbol="BNBUSDT")
    assert {each["commissionAsset"] for each in sold["fills"]} <= {"USDT", "BNB"}
    assert client.balances()["BNB"][0] >= 0
    assert {each["commissionAsset"] for each in client.market("BUY", "0.5")["fills"]} == {"BTC"}


def test_an_order_locks_what_it_may_cost_and_a_cancel_frees_it(client):
    status, answer = client.place(newClientOrderId="mine")
    assert (status, answer["status"], answer["fills"]) == (200, "NEW", [])
    assert client.balances()["USDT"] == (100_000 - locked(client.price(0.9)), locked(client.price(0.9)))
    canceled = ok(client.ask("DELETE", ORDER, symbol="BTCUSDT", origClientOrderId="mine"))
    assert (canceled["status"], canceled["origClientOrderId"]) == ("CANCELED", "mine")
    assert canceled["clientOrderId"] != "mine"
    assert client.balances()["USDT"] == (100_000, 0)
    assert refused(client.ask("DELETE", ORDER, symbol="BTCUSDT", origClientOrderId="mine"))[0] == -2011
    assert ok(client.ask("GET", ORDER, symbol="BTCUSDT", origClientOrderId="mine"))["status"] == "CANCELED"


REFUSALS = {
    "funds": ({"quantity": "100"}, -2010, "Account has insufficient balance for requested action."),
    "step": ({"quantity": "0.010001"}, -1013, "Filter failure: LOT_SIZE"),
    "precision": ({"quantity": "0.0100000001"}, -1111, "Parameter 'quantity' has too much precision."),
    "tick": ({"price": "50000.001"}, -1013, "Filter failure: PRICE_FILTER"),
    "notional": ({"quantity": "0.00005"}, -1013, "Filter failure: NOTIONAL"),
    "band": ({"price": "1.00"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    "type": ({"type": "STOP"}, -1116, "Invalid orderType."),
    "time in force": ({"timeInForce": "GTD"}, -1115, "Invalid timeInForce."),
    "no time in force": ({"timeInForce": None}, -1102, ""),
    "side": ({"side": "LONG"}, -1117, "Invalid side."),
    "symbol": ({"symbol": "NONE"}, -1121, "Invalid symbol."),
    "client id": ({"newClientOrderId": "with space"}, -1100, ""),
    "iceberg": ({"icebergQty": "0.001"}, -2010, "Iceberg orders are not supported for this symbol."),
    "trailing": ({"trailingDelta": "100"}, -2010, "Trailing stop orders are not supported for this symbol."),
    "mode": ({"selfTradePreventionMode": "TRANSFER"}, -2010, ""),
    "answer": ({"newOrderRespType": "ALL"}, -1136, ""),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_an_order_is_refused_with_code_and_text_and_leaves_no_trace(client, name):
    more, code, text = REFUSALS[name]
    found, said = refused(client.place(**more))
    assert found == code and text in said
    assert ok(client.ask("GET", "/api/v3/allOrders", symbol="BTCUSDT")) == []


def test_a_post_only_order_never_takes(client):
    more = {"type": "LIMIT_MAKER", "timeInForce": None}
    assert refused(client.place(1.1, **more)) == (-2010, "Order would immediately match and take.")
    assert ok(client.place(0.9, **more))["orderId"] > 0


@pytest.mark.parametrize("tif", ["IOC", "FOK"])
def test_what_cannot_be_filled_at_once_expires(client, tif):
    answer = ok(client.place(0.9, timeInForce=tif))
    assert (answer["status"], answer["executedQty"]) == ("EXPIRED", "0.00000000")


def test_a_client_id_is_taken_while_its_order_works(client):
    ok(client.place(newClientOrderId="one"))
    assert refused(client.place(newClientOrderId="one")) == (-2010, "Duplicate order sent.")
    ok(client.ask("DELETE", ORDER, symbol="BTCUSDT", origClientOrderId="one"))
    first = ok(client.place(newClientOrderId="one"))
    assert ok(client.ask("GET", ORDER, symbol="BTCUSDT", origClientOrderId="one"))["orderId"] == first["orderId"]
    other = ok(client.place(newClientOrderId="two"))["orderId"]
    both = {"symbol": "BTCUSDT", "orderId": other, "origClientOrderId": "one"}
    assert refused(client.ask("GET", ORDER, **both))[0] == -2039


def test_an_amendment_only_takes_a_smaller_quantity_and_another_id_unless_its_own_is_sent(client):
    ok(client.place(newClientOrderId="one", quantity="0.02"))
    named = {"symbol": "BTCUSDT", "origClientOrderId": "one", "newClientOrderId": "one"}
    amended = ok(client.ask("PUT", AMEND, **named, newQty="0.01"))["amendedOrder"]
    assert (amended["qty"], amended["clientOrderId"]) == ("0.01000000", "one")
    for qty in ("0.01", "0.02"):
        assert refused(client.ask("PUT", AMEND, **named, newQty=qty))[0] == -2038
    amended = ok(client.ask("PUT", AMEND, symbol="BTCUSDT", origClientOrderId="one", newQty="0.009"))["amendedOrder"]
    assert amended["origClientOrderId"] == "one" != amended["clientOrderId"]
    rows = ok(client.ask("GET", "/api/v3/order/amendments", symbol="BTCUSDT", orderId=amended["orderId"]))
    assert [row["newQty"] for row in rows] == ["0.01000000", "0.00900000"]
    for number in range(8):
        ok(client.ask("PUT", AMEND, symbol="BTCUSDT", orderId=amended["orderId"], newQty=f"0.00{80 - number}"))
    last = client.ask("PUT", AMEND, symbol="BTCUSDT", orderId=amended["orderId"], newQty="0.007")
    assert refused(last) == (-1013, "Filter failure: MAX_NUM_ORDER_AMENDS")


def test_a_cancel_may_ask_for_an_order_without_or_with_fills(client):
    ok(client.place(newClientOrderId="one"))
    named = {"symbol": "BTCUSDT", "origClientOrderId": "one"}
    wrong = client.ask("DELETE", ORDER, **named, cancelRestrictions="ONLY_PARTIALLY_FILLED")
    assert refused(wrong) == (-2011, "Order was not canceled due to cancel restrictions.")
    assert ok(client.ask("DELETE", ORDER, **named, cancelRestrictions="ONLY_NEW"))["status"] == "CANCELED"


def test_all_orders_of_a_symbol_are_canceled_and_none_is_a_refusal(client):
    ok(client.place())
    ok(client.place(0.8))
    rows = ok(client.ask("DELETE", "/api/v3/openOrders", symbol="BTCUSDT"))
    assert [row["status"] for row in rows] == ["CANCELED", "CANCELED"]
    assert refused(client.ask("DELETE", "/api/v3/openOrders", symbol="BTCUSDT"))[0] == -2011


@pytest.mark.parametrize(
    ("mode", "canceled", "funded", "results", "code"),
    [
        ("STOP_ON_FAILURE", True, True, ("SUCCESS", "SUCCESS"), 200),
        ("STOP_ON_FAILURE", False, True, ("FAILURE", "NOT_ATTEMPTED"), -2022),
        ("ALLOW_FAILURE", False, True, ("FAILURE", "SUCCESS"), -2021),
        ("STOP_ON_FAILURE", True, False, ("SUCCESS", "FAILURE"), -2021),
        ("ALLOW_FAILURE", False, False, ("FAILURE", "FAILURE"), -2022),
    ],
)
def test_a_replacement_has_two_halves(client, mode, canceled, funded, results, code):
    ok(client.place(newClientOrderId="old"))
    new = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01" if funded else "90"}
    named = {"cancelReplaceMode": mode, "cancelOrigClientOrderId": "old" if canceled else "other"}
    status, body = client.ask("POST", REPLACE, symbol="BTCUSDT", price=client.price(0.8), **new, **named)
    if code == 200:
        assert status == 200 and (body["cancelResult"], body["newOrderResult"]) == results
    else:
        assert (status, body["code"]) == (409 if code == -2021 else 400, code)
        assert (body["data"]["cancelResult"], body["data"]["newOrderResult"]) == results


def test_a_stop_waits_in_the_list_of_orders_and_fires(venue, client):
    client.connect()
    assert client.call("userDataStream.subscribe.signature")["result"] == {"subscriptionId": 0}
    stop = {"side": "SELL", "type": "STOP_LOSS", "timeInForce": None, "price": None, "quantity": "0.01"}
    assert refused(client.place(**stop, stopPrice=client.price(1.1))) == (
        -2010,
        "Stop price would trigger immediately.",
    )
    placed = ok(client.place(**stop, stopPrice=client.price(0.9999)))
    assert set(placed) == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
    (row,) = ok(client.ask("GET", "/api/v3/openOrders"))
    assert (row["status"], row["isWorking"], row["type"]) == ("NEW", False, "STOP_LOSS")
    assert client.balances()["BTC"][1] == Decimal("0.01")
    (accepted,) = [each for each in client.events() if each["e"] == "executionReport"]
    assert (accepted["x"], accepted["w"], "W" in accepted) == ("NEW", False, False)
    for _ in range(600):
        venue.wait(1)
        if events := [each for each in client.events() if each["e"] == "executionReport"]:
            break
    assert [(each["x"], each["X"]) for each in events] == [("NEW", "NEW"), ("TRADE", "FILLED")]
    assert events[0]["w"] and "W" in events[0] and events[1]["N"] == "USDT"
    assert ok(client.ask("GET", ORDER, symbol="BTCUSDT", orderId=placed["orderId"]))["status"] == "FILLED"


def test_a_symbol_has_five_waiting_stops(client):
    stop = {"side": "SELL", "type": "STOP_LOSS", "timeInForce": None, "price": None}
    for _ in range(5):
        ok(client.place(**stop, stopPrice=client.price(0.9)))
    last = client.place(**stop, stopPrice=client.price(0.9))
    assert refused(last) == (-1013, "Filter failure: MAX_NUM_ALGO_ORDERS")


def test_a_pegged_order_takes_its_price_from_the_book(venue, client):
    listing = venue.dialect.exchange.listings[0]
    answer = ok(client.place(price=None, type="LIMIT_MAKER", timeInForce=None, pegPriceType="PRIMARY_PEG"))
    row = ok(client.ask("GET", ORDER, symbol="BTCUSDT", orderId=answer["orderId"]))
    assert Decimal(row["price"]) == Decimal(listing.bid) / 100
    assert (row["pegPriceType"], row["peggedPrice"], "pegOffsetValue" in row) == ("PRIMARY_PEG", row["price"], False)
    deep = {"pegPriceType": "PRIMARY_PEG", "pegOffsetType": "PRICE_LEVEL", "pegOffsetValue": "2"}
    answer = ok(client.place(price=None, newOrderRespType="RESULT", **deep))
    assert {name: answer[name] for name in deep} == {**deep, "pegOffsetValue": 2}
    assert Decimal(answer["peggedPrice"]) < Decimal(row["price"])
    assert "pegPriceType" not in ok(client.place(newOrderRespType="RESULT"))
    assert refused(client.place(pegPriceType="PRIMARY_PEG"))[0] == -1106


@pytest.mark.parametrize(
    ("mode", "rests", "comes"),
    [
        ("EXPIRE_MAKER", "EXPIRED_IN_MATCH", "FILLED"),
        ("EXPIRE_TAKER", "NEW", "EXPIRED_IN_MATCH"),
        ("EXPIRE_BOTH", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH"),
    ],
)
def test_an_account_does_not_trade_with_itself(venue, client, mode, rests, comes):
    client.connect()
    client.call("userDataStream.subscribe.signature")
    own = ok(client.place(side="SELL", price=f"{venue.dialect.exchange.listings[0].ask / 100 - 0.01:.2f}"))["orderId"]
    answer = ok(client.place(1.01, selfTradePreventionMode=mode, newOrderRespType="RESULT"))
    assert answer["status"] == comes
    assert ok(client.ask("GET", ORDER, symbol="BTCUSDT", orderId=own))["status"] == rests
    news = {each["i"]: (each["x"], each["X"]) for each in client.events() if each["e"] == "executionReport"}
    if mode != "EXPIRE_TAKER":
        assert news[own] == ("TRADE_PREVENTION", "EXPIRED_IN_MATCH")
    if mode != "EXPIRE_MAKER":
        assert news[answer["orderId"]] == ("TRADE_PREVENTION", "EXPIRED_IN_MATCH")


# --- lists of orders ------------------------------------------------------------------------------


def pair(client: Client, above: float = 1.05, below: float = 0.95, **more) -> dict:
    """A sale at a better price, and a stop below."""
    price = {"abovePrice": client.price(above), "belowStopPrice": client.price(below)}
    kinds = {"aboveType": "LIMIT_MAKER", "belowType": "STOP_LOSS"}
    return {"symbol": "BTCUSDT", "side": "SELL", "quantity": "0.9", **kinds, **price, **more}


def states(client: Client, answer: dict) -> list[str]:
    rows = [client.ask("GET", ORDER, symbol="BTCUSDT", orderId=each["orderId"]) for each in answer["orders"]]
    return [ok(row)["status"] for row in rows]


def test_a_pair_locks_its_money_once_and_ends_together(client):
    client.connect()
    client.call("userDataStream.subscribe.signature")
    placed = ok(client.ask("POST", f"{LISTS}/oco", **pair(client)))
    assert (placed["contingencyType"], placed["listStatusType"], len(placed["orderReports"])) == (
        "OCO",
        "EXEC_STARTED",
        2,
    )
    assert client.balances()["BTC"] == (Decimal("0.1"), Decimal("0.9"))
    rows = ok(client.ask("GET", "/api/v3/openOrders"))
    assert {row["orderListId"] for row in rows} == {placed["orderListId"]}
    assert [each["l"] for each in client.events() if each["e"] == "listStatus"] == ["EXEC_STARTED"]
    ok(client.ask("DELETE", ORDER, symbol="BTCUSDT", orderId=placed["orders"][0]["orderId"]))
    assert states(client, placed) == ["CANCELED", "CANCELED"]
    assert client.balances()["BTC"] == (1, 0)
    assert [each["l"] for each in client.events() if each["e"] == "listStatus"] == ["ALL_DONE"]


@pytest.mark.parametrize(
    ("above", "below", "wanted"), [(1.00005, 0.5, ["FILLED", "EXPIRED"]), (2, 0.9999, ["EXPIRED", "FILLED"])]
)
def test_of_a_pair_one_trades_and_the_other_expires(venue, client, above, below, wanted):
    placed = ok(client.ask("POST", f"{LISTS}/oco", **pair(client, above, below, quantity="0.01")))
    for _ in range(600):
        venue.wait(1)
        if states(client, placed) == wanted:
            break
    assert states(client, placed) == wanted
    assert client.balances()["BTC"] == (Decimal("0.99"), 0)
    (row,) = ok(client.ask("GET", "/api/v3/allOrderList"))
    assert row["listOrderStatus"] == "ALL_DONE" and ok(client.ask("GET", "/api/v3/openOrderList")) == []


def test_a_pair_whose_prices_are_the_wrong_way_round_is_refused(client):
    wrong = client.ask("POST", f"{LISTS}/oco", **pair(client, 0.95, 0.96))
    assert refused(wrong)[1] == "The relationship of the prices for the orders is not correct."
    swapped = pair(client, belowType="LIMIT_MAKER", belowPrice=client.price(0.95))
    del swapped["belowStopPrice"]
    assert refused(client.ask("POST", f"{LISTS}/oco", **swapped))[0] == -1116
    buys = {"side": "BUY", "aboveType": "STOP_LOSS", "belowType": "LIMIT_MAKER"}
    buys |= {"aboveStopPrice": client.price(1.05), "belowPrice": client.price(1.01)}
    taking = client.ask("POST", f"{LISTS}/oco", symbol="BTCUSDT", quantity="0.01", **buys)
    assert refused(taking)[1] == MATCHES
    assert ok(client.ask("GET", "/api/v3/allOrders", symbol="BTCUSDT")) == []  # not one of them


def test_a_list_whose_working_order_is_refused_leaves_nothing(client):
    poor = working(client, 0.9, workingQuantity="90")
    pending = {"pendingType": "LIMIT", "pendingSide": "SELL", "pendingQuantity": "0.009", "pendingTimeInForce": "GTC"}
    answer = client.ask("POST", f"{LISTS}/oto", **poor, **pending, pendingPrice=client.price(1.05))
    assert refused(answer)[0] == -2010
    assert ok(client.ask("GET", "/api/v3/allOrders", symbol="BTCUSDT")) == []
    assert ok(client.ask("GET", "/api/v3/allOrderList")) == []


def working(client: Client, part: float, **more) -> dict:
    own = {"workingType": "LIMIT", "workingSide": "BUY", "workingQuantity": "0.01", "workingTimeInForce": "GTC"}
    return {"symbol": "BTCUSDT", **own, "workingPrice": client.price(part), "listClientOrderId": "the-list", **more}


def test_a_pending_order_works_once_the_working_one_is_filled(client):
    pending = {"pendingType": "LIMIT", "pendingSide": "SELL", "pendingQuantity": "0.009", "pendingTimeInForce": "GTC"}
    pending["pendingPrice"] = client.price(1.05)
    waits = ok(client.ask("POST", f"{LISTS}/oto", **working(client, 0.9), **pending))
    assert states(client, waits) == ["NEW", "PENDING_NEW"]
    assert client.balances()["BTC"] == (1, 0)  # it locks nothing yet
    gone = ok(client.ask("DELETE", LISTS, symbol="BTCUSDT", listClientOrderId="the-list"))
    assert gone["listStatusType"] == "ALL_DONE" and states(client, waits) == ["CANCELED", "CANCELED"]
    works = ok(client.ask("POST", f"{LISTS}/oto", **working(client, 1.01), **pending))
    assert states(client, works) == ["FILLED", "NEW"]
    assert client.balances()["BTC"][1] == Decimal("0.009")


def test_a_pending_pair_works_once_the_working_order_is_filled(client):
    pending = {
        "pendingSide": "SELL",
        "pendingQuantity": "0.009",
        "pendingAboveType": "LIMIT_MAKER",
        "pendingAbovePrice": client.price(1.05),
        "pendingBelowType": "STOP_LOSS",
        "pendingBelowStopPrice": client.price(0.95),
    }
    placed = ok(client.ask("POST", f"{LISTS}/otoco", **working(client, 1.01), **pending))
    assert states(client, placed) == ["FILLED", "NEW", "NEW"]
    assert client.balances()["BTC"][1] == Decimal("0.009")
    listed = ok(client.ask("GET", LISTS, origClientOrderId="the-list"))
    assert (listed["orderListId"], len(listed["orders"])) == (placed["orderListId"], 3)


def test_of_a_pending_pair_one_trades_and_the_list_is_done(venue, client):
    pending = {"pendingSide": "SELL", "pendingQuantity": "0.009", "pendingAboveType": "LIMIT_MAKER"}
    pending |= {"pendingAbovePrice": client.price(1.0003), "pendingBelowType": "STOP_LOSS"}
    pending["pendingBelowStopPrice"] = client.price(0.9997)
    placed = ok(client.ask("POST", f"{LISTS}/otoco", **working(client, 1.01), **pending))
    for _ in range(600):
        venue.wait(1)
        if "NEW" not in states(client, placed):
            break
    assert sorted(states(client, placed)) == ["EXPIRED", "FILLED", "FILLED"]
    assert refused(client.ask("DELETE", LISTS, symbol="BTCUSDT", listClientOrderId="the-list"))[0] == -2011


def test_a_list_is_placed_by_the_websocket_api_and_counts_its_orders(client):
    client.connect()
    answer = client.call("orderList.place.oco", **pair(client))
    assert answer["result"]["contingencyType"] == "OCO"
    assert {row["count"] for row in answer["rateLimits"] if row["rateLimitType"] == "ORDERS"} == {2}


def test_lists_made_again_call_by_call_end_in_the_same_state(venue, client):
    """As an exchange that was killed does it."""
    calls = []

    def record(name, args, kwargs):
        calls.append(msgspec.msgpack.encode([venue.dialect.exchange.now, name, args, kwargs]))

    start = venue.time
    venue.dialect.exchange.timeline.recorder = record
    ok(client.ask("POST", f"{LISTS}/oco", **pair(client, 1.00005, 0.9999, quantity="0.01")))
    pending = {"pendingSide": "SELL", "pendingQuantity": "0.009", "pendingAboveType": "LIMIT_MAKER"}
    pending |= {"pendingAbovePrice": client.price(1.0001), "pendingBelowType": "STOP_LOSS"}
    pending["pendingBelowStopPrice"] = client.price(0.9998)
    for part in (1.01, 0.9999, 0.9):
        ok(
            client.ask(
                "POST",
                f"{LISTS}/otoco",
                **working(client, part, listClientOrderId=f"list-{part * 10_000:.0f}"),
                **pending,
            )
        )
        venue.wait(40)
    market = Crowd(history=HISTORY)
    second = open_venue("binance-spot", seed=7, now=start, market=market, calls=map(msgspec.msgpack.decode, calls))
    second.exchange.advance(venue.time)
    states = [
        Control(Faulty(each, "binance-spot")).answer("GET", "/state", "", b"", venue.time).body
        for each in (venue.dialect, second)
    ]
    assert states[0] == states[1] and states[0].count(b'"price"') > 8


# --- the account's stream -------------------------------------------------------------------------


def test_a_subscription_is_signed_numbered_and_the_account_s_only_one(client):
    client.connect()
    assert client.call("userDataStream.subscribe", signed=False)["error"]["code"] == -1102
    assert client.call("userDataStream.subscribe.signature")["result"] == {"subscriptionId": 0}
    assert client.call("userDataStream.subscribe.signature")["error"]["code"] == -2035
    assert client.call("session.subscriptions", signed=False)["result"] == [{"subscriptionId": 0}]
    assert client.call("userDataStream.unsubscribe", signed=False)["result"] == {}
    assert client.call("userDataStream.unsubscribe", signed=False)["error"]["code"] == -2036
    assert client.call("userDataStream.subscribe.signature")["result"] == {"subscriptionId": 1}


def test_before_maintenance_each_connection_hears_that_it_ends():
    rules = '[[fault]]\naction = "maintenance"\nfrom = "2s"\nlasting = "5s"'
    venue = Virtual("binance-spot", faults=rules)
    client = Client(venue)
    client.connect()
    raw, combined = (venue.connect(path) for path in ("/ws/ethusdt@kline_1M", "/stream?streams=ethusdt@kline_1M"))
    venue.wait(3)
    (last,) = client.events()
    assert last["e"] == "serverShutdown" and client.socket.closed
    assert heard(raw)[-2] == last and heard(combined)[-2] == {"stream": "!serverShutdown", "data": last}


def test_an_account_is_told_of_orders_and_balances(venue, client):
    client.connect()
    client.call("userDataStream.subscribe.signature")
    ok(client.place(newClientOrderId="one"))
    accepted, position = client.events()
    assert (accepted["x"], accepted["c"], accepted["C"], accepted["N"]) == ("NEW", "one", "", None)
    rows = {row["a"]: row for row in position["B"]}
    assert set(rows) == {"BTC", "USDT"} and Decimal(rows["USDT"]["l"]) == locked(client.price(0.9))
    ok(client.ask("DELETE", ORDER, symbol="BTCUSDT", origClientOrderId="one", newClientOrderId="the_cancel"))
    canceled, _ = client.events()
    assert (canceled["x"], canceled["c"], canceled["C"]) == ("CANCELED", "the_cancel", "one")
    client.market("BUY")
    _, trade, position = client.events()
    assert (trade["x"], trade["X"], trade["n"], trade["N"]) == ("TRADE", "FILLED", "0.00001000", "BTC")
    venue.dialect.exchange.accounts.deposit(client.account, "BNB", "2.5", venue.time, reason="deposit")
    venue.settle()
    position, moved = client.events()
    assert (moved["e"], moved["a"], moved["d"]) == ("balanceUpdate", "BNB", "2.50000000")
    assert position["B"] == [{"a": "BNB", "f": "52.50000000", "l": "0.00000000"}]


def test_money_moves_to_the_futures_wallet_and_out(venue, client):
    client.connect()
    client.call("userDataStream.subscribe.signature")
    moved = {"asset": "USDT", "amount": "250"}
    ok(client.ask("POST", "/sapi/v1/asset/transfer", type="MAIN_UMFUTURE", **moved))
    assert client.balances()["USDT"][0] == 99_750
    (update,) = [each for each in client.events() if each["e"] == "balanceUpdate"]
    assert (update["a"], update["d"]) == ("USDT", "-250.00000000")
    ok(client.ask("POST", "/sapi/v1/asset/transfer", type="UMFUTURE_MAIN", **moved))
    (row,) = ok(client.ask("GET", "/sapi/v1/asset/transfer", type="UMFUTURE_MAIN"))["rows"]
    assert row["amount"] == "250.00000000" and client.balances()["USDT"][0] == 100_000
    out = {"coin": "BTC", "address": "there", "amount": "0.5", "network": "BTC"}
    assert refused(client.ask("POST", "/sapi/v1/capital/withdraw/apply", **out))[0] == -1002
    client.account.can_withdraw = True
    ok(client.ask("POST", "/sapi/v1/capital/withdraw/apply", **out))
    assert client.balances()["BTC"][0] == Decimal("0.5")
    assert ok(client.ask("GET", "/sapi/v1/capital/withdraw/history"))[0]["coin"] == "BTC"
    assert [each["d"] for each in client.events() if each["e"] == "balanceUpdate"] == ["250.00000000", "-0.50000000"]


def test_orders_are_placed_amended_and_canceled_by_the_websocket_api(client):
    client.connect()
    terms = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.02"}
    answer = client.call("order.place", **terms, price=client.price(0.9), newClientOrderId="ws")
    assert (answer["status"], answer["result"]["status"]) == (200, "NEW")
    counts = {(row["rateLimitType"], row["interval"]): row["count"] for row in answer["rateLimits"]}
    assert counts["ORDERS", "SECOND"] == counts["ORDERS", "DAY"] == 1
    named = {"symbol": "BTCUSDT", "origClientOrderId": "ws"}
    amended = client.call("order.amend.keepPriority", **named, newClientOrderId="ws", newQty="0.01")
    assert amended["result"]["amendedOrder"]["qty"] == "0.01000000"
    assert client.call("order.status", **named)["result"]["origQty"] == "0.01000000"
    assert client.call("openOrders.status")["result"][0]["clientOrderId"] == "ws"
    assert client.call("order.cancel", **named)["result"]["status"] == "CANCELED"
    assert client.call("order.cancel", **named)["error"] == {"code": -2011, "msg": "Unknown order sent."}


# --- limits and the market ------------------------------------------------------------------------


def test_a_filled_order_no_longer_counts_and_a_refused_one_never_did(client):
    def counts() -> list[int]:
        return [row["count"] for row in ok(client.ask("GET", "/api/v3/rateLimit/order"))]

    client.place(quantity="0.010001")
    assert counts() == [0, 0]
    ok(client.place())
    assert client.headers["x-mbx-order-count-10s"] == "1" and counts() == [1, 1]
    client.market("BUY")
    assert counts() == [1, 1]


def test_an_account_has_a_hundred_unfilled_orders_in_ten_seconds(client):
    for _ in range(100):
        ok(client.place(quantity="0.001"))
    code, text = refused(client.place(quantity="0.001"))
    assert code == -1015 and "100 orders per 10 SECONDS" in text


def test_a_change_of_orders_has_no_weight_and_an_address_six_thousand_a_minute(client):
    def used() -> int:
        ok(client.ask("GET", "/api/v3/time", signed=False))
        return int(client.headers["x-mbx-used-weight-1m"])

    first = used()
    ok(client.place())
    assert used() == first + 1
    for _ in range(75):
        status, body = client.ask("GET", "/api/v3/openOrders")
    assert (status, body["code"]) == (429, -1003) and int(client.headers["retry-after"]) > 0


def test_the_market_is_read_by_one_symbol_some_or_all(client):
    one = ok(client.ask("GET", "/api/v3/ticker/price", signed=False, symbol="ETHUSDT"))
    assert one["symbol"] == "ETHUSDT" and set(one) == {"symbol", "price"}
    some = ok(client.ask("GET", "/api/v3/ticker/bookTicker", signed=False, symbols='["BTCUSDT","BNBUSDT"]'))
    assert [row["symbol"] for row in some] == ["BTCUSDT", "BNBUSDT"]
    assert len(ok(client.ask("GET", "/api/v3/ticker/24hr", signed=False))) == 3
    info = ok(client.ask("GET", "/api/v3/exchangeInfo", signed=False, symbol="BTCUSDT"))
    assert [row["symbol"] for row in info["symbols"]] == ["BTCUSDT"]
    assert {row["rateLimitType"] for row in info["rateLimits"]} == {"REQUEST_WEIGHT", "ORDERS", "RAW_REQUESTS"}
    assert info["symbols"][0]["permissions"] == [] and info["symbols"][0]["permissionSets"] == [["SPOT"]]


def test_market_streams_have_the_fields_of_spot(venue):
    names = ("btcusdt@bookTicker", "btcusdt@trade", "btcusdt@aggTrade", "btcusdt@depth@100ms", "btcusdt@depth5")
    socket = venue.connect(f"/stream?streams={'/'.join(names)}")
    venue.wait(5)
    found: dict[str, set[str]] = {each["stream"]: set(each["data"]) for each in heard(socket)}
    assert found["btcusdt@bookTicker"] == {"u", "s", "b", "B", "a", "A"}
    assert found["btcusdt@trade"] == {"e", "E", "T", "s", "t", "p", "q", "m", "M"}
    assert found["btcusdt@aggTrade"] == {"e", "E", "s", "a", "p", "q", "f", "l", "T", "m", "M"}
    assert found["btcusdt@depth@100ms"] == {"e", "E", "s", "U", "u", "b", "a"}
    assert found["btcusdt@depth5"] == {"lastUpdateId", "bids", "asks"}


def test_changes_of_depth_continue_a_snapshot(venue, client):
    socket = venue.connect("/ws/btcusdt@depth@100ms")
    venue.wait(1)
    heard(socket)
    last = ok(client.ask("GET", "/api/v3/depth", signed=False, symbol="BTCUSDT", limit=5000))["lastUpdateId"]
    venue.wait(3)
    changes = [each for each in heard(socket) if each["u"] > last]
    assert changes[0]["U"] <= last + 1 <= changes[0]["u"]
    for before, after in pairwise(changes):
        assert after["U"] == before["u"] + 1


def test_an_order_of_the_operator_has_a_type_too(venue, client):
    wanted = NewOrder(side=Side.BUY, type=OrderType.MARKET, size=1000)
    venue.dialect.exchange.orders.place(client.account, 0, venue.time, wanted)
    (row,) = ok(client.ask("GET", "/api/v3/allOrders", symbol="BTCUSDT"))
    assert (row["type"], row["status"], row["selfTradePreventionMode"]) == ("MARKET", "FILLED", "EXPIRE_MAKER")
