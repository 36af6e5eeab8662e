"""The simulated Aster: what its documentation says, and what it has in common with its family."""

from __future__ import annotations

import json
from collections import deque
from decimal import Decimal
from urllib.parse import quote, urlencode

import pytest

from exchange.venue_client import Virtual, heard, ok
from onetape.exchange.aster.access import NONCES_MAX
from onetape.exchange.binance.limits import weight_of
from onetape.venues.aster.signing import WalletSigner, owner_digest

ORDER = "/fapi/v3/order"
BTC = {"symbol": "BTCUSDT"}


class AsterClient:
    """A wallet that signs for a user; itself, where nobody else is named."""

    def __init__(self, venue: Virtual, secret: str, user: str = "") -> None:
        self.venue, self.nonce = venue, 0
        self.signer = WalletSigner(user or "0x" + "0" * 40, secret)
        self.user = user or self.signer.signer

    def ask(self, method: str, path: str, *, spoil=None, is_form: bool = True, **params):
        """spoil: changes the signed text before it is sent."""
        self.nonce = max(self.venue.now() // 1000, self.nonce + 1)
        terms = {**params, "nonce": params.get("nonce", self.nonce), "user": self.user, "signer": self.signer.signer}
        text = urlencode(terms)
        text += f"&signature={self.signer.sign(text.encode())}"
        text = spoil(text) if spoil else text
        in_body = is_form and method != "GET"
        target, body = (path, text.encode()) if in_body else (f"{path}?{text}", b"")
        return self.venue.request(method, target, body, {})[:2]


@pytest.fixture
def venue():
    return Virtual("aster")


@pytest.fixture
def client(venue):
    account = venue.dialect.exchange.accounts[0]
    return AsterClient(venue, account.secret)


def bid(venue) -> Decimal:
    return Decimal(ok(venue.request("GET", "/fapi/v3/depth?symbol=BTCUSDT&limit=5", b"", {})[:2])["bids"][0][0])


def limit(client, **more):
    price = f"{bid(client.venue) * Decimal('0.99'):.1f}"
    terms = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.010", "price": price}
    return client.ask("POST", ORDER, **BTC, **{**terms, **more})


@pytest.mark.parametrize("is_form", [True, False])
def test_an_order_rests_is_amended_and_is_canceled(client, is_form):
    order = ok(limit(client, newClientOrderId="a-1", is_form=is_form))
    assert (order["status"], order["avgPrice"]) == ("NEW", "0.00")
    assert not {"priceMatch", "selfTradePreventionMode", "goodTillDate"} & order.keys()
    changed = ok(client.ask("PUT", ORDER, **BTC, orderId=order["orderId"], quantity="0.020", price=order["price"]))
    assert changed["origQty"] == "0.020"
    assert [o["orderId"] for o in ok(client.ask("GET", "/fapi/v3/openOrders"))] == [order["orderId"]]
    assert ok(client.ask("DELETE", ORDER, **BTC, origClientOrderId="a-1"))["status"] == "CANCELED"
    assert client.ask("GET", ORDER, **BTC, orderId=7)[1]["code"] == -2013


def test_an_acknowledgement_says_of_no_fill_that_there_was_one(client):
    order = ok(client.ask("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010"))
    assert (order["status"], order["executedQty"], order["cumQty"]) == ("NEW", "0.000", "0.000")
    assert (Decimal(order["avgPrice"]), Decimal(order["cumQuote"])) == (0, 0)
    terms = {**BTC, "side": "SELL", "type": "MARKET", "quantity": "0.010", "newOrderRespType": "RESULT"}
    order = ok(client.ask("POST", ORDER, **terms))
    assert Decimal(order["cumQuote"]) == Decimal(order["avgPrice"]) * Decimal(order["cumQty"]) > 0


def test_a_pegged_order_is_refused_as_its_price_would_not_follow(client):
    assert limit(client, pegPriceType="QUEUE_1", pegOffset="0")[1]["code"] == -1130
    assert ok(client.ask("GET", "/fapi/v3/openOrders")) == []


def test_a_conditional_order_is_an_order_of_the_book(client, venue):
    ok(client.ask("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010"))
    stop = f"{bid(venue) * Decimal('0.9999'):.1f}"
    terms = {"side": "SELL", "type": "STOP_MARKET", "stopPrice": stop}
    order = ok(client.ask("POST", ORDER, **BTC, **terms, closePosition="true"))
    assert (order["type"], order["origType"], order["closePosition"]) == ("STOP_MARKET", "STOP_MARKET", True)
    assert Decimal(order["stopPrice"]) == Decimal(stop)
    assert [o["type"] for o in ok(client.ask("GET", "/fapi/v3/openOrders", **BTC))] == ["STOP_MARKET"]
    assert client.ask("POST", ORDER, **BTC, **{**terms, "stopPrice": "90000.0"}, quantity="0.010")[1]["code"] == -2021
    for _ in range(600):
        venue.wait(1)
        now = ok(client.ask("GET", ORDER, **BTC, orderId=order["orderId"]))
        if now["status"] == "FILLED":
            break
    assert (now["status"], now["type"], now["origType"]) == ("FILLED", "MARKET", "STOP_MARKET")
    assert {Decimal(p["positionAmt"]) for p in ok(client.ask("GET", "/fapi/v3/positionRisk"))} == {0}


@pytest.mark.parametrize("tif", ["GTX", "HIDDEN", "RPI"])
def test_times_in_force_of_its_own_are_taken_and_told(client, tif):
    order = ok(limit(client, timeInForce=tif))
    assert order["timeInForce"] == ("GTX" if tif == "RPI" else tif)
    assert limit(client, timeInForce="GTD")[1]["code"] == -1115


def depth(venue):
    return ok(venue.request("GET", "/fapi/v3/depth?symbol=BTCUSDT&limit=1000", b"", {})[:2])


def test_a_hidden_order_is_shown_to_nobody_and_trades_at_its_price(client, venue):
    """Better than the best of the book: the next sale meets it."""
    connection = venue.connect("/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker")
    best = bid(venue)
    inside = f"{best + (Decimal(depth(venue)['asks'][0][0]) - best) / 2:.1f}"
    price = inside if Decimal(inside) > best else f"{best:.1f}"
    order = ok(limit(client, timeInForce="HIDDEN", price=price, quantity="3.000"))
    shown = {Decimal(level[0]): Decimal(level[1]) for level in depth(venue)["bids"]}
    assert order["status"] == "NEW" and shown.get(Decimal(price), Decimal(0)) < 3
    other = AsterClient(venue, "0x" + "5" * 64)
    sale = ok(other.ask("POST", ORDER, **BTC, side="SELL", type="MARKET", quantity="0.010", newOrderRespType="RESULT"))
    assert Decimal(sale["avgPrice"]) == Decimal(price)
    venue.wait(0.5)
    rows = [each["data"] for each in heard(connection)]
    sizes = [Decimal(level[1]) for row in rows for level in row.get("b", []) if isinstance(level, list)]
    assert rows and all(size < 3 for size in sizes)
    assert all(Decimal(row["B"]) < 3 for row in rows if isinstance(row.get("B"), str))
    assert Decimal(ok(client.ask("GET", ORDER, **BTC, orderId=order["orderId"]))["executedQty"]) >= Decimal("0.010")


def test_who_has_a_hidden_order_does_not_trade_with_himself(client, venue):
    ask = Decimal(depth(venue)["asks"][0][0])
    hidden = ok(limit(client, timeInForce="HIDDEN", price=f"{ask - Decimal('0.1'):.1f}"))
    limit(client, side="SELL", price=f"{ask - Decimal('0.1'):.1f}")
    assert ok(client.ask("GET", ORDER, **BTC, orderId=hidden["orderId"]))["executedQty"] == "0.000"


def test_a_nonce_counts_once_and_near_the_venue_s_time(client, venue):
    now = venue.now() // 1000
    ok(client.ask("GET", "/fapi/v3/balance", nonce=now))
    assert client.ask("GET", "/fapi/v3/balance", nonce=now)[1] == {"code": -4225, "msg": "Nonce Expired"}
    for far in (now - 10_500_000, now + 10_500_000):
        assert client.ask("GET", "/fapi/v3/balance", nonce=far)[1]["code"] == -4225
    for step in range(1, NONCES_MAX + 1):
        ok(client.ask("GET", "/fapi/v3/balance", nonce=now + step))
    assert client.ask("GET", "/fapi/v3/balance", nonce=now - 1)[1]["code"] == -4225  # older than all that are kept


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda text: text.replace("BTC", "ETH"), -1000),
        (lambda text: text[:-1] + ("0" if text[-1] != "0" else "1"), -1000),
        (lambda text: text.partition("&signature=")[0], -1102),
        (lambda text: text.replace("user=0x", "user=x"), -1130),
    ],
)
def test_what_was_not_signed_so_is_refused(client, spoil, code):
    assert limit(client, spoil=spoil)[1]["code"] == code
    assert ok(client.ask("GET", "/fapi/v3/openOrders")) == []


