"""Spot at the simulated Hyperliquid: pairs, the spot wallet, unified accounts, money between wallets and accounts."""

from __future__ import annotations

import pytest
from test_hyperliquid_exchange import AT_ONCE, LIMIT, POST_ONLY, Client, first, heard

from exchange.venue_client import Virtual
from onetape.exchange.keys import wallet_pair

PURR, HYPE = 10_000, 10_107
USDC = "USDC:0x6d1e7cde53ba9467b783cb7c530ce054"


@pytest.fixture
def client():
    return Client(Virtual("hyperliquid"))


def index(client, coin: str) -> int:
    return client.venue.dialect.public.index_of[coin]


def price(client, coin: str, part: float) -> str:
    i = client.venue.dialect.exchange.instruments[index(client, coin)]
    ticks = round(client.venue.dialect.exchange.listings[index(client, coin)].last * part / i.core.tick)
    return i.price_text(ticks * i.core.tick)


def place(client, part: float = 0.99, *, asset=HYPE, buys=True, size="10", kind=LIMIT, vault=None, **more):
    coin = {PURR: "PURR/USDC", HYPE: "@107"}[asset]
    p = f"{float(price(client, coin, part)):g}"
    order = {"a": asset, "b": buys, "p": p, "s": size, "r": False, "t": kind, **more}
    return first(client.act({"type": "order", "orders": [order], "grouping": "na"}, vault=vault))


def market(client, *, buys=True, **more):
    return place(client, 1.05 if buys else 0.95, buys=buys, kind=AT_ONCE, **more)


def balances(client, user="") -> dict[str, tuple[float, float]]:
    rows = client.info("spotClearinghouseState", **({"user": user} if user else {}))["balances"]
    return {row["coin"]: (float(row["total"]), float(row["hold"])) for row in rows}


def perps(client) -> float:
    return float(client.info("clearinghouseState")["marginSummary"]["accountValue"])


def ledger(client, **terms) -> list[dict]:
    return [row["delta"] for row in client.info("userNonFundingLedgerUpdates", startTime=0, **terms)]


def unified(client) -> None:
    action = {"type": "userSetAbstraction", "user": client.user, "abstraction": "unifiedAccount"}
    assert client.own(action)["status"] == "ok"


# --- the market -----------------------------------------------------------------------------------


def test_pairs_have_numbers_from_ten_thousand_on(client):
    meta, contexts = client.info("spotMetaAndAssetCtxs")
    assert [(row["name"], row["index"]) for row in meta["universe"]] == [("PURR/USDC", 0), ("@107", 107)]
    names = {row["index"]: (row["name"], row["szDecimals"]) for row in meta["tokens"]}
    assert [[names[at] for at in row["tokens"]] for row in meta["universe"]] == [
        [("PURR", 0), ("USDC", 8)],
        [("HYPE", 2), ("USDC", 8)],
    ]
    # Clients find a context by the number of its pair, too.
    assert contexts[107]["coin"] == "@107" and float(contexts[107]["midPx"]) > 0 and contexts[1]["midPx"] is None
    assert [row["name"] for row in client.info("meta")["universe"]] == ["BTC", "ETH", "SOL"]
    assert len(client.info("metaAndAssetCtxs")[1]) == 3
    assert set(client.info("allMids")) == {"BTC", "ETH", "SOL", "PURR/USDC", "@107"}


def test_market_channels_of_a_pair_are_those_of_a_perpetual_but_for_the_context(client):
    connection = client.venue.connect("/ws")
    for kind in ("l2Book", "trades", "bbo", "activeAssetCtx"):
        client.say(connection, {"method": "subscribe", "subscription": {"type": kind, "coin": "@107"}})
    candle = {"type": "candle", "coin": "@107", "interval": "1m"}
    client.say(connection, {"method": "subscribe", "subscription": candle})
    market(client)
    client.venue.wait(3)
    found = {each["channel"]: each["data"] for each in heard(connection)}
    assert {"l2Book", "trades", "bbo", "activeSpotAssetCtx", "candle"} <= set(found)
    assert found["bbo"]["coin"] == found["activeSpotAssetCtx"]["coin"] == found["candle"]["s"] == "@107"
    assert "funding" not in found["activeSpotAssetCtx"]["ctx"]


# --- orders and balances --------------------------------------------------------------------------


