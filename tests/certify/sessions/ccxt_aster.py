"""ccxt's aster, synchronous and with streams, against a simulated Aster; then a market maker and a taker by it.

ccxt signs by the wallet of the account. At its first private call it approves its own builder, who takes a fee of each
order, unless that is switched off: both ways are played. It chooses some of its error classes by the venue's host
name, which is another one here: such a refusal is known by the venue's code in its text. Of a position it leaves the
side empty, as rows have no `notional`. Streams are public ones: its watch_orders, watch_my_trades, watch_balance and
watch_positions of this version raise before they subscribe, or on the account's first event, whatever it is.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import ccxt
import ccxt.pro
from ccxt_session import streaming, watch_market
from session import Session, moved_ccxt

SYMBOL = "BTC/USDT:USDT"
AMOUNT = 0.01
BOT_S = 120  # of each bot
BUILDER = "0x1F5877C19e3777Cfd15F9d57253eA4aA5254Ec39"

s = Session()


def opened(make, secret=None, **options):
    return moved_ccxt(
        make({"privateKey": secret or s.secret, "options": {"builderFee": False, "defaultType": "swap", **options}}), s
    )


def market_data(x):
    s.call("load_markets", x.load_markets, lambda m: SYMBOL in m and m[SYMBOL]["swap"])
    s.call("fetch_time", x.fetch_time, lambda v: v > 1.7e12)
    book = s.call(
        "fetch_order_book",
        lambda: x.fetch_order_book(SYMBOL, 20),
        lambda b: b["bids"][0][0] < b["asks"][0][0] and len(b["bids"]) == 20,
    )
    s.call("fetch_ticker", lambda: x.fetch_ticker(SYMBOL), lambda t: t["last"] > 0)
    s.call("fetch_tickers", lambda: x.fetch_tickers([SYMBOL]), lambda t: SYMBOL in t)
    s.call("fetch_trades", lambda: x.fetch_trades(SYMBOL, limit=50), lambda t: len(t) == 50)
    s.call("fetch_ohlcv", lambda: x.fetch_ohlcv(SYMBOL, "1m", limit=5), lambda b: len(b) > 1)
    s.call("fetch_funding_rate", lambda: x.fetch_funding_rate(SYMBOL), lambda f: f["markPrice"] > 0)
    s.call("fetch_funding_rates", lambda: x.fetch_funding_rates([SYMBOL]), lambda f: SYMBOL in f)
    s.call("fetch_funding_rate_history", lambda: x.fetch_funding_rate_history(SYMBOL, limit=3))
    s.call("fetch_funding_intervals", lambda: x.fetch_funding_intervals([SYMBOL]), lambda f: SYMBOL in f)
    return book


def settings(x):
    s.call("fetch_position_mode", x.fetch_position_mode, lambda m: m["hedged"] is False)
    s.call("set_position_mode hedge", lambda: x.set_position_mode(True))
    s.call("fetch_position_mode hedge", x.fetch_position_mode, lambda m: m["hedged"] is True)
    s.call("set_position_mode one-way", lambda: x.set_position_mode(False))
    s.call("set_leverage", lambda: x.set_leverage(7, SYMBOL))
    s.call("fetch_leverages", lambda: x.fetch_leverages([SYMBOL]), lambda v: v[SYMBOL]["longLeverage"] == 7)
    s.call("set_margin_mode isolated", lambda: x.set_margin_mode("isolated", SYMBOL))
    s.call(
        "fetch_margin_modes", lambda: x.fetch_margin_modes([SYMBOL]), lambda m: m[SYMBOL]["marginMode"] == "isolated"
    )
    s.call("set_margin_mode cross", lambda: x.set_margin_mode("cross", SYMBOL))
    s.refused("set_leverage 900", lambda: x.set_leverage(900, SYMBOL), ccxt.BaseError)
    s.call("fetch_trading_fee", lambda: x.fetch_trading_fee(SYMBOL), lambda f: f["taker"] > 0)


def orders(x, bid):
    low, lower = (float(x.price_to_precision(SYMBOL, bid * part)) for part in (0.99, 0.985))
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
    s.call("cancel_order", lambda: x.cancel_order(number, SYMBOL), lambda v: v["status"] == "canceled")
    s.refused("cancel_order again", lambda: x.cancel_order(number, SYMBOL), ccxt.OrderNotFound)
    s.refused("fetch_order unknown", lambda: x.fetch_order("1", SYMBOL), ccxt.OrderNotFound)
    pair = [{"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": AMOUNT, "price": p} for p in (low, lower)]
    made = s.call("create_orders", lambda: x.create_orders(pair), lambda v: len(v) == 2 and all(r["id"] for r in v))
    s.call("cancel_orders", lambda: x.cancel_orders([made[0]["id"]], SYMBOL))
    s.call("cancel_all_orders", lambda: x.cancel_all_orders(SYMBOL))
    s.call("fetch_open_orders none", lambda: x.fetch_open_orders(SYMBOL), lambda v: v == [])
    high = float(x.price_to_precision(SYMBOL, bid * 1.005))
    s.refused(
        "post-only that crosses",
        lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, high, {"postOnly": True}),
        ccxt.ExchangeError,
        lambda e: "-5022" in str(e),
    )
    gone = s.call("IOC far away", lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, low, {"timeInForce": "IOC"}))
    s.call("IOC far away ends", lambda: x.fetch_order(gone["id"], SYMBOL), lambda v: v["status"] == "canceled")
    s.refused("no funds", lambda: x.create_order(SYMBOL, "limit", "buy", 90, low), ccxt.ExchangeError)
    s.refused("too small", lambda: x.create_order(SYMBOL, "limit", "buy", 0.00001, low), ccxt.BaseError)


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
    s.call("fetch_orders", lambda: x.fetch_orders(SYMBOL), lambda v: len(v) > 3)
    s.call(
        "fetch_positions",
        lambda: x.fetch_positions([SYMBOL]),
        lambda v: (
            (v[0]["contracts"], float(v[0]["info"]["positionAmt"])) == (AMOUNT, AMOUNT) and v[0]["entryPrice"] > 0
        ),
    )
    balance = s.call("fetch_balance", x.fetch_balance, lambda v: 0 < v["USDT"]["free"] < v["USDT"]["total"])
    fees = sum(f["fee"]["cost"] for f in trades)
    wallet = next(float(r["balance"]) for r in balance["info"] if r["asset"] == "USDT")
    s.holds("wallet equals deposits less fees", abs(s.balances["USDT"] - fees - wallet) < 1e-6, (fees, wallet))
    s.call("fetch_ledger", lambda: x.fetch_ledger("USDT"), lambda v: len(v) > 0)
    s.call("fetch_funding_history", lambda: x.fetch_funding_history(SYMBOL))


def stops(x, bid):
    far, up = (float(x.price_to_precision(SYMBOL, bid * part)) for part in (0.985, 1.015))
    stop = s.call(
        "create_order stop-loss",
        lambda: x.create_order(SYMBOL, "market", "sell", AMOUNT, None, {"stopLossPrice": far, "reduceOnly": True}),
        lambda v: v["id"],
    )
    s.call(
        "create_order take-profit",
        lambda: x.create_order(SYMBOL, "market", "sell", AMOUNT, None, {"takeProfitPrice": up, "reduceOnly": True}),
    )
    s.call(
        "fetch_open_orders has stops",
        lambda: x.fetch_open_orders(SYMBOL),
        lambda v: sorted(r["info"]["type"] for r in v) == ["STOP_MARKET", "TAKE_PROFIT_MARKET"],
    )
    s.call("cancel_order stop", lambda: x.cancel_order(stop["id"], SYMBOL))
    s.call("cancel_all_orders takes stops", lambda: x.cancel_all_orders(SYMBOL))
    s.refused(
        "stop on the wrong side",
        lambda: x.create_order(SYMBOL, "market", "sell", AMOUNT, None, {"stopLossPrice": up, "reduceOnly": True}),
        ccxt.ExchangeError,
        lambda e: "-2021" in str(e),
    )
    s.call("reduce-only close", lambda: x.create_order(SYMBOL, "market", "sell", AMOUNT, None, {"reduceOnly": True}))
    s.eventually("fetch_positions flat", lambda: x.fetch_positions([SYMBOL]), lambda v: not v or not v[0]["contracts"])


def money(x):
    s.call("transfer to spot", lambda: x.transfer("USDT", 25, "future", "spot"), lambda v: v["id"])
    spot = {"type": "spot"}
    s.call("fetch_balance spot", lambda: x.fetch_balance(spot), lambda v: v["USDT"]["free"] == 25)
    s.call("transfer back", lambda: x.transfer("USDT", 25, "spot", "future"), lambda v: v["id"])
    s.refused("transfer of too much", lambda: x.transfer("USDT", 1, "spot", "future"), ccxt.ExchangeError)


def builder(bid):
    low = round(bid * 0.99, 1)
    x = opened(ccxt.aster, builderFee=True)
    o = s.call("create_order with builder", lambda: x.create_order(SYMBOL, "limit", "buy", AMOUNT, low))
    s.holds("ccxt's builder is approved", x.options["approvedBuilderFee"] and x.options["builderFee"], x.options)
    s.call("builders", x.fapiPrivateGetV3Builder, lambda v: [r["builderAddress"] for r in v] == [BUILDER])
    s.call("cancel_order with builder", lambda: x.cancel_order(o["id"], SYMBOL))


def strangers():
    foreign = opened(ccxt.aster, "0x" + "1" * 64, signerAddress=s.key)
    s.refused("wrong signer", foreign.fetch_balance, ccxt.ExchangeError, lambda e: "Signature check failed" in str(e))


async def streams():
    async with streaming(opened(ccxt.pro.aster)) as x:
        await watch_market(s, x, SYMBOL)
        await s.acall("watch_bids_asks", x.watch_bids_asks([SYMBOL]), lambda t: SYMBOL in t)
        await s.acall("watch_ohlcv", x.watch_ohlcv(SYMBOL, "1m"), lambda b: b[0][4] > 0)


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
            except ccxt.ExchangeError as error:
                if "-5022" not in str(error):
                    raise
        time.sleep(1)
        x.cancel_all_orders(SYMBOL)
        rounds += 1
    return rounds


def taker(x):
    """Buys and sells in turn, and what is held in the end is sold."""
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
        return sum(float(r["info"]["positionAmt"]) for r in x.fetch_positions([SYMBOL]))

    def held(ledger):
        return sum(float(r["size"]) for r in ledger["positions"] if r["symbol"] == "aster:BTC/USDT:USDT")

    s.books(f"{name}: position as the ledger's", lambda: round(position(), 6), theirs(lambda a: round(held(a), 6)))
    s.books(
        f"{name}: wallet as the ledger's",
        lambda: round(next(float(r["balance"]) for r in x.fetch_balance()["info"] if r["asset"] == "USDT"), 6),
        theirs(lambda a: round(float(a["balances"]["USDT"]), 6)),
    )
    ours = lambda: sorted(int(r["id"]) for r in x.fetch_open_orders(SYMBOL))  # noqa: E731
    s.books(
        f"{name}: orders as the ledger's", ours, theirs(lambda a: sorted(r["id"] for r in a["orders"] if r["open"]))
    )


def main():
    x = opened(ccxt.aster)
    bid = market_data(x)["bids"][0][0]
    settings(x)
    orders(x, bid)
    fills(x)
    stops(x, bid)
    money(x)
    strangers()
    builder(bid)
    asyncio.run(streams())
    other = opened(ccxt.aster, s.accounts[1]["secret"])
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
