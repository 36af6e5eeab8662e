"""binance-futures-connector, REST and sockets, against a simulated Binance USD-M.

The last version is older than the Algo Service: conditional orders are refused here as the venue
refuses them, and its sockets, which know no categories, are given one in their address.
"""

from __future__ import annotations

import json
import threading

from binance.error import ClientError
from binance.um_futures import UMFutures
from binance.websocket.um_futures.websocket_client import UMFuturesWebsocketClient
from session import WAIT_S, Session

SYMBOL = "BTCUSDT"

s = Session()


def opened(key=None, secret=None):
    return UMFutures(key=key or s.key, secret=secret or s.secret, base_url=s.rest)


def refused(name, code, ask):
    s.refused(name, ask, ClientError, lambda e: e.error_code == code)


def market_data(c):
    s.call("ping", c.ping)
    s.call("time", c.time, lambda v: v["serverTime"] > 1.7e12)
    s.call("exchange_info", c.exchange_info, lambda v: SYMBOL in [r["symbol"] for r in v["symbols"]])
    book = s.call("depth", lambda: c.depth(SYMBOL, limit=20), lambda v: len(v["bids"]) == 20)
    s.call("trades", lambda: c.trades(SYMBOL), len)
    s.call("historical_trades", lambda: c.historical_trades(SYMBOL), len)
    s.call("agg_trades", lambda: c.agg_trades(SYMBOL), len)
    s.call("klines", lambda: c.klines(SYMBOL, "1m"), len)
    s.call("continuous_klines", lambda: c.continuous_klines(SYMBOL, "PERPETUAL", "1m"), len)
    s.call("mark_price", lambda: c.mark_price(SYMBOL), lambda v: float(v["markPrice"]) > 0)
    s.call("funding_rate", lambda: c.funding_rate(SYMBOL))
    s.call("funding_info", c.funding_info)
    s.call("ticker_24hr_price_change", lambda: c.ticker_24hr_price_change(SYMBOL))
    s.call("ticker_price", c.ticker_price, len)
    s.call("book_ticker", lambda: c.book_ticker(SYMBOL), lambda v: float(v["bidPrice"]) < float(v["askPrice"]))
    s.call("open_interest", lambda: c.open_interest(SYMBOL))
    return float(book["bids"][0][0])


def settings(c):
    s.call("change_leverage", lambda: c.change_leverage(SYMBOL, 9), lambda v: v["leverage"] == 9)
    s.call("change_margin_type", lambda: c.change_margin_type(SYMBOL, "ISOLATED"))
    s.call("change_margin_type back", lambda: c.change_margin_type(SYMBOL, "CROSSED"))
    refused("change_margin_type again", -4046, lambda: c.change_margin_type(SYMBOL, "CROSSED"))
    s.call("change_position_mode", lambda: c.change_position_mode("true"))
    s.call("get_position_mode", c.get_position_mode, lambda v: v["dualSidePosition"] is True)
    s.call("change_position_mode back", lambda: c.change_position_mode("false"))
    s.call("change_multi_asset_mode", lambda: c.change_multi_asset_mode(multiAssetsMargin="true"))
    s.call("get_multi_asset_mode", c.get_multi_asset_mode, lambda v: v["multiAssetsMargin"] is True)
    s.call("change_multi_asset_mode back", lambda: c.change_multi_asset_mode(multiAssetsMargin="false"))
    s.call("leverage_brackets", lambda: c.leverage_brackets(symbol=SYMBOL), len)
    s.call("commission_rate", lambda: c.commission_rate(SYMBOL))
    s.call("futures_account_configuration", c.futures_account_configuration, lambda v: v["canTrade"])
    s.call("symbol_configuration", lambda: c.symbol_configuration(symbol=SYMBOL), lambda v: v[0]["leverage"] == 9)
    s.call("query_user_rate_limit", c.query_user_rate_limit, lambda v: len(v) == 2)


