"""ccxt's binanceusdm, synchronous and with streams, against a simulated Binance USD-M.

ccxt chooses some of its error classes by the venue's host name, which is another one here: such a
refusal is known by the venue's code in its text.
"""

from __future__ import annotations

import asyncio

import ccxt
import ccxt.pro
from ccxt_session import opened_by_key, streaming, watch_an_order, watch_market
from session import Session

SYMBOL = "BTC/USDT:USDT"
AMOUNT = 0.01

s = Session()


def opened(make, key=None, secret=None):
    return opened_by_key(s, make, key, secret)


def market_data(x):
    s.call("load_markets", x.load_markets, lambda m: SYMBOL in m and m[SYMBOL]["swap"])
    s.call("market limits", lambda: x.market(SYMBOL)["limits"], lambda v: v["cost"]["min"] > 0)
    s.call("fetch_time", x.fetch_time, lambda v: v > 1.7e12)
    s.call("fetch_status", x.fetch_status, lambda v: v["status"] == "ok")
    book = s.call(
        "fetch_order_book",
        lambda: x.fetch_order_book(SYMBOL, 20),
        lambda b: b["bids"][0][0] < b["asks"][0][0] and len(b["bids"]) == 20,
    )
    s.call("fetch_ticker", lambda: x.fetch_ticker(SYMBOL), lambda t: t["last"] > 0)
    s.call("fetch_tickers", x.fetch_tickers, lambda t: SYMBOL in t)
    s.call("fetch_last_prices", x.fetch_last_prices, lambda t: t[SYMBOL]["price"] > 0)
    s.call("fetch_bids_asks", x.fetch_bids_asks, lambda t: t[SYMBOL]["bid"] < t[SYMBOL]["ask"])
    s.call("fetch_mark_price", lambda: x.fetch_mark_price(SYMBOL), lambda t: t["markPrice"] > 0)
    s.call("fetch_mark_prices", x.fetch_mark_prices, lambda t: SYMBOL in t)
    s.call("fetch_trades", lambda: x.fetch_trades(SYMBOL, limit=50), lambda t: len(t) == 50)
    s.call("fetch_ohlcv", lambda: x.fetch_ohlcv(SYMBOL, "1m", limit=5), lambda b: len(b) > 1)
    s.call("fetch_funding_rate", lambda: x.fetch_funding_rate(SYMBOL), lambda f: f["markPrice"] > 0)
    s.call("fetch_funding_rates", x.fetch_funding_rates, lambda f: SYMBOL in f)
    s.call("fetch_funding_rate_history", lambda: x.fetch_funding_rate_history(SYMBOL, limit=3))
    s.call("fetch_funding_intervals", x.fetch_funding_intervals, lambda f: SYMBOL in f)
    s.call("fetch_open_interest", lambda: x.fetch_open_interest(SYMBOL), lambda o: o["openInterestAmount"] is not None)
    return book


