"""pybit, the venue's own Python SDK, against a simulated Bybit: REST, topics, orders by WebSocket; then a market maker
by WebSocket and a taker by REST. Only addresses are changed: that of a session's requests, and three constants with
those of the WebSockets."""

from __future__ import annotations

import queue
import time
from concurrent.futures import ThreadPoolExecutor

import pybit._websocket_trading as trading
import pybit.unified_trading as unified
from pybit.exceptions import InvalidRequestError
from pybit.unified_trading import HTTP, WebSocket, WebSocketTrading
from session import Session

SYMBOL = "BTCUSDT"
LINEAR = {"category": "linear", "symbol": SYMBOL}
QTY = "0.010"
BOT_S = 120  # of each bot
WAIT_S = 15

s = Session()
unified.PRIVATE_WSS = f"{s.ws}/v5/private"
unified.PUBLIC_WSS = f"{s.ws}/v5/public/{{CHANNEL_TYPE}}"
trading.TRADE_WSS = f"{s.ws}/v5/trade"


def opened(account):
    x = HTTP(api_key=account["key"], api_secret=account["secret"])
    x.endpoint = s.rest
    return x


def rows(answer):
    return answer["result"]["list"]


def near(price, part):
    return f"{round(float(price) * part, 1):.1f}"


def market_data(x):
    s.call("get_server_time", x.get_server_time, lambda v: int(v["result"]["timeSecond"]) > 1.7e9)
    s.call("get_instruments_info", lambda: x.get_instruments_info(**LINEAR), lambda v: rows(v)[0]["symbol"] == SYMBOL)
    s.call("get_kline", lambda: x.get_kline(**LINEAR, interval=1, limit=5), lambda v: len(rows(v)) == 5)
    s.call("get_mark_price_kline", lambda: x.get_mark_price_kline(**LINEAR, interval=1), lambda v: len(rows(v)) > 5)
    book = s.call("get_orderbook", lambda: x.get_orderbook(**LINEAR, limit=5), lambda v: len(v["result"]["b"]) == 5)
    s.call("get_tickers", lambda: x.get_tickers(**LINEAR), lambda v: float(rows(v)[0]["markPrice"]) > 0)
    s.call("get_public_trade_history", lambda: x.get_public_trade_history(**LINEAR), lambda v: len(rows(v)) > 5)
    s.call("get_open_interest", lambda: x.get_open_interest(**LINEAR, intervalTime="5min"), lambda v: rows(v))
    s.call("get_risk_limit", lambda: x.get_risk_limit(**LINEAR), lambda v: rows(v)[0]["maxLeverage"] == "100.00")
    s.call("get_funding_rate_history", lambda: x.get_funding_rate_history(**LINEAR))
    return float(book["result"]["b"][0][0])


def orders(x, bid):
    order = {**LINEAR, "side": "Buy", "orderType": "Limit", "qty": QTY, "orderLinkId": "certify-1"}
    made = s.call(
        "place_order", lambda: x.place_order(**order, price=near(bid, 0.99)), lambda v: v["result"]["orderId"]
    )
    number = made["result"]["orderId"]
    found = s.call("get_open_orders", lambda: x.get_open_orders(**LINEAR), lambda v: len(rows(v)) == 1)
    s.holds("it is the order", rows(found)[0]["orderLinkId"] == "certify-1", found)
    s.refused(
        "place_order duplicate id",
        lambda: x.place_order(**order, price=near(bid, 0.99)),
        InvalidRequestError,
        lambda e: e.status_code == 110072,
    )
    s.call("amend_order", lambda: x.amend_order(**LINEAR, orderId=number, qty="0.020", price=near(bid, 0.98)))
    s.call(
        "get_open_orders amended",
        lambda: x.get_open_orders(category="linear", orderId=number),
        lambda v: (rows(v)[0]["qty"], rows(v)[0]["price"]) == ("0.020", near(bid, 0.98)),
    )
    s.call("cancel_order", lambda: x.cancel_order(**LINEAR, orderLinkId="certify-1"))
    s.refused(
        "cancel_order again",
        lambda: x.cancel_order(**LINEAR, orderId=number),
        InvalidRequestError,
        lambda e: e.status_code == 110001,
    )
    s.call(
        "get_order_history",
        lambda: x.get_order_history(category="linear", orderId=number),
        lambda v: rows(v)[0]["orderStatus"] == "Cancelled" and rows(v)[0]["cancelType"] == "CancelByUser",
    )
    batch = [
        {"symbol": SYMBOL, "side": "Buy", "orderType": "Limit", "qty": QTY, "price": near(bid, part)}
        for part in (0.99, 0.98)
    ]
    batch.append({**batch[0], "qty": "0.0000001"})
    s.call(
        "place_batch_order",
        lambda: x.place_batch_order(category="linear", request=batch),
        lambda v: [each["code"] for each in v["retExtInfo"]["list"]] == [0, 0, 10001],
    )
    s.call("cancel_all_orders", lambda: x.cancel_all_orders(**LINEAR), lambda v: len(rows(v)) == 2)


