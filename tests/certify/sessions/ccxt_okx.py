"""ccxt's okx, synchronous and with streams, against a simulated OKX; then a market maker and a taker by it.

An answer to an order says only that it was received: what became of it is asked for, or told by the stream. Amounts are
contracts, of a hundredth of a coin.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import ccxt
import ccxt.pro
from ccxt_session import opened_by_key, streaming, watch_an_order, watch_market
from session import Session

SYMBOL, SPOT = "BTC/USDT:USDT", "BTC/USDT"
AMOUNT = 1.0
BOT_S = 120  # of each bot

s = Session()


def opened(make, account=None, secret=None):
    account = account or s.accounts[0]
    x = opened_by_key(s, make, account["key"], secret or account["secret"])
    x.password = account["password"]
    x.options["defaultType"] = "swap"
    x.options["fetchMarkets"] = {"types": ["swap", "spot"]}
    return x


def market_data(x):
    s.call("load_markets", x.load_markets, lambda m: m[SYMBOL]["contractSize"] == 0.01 and m["BTC/USD:BTC"]["inverse"])
    s.call("fetch_time", x.fetch_time, lambda v: v > 1.7e12)
    s.call("fetch_currencies", x.fetch_currencies, lambda v: "USDT" in v)
    book = s.call(
        "fetch_order_book",
        lambda: x.fetch_order_book(SYMBOL, 20),
        lambda b: b["bids"][0][0] < b["asks"][0][0] and len(b["bids"]) == 20,
    )
    s.call("fetch_ticker", lambda: x.fetch_ticker(SYMBOL), lambda t: t["last"] > 0)
    s.call("fetch_tickers", lambda: x.fetch_tickers([SYMBOL]), lambda t: SYMBOL in t)
    s.call("fetch_trades", lambda: x.fetch_trades(SYMBOL, limit=50), lambda t: len(t) == 50)
    s.call("fetch_ohlcv", lambda: x.fetch_ohlcv(SYMBOL, "1m", limit=5), lambda b: len(b) == 5)
    s.call("fetch_funding_rate", lambda: x.fetch_funding_rate(SYMBOL), lambda f: f["fundingRate"] is not None)
    s.call("fetch_funding_rate_history", lambda: x.fetch_funding_rate_history(SYMBOL, limit=3))
    s.call("fetch_open_interest", lambda: x.fetch_open_interest(SYMBOL), lambda v: v["openInterestAmount"] > 0)
    s.call("fetch_mark_price", lambda: x.fetch_mark_price(SYMBOL), lambda v: v["markPrice"] > 0)
    s.call(
        "fetch_market_leverage_tiers",
        lambda: x.fetch_market_leverage_tiers(SYMBOL),
        lambda v: v[0]["maxLeverage"] == 100,
    )
    return book


def settings(x):
    s.call("fetch_accounts", x.fetch_accounts, lambda v: v[0]["id"])
    s.call("set_position_mode hedge", lambda: x.set_position_mode(True))
    s.call("fetch_position_mode hedge", lambda: x.fetch_position_mode(SYMBOL), lambda v: v["hedged"])
    s.call("set_position_mode one-way", lambda: x.set_position_mode(False))
    s.call("set_leverage", lambda: x.set_leverage(7, SYMBOL, {"mgnMode": "cross"}))
    s.call(
        "fetch_leverage", lambda: x.fetch_leverage(SYMBOL, {"marginMode": "cross"}), lambda v: v["longLeverage"] == 7
    )
    s.refused("set_leverage 101", lambda: x.set_leverage(101, SYMBOL, {"mgnMode": "cross"}), ccxt.BaseError)
    s.call("fetch_trading_fee", lambda: x.fetch_trading_fee(SYMBOL), lambda f: f["taker"] > 0)


def orders(x, bid):
    low, lower = (float(x.price_to_precision(SYMBOL, bid * part)) for part in (0.99, 0.985))
    own = "certify1"
    o = s.call(
        "create_order limit",
        lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, low, {"clientOrderId": own}),
        lambda v: v["id"] and v["clientOrderId"] == own,
    )
    number = o["id"]
    s.call("fetch_order", lambda: x.fetch_order(number, SYMBOL), lambda v: (v["price"], v["status"]) == (low, "open"))
    s.call("fetch_open_orders", lambda: x.fetch_open_orders(SYMBOL), lambda v: [r["id"] for r in v] == [number])
    s.refused(
        "create_order duplicate id",
        lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, low, {"clientOrderId": own}),
        ccxt.InvalidOrder,
        lambda e: "51016" in str(e),
    )
    s.call("edit_order", lambda: x.edit_order(number, SYMBOL, "limit", "buy", AMOUNT * 2, lower))
    s.call(
        "fetch_order edited",
        lambda: x.fetch_order(number, SYMBOL),
        lambda v: (v["price"], v["amount"]) == (lower, AMOUNT * 2),
    )
    s.call("cancel_order", lambda: x.cancel_order(number, SYMBOL), lambda v: v["id"] == number)
    s.refused("cancel_order again", lambda: x.cancel_order(number, SYMBOL), ccxt.OrderNotFound)
    s.call("fetch_canceled_orders", lambda: x.fetch_canceled_orders(SYMBOL), lambda v: v[-1]["id"] == number)
    pair = [{"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": AMOUNT, "price": p} for p in (low, lower)]
    made = s.call("create_orders", lambda: x.create_orders(pair), lambda v: len(v) == 2 and all(r["id"] for r in v))
    s.call("cancel_orders", lambda: x.cancel_orders([each["id"] for each in made], SYMBOL))
    s.call("fetch_open_orders none", lambda: x.fetch_open_orders(SYMBOL), lambda v: v == [])
    high = float(x.price_to_precision(SYMBOL, bid * 1.005))
    crossed = s.call(
        "post-only that crosses is acknowledged",
        lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, high, {"postOnly": True}),
    )
    s.call(
        "post-only that crosses ends",
        lambda: x.fetch_order(crossed["id"], SYMBOL),
        lambda v: (v["status"], v["info"]["cancelSource"]) == ("canceled", "31"),
    )
    s.refused("no funds", lambda: x.create_order(SYMBOL, "limit", "buy", 90000, low), ccxt.InsufficientFunds)
    s.refused("too small", lambda: x.create_order(SYMBOL, "limit", "buy", 0.001, low), ccxt.BaseError)


def fills(x):
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
    s.call("fetch_closed_orders", lambda: x.fetch_closed_orders(SYMBOL), lambda v: v[-1]["id"] == t["id"])
    s.call("fetch_order_trades", lambda: x.fetch_order_trades(t["id"], SYMBOL), lambda v: len(v) > 0)
    s.call(
        "fetch_positions",
        lambda: x.fetch_positions([SYMBOL]),
        lambda v: (v[0]["contracts"], v[0]["side"]) == (AMOUNT, "long") and v[0]["entryPrice"] > 0,
    )
    balance = s.call("fetch_balance", x.fetch_balance, lambda v: 0 < v["USDT"]["free"] < v["USDT"]["total"])
    fees = sum(f["fee"]["cost"] for f in trades)
    cash = {r["ccy"]: float(r["cashBal"]) for r in balance["info"]["data"][0]["details"]}["USDT"]
    s.holds("cash equals deposits less fees", abs(s.balances["USDT"] - fees - cash) < 1e-6, (fees, cash))
    s.call("fetch_ledger", lambda: x.fetch_ledger("USDT"), lambda v: len(v) > 0)
    s.call("fetch_funding_history", lambda: x.fetch_funding_history(SYMBOL))


def stops(x, bid):
    far, up = (float(x.price_to_precision(SYMBOL, bid * part)) for part in (0.985, 1.015))
    params = {"reduceOnly": True, "marginMode": "cross"}
    stop = s.call(
        "create_order stop-loss",
        lambda: x.create_order(SYMBOL, "market", "sell", AMOUNT, None, {"stopLossPrice": far, **params}),
        lambda v: v["id"],
    )
    s.call(
        "create_order take-profit",
        lambda: x.create_order(SYMBOL, "market", "sell", AMOUNT, None, {"takeProfitPrice": up, **params}),
    )
    s.call(
        "fetch_open_orders has stops",
        lambda: x.fetch_open_orders(SYMBOL, None, None, {"ordType": "conditional", "trigger": True}),
        lambda v: len(v) == 2,
    )
    s.call("cancel_order stop", lambda: x.cancel_order(stop["id"], SYMBOL, {"trigger": True}))
    waiting = x.fetch_open_orders(SYMBOL, None, None, {"ordType": "conditional", "trigger": True})
    s.call("cancel_orders stops", lambda: x.cancel_orders([r["id"] for r in waiting], SYMBOL, {"trigger": True}))
    s.call("reduce-only close", lambda: x.create_order(SYMBOL, "market", "sell", AMOUNT, None, {"reduceOnly": True}))
    s.eventually("fetch_positions flat", lambda: x.fetch_positions([SYMBOL]), lambda v: not v or not v[0]["contracts"])
    s.refused(
        "reduce-only without a position",
        lambda: x.create_order(SYMBOL, "market", "sell", AMOUNT, None, {"reduceOnly": True}),
        ccxt.BaseError,
        lambda e: "51169" in str(e),
    )


def attached(x, bid):
    """Take profit and stop loss, placed when their entry is filled."""
    far, up = (float(x.price_to_precision(SYMBOL, bid * part)) for part in (0.98, 1.02))
    params = {"stopLoss": {"triggerPrice": far}, "takeProfit": {"triggerPrice": up}}
    s.call(
        "entry with stop loss and take profit", lambda: x.create_order(SYMBOL, "market", "buy", AMOUNT, None, params)
    )
    waiting = s.eventually(
        "they are placed",
        lambda: x.fetch_open_orders(SYMBOL, None, None, {"ordType": "conditional", "trigger": True}),
        lambda v: len(v) == 2,
    )
    s.call("close_position", lambda: x.close_position(SYMBOL, None, {"marginMode": "cross"}))
    s.call("cancel them", lambda: x.cancel_orders([r["id"] for r in waiting], SYMBOL, {"trigger": True}))


def spot(x):
    """A purchase is for an amount of money unless it says that its size is in coins; its fee is paid in the coin."""
    coins = {"tgtCcy": "base_ccy"}
    bought = s.call("spot create_order market", lambda: x.create_order(SPOT, "market", "buy", 0.01, None, coins))
    s.call(
        "spot fetch_order filled",
        lambda: x.fetch_order(bought["id"], SPOT),
        lambda v: (v["status"], v["filled"], v["fee"]["currency"]) == ("closed", 0.01, "BTC"),
    )
    s.call("spot fetch_my_trades", lambda: x.fetch_my_trades(SPOT), lambda v: v[-1]["fee"]["currency"] == "BTC")
    s.call("spot fetch_positions", lambda: x.fetch_positions([SYMBOL]), lambda v: all(r["symbol"] == SYMBOL for r in v))
    bid = x.fetch_order_book(SPOT, 5)["bids"][0][0]
    low = float(x.price_to_precision(SPOT, bid * 0.99))
    resting = s.call("spot create_order limit", lambda: x.create_order(SPOT, "limit", "buy", 0.01, low))
    s.call(
        "spot fetch_open_orders", lambda: x.fetch_open_orders(SPOT), lambda v: [r["id"] for r in v] == [resting["id"]]
    )
    s.call("spot cancel_order", lambda: x.cancel_order(resting["id"], SPOT))
    s.call("spot sell", lambda: x.create_order(SPOT, "market", "sell", 0.00999))
    s.refused("spot no funds", lambda: x.create_order(SPOT, "limit", "sell", 50, bid * 1.01), ccxt.InsufficientFunds)
    s.call("transfer", lambda: x.transfer("USDT", 10, "trading", "funding"), lambda v: v["id"])
    s.call("transfer back", lambda: x.transfer("USDT", 10, "funding", "trading"), lambda v: v["id"])


def strangers():
    foreign = opened(ccxt.okx, secret="1" * 64)
    s.refused("wrong secret", foreign.fetch_balance, ccxt.AuthenticationError)
    unlocked = opened(ccxt.okx)
    unlocked.password = "other"
    s.refused("wrong passphrase", unlocked.fetch_balance, ccxt.AuthenticationError)


async def streams():
    async with streaming(opened(ccxt.pro.okx)) as x:
        await watch_market(s, x, SYMBOL, books=3)
        await s.acall("watch_ohlcv", x.watch_ohlcv(SYMBOL, "1m"), lambda b: b[0][4] > 0)
        await s.acall("watch_balance", x.watch_balance(), lambda b: b["USDT"]["total"] > 0)
        book = await x.fetch_order_book(SYMBOL, 5)
        await watch_an_order(s, x, SYMBOL, AMOUNT, float(x.price_to_precision(SYMBOL, book["bids"][0][0] * 0.99)))
        price = float(x.price_to_precision(SYMBOL, book["bids"][0][0] * 0.98))
        order = await s.acall("create_order_ws", x.create_order_ws(SYMBOL, "limit", "buy", AMOUNT, price))
        await s.acall("cancel_order_ws", x.cancel_order_ws(order["id"], SYMBOL))


def best(x):
    book = x.fetch_order_book(SYMBOL, 5)
    return book["bids"][0][0], book["asks"][0][0]


def maker(x):
    """Quotes both sides, post-only, anew each second."""
    end, rounds = time.monotonic() + BOT_S, 0
    while time.monotonic() < end:
        for side, price in zip(("buy", "sell"), best(x), strict=True):
            x.create_order(SYMBOL, "limit", side, AMOUNT, price, {"postOnly": True})
        time.sleep(1)
        if waiting := [r["id"] for r in x.fetch_open_orders(SYMBOL)]:
            with suppress(ccxt.OrderNotFound):  # all of them were filled meanwhile
                x.cancel_orders(waiting, SYMBOL)
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

    def position():
        return sum((r["contracts"] or 0) * (-1 if r["side"] == "short" else 1) for r in x.fetch_positions([SYMBOL]))

    def cash():
        details = x.fetch_balance()["info"]["data"][0]["details"]
        return next(float(r["cashBal"]) for r in details if r["ccy"] == "USDT")

    def held(ledger):
        return sum(float(r["size"]) for r in ledger["positions"] if r["symbol"] == "okx:BTC/USDT:USDT")

    s.books(f"{name}: position as the ledger's", lambda: round(position(), 6), theirs(lambda a: round(held(a), 6)))
    s.books(
        f"{name}: cash as the ledger's",
        lambda: round(cash(), 6),
        theirs(lambda a: round(float(a["balances"]["USDT"]), 6)),
    )
    s.books(
        f"{name}: orders as the ledger's",
        lambda: len(x.fetch_open_orders(SYMBOL)),
        theirs(lambda a: sum(r["open"] for r in a["orders"])),
    )


def main():
    x = opened(ccxt.okx)
    bid = market_data(x)["bids"][0][0]
    settings(x)
    orders(x, bid)
    fills(x)
    stops(x, bid)
    attached(x, bid)
    spot(x)
    strangers()
    asyncio.run(streams())
    other = opened(ccxt.okx, s.accounts[1])
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