def settings(x):
    s.call("fetch_position_mode", x.fetch_position_mode, lambda m: m["hedged"] is False)
    s.call("set_position_mode hedge", lambda: x.set_position_mode(True))
    s.call("fetch_position_mode hedge", x.fetch_position_mode, lambda m: m["hedged"] is True)
    s.call("set_position_mode one-way", lambda: x.set_position_mode(False))
    s.refused("set_position_mode again", lambda: x.set_position_mode(False), ccxt.ExchangeError)
    s.call("set_leverage", lambda: x.set_leverage(7, SYMBOL), lambda v: v["leverage"] == 7)
    s.call("fetch_leverage", lambda: x.fetch_leverage(SYMBOL), lambda v: v["longLeverage"] == 7)
    s.call("fetch_leverages", x.fetch_leverages, lambda v: v[SYMBOL]["longLeverage"] == 7)
    s.call("set_margin_mode isolated", lambda: x.set_margin_mode("isolated", SYMBOL))
    s.call("fetch_margin_mode", lambda: x.fetch_margin_mode(SYMBOL), lambda m: m["marginMode"] == "isolated")
    s.call("fetch_margin_modes", x.fetch_margin_modes, lambda m: SYMBOL in m)
    s.call("set_margin_mode cross", lambda: x.set_margin_mode("cross", SYMBOL))
    s.refused("set_leverage 900", lambda: x.set_leverage(900, SYMBOL), ccxt.BaseError)
    s.call("fetch_leverage_tiers", x.fetch_leverage_tiers, lambda t: len(t[SYMBOL]) > 1)
    s.call("fetch_trading_fee", lambda: x.fetch_trading_fee(SYMBOL), lambda f: f["taker"] > 0)


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
    s.call("fetch_open_order", lambda: x.fetch_open_order(number, SYMBOL))
    s.call("fetch_open_orders", lambda: x.fetch_open_orders(SYMBOL), lambda v: [r["id"] for r in v] == [number])
    s.refused(
        "create_order duplicate id",
        lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, low, {"clientOrderId": own}),
        ccxt.ExchangeError,
        lambda e: "-4116" in str(e),
    )
    s.call(
        "edit_order",
        lambda: x.edit_order(number, SYMBOL, "limit", "buy", AMOUNT * 2, lower),
        lambda v: v["price"] == lower and v["amount"] == AMOUNT * 2,
    )
    s.call("cancel_order", lambda: x.cancel_order(number, SYMBOL), lambda v: v["status"] == "canceled")
    s.refused("cancel_order again", lambda: x.cancel_order(number, SYMBOL), ccxt.OrderNotFound)
    s.refused("fetch_order unknown", lambda: x.fetch_order("1", SYMBOL), ccxt.OrderNotFound)
    s.call("fetch_canceled_orders", lambda: x.fetch_canceled_orders(SYMBOL), lambda v: number in [r["id"] for r in v])
    pair = [{"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": AMOUNT, "price": p} for p in (low, lower)]
    made = s.call("create_orders", lambda: x.create_orders(pair), lambda v: len(v) == 2)
    s.call(
        "edit_orders",
        lambda: x.edit_orders(
            [
                {"id": r["id"], "symbol": SYMBOL, "type": "limit", "side": "buy", "amount": AMOUNT * 2, "price": p}
                for r, p in zip(made, (low, lower), strict=True)
            ]
        ),
        lambda v: {r["amount"] for r in v} == {AMOUNT * 2},
    )
    s.call("cancel_orders", lambda: x.cancel_orders([made[0]["id"]], SYMBOL))
    s.call("cancel_all_orders", lambda: x.cancel_all_orders(SYMBOL))
    s.call("fetch_open_orders none", lambda: x.fetch_open_orders(SYMBOL), lambda v: v == [])
    high = float(x.price_to_precision(SYMBOL, bid * 1.01))
    s.refused(
        "post-only that crosses",
        lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, high, {"postOnly": True}),
        ccxt.InvalidOrder,
        lambda e: "-5022" in str(e),
    )
    s.refused(
        "FOK too big",
        lambda: x.create_order(SYMBOL, "limit", "buy", 1, low, {"timeInForce": "FOK"}),
        ccxt.ExchangeError,
        lambda e: "-5021" in str(e),
    )
    gone = s.call("IOC far away", lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, low, {"timeInForce": "IOC"}))
    s.call("IOC far away ends", lambda: x.fetch_order(gone["id"], SYMBOL), lambda v: v["status"] == "expired")
    for name, args, code in (
        ("too big", (1e12, low), "-4005"),
        ("no funds", (900, low), "-2019"),
        ("too small", (0.001, low), "-4164"),
    ):
        s.refused(
            f"bad order: {name}",
            lambda a=args: x.create_order(SYMBOL, "limit", "buy", *a),
            ccxt.ExchangeError,
            lambda e, c=code: c in str(e),
        )
    s.refused(
        "bad order: reduce-only when flat",
        lambda: x.create_order(SYMBOL, "limit", "sell", AMOUNT, high, {"reduceOnly": True}),
        ccxt.BaseError,
    )
    s.refused(
        "bad order: unknown symbol",
        lambda: x.fapiPrivatePostOrder({"symbol": "NOSUCH", "side": "BUY", "type": "MARKET", "quantity": "1"}),
        ccxt.BadSymbol,
    )


