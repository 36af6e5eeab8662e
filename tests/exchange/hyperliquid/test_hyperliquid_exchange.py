"""The simulated Hyperliquid, as its documentation describes the venue: docs/reference/hyperliquid.md names the
sources."""

from __future__ import annotations

import json

import pytest

from exchange.venue_client import Virtual
from onetape.exchange.keys import wallet_pair
from onetape.venues.hyperliquid.signing import AgentSigner, action_hash, agent_digest, owner_digest
from onetape.venues.typed_data import signed, wallet_key

LIMIT, POST_ONLY, AT_ONCE = ({"limit": {"tif": tif}} for tif in ("Gtc", "Alo", "Ioc"))


class Client:
    """An account that asks by REST and by WebSocket. number: of the account; agent: the key of a wallet that signs."""

    def __init__(self, venue: Virtual, number: int = 0, agent: str = "") -> None:
        self.venue, self.account = venue, venue.dialect.exchange.accounts[number]
        self.user, self.secret = self.account.key.lower(), agent or self.account.secret
        self.nonce = 0

    def info(self, kind: str, **terms):
        terms = {"user": self.user, **terms}
        return self.ask("/info", {"type": kind, **terms})[1]

    def ask(self, path: str, value):
        return self.venue.request("POST", path, json.dumps(value).encode(), {"Content-Type": "application/json"})[:2]

    def signed(self, action, *, expires=None, vault=None, source="b", nonce=0):
        self.nonce = nonce or max(self.nonce + 1, self.venue.now() // 10**6)
        if vault is None:
            signature = AgentSigner(self.account.key, self.secret, source).sign(action, self.nonce, expires)
        else:
            digest = agent_digest(action_hash(action, self.nonce, vault=vault, expires=expires), source)
            signature = parts(signed(wallet_key(self.account.key, self.secret), digest))
        about = {"vaultAddress": vault, "expiresAfter": expires}
        return {"action": action, "nonce": self.nonce, "signature": signature, **about}

    def act(self, action, **more):
        return self.ask("/exchange", self.signed(action, **more))[1]

    def own(self, action):
        """An action that only the main wallet signs."""
        self.nonce = max(self.nonce + 1, self.venue.now() // 10**6)
        whole = {**action, "signatureChainId": "0x66eee", "hyperliquidChain": "Testnet"}
        time = "time" if action["type"] in ("usdSend", "spotSend", "withdraw3") else "nonce"
        whole[time] = self.nonce
        signature = parts(signed(wallet_key(self.account.key, self.secret), owner_digest(whole)))
        return self.ask("/exchange", {"action": whole, "nonce": self.nonce, "signature": signature})[1]

    def price(self, part: float) -> str:
        return f"{self.venue.dialect.exchange.listings[0].last / 10 * part:.0f}"

    def place(self, part: float = 0.99, *, buys=True, size="0.01", kind=LIMIT, reduces=False, **more):
        """A limit order at a part of the last price; returns its state."""
        order = {"a": 0, "b": buys, "p": self.price(part), "s": size, "r": reduces, "t": kind, **more}
        return first(self.act({"type": "order", "orders": [order], "grouping": "na"}))

    def market(self, *, buys=True, size="0.01", **more):
        return self.place(1.05 if buys else 0.95, buys=buys, size=size, kind=AT_ONCE, **more)

    def listen(self, *kinds: str):
        connection = self.venue.connect("/ws")
        for kind in kinds:
            self.say(connection, {"method": "subscribe", "subscription": {"type": kind, "user": self.user}})
        return connection

    def say(self, connection, request) -> list:
        self.venue.dialect.message(connection, json.dumps(request).encode(), self.venue.now())
        self.venue.settle()
        return heard(connection)


def parts(text: str):
    return {"r": text[:66], "s": f"0x{text[66:130]}", "v": int(text[130:], 16)}


def first(answer):
    assert answer["status"] == "ok", answer
    return answer["response"]["data"]["statuses"][0]


def heard(connection) -> list:
    found = [json.loads(message) for message in connection.out]
    connection.out.clear()
    return found


@pytest.fixture
def venue():
    return Virtual("hyperliquid")


@pytest.fixture
def client(venue):
    return Client(venue)


def stop(trigger: str, word="sl", *, is_market=True):
    return {"trigger": {"isMarket": is_market, "triggerPx": trigger, "tpsl": word}}


# --- who signs ------------------------------------------------------------------------------------


def test_a_wrong_signature_is_that_of_an_unknown_wallet(client):
    request = client.signed({"type": "noop"})
    request["action"] = {"type": "scheduleCancel"}
    answer = client.ask("/exchange", request)[1]
    assert answer["status"] == "err" and answer["response"].startswith("User or API Wallet 0x")
    for source in ("a", "b"):
        assert client.act({"type": "noop"}, source=source)["status"] == "ok"


def test_a_nonce_counts_once_near_the_venue_s_time(client):
    now = client.venue.now() // 10**6
    assert client.act({"type": "noop"}, nonce=now)["status"] == "ok"
    for nonce in (now, now - 3 * 86_400_000, now + 2 * 86_400_000):
        assert client.act({"type": "noop"}, nonce=nonce)["response"].startswith("Invalid nonce")
    answer = client.act({"type": "noop"}, expires=now - 1)
    assert answer["response"].startswith("Expired")


def test_an_agent_trades_and_moves_no_money(venue, client):
    address, secret = wallet_pair(1, "agent")
    assert client.own({"type": "approveAgent", "agentAddress": address, "agentName": "one"})["status"] == "ok"
    agent = Client(venue, agent=secret)
    assert "resting" in agent.place()
    sent = {"type": "usdSend", "destination": client.user, "amount": "1"}
    assert agent.own(sent)["response"].startswith("User or API Wallet")
    assert agent.info("userRole", user=address) == {"role": "agent", "data": {"user": client.user}}
    (row,) = client.info("extraAgents")
    assert (row["name"], row["address"]) == ("one", address.lower())
    other, _ = wallet_pair(2, "agent")
    client.own({"type": "approveAgent", "agentAddress": other, "agentName": "one"})  # it replaces the first
    assert agent.act({"type": "noop"})["status"] == "err"


def test_a_sub_account_is_traded_with_the_main_wallet_s_signature(client):
    made = client.act({"type": "createSubAccount", "name": "sub"})["response"]
    sub = made["data"]
    paid = {"type": "subAccountTransfer", "subAccountUser": sub, "isDeposit": True, "usd": 1000 * 10**6}
    assert client.act(paid)["status"] == "ok"
    order = {"a": 0, "b": True, "p": client.price(0.99), "s": "0.01", "r": False, "t": LIMIT}
    assert "resting" in first(client.act({"type": "order", "orders": [order], "grouping": "na"}, vault=sub))
    assert [row["coin"] for row in client.info("openOrders", user=sub)] == ["BTC"] and not client.info("openOrders")
    assert client.info("userRole", user=sub) == {"role": "subAccount", "data": {"master": client.user}}
    (row,) = client.info("subAccounts")
    assert row["clearinghouseState"]["marginSummary"]["accountValue"] == "1000.0"
    (moved,) = client.info("userNonFundingLedgerUpdates", user=sub, startTime=0)
    assert moved["delta"]["type"] == "subAccountTransfer"


# --- orders ---------------------------------------------------------------------------------------


def test_an_order_is_named_by_its_number_and_by_the_client_s_id(client):
    cloid = f"0x{7:032x}"
    oid = client.place(c=cloid)["resting"]["oid"]
    for name in (oid, cloid):
        found = client.info("orderStatus", oid=name)["order"]
        assert (found["status"], found["order"]["oid"], found["order"]["cloid"]) == ("open", oid, cloid)
    assert client.place(c=cloid)["error"].startswith("Duplicate cloid")
    cancel = {"type": "cancelByCloid", "cancels": [{"asset": 0, "cloid": cloid}]}
    assert first(client.act(cancel)) == "success"
    assert first(client.act(cancel))["error"] == "Order was never placed, already canceled, or filled. asset=0"
    assert client.info("orderStatus", oid=oid)["order"]["status"] == "canceled"
    assert client.info("orderStatus", oid=1) == {"status": "unknownOid"}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"size": "0.0000001"}, "Order has invalid size"),
        ({"size": "0"}, "Order has zero size"),
        ({"size": "0.0001", "part": 0.5}, "Order must have minimum value of $10"),
        ({"part": 0.1}, "Order price cannot be more than 80% away"),
        ({"part": 1.01, "kind": POST_ONLY}, "Post only order would have immediately matched"),
        ({"kind": AT_ONCE}, "Order could not immediately match"),
        ({"size": "500"}, "Insufficient margin to place order."),
        ({"reduces": True}, "Reduce only order would increase position."),
    ],
)
def test_an_order_is_refused_by_a_text(client, changes, text):
    assert client.place(**{"part": 0.99, **changes})["error"].startswith(text)