def test_nobody_signs_for_another_wallet(client, venue):
    stranger = AsterClient(venue, "0x" + "1" * 64, user=client.user)
    status, answer = stranger.ask("GET", "/fapi/v3/balance")
    assert (status, answer) == (400, {"code": -1000, "msg": "No agent found"})


def test_who_may_not_sign_opens_no_account(venue):
    unseen = "0x" + "ab" * 20
    stranger = AsterClient(venue, "0x" + "1" * 64, user=unseen)
    assert stranger.ask("GET", "/fapi/v3/balance")[1]["msg"] == "No agent found"
    assert unseen not in {each.lower() for each in venue.dialect.exchange.accounts.by_key}


def test_requests_of_the_third_edition_weigh_as_those_of_the_first():
    assert weight_of("GET", "/fapi/v3/openOrders", {}) == 40
    assert weight_of("GET", "/fapi/v3/income", {}) == 30
    assert weight_of("GET", "/fapi/v3/account", {}) == 5


@pytest.mark.parametrize(
    ("method", "name", "weight"),
    [
        ("GET", "accountWithJoinMargin", 5),
        ("GET", "stpMode", 30),
        ("GET", "historicalTrades", 20),
        ("GET", "positionSide/dual", 30),
        ("POST", "batchOrders", 5),
        ("DELETE", "batchOrders", 1),
        ("GET", "commissionRate", 20),
        ("POST", "listenKey", 1),
    ],
)
def test_requests_of_its_own_weigh_what_its_documents_say(method, name, weight):
    assert weight_of(method, f"/fapi/v3/{name}", {}) == weight


