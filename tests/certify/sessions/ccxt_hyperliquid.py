"""ccxt's hyperliquid, synchronous and with streams, against a simulated Hyperliquid, perpetuals and spot; then a market
maker and a taker by it. An order at the market needs a price, from which ccxt derives the worst one."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import ccxt
import ccxt.pro
from ccxt_session import opened_by_key, streaming, watch_an_order, watch_market
from session import Session

SYMBOL = "BTC/USDC:USDC"
AMOUNT = 0.01
PAIR, LOTS = "HYPE/USDC", 5.0  # of spot
BOT_S = 120  # of each bot
SPOT_MONEY = {"USDC": "USDC-SPOT", "HYPE": "HYPE"}  # in the exchange's ledger

s = Session()


def opened(make, number=0, secret=None):
    account = s.accounts[number]
    x = opened_by_key(s, make)
    x.walletAddress, x.privateKey = account["key"], secret or account["secret"]
    return x


def market_data(x):
    s.call("load_markets", x.load_markets, lambda m: SYMBOL in m and m[SYMBOL]["linear"])
    s.call("fetch_time", x.fetch_time, lambda v: v > 1.7e12)
    s.call("fetch_status", x.fetch_status, lambda v: v["status"] == "ok")
    book = s.call(
        "fetch_order_book",
        lambda: x.fetch_order_book(SYMBOL),
        lambda b: b["bids"][0][0] < b["asks"][0][0] and len(b["bids"]) > 5,
    )
    s.call("fetch_tickers", lambda: x.fetch_tickers([SYMBOL]), lambda t: t[SYMBOL]["last"] > 0)
    s.call("fetch_ohlcv", lambda: x.fetch_ohlcv(SYMBOL, "1m", limit=5), lambda b: len(b) >= 5)
    s.call("fetch_funding_rates", lambda: x.fetch_funding_rates([SYMBOL]), lambda f: f[SYMBOL]["markPrice"] > 0)
    s.call("fetch_funding_rate_history", lambda: x.fetch_funding_rate_history(SYMBOL, limit=3))
    s.call("fetch_open_interest", lambda: x.fetch_open_interest(SYMBOL), lambda v: v["openInterestAmount"] > 0)
    return book


def settings(x):
    s.call("set_leverage", lambda: x.set_leverage(7, SYMBOL))
    s.call("set_margin_mode isolated", lambda: x.set_margin_mode("isolated", SYMBOL, {"leverage": 7}))
    s.call("set_margin_mode cross", lambda: x.set_margin_mode("cross", SYMBOL, {"leverage": 7}))
    s.refused("set_leverage 900", lambda: x.set_leverage(900, SYMBOL), ccxt.BaseError)
    s.call("fetch_trading_fee", lambda: x.fetch_trading_fee(SYMBOL), lambda f: f["taker"] > 0)


def orders(x, bid):
    low, lower = (float(x.price_to_precision(SYMBOL, bid * part)) for part in (0.99, 0.985))
    own = f"0x{1:032x}"
    o = s.call(
        "create_order limit",
        lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, low, {"clientOrderId": own}),
        lambda v: v["id"],
    )
    number = o["id"]
    s.call("fetch_order", lambda: x.fetch_order(number, SYMBOL), lambda v: (v["price"], v["status"]) == (low, "open"))
    s.call("fetch_open_orders", lambda: x.fetch_open_orders(SYMBOL), lambda v: v[0]["clientOrderId"] == own)
    edited = s.call("edit_order", lambda: x.edit_order(number, SYMBOL, "limit", "buy", AMOUNT * 2, lower))
    s.call(
        "fetch_order edited",
        lambda: x.fetch_order(edited["id"], SYMBOL),
        lambda v: (v["price"], v["amount"]) == (lower, AMOUNT * 2),
    )
    s.call("cancel_order", lambda: x.cancel_order(edited["id"], SYMBOL))
    s.refused("cancel_order again", lambda: x.cancel_order(edited["id"], SYMBOL), ccxt.OrderNotFound)
    s.call(
        "fetch_canceled_orders", lambda: x.fetch_canceled_orders(SYMBOL), lambda v: edited["id"] in [r["id"] for r in v]
    )
    pair = [{"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": AMOUNT, "price": p} for p in (low, lower)]
    made = s.call("create_orders", lambda: x.create_orders(pair), lambda v: len(v) == 2 and all(r["id"] for r in v))
    s.call("cancel_orders", lambda: x.cancel_orders([r["id"] for r in made], SYMBOL))
    s.call("fetch_open_orders none", lambda: x.fetch_open_orders(SYMBOL), lambda v: v == [])
    high = float(x.price_to_precision(SYMBOL, bid * 1.005))
    s.refused(
        "post-only that crosses",
        lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, high, {"postOnly": True}),
        ccxt.InvalidOrder,
    )
    s.refused("no funds", lambda: x.create_order(SYMBOL, "limit", "buy", 90, low), ccxt.InsufficientFunds)
    s.refused("too small", lambda: x.create_order(SYMBOL, "limit", "buy", 0.00001, low), ccxt.InvalidOrder)


def market_order(x, side, price, **params):
    return x.create_order(SYMBOL, "market", side, AMOUNT, price, params)


def fills(x, bid):
    t = s.call("create_order market", lambda: market_order(x, "buy", bid), lambda v: v["filled"] == AMOUNT)
    trades = s.call(
        "fetch_my_trades",
        lambda: x.fetch_my_trades(SYMBOL),
        lambda v: abs(sum(f["amount"] for f in v if f["order"] == t["id"]) - AMOUNT) < 1e-9,
    )
    s.call("fetch_closed_orders", lambda: x.fetch_closed_orders(SYMBOL), lambda v: t["id"] in [r["id"] for r in v])
    held = s.call(
        "fetch_positions",
        lambda: x.fetch_positions([SYMBOL]),
        lambda v: (v[0]["contracts"], v[0]["side"]) == (AMOUNT, "long") and v[0]["entryPrice"] > 0,
    )
    balance = s.call("fetch_balance", x.fetch_balance, lambda v: 0 < v["USDC"]["free"] < v["USDC"]["total"])
    fees = sum(f["fee"]["cost"] for f in trades)
    value = float(balance["info"]["marginSummary"]["accountValue"]) - held[0]["unrealizedPnl"]
    s.holds("wallet equals deposits less fees", abs(s.balances["USDC"] - fees - value) < 1, (fees, value))
    s.call("fetch_ledger", lambda: x.fetch_ledger("USDC"), lambda v: len(v) > 0)


def stops(x, bid):
    far, up = (float(x.price_to_precision(SYMBOL, bid * part)) for part in (0.985, 1.015))
    stop = s.call(
        "create_order stop-loss",
        lambda: market_order(x, "sell", bid, stopLossPrice=far, reduceOnly=True),
        lambda v: v["id"],
    )
    s.call("create_order take-profit", lambda: market_order(x, "sell", bid, takeProfitPrice=up, reduceOnly=True))
    s.call(
        "fetch_open_orders has stops",
        lambda: x.fetch_open_orders(SYMBOL),
        lambda v: sorted(r["triggerPrice"] for r in v) == [far, up],
    )
    s.call("cancel_order stop", lambda: x.cancel_order(stop["id"], SYMBOL))
    s.call("reduce-only close", lambda: market_order(x, "sell", bid, reduceOnly=True))
    s.eventually("fetch_positions flat", lambda: x.fetch_positions([SYMBOL]), lambda v: not v)
    s.refused(
        "reduce-only without a position", lambda: market_order(x, "sell", bid, reduceOnly=True), ccxt.InvalidOrder
    )
    s.call("cancel take-profit", lambda: x.cancel_orders([r["id"] for r in x.fetch_open_orders(SYMBOL)], SYMBOL))


def attached(x, bid):
    """Take profit and stop loss of a position, sent with its entry."""
    far, up = (float(x.price_to_precision(SYMBOL, bid * part)) for part in (0.98, 1.02))
    params = {"stopLoss": {"triggerPrice": far}, "takeProfit": {"triggerPrice": up}}
    s.call("entry with stop loss and take profit", lambda: market_order(x, "buy", bid, **params))
    s.call(
        "they wait", lambda: x.fetch_open_orders(SYMBOL), lambda v: sorted(r["triggerPrice"] for r in v) == [far, up]
    )
    s.call("close", lambda: market_order(x, "sell", bid, reduceOnly=True))
    s.eventually("they end with it", lambda: x.fetch_open_orders(SYMBOL), lambda v: not v)


def of_spot(x):
    return {name: each["total"] for name, each in x.fetch_balance({"type": "spot"}).items() if name in ("USDC", "HYPE")}


def spot(x):
    s.holds("a pair is a spot market", x.market(PAIR)["spot"] and x.market(PAIR)["id"] == "@107", x.market(PAIR))
    bid = s.call("fetch_order_book spot", lambda: x.fetch_order_book(PAIR), lambda b: len(b["bids"]) > 5)["bids"][0][0]
    s.call("fetch_balance spot", lambda: of_spot(x), lambda v: v["USDC"] == s.balances["USDC-SPOT"])
    low = float(x.price_to_precision(PAIR, bid * 0.97))
    o = s.call("create_order spot", lambda: x.create_order(PAIR, "limit", "buy", LOTS, low), lambda v: v["id"])
    s.call("fetch_open_orders spot", lambda: x.fetch_open_orders(PAIR), lambda v: [r["id"] for r in v] == [o["id"]])
    s.call("cancel_order spot", lambda: x.cancel_order(o["id"], PAIR))
    s.call(
        "create_order spot market",
        lambda: x.create_order(PAIR, "market", "buy", LOTS, bid),
        lambda v: v["filled"] == LOTS,
    )
    bought = s.call(
        "fetch_my_trades spot", lambda: x.fetch_my_trades(PAIR), lambda v: v[0]["fee"]["currency"] == "HYPE"
    )
    fee = sum(each["fee"]["cost"] for each in bought)
    s.call("fetch_balance with the coin", lambda: of_spot(x), lambda v: abs(v["HYPE"] - (LOTS - fee)) < 1e-8)
    s.call("create_order spot sell", lambda: x.create_order(PAIR, "market", "sell", 2, bid), lambda v: v["filled"] == 2)
    s.refused(
        "more of a coin than there is", lambda: x.create_order(PAIR, "limit", "sell", 90, bid * 1.01), ccxt.BaseError
    )
    s.call("transfer", lambda: x.transfer("USDC", 50, "spot", "swap"))


def strangers():
    foreign = opened(ccxt.hyperliquid, secret="0x" + "1" * 64)
    foreign.load_markets()
    s.refused(
        "a wallet that nobody knows",
        lambda: foreign.set_leverage(3, SYMBOL),
        ccxt.BaseError,
        lambda e: "does not exist" in str(e),
    )


async def streams():
    async with streaming(opened(ccxt.pro.hyperliquid)) as x:
        await watch_market(s, x, SYMBOL, books=2)
        await s.acall("watch_ohlcv", x.watch_ohlcv(SYMBOL, "1m"), lambda b: b[0][4] > 0)
        book = await x.fetch_order_book(SYMBOL, 5)
        await watch_an_order(s, x, SYMBOL, AMOUNT, float(x.price_to_precision(SYMBOL, book["bids"][0][0] * 0.99)))


def best(x):
    book = x.fetch_order_book(SYMBOL)
    return book["bids"][0][0], book["asks"][0][0]


def maker(x):
    """Quotes both sides, post-only, anew each second. One that the market has left behind is refused."""
    end, rounds = time.monotonic() + BOT_S, 0
    while time.monotonic() < end:
        made = []
        for side, price in zip(("buy", "sell"), best(x), strict=True):
            with suppress(ccxt.InvalidOrder):
                made.append(x.create_order(SYMBOL, "limit", side, AMOUNT, price, {"postOnly": True})["id"])
        time.sleep(1)
        for number in made:
            with suppress(ccxt.OrderNotFound):
                x.cancel_order(number, SYMBOL)
        rounds += 1
    return rounds


def taker(x):
    """Buys and sells in turn."""
    end, rounds = time.monotonic() + BOT_S, 0
    while time.monotonic() < end:
        market_order(x, ("buy", "sell")[rounds % 2], best(x)[0])
        time.sleep(1)
        rounds += 1
    return rounds


def books(x, name, account):
    def theirs(read):
        return lambda _main: read(s.ledger(account))

    def position():
        return sum((r["contracts"] or 0) * (-1 if r["side"] == "short" else 1) for r in x.fetch_positions([SYMBOL]))

    def held(ledger):
        return sum(float(r["size"]) for r in ledger["positions"] if r["symbol"] == "hyperliquid:BTC/USDC:USDC")

    def wallet():
        profit = sum(r["unrealizedPnl"] for r in x.fetch_positions([SYMBOL]))
        return float(x.fetch_balance()["info"]["marginSummary"]["accountValue"]) - profit

    s.books(
        f"{name}: spot as the ledger's",
        lambda: {each: round(of_spot(x).get(each, 0), 4) for each in ("USDC", "HYPE")},
        theirs(lambda a: {each: round(float(a["balances"].get(at, 0)), 4) for each, at in SPOT_MONEY.items()}),
    )
    s.books(f"{name}: position as the ledger's", lambda: round(position(), 6), theirs(lambda a: round(held(a), 6)))
    s.books(
        f"{name}: wallet as the ledger's",
        lambda: round(wallet(), 3),
        theirs(lambda a: round(float(a["balances"]["USDC"]), 3)),
    )
    s.books(
        f"{name}: orders as the ledger's",
        lambda: len(x.fetch_open_orders(SYMBOL)),
        theirs(lambda a: sum(r["open"] for r in a["orders"])),
    )


def main():
    x = opened(ccxt.hyperliquid)
    bid = market_data(x)["bids"][0][0]
    settings(x)
    orders(x, bid)
    fills(x, bid)
    stops(x, bid)
    attached(x, bid)
    spot(x)
    strangers()
    asyncio.run(streams())
    other = opened(ccxt.hyperliquid, 1)
    with ThreadPoolExecutor() as pool:
        quoting, taking = pool.submit(maker, x), pool.submit(taker, other)
    s.call("a market maker for two minutes", quoting.result, lambda rounds: rounds > 20)
    s.call("a taker for two minutes beside it", taking.result, lambda rounds: rounds > 40)
    books(x, "maker", "main")
    books(other, "taker", "second")


try:
    main()
finally:
    s.done()