def test_a_purchase_pays_its_fee_in_the_coin_and_a_sale_in_usdc(client):
    filled = market(client)["filled"]
    (buy,) = client.info("userFills")
    cost = float(filled["totalSz"]) * float(filled["avgPx"])
    assert (buy["coin"], buy["dir"], buy["feeToken"], buy["side"]) == ("@107", "Buy", "HYPE", "B")
    assert float(buy["fee"]) == pytest.approx(10 * 0.0007)
    held = balances(client)
    assert held["HYPE"] == (pytest.approx(10 - 0.007), 0)
    assert held["USDC"] == (pytest.approx(100_000 - cost), 0)
    assert perps(client) == 100_000  # another wallet
    sold = market(client, buys=False, size="9.99")["filled"]
    sell = client.info("userFills")[0]
    gain = float(sold["totalSz"]) * float(sold["avgPx"])
    assert (sell["dir"], sell["feeToken"]) == ("Sell", "USDC")
    assert float(sell["fee"]) == pytest.approx(gain * 0.0007, abs=1e-6)
    assert balances(client)["USDC"][0] == pytest.approx(100_000 - cost + gain - float(sell["fee"]))
    assert client.info("clearinghouseState")["assetPositions"] == []


def test_a_working_order_holds_what_it_needs(client):
    market(client)
    made = [place(client, 0.9), place(client, 1.1, buys=False, size="4")]
    held, bid = balances(client), float(price(client, "@107", 0.9))
    assert held["HYPE"][1] == 4 and held["USDC"][1] == pytest.approx(10 * bid, rel=0.01)
    cancels = [{"a": HYPE, "o": each["resting"]["oid"]} for each in made]
    client.act({"type": "cancel", "cancels": cancels})
    assert [hold for _, hold in balances(client).values()] == [0, 0]


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        ({"size": "10000"}, "Insufficient spot balance"),
        ({"buys": False, "part": 1.01, "size": "1"}, "Insufficient spot balance"),
        ({"size": "0.1"}, "Order must have minimum value of 10 USDC."),
        ({"size": "0.001"}, "Order has invalid size."),
        ({"r": True}, "Reduce only order would increase position."),
        ({"part": 1.01, "kind": POST_ONLY}, "Post only order would have immediately matched"),
        ({"p": "39.1234"}, "Price must be divisible by tick size."),
    ],
)
def test_an_order_is_refused_by_a_text(client, terms, text):
    error = place(client, **terms)["error"]
    assert error.startswith(text) and error.endswith(f"asset={HYPE}")


def test_a_price_has_eight_decimals_less_those_of_the_size(client):
    cheap = place(client, asset=PURR, size="100", p="0.18765")
    assert "resting" in cheap
    assert place(client, asset=PURR, size="100", p="0.187651")["error"].startswith("Price must be divisible")


def test_spot_has_no_leverage(client):
    action = {"type": "updateLeverage", "asset": HYPE, "isCross": True, "leverage": 3}
    assert client.act(action)["response"].startswith("Cannot change margin")


def test_the_spot_wallet_is_told(client):
    connection = client.listen("spotState", "orderUpdates", "userFills")
    market(client)
    last = [each["data"] for each in heard(connection) if each["channel"] == "spotState"][-1]
    rows = {row["coin"]: row["total"] for row in last["spotState"]["balances"]}
    assert last["user"] == client.user and float(rows["HYPE"]) == pytest.approx(9.993)


# --- wallets and accounts -------------------------------------------------------------------------


def test_the_main_wallet_moves_usdc_between_spot_and_perpetuals(client):
    assert client.own({"type": "usdClassTransfer", "amount": "250", "toPerp": True})["status"] == "ok"
    assert (perps(client), balances(client)["USDC"][0]) == (100_250, 99_750)
    assert client.own({"type": "usdClassTransfer", "amount": "1000000", "toPerp": False})["status"] == "err"
    assert ledger(client)[-1] == {"type": "accountClassTransfer", "usdc": "250.0", "toPerp": True}
    _, secret = agent_of(client)
    agent = Client(client.venue, agent=secret)
    assert agent.own({"type": "usdClassTransfer", "amount": "1", "toPerp": True})["response"].startswith("User or API")


def agent_of(client, name="agent"):
    address, secret = wallet_pair(1, name)
    assert client.own({"type": "approveAgent", "agentAddress": address, "agentName": name})["status"] == "ok"
    return address, secret


