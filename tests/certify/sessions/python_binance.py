"""python-binance, its synchronous client and its sockets, against a simulated Binance USD-M."""

from __future__ import annotations

import asyncio

from binance import AsyncClient, BinanceSocketManager, Client
from binance.exceptions import BinanceAPIException
from binance.ws.websocket_api import WebsocketAPI
from session import Session

SYMBOL = "BTCUSDT"
BTC = {"symbol": SYMBOL}

s = Session()


def opened(key=None, secret=None):
    client = Client(key or s.key, secret or s.secret, ping=False)
    client.FUTURES_URL = f"{s.rest}/fapi"
    return client


def refused(name, code, ask):
    s.refused(name, ask, BinanceAPIException, lambda e: e.code == code)


def market_data(c):
    s.call("futures_ping", c.futures_ping)
    s.call("futures_time", c.futures_time, lambda v: v["serverTime"] > 1.7e12)
    s.call("futures_exchange_info", c.futures_exchange_info, lambda v: SYMBOL in [r["symbol"] for r in v["symbols"]])
    book = s.call("futures_order_book", lambda: c.futures_order_book(**BTC, limit=20), lambda v: len(v["bids"]) == 20)
    s.call("futures_rpi_depth", lambda: c.futures_rpi_depth(**BTC))
    s.call("futures_recent_trades", lambda: c.futures_recent_trades(**BTC), len)
    s.call("futures_historical_trades", lambda: c.futures_historical_trades(**BTC), len)
    s.call("futures_aggregate_trades", lambda: c.futures_aggregate_trades(**BTC), len)
    s.call("futures_klines", lambda: c.futures_klines(**BTC, interval="1m"), len)
    s.call(
        "futures_continuous_klines",
        lambda: c.futures_continuous_klines(pair=SYMBOL, contractType="PERPETUAL", interval="1m"),
        len,
    )
    s.call("futures_mark_price", lambda: c.futures_mark_price(**BTC), lambda v: float(v["markPrice"]) > 0)
    s.call("futures_funding_rate", lambda: c.futures_funding_rate(**BTC))
    s.call("futures_ticker", lambda: c.futures_ticker(**BTC), lambda v: v["symbol"] == SYMBOL)
    s.call("futures_symbol_ticker", c.futures_symbol_ticker, len)
    s.call(
        "futures_orderbook_ticker",
        lambda: c.futures_orderbook_ticker(**BTC),
        lambda v: float(v["bidPrice"]) < float(v["askPrice"]),
    )
    s.call("futures_open_interest", lambda: c.futures_open_interest(**BTC))
    return float(book["bids"][0][0])


def settings(c):
    s.call(
        "futures_change_leverage", lambda: c.futures_change_leverage(**BTC, leverage=8), lambda v: v["leverage"] == 8
    )
    s.call("futures_leverage_bracket", lambda: c.futures_leverage_bracket(**BTC), len)
    s.call("futures_change_margin_type", lambda: c.futures_change_margin_type(**BTC, marginType="ISOLATED"))
    refused(
        "futures_change_margin_type again", -4046, lambda: c.futures_change_margin_type(**BTC, marginType="ISOLATED")
    )
    s.call("futures_change_margin_type back", lambda: c.futures_change_margin_type(**BTC, marginType="CROSSED"))
    s.call("futures_change_position_mode", lambda: c.futures_change_position_mode(dualSidePosition="true"))
    s.call("futures_get_position_mode", c.futures_get_position_mode, lambda v: v["dualSidePosition"] is True)
    s.call("futures_change_position_mode back", lambda: c.futures_change_position_mode(dualSidePosition="false"))
    s.call("futures_get_multi_assets_mode", c.futures_get_multi_assets_mode, lambda v: v["multiAssetsMargin"] is False)
    s.call("futures_change_multi_assets_mode", lambda: c.futures_change_multi_assets_mode(multiAssetsMargin=True))
    s.call(
        "futures_get_multi_assets_mode on", c.futures_get_multi_assets_mode, lambda v: v["multiAssetsMargin"] is True
    )
    s.call(
        "futures_v1_get_asset_index",
        lambda: c.futures_v1_get_asset_index(symbol="BTCUSD"),
        lambda v: float(v["bidRate"]) < float(v["index"]) < float(v["askRate"]),
    )
    refused(
        "futures_change_margin_type in multi-assets mode",
        -4168,
        lambda: c.futures_change_margin_type(**BTC, marginType="ISOLATED"),
    )
    refused(
        "futures_change_multi_assets_mode again",
        -4171,
        lambda: c.futures_change_multi_assets_mode(multiAssetsMargin=True),
    )
    s.call("futures_change_multi_assets_mode back", lambda: c.futures_change_multi_assets_mode(multiAssetsMargin=False))
    s.call("futures_account_config", c.futures_account_config, lambda v: v["canTrade"])
    s.call("futures_symbol_config", lambda: c.futures_symbol_config(**BTC), lambda v: v[0]["leverage"] == 8)
    s.call("futures_commission_rate", lambda: c.futures_commission_rate(**BTC))
    s.call("futures_adl_quantile_estimate", lambda: c.futures_adl_quantile_estimate(**BTC))


