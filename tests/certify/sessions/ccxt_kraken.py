"""ccxt's kraken, synchronous and with streams, against a simulated Kraken spot."""

from __future__ import annotations

import asyncio

import ccxt
import ccxt.pro
from ccxt_session import opened_by_key, streaming, until, watch_an_order, watch_market
from session import Session

SYMBOL = "BTC/USD"
AMOUNT = 0.01

s = Session()


def opened(make, key=None, secret=None):
    return opened_by_key(s, make, key, secret)


def market_data(x):
    s.call("load_markets", x.load_markets, lambda m: m[SYMBOL]["spot"])
    s.call("fetch_currencies", x.fetch_currencies, lambda c: "BTC" in c)
    s.call("fetch_time", x.fetch_time, lambda v: v > 1.7e12)
    s.call("fetch_status", x.fetch_status, lambda v: v["status"] == "ok")
    book = s.call(
        "fetch_order_book",
        lambda: x.fetch_order_book(SYMBOL, 20),
        lambda b: b["bids"][0][0] < b["asks"][0][0] and len(b["bids"]) == 20,
    )
    s.call("fetch_ticker", lambda: x.fetch_ticker(SYMBOL), lambda t: t["last"] > 0)
    s.call("fetch_tickers", lambda: x.fetch_tickers([SYMBOL]), lambda t: SYMBOL in t)
    s.call("fetch_trades", lambda: x.fetch_trades(SYMBOL), lambda t: len(t) > 10)
    s.call("fetch_ohlcv", lambda: x.fetch_ohlcv(SYMBOL, "1m"), lambda b: len(b) > 1)
    s.call("fetch_trading_fee", lambda: x.fetch_trading_fee(SYMBOL), lambda f: f["taker"] > 0)
    return book


def orders(x, bid):
    low = float(x.price_to_precision(SYMBOL, bid * 0.97))
    lower = float(x.price_to_precision(SYMBOL, bid * 0.96))
    own = "certify-1"
    o = s.call(
        "create_order limit",
        lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, low, {"clientOrderId": own}),
        lambda v: v["id"],
    )
    number = o["id"]
    s.call("fetch_order", lambda: x.fetch_order(number, SYMBOL), lambda v: v["status"] == "open" and v["price"] == low)
    s.call("fetch_open_orders", lambda: x.fetch_open_orders(SYMBOL), lambda v: [r["id"] for r in v] == [number])
    s.refused(
        "create_order duplicate id",
        lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, low, {"clientOrderId": own}),
        ccxt.ExchangeError,
    )
    s.call(
        "edit_order amends", lambda: x.edit_order(number, SYMBOL, "limit", "buy", AMOUNT * 2, lower), lambda v: v["id"]
    )
    s.call(
        "fetch_order amended",
        lambda: x.fetch_order(number, SYMBOL),
        lambda v: v["price"] == lower and v["amount"] == AMOUNT * 2,
    )
    s.call("cancel_order", lambda: x.cancel_order(number, SYMBOL))
    s.call("fetch_order canceled", lambda: x.fetch_order(number, SYMBOL), lambda v: v["status"] == "canceled")
    s.refused("cancel_order again", lambda: x.cancel_order(number, SYMBOL), ccxt.OrderNotFound)
    s.refused("fetch_order unknown", lambda: x.fetch_order("OAAAAA-BBBBB-CCCCCC", SYMBOL), ccxt.BaseError)
    pair = [{"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": AMOUNT, "price": p} for p in (low, lower)]
    made = s.call("create_orders", lambda: x.create_orders(pair), lambda v: len(v) == 2)
    s.call("cancel_orders", lambda: x.cancel_orders([made[0]["id"]], SYMBOL))
    s.call("cancel_all_orders", lambda: x.cancel_all_orders(SYMBOL))
    s.call("fetch_open_orders none", lambda: x.fetch_open_orders(SYMBOL), lambda v: v == [])
    high = float(x.price_to_precision(SYMBOL, bid * 1.01))
    s.refused(
        "post-only that crosses",
        lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, high, {"postOnly": True}),
        ccxt.ExchangeError,
        lambda e: "EOrder:Post only order" in str(e),
    )
    gone = s.call("IOC far away", lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, low, {"timeInForce": "IOC"}))
    s.call(
        "IOC far away ends", lambda: x.fetch_order(gone["id"], SYMBOL), lambda v: v["status"] in ("canceled", "expired")
    )
    for name, args, kinds in (
        ("too big", (1e12, low), ccxt.BaseError),
        ("no funds", (90, low), ccxt.InsufficientFunds),
        ("price 0", (AMOUNT, 0.0), ccxt.BaseError),
        ("too small", (0.00001, low), ccxt.InvalidOrder),
    ):
        s.refused(f"bad order: {name}", lambda a=args: x.create_order(SYMBOL, "limit", "buy", *a), kinds)
    s.refused(
        "bad order: unknown pair",
        lambda: x.privatePostAddOrder({"pair": "NOSUCH", "type": "buy", "ordertype": "market", "volume": "1"}),
        ccxt.BaseError,
    )
    s.call("cancel_all_orders_after", lambda: x.cancel_all_orders_after(60000))
    s.call("cancel_all_orders_after off", lambda: x.cancel_all_orders_after(0))


