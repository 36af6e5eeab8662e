"""hyperliquid-python-sdk, the venue's own, against a simulated Hyperliquid: queries, orders of all kinds, an agent, the
WebSocket, spot, wallets and sub-accounts; then a market maker by an agent's key and a taker by another account's. Only
address and keys are changed."""

from __future__ import annotations

import queue
import time
from concurrent.futures import ThreadPoolExecutor

import eth_account
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from hyperliquid.utils.types import Cloid
from session import Session

COIN = "BTC"
SIZE = 0.01
PAIR, BASE, LOTS = "HYPE/USDC", "HYPE", 5.0  # of spot, which the venue calls @107
BOT_S = 120  # of each bot
WAIT_S = 15
MINUTE_S = 60
LIMIT = {"limit": {"tif": "Gtc"}}
POST_ONLY = {"limit": {"tif": "Alo"}}

s = Session()


def near(price, part):
    return float(round(price * part))


def statuses(answer):
    return answer["response"]["data"]["statuses"]


def first(answer):
    return statuses(answer)[0]


def market_data(info):
    meta = s.call("meta", info.meta, lambda v: v["universe"][0]["name"] == COIN)
    s.holds("sizes and leverage", meta["universe"][0]["szDecimals"] == 5 and meta["universe"][0]["maxLeverage"] == 40)
    s.call("meta_and_asset_ctxs", info.meta_and_asset_ctxs, lambda v: float(v[1][0]["markPx"]) > 0)
    s.call("spot_meta", info.spot_meta, lambda v: v["tokens"][0]["name"] == "USDC")
    s.call("all_mids", info.all_mids, lambda v: float(v[COIN]) > 0)
    now = int(time.time() * 1000)
    s.call("candles_snapshot", lambda: info.candles_snapshot(COIN, "1m", now - 3600_000, now), lambda v: len(v) > 5)
    s.call("funding_history", lambda: info.funding_history(COIN, now - 86_400_000))
    book = s.call("l2_snapshot", lambda: info.l2_snapshot(COIN), lambda v: len(v["levels"][0]) > 5)
    return float(book["levels"][0][0]["px"])


def orders(x, info, user, bid):
    cloid = Cloid.from_int(1)
    made = s.call("order", lambda: x.order(COIN, True, SIZE, near(bid, 0.99), LIMIT, cloid=cloid), first)
    oid = first(made)["resting"]["oid"]
    s.call("open_orders", lambda: info.open_orders(user), lambda v: v[0]["oid"] == oid)
    s.call("query_order_by_oid", lambda: info.query_order_by_oid(user, oid), lambda v: v["order"]["status"] == "open")
    s.call(
        "query_order_by_cloid",
        lambda: info.query_order_by_cloid(user, cloid),
        lambda v: v["order"]["order"]["oid"] == oid,
    )
    changed = s.call(
        "modify_order",
        lambda: x.modify_order(cloid, COIN, True, 2 * SIZE, near(bid, 0.98), LIMIT, cloid=cloid),
        lambda v: first(v)["resting"]["oid"] != oid,
    )
    s.call(
        "frontend_open_orders",
        lambda: info.frontend_open_orders(user),
        lambda v: [float(v[0]["sz"]), float(v[0]["limitPx"])] == [2 * SIZE, near(bid, 0.98)],
    )
    s.call("cancel", lambda: x.cancel(COIN, first(changed)["resting"]["oid"]), lambda v: first(v) == "success")
    s.call(
        "cancel again",
        lambda: x.cancel_by_cloid(COIN, cloid),
        lambda v: first(v)["error"].startswith("Order was never placed, already canceled, or filled."),
    )
    s.call("unknown order", lambda: info.query_order_by_oid(user, 1), lambda v: v == {"status": "unknownOid"})
    s.call(
        "post-only order that would take",
        lambda: x.order(COIN, True, SIZE, near(bid, 1.01), POST_ONLY),
        lambda v: first(v)["error"].startswith("Post only order would have immediately matched"),
    )
    s.call(
        "six significant figures",
        lambda: x.order(COIN, True, SIZE, near(bid, 0.99) + 0.5, LIMIT),
        lambda v: first(v)["error"].startswith("Price must be divisible by tick size"),
    )
    s.call(
        "less than ten dollars",
        lambda: x.order(COIN, True, 0.00001, near(bid, 0.99), LIMIT),
        lambda v: first(v)["error"].startswith("Order must have minimum value of $10"),
    )
    batch = [
        {
            "coin": COIN,
            "is_buy": True,
            "sz": SIZE,
            "limit_px": near(bid, part),
            "order_type": LIMIT,
            "reduce_only": False,
        }
        for part in (0.99, 0.98)
    ]
    both = s.call("bulk_orders", lambda: x.bulk_orders(batch), lambda v: len(statuses(v)) == 2)
    rows = [{"coin": COIN, "oid": each["resting"]["oid"]} for each in statuses(both)]
    s.call("bulk_cancel", lambda: x.bulk_cancel(rows), lambda v: statuses(v) == ["success"] * 2)
    s.call("historical_orders", lambda: info.historical_orders(user), lambda v: v[0]["status"] == "canceled")


