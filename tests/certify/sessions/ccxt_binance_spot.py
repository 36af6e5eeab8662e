"""ccxt's binance, synchronous and with streams, against a simulated Binance spot; then a market maker and a taker by
it."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import ccxt
import ccxt.pro
from ccxt_session import opened_by_key, streaming, until, watch_an_order, watch_market
from session import Session

SYMBOL = "BTC/USDT"
AMOUNT = 0.01
BOT_S = 120  # of each bot

s = Session()


def opened(make, key=None, secret=None):
    x = opened_by_key(s, make, key, secret)
    x.options["fetchMarkets"] = {"types": ["spot"]}  # else it asks futures for theirs too
    return x


def market_data(x):
    s.call("load_markets", x.load_markets, lambda m: m[SYMBOL]["spot"])
    s.call("fetch_time", x.fetch_time, lambda v: v > 1.7e12)
    s.call("fetch_status", x.fetch_status, lambda v: v["status"] == "ok")
    s.call("fetch_currencies", x.fetch_currencies, lambda v: "BTC" in v)
    book = s.call(
        "fetch_order_book",
        lambda: x.fetch_order_book(SYMBOL, 20),
        lambda b: b["bids"][0][0] < b["asks"][0][0] and len(b["bids"]) == 20,
    )
    s.call("fetch_ticker", lambda: x.fetch_ticker(SYMBOL), lambda t: t["last"] > 0 and t["bid"] > 0)
    s.call("fetch_tickers", lambda: x.fetch_tickers([SYMBOL]), lambda t: SYMBOL in t)
    s.call("fetch_bids_asks", lambda: x.fetch_bids_asks([SYMBOL]), lambda t: t[SYMBOL]["bid"] < t[SYMBOL]["ask"])
    s.call("fetch_last_prices", lambda: x.fetch_last_prices([SYMBOL]), lambda t: t[SYMBOL]["price"] > 0)
    s.call("fetch_trades", lambda: x.fetch_trades(SYMBOL, limit=50), lambda t: len(t) == 50)
    s.call("fetch_ohlcv", lambda: x.fetch_ohlcv(SYMBOL, "1m", limit=5), lambda b: len(b) == 5)
    s.call("fetch_trading_fee", lambda: x.fetch_trading_fee(SYMBOL), lambda f: f["taker"] == 0.001)
    s.call("fetch_trading_fees", x.fetch_trading_fees, lambda f: f[SYMBOL]["maker"] == 0.001)
    return book


def orders(x, bid):
    low, lower = (float(x.price_to_precision(SYMBOL, bid * part)) for part in (0.97, 0.96))
    own = "certify-1"
    o = s.call(
        "create_order limit",
        lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, low, {"clientOrderId": own}),
        lambda v: v["status"] == "open" and v["clientOrderId"] == own,
    )
    number = o["id"]
    s.call("fetch_order", lambda: x.fetch_order(number, SYMBOL), lambda v: v["price"] == low)
    s.call("fetch_open_orders", lambda: x.fetch_open_orders(SYMBOL), lambda v: [r["id"] for r in v] == [number])
    s.refused(
        "create_order duplicate id",
        lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, low, {"clientOrderId": own}),
        ccxt.BaseError,
        lambda e: "Duplicate order sent." in str(e),
    )
    edited = s.call(
        "edit_order cancels and replaces",
        lambda: x.edit_order(number, SYMBOL, "limit", "buy", AMOUNT * 2, lower),
        lambda v: v["id"] != number,
    )
    s.call(
        "fetch_order edited",
        lambda: x.fetch_order(edited["id"], SYMBOL),
        lambda v: (v["price"], v["amount"]) == (lower, AMOUNT * 2),
    )
    s.call("cancel_order", lambda: x.cancel_order(edited["id"], SYMBOL), lambda v: v["status"] == "canceled")
    s.refused("cancel_order again", lambda: x.cancel_order(edited["id"], SYMBOL), ccxt.OrderNotFound)
    s.refused("fetch_order unknown", lambda: x.fetch_order("1", SYMBOL), ccxt.OrderNotFound)
    for name, price in (("near", low), ("far", lower)):
        s.call(f"create_order {name}", lambda p=price: x.create_order(SYMBOL, "limit", "buy", AMOUNT, p))
    s.call("cancel_all_orders", lambda: x.cancel_all_orders(SYMBOL), lambda v: len(v) == 2)
    s.call("fetch_open_orders none", lambda: x.fetch_open_orders(SYMBOL), lambda v: v == [])
    high = float(x.price_to_precision(SYMBOL, bid * 1.01))
    s.refused(
        "post-only that crosses",
        lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, high, {"postOnly": True}),
        ccxt.OrderImmediatelyFillable,
    )
    s.call(
        "IOC far away",
        lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, low, {"timeInForce": "IOC"}),
        lambda v: v["status"] == "expired",
    )
    s.call("create_order test", lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, low, {"test": True}))
    for name, args, kinds in (
        ("no funds", (90, low), ccxt.InsufficientFunds),
        ("too small", (0.00005, low), ccxt.BadRequest),
        ("far price", (AMOUNT, 1.0), ccxt.InvalidOrder),
    ):
        s.refused(f"bad order: {name}", lambda a=args: x.create_order(SYMBOL, "limit", "buy", *a), kinds)


def conditionals(x, bid):
    far, up = (float(x.price_to_precision(SYMBOL, bid * part)) for part in (0.9, 1.1))
    stop = s.call(
        "create_order stop-loss", lambda: x.create_order(SYMBOL, "market", "sell", AMOUNT, None, {"stopLossPrice": far})
    )
    s.call(
        "create_order take-profit limit",
        lambda: x.create_order(SYMBOL, "limit", "sell", AMOUNT, up, {"takeProfitPrice": up}),
    )
    s.call(
        "stops are in open orders",
        lambda: x.fetch_open_orders(SYMBOL),
        lambda v: sorted(r["triggerPrice"] for r in v) == [far, up],
    )
    s.call("cancel_order stop", lambda: x.cancel_order(stop["id"], SYMBOL))
    s.refused(
        "stop on the wrong side",
        lambda: x.create_order(SYMBOL, "market", "sell", AMOUNT, None, {"stopLossPrice": up}),
        ccxt.BaseError,
        lambda e: "trigger immediately" in str(e),
    )
    s.call("cancel_all_orders stops", lambda: x.cancel_all_orders(SYMBOL))


def fills(x):
    before = s.call("fetch_balance", x.fetch_balance, lambda v: v["USDT"]["free"] > 0)
    t = s.call(
        "create_order market",
        lambda: x.create_order(SYMBOL, "market", "buy", AMOUNT),
        lambda v: v["status"] == "closed" and v["filled"] == AMOUNT and v["fees"][0]["currency"] == "BTC",
    )
    trades = s.call(
        "fetch_my_trades",
        lambda: x.fetch_my_trades(SYMBOL, limit=50),
        lambda v: abs(sum(f["amount"] for f in v if f["order"] == t["id"]) - AMOUNT) < 1e-9,
    )
    s.call("fetch_order_trades", lambda: x.fetch_order_trades(t["id"], SYMBOL), lambda v: len(v) == len(trades))
    s.call("fetch_closed_orders", lambda: x.fetch_closed_orders(SYMBOL), lambda v: t["id"] in [r["id"] for r in v])
    after = s.call("fetch_balance after", x.fetch_balance)
    paid, fee = sum(f["cost"] for f in trades), sum(f["fee"]["cost"] for f in trades)
    quote = before["USDT"]["total"] - after["USDT"]["total"]
    s.holds("quote balance fell by the cost", abs(quote - paid) < 1e-6, (quote, paid))
    base = after["BTC"]["total"] - before["BTC"]["total"]
    s.holds("base balance rose by the quantity less the fee", abs(base - AMOUNT + fee) < 1e-8, (base, fee))
    cost = s.call(
        "create_market_buy_order_with_cost",
        lambda: x.create_market_buy_order_with_cost(SYMBOL, 500),
        lambda v: 490 < v["cost"] <= 500,
    )
    s.call("create_order market sell", lambda: x.create_order(SYMBOL, "market", "sell", cost["filled"]))


def strangers():
    s.refused("wrong key", opened(ccxt.binance, "nosuchkey").fetch_balance, ccxt.AuthenticationError)
    s.refused("wrong secret", opened(ccxt.binance, None, "wrong").fetch_balance, ccxt.AuthenticationError)


async def streams(bid):
    async with streaming(opened(ccxt.pro.binance)) as x:
        await watch_market(s, x, SYMBOL, 21)
        await s.acall("watch_bids_asks", x.watch_bids_asks([SYMBOL]), lambda t: SYMBOL in t)
        await s.acall("watch_ohlcv", x.watch_ohlcv(SYMBOL, "1m"), lambda b: b[0][4] > 0)
        low = float(x.price_to_precision(SYMBOL, bid * 0.97))
        await watch_an_order(s, x, SYMBOL, AMOUNT, low)
        trades = asyncio.create_task(until(lambda: x.watch_my_trades(SYMBOL), lambda v: v[-1]["side"] == "sell"))
        balance = asyncio.create_task(x.watch_balance())
        await asyncio.sleep(1.5)
        t = await x.create_order(SYMBOL, "market", "sell", AMOUNT)
        await s.acall("watch_my_trades", trades, lambda v: v[-1]["order"] == t["id"])
        await s.acall("watch_balance", balance, lambda v: v["USDT"]["total"] > 0)
        o = await s.acall("create_order_ws", x.create_order_ws(SYMBOL, "limit", "buy", AMOUNT, low), lambda v: v["id"])
        if o:
            await s.acall("fetch_order_ws", x.fetch_order_ws(o["id"], SYMBOL), lambda v: v["status"] == "open")
            await s.acall("fetch_open_orders_ws", x.fetch_open_orders_ws(SYMBOL), lambda v: len(v) == 1)
            await s.acall("cancel_order_ws", x.cancel_order_ws(o["id"], SYMBOL), lambda v: v["status"] == "canceled")
        await s.acall("fetch_my_trades_ws", x.fetch_my_trades_ws(SYMBOL), lambda v: len(v) > 2)


def best(x):
    book = x.fetch_order_book(SYMBOL, 5)
    return book["bids"][0][0], book["asks"][0][0]


def maker(x):
    """Quotes both sides, post-only, anew each second."""
    end, rounds = time.monotonic() + BOT_S, 0
    while time.monotonic() < end:
        for side, price in zip(("buy", "sell"), best(x), strict=True):
            try:
                x.create_order(SYMBOL, "limit", side, AMOUNT, price, {"postOnly": True})
            except ccxt.OrderImmediatelyFillable:
                continue  # the market has moved meanwhile
        time.sleep(1)
        with suppress(ccxt.OrderNotFound):  # all have been filled
            x.cancel_all_orders(SYMBOL)
        rounds += 1
    return rounds


def taker(x):
    """Buys and sells in turn."""
    end, rounds = time.monotonic() + BOT_S, 0
    while time.monotonic() < end:
        x.create_order(SYMBOL, "market", ("buy", "sell")[rounds % 2], AMOUNT)
        time.sleep(0.5)
        rounds += 1
    return rounds


def books(x, name, account):
    def theirs(read):
        return lambda _main: read(s.ledger(account))

    for currency in ("USDT", "BTC", "BNB"):
        s.books(
            f"{name}: {currency} as the ledger's",
            lambda c=currency: f"{x.fetch_balance()[c]['total']:.8f}",
            theirs(lambda a, c=currency: f"{float(a['balances'][c]):.8f}"),
        )
    s.books(
        f"{name}: orders as the ledger's",
        lambda: len(x.fetch_open_orders(SYMBOL)),
        theirs(lambda a: sum(r["open"] for r in a["orders"])),
    )


def main():
    x = opened(ccxt.binance)
    bid = market_data(x)["bids"][0][0]
    orders(x, bid)
    conditionals(x, bid)
    fills(x)
    strangers()
    asyncio.run(streams(bid))
    other = opened(ccxt.binance, s.accounts[1]["key"], s.accounts[1]["secret"])
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