def conditionals(x, bid):
    far = float(x.price_to_precision(SYMBOL, bid * 0.9))
    up = float(x.price_to_precision(SYMBOL, bid * 1.1))
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
        lambda v: len(v) == 2 and stop["id"] in [r["id"] for r in v],
    )
    s.call(
        "fetch_order stop",
        lambda: x.fetch_order(stop["id"], SYMBOL),
        lambda v: v["status"] == "open" and v["stopPrice"] == far,
    )
    s.call("cancel_order stop", lambda: x.cancel_order(stop["id"], SYMBOL))
    s.call("cancel_all_orders stops", lambda: x.cancel_all_orders(SYMBOL))


def fills(x):
    before = s.call("fetch_balance", x.fetch_balance, lambda v: v["USD"]["free"] > 0)
    t = s.call("create_order market", lambda: x.create_order(SYMBOL, "market", "buy", AMOUNT))
    trades = s.eventually(
        "fetch_my_trades",
        lambda: x.fetch_my_trades(SYMBOL, limit=50),
        lambda v: abs(sum(f["amount"] for f in v if f["order"] == t["id"]) - AMOUNT) < 1e-9,
    )
    s.call(
        "fetch_order filled",
        lambda: x.fetch_order(t["id"], SYMBOL),
        lambda v: v["status"] == "closed" and v["filled"] == AMOUNT and v["average"] > 0,
    )
    s.call(
        "fetch_order_trades",
        lambda: x.fetch_order_trades(t["id"], SYMBOL, params={"trades": [f["id"] for f in trades]}),
        lambda v: len(v) == len(trades),
    )
    s.call("fetch_closed_orders", lambda: x.fetch_closed_orders(SYMBOL), lambda v: t["id"] in [r["id"] for r in v])
    s.call("fetch_orders_by_ids", lambda: x.fetch_orders_by_ids([t["id"]], SYMBOL), lambda v: v[0]["id"] == t["id"])
    after = s.call("fetch_balance after", x.fetch_balance)
    paid = sum(f["cost"] + f["fee"]["cost"] for f in trades)
    s.holds(
        "quote balance fell by price and fees", abs(before["USD"]["total"] - after["USD"]["total"] - paid) < 0.01, paid
    )
    s.holds("base balance rose by the quantity", abs(after["BTC"]["total"] - before["BTC"]["total"] - AMOUNT) < 1e-8)
    entries = s.call("fetch_ledger", x.fetch_ledger, lambda v: len(v) >= 2)
    s.call("fetch_ledger_entry", lambda: x.fetch_ledger_entry(entries[-1]["id"]))
    s.call("fetch_positions", x.fetch_positions, lambda v: v == [])


def strangers():
    s.refused("wrong key", opened(ccxt.kraken, "nosuchkey").fetch_balance, ccxt.AuthenticationError)
    # This version has no class of its own for it.
    s.refused(
        "wrong secret",
        opened(ccxt.kraken, None, "d3Jvbmc=").fetch_balance,
        ccxt.ExchangeError,
        lambda e: "EAPI:Invalid signature" in str(e),
    )


async def streams(bid):
    async with streaming(opened(ccxt.pro.kraken)) as x:
        await watch_market(s, x, SYMBOL, 21)  # each with its checksum
        await s.acall("watch_bids_asks", x.watch_bids_asks([SYMBOL]), lambda t: SYMBOL in t)
        await s.acall("watch_ohlcv", x.watch_ohlcv(SYMBOL, "1m"), lambda b: b[0][4] > 0)
        low = float(x.price_to_precision(SYMBOL, bid * 0.97))
        await watch_an_order(s, x, SYMBOL, AMOUNT, low)
        trades = asyncio.create_task(until(lambda: x.watch_my_trades(SYMBOL), lambda v: v[-1]["side"] == "sell"))
        balance = asyncio.create_task(x.watch_balance())
        await asyncio.sleep(1.5)
        t = await x.create_order(SYMBOL, "market", "sell", AMOUNT)
        await s.acall("watch_my_trades", trades, lambda v: v[-1]["order"] == t["id"])
        await s.acall("watch_balance", balance, lambda v: v["USD"]["total"] > 0)
        o = await s.acall("create_order_ws", x.create_order_ws(SYMBOL, "limit", "buy", AMOUNT, low), lambda v: v["id"])
        if o:
            await s.acall("edit_order_ws", x.edit_order_ws(o["id"], SYMBOL, "limit", "buy", AMOUNT * 2, low))
            await s.acall("cancel_all_orders_ws", x.cancel_all_orders_ws())


def main():
    x = opened(ccxt.kraken)
    book = market_data(x)
    bid = book["bids"][0][0]
    orders(x, bid)
    conditionals(x, bid)
    fills(x)
    strangers()
    asyncio.run(streams(bid))


try:
    main()
finally:
    s.done()