def triggers(x, info, user, bid):
    stop = {"trigger": {"isMarket": True, "triggerPx": near(bid, 1.03), "tpsl": "sl"}}
    made = s.call("stop", lambda: x.order(COIN, True, SIZE, near(bid, 1.05), stop), first)
    s.call(
        "stop is listed",
        lambda: info.frontend_open_orders(user),
        lambda v: v[0]["isTrigger"] and v[0]["orderType"] == "Stop Market",
    )
    s.call("cancel stop", lambda: x.cancel(COIN, first(made)["resting"]["oid"]), lambda v: first(v) == "success")
    wrong = {"trigger": {"isMarket": True, "triggerPx": near(bid, 0.97), "tpsl": "sl"}}
    s.call(
        "stop on the wrong side",
        lambda: x.order(COIN, True, SIZE, near(bid, 1.05), wrong),
        lambda v: first(v)["error"].startswith("Invalid TP/SL price"),
    )


def position(x, info, user):
    s.call("update_leverage", lambda: x.update_leverage(10, COIN), lambda v: v["status"] == "ok")
    s.call(
        "market_open", lambda: x.market_open(COIN, True, SIZE), lambda v: float(first(v)["filled"]["totalSz"]) == SIZE
    )
    state = s.call("user_state", lambda: info.user_state(user), lambda v: len(v["assetPositions"]) == 1)
    held = state["assetPositions"][0]["position"]
    s.holds("the position", float(held["szi"]) == SIZE and held["leverage"] == {"type": "cross", "value": 10}, held)
    fills = s.call("user_fills", lambda: info.user_fills(user), lambda v: v and v[0]["dir"] == "Open Long")
    cost = sum(float(each["fee"]) for each in fills) - float(held["unrealizedPnl"])
    value = float(state["marginSummary"]["accountValue"])
    s.holds("value equals deposits, profit and fees", abs(s.balances["USDC"] - cost - value) < 1e-5, (cost, value))
    s.call("market_close", lambda: x.market_close(COIN), lambda v: float(first(v)["filled"]["totalSz"]) == SIZE)
    s.call("user_state flat", lambda: info.user_state(user), lambda v: v["assetPositions"] == [])
    s.call(
        "user_fills_by_time",
        lambda: info.user_fills_by_time(user, 0),
        lambda v: [each["time"] for each in v] == sorted(each["time"] for each in v),
    )
    s.call("user_funding_history", lambda: info.user_funding_history(user, 0))
    s.call("user_non_funding_ledger_updates", lambda: info.user_non_funding_ledger_updates(user, 0), lambda v: v)
    s.call("user_fees", lambda: info.user_fees(user), lambda v: v["userCrossRate"] == "0.00045")
    s.call("user_rate_limit", lambda: info.user_rate_limit(user), lambda v: v["nRequestsCap"] >= 10_000)


def agent_of(x, user):
    answer, key = x.approve_agent("certify")
    s.holds("approve_agent", answer == {"status": "ok", "response": {"type": "default"}}, answer)
    wallet = eth_account.Account.from_key(key)
    return Exchange(wallet, s.rest, account_address=user)


def stranger():
    x = Exchange(eth_account.Account.create(), s.rest)
    s.call(
        "an unknown wallet",
        lambda: x.cancel(COIN, 1),
        lambda v: v["status"] == "err" and v["response"].startswith("User or API Wallet 0x"),
    )


def held(info, user):
    return {row["coin"]: float(row["total"]) for row in info.spot_user_state(user)["balances"]}