def test_a_wallet_that_was_never_seen_has_an_account(venue):
    stranger = AsterClient(venue, "0x" + "2" * 64)
    (row,) = ok(stranger.ask("GET", "/fapi/v3/balance"))
    assert (row["asset"], Decimal(row["balance"])) == ("USDT", 100_000)
    ok(stranger.ask("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010"))
    assert ok(stranger.ask("GET", "/fapi/v3/userTrades", **BTC))


def test_lists_in_parameters_are_signed_encoded_or_not(client):
    ids = [ok(limit(client, newClientOrderId=name))["orderId"] for name in ("a", "b")]
    canceled = ok(client.ask("DELETE", "/fapi/v3/batchOrders", **BTC, orderIdList=str(ids).replace(" ", "")))
    assert [each["status"] for each in canceled] == ["CANCELED", "CANCELED"]
    order = ok(limit(client))["orderId"]

    def as_said(text: str) -> str:
        """Signed before it was encoded, as the venue's own examples in JavaScript do."""
        plain = text.partition("&signature=")[0].replace(quote("["), "[").replace(quote("]"), "]")
        signature = client.signer.sign(plain.encode())
        return f"{plain.replace('[', '%5B').replace(']', '%5D')}&signature={signature}"

    ok(client.ask("DELETE", "/fapi/v3/batchOrders", **BTC, orderIdList=f"[{order}]", spoil=as_said))


def test_the_listing_and_the_rows_are_as_its_own(client, venue):
    symbol = ok(venue.request("GET", "/fapi/v3/exchangeInfo", b"", {})[:2])["symbols"][0]
    assert symbol["timeInForce"] == ["GTC", "IOC", "GTX", "HIDDEN"] and "permissionSets" not in symbol
    ok(client.ask("POST", ORDER, **BTC, side="SELL", type="MARKET", quantity="0.010"))
    rows = {row["symbol"]: row for row in ok(client.ask("GET", "/fapi/v3/positionRisk"))}
    assert len(rows) == 3 and rows["BTCUSDT"]["positionAmt"] == "-0.010"
    assert not {"breakEvenPrice", "adl", "marginAsset"} & rows["BTCUSDT"].keys()
    account = ok(client.ask("GET", "/fapi/v3/accountWithJoinMargin"))
    assert account["canTrade"] and len(account["positions"]) == 3
    assert not {"multiAssetsMargin", "dualSidePosition", "feeBurn"} & account.keys()
    assert Decimal(account["positions"][0]["maxNotional"]) > 0
    assert len(ok(client.ask("GET", "/fapi/v3/commissionRate", **BTC))) == 3
    assert client.ask("GET", "/fapi/v1/algoOrder")[0] == 404