def conditional(x, bid):
    stop = {**LINEAR, "side": "Buy", "orderType": "Market", "qty": QTY, "triggerDirection": 1, "orderLinkId": "stop-1"}
    s.call("place_order conditional", lambda: x.place_order(**stop, triggerPrice=near(bid, 1.03)))
    s.call(
        "get_open_orders conditional",
        lambda: x.get_open_orders(**LINEAR, orderFilter="StopOrder"),
        lambda v: rows(v)[0]["orderStatus"] == "Untriggered",
    )
    s.refused(
        "conditional on the wrong side",
        lambda: x.place_order(**{**stop, "orderLinkId": "stop-2"}, triggerPrice=near(bid, 0.97)),
        InvalidRequestError,
        lambda e: e.status_code == 110092,
    )
    s.call("cancel_order conditional", lambda: x.cancel_order(**LINEAR, orderLinkId="stop-1"))


def position(x, bid):
    s.call("place_order market", lambda: x.place_order(**LINEAR, side="Buy", orderType="Market", qty=QTY))
    s.eventually(
        "get_executions",
        lambda: x.get_executions(**LINEAR),
        lambda v: abs(sum(float(r["execQty"]) for r in rows(v)) - 0.01) < 1e-9,
    )
    s.call("get_positions", lambda: x.get_positions(**LINEAR), lambda v: rows(v)[0]["size"] == QTY)
    s.call("set_trading_stop", lambda: x.set_trading_stop(**LINEAR, stopLoss=near(bid, 0.95), positionIdx=0))
    s.call(
        "position has its stop", lambda: x.get_positions(**LINEAR), lambda v: rows(v)[0]["stopLoss"] == near(bid, 0.95)
    )
    wallet = s.call("get_wallet_balance", lambda: x.get_wallet_balance(accountType="UNIFIED"))
    fees = sum(float(r["execFee"]) for r in rows(x.get_executions(**LINEAR)))
    held = float(rows(wallet)[0]["coin"][0]["walletBalance"])
    s.holds("wallet equals deposits less fees", abs(s.balances["USDT"] - fees - held) < 1e-6, (fees, held))
    s.call("get_transaction_log", lambda: x.get_transaction_log(accountType="UNIFIED"), lambda v: len(rows(v)) > 0)
    s.call("close", lambda: x.place_order(**LINEAR, side="Sell", orderType="Market", qty=QTY, reduceOnly=True))
    s.eventually("get_positions flat", lambda: x.get_positions(**LINEAR), lambda v: rows(v)[0]["side"] == "")
    s.eventually("its stop ended", lambda: x.get_open_orders(**LINEAR), lambda v: not rows(v))


def settings(x):
    s.call("switch_position_mode hedge", lambda: x.switch_position_mode(category="linear", coin="USDT", mode=3))
    s.call(
        "get_positions hedge",
        lambda: x.get_positions(**LINEAR),
        lambda v: [r["positionIdx"] for r in rows(v)] == [1, 2],
    )
    s.call("switch_position_mode one-way", lambda: x.switch_position_mode(category="linear", coin="USDT", mode=0))
    s.call("set_leverage", lambda: x.set_leverage(**LINEAR, buyLeverage="5", sellLeverage="5"))
    s.call("get_api_key_information", x.get_api_key_information, lambda v: v["result"]["readOnly"] == 0)
    s.call("get_account_info", x.get_account_info, lambda v: v["result"]["unifiedMarginStatus"] == 5)
    s.call("get_fee_rates", lambda: x.get_fee_rates(**LINEAR), lambda v: rows(v)[0]["takerFeeRate"] == "0.00055")


def topics():
    heard = queue.Queue()
    public = WebSocket(testnet=False, channel_type="linear")
    for stream, more in ((public.orderbook_stream, (50,)), (public.trade_stream, ()), (public.ticker_stream, ())):
        stream(*more, symbol=SYMBOL, callback=heard.put)
    public.kline_stream(interval=1, symbol=SYMBOL, callback=heard.put)
    wanted, end = {"orderbook", "publicTrade", "tickers", "kline"}, time.monotonic() + WAIT_S
    while wanted and time.monotonic() < end:
        wanted.discard(heard.get(timeout=WAIT_S)["topic"].partition(".")[0])
    s.holds("public topics", not wanted, wanted)
    public.exit()


