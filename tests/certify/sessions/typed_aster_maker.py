"""typed-aster against a simulated Aster, then a market maker by it for two minutes beside a taker.

It checks each answer and event against the venue's documents, field by field, and raises for what does not fit: so a
call that passes had all the fields that it needs, of the types that it needs. All its parameters go in the query, also
of POST and DELETE, with a wallet's signature over the text as it is sent.
"""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal

from session import Session
from typed_aster import Aster
from typed_aster.core.exc import AuthError, BadRequest, Error

SYMBOL = "BTCUSDT"
BTC = {"symbol": SYMBOL}
AMOUNT = Decimal("0.010")
TRADED_S = 120
CENT = Decimal("0.000001")

s = Session()


def opened(account, **more):
    urls = {"rest": f"{s.rest}/fapi/v3", "streams": f"{s.ws}/stream", "user_stream": f"{s.ws}/ws"}
    named = {"user": account["key"], "signer": account["secret"], **more}
    return Aster.new(**named, urls={"futures": urls, "spot": {"rest": f"{s.rest}/api/v3"}})


async def market(x):
    m = x.futures.market
    await s.acall("ping", m.ping())
    await s.acall("time", m.time())
    await s.acall("exchange_info", m.exchange_info(), lambda v: SYMBOL in [each["symbol"] for each in v["symbols"]])
    book = await s.acall("depth", m.depth(SYMBOL, limit=20), lambda b: len(b["bids"]) == 20)
    await s.acall("trades", m.trades(SYMBOL, limit=50), lambda v: len(v) == 50)
    await s.acall("historical_trades", m.historical_trades(SYMBOL, limit=50), len)
    await s.acall("agg_trades", m.agg_trades(SYMBOL, limit=50), len)
    await s.acall("klines", m.klines(SYMBOL, interval="1m", limit=5), len)
    await s.acall("mark_price_klines", m.mark_price_klines(SYMBOL, interval="1m", limit=5), len)
    await s.acall("index_price_klines", m.index_price_klines(SYMBOL, interval="1m", limit=5), len)
    await s.acall("premium_index", m.premium_index(SYMBOL))
    await s.acall("premium_index of all", m.premium_index(), len)
    await s.acall("funding_rate", m.funding_rate(SYMBOL, limit=3))
    await s.acall("funding_info", m.funding_info(), len)
    await s.acall("index_references", m.index_references(SYMBOL))
    await s.acall("ticker_24hr", m.ticker_24hr(SYMBOL))
    await s.acall("ticker_price", m.ticker_price(SYMBOL))
    await s.acall("book_ticker", m.book_ticker(SYMBOL))
    await s.arefused("unknown symbol", m.depth("NOUSDT"), BadRequest)
    return book["bids"][0][0]


async def settings(x):
    a, p = x.futures.account, x.futures.position
    await s.acall("set_position_mode hedge", a.set_position_mode(True))
    await s.acall("position_mode", a.position_mode(), lambda v: v["dualSidePosition"])
    await s.acall("set_position_mode one-way", a.set_position_mode(False))
    await s.acall("set_multi_assets_margin", a.set_multi_assets_margin(True))
    await s.acall("multi_assets_margin", a.multi_assets_margin(), lambda v: v["multiAssetsMargin"])
    await s.acall("set_multi_assets_margin off", a.set_multi_assets_margin(False))
    await s.acall("set_leverage", a.set_leverage(SYMBOL, leverage=7), lambda v: v["leverage"] == 7)
    await s.acall("set_margin_type isolated", a.set_margin_type(SYMBOL, margin_type="ISOLATED"))
    await s.acall("set_margin_type crossed", a.set_margin_type(SYMBOL, margin_type="CROSSED"))
    await s.arefused("set_leverage 900", a.set_leverage(SYMBOL, leverage=900), BadRequest)
    await s.acall("set_stp_mode", a.set_stp_mode("EXPIRE_BOTH"))
    await s.acall("stp_mode", a.stp_mode(), lambda v: v["stpMode"] == "EXPIRE_BOTH")
    await s.acall("set_stp_mode back", a.set_stp_mode("EXPIRE_MAKER"))
    await s.acall("commission_rate", a.commission_rate(SYMBOL), lambda v: v["takerCommissionRate"] > 0)
    await s.acall("balance", a.balance(), lambda v: v[0]["balance"] == Decimal(s.balances["USDT"]))
    await s.acall("info_with_join_margin", a.info_with_join_margin(), lambda v: v["canTrade"])
    await s.acall("risk", p.risk(), len)
    await s.acall("risk of a symbol", p.risk(SYMBOL), lambda v: v[0]["leverage"] == 7)
    await s.acall("leverage_brackets", a.leverage_brackets(SYMBOL), len)


