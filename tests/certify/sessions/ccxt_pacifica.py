"""ccxt's pacifica, synchronous and with streams, against a simulated Pacifica.

ccxt signs by the wallet of the account, and once by an agent's that the account has bound.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import ccxt
import ccxt.pro
from ccxt_session import streaming, until, watch_market
from session import Session, moved_ccxt

SYMBOL = "BTC/USDC:USDC"
AMOUNT = 0.01
# A wallet of ccxt's own recorded requests.
AGENT = (
    "bNMBfVAEjgxhNruYTR2vSZ92UdVKP2pdZewEG7978Vt",
    "2fGURdTtScQVocLdZovb6kJ3V8TmWe3eg5TJpYAqrTRTqYf27goDdQVfMx4W2uUmTwTc78qxsxhhvrdx7MTd55rn",
)

BOT_S = 120
MISMATCH = "signature does not match"  # of one in 256: ccxt drops a zero byte that it begins with


def once_more(ask):
    """Asks, and once more where ccxt has lost a byte of the signature: the next one is another."""
    try:
        return ask()
    except ccxt.BaseError as error:
        if MISMATCH not in str(error):
            raise
        return ask()


async def once_more_async(ask):
    try:
        return await ask()
    except ccxt.BaseError as error:
        if MISMATCH not in str(error):
            raise
        return await ask()


class Repeating(Session):
    """Makes calls that are signed anew where their signature was cut; one that is to be refused may be made twice."""

    def call(self, name, ask, holds=None):
        return super().call(name, lambda: once_more(ask), holds)

    def refused(self, name, ask, kinds, holds=None):
        super().refused(name, lambda: once_more(ask), kinds, holds)


s = Repeating()


def opened(make, secret=None, address=None, **options):
    wallet = {"walletAddress": address or s.key, "privateKey": secret or s.secret}
    return moved_ccxt(make({**wallet, "options": options}), s)


def market_data(x):
    s.call("load_markets", x.load_markets, lambda m: SYMBOL in m and m[SYMBOL]["swap"])
    s.call("market limits", lambda: x.market(SYMBOL)["limits"], lambda v: v["cost"]["min"] == 10)
    book = s.call(
        "fetch_order_book",
        lambda: x.fetch_order_book(SYMBOL),
        lambda b: b["bids"][0][0] < b["asks"][0][0] and len(b["bids"]) == 10,
    )
    s.call("fetch_order_book aggregated", lambda: x.fetch_order_book(SYMBOL, params={"aggLevel": 10}))
    s.call("fetch_ticker", lambda: x.fetch_ticker(SYMBOL), lambda t: t["last"] > 0)
    s.call("fetch_tickers", x.fetch_tickers, lambda t: SYMBOL in t)
    s.call("fetch_trades", lambda: x.fetch_trades(SYMBOL, limit=50), lambda t: len(t) == 50)
    since = x.milliseconds() - 600_000
    s.call("fetch_ohlcv", lambda: x.fetch_ohlcv(SYMBOL, "1m", since), lambda b: len(b) > 5)
    s.call("fetch_funding_rates", x.fetch_funding_rates, lambda f: f[SYMBOL]["fundingRate"] == 0.0000125)
    s.call("fetch_funding_rate_history", lambda: x.fetch_funding_rate_history(SYMBOL, limit=3))
    s.call("fetch_open_interest", lambda: x.fetch_open_interest(SYMBOL), lambda o: o["openInterestAmount"] > 0)
    return book


def settings(x):
    s.call("fetch_leverage usual", lambda: x.fetch_leverage(SYMBOL), lambda v: v["longLeverage"] == 50)
    s.call("set_leverage", lambda: x.set_leverage(7, SYMBOL), lambda v: v["success"])
    s.call("load_account_settings", lambda: x.load_account_settings(True))
    s.call("fetch_leverage", lambda: x.fetch_leverage(SYMBOL), lambda v: v["longLeverage"] == 7)
    s.call("set_margin_mode isolated", lambda: x.set_margin_mode("isolated", SYMBOL))
    s.call("load_account_settings isolated", lambda: x.load_account_settings(True))
    s.call("fetch_margin_mode", lambda: x.fetch_margin_mode(SYMBOL), lambda m: m["marginMode"] == "isolated")
    s.call("set_margin_mode cross", lambda: x.set_margin_mode("cross", SYMBOL))
    s.refused("set_leverage 900", lambda: x.set_leverage(900, SYMBOL), ccxt.ExchangeError)
    s.call("fetch_trading_fee", lambda: x.fetch_trading_fee(SYMBOL), lambda f: f["taker"] == 0.0004)


def orders(x, bid):
    low, lower = (float(x.price_to_precision(SYMBOL, bid * part)) for part in (0.97, 0.96))
    own = str(uuid.uuid4())
    o = s.call(
        "create_order limit",
        lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, low, {"clientOrderId": own}),
        lambda v: v["status"] == "open",
    )
    number = o["id"]
    s.call(
        "fetch_open_orders",
        lambda: x.fetch_open_orders(SYMBOL),
        lambda v: [(r["id"], r["clientOrderId"], r["price"]) for r in v] == [(number, own, low)],
    )
    s.call("fetch_order", lambda: x.fetch_order(number, SYMBOL), lambda v: (v["price"], v["status"]) == (low, "open"))
    s.refused(
        "create_order duplicate id",
        lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, low, {"clientOrderId": own}),
        ccxt.InvalidOrder,
    )
    edited = s.call(
        "edit_order",
        lambda: x.edit_order(number, SYMBOL, "limit", "buy", AMOUNT * 2, lower),
        lambda v: v["id"] != number,
    )
    s.call(
        "edit_order keeps the client's id",
        lambda: x.fetch_open_orders(SYMBOL),
        lambda v: [(r["id"], r["clientOrderId"], r["amount"]) for r in v] == [(edited["id"], own, AMOUNT * 2)],
    )
    s.call("cancel_order", lambda: x.cancel_order(edited["id"], SYMBOL), lambda v: v["status"] == "canceled")
    s.refused("cancel_order again", lambda: x.cancel_order(edited["id"], SYMBOL), ccxt.OrderNotFound)
    s.call("fetch_order canceled", lambda: x.fetch_order(number, SYMBOL), lambda v: v["status"] == "canceled")
    s.call("fetch_canceled_orders", lambda: x.fetch_canceled_orders(SYMBOL), lambda v: number in [r["id"] for r in v])
    pair = [{"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": AMOUNT, "price": p} for p in (low, lower)]
    made = s.call("create_orders", lambda: x.create_orders(pair), lambda v: [r["status"] for r in v] == ["open"] * 2)
    s.call("cancel_orders", lambda: x.cancel_orders([made[0]["id"]], SYMBOL), lambda v: v[0]["status"] == "canceled")
    s.call("cancel_all_orders", lambda: x.cancel_all_orders(SYMBOL))
    s.call("fetch_open_orders none", lambda: x.fetch_open_orders(SYMBOL), lambda v: v == [])
    high = float(x.price_to_precision(SYMBOL, bid * 1.01))
    post = s.call(
        "post-only that crosses", lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, high, {"timeInForce": "PO"})
    )
    s.call("post-only is rejected", lambda: x.fetch_order(post["id"], SYMBOL), lambda v: v["status"] == "failed")
    s.call("cancel_all_orders everywhere", x.cancel_all_orders)
    gone = s.call("IOC far away", lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, low, {"timeInForce": "IOC"}))
    s.call("IOC far away ends", lambda: x.fetch_order(gone["id"], SYMBOL), lambda v: v["status"] == "canceled")
    s.refused("no funds", lambda: x.create_order(SYMBOL, "limit", "buy", 80, low), ccxt.InsufficientFunds)
    s.refused("too small", lambda: x.create_order(SYMBOL, "limit", "buy", 0.0001, low), ccxt.InvalidOrder)
    s.refused(
        "reduce-only when flat",
        lambda: x.create_order(SYMBOL, "limit", "sell", AMOUNT, high, {"reduceOnly": True}),
        ccxt.InvalidOrder,
    )


def fills(x, bid):
    t = s.call("create_order market", lambda: x.create_order(SYMBOL, "market", "buy", AMOUNT))
    trades = s.call(
        "fetch_my_trades",
        lambda: x.fetch_my_trades(SYMBOL),
        lambda v: abs(sum(f["amount"] for f in v if f["order"] == t["id"]) - AMOUNT) < 1e-9,
    )
    s.call(
        "fetch_order filled",
        lambda: x.fetch_order(t["id"], SYMBOL),
        lambda v: v["status"] == "closed" and v["filled"] == AMOUNT and v["average"] > 0,
    )
    s.call("fetch_closed_orders", lambda: x.fetch_closed_orders(SYMBOL), lambda v: t["id"] in [r["id"] for r in v])
    s.call("fetch_orders", lambda: x.fetch_orders(SYMBOL), lambda v: len(v) > 3)
    s.call(
        "fetch_position",
        lambda: x.fetch_position(SYMBOL),
        lambda v: (v["contracts"], v["side"], v["marginMode"]) == (AMOUNT, "long", "cross") and v["entryPrice"] > 0,
    )
    balance = s.call("fetch_balance", x.fetch_balance, lambda v: 0 < v["USDC"]["free"] < v["USDC"]["total"])
    fees = sum(f["fee"]["cost"] for f in trades)
    s.holds("wallet equals deposits less fees", abs(s.balances["USDC"] - fees - balance["USDC"]["total"]) < 1e-5)
    s.call("fetch_ledger", lambda: x.fetch_ledger(params={"include_trades": "true"}), lambda v: len(v) > 1)
    s.call("fetch_deposits", x.fetch_deposits, lambda v: v[0]["amount"] == s.balances["USDC"])
    s.call("fetch_funding_history", lambda: x.fetch_funding_history(SYMBOL))


def stops(x, bid):
    far, up = (float(x.price_to_precision(SYMBOL, bid * part)) for part in (0.9, 1.1))
    stop = s.call(
        "create_order stop",
        lambda: x.create_order(SYMBOL, "limit", "sell", AMOUNT, far, {"triggerPrice": far, "reduceOnly": True}),
    )
    s.call(
        "create_order take-profit", lambda: x.create_order(SYMBOL, "limit", "sell", None, None, {"takeProfitPrice": up})
    )
    s.call(
        "create_order stop-loss", lambda: x.create_order(SYMBOL, "limit", "sell", None, None, {"stopLossPrice": far})
    )
    s.call(
        "fetch_open_orders stops",
        lambda: x.fetch_open_orders(SYMBOL),
        lambda v: (
            sorted(r["info"]["order_type"] for r in v) == ["stop_limit", "stop_loss_market", "take_profit_market"]
        ),
    )
    s.call("cancel_order stop", lambda: x.cancel_order(stop["id"], SYMBOL, {"stop": True}))
    s.refused(
        "stop on the wrong side",
        lambda: x.create_order(SYMBOL, "limit", "sell", AMOUNT, up, {"triggerPrice": up, "reduceOnly": True}),
        ccxt.InvalidOrder,
    )
    s.call("reduce-only close", lambda: x.create_order(SYMBOL, "market", "sell", AMOUNT, None, {"reduceOnly": True}))
    s.eventually("fetch_positions flat", x.fetch_positions, lambda v: v == [])
    s.call("stops of the position are gone", lambda: x.fetch_open_orders(SYMBOL), lambda v: v == [])


def owners(x):
    agent, agent_secret = AGENT
    signed = opened(ccxt.pacifica, agent_secret, agentAddress=agent)
    s.refused("agent before it is bound", lambda: signed.cancel_all_orders(), ccxt.BadRequest)
    s.call("bind_agent_wallet", lambda: x.bind_agent_wallet(agent), lambda v: v["success"])
    s.call("agent trades", lambda: signed.create_order(SYMBOL, "market", "buy", AMOUNT))
    s.call("agent closes", lambda: signed.create_order(SYMBOL, "market", "sell", AMOUNT, None, {"reduceOnly": True}))
    s.refused("agent binds no agent", lambda: signed.bind_agent_wallet(s.key), ccxt.AuthenticationError)
    key = s.call("create_api_key", x.create_api_key, lambda v: v["data"]["api_key"])
    s.call("fetch_api_keys", x.fetch_api_keys, lambda v: v["data"]["active_api_keys"] == [key["data"]["api_key"]])
    keyed = opened(ccxt.pacifica, apiKey=key["data"]["api_key"])
    s.call("a call with an API key", keyed.fetch_balance, lambda v: v["USDC"]["total"] > 0)
    s.call("revoke_api_key", lambda: x.revoke_api_key(key["data"]["api_key"]))
    s.refused("a call with a revoked API key", keyed.fetch_balance, ccxt.PermissionDenied)
    s.call(
        "create_sub_account",
        lambda: x.create_sub_account("", {"subAccountAddress": agent, "subAccountPrivateKey": agent_secret}),
    )
    s.call("transfer", lambda: x.transfer("USDC", 100, s.key, agent), lambda v: v["status"] == "ok")
    s.call(
        "fetch_balance of the other", lambda: x.fetch_balance({"account": agent}), lambda v: v["USDC"]["total"] == 100
    )
    s.refused("transfer to a stranger", lambda: x.transfer("USDC", 1, s.key, "1" * 32), ccxt.BadRequest)
    s.call("withdraw", lambda: x.withdraw("USDC", 5, s.key))
    s.call("fetch_withdrawals", x.fetch_withdrawals, lambda v: [r["amount"] for r in v] == [5])


def strangers():
    stranger = opened(ccxt.pacifica, AGENT[1])
    s.refused("wrong key", lambda: stranger.create_order(SYMBOL, "market", "buy", AMOUNT), ccxt.AuthenticationError)


async def streams(bid):
    async with streaming(opened(ccxt.pro.pacifica)) as x:
        await watch_market(s, x, SYMBOL)
        await s.acall("watch_ohlcv", x.watch_ohlcv(SYMBOL, "1m"), lambda b: b[0][4] > 0)
        low = float(x.price_to_precision(SYMBOL, bid * 0.97))
        heard = asyncio.create_task(
            until(lambda: x.watch_orders(SYMBOL), lambda v: any(o["status"] == "open" for o in v))
        )
        await asyncio.sleep(1)
        o = await s.acall(
            "create_order_ws",
            once_more_async(lambda: x.create_order_ws(SYMBOL, "limit", "buy", AMOUNT, low)),
            lambda v: v["status"] == "open",
        )
        await s.acall("watch_orders new", heard, lambda v: v[-1]["id"] == o["id"])
        e = await s.acall(
            "edit_order_ws", once_more_async(lambda: x.edit_order_ws(o["id"], SYMBOL, "limit", "buy", AMOUNT * 2, low))
        )
        heard = asyncio.create_task(
            until(
                lambda: x.watch_orders(SYMBOL),
                lambda v: any(r["id"] == e["id"] and r["status"] == "canceled" for r in v),
            )
        )
        await asyncio.sleep(0)
        await s.acall("cancel_order_ws", once_more_async(lambda: x.cancel_order_ws(e["id"], SYMBOL)))
        await s.acall("watch_orders canceled", heard)
        await s.acall("cancel_all_orders_ws", once_more_async(lambda: x.cancel_all_orders_ws(SYMBOL)))
        trades = asyncio.create_task(x.watch_my_trades(SYMBOL))
        await asyncio.sleep(1)
        t = await s.acall(
            "create_order_ws market", once_more_async(lambda: x.create_order_ws(SYMBOL, "market", "buy", AMOUNT))
        )
        await s.acall("watch_my_trades", trades, lambda v: v[-1]["order"] == t["id"])
        await s.arefused(
            "create_order_ws too big",
            once_more_async(lambda: x.create_order_ws(SYMBOL, "limit", "buy", 80, low)),
            ccxt.ExchangeError,
        )
        await once_more_async(lambda: x.create_order(SYMBOL, "market", "sell", AMOUNT, None, {"reduceOnly": True}))


# --- two minutes as maker and taker -----------------------------------------------------------------


def best(x):
    book = x.fetch_order_book(SYMBOL)
    return book["bids"][0][0], book["asks"][0][0]


def maker(x):
    """Quotes both sides at the top, post-only, anew each second."""
    end, rounds = time.monotonic() + BOT_S, 0
    while time.monotonic() < end:
        for side, price in zip(("buy", "sell"), best(x), strict=True):
            terms = (SYMBOL, "limit", side, AMOUNT, price, {"timeInForce": "PO"})
            once_more(lambda terms=terms: x.create_order(*terms))
        time.sleep(1)
        once_more(lambda: x.cancel_all_orders(SYMBOL))
        rounds += 1
    return rounds


def taker(x):
    """Buys and sells in turn."""
    end, rounds = time.monotonic() + BOT_S, 0
    while time.monotonic() < end:
        side = ("buy", "sell")[rounds % 2]
        once_more(lambda side=side: x.create_order(SYMBOL, "market", side, AMOUNT))
        time.sleep(0.5)
        rounds += 1
    return rounds


def all_trades(x):
    """Number, price, size and fee of each fill, by all pages."""
    rows, cursor = [], None
    while True:
        answer = x.publicGetTradesHistory(
            {"account": x.walletAddress, "limit": 1000, "cursor": cursor}
            if cursor
            else {"account": x.walletAddress, "limit": 1000}
        )
        rows += answer["data"]
        cursor = answer.get("next_cursor")
        if not cursor:
            return sorted((r["side"].split("_")[0], Decimal(r["price"]), Decimal(r["amount"])) for r in rows)


def books(x, name, account):
    """What the client is told, and what the exchange's own ledger has of the account."""

    def same(what, ours, theirs):
        s.books(f"{name}: {what} as the ledger's", ours, lambda _main: theirs(s.ledger(account)))

    def held():
        found = x.fetch_positions([SYMBOL])
        return sum(Decimal(str(p["contracts"])) * (1 if p["side"] == "long" else -1) for p in found)

    same("position", held, lambda a: sum((Decimal(r["size"]) for r in a["positions"]), Decimal(0)))
    same(
        "wallet",
        lambda: round(float(x.fetch_balance()["info"]["balance"]), 5),
        lambda a: round(float(a["balances"]["USDC"]), 5),
    )
    same(
        "orders",
        lambda: sorted(int(r["id"]) for r in x.fetch_open_orders(SYMBOL)),
        lambda a: sorted(r["id"] for r in a["orders"] if r["open"]),
    )
    same(
        "trades",
        lambda: sorted((p, q) for _, p, q in all_trades(x)),
        lambda a: sorted((Decimal(r["price"]), Decimal(r["size"])) for r in a["trades"]),
    )


def two_minutes(x):
    other = opened(ccxt.pacifica, s.accounts[1]["secret"], s.accounts[1]["key"])
    with ThreadPoolExecutor() as pool:
        made, taken = pool.submit(maker, x), pool.submit(taker, other)
        s.call("maker trades for two minutes", made.result, lambda rounds: rounds > 20)
        s.call("taker trades for two minutes", taken.result, lambda rounds: rounds > 40)
    books(x, "maker", s.accounts[0]["name"])
    books(other, "taker", s.accounts[1]["name"])


def main():
    x = opened(ccxt.pacifica)
    bid = market_data(x)["bids"][0][0]
    settings(x)
    orders(x, bid)
    fills(x, bid)
    stops(x, bid)
    strangers()
    owners(x)
    asyncio.run(streams(bid))
    two_minutes(x)


try:
    main()
finally:
    s.done()
