"""ccxt's bitmex (the last versions that had it) against a simulated BitMEX.

ccxt gives quantities of inverse contracts in the base currency, and none where nothing was filled;
`cost` and `remaining` are the contracts.
"""

from __future__ import annotations

import asyncio

import ccxt
import ccxt.pro
from ccxt_session import opened_by_key, streaming, until, watch_an_order, watch_market
from session import Session

SYMBOL = "BTC/USD:BTC"
AMOUNT = 100

s = Session()


def opened(make, key=None, secret=None):
    return opened_by_key(s, make, key, secret)


def market_data(x):
    s.call("load_markets", x.load_markets, lambda m: m[SYMBOL]["inverse"])
    s.call("fetch_currencies", x.fetch_currencies, lambda c: "BTC" in c)
    book = s.call(
        "fetch_order_book", lambda: x.fetch_order_book(SYMBOL, 20), lambda b: b["bids"][0][0] < b["asks"][0][0]
    )
    s.call("fetch_ticker", lambda: x.fetch_ticker(SYMBOL), lambda t: t["last"] > 0)
    s.call("fetch_tickers", x.fetch_tickers, lambda t: SYMBOL in t)
    s.call("fetch_trades", lambda: x.fetch_trades(SYMBOL, limit=50), lambda t: len(t) > 10)
    s.call("fetch_ohlcv", lambda: x.fetch_ohlcv(SYMBOL, "1m", limit=5), lambda b: len(b) > 1)
    s.call("fetch_funding_rates", x.fetch_funding_rates, lambda f: SYMBOL in f)
    s.call("fetch_funding_rate", lambda: x.fetch_funding_rate(SYMBOL), lambda f: f["symbol"])
    s.call("fetch_funding_rate_history", lambda: x.fetch_funding_rate_history(SYMBOL, limit=3))
    return book


def settings(x):
    s.call("set_leverage", lambda: x.set_leverage(5, SYMBOL))
    s.call("fetch_leverages", x.fetch_leverages, lambda v: v[SYMBOL]["longLeverage"] == 5)
    s.call("set_margin_mode cross", lambda: x.set_margin_mode("cross", SYMBOL))
    s.refused("set_leverage 900", lambda: x.set_leverage(900, SYMBOL), ccxt.BaseError)


def orders(x, bid):
    low = float(x.price_to_precision(SYMBOL, bid * 0.97))
    lower = float(x.price_to_precision(SYMBOL, bid * 0.96))
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
        ccxt.ExchangeError,
    )
    s.call(
        "edit_order",
        lambda: x.edit_order(number, SYMBOL, "limit", "buy", AMOUNT * 2, lower),
        lambda v: v["price"] == lower and v["remaining"] == AMOUNT * 2,
    )
    s.call("cancel_order", lambda: x.cancel_order(number, SYMBOL), lambda v: v["status"] == "canceled")
    s.refused("cancel_order again", lambda: x.cancel_order(number, SYMBOL), ccxt.OrderNotFound)
    a, b = (x.create_order(SYMBOL, "limit", "buy", AMOUNT, p) for p in (low, lower))
    s.call("cancel_orders", lambda: x.cancel_orders([a["id"]], SYMBOL))
    s.call("cancel_all_orders", lambda: x.cancel_all_orders(SYMBOL), lambda v: [r["id"] for r in v] == [b["id"]])
    s.call("fetch_open_orders none", lambda: x.fetch_open_orders(SYMBOL), lambda v: v == [])
    high = float(x.price_to_precision(SYMBOL, bid * 1.01))
    crossing = s.call(
        "post-only that crosses", lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, high, {"postOnly": True})
    )
    if crossing:
        s.call(
            "post-only that crosses ends",
            lambda: x.fetch_order(crossing["id"], SYMBOL),
            lambda v: v["status"] == "canceled" and not v["filled"],
        )
    gone = s.call(
        "IOC far away",
        lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, low, {"timeInForce": "ImmediateOrCancel"}),
    )
    s.call("IOC far away ends", lambda: x.fetch_order(gone["id"], SYMBOL), lambda v: v["status"] == "canceled")
    for name, args, kinds in (
        ("too big", (10**15, low), ccxt.BaseError),
        ("no funds", (9_000_000, low), ccxt.InsufficientFunds),
        ("below a lot", (50, low), ccxt.BaseError),
    ):
        s.refused(f"bad order: {name}", lambda a=args: x.create_order(SYMBOL, "limit", "buy", *a), kinds)
    s.refused(
        "bad order: unknown symbol",
        lambda: x.privatePostOrder({"symbol": "NOSUCH", "side": "Buy", "ordType": "Market", "orderQty": 100}),
        ccxt.BaseError,
    )
    s.call("cancel_all_orders_after", lambda: x.cancel_all_orders_after(60000))
    s.call("cancel_all_orders_after off", lambda: x.cancel_all_orders_after(0))