async def orders(x, bid):
    t = x.futures.trade
    low = bid - 500
    terms = {**BTC, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": AMOUNT, "price": low}
    o = await s.acall("place_order", t.place_order({**terms, "newClientOrderId": "typed-1"}))
    number = {**BTC, "orderId": o["orderId"]}
    await s.acall("order", t.order(number), lambda v: v["price"] == low and v["status"] == "NEW")
    await s.acall("order by client id", t.order({**BTC, "origClientOrderId": "typed-1"}))
    await s.acall("open_order", t.open_order(number))
    await s.acall("open_orders", t.open_orders(SYMBOL), lambda v: [r["orderId"] for r in v] == [o["orderId"]])
    await s.arefused("place_order duplicate id", t.place_order({**terms, "newClientOrderId": "typed-1"}), BadRequest)
    changed = {**number, "quantity": AMOUNT * 2, "price": low - 10}
    await s.acall("modify_order", t.modify_order(changed), lambda v: v["origQty"] == AMOUNT * 2)
    await s.acall("cancel_order", t.cancel_order(number), lambda v: v["status"] == "CANCELED")
    await s.arefused("cancel_order again", t.cancel_order(number), BadRequest)
    await s.acall("test_order", t.test_order(terms))
    for tif in ("GTX", "HIDDEN"):
        await s.acall(f"place_order {tif}", t.place_order({**terms, "timeInForce": tif}))
    batch = [{**terms, "newClientOrderId": f"typed-b{at}"} for at in range(3)]
    placed = await s.acall("place_batch_orders", t.place_batch_orders(batch), lambda v: len(v) == 3)
    ids = [each["orderId"] for each in placed]
    await s.acall(
        "cancel_batch_orders",
        t.cancel_batch_orders({**BTC, "orderIdList": ids}),
        lambda v: {r["status"] for r in v} == {"CANCELED"},
    )
    await s.acall("countdown_cancel_all", t.countdown_cancel_all(SYMBOL, countdown_time=100_000))
    await s.acall("countdown_cancel_all off", t.countdown_cancel_all(SYMBOL, countdown_time=0))
    await s.acall("cancel_all_open_orders", t.cancel_all_open_orders(SYMBOL), lambda v: str(v["code"]) == "200")
    await s.acall("noop", t.noop())
    nonce = time.time_ns() // 1000 + 50_000
    await s.acall("noop with a nonce", t.noop(nonce=nonce))
    await s.arefused("an order whose nonce is used", t.place_order({**terms, "nonce": nonce}), AuthError)
    await s.arefused("no funds", t.place_order({**terms, "quantity": Decimal(900)}), BadRequest)
    await s.arefused("too small", t.place_order({**terms, "quantity": Decimal("0.00001")}), BadRequest)
    await s.arefused(
        "post-only that crosses", t.place_order({**terms, "timeInForce": "GTX", "price": bid + 300}), Error
    )


async def fills(x, bid):
    t, a, p = x.futures.trade, x.futures.account, x.futures.position
    o = await s.acall(
        "place_order market",
        t.place_order({**BTC, "side": "BUY", "type": "MARKET", "quantity": AMOUNT, "newOrderRespType": "RESULT"}),
        lambda v: v["status"] == "FILLED" and v["avgPrice"] > 0,
    )
    await s.acall("user_trades", t.user_trades(SYMBOL), lambda v: {r["orderId"] for r in v} == {o["orderId"]})
    await s.acall("all_orders", t.all_orders(SYMBOL), len)
    await s.acall("risk with a position", p.risk(SYMBOL), lambda v: v[0]["positionAmt"] == AMOUNT)
    await s.acall("adl_quantile", p.adl_quantile(SYMBOL))
    await s.acall("income", a.income(symbol=SYMBOL), lambda v: v[0]["incomeType"] == "COMMISSION")
    await s.acall("force_orders", t.force_orders(), lambda v: v == [])
    low = bid - 900
    stop = {**BTC, "side": "SELL", "type": "STOP_MARKET", "stopPrice": low, "quantity": AMOUNT, "reduceOnly": "true"}
    await s.acall("place_order stop", t.place_order(stop), lambda v: v["stopPrice"] == low)
    closing = {**BTC, "side": "SELL", "type": "TAKE_PROFIT_MARKET", "stopPrice": bid + 900, "closePosition": "true"}
    await s.acall("place_order close position", t.place_order(closing), lambda v: v["closePosition"])
    trailing = {
        **BTC,
        "side": "SELL",
        "type": "TRAILING_STOP_MARKET",
        "quantity": AMOUNT,
        "callbackRate": Decimal("2.5"),
    }
    await s.acall(
        "place_order trailing",
        t.place_order({**trailing, "activationPrice": bid + 400, "reduceOnly": "true"}),
        lambda v: (v["activatePrice"], v["priceRate"]) == (bid + 400, Decimal("2.5")),
    )
    kinds = ["STOP_MARKET", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"]
    await s.acall("open_orders of triggers", t.open_orders(SYMBOL), lambda v: sorted(r["type"] for r in v) == kinds)
    await s.arefused("trailing far too wide", t.place_order({**trailing, "callbackRate": Decimal(50)}), BadRequest)
    await s.arefused(
        "trailing that would fire at once", t.place_order({**trailing, "activationPrice": bid - 400}), BadRequest
    )
    await s.acall("cancel_all_open_orders takes triggers", t.cancel_all_open_orders(SYMBOL))
    await s.acall("open_orders none", t.open_orders(SYMBOL), lambda v: v == [])
    close = {**BTC, "side": "SELL", "type": "MARKET", "quantity": AMOUNT, "reduceOnly": "true"}
    await s.acall("reduce-only close", t.place_order(close))
    await s.acall("risk flat", p.risk(SYMBOL), lambda v: v[0]["positionAmt"] == 0)


async def money(x):
    w = x.futures.wallet
    there = {"amount": Decimal(25), "asset": "USDT", "client_tran_id": "typed-1", "kind_type": "FUTURE_SPOT"}
    await s.acall("transfer to spot", w.transfer(**there), lambda v: v["status"] == "SUCCESS")
    await s.arefused("transfer twice by one id", w.transfer(**there), BadRequest)
    await s.acall("transfer back", w.transfer(**{**there, "client_tran_id": "typed-2", "kind_type": "SPOT_FUTURE"}))


async def strangers():
    async with opened({"key": s.key, "secret": "0x" + "1" * 64}) as x:
        await s.arefused("a wallet that is no agent", x.futures.account.balance(), AuthError)


async def streams(x):
    f = x.futures.streams
    low = SYMBOL.lower()
    named = {
        "diff_depth": f.diff_depth(low),
        "partial_depth": f.partial_depth(low, levels=5),
        "agg_trade": f.agg_trade(low),
        "book_ticker": f.book_ticker(low),
        "mark_price_1s": f.mark_price_1s(low),
        "kline": f.kline(low, interval="1m"),
        "ticker": f.ticker(low),
        "mini_ticker": f.mini_ticker(low),
        "all_mini_tickers": f.all_mini_tickers(),
    }
    for name, stream in named.items():

        async def first(stream=stream):
            async with stream as events:
                async for event in events:
                    return event
            return None

        await s.acall(f"stream {name}", first())


async def maker(x, events):
    """Quotes both sides, post-only, anew each second; what the account's stream says is kept."""

    async def listen():
        key = (await x.futures.listen_key.start())["listenKey"]
        async with x.futures.user_stream.events(key) as stream:
            async for event in stream:
                events.append(event)

    listening = asyncio.create_task(listen())
    t, end, rounds = x.futures.trade, time.monotonic() + TRADED_S, 0
    try:
        while time.monotonic() < end:
            top = await x.futures.market.book_ticker(SYMBOL)
            for side, price in (("BUY", top["bidPrice"]), ("SELL", top["askPrice"])):
                terms = {"type": "LIMIT", "timeInForce": "GTX", "quantity": AMOUNT, "price": price}
                try:
                    await t.place_order({**BTC, "side": side, **terms})
                except BadRequest as error:
                    if "-5022" not in str(error):
                        raise
            await asyncio.sleep(1)
            await t.cancel_all_open_orders(SYMBOL)
            rounds += 1
        await asyncio.sleep(2)
    finally:
        listening.cancel()
    return rounds


async def taker(x):
    end, rounds = time.monotonic() + TRADED_S, 0
    while time.monotonic() < end:
        side = ("BUY", "SELL")[rounds % 2]
        await x.futures.trade.place_order({**BTC, "side": side, "type": "MARKET", "quantity": AMOUNT})
        await asyncio.sleep(0.5)
        rounds += 1
    return rounds


async def compare(x, events, name):
    """What the client has been told, by request and by stream, and what the exchange's ledger has."""
    trades = await x.futures.trade.user_trades(SYMBOL, limit=1000)
    risk = await x.futures.position.risk(SYMBOL)
    balance = await x.futures.account.balance()
    working = await x.futures.trade.open_orders(SYMBOL)
    ledger = s.ledger(name)
    ours = sorted((r["id"], r["price"], r["qty"], r["side"]) for r in trades)
    theirs = sorted((t["id"], Decimal(t["price"]), Decimal(t["size"]), t["side"].upper()) for t in ledger["trades"])
    s.holds(f"{name}: trades as the ledger's", ours == theirs and ours, (len(ours), len(theirs)))
    held = sum(Decimal(r["size"]) for r in ledger["positions"] if "BTC" in r["symbol"])
    s.holds(f"{name}: position as the ledger's", risk[0]["positionAmt"] == held, (risk[0]["positionAmt"], held))
    wallet = next(r["balance"] for r in balance if r["asset"] == "USDT")
    booked = Decimal(ledger["balances"]["USDT"])
    s.holds(f"{name}: wallet as the ledger's", abs(wallet - booked) < CENT, (wallet, booked))
    s.holds(f"{name}: orders as the ledger's", len(working) == sum(o["open"] for o in ledger["orders"]), working)
    if events is None:
        return
    reports = [e["o"] for e in events if e["e"] == "ORDER_TRADE_UPDATE" and e["o"]["x"] == "TRADE"]
    since = min((o["t"] for o in reports), default=0)
    streamed = sorted((o["t"], o["L"], o["l"], o["S"]) for o in reports)
    s.holds(
        f"{name}: fills of the stream as the ledger's", streamed == [t for t in theirs if t[0] >= since], len(reports)
    )
    moved = [b["wb"] for e in events if e["e"] == "ACCOUNT_UPDATE" for b in e["a"]["B"] if b["a"] == "USDT"]
    s.holds(f"{name}: wallet of the stream as the ledger's", moved and abs(moved[-1] - booked) < CENT, moved[-1:])


async def main():
    events = []
    async with opened(s.accounts[0]) as x, opened(s.accounts[1]) as other:
        bid = await market(x)
        await settings(x)
        await orders(x, bid)
        await fills(x, bid)
        await money(x)
        await strangers()
        await streams(x)
        quoting, taking = asyncio.create_task(maker(x, events)), asyncio.create_task(taker(other))
        wait = TRADED_S + 30
        await s.acall("a market maker for two minutes", quoting, lambda rounds: rounds > 60, wait)
        await s.acall("a taker for two minutes beside it", taking, lambda rounds: rounds > 100, wait)
        await compare(x, events, "main")
        await compare(other, None, "second")


try:
    asyncio.run(main())
finally:
    s.done()