def spot(x, info, user):
    meta = s.call("spot_meta_and_asset_ctxs", info.spot_meta_and_asset_ctxs, lambda v: len(v[0]["universe"]) == 2)
    s.holds("a pair has a number", [row["index"] for row in meta[0]["universe"]] == [0, 107], meta[0])
    bid = float(info.l2_snapshot(PAIR)["levels"][0][0]["px"])
    before = s.call("spot_user_state", lambda: held(info, user), lambda v: v["USDC"] == s.balances["USDC-SPOT"])
    made = s.call("spot order", lambda: x.order(PAIR, True, LOTS, round(bid * 0.97, 2), LIMIT), first)
    s.call(
        "spot hold",
        lambda: info.spot_user_state(user)["balances"],
        lambda v: abs(float(v[0]["hold"]) - LOTS * round(bid * 0.97, 2)) < 1,
    )
    s.call("spot cancel", lambda: x.cancel(PAIR, first(made)["resting"]["oid"]), lambda v: first(v) == "success")
    s.call("spot buy", lambda: x.market_open(PAIR, True, LOTS), lambda v: float(first(v)["filled"]["totalSz"]) == LOTS)
    mine = [row for row in info.user_fills(user) if row["coin"] == "@107"]
    fee = sum(float(row["fee"]) for row in mine)
    s.holds("a buyer pays in the coin", {row["feeToken"] for row in mine} == {BASE} and fee > 0, mine)
    s.call("spot balance", lambda: held(info, user), lambda v: abs(v[BASE] - (LOTS - fee)) < 1e-8)
    s.call("spot sell", lambda: x.market_open(PAIR, False, 2.0), lambda v: float(first(v)["filled"]["totalSz"]) == 2)
    cost = sum(
        float(row["px"]) * float(row["sz"]) * (1 if row["side"] == "B" else -1)
        + (float(row["fee"]) if row["feeToken"] == "USDC" else 0)
        for row in info.user_fills(user)
        if row["coin"] == "@107"
    )
    s.call("spot money", lambda: held(info, user), lambda v: abs(before["USDC"] - cost - v["USDC"]) < 1e-5)
    s.call(
        "more of a coin than there is",
        lambda: x.order(PAIR, False, 50.0, round(bid * 1.01, 2), LIMIT),
        lambda v: first(v)["error"].startswith("Insufficient spot balance"),
    )


def transfers(x, info, user, agent, other):
    """Money between spot and perpetuals, sub-accounts, and another user."""
    s.call("usd_class_transfer", lambda: x.usd_class_transfer(100.0, True), lambda v: v["status"] == "ok")
    s.call(
        "it is in the ledger",
        lambda: info.user_non_funding_ledger_updates(user, 0)[-1]["delta"],
        lambda v: v == {"type": "accountClassTransfer", "usdc": "100.0", "toPerp": True},
    )
    refused = agent.usd_class_transfer(1.0, True)
    s.holds("an agent moves no money", refused["response"].startswith("User or API Wallet"), refused)
    s.call("spot_transfer", lambda: x.spot_transfer(0.5, other, f"{BASE}:0x3"), lambda v: v["status"] == "ok")
    s.call("it has come", lambda: held(info, other), lambda v: v[BASE] == 0.5)
    made = s.call("create_sub_account", lambda: x.create_sub_account("desk"), lambda v: v["status"] == "ok")
    sub = made["response"]["data"]
    s.call(
        "sub_account_transfer", lambda: x.sub_account_transfer(sub, True, 2000 * 10**6), lambda v: v["status"] == "ok"
    )
    s.call(
        "sub_account_spot_transfer",
        lambda: x.sub_account_spot_transfer(sub, True, f"{BASE}:0x3", 1.0),
        lambda v: v["status"] == "ok",
    )
    s.call("query_sub_accounts", lambda: info.query_sub_accounts(user), lambda v: v[0]["subAccountUser"] == sub)
    desk = Exchange(agent.wallet, s.rest, vault_address=sub, account_address=user)
    s.call("a sub-account buys", lambda: desk.market_open(COIN, True, SIZE), lambda v: "filled" in first(v))
    s.call("its position", lambda: info.user_state(sub)["assetPositions"], lambda v: len(v) == 1)
    s.call("a sub-account sells spot", lambda: desk.market_open(PAIR, False, 1.0), lambda v: "filled" in first(v))
    s.call("query_user_abstraction_state", lambda: info.query_user_abstraction_state(user), lambda v: v == "default")


def topics(info, x, user, bid):
    heard = queue.Queue()
    wanted = {"l2Book", "trades", "bbo", "candle", "allMids", "activeAssetCtx", "orderUpdates", "userFills", "user"}
    for kind in ("l2Book", "trades", "bbo", "activeAssetCtx"):
        info.subscribe({"type": kind, "coin": COIN}, heard.put)
    info.subscribe({"type": "candle", "coin": COIN, "interval": "1m"}, heard.put)
    info.subscribe({"type": "allMids"}, heard.put)
    for kind in ("orderUpdates", "userFills", "userEvents", "userFundings", "userNonFundingLedgerUpdates"):
        info.subscribe({"type": kind, "user": user}, heard.put)
    time.sleep(1)
    x.market_open(COIN, True, SIZE)
    x.market_close(COIN)
    end = time.monotonic() + WAIT_S
    while wanted and time.monotonic() < end:
        wanted.discard(heard.get(timeout=WAIT_S)["channel"])
    s.holds("channels", not wanted, wanted)


