"""Binance's own SDK of USD-M futures, REST, WebSocket API and streams, against a simulated one.

Its models are made from the venue's own description: an answer that does not fit is an error.
"""

from __future__ import annotations

import asyncio

from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketAPI, ConfigurationWebSocketStreams
from binance_common.errors import BadRequestError, UnauthorizedError
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import DerivativesTradingUsdsFutures
from session import Session

SYMBOL = "BTCUSDT"

s = Session()


def opened(key=None, secret=None):
    pair = {"api_key": key or s.key, "api_secret": secret or s.secret}
    return DerivativesTradingUsdsFutures(
        config_rest_api=ConfigurationRestAPI(**pair, base_path=s.rest, timeout=10000, retries=0),
        config_ws_api=ConfigurationWebSocketAPI(**pair, stream_url=f"{s.ws}/ws-fapi/v1"),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=s.ws),
    )


def call(name, ask, holds=None):
    return s.call(name, lambda: ask().data(), holds)


def market_data(c):
    call("test_connectivity", c.test_connectivity)
    call("check_server_time", c.check_server_time, lambda v: v.server_time > 1.7e12)
    call("exchange_information", c.exchange_information, lambda v: SYMBOL in [r.symbol for r in v.symbols])
    book = call("order_book", lambda: c.order_book(symbol=SYMBOL, limit=20), lambda v: len(v.bids) == 20)
    call("rpi_order_book", lambda: c.rpi_order_book(symbol=SYMBOL))
    call("recent_trades_list", lambda: c.recent_trades_list(symbol=SYMBOL), len)
    call("old_trades_lookup", lambda: c.old_trades_lookup(symbol=SYMBOL), len)
    call("compressed_aggregate_trades_list", lambda: c.compressed_aggregate_trades_list(symbol=SYMBOL), len)
    call("kline_candlestick_data", lambda: c.kline_candlestick_data(symbol=SYMBOL, interval="1m"), len)
    call(
        "continuous_contract_kline_candlestick_data",
        lambda: c.continuous_contract_kline_candlestick_data(pair=SYMBOL, contract_type="PERPETUAL", interval="1m"),
        len,
    )
    call("mark_price", lambda: c.mark_price(symbol=SYMBOL))
    call("get_funding_rate_history", lambda: c.get_funding_rate_history(symbol=SYMBOL))
    call("get_funding_rate_info", c.get_funding_rate_info, len)
    call("ticker24hr_price_change_statistics", lambda: c.ticker24hr_price_change_statistics(symbol=SYMBOL))
    call("symbol_price_ticker", lambda: c.symbol_price_ticker(symbol=SYMBOL))
    call("symbol_price_ticker_v2", lambda: c.symbol_price_ticker_v2(symbol=SYMBOL))
    call("symbol_order_book_ticker", lambda: c.symbol_order_book_ticker(symbol=SYMBOL))
    call("open_interest", lambda: c.open_interest(symbol=SYMBOL))
    return float(book.bids[0][0])


def settings(c):
    call(
        "change_initial_leverage",
        lambda: c.change_initial_leverage(symbol=SYMBOL, leverage=6),
        lambda v: v.leverage == 6,
    )
    call("change_margin_type", lambda: c.change_margin_type(symbol=SYMBOL, margin_type="ISOLATED"))
    call("change_margin_type back", lambda: c.change_margin_type(symbol=SYMBOL, margin_type="CROSSED"))
    call("change_position_mode", lambda: c.change_position_mode(dual_side_position="true"))
    call("get_current_position_mode", c.get_current_position_mode, lambda v: v.dual_side_position is True)
    call("change_position_mode back", lambda: c.change_position_mode(dual_side_position="false"))
    call("change_multi_assets_mode", lambda: c.change_multi_assets_mode(multi_assets_margin="true"))
    call("get_current_multi_assets_mode", c.get_current_multi_assets_mode, lambda v: v.multi_assets_margin is True)
    refused(
        "change_margin_type in multi-assets mode",
        -4168,
        lambda: c.change_margin_type(symbol=SYMBOL, margin_type="ISOLATED"),
    )
    call("change_multi_assets_mode back", lambda: c.change_multi_assets_mode(multi_assets_margin="false"))
    call("futures_account_configuration", c.futures_account_configuration, lambda v: v.can_trade)
    call("symbol_configuration", lambda: c.symbol_configuration(symbol=SYMBOL), lambda v: v[0].leverage == 6)
    call("notional_and_leverage_brackets", lambda: c.notional_and_leverage_brackets(symbol=SYMBOL))
    call("user_commission_rate", lambda: c.user_commission_rate(symbol=SYMBOL))
    call("query_user_rate_limit", c.query_user_rate_limit, len)


def refused(name, code, ask):
    s.refused(name, ask, BadRequestError, lambda e: not code or str(code) in repr(vars(e)) + str(e))