def by_socket(account, bid):
    heard, answers = queue.Queue(), queue.Queue()
    private = WebSocket(testnet=False, channel_type="private", api_key=account["key"], api_secret=account["secret"])
    for stream in (private.order_stream, private.execution_stream, private.position_stream, private.wallet_stream):
        stream(callback=heard.put)
    line = WebSocketTrading(testnet=False, api_key=account["key"], api_secret=account["secret"])
    order = {**LINEAR, "side": "Buy", "orderType": "Limit", "qty": QTY, "price": near(bid, 0.99), "orderLinkId": "ws-1"}
    line.place_order(answers.put, **order)
    s.call("place_order by WebSocket", lambda: answers.get(timeout=WAIT_S), lambda v: v["retCode"] == 0)
    line.amend_order(answers.put, **LINEAR, orderLinkId="ws-1", price=near(bid, 0.98))
    s.call("amend_order by WebSocket", lambda: answers.get(timeout=WAIT_S), lambda v: v["retCode"] == 0)
    line.cancel_order(answers.put, **LINEAR, orderLinkId="ws-1")
    s.call("cancel_order by WebSocket", lambda: answers.get(timeout=WAIT_S), lambda v: v["retCode"] == 0)
    line.place_order(answers.put, **LINEAR, side="Buy", orderType="Market", qty=QTY)
    line.place_order(answers.put, **LINEAR, side="Sell", orderType="Market", qty=QTY, reduceOnly=True)
    wanted, states, end = {"order", "execution", "position", "wallet"}, [], time.monotonic() + WAIT_S
    while (wanted or "Cancelled" not in states) and time.monotonic() < end:
        message = heard.get(timeout=WAIT_S)
        wanted.discard(message["topic"])
        if message["topic"] == "order":
            states += [row["orderStatus"] for row in message["data"] if row["orderLinkId"] == "ws-1"]
    s.holds("private topics", not wanted, wanted)
    s.holds("states of the order", states == ["New", "New", "Cancelled"], states)
    private.exit()
    line.exit()


def maker(account, x):
    """Quotes both sides by WebSocket, post-only, anew each second."""
    line = WebSocketTrading(testnet=False, api_key=account["key"], api_secret=account["secret"])
    end, rounds = time.monotonic() + BOT_S, 0
    while time.monotonic() < end:
        book = x.get_orderbook(**LINEAR, limit=1)["result"]
        for side, level in (("Buy", book["b"][0]), ("Sell", book["a"][0])):
            order = {"side": side, "orderType": "Limit", "qty": QTY, "price": level[0], "timeInForce": "PostOnly"}
            line.place_order(lambda _answer: None, **LINEAR, **order)
        time.sleep(1)
        x.cancel_all_orders(**LINEAR)
        rounds += 1
    line.exit()
    return rounds


def taker(x):
    """Buys and sells in turn."""
    end, rounds = time.monotonic() + BOT_S, 0
    while time.monotonic() < end:
        x.place_order(**LINEAR, side=("Buy", "Sell")[rounds % 2], orderType="Market", qty=QTY)
        time.sleep(0.5)
        rounds += 1
    return rounds


def books(x, name, account):
    def theirs(read):
        return lambda _main: read(s.ledger(account))

    def position():
        return sum(float(r["size"]) * (-1 if r["side"] == "Sell" else 1) for r in rows(x.get_positions(**LINEAR)))

    def held(ledger):
        return sum(float(r["size"]) for r in ledger["positions"] if r["symbol"] == "bybit:BTC/USDT:USDT")

    def wallet():
        return float(rows(x.get_wallet_balance(accountType="UNIFIED"))[0]["coin"][0]["walletBalance"])

    s.books(f"{name}: position as the ledger's", lambda: round(position(), 6), theirs(lambda a: round(held(a), 6)))
    s.books(
        f"{name}: wallet as the ledger's",
        lambda: round(wallet(), 6),
        theirs(lambda a: round(float(a["balances"]["USDT"]), 6)),
    )
    s.books(
        f"{name}: orders as the ledger's",
        lambda: len(rows(x.get_open_orders(**LINEAR))),
        theirs(lambda a: sum(r["open"] for r in a["orders"])),
    )


def main():
    x, other = (opened(account) for account in s.accounts[:2])
    bid = market_data(x)
    settings(x)
    orders(x, bid)
    conditional(x, bid)
    position(x, bid)
    topics()
    by_socket(s.accounts[0], bid)
    with ThreadPoolExecutor() as pool:
        quoting, taking = pool.submit(maker, s.accounts[0], x), pool.submit(taker, other)
    s.call("a market maker by WebSocket for two minutes", quoting.result, lambda rounds: rounds > 20)
    s.call("a taker for two minutes beside it", taking.result, lambda rounds: rounds > 40)
    books(x, "maker", "main")
    books(other, "taker", "second")


try:
    main()
finally:
    s.done()
