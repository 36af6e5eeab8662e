"""python-okx, the venue's own Python SDK, against a simulated OKX: REST, channels, orders by WebSocket; then a market
maker by WebSocket and a taker by REST. Only addresses are changed, and WebSockets
have no TLS. Sizes are contracts, of a hundredth of a coin."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor

import websockets
from okx.Account import AccountAPI
from okx.MarketData import MarketAPI
from okx.PublicData import PublicAPI
from okx.Trade import TradeAPI
from okx.websocket.WsPrivateAsync import WsPrivateAsync
from okx.websocket.WsPublicAsync import WsPublicAsync
from session import Session

SWAP = "BTC-USDT-SWAP"
SZ = "1"
BOT_S = 120  # of each bot
WAIT_S = 15

s = Session()


def keys(account):
    return {"api_key": account["key"], "api_secret_key": account["secret"], "passphrase": account["password"]}


def opened(kind, account):
    return kind(**keys(account), flag="1", domain=s.rest)


def rows(answer):
    assert answer["code"] == "0", answer
    return answer["data"]


def near(price, part):
    return f"{round(float(price) * part, 1):.1f}"


def market_data():
    public, market = (kind(flag="1", domain=s.rest) for kind in (PublicAPI, MarketAPI))
    s.call("get_system_time", public.get_system_time, lambda v: int(rows(v)[0]["ts"]) > 1.7e12)
    s.call(
        "get_instruments",
        lambda: public.get_instruments("SWAP"),
        lambda v: {r["instId"] for r in rows(v)} >= {SWAP, "BTC-USD-SWAP"},
    )
    s.call("get_mark_price", lambda: public.get_mark_price("SWAP"), lambda v: float(rows(v)[0]["markPx"]) > 0)
    s.call("get_funding_rate", lambda: public.get_funding_rate(SWAP), lambda v: rows(v)[0]["instId"] == SWAP)
    s.call("funding_rate_history", lambda: public.funding_rate_history(SWAP), lambda v: isinstance(rows(v), list))
    s.call("get_open_interest", lambda: public.get_open_interest("SWAP"), lambda v: float(rows(v)[0]["oi"]) > 0)
    s.call("get_price_limit", lambda: public.get_price_limit(SWAP), lambda v: rows(v)[0]["enabled"])
    s.call(
        "get_position_tiers",
        lambda: public.get_position_tiers("SWAP", "cross", instFamily="BTC-USDT"),
        lambda v: rows(v)[0]["maxLever"] == "100",
    )
    book = s.call("get_orderbook", lambda: market.get_orderbook(SWAP, sz="5"), lambda v: len(rows(v)[0]["bids"]) == 5)
    s.call("get_ticker", lambda: market.get_ticker(SWAP), lambda v: float(rows(v)[0]["last"]) > 0)
    s.call("get_tickers", lambda: market.get_tickers("SWAP"), lambda v: len(rows(v)) >= 3)
    s.call("get_candlesticks", lambda: market.get_candlesticks(SWAP, limit="5"), lambda v: len(rows(v)) == 5)
    s.call("get_history_candlesticks", lambda: market.get_history_candlesticks(SWAP), lambda v: len(rows(v)) > 5)
    s.call("get_trades", lambda: market.get_trades(SWAP), lambda v: len(rows(v)) > 5)
    return float(rows(book)[0]["bids"][0][0])


def settings(account):
    s.call("get_account_config", account.get_account_config, lambda v: rows(v)[0]["acctLv"] == "2")
    s.call("set_position_mode", lambda: account.set_position_mode("long_short_mode"), rows)
    s.call("set_position_mode back", lambda: account.set_position_mode("net_mode"), rows)
    s.call(
        "set_leverage", lambda: account.set_leverage("7", "cross", instId=SWAP), lambda v: rows(v)[0]["lever"] == "7"
    )
    s.call("get_leverage", lambda: account.get_leverage("cross", instId=SWAP), lambda v: rows(v)[0]["lever"] == "7")
    s.call(
        "set_leverage 101", lambda: account.set_leverage("101", "cross", instId=SWAP), lambda v: v["code"] == "59102"
    )
    s.call("get_fee_rates", lambda: account.get_fee_rates("SWAP", instFamily="BTC-USDT"), lambda v: rows(v)[0]["taker"])


def orders(trade, bid):
    order = {"instId": SWAP, "tdMode": "cross", "side": "buy", "ordType": "limit", "sz": SZ}
    made = s.call(
        "place_order",
        lambda: trade.place_order(**order, px=near(bid, 0.99), clOrdId="certify1"),
        lambda v: rows(v)[0]["sCode"] == "0",
    )
    number = rows(made)[0]["ordId"]
    s.call("get_order", lambda: trade.get_order(SWAP, ordId=number), lambda v: rows(v)[0]["state"] == "live")
    s.call("get_order_list", lambda: trade.get_order_list("SWAP"), lambda v: [r["ordId"] for r in rows(v)] == [number])
    s.call(
        "place_order duplicate id",
        lambda: trade.place_order(**order, px=near(bid, 0.99), clOrdId="certify1"),
        lambda v: (v["code"], v["data"][0]["sCode"]) == ("1", "51016"),
    )
    s.call("amend_order", lambda: trade.amend_order(SWAP, ordId=number, newSz="2", newPx=near(bid, 0.98)), rows)
    s.call(
        "get_order amended",
        lambda: trade.get_order(SWAP, clOrdId="certify1"),
        lambda v: (rows(v)[0]["sz"], float(rows(v)[0]["px"])) == ("2", float(near(bid, 0.98))),
    )
    s.call("cancel_order", lambda: trade.cancel_order(SWAP, ordId=number), rows)
    s.call("cancel_order again", lambda: trade.cancel_order(SWAP, ordId=number), lambda v: v["code"] == "1")
    pair = [{**order, "px": near(bid, part)} for part in (0.97, 0.96)]
    both = s.call("place_multiple_orders", lambda: trade.place_multiple_orders(pair), lambda v: len(rows(v)) == 2)
    names = [{"instId": SWAP, "ordId": row["ordId"]} for row in rows(both)]
    changes = [{**name, "newSz": "3"} for name in names]
    s.call("amend_multiple_orders", lambda: trade.amend_multiple_orders(changes), lambda v: len(rows(v)) == 2)
    s.call("cancel_multiple_orders", lambda: trade.cancel_multiple_orders(names), lambda v: len(rows(v)) == 2)
    s.call("get_order_list none", lambda: trade.get_order_list("SWAP"), lambda v: rows(v) == [])
    s.call("get_orders_history", lambda: trade.get_orders_history("SWAP"), lambda v: len(rows(v)) == 3)
    s.call(
        "no funds",
        lambda: trade.place_order(**{**order, "sz": "90000"}, px=near(bid, 0.99)),
        lambda v: v["data"][0]["sCode"] == "51008",
    )


def fills(trade, account, bid):
    made = s.call("place_order market", lambda: trade.place_order(SWAP, "cross", "buy", "market", SZ), rows)
    number = rows(made)[0]["ordId"]
    found = s.eventually(
        "get_fills", lambda: rows(trade.get_fills("SWAP")), lambda v: sum(float(r["fillSz"]) for r in v) == 1
    )
    s.call("get_fills_history", lambda: trade.get_fills_history("SWAP"), lambda v: len(rows(v)) == len(found))
    s.call("get_order filled", lambda: trade.get_order(SWAP, ordId=number), lambda v: rows(v)[0]["state"] == "filled")
    s.call("get_positions", account.get_positions, lambda v: [r["pos"] for r in rows(v)] == ["1"])
    balance = s.call("get_account_balance", account.get_account_balance, lambda v: rows(v)[0]["details"])
    cash = {r["ccy"]: float(r["cashBal"]) for r in rows(balance)[0]["details"]}["USDT"]
    fees = -sum(float(r["fee"]) for r in found)
    s.holds("cash equals deposits less fees", abs(s.balances["USDT"] - fees - cash) < 1e-6, (fees, cash))
    s.call("get_account_bills", account.get_account_bills, lambda v: len(rows(v)) > 0)
    stop = {"instId": SWAP, "tdMode": "cross", "side": "sell", "sz": SZ, "reduceOnly": "true"}
    waits = s.call(
        "place_algo_order",
        lambda: trade.place_algo_order(
            **stop, ordType="conditional", slTriggerPx=near(bid, 0.98), slOrdPx="-1", algoClOrdId="stop1"
        ),
        lambda v: rows(v)[0]["sCode"] == "0",
    )
    s.call("order_algos_list", lambda: trade.order_algos_list("conditional"), lambda v: len(rows(v)) == 1)
    s.call(
        "get_algo_order_details",
        lambda: trade.get_algo_order_details(algoClOrdId="stop1"),
        lambda v: rows(v)[0]["state"] == "live",
    )
    names = [{"instId": SWAP, "algoId": rows(waits)[0]["algoId"]}]
    s.call("cancel_algo_order", lambda: trade.cancel_algo_order(names), rows)
    s.call("close_positions", lambda: trade.close_positions(SWAP, "cross"), rows)
    s.eventually("get_positions flat", lambda: rows(account.get_positions()), lambda v: v == [])


async def heard(queue, good):
    """Returns the first row of a channel's message that is good."""
    while True:
        message = await queue.get()
        for row in message.get("data", ()):
            if good(message, row):
                return row