@pytest.mark.parametrize(("price", "is_valid"), [("60000", True), ("60000.5", False), ("59000.0", True)])
def test_a_price_has_five_significant_figures(client, price, is_valid):
    order = {"a": 0, "b": True, "p": price, "s": "0.01", "r": False, "t": LIMIT}
    answer = first(client.act({"type": "order", "orders": [order], "grouping": "na"}))
    assert answer.get("error", "").startswith("Price must be divisible by tick size") is not is_valid


@pytest.mark.parametrize("changes", [{"t": {}}, {"b": 1}, {"p": 60000}, {"t": {"limit": {"tif": "Fok"}}}, {"c": "0x1"}])
def test_a_malformed_order_is_refused_with_a_text_and_status_422(client, changes):
    order = {"a": 0, "b": True, "p": "60000", "s": "0.01", "r": False, "t": LIMIT, **changes}
    status, text = client.ask("/exchange", client.signed({"type": "order", "orders": [order], "grouping": "na"}))
    assert (status, text) == (422, "Failed to deserialize the JSON body into the target type")


def test_a_change_is_another_order(client):
    oid = client.place(c=f"0x{7:032x}")["resting"]["oid"]
    order = {"a": 0, "b": True, "p": client.price(0.98), "s": "0.02", "r": False, "t": LIMIT}
    changed = first(client.act({"type": "batchModify", "modifies": [{"oid": oid, "order": order}]}))
    assert changed["resting"]["oid"] != oid
    (row,) = client.info("frontendOpenOrders")
    assert (row["oid"], row["origSz"], row["cloid"]) == (changed["resting"]["oid"], "0.02", f"0x{7:032x}")
    second = client.act({"type": "batchModify", "modifies": [{"oid": oid, "order": order}]})
    assert first(second)["error"].startswith("Cannot modify")