def fills(x, bid):
    t = s.call("create_order market", lambda: x.create_order(SYMBOL, "market", "buy", AMOUNT))
    trades = s.eventually(
        "fetch_my_trades",
        lambda: x.fetch_my_trades(SYMBOL, limit=50),
        lambda v: abs(sum(f["amount"] for f in v if f["order"] == t["id"]) - AMOUNT) < 1e-9,
    )
    s.call(
        "fetch_order filled",
        lambda: x.fetch_order(t["id"], SYMBOL),
        lambda v: v["status"] == "closed" and v["filled"] == AMOUNT and v["average"] > 0 and v["cost"] > 0,
    )
    s.call("fetch_closed_orders", lambda: x.fetch_closed_orders(SYMBOL), lambda v: t["id"] in [r["id"] for r in v])
    s.call("fetch_orders", lambda: x.fetch_orders(SYMBOL), lambda v: len(v) > 3)
    s.call(
        "fetch_positions",
        lambda: x.fetch_positions([SYMBOL]),
        lambda v: v[0]["contracts"] == AMOUNT and v[0]["side"] == "long" and v[0]["entryPrice"] > 0,
    )
    s.call(
        "fetch_positions account",
        lambda: x.fetch_positions([SYMBOL], {"method": "account"}),
        lambda v: v[0]["contracts"] == AMOUNT,
    )
    balance = s.call("fetch_balance", x.fetch_balance, lambda v: 0 < v["USDT"]["free"] < v["USDT"]["total"])
    fees = sum(f["fee"]["cost"] for f in trades)
    wallet = next(float(r["walletBalance"]) for r in balance["info"]["assets"] if r["asset"] == "USDT")
    s.holds("wallet equals deposits less fees", abs(s.balances["USDT"] - fees - wallet) < 1e-6, (fees, wallet))
    s.call("fetch_ledger", lambda: x.fetch_ledger("USDT"), lambda v: len(v) > 0)
    s.call("fetch_funding_history", lambda: x.fetch_funding_history(SYMBOL))
    s.call("fetch_my_liquidations", lambda: x.fetch_my_liquidations(SYMBOL), lambda v: v == [])


def conditionals(x, bid):
    far = float(x.price_to_precision(SYMBOL, bid * 0.9))
    up = float(x.price_to_precision(SYMBOL, bid * 1.1))
    trigger = {"trigger": True}
    stop = s.call(
        "create_order stop-loss",
        lambda: x.create_order(SYMBOL, "market", "sell", AMOUNT, None, {"stopLossPrice": far, "reduceOnly": True}),
        lambda v: v["id"] and v["triggerPrice"] == far,
    )
    profit = s.call(
        "create_order take-profit",
        lambda: x.create_order(SYMBOL, "market", "sell", AMOUNT, None, {"takeProfitPrice": up}),
    )
    s.call(
        "create_order stop limit", lambda: x.create_order(SYMBOL, "limit", "sell", AMOUNT, far, {"triggerPrice": far})
    )
    s.call(
        "create_order trailing", lambda: x.create_order(SYMBOL, "market", "sell", AMOUNT, None, {"trailingPercent": 5})
    )
    s.call(
        "create_order close position",
        lambda: x.create_order(
            SYMBOL, "STOP_MARKET", "sell", None, None, {"stopLossPrice": far, "closePosition": True}
        ),
    )
    s.call("fetch_open_orders trigger", lambda: x.fetch_open_orders(SYMBOL, params=trigger), lambda v: len(v) == 5)
    s.call("stops are not in open orders", lambda: x.fetch_open_orders(SYMBOL), lambda v: v == [])
    s.call("fetch_order trigger", lambda: x.fetch_order(stop["id"], SYMBOL, trigger), lambda v: v["status"] == "open")
    s.call("cancel_order trigger", lambda: x.cancel_order(stop["id"], SYMBOL, trigger))
    s.call("cancel_all_orders trigger", lambda: x.cancel_all_orders(SYMBOL, trigger))
    s.call("fetch_open_orders trigger none", lambda: x.fetch_open_orders(SYMBOL, params=trigger), lambda v: v == [])
    s.call(
        "fetch_orders trigger",
        lambda: x.fetch_orders(SYMBOL, params=trigger),
        lambda v: profit["id"] in [r["id"] for r in v],
    )
    s.refused(
        "stop on the wrong side",
        lambda: x.create_order(SYMBOL, "market", "sell", AMOUNT, None, {"stopLossPrice": up}),
        ccxt.ExchangeError,
        lambda e: "-2021" in str(e),
    )
    s.call("reduce-only close", lambda: x.create_order(SYMBOL, "market", "sell", AMOUNT, None, {"reduceOnly": True}))
    s.eventually(
        "fetch_positions flat", lambda: x.fetch_positions([SYMBOL]), lambda v: not [p for p in v if p["contracts"]]
    )