async def connected(kind, path, *args):
    queue = asyncio.Queue()
    x = kind(*args, url=f"{s.ws}/ws/v5/{path}")
    x.factory.connect = lambda: websockets.connect(x.url)  # it would begin with TLS
    await x.start()
    return x, queue, lambda text: queue.put_nowait(json.loads(text) if text[:1] == "{" else {"said": text})


async def streams(bid):
    market, prices, hear = await connected(WsPublicAsync, "public")
    for channel in ("books", "trades", "tickers", "bbo-tbt", "mark-price", "funding-rate"):
        await market.subscribe([{"channel": channel, "instId": SWAP}], hear)
        await s.acall(f"channel {channel}", heard(prices, lambda m, _r, c=channel: m["arg"]["channel"] == c))
    first = s.accounts[0]
    own, news, hear = await connected(WsPrivateAsync, "private", first["key"], first["password"], first["secret"])
    await own.subscribe(
        [{"channel": c, "instType": "SWAP"} for c in ("orders", "positions")] + [{"channel": "account"}], hear
    )
    await s.acall("channel account", heard(news, lambda m, _r: m["arg"]["channel"] == "account"))
    code = int(rows(PublicAPI(flag="1", domain=s.rest).get_instruments("SWAP", instId=SWAP))[0]["instIdCode"])
    order = {"instIdCode": code, "tdMode": "cross", "side": "buy", "ordType": "limit", "sz": SZ, "px": near(bid, 0.95)}
    await own.place_order([{**order, "clOrdId": "bysocket"}], hear, id="1")
    row = await s.acall(
        "channel orders live", heard(news, lambda _m, r: r.get("clOrdId") == "bysocket" and "state" in r)
    )
    await own.cancel_order([{"instIdCode": code, "ordId": row["ordId"]}], hear, id="2")
    await s.acall("channel orders canceled", heard(news, lambda _m, r: r.get("state") == "canceled"))
    return own, news, hear, code