def orders(c, bid):
    low, lower = round(bid * 0.97, 1), round(bid * 0.96, 1)
    limit = {**BTC, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": 0.01}
    own = {"newClientOrderId": "certify-1"}
    o = s.call(
        "futures_create_order",
        lambda: c.futures_create_order(**limit, **own, price=low),
        lambda v: v["status"] == "NEW",
    )
    number = {**BTC, "orderId": o["orderId"]}
    refused("futures_create_order duplicate id", -4116, lambda: c.futures_create_order(**limit, **own, price=low))
    s.call("futures_get_order", lambda: c.futures_get_order(**number), lambda v: float(v["price"]) == low)
    s.call("futures_get_open_orders", lambda: c.futures_get_open_orders(**BTC), lambda v: len(v) == 1)
    s.call("futures_v1_get_open_order", lambda: c.futures_v1_get_open_order(**number))
    s.call(
        "futures_modify_order",
        lambda: c.futures_modify_order(**number, side="BUY", quantity=0.02, price=lower),
        lambda v: float(v["origQty"]) == 0.02,
    )
    s.call("futures_v1_get_order_amendment", lambda: c.futures_v1_get_order_amendment(**number), lambda v: len(v) == 1)
    s.call("futures_cancel_order", lambda: c.futures_cancel_order(**number), lambda v: v["status"] == "CANCELED")
    refused("futures_cancel_order again", -2011, lambda: c.futures_cancel_order(**number))
    refused("futures_get_order unknown", -2013, lambda: c.futures_get_order(**BTC, orderId=1))
    rows = [{**{k: str(v) for k, v in limit.items()}, "price": str(p)} for p in (low, lower)]
    made = s.call(
        "futures_place_batch_order",
        lambda: c.futures_place_batch_order(batchOrders=rows),
        lambda v: [r["status"] for r in v] == ["NEW", "NEW"],
    )
    s.call(
        "futures_cancel_orders",
        lambda: c.futures_cancel_orders(**BTC, orderidlist=[made[0]["orderId"]]),
        lambda v: v[0]["status"] == "CANCELED",
    )
    s.call("futures_countdown_cancel_all", lambda: c.futures_countdown_cancel_all(**BTC, countdownTime=0))
    s.call("futures_cancel_all_open_orders", lambda: c.futures_cancel_all_open_orders(**BTC))
    s.call("futures_create_test_order", lambda: c.futures_create_test_order(**limit, price=low))
    for name, code, change in (
        ("post-only that crosses", -5022, {"timeInForce": "GTX", "price": round(bid * 1.01, 1)}),
        ("FOK", -5021, {"timeInForce": "FOK"}),
        ("no funds", -2019, {"quantity": 900}),
        ("too big", -4005, {"quantity": 10**12}),
        ("too small", -4164, {"quantity": 0.001}),
        ("price 0", -4013, {"price": 0}),
        ("unknown symbol", -1121, {"symbol": "NOSUCH"}),
        ("hedge side", -4061, {"positionSide": "LONG"}),
        ("reduce-only when flat", -2022, {"reduceOnly": "true"}),
    ):
        refused(f"bad order: {name}", code, lambda d=change: c.futures_create_order(**{**limit, "price": low, **d}))
    t = s.call(
        "futures_create_order market",
        lambda: c.futures_create_order(**BTC, side="BUY", type="MARKET", quantity=0.01, newOrderRespType="RESULT"),
        lambda v: v["status"] == "FILLED",
    )
    s.call(
        "futures_account_trades",
        lambda: c.futures_account_trades(**BTC, orderId=t["orderId"]),
        lambda v: abs(sum(float(r["qty"]) for r in v) - 0.01) < 1e-9,
    )
    s.call("futures_get_all_orders", lambda: c.futures_get_all_orders(**BTC), lambda v: len(v) > 2)
    s.call("futures_position_information", c.futures_position_information, lambda v: float(v[0]["positionAmt"]) == 0.01)
    s.call("futures_account_balance", c.futures_account_balance, lambda v: "USDT" in [r["asset"] for r in v])
    s.call("futures_account", c.futures_account, lambda v: float(v["totalWalletBalance"]) > 0)
    s.call("futures_income_history", c.futures_income_history, len)


def conditionals(c, bid):
    far, up = round(bid * 0.9, 1), round(bid * 1.1, 1)
    sell = {**BTC, "side": "SELL", "quantity": 0.01}
    o = s.call(
        "futures_create_order stop",
        lambda: c.futures_create_order(**sell, type="STOP_MARKET", stopPrice=far),
        lambda v: v["algoStatus"] == "NEW",
    )
    s.call(
        "futures_create_algo_order",
        lambda: c.futures_create_algo_order(**sell, type="TAKE_PROFIT", triggerPrice=up, price=up),
        lambda v: v["algoId"],
    )
    s.call(
        "futures_create_algo_order trailing",
        lambda: c.futures_create_algo_order(**sell, type="TRAILING_STOP_MARKET", callbackRate=5),
    )
    s.call("futures_get_open_algo_orders", lambda: c.futures_get_open_algo_orders(**BTC), lambda v: len(v) == 3)
    s.call(
        "futures_get_open_orders conditional",
        lambda: c.futures_get_open_orders(**BTC, conditional=True),
        lambda v: len(v) == 3,
    )
    s.call(
        "futures_get_algo_order",
        lambda: c.futures_get_algo_order(algoId=o["algoId"]),
        lambda v: v["algoStatus"] == "NEW",
    )
    s.call(
        "futures_cancel_algo_order",
        lambda: c.futures_cancel_algo_order(algoId=o["algoId"]),
        lambda v: v["code"] == "200",
    )
    s.call("futures_get_all_algo_orders", lambda: c.futures_get_all_algo_orders(**BTC), lambda v: len(v) == 3)
    s.call("futures_cancel_all_algo_open_orders", lambda: c.futures_cancel_all_algo_open_orders(**BTC))
    refused("stop on the wrong side", -2021, lambda: c.futures_create_order(**sell, type="STOP_MARKET", stopPrice=up))
    s.call("reduce-only close", lambda: c.futures_create_order(**sell, type="MARKET", reduceOnly="true"))
    key = s.call("futures_stream_get_listen_key", c.futures_stream_get_listen_key, len)
    s.call("futures_stream_keepalive", lambda: c.futures_stream_keepalive(key))
    s.call("futures_stream_close", lambda: c.futures_stream_close(key))
    refused("futures_stream_keepalive of a closed key", -1125, lambda: c.futures_stream_keepalive(key))
    refused("wrong key", -2015, opened("nosuchkey").futures_account_balance)
    refused("wrong secret", -1022, opened(None, "wrong").futures_account_balance)


async def first(socket, good):
    while True:
        message = await socket.recv()
        event = message.get("data", message)
        if good(event):
            return event


async def streams(bid):
    c = AsyncClient(s.key, s.secret)
    c.FUTURES_URL = f"{s.rest}/fapi"
    c.ws_future = WebsocketAPI(url=f"{s.ws}/ws-fapi/v1")
    manager = BinanceSocketManager(c)
    manager.FSTREAM_URL = f"{s.ws}/"
    low = round(bid * 0.97, 1)
    limit = {**BTC, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    try:
        for name, socket, event in (
            ("futures_depth_socket", manager.futures_depth_socket(SYMBOL), "depthUpdate"),
            ("aggtrade_futures_socket", manager.aggtrade_futures_socket(SYMBOL), "aggTrade"),
            ("kline_futures_socket", manager.kline_futures_socket(SYMBOL), "continuous_kline"),
            ("symbol_ticker_futures_socket", manager.symbol_ticker_futures_socket(SYMBOL), ""),
        ):
            async with socket as opened_socket:
                await s.acall(name, first(opened_socket, lambda e, n=event: not n or e["e"] == n))
        async with manager.futures_user_socket() as user:
            await asyncio.sleep(1)
            o = await c.futures_create_order(**limit, price=low)
            await s.acall(
                "futures_user_socket order",
                first(user, lambda e: e["e"] == "ORDER_TRADE_UPDATE" and e["o"]["i"] == o["orderId"]),
            )
            await c.futures_cancel_order(**BTC, orderId=o["orderId"])
            await s.acall(
                "futures_user_socket cancel",
                first(user, lambda e: e["e"] == "ORDER_TRADE_UPDATE" and e["o"]["X"] == "CANCELED"),
            )
            await c.futures_create_order(**BTC, side="BUY", type="MARKET", quantity="0.01")
            await s.acall("futures_user_socket account", first(user, lambda e: e["e"] == "ACCOUNT_UPDATE"))
            await c.futures_create_order(
                **BTC, side="SELL", type="STOP_MARKET", quantity="0.01", stopPrice=round(bid * 0.9, 1)
            )
            await s.acall(
                "futures_user_socket conditional",
                first(user, lambda e: e["e"] == "ALGO_UPDATE" and e["o"]["X"] == "NEW"),
            )
            await c.futures_cancel_all_algo_open_orders(**BTC)
        o = await s.acall(
            "ws_futures_create_order",
            c.ws_futures_create_order(**limit, price=str(low)),
            lambda v: v["status"] == "NEW",
        )
        if o:
            number = {**BTC, "orderId": o["orderId"]}
            await s.acall("ws_futures_get_order", c.ws_futures_get_order(**number))
            await s.acall(
                "ws_futures_edit_order", c.ws_futures_edit_order(**number, side="BUY", quantity="0.02", price=str(low))
            )
            await s.acall(
                "ws_futures_cancel_order", c.ws_futures_cancel_order(**number), lambda v: v["status"] == "CANCELED"
            )
        await s.acall("ws_futures_v2_account_balance", c.ws_futures_v2_account_balance(), wait=5)
        await s.acall("ws_futures_v2_account_position", c.ws_futures_v2_account_position(), wait=5)
        await s.acall("ws_futures_get_order_book", c.ws_futures_get_order_book(**BTC), wait=5)
        await c.futures_create_order(**BTC, side="SELL", type="MARKET", quantity="0.01", reduceOnly="true")
    finally:
        await c.close_connection()


def main():
    c = opened()
    bid = market_data(c)
    settings(c)
    orders(c, bid)
    conditionals(c, bid)
    asyncio.run(streams(bid))


try:
    main()
finally:
    s.done()