def maker(x, info):
    """Quotes both sides, post-only, anew each second, with the key of an agent."""
    end, rounds = time.monotonic() + BOT_S, 0
    while time.monotonic() < end:
        book = info.l2_snapshot(COIN)["levels"]
        made = [
            x.order(COIN, is_buy, SIZE, float(level[0]["px"]), POST_ONLY)
            for is_buy, level in ((True, book[0]), (False, book[1]))
        ]
        time.sleep(1)
        for each in made:
            if "resting" in first(each):
                x.cancel(COIN, first(each)["resting"]["oid"])
        rounds += 1
    return rounds


def taker(x):
    """Buys and sells in turn."""
    end, rounds = time.monotonic() + BOT_S, 0
    while time.monotonic() < end:
        x.market_open(COIN, rounds % 2 == 0, SIZE)
        time.sleep(1)
        rounds += 1
    return rounds


def unified(x, info, user):
    """The other account makes its wallets one, and trades both from it."""
    state = info.user_state(user)
    profit = sum(float(each["position"]["unrealizedPnl"]) for each in state["assetPositions"])
    before = held(info, user)["USDC"] + float(state["marginSummary"]["accountValue"]) - profit
    s.call(
        "user_set_abstraction", lambda: x.user_set_abstraction(user, "unifiedAccount"), lambda v: v["status"] == "ok"
    )
    s.call("all USDC is one", lambda: held(info, user), lambda v: abs(v["USDC"] - before) < 1e-5)
    s.call("a unified account buys spot", lambda: x.market_open(PAIR, True, LOTS), lambda v: "filled" in first(v))


def books(info, name, user, account, *, apart=True):
    def theirs(read):
        return lambda _main: read(s.ledger(account))

    def coins(ledger):
        names = {"USDC": "USDC-SPOT" if apart else "USDC", BASE: BASE}
        return {ours: round(float(ledger["balances"].get(name, 0)), 4) for ours, name in names.items()}

    def position():
        return sum(float(each["position"]["szi"]) for each in info.user_state(user)["assetPositions"])

    def size(ledger):
        return sum(float(r["size"]) for r in ledger["positions"] if r["symbol"] == "hyperliquid:BTC/USDC:USDC")

    def wallet():
        state = info.user_state(user)
        profit = sum(float(each["position"]["unrealizedPnl"]) for each in state["assetPositions"])
        return float(state["marginSummary"]["accountValue"]) - profit

    s.books(
        f"{name}: spot as the ledger's",
        lambda: {each: round(held(info, user).get(each, 0), 4) for each in ("USDC", BASE)},
        theirs(coins),
    )
    s.books(f"{name}: position as the ledger's", lambda: round(position(), 6), theirs(lambda a: round(size(a), 6)))
    if apart:
        s.books(
            f"{name}: balance as the ledger's",
            lambda: round(wallet(), 4),
            theirs(lambda a: round(float(a["balances"]["USDC"]), 4)),
        )
    s.books(
        f"{name}: orders as the ledger's",
        lambda: len(info.open_orders(user)),
        theirs(lambda a: sum(r["open"] for r in a["orders"])),
    )


def main():
    info = Info(s.rest)
    wallets = [eth_account.Account.from_key(each["secret"]) for each in s.accounts[:2]]
    users = [each["key"] for each in s.accounts[:2]]
    s.holds("keys are wallets", [each.address for each in wallets] == users, users)
    x, other = (Exchange(each, s.rest) for each in wallets)
    bid = market_data(info)
    orders(x, info, users[0], bid)
    triggers(x, info, users[0], bid)
    position(x, info, users[0])
    agent = agent_of(x, users[0])
    stranger()
    topics(info, agent, users[0], bid)
    spot(agent, info, users[0])
    transfers(x, info, users[0], agent, users[1])
    time.sleep(MINUTE_S)  # an address has a weight of 1200 in it, of which the calls so far take most
    with ThreadPoolExecutor() as pool:
        quoting, taking = pool.submit(maker, agent, info), pool.submit(taker, other)
    s.call("a market maker with an agent's key for two minutes", quoting.result, lambda rounds: rounds > 20)
    s.call("a taker for two minutes beside it", taking.result, lambda rounds: rounds > 40)
    unified(other, info, users[1])
    books(info, "maker", users[0], "main")
    books(info, "taker", users[1], "second", apart=False)
    info.disconnect_websocket()


try:
    main()
finally:
    s.done()