async def maker(own, news, hear, code):
    """Quotes both sides, post-only, anew each second, by WebSocket."""
    market = MarketAPI(flag="1", domain=s.rest)
    end, rounds, usual = time.monotonic() + BOT_S, 0, {"instIdCode": code, "tdMode": "cross", "ordType": "post_only"}
    while time.monotonic() < end:
        (book,) = rows(await asyncio.to_thread(market.get_orderbook, SWAP, "1"))
        names = [f"m{rounds}{side}" for side in ("buy", "sell")]
        quotes = zip(("buy", "sell"), names, (book["bids"][0][0], book["asks"][0][0]), strict=True)
        await own.batch_orders(
            [{**usual, "side": side, "sz": SZ, "px": px, "clOrdId": name} for side, name, px in quotes],
            hear,
            id=f"p{rounds}",
        )
        await asyncio.sleep(1)
        await own.batch_cancel_orders([{"instIdCode": code, "clOrdId": name} for name in names], hear, id=f"c{rounds}")
        rounds += 1
    await asyncio.sleep(1)
    while not news.empty():
        news.get_nowait()
    return rounds


def taker(trade):
    """Buys and sells in turn."""
    end, rounds = time.monotonic() + BOT_S, 0
    while time.monotonic() < end:
        rows(trade.place_order(SWAP, "cross", ("buy", "sell")[rounds % 2], "market", SZ))
        time.sleep(0.5)
        rounds += 1
    return rounds


def books(trade, account, name, number):
    def theirs(read):
        return lambda _main: read(s.ledger(number))

    def held(ledger):
        return sum(float(r["size"]) for r in ledger["positions"] if r["symbol"] == "okx:BTC/USDT:USDT")

    def cash():
        return next(
            float(r["cashBal"]) for r in rows(account.get_account_balance())[0]["details"] if r["ccy"] == "USDT"
        )

    s.books(
        f"{name}: position as the ledger's",
        lambda: round(sum(float(r["pos"]) for r in rows(account.get_positions())), 6),
        theirs(lambda a: round(held(a), 6)),
    )
    s.books(
        f"{name}: cash as the ledger's",
        lambda: round(cash(), 6),
        theirs(lambda a: round(float(a["balances"]["USDT"]), 6)),
    )
    s.books(
        f"{name}: orders as the ledger's",
        lambda: len(rows(trade.get_order_list("SWAP"))),
        theirs(lambda a: sum(r["open"] for r in a["orders"])),
    )


async def bots(bid, trade):
    own, *rest = await streams(bid)
    with ThreadPoolExecutor() as pool:
        taking = asyncio.get_running_loop().run_in_executor(pool, taker, trade)
        quoted = await maker(own, *rest)
        taken = await taking
    s.holds("a market maker by WebSocket for two minutes", quoted > 20, quoted)
    s.holds("a taker for two minutes beside it", taken > 40, taken)


def main():
    first, second = s.accounts[:2]
    trade, account = opened(TradeAPI, first), opened(AccountAPI, first)
    bid = market_data()
    settings(account)
    orders(trade, bid)
    fills(trade, account, bid)
    foreign = AccountAPI(**{**keys(first), "api_secret_key": "1" * 64}, flag="1", domain=s.rest)
    s.call("wrong secret", foreign.get_account_balance, lambda v: v["code"] == "50113")
    other = opened(TradeAPI, second)
    asyncio.run(bots(bid, other))
    books(trade, account, "maker", "main")
    books(other, opened(AccountAPI, second), "taker", "second")


try:
    main()
finally:
    s.done()