def test_the_account_s_stream_is_told_in_its_own_fields(client, venue):
    key = ok(client.ask("POST", "/fapi/v3/listenKey"))["listenKey"]
    connection = venue.connect(f"/ws/{key}")
    ok(client.ask("POST", "/fapi/v3/positionSide/dual", dualSidePosition="true"))
    ok(client.ask("POST", ORDER, **BTC, side="BUY", positionSide="LONG", type="MARKET", quantity="0.010"))
    events = heard(connection)
    names = " ".join(each["e"] for each in events)
    assert names == "ACCOUNT_CONFIG_UPDATE ORDER_TRADE_UPDATE ORDER_TRADE_UPDATE ACCOUNT_UPDATE"
    assert events[0]["ai"] == {"d": True}
    assert not {"pP", "si", "ss", "V", "pm", "gtd"} & events[2]["o"].keys()
    assert "bep" not in events[3]["a"]["P"][0]
    assert ok(client.ask("PUT", "/fapi/v3/listenKey")) == {}


@pytest.mark.parametrize("root", ["/fapi/v3", "/api/v3"])
def test_a_transfer_has_an_id_that_counts_once(client, root):
    def moved(kind, name):
        return client.ask("POST", f"{root}/asset/wallet/transfer", asset="USDT", amount="5", kindType=kind, **name)

    assert ok(moved("FUTURE_SPOT", {"clientTranId": "a"}))["status"] == "SUCCESS"
    assert moved("FUTURE_SPOT", {"clientTranId": "a"})[1]["code"] == -4115
    for name in ({}, {"clientTranId": "x" * 64}):
        assert moved("FUTURE_SPOT", name)[1]["code"] == -4114
    assert moved("SPOT_SPOT", {"clientTranId": "b"})[1]["code"] == -1102
    back = ok(moved("SPOT_FUTURE", {"clientTranId": "b"}))
    assert moved("SPOT_FUTURE", {"clientTranId": "c"})[1]["code"] == -5013
    rows = ok(client.ask("GET", "/api/v3/transactionHistory", startTime=0))
    assert [(r["type"], r["balanceDelta"]) for r in rows] == [
        ("TRANSFER_FUTURE_TO_SPOT", "5.00000000"),
        ("TRANSFER_SPOT_TO_FUTURE", "-5.00000000"),
    ]
    only = ok(client.ask("GET", "/api/v3/transactionHistory", type="TRANSFER_SPOT_TO_FUTURE"))
    assert [r["tranId"] for r in only] == [back["tranId"]]


def test_an_income_history_has_no_pages(client):
    rows = ok(client.ask("GET", "/fapi/v3/income", startTime=1))
    assert rows and ok(client.ask("GET", "/fapi/v3/income", startTime=1, page=2)) == rows


def aged(account, days: int) -> None:
    """As if all that the account has done had been days before."""
    before = days * 86_400_000_000_000
    account.trades = deque(t._replace(fill=t.fill._replace(time=t.fill.time - before)) for t in account.trades)
    account.income = deque(row._replace(time=row.time - before) for row in account.income)
    for order in account.by_id.values():
        order.created -= before


def test_histories_are_of_seven_days_at_most(client, venue):
    ok(client.ask("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010"))
    aged(venue.dialect.exchange.accounts[0], 9)
    now, day = venue.now() // 1_000_000, 86_400_000
    for name, terms in (("userTrades", BTC), ("allOrders", BTC), ("income", {})):
        ask = lambda path=f"/fapi/v3/{name}", terms=terms, **more: client.ask("GET", path, **terms, **more)  # noqa: E731
        assert ok(ask()) == []
        assert ok(ask(startTime=now - 10 * day, endTime=now - 5 * day))
    for name in ("userTrades", "allOrders"):
        ask = lambda path=f"/fapi/v3/{name}", **more: client.ask("GET", path, **BTC, **more)  # noqa: E731
        assert ok(ask(startTime=now - 10 * day)) and ok(ask(endTime=now - 3 * day))
        assert ok(ask(startTime=now - 17 * day)) == []  # seven days from then on
        assert ask(startTime=now - 10 * day, endTime=now)[1]["code"] == -4165
        assert ok(ask(**{"fromId" if name == "userTrades" else "orderId": 1}))