def test_a_trade_changes_position_balance_and_lists(client):
    filled = client.market()["filled"]
    assert filled["totalSz"] == "0.01"
    state = client.info("clearinghouseState")
    (row,) = (each["position"] for each in state["assetPositions"])
    (fill, *_) = client.info("userFills")
    assert (row["szi"], fill["dir"], fill["crossed"], fill["startPosition"]) == ("0.01", "Open Long", True, "0.0")
    fees = sum(float(each["fee"]) for each in client.info("userFillsByTime", startTime=0))
    value = float(state["marginSummary"]["accountValue"]) - float(row["unrealizedPnl"])
    assert abs(100_000 - fees - value) < 1e-6
    client.market(buys=False, reduces=True)
    assert client.info("clearinghouseState")["assetPositions"] == []


def test_stops_wait_are_listed_and_fire_under_the_same_number(client):
    client.market()
    assert client.place(kind=stop(client.price(1.02)), buys=False)["error"].startswith("Invalid TP/SL price")
    numbers = []
    for buys, away in ((True, 2), (False, -2)):
        trigger = str(client.venue.dialect.exchange.listings[0].valuation // 10 + away)
        numbers.append(client.place(1.1 if buys else 0.9, kind=stop(trigger), buys=buys)["resting"]["oid"])
    row, other = client.info("frontendOpenOrders")
    assert {row["oid"], other["oid"]} == set(numbers)
    assert (row["isTrigger"], row["orderType"], row["tif"]) == (True, "Stop Market", None)
    connection, states = client.listen("orderUpdates"), {}
    for _ in range(500):
        client.venue.wait(1)
        updates = (row for each in heard(connection) if each["channel"] == "orderUpdates" for row in each["data"])
        states |= {row["order"]["oid"]: row["status"] for row in updates}
        if "filled" in states.values():
            break
    assert [number for number, state in states.items() if state == "filled" and number in numbers]


def test_take_profit_and_stop_loss_end_with_their_position(client):
    entry = {"a": 0, "b": True, "p": client.price(1.05), "s": "0.01", "r": False, "t": AT_ONCE}
    exits = [
        {**entry, "b": False, "r": True, "p": client.price(0.9), "t": stop(client.price(part), word)}
        for part, word in ((0.97, "sl"), (1.03, "tp"))
    ]
    answer = client.act({"type": "order", "orders": [entry, *exits], "grouping": "normalTpsl"})
    statuses = answer["response"]["data"]["statuses"]
    assert "filled" in statuses[0] and statuses[1:] == ["waitingForTrigger"] * 2
    assert len(client.info("openOrders")) == 2
    client.market(buys=False, reduces=True)
    assert client.info("openOrders") == []
    assert client.info("historicalOrders")[0]["status"] in ("filled", "reduceOnlyCanceled")


def test_the_dead_man_s_switch_needs_volume_and_takes_all_orders(client):
    at = client.venue.now() // 10**6 + 6000
    answer = client.act({"type": "scheduleCancel", "time": at})
    assert answer["response"].startswith("Cannot set scheduled cancel time until enough volume traded.")
    client.venue.dialect.limits.bought[client.account.key] = 1_000_000
    assert client.act({"type": "scheduleCancel", "time": at - 5000})["status"] == "err"
    assert client.act({"type": "scheduleCancel", "time": at})["status"] == "ok"
    client.place()
    client.venue.wait(10)
    assert client.info("openOrders") == []


# --- money, leverage, limits ----------------------------------------------------------------------


def test_leverage_is_a_setting_of_an_asset_and_isolated_margin_moves(client):
    def set_leverage(times, *, is_cross=True):
        return client.act({"type": "updateLeverage", "asset": 0, "isCross": is_cross, "leverage": times})

    assert set_leverage(41)["response"] == "Invalid leverage value"
    assert set_leverage(5, is_cross=False)["status"] == "ok"
    client.market()
    (row,) = (each["position"] for each in client.info("clearinghouseState")["assetPositions"])
    assert (row["leverage"]["type"], row["leverage"]["value"]) == ("isolated", 5)
    assert set_leverage(5)["response"].startswith("Cannot switch leverage type")
    moved = {"type": "updateIsolatedMargin", "asset": 0, "isBuy": True, "ntli": 10 * 10**6}
    assert client.act(moved)["status"] == "ok"
    (after,) = (each["position"] for each in client.info("clearinghouseState")["assetPositions"])
    assert abs(float(after["marginUsed"]) - float(row["marginUsed"]) - 10) < 1e-6


def test_a_withdrawal_costs_a_dollar_and_is_in_the_ledger(client):
    assert client.own({"type": "withdraw3", "destination": client.user, "amount": "10"})["status"] == "ok"
    rows = client.info("userNonFundingLedgerUpdates", startTime=0)
    assert [row["delta"]["type"] for row in rows] == ["deposit", "spotTransfer", "withdraw"]
    assert client.info("clearinghouseState")["marginSummary"]["accountValue"] == "99990.0"


def test_an_address_has_twelve_hundred_a_minute(client):
    answers = [client.ask("/info", {"type": "userRole", "user": client.user})[0] for _ in range(25)]
    assert answers.count(200) == 20 and set(answers[20:]) == {429}


def test_what_is_not_simulated_is_refused_by_name(client):
    answer = client.act({"type": "twapOrder", "twap": {}})
    assert answer["response"] == "twapOrder is not available in this simulation"


# --- the WebSocket --------------------------------------------------------------------------------


def test_an_account_is_told_of_orders_fills_and_its_state(client):
    connection = client.listen("orderUpdates", "userFills", "userEvents", "clearinghouseState")
    client.market()
    found = heard(connection)
    assert {each["channel"] for each in found} == {"orderUpdates", "userFills", "user", "clearinghouseState"}
    fills = next(each["data"]["fills"] for each in found if each["channel"] == "userFills")
    assert fills[0]["coin"] == "BTC"
    last = [each["data"] for each in found if each["channel"] == "clearinghouseState"][-1]
    assert last["clearinghouseState"]["assetPositions"][0]["position"]["szi"] == "0.01"


def test_a_request_by_websocket_is_answered_as_by_rest(client):
    connection = client.venue.connect("/ws")
    order = {"a": 0, "b": True, "p": client.price(0.99), "s": "0.01", "r": False, "t": LIMIT}
    payload = client.signed({"type": "order", "orders": [order], "grouping": "na"})
    (answer,) = client.say(connection, {"method": "post", "id": 3, "request": {"type": "action", "payload": payload}})
    assert answer["channel"] == "post" and answer["data"]["id"] == 3
    assert "resting" in first(answer["data"]["response"]["payload"])
    query = {"type": "info", "payload": {"type": "l2Book", "coin": "BTC"}}
    (answer,) = client.say(connection, {"method": "post", "id": 4, "request": query})
    assert answer["data"]["response"]["payload"]["data"]["coin"] == "BTC"
    (answer,) = client.say(connection, {"method": "post", "id": 5, "request": {"type": "else", "payload": {}}})
    assert answer["data"]["response"]["payload"].startswith("422")


def test_subscriptions_are_confirmed_once(client):
    connection = client.venue.connect("/ws")
    said = {"method": "subscribe", "subscription": {"type": "l2Book", "coin": "BTC"}}
    confirmed, book, *_ = client.say(connection, said)
    assert confirmed["channel"] == "subscriptionResponse" and len(book["data"]["levels"]) == 2
    assert client.say(connection, said)[0]["channel"] == "error"
    wrong = {"method": "subscribe", "subscription": {"type": "webData9"}}
    assert client.say(connection, wrong)[0]["channel"] == "error"
    assert client.say(connection, {"method": "ping"}) == [{"channel": "pong"}]
    assert client.say(connection, {**said, "method": "unsubscribe"})[0]["data"]["method"] == "unsubscribe"
    client.venue.wait(61)
    assert connection.closed
