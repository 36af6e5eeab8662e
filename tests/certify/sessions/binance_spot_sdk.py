"""Binance's own SDK of its spot market, REST, WebSocket API and streams, against a simulated one; then a market maker
by REST and a taker by the WebSocket API.

Its models are made from the venue's own description: an answer that does not fit is an error.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketAPI, ConfigurationWebSocketStreams
from binance_common.errors import BadRequestError, UnauthorizedError
from binance_sdk_spot.spot import Spot
from session import Session

SYMBOL = "BTCUSDT"
BTC = {"symbol": SYMBOL}
BOT_S = 120  # of each bot

s = Session()


def opened(key=None, secret=None):
    pair = {"api_key": key or s.key, "api_secret": secret or s.secret}
    return Spot(
        config_rest_api=ConfigurationRestAPI(**pair, base_path=s.rest, timeout=10000, retries=0),
        config_ws_api=ConfigurationWebSocketAPI(**pair, stream_url=f"{s.ws}/ws-api/v3"),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=s.ws),
    )


def call(name, ask, holds=None):
    return s.call(name, lambda: ask().data(), holds)


def inner(value):
    """What a model of several forms holds."""
    return getattr(value, "actual_instance", value)


def refused(name, code, ask):
    s.refused(name, ask, BadRequestError, lambda e: str(code) in repr(vars(e)) + str(e))


def market_data(c):
    call("ping", c.ping)
    call("time", c.time, lambda v: v.server_time > 1.7e12)
    call("exchange_info", c.exchange_info, lambda v: SYMBOL in [r.symbol for r in v.symbols])
    book = call("depth", lambda: c.depth(**BTC, limit=20), lambda v: len(v.bids) == 20)
    call("get_trades", lambda: c.get_trades(**BTC), len)
    call("historical_trades", lambda: c.historical_trades(**BTC), len)
    call("agg_trades", lambda: c.agg_trades(**BTC), len)
    call("klines", lambda: c.klines(**BTC, interval="1m"), len)
    call("ui_klines", lambda: c.ui_klines(**BTC, interval="1m"), len)
    call("avg_price", lambda: c.avg_price(**BTC), lambda v: float(v.price) > 0)
    call("ticker24hr", lambda: c.ticker24hr(**BTC), lambda v: inner(v).symbol == SYMBOL)
    call("ticker_price", lambda: c.ticker_price(**BTC), lambda v: float(inner(v).price) > 0)
    call("ticker_book_ticker", lambda: c.ticker_book_ticker(**BTC), lambda v: float(inner(v).bid_price) > 0)
    call("reference_price", lambda: c.reference_price(**BTC))
    call("execution_rules", lambda: c.execution_rules(**BTC))
    return float(book.bids[0][0])


def account(c):
    call("get_account", c.get_account, lambda v: v.can_trade and "USDT" in [r.asset for r in v.balances])
    call(
        "account_commission", lambda: c.account_commission(**BTC), lambda v: v.standard_commission.taker == "0.00100000"
    )
    call("rate_limit_order", c.rate_limit_order, lambda v: len(v) == 2)
    call("my_prevented_matches", lambda: c.my_prevented_matches(**BTC, order_id=1))
    call("my_allocations", lambda: c.my_allocations(**BTC))


def orders(c, bid):
    low, lower = round(bid * 0.97, 2), round(bid * 0.96, 2)
    limit = {**BTC, "side": "BUY", "type": "LIMIT", "time_in_force": "GTC", "quantity": 0.01, "price": low}
    o = call(
        "new_order",
        lambda: c.new_order(**limit, new_client_order_id="certify-1"),
        lambda v: v.status == "NEW" and v.client_order_id == "certify-1" and v.fills == [],
    )
    number = {**BTC, "order_id": o.order_id}
    refused(
        "new_order duplicate id", "Duplicate order sent.", lambda: c.new_order(**limit, new_client_order_id="certify-1")
    )
    call("get_order", lambda: c.get_order(**number), lambda v: float(v.price) == low and v.is_working)
    call("get_open_orders", lambda: c.get_open_orders(**BTC), lambda v: len(v) == 1)
    call(
        "order_amend_keep_priority",
        lambda: c.order_amend_keep_priority(**number, new_qty=0.008),
        lambda v: float(v.amended_order.qty) == 0.008,
    )
    refused("order_amend_keep_priority larger", -2038, lambda: c.order_amend_keep_priority(**number, new_qty=0.02))
    call("order_amendments", lambda: c.order_amendments(**number), lambda v: len(v) == 1)
    new = call(
        "order_cancel_replace",
        lambda: c.order_cancel_replace(
            **{**limit, "price": lower}, cancel_replace_mode="STOP_ON_FAILURE", cancel_order_id=o.order_id
        ),
        lambda v: (v.cancel_result, v.new_order_result) == ("SUCCESS", "SUCCESS"),
    )
    number = {**BTC, "order_id": inner(new.new_order_response).order_id}
    call("delete_order", lambda: c.delete_order(**number), lambda v: v.status == "CANCELED")
    refused("delete_order again", -2011, lambda: c.delete_order(**number))
    for price in (low, lower):
        c.new_order(**{**limit, "price": price})
    call("delete_open_orders", lambda: c.delete_open_orders(**BTC), lambda v: len(v) == 2)
    call("order_test", lambda: c.order_test(**limit))
    for name, code, change in (
        (
            "post-only that crosses",
            -2010,
            {"type": "LIMIT_MAKER", "time_in_force": None, "price": round(bid * 1.01, 2)},
        ),
        ("no funds", -2010, {"quantity": 90.0}),
        ("too small", -1013, {"quantity": 0.0002, "price": round(bid * 0.3, 2)}),
        ("unknown symbol", -1121, {"symbol": "NOSUCH"}),
    ):
        refused(f"bad order: {name}", code, lambda d=change: c.new_order(**{**limit, **d}))
    call("FOK far away", lambda: c.new_order(**{**limit, "time_in_force": "FOK"}), lambda v: v.status == "EXPIRED")
    t = call(
        "new_order market",
        lambda: c.new_order(**BTC, side="BUY", type="MARKET", quantity=0.01),
        lambda v: v.status == "FILLED" and v.fills[0].commission_asset == "BTC",
    )
    call(
        "my_trades",
        lambda: c.my_trades(**BTC, order_id=t.order_id),
        lambda v: abs(sum(float(r.qty) for r in v) - 0.01) < 1e-9,
    )
    call("new_order market by cost", lambda: c.new_order(**BTC, side="SELL", type="MARKET", quote_order_qty=300.0))
    call("all_orders", lambda: c.all_orders(**BTC), lambda v: len(v) > 4)


def conditionals(c, bid):
    far, up = round(bid * 0.9, 2), round(bid * 1.1, 2)
    sell = {**BTC, "side": "SELL", "quantity": 0.01}
    o = call("new_order stop-loss", lambda: c.new_order(**sell, type="STOP_LOSS", stop_price=far), lambda v: v.order_id)
    call(
        "new_order take-profit limit",
        lambda: c.new_order(**sell, type="TAKE_PROFIT_LIMIT", time_in_force="GTC", stop_price=up, price=up),
    )
    call(
        "stops do not work yet", lambda: c.get_open_orders(**BTC), lambda v: [r.is_working for r in v] == [False, False]
    )
    call("delete_order stop", lambda: c.delete_order(**BTC, order_id=o.order_id), lambda v: v.status == "CANCELED")
    refused("stop on the wrong side", -2010, lambda: c.new_order(**sell, type="STOP_LOSS", stop_price=up))
    call("delete_open_orders stops", lambda: c.delete_open_orders(**BTC))
    s.refused("wrong key", opened("nosuchkey").rest_api.get_account, UnauthorizedError)
    s.refused("wrong secret", opened(None, "wrong").rest_api.get_account, BadRequestError)


def lists(c, bid):
    low, far, up = (round(bid * part, 2) for part in (0.97, 0.9, 1.1))
    pair = {"above_type": "LIMIT_MAKER", "above_price": up, "below_type": "STOP_LOSS", "below_stop_price": far}
    oco = call(
        "order_list_oco",
        lambda: c.order_list_oco(**BTC, side="SELL", quantity=0.01, **pair),
        lambda v: v.contingency_type == "OCO" and len(v.order_reports) == 2,
    )
    number = {"order_list_id": oco.order_list_id}
    call("get_order_list", lambda: c.get_order_list(**number), lambda v: v.list_order_status == "EXECUTING")
    call("open_order_list", c.open_order_list, lambda v: len(v) == 1)
    call("delete_order_list", lambda: c.delete_order_list(**BTC, **number), lambda v: v.list_order_status == "ALL_DONE")
    working = {
        "working_type": "LIMIT",
        "working_side": "BUY",
        "working_price": low,
        "working_quantity": 0.01,
        "working_time_in_force": "GTC",
    }
    pending = {"pending_side": "SELL", "pending_quantity": 0.009}
    oto = call(
        "order_list_oto",
        lambda: c.order_list_oto(**BTC, **working, **pending, pending_type="MARKET"),
        lambda v: [r.status for r in v.order_reports] == ["NEW", "PENDING_NEW"],
    )
    call("delete_order of a list", lambda: c.delete_order(**BTC, order_id=oto.orders[0].order_id))
    named = {f"pending_{name}": value for name, value in pair.items()}
    otoco = call(
        "order_list_otoco",
        lambda: c.order_list_otoco(**BTC, **{**working, "working_price": up}, **pending, **named),
        lambda v: [r.status for r in v.order_reports] == ["FILLED", "NEW", "NEW"],
    )
    call("all_order_list", c.all_order_list, lambda v: len(v) == 3)
    call("delete_order_list otoco", lambda: c.delete_order_list(**BTC, order_list_id=otoco.order_list_id))
    call("sell what it bought", lambda: c.new_order(**BTC, side="SELL", type="MARKET", quantity=0.009))


async def data(awaitable):
    return (await awaitable).data()


async def socket_calls(client, bid):
    connection = await client.websocket_api.create_connection()
    limit = {**BTC, "side": "BUY", "type": "LIMIT", "time_in_force": "GTC", "quantity": 0.01}
    low = round(bid * 0.97, 2)
    try:
        await s.acall("ws time", data(connection.time()))
        await s.acall("ws depth", data(connection.depth(**BTC)), lambda v: v.result.bids)
        await s.acall("ws ticker_price", data(connection.ticker_price(**BTC)))
        subscribed = await s.acall(
            "ws user_data_stream_subscribe_signature", connection.user_data_stream_subscribe_signature()
        )
        events = []
        if subscribed is not None and subscribed.stream is not None:
            subscribed.stream.on("message", events.append)
        o = await s.acall(
            "ws order_place", data(connection.order_place(**limit, price=low)), lambda v: v.result.status == "NEW"
        )
        if o:
            number = {**BTC, "order_id": o.result.order_id}
            await s.acall("ws order_status", data(connection.order_status(**number)))
            await s.acall(
                "ws order_amend_keep_priority",
                data(connection.order_amend_keep_priority(**number, new_qty=0.009)),
                lambda v: float(v.result.amended_order.qty) == 0.009,
            )
            await s.acall(
                "ws open_orders_status", data(connection.open_orders_status(**BTC)), lambda v: len(v.result) == 1
            )
            await s.acall(
                "ws order_cancel", data(connection.order_cancel(**number)), lambda v: v.result.status == "CANCELED"
            )
        await s.acall("ws account_status", data(connection.account_status()), lambda v: v.result.can_trade)
        await s.acall("ws my_trades", data(connection.my_trades(**BTC)), lambda v: v.result)
        await connection.order_place(**BTC, side="BUY", type="MARKET", quantity=0.01)

        async def until(kind):
            while not any(kind in type(inner(e)).__name__ for e in events):
                await asyncio.sleep(0.05)

        await s.acall("user data ExecutionReport", until("ExecutionReport"))
        await s.acall("user data OutboundAccountPosition", until("OutboundAccountPosition"))
    finally:
        await connection.close_connection(close_session=True)


async def streams(client):
    connection = await client.websocket_streams.create_connection()
    try:
        for name, make, more in (
            ("diff_book_depth", connection.diff_book_depth, {}),
            ("partial_book_depth", connection.partial_book_depth, {"levels": "5"}),
            ("book_ticker", connection.book_ticker, {}),
            ("agg_trade", connection.agg_trade, {}),
            ("trade", connection.trade, {}),
            ("mini_ticker", connection.mini_ticker, {}),
            ("ticker", connection.ticker, {}),
            ("kline", connection.kline, {"interval": "1m"}),
        ):
            heard = asyncio.Event()
            stream = await make(symbol=SYMBOL.lower(), **more)
            stream.on("message", lambda _m, e=heard: e.set())
            await s.acall(f"stream {name}", heard.wait())
            await stream.unsubscribe()
    finally:
        await connection.close_connection(close_session=True)


def maker(c):
    """Quotes both sides, post-only, anew each second."""
    end, rounds = time.monotonic() + BOT_S, 0
    while time.monotonic() < end:
        book = c.depth(**BTC, limit=5).data()
        for side, levels in (("BUY", book.bids), ("SELL", book.asks)):
            try:
                c.new_order(**BTC, side=side, type="LIMIT_MAKER", quantity=0.01, price=float(levels[0][0]))
            except BadRequestError as error:
                if "match and take" not in str(error):
                    raise
        time.sleep(1)
        try:
            c.delete_open_orders(**BTC)
        except BadRequestError as error:
            if "Unknown order" not in str(error):  # all have been filled
                raise
        rounds += 1
    return rounds


async def taker(client):
    """Buys and sells in turn."""
    connection, rounds = await client.websocket_api.create_connection(), 0
    end = time.monotonic() + BOT_S
    try:
        while time.monotonic() < end:
            await connection.order_place(**BTC, side=("BUY", "SELL")[rounds % 2], type="MARKET", quantity=0.01)
            await asyncio.sleep(0.5)
            rounds += 1
    finally:
        await connection.close_connection(close_session=True)
    return rounds


def books(c, name, account):
    def ours(asset):
        (row,) = (each for each in c.get_account().data().balances if each.asset == asset)
        return f"{float(row.free) + float(row.locked):.8f}"

    for asset in ("USDT", "BTC", "BNB"):
        s.books(
            f"{name}: {asset} as the ledger's",
            lambda a=asset: ours(a),
            lambda _main, a=asset: f"{float(s.ledger(account)['balances'][a]):.8f}",
        )
    s.books(
        f"{name}: orders as the ledger's",
        lambda: len(c.get_open_orders(**BTC).data()),
        lambda _main: sum(row["open"] for row in s.ledger(account)["orders"]),
    )


def main():
    client = opened()
    c = client.rest_api
    bid = market_data(c)
    account(c)
    orders(c, bid)
    conditionals(c, bid)
    lists(c, bid)
    asyncio.run(socket_calls(client, bid))
    asyncio.run(streams(client))
    other = opened(s.accounts[1]["key"], s.accounts[1]["secret"])
    with ThreadPoolExecutor() as pool:
        quoting, taking = pool.submit(maker, c), pool.submit(asyncio.run, taker(other))
    s.call("a market maker for two minutes", quoting.result, lambda rounds: rounds > 20)
    s.call("a taker for two minutes beside it", taking.result, lambda rounds: rounds > 40)
    books(c, "maker", "main")
    books(other.rest_api, "taker", "second")


try:
    main()
finally:
    s.done()