def orders(c, bid):
    low, lower = round(bid * 0.97, 1), round(bid * 0.96, 1)
    limit = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "time_in_force": "GTC", "quantity": 0.01, "price": low}
    o = call(
        "new_order",
        lambda: c.new_order(**limit, new_client_order_id="certify-1"),
        lambda v: v.status == "NEW" and v.client_order_id == "certify-1",
    )
    number = {"symbol": SYMBOL, "order_id": o.order_id}
    refused("new_order duplicate id", 0, lambda: c.new_order(**limit, new_client_order_id="certify-1"))
    call("query_order", lambda: c.query_order(**number), lambda v: float(v.price) == low)
    call("query_current_open_order", lambda: c.query_current_open_order(**number))
    call("current_all_open_orders", lambda: c.current_all_open_orders(symbol=SYMBOL), lambda v: len(v) == 1)
    call(
        "modify_order",
        lambda: c.modify_order(**number, side="BUY", quantity=0.02, price=lower, modify_id=7),
        lambda v: float(v.orig_qty) == 0.02,
    )
    call("get_order_modify_history", lambda: c.get_order_modify_history(**number), lambda v: len(v) == 1)
    call("cancel_order", lambda: c.cancel_order(**number), lambda v: v.status == "CANCELED")
    refused("cancel_order again", 0, lambda: c.cancel_order(**number))
    a, b = (c.new_order(**{**limit, "price": p}).data() for p in (low, lower))
    call(
        "cancel_multiple_orders",
        lambda: c.cancel_multiple_orders(symbol=SYMBOL, order_id_list=[a.order_id, b.order_id]),
        lambda v: len(v) == 2,
    )
    call("auto_cancel_all_open_orders", lambda: c.auto_cancel_all_open_orders(symbol=SYMBOL, countdown_time=0))
    call("cancel_all_open_orders", lambda: c.cancel_all_open_orders(symbol=SYMBOL))
    for name, change in (
        ("post-only that crosses", {"time_in_force": "GTX", "price": round(bid * 1.01, 1)}),
        ("FOK", {"time_in_force": "FOK"}),
        ("no funds", {"quantity": 900.0}),
        ("too small", {"quantity": 0.001}),
        ("unknown symbol", {"symbol": "NOSUCH"}),
        ("reduce-only when flat", {"reduce_only": "true"}),
    ):
        refused(f"bad order: {name}", 0, lambda d=change: c.new_order(**{**limit, **d}))
    t = call(
        "new_order market",
        lambda: c.new_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.01, new_order_resp_type="RESULT"),
        lambda v: v.status == "FILLED",
    )
    call(
        "account_trade_list",
        lambda: c.account_trade_list(symbol=SYMBOL, order_id=t.order_id),
        lambda v: abs(sum(float(r.qty) for r in v) - 0.01) < 1e-9,
    )
    call("all_orders", lambda: c.all_orders(symbol=SYMBOL), lambda v: len(v) > 2)
    call("position_information_v2", lambda: c.position_information_v2(symbol=SYMBOL))
    call(
        "position_information_v3",
        lambda: c.position_information_v3(symbol=SYMBOL),
        lambda v: float(v[0].position_amt) == 0.01,
    )
    call("futures_account_balance_v2", c.futures_account_balance_v2, len)
    call("futures_account_balance_v3", c.futures_account_balance_v3, len)
    call("account_information_v2", c.account_information_v2, lambda v: v.can_trade)
    call("account_information_v3", c.account_information_v3, lambda v: len(v.positions) == 1)
    call("get_income_history", c.get_income_history, len)
    call("position_adl_quantile_estimation", lambda: c.position_adl_quantile_estimation(symbol=SYMBOL))
    call("users_force_orders", c.users_force_orders, lambda v: v == [])


def conditionals(c, bid):
    far, up = round(bid * 0.9, 1), round(bid * 1.1, 1)
    sell = {"algo_type": "CONDITIONAL", "symbol": SYMBOL, "side": "SELL"}
    o = call(
        "new_algo_order",
        lambda: c.new_algo_order(**sell, type="STOP_MARKET", quantity=0.01, trigger_price=far, client_algo_id="stop-1"),
        lambda v: v.algo_status == "NEW",
    )
    call(
        "new_algo_order close position",
        lambda: c.new_algo_order(**sell, type="TAKE_PROFIT_MARKET", close_position="true", trigger_price=up),
    )
    call(
        "new_algo_order trailing",
        lambda: c.new_algo_order(**sell, type="TRAILING_STOP_MARKET", quantity=0.01, callback_rate=5.0),
    )
    call("query_algo_order", lambda: c.query_algo_order(client_algo_id="stop-1"), lambda v: v.algo_id == o.algo_id)
    call("current_all_algo_open_orders", lambda: c.current_all_algo_open_orders(symbol=SYMBOL), lambda v: len(v) == 3)
    call("cancel_algo_order", lambda: c.cancel_algo_order(algo_id=o.algo_id), lambda v: v.code == "200")
    call("query_all_algo_orders", lambda: c.query_all_algo_orders(symbol=SYMBOL), lambda v: len(v) == 3)
    call("cancel_all_algo_open_orders", lambda: c.cancel_all_algo_open_orders(symbol=SYMBOL))
    call(
        "reduce-only close",
        lambda: c.new_order(symbol=SYMBOL, side="SELL", type="MARKET", quantity=0.01, reduce_only="true"),
    )
    s.refused("wrong key", opened("nosuchkey").rest_api.futures_account_balance_v3, UnauthorizedError)
    s.refused("wrong secret", opened(None, "wrong").rest_api.futures_account_balance_v3, BadRequestError)