def owner(client, method, name, kind, *, chain=56, by="", **values):
    """What the main wallet says itself; by: another wallet's secret. The nonce goes before what is not signed."""
    client.nonce = max(client.venue.now() // 1000, client.nonce + 1)
    values |= {"asterChain": "Mainnet", "user": client.user, "nonce": client.nonce}
    signer = WalletSigner(client.user, by) if by else client.signer
    signature = signer.signed(owner_digest(kind, values, chain))
    terms = {each: str(value) for each, value in values.items()} | {"signature": signature, "signatureChainId": chain}
    return client.venue.request(method, f"/fapi/v3/{name}", urlencode(terms).encode(), {})[:2]


AGENT = "0x" + "3" * 64


def approved(client, **more):
    agent = AsterClient(client.venue, AGENT, user=client.user)
    terms = {"agentName": "robot", "agentAddress": agent.signer.signer, "ipWhitelist": "", "expired": 1967945395040}
    rights = {"canSpotTrade": True, "canPerpTrade": True, "canWithdraw": False}
    ok(owner(client, "POST", "approveAgent", "ApproveAgent", **{**terms, **rights, **more}))
    return agent


def test_an_agent_trades_for_the_wallet_that_approved_it_until_it_is_revoked(client):
    agent = approved(client)
    order = ok(limit(agent))
    assert [o["orderId"] for o in ok(client.ask("GET", "/fapi/v3/openOrders"))] == [order["orderId"]]
    (row,) = ok(agent.ask("GET", "/fapi/v3/agent"))
    assert (row["agentAddress"], row["agentName"], row["expired"]) == (agent.signer.signer, "robot", 1967945395040)
    assert [row[r] for r in ("canRead", "canSpotTrade", "canPerpTrade", "canWithdraw")] == [True, True, True, False]
    address = {"agentAddress": agent.signer.signer}
    less = {**address, "ipWhitelist": "", "canSpotTrade": False, "canPerpTrade": False, "canWithdraw": True}
    ok(owner(client, "POST", "updateAgent", "UpdateAgent", **less))
    assert limit(agent)[1]["code"] == -2015
    (row,) = ok(agent.ask("GET", "/fapi/v3/agent"))
    assert [row[r] for r in ("canSpotTrade", "canPerpTrade", "canWithdraw")] == [False, False, True]
    ok(owner(client, "DELETE", "agent", "DelAgent", **address))
    assert agent.ask("GET", "/fapi/v3/openOrders")[1]["msg"] == "No agent found"
    assert owner(client, "DELETE", "agent", "DelAgent", **address)[1]["code"] == -1130


def test_an_agent_ends_with_its_time_and_only_the_main_wallet_approves_one(client, venue):
    past = approved(client, expired=venue.now() // 10**6 + 500)
    ok(past.ask("GET", "/fapi/v3/balance"))
    venue.wait(1)
    assert past.ask("GET", "/fapi/v3/balance")[1]["msg"] == "No agent found"
    refused = owner(client, "DELETE", "agent", "DelAgent", by=AGENT, agentAddress=client.user)[1]
    assert refused == {"code": -1000, "msg": "Signature check failed"}


def test_a_builder_takes_no_more_than_was_approved(client):
    builder = "0x1F5877C19e3777Cfd15F9d57253eA4aA5254Ec39"
    fee = {"builder": builder, "feeRate": "0.001"}
    assert limit(client, **fee)[1]["code"] == -1130
    terms = {"builder": builder, "maxFeeRate": "0.001", "builderName": "ccxt"}
    ok(owner(client, "POST", "approveBuilder", "ApproveBuilder", chain=1666, **terms))
    ok(limit(client, **fee))
    assert limit(client, **{**fee, "feeRate": "0.0011"})[1]["code"] == -1130
    order = {**BTC, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.010", **fee}
    order["price"] = f"{bid(client.venue) * Decimal('0.98'):.1f}"
    orders = [{**order, "feeRate": rate} for rate in (0.001, 0.01)]
    made, refused = ok(client.ask("POST", "/fapi/v3/batchOrders", batchOrders=json.dumps(orders)))
    assert (made["status"], refused["code"]) == ("NEW", -1130)
    (row,) = ok(client.ask("GET", "/fapi/v3/builder"))
    assert row == {"userAddress": client.user, "builderAddress": builder, "maxFeeRate": "0.001", "builderName": "ccxt"}
    ok(owner(client, "DELETE", "builder", "DelBuilder", builder=builder))
    assert ok(client.ask("GET", "/fapi/v3/builder")) == []


def test_an_agent_need_not_name_the_user_that_it_signs_for(client):
    agent = approved(client)
    agent.user = ""
    placed = ok(limit(agent))
    assert [o["orderId"] for o in ok(client.ask("GET", "/fapi/v3/openOrders"))] == [placed["orderId"]]


def test_a_nonce_that_was_given_up_places_no_order(client):
    nonce = client.venue.now() // 1000 + 1000
    assert ok(client.ask("POST", "/fapi/v3/noop", nonce=nonce)) == {"code": 200, "msg": "success"}
    assert limit(client, nonce=nonce)[1] == {"code": -4225, "msg": "Nonce Expired"}


@pytest.mark.parametrize(
    ("mode", "kept"), [("EXPIRE_TAKER", {"resting"}), ("EXPIRE_MAKER", set()), ("EXPIRE_BOTH", set())]
)
@pytest.mark.parametrize("by_account", [True, False])
def test_who_would_trade_with_himself_says_which_order_goes(client, venue, mode, kept, by_account):
    path = "/fapi/v3/stpMode"
    assert client.ask("POST", path, stpMode="NONE")[1]["code"] == -5039
    own = {} if by_account else {"stpMode": mode}
    if by_account:
        ok(client.ask("POST", path, stpMode=mode))
        assert ok(client.ask("GET", path)) == {"stpMode": mode}
    touch = f"{bid(venue) + Decimal('0.1'):.1f}"
    ok(limit(client, newClientOrderId="resting", price=touch))
    client.ask("POST", ORDER, **BTC, side="SELL", type="LIMIT", timeInForce="GTC", quantity="0.010", price=touch, **own)
    assert {o["clientOrderId"] for o in ok(client.ask("GET", "/fapi/v3/openOrders")) if o["side"] == "BUY"} == kept


def test_brackets_are_one_object_of_a_symbol_and_a_list_of_all(client):
    one = ok(client.ask("GET", "/fapi/v3/leverageBracket", **BTC))
    assert one["symbol"] == "BTCUSDT" and one["brackets"][0]["initialLeverage"] > 0
    assert one in ok(client.ask("GET", "/fapi/v3/leverageBracket"))


def test_what_anybody_may_ask_has_its_own_fields(venue):
    def get(path):
        return venue.request("GET", f"/fapi/v3/{path}", b"", {})[1]

    (row,) = get("fundingInfo?symbol=BTCUSDT")
    assert set(row) == {"symbol", "interestRate", "time", "fundingIntervalHours", "fundingFeeCap", "fundingFeeFloor"}
    assert get("indexreferences?symbol=BTCUSDT")["references"][0]["weight"] == "1.00000000"
    assert get("indexreferences?symbol=NOUSDT") == {"code": -1000, "msg": "Invalid symbol."}
    assert get("indexreferences")["code"] == -1102


def test_the_price_that_triggers_is_told(client, venue):
    stop = {
        **BTC,
        "side": "SELL",
        "type": "STOP_MARKET",
        "quantity": "0.010",
        "stopPrice": f"{bid(venue) * Decimal('0.9'):.1f}",
    }
    key = ok(client.ask("POST", "/fapi/v3/listenKey"))["listenKey"]
    connection = venue.connect(f"/ws/{key}")
    row = ok(client.ask("POST", ORDER, **stop, workingType="MARK_PRICE", priceProtect="TRUE"))
    assert (row["workingType"], row["priceProtect"]) == ("MARK_PRICE", True)
    assert heard(connection)[0]["o"]["wt"] == "MARK_PRICE"