def orders(c, bid):
    low, lower = round(bid * 0.97, 1), round(bid * 0.96, 1)
    limit = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": 0.01, "price": low}
    o = s.call("new_order", lambda: c.new_order(**limit, newClientOrderId="certify-1"), lambda v: v["status"] == "NEW")
    number = o["orderId"]
    refused("new_order duplicate id", -4116, lambda: c.new_order(**limit, newClientOrderId="certify-1"))
    s.call("query_order", lambda: c.query_order(SYMBOL, orderId=number))
    s.call("get_open_orders", lambda: c.get_open_orders(SYMBOL, orderId=number))
    s.call("get_orders", lambda: c.get_orders(symbol=SYMBOL), lambda v: len(v) == 1)
    s.call(
        "modify_order",
        lambda: c.modify_order(SYMBOL, "BUY", 0.02, lower, orderId=number),
        lambda v: float(v["origQty"]) == 0.02,
    )
    s.call("cancel_order", lambda: c.cancel_order(SYMBOL, orderId=number), lambda v: v["status"] == "CANCELED")
    refused("cancel_order again", -2011, lambda: c.cancel_order(SYMBOL, orderId=number))
    rows = [{k: str(v) for k, v in {**limit, "price": p}.items()} for p in (low, lower)]
    made = s.call(
        "new_batch_order", lambda: c.new_batch_order(rows), lambda v: [r["status"] for r in v] == ["NEW", "NEW"]
    )
    s.call(
        "cancel_batch_order",
        lambda: c.cancel_batch_order(SYMBOL, orderIdList=[made[0]["orderId"]], origClientOrderIdList=None),
        lambda v: v[0]["status"] == "CANCELED",
    )
    s.call(
        "cancel_batch_order by client id",
        lambda: c.cancel_batch_order(SYMBOL, orderIdList=None, origClientOrderIdList=[made[1]["clientOrderId"]]),
        lambda v: v[0]["status"] == "CANCELED",
    )
    s.call("countdown_cancel_order", lambda: c.countdown_cancel_order(SYMBOL, 0))
    s.call("cancel_open_orders", lambda: c.cancel_open_orders(SYMBOL))
    s.call("new_order_test", lambda: c.new_order_test(**limit))
    for name, code, change in (
        ("post-only that crosses", -5022, {"timeInForce": "GTX", "price": round(bid * 1.01, 1)}),
        ("FOK", -5021, {"timeInForce": "FOK"}),
        ("no funds", -2019, {"quantity": 900}),
        ("too small", -4164, {"quantity": 0.001}),
        ("unknown symbol", -1121, {"symbol": "NOSUCH"}),
        ("type", -1116, {"type": "FANCY"}),
        ("conditional", -4120, {"type": "STOP_MARKET", "stopPrice": low}),
    ):
        refused(f"bad order: {name}", code, lambda d=change: c.new_order(**{**limit, **d}))
    t = s.call(
        "new_order market",
        lambda: c.new_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.01, newOrderRespType="RESULT"),
        lambda v: v["status"] == "FILLED",
    )
    s.call(
        "get_account_trades",
        lambda: c.get_account_trades(SYMBOL, orderId=t["orderId"]),
        lambda v: abs(sum(float(r["qty"]) for r in v) - 0.01) < 1e-9,
    )
    s.call("get_all_orders", lambda: c.get_all_orders(SYMBOL), lambda v: len(v) > 2)
    s.call(
        "get_position_risk", lambda: c.get_position_risk(symbol=SYMBOL), lambda v: float(v[0]["positionAmt"]) == 0.01
    )
    s.call("balance", c.balance, lambda v: "USDT" in [r["asset"] for r in v])
    s.call("account", c.account, lambda v: float(v["totalWalletBalance"]) > 0)
    s.call("get_income_history", c.get_income_history, len)
    s.call("adl_quantile", lambda: c.adl_quantile(symbol=SYMBOL))
    s.call("force_orders", c.force_orders, lambda v: v == [])
    s.call(
        "reduce-only close",
        lambda: c.new_order(symbol=SYMBOL, side="SELL", type="MARKET", quantity=0.01, reduceOnly="true"),
    )
    refused("wrong key", -2015, opened("nosuchkey").balance)
    refused("wrong secret", -1022, opened(None, "wrong").balance)


class Socket:
    """A connection of one category, and a wait for the first message that fits."""

    def __init__(self, category):
        self.heard = []
        self.news = threading.Condition()
        self.client = UMFuturesWebsocketClient(stream_url=f"{s.ws}/{category}", on_message=self.take)

    def take(self, _, message):
        with self.news:
            self.heard.append(json.loads(message))
            self.news.notify_all()

    def first(self, event, **fields):
        def fits(m):
            body = m.get("o", {}) if event == "ORDER_TRADE_UPDATE" else m
            return m.get("e") == event and all(body.get(k) == v for k, v in fields.items())

        with self.news:
            if not self.news.wait_for(lambda: any(fits(m) for m in self.heard), WAIT_S):
                raise TimeoutError(f"no {event}")
            return next(m for m in self.heard if fits(m))


def streams(c, bid):
    public, market = Socket("public"), Socket("market")
    public.client.book_ticker(symbol=SYMBOL)
    public.client.diff_book_depth(symbol=SYMBOL, speed=100)
    market.client.agg_trade(symbol=SYMBOL)
    market.client.mark_price(symbol=SYMBOL, speed=1)
    market.client.kline(symbol=SYMBOL, interval="1m")
    market.client.continuous_kline(pair=SYMBOL, contractType="perpetual", interval="1m")
    market.client.mini_ticker(symbol=SYMBOL)
    market.client.ticker(symbol=SYMBOL)
    s.call("book_ticker stream", lambda: public.first("bookTicker"))
    s.call("diff_book_depth stream", lambda: public.first("depthUpdate"))
    for name, event in (
        ("agg_trade", "aggTrade"),
        ("mark_price", "markPriceUpdate"),
        ("kline", "kline"),
        ("continuous_kline", "continuous_kline"),
        ("mini_ticker", "24hrMiniTicker"),
        ("ticker", "24hrTicker"),
    ):
        s.call(f"{name} stream", lambda e=event: market.first(e))
    key = s.call("new_listen_key", c.new_listen_key, len)["listenKey"]
    user = Socket("private")
    user.client.user_data(listen_key=key)
    s.call("renew_listen_key", lambda: c.renew_listen_key(key))
    o = c.new_order(
        symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC", quantity=0.01, price=round(bid * 0.97, 1)
    )
    s.call("user_data new", lambda: user.first("ORDER_TRADE_UPDATE", i=o["orderId"], X="NEW"))
    c.cancel_order(SYMBOL, orderId=o["orderId"])
    s.call("user_data canceled", lambda: user.first("ORDER_TRADE_UPDATE", i=o["orderId"], X="CANCELED"))
    c.new_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.01)
    s.call("user_data account", lambda: user.first("ACCOUNT_UPDATE"))
    c.new_order(symbol=SYMBOL, side="SELL", type="MARKET", quantity=0.01, reduceOnly="true")
    s.call("close_listen_key", lambda: c.close_listen_key(key))
    for socket in (public, market, user):
        socket.client.stop()


def main():
    c = opened()
    bid = market_data(c)
    settings(c)
    orders(c, bid)
    streams(c, bid)


try:
    main()
finally:
    s.done()