def fills(x):
    t = s.call("create_order market", lambda: x.create_order(SYMBOL, "market", "buy", AMOUNT))
    s.eventually(
        "fetch_my_trades",
        lambda: x.fetch_my_trades(SYMBOL, limit=50),
        lambda v: sum(f["amount"] for f in v if f["order"] == t["id"]) == AMOUNT,
    )
    s.call(
        "fetch_order filled",
        lambda: x.fetch_order(t["id"], SYMBOL),
        lambda v: v["status"] == "closed" and v["cost"] == AMOUNT and v["average"] > 0,
    )
    s.call("fetch_orders", lambda: x.fetch_orders(SYMBOL), lambda v: len(v) > 3)
    s.call("fetch_closed_orders", lambda: x.fetch_closed_orders(SYMBOL), lambda v: t["id"] in [r["id"] for r in v])
    s.call(
        "fetch_positions",
        lambda: x.fetch_positions([SYMBOL]),
        lambda v: v[0]["contracts"] == AMOUNT and v[0]["side"] == "long",
    )
    s.call("fetch_balance", x.fetch_balance, lambda v: 0 < v["BTC"]["free"] < s.balances["BTC"])
    s.call("fetch_ledger", x.fetch_ledger, lambda v: len(v) > 0)


def conditionals(x, bid):
    far = float(x.price_to_precision(SYMBOL, bid * 0.9))
    up = float(x.price_to_precision(SYMBOL, bid * 1.1))
    stop = s.call(
        "create_order stop",
        lambda: x.create_order(
            SYMBOL, "stop", "sell", AMOUNT, None, {"triggerPrice": far, "triggerDirection": "below"}
        ),
    )
    s.call(
        "create_order stop limit",
        lambda: x.create_order(
            SYMBOL, "stopLimit", "sell", AMOUNT, far, {"triggerPrice": far, "triggerDirection": "below"}
        ),
    )
    s.call(
        "create_order take-profit",
        lambda: x.create_order(
            SYMBOL, "market", "sell", AMOUNT, None, {"triggerPrice": up, "triggerDirection": "above"}
        ),
    )
    s.call("stops are in open orders", lambda: x.fetch_open_orders(SYMBOL), lambda v: len(v) == 3)
    s.call("cancel_order stop", lambda: x.cancel_order(stop["id"], SYMBOL))
    s.call("cancel_all_orders stops", lambda: x.cancel_all_orders(SYMBOL))
    s.call("reduce-only close", lambda: x.create_order(SYMBOL, "market", "sell", AMOUNT, None, {"reduceOnly": True}))
    s.eventually(
        "fetch_positions flat", lambda: x.fetch_positions([SYMBOL]), lambda v: not [p for p in v if p["contracts"]]
    )


def strangers():
    s.refused("wrong key", opened(ccxt.bitmex, "nosuchkey").fetch_balance, ccxt.AuthenticationError)
    s.refused("wrong secret", opened(ccxt.bitmex, None, "wrong").fetch_balance, ccxt.AuthenticationError)


async def streams(bid):
    async with streaming(opened(ccxt.pro.bitmex)) as x:
        await watch_market(s, x, SYMBOL, 21)
        low = float(x.price_to_precision(SYMBOL, bid * 0.97))
        await watch_an_order(s, x, SYMBOL, AMOUNT, low)
        trades = asyncio.create_task(x.watch_my_trades(SYMBOL))
        positions = asyncio.create_task(
            until(lambda: x.watch_positions([SYMBOL]), lambda v: v[-1]["contracts"] == AMOUNT)
        )
        balance = asyncio.create_task(x.watch_balance())
        await asyncio.sleep(1.5)
        t = await x.create_order(SYMBOL, "market", "buy", AMOUNT)
        await s.acall("watch_my_trades", trades, lambda v: v[-1]["order"] == t["id"])
        await s.acall("watch_positions", positions)
        await s.acall("watch_balance", balance, lambda v: v["BTC"]["total"] > 0)
        await x.create_order(SYMBOL, "market", "sell", AMOUNT, None, {"reduceOnly": True})


def main():
    x = opened(ccxt.bitmex)
    book = market_data(x)
    bid = book["bids"][0][0]
    settings(x)
    orders(x, bid)
    fills(x)
    conditionals(x, bid)
    strangers()
    asyncio.run(streams(bid))


try:
    main()
finally:
    s.done()