def strangers():
    s.refused("wrong key", opened(ccxt.binanceusdm, "nosuchkey").fetch_balance, ccxt.AuthenticationError)
    s.refused("wrong secret", opened(ccxt.binanceusdm, None, "wrong").fetch_balance, ccxt.AuthenticationError)


async def streams(bid):
    async with streaming(opened(ccxt.pro.binanceusdm)) as x:
        await watch_market(s, x, SYMBOL, 6)
        await s.acall("watch_bids_asks", x.watch_bids_asks([SYMBOL]), lambda t: SYMBOL in t)
        await s.acall("watch_mark_price", x.watch_mark_price(SYMBOL), lambda t: t["markPrice"] > 0)
        await s.acall("watch_ohlcv", x.watch_ohlcv(SYMBOL, "1m"), lambda b: b[0][4] > 0)
        low = float(x.price_to_precision(SYMBOL, bid * 0.97))
        await watch_an_order(s, x, SYMBOL, AMOUNT, low)
        trades = asyncio.create_task(x.watch_my_trades(SYMBOL))
        positions = asyncio.create_task(x.watch_positions([SYMBOL]))
        balance = asyncio.create_task(x.watch_balance())
        await asyncio.sleep(1.5)
        t = await x.create_order(SYMBOL, "market", "buy", AMOUNT)
        await s.acall("watch_my_trades", trades, lambda v: v[-1]["order"] == t["id"])
        await s.acall("watch_positions", positions, lambda v: v[-1]["symbol"] == SYMBOL)
        await s.acall("watch_balance", balance, lambda v: v["USDT"]["total"] > 0)
        o = await s.acall(
            "create_order_ws", x.create_order_ws(SYMBOL, "limit", "buy", AMOUNT, low), lambda v: v["status"] == "open"
        )
        if o:
            await s.acall("fetch_order_ws", x.fetch_order_ws(o["id"], SYMBOL), lambda v: v["price"] == low)
            await s.acall("edit_order_ws", x.edit_order_ws(o["id"], SYMBOL, "limit", "buy", AMOUNT * 2, low))
            await s.acall("cancel_order_ws", x.cancel_order_ws(o["id"], SYMBOL), lambda v: v["status"] == "canceled")
        await s.arefused(
            "create_order_ws too big",
            x.create_order_ws(SYMBOL, "limit", "buy", 900, low),
            ccxt.ExchangeError,
            lambda e: "-2019" in str(e),
        )
        await s.acall("fetch_balance_ws", x.fetch_balance_ws(), lambda v: v["USDT"]["total"] > 0)
        await s.acall("fetch_positions_ws", x.fetch_positions_ws([SYMBOL]), lambda v: v[0]["contracts"] == AMOUNT)
        await x.create_order(SYMBOL, "market", "sell", AMOUNT, None, {"reduceOnly": True})


def main():
    x = opened(ccxt.binanceusdm)
    book = market_data(x)
    bid = book["bids"][0][0]
    settings(x)
    orders(x, bid)
    fills(x, bid)
    conditionals(x, bid)
    strangers()
    asyncio.run(streams(bid))


try:
    main()
finally:
    s.done()