def test_in_a_unified_account_all_usdc_is_one(client):
    assert client.info("userAbstraction") == "default"
    unified(client)
    assert client.info("userAbstraction") == "unifiedAccount"
    assert balances(client)["USDC"] == (200_000, 0) and perps(client) == 0
    market(client)
    cost = 200_000 - balances(client)["USDC"][0]
    assert cost > 100 and balances(client)["HYPE"][0] == pytest.approx(9.993)
    client.market(size="1")
    total, hold = balances(client)["USDC"]
    fees = sum(float(row["fee"]) for row in client.info("userFills") if row["coin"] == "BTC")
    assert total == pytest.approx(200_000 - cost - fees, abs=1e-4)
    (row,) = (each["position"] for each in client.info("clearinghouseState")["assetPositions"])
    assert hold == pytest.approx(float(row["marginUsed"]), rel=0.01)
    refused = client.own({"type": "usdClassTransfer", "amount": "1", "toPerp": True})
    assert refused["response"] == "Action disabled when unified account is active"
    back = {"type": "userSetAbstraction", "user": client.user, "abstraction": "disabled"}
    assert client.own(back)["status"] == "err"


def test_an_agent_sets_the_abstraction_by_a_letter(client):
    _, secret = agent_of(client)
    agent = Client(client.venue, agent=secret)
    assert agent.act({"type": "agentSetAbstraction", "abstraction": "i"})["status"] == "ok"
    assert client.info("userAbstraction") == "disabled"
    refused = agent.act({"type": "agentSetAbstraction", "abstraction": "p"})
    assert refused["response"] == "portfolioMargin is not available in this simulation"


def test_spot_balances_move_to_accounts_and_sub_accounts(client):
    market(client)
    sub = client.act({"type": "createSubAccount", "name": "sub"})["response"]["data"]
    moved = {"subAccountUser": sub, "isDeposit": True, "token": "HYPE:0x0", "amount": "2"}
    moved = {"type": "subAccountSpotTransfer", **moved}
    assert client.act(moved)["status"] == "ok"
    assert client.act({**moved, "token": USDC, "amount": "500"})["status"] == "ok"
    assert balances(client, sub) == {"USDC": (500, 0), "HYPE": (2, 0)}
    assert "resting" in place(client, 0.99, size="5", vault=sub)  # with the main wallet's signature
    second = Client(client.venue, number=1)
    sent = {"type": "spotSend", "destination": second.user, "token": "HYPE:0x0", "amount": "1"}
    assert client.own(sent)["status"] == "ok"
    assert balances(second)["HYPE"] == (1, 0)
    row = ledger(second)[-1]
    assert (row["type"], row["token"], row["amount"], row["user"]) == ("spotTransfer", "HYPE", "1.0", client.user)
    assert client.own({**sent, "amount": "100"})["status"] == "err"


def test_a_vault_is_its_leader_s_to_pay_and_to_trade(client):
    about = {"name": "vault", "description": "", "initialUsd": 100 * 10**6, "nonce": 1}
    vault = client.act({"type": "createVault", **about})["response"]["data"]
    assert client.info("userRole", user=vault) == {"role": "vault"} and client.info("subAccounts") is None
    _, secret = agent_of(client)
    agent = Client(client.venue, agent=secret)
    paid = {"type": "vaultTransfer", "vaultAddress": vault, "isDeposit": True, "usd": 400 * 10**6}
    assert agent.act(paid)["status"] == "ok"  # which an agent may sign
    order = {"a": 0, "b": True, "p": client.price(0.99), "s": "0.01", "r": False, "t": LIMIT}
    assert "resting" in first(agent.act({"type": "order", "orders": [order], "grouping": "na"}, vault=vault))
    assert client.act({**paid, "isDeposit": False, "usd": 10**12})["status"] == "err"
    other = Client(client.venue, number=1)
    assert other.ask("/exchange", other.signed(paid))[0] == 422  # it is not the leader


def test_an_agent_moves_no_money_of_sub_accounts(client):
    sub = client.act({"type": "createSubAccount", "name": "sub"})["response"]["data"]
    _, secret = agent_of(client)
    agent = Client(client.venue, agent=secret)
    paid = {"type": "subAccountTransfer", "subAccountUser": sub, "isDeposit": True, "usd": 10**6}
    assert agent.act(paid)["response"].startswith("User or API Wallet")
    assert agent.act({"type": "createSubAccount", "name": "two"})["response"].startswith("User or API Wallet")
    assert client.act(paid)["status"] == "ok"