async def socket_calls(client, bid):
    connection = await client.websocket_api.create_connection()
    low = round(bid * 0.97, 1)

    async def data(awaitable):
        return (await awaitable).data()

    try:
        await s.acall("ws order_book", data(connection.order_book(symbol=SYMBOL)))
        await s.acall("ws symbol_price_ticker", data(connection.symbol_price_ticker(symbol=SYMBOL)))
        o = await s.acall(
            "ws new_order",
            data(
                connection.new_order(
                    symbol=SYMBOL, side="BUY", type="LIMIT", time_in_force="GTC", quantity=0.01, price=low
                )
            ),
            lambda v: v.result.status == "NEW",
        )
        if o:
            number = {"symbol": SYMBOL, "order_id": o.result.order_id}
            await s.acall("ws query_order", data(connection.query_order(**number)))
            await s.acall(
                "ws modify_order", data(connection.modify_order(**number, side="BUY", quantity=0.02, price=low))
            )
            await s.acall(
                "ws cancel_order", data(connection.cancel_order(**number)), lambda v: v.result.status == "CANCELED"
            )
        a = await s.acall(
            "ws new_algo_order",
            data(
                connection.new_algo_order(
                    algo_type="CONDITIONAL",
                    symbol=SYMBOL,
                    side="BUY",
                    type="STOP_MARKET",
                    quantity=0.01,
                    trigger_price=round(bid * 1.1, 1),
                )
            ),
        )
        if a:
            await s.acall("ws cancel_algo_order", data(connection.cancel_algo_order(algo_id=a.result.algo_id)))
        await s.acall("ws futures_account_balance_v2", data(connection.futures_account_balance_v2()))
        await s.acall("ws position_information_v2", data(connection.position_information_v2()))
        await s.acall("ws account_information_v2", data(connection.account_information_v2()))
        await s.acall("ws start_user_data_stream", data(connection.start_user_data_stream()))
    finally:
        await connection.close_connection(close_session=True)


async def streams(client, bid):
    c = client.rest_api
    connection = await client.websocket_streams.create_connection()
    try:
        for name, make in (
            ("diff_book_depth_streams", connection.diff_book_depth_streams),
            ("individual_symbol_book_ticker_streams", connection.individual_symbol_book_ticker_streams),
            ("aggregate_trade_streams", connection.aggregate_trade_streams),
            ("mark_price_stream", connection.mark_price_stream),
            ("individual_symbol_ticker_streams", connection.individual_symbol_ticker_streams),
        ):
            heard = asyncio.Event()
            stream = await make(symbol=SYMBOL.lower())
            stream.on("message", lambda _m, e=heard: e.set())
            await s.acall(name, heard.wait())
        heard = asyncio.Event()
        stream = await connection.kline_candlestick_streams(symbol=SYMBOL.lower(), interval="1m")
        stream.on("message", lambda _m, e=heard: e.set())
        await s.acall("kline_candlestick_streams", heard.wait())
        heard = asyncio.Event()
        stream = await connection.continuous_contract_kline_candlestick_streams(
            pair=SYMBOL.lower(), contract_type="perpetual", interval="1m"
        )
        stream.on("message", lambda _m, e=heard: e.set())
        await s.acall("continuous_contract_kline_candlestick_streams", heard.wait())
        key = c.start_user_data_stream().data().listen_key
        call("keepalive_user_data_stream", c.keepalive_user_data_stream)
        user, events = await connection.user_data(key), []
        user.on("message", events.append)
        o = c.new_order(
            symbol=SYMBOL, side="BUY", type="LIMIT", time_in_force="GTC", quantity=0.01, price=round(bid * 0.97, 1)
        ).data()
        c.cancel_order(symbol=SYMBOL, order_id=o.order_id)
        c.new_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.01)
        c.new_order(symbol=SYMBOL, side="SELL", type="MARKET", quantity=0.01, reduce_only="true")

        async def until(kind):
            while not any(kind in type(getattr(e, "actual_instance", e)).__name__ for e in events):
                await asyncio.sleep(0.05)

        await s.acall("user_data OrderTradeUpdate", until("OrderTradeUpdate"))
        await s.acall("user_data AccountUpdate", until("AccountUpdate"))
        call("close_user_data_stream", c.close_user_data_stream)
    finally:
        await connection.close_connection(close_session=True)


def main():
    client = opened()
    c = client.rest_api
    bid = market_data(c)
    settings(c)
    orders(c, bid)
    conditionals(c, bid)
    asyncio.run(socket_calls(client, bid))
    asyncio.run(streams(client, bid))


try:
    main()
finally:
    s.done()
