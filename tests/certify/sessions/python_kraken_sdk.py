"""python-kraken-sdk, REST and WebSocket v2, against a simulated Kraken spot."""

from __future__ import annotations

import asyncio

from kraken.exceptions import (
    KrakenInsufficientFundsError,
    KrakenInvalidAPIKeyError,
    KrakenInvalidSignatureError,
    KrakenOrderMinimumNotMetError,
    KrakenUnknownAssetError,
    KrakenUnknownAssetPairError,
    KrakenUnknownOrderError,
)
from kraken.spot import Market, SpotOrderBookClient, SpotWSClient, Trade, User
from session import Session

PAIR = "XBTUSD"
# Of the text of the second this version makes the first.
UNKNOWN = (KrakenUnknownAssetError, KrakenUnknownAssetPairError)

s = Session()


def market_data():
    m = Market(url=s.rest)
    s.call("get_system_status", m.get_system_status, lambda v: v["status"] == "online")
    s.call("get_assets", m.get_assets, lambda v: "XXBT" in v)
    s.call("get_asset_pairs", lambda: m.get_asset_pairs(pair=PAIR), lambda v: "XXBTZUSD" in v)
    s.call("get_ticker", lambda: m.get_ticker(pair=PAIR), len)
    s.call("get_ohlc", lambda: m.get_ohlc(pair=PAIR, interval=1), len)
    book = s.call(
        "get_order_book", lambda: m.get_order_book(pair=PAIR, count=20), lambda v: len(v["XXBTZUSD"]["bids"]) == 20
    )
    s.call("get_recent_trades", lambda: m.get_recent_trades(pair=PAIR), len)
    s.call("get_recent_spreads", lambda: m.get_recent_spreads(pair=PAIR), len)
    s.refused("get_ticker unknown pair", lambda: m.get_ticker(pair="NOSUCH"), UNKNOWN)
    return float(book["XXBTZUSD"]["bids"][0][0])


def orders(bid):
    t, u = Trade(key=s.key, secret=s.secret, url=s.rest), User(s.key, s.secret, url=s.rest)
    low, lower = f"{bid * 0.97:.1f}", f"{bid * 0.96:.1f}"
    limit = {"ordertype": "limit", "side": "buy", "pair": PAIR, "volume": "0.01"}
    o = s.call(
        "create_order", lambda: t.create_order(**limit, price=low, cl_ord_id="certify-1"), lambda v: len(v["txid"]) == 1
    )
    number = o["txid"][0]
    s.call(
        "create_order validate", lambda: t.create_order(**limit, price=low, validate=True), lambda v: "txid" not in v
    )
    s.call("get_open_orders", u.get_open_orders, lambda v: list(v["open"]) == [number])
    s.call("get_orders_info", lambda: u.get_orders_info(txid=number), lambda v: v[number]["status"] == "open")
    s.call(
        "amend_order", lambda: t.amend_order(txid=number, order_qty="0.02", limit_price=lower), lambda v: v["amend_id"]
    )
    plain = t.create_order(**limit, price=lower)["txid"][0]  # with a cl_ord_id only amended
    s.call(
        "edit_order",
        lambda: t.edit_order(txid=plain, pair=PAIR, volume="0.03", price=low),
        lambda v: v["txid"] != plain,
    )
    s.call(
        "get_open_orders after the edit", u.get_open_orders, lambda v: len(v["open"]) == 2 and plain not in v["open"]
    )
    s.call("cancel_order", lambda: t.cancel_order(txid=number), lambda v: v["count"] == 1)
    s.refused("cancel_order again", lambda: t.cancel_order(txid=number), KrakenUnknownOrderError)
    rows = [{"ordertype": "limit", "type": "buy", "volume": "0.01", "price": p} for p in (low, lower)]
    made = s.call(
        "create_order_batch", lambda: t.create_order_batch(orders=rows, pair=PAIR), lambda v: len(v["orders"]) == 2
    )
    s.call(
        "cancel_order_batch",
        lambda: t.cancel_order_batch(orders=[made["orders"][0]["txid"]]),
        lambda v: v["count"] == 1,
    )
    s.call(
        "create_order stop-loss",
        lambda: t.create_order(ordertype="stop-loss", side="sell", pair=PAIR, volume="0.01", price=f"{bid * 0.9:.1f}"),
    )
    s.call(
        "create_order take-profit-limit",
        lambda: t.create_order(
            ordertype="take-profit-limit",
            side="sell",
            pair=PAIR,
            volume="0.01",
            price=f"{bid * 1.1:.1f}",
            price2=f"{bid * 1.1:.1f}",
        ),
    )
    s.call("cancel_all_orders_after_x", lambda: t.cancel_all_orders_after_x(60))
    s.call("cancel_all_orders_after_x off", lambda: t.cancel_all_orders_after_x(0))
    s.call("cancel_all_orders", t.cancel_all_orders, lambda v: v["count"] == 4)
    for name, change, kind in (
        ("no funds", {"volume": "90"}, KrakenInsufficientFundsError),
        ("too small", {"volume": "0.000001"}, KrakenOrderMinimumNotMetError),
        ("unknown pair", {"pair": "NOSUCH"}, UNKNOWN),
        ("price 0", {"price": "0"}, Exception),
        ("volume nan", {"volume": "nan"}, Exception),
    ):
        s.refused(f"bad order: {name}", lambda d=change: t.create_order(**{**limit, "price": low, **d}), kind)
    before = s.call("get_account_balance", u.get_account_balance, lambda v: float(v["ZUSD"]) > 0)
    o = s.call("create_order market", lambda: t.create_order(ordertype="market", side="buy", pair=PAIR, volume="0.01"))
    number = o["txid"][0]
    info = s.call(
        "get_orders_info filled",
        lambda: u.get_orders_info(txid=number, trades=True),
        lambda v: v[number]["status"] == "closed" and float(v[number]["vol_exec"]) == 0.01,
    )
    trades = s.call("get_trades_history", u.get_trades_history, lambda v: v["count"] > 0)
    mine = [k for k, v in trades["trades"].items() if v["ordertxid"] == number]
    s.call(
        "get_trades_info",
        lambda: u.get_trades_info(txid=mine),
        lambda v: abs(sum(float(r["vol"]) for r in v.values()) - 0.01) < 1e-9,
    )
    after = s.call("get_balances", u.get_balances, lambda v: float(v["ZUSD"]["balance"]) > 0)
    paid = float(info[number]["cost"]) + float(info[number]["fee"])
    s.holds(
        "quote balance fell by price and fee",
        abs(float(before["ZUSD"]) - float(after["ZUSD"]["balance"]) - paid) < 0.01,
    )
    s.call("get_closed_orders", u.get_closed_orders, lambda v: number in v["closed"])
    s.call("get_trade_balance", u.get_trade_balance, lambda v: float(v["eb"]) > 0)
    s.call("get_open_positions", u.get_open_positions, lambda v: not v)
    ledgers = s.call("get_ledgers_info", u.get_ledgers_info, lambda v: v["count"] >= 2)
    s.call("get_ledgers", lambda: u.get_ledgers(id_=next(iter(ledgers["ledger"]))), len)
    s.call("get_trade_volume", lambda: u.get_trade_volume(pair=PAIR), lambda v: v["currency"])
    s.refused("wrong key", User("nosuchkey", s.secret, url=s.rest).get_account_balance, KrakenInvalidAPIKeyError)
    s.refused("wrong secret", User(s.key, "d3Jvbmc=", url=s.rest).get_account_balance, KrakenInvalidSignatureError)


class Heard:
    """What came, and a wait for the first that fits."""

    def __init__(self):
        self.messages: list[dict] = []

    async def take(self, message):
        self.messages.append(message)

    async def first(self, good):
        while True:
            for message in self.messages:
                if isinstance(message, dict) and good(message):
                    return message
            await asyncio.sleep(0.05)


def of(channel, kind="update"):
    return lambda m: m.get("channel") == channel and m.get("type") == kind


def answered(method):
    return lambda m: m.get("method") == method and "success" in m


async def streams(bid):
    root = s.ws.rpartition("/v2")[0]
    addresses = {"rest_url": s.rest, "ws_url": root, "auth_ws_url": root}
    heard = Heard()
    c = SpotWSClient(callback=heard.take, **addresses)
    await c.start()
    try:
        for channel, params in (("ticker", {}), ("book", {"depth": 10}), ("trade", {}), ("ohlc", {"interval": 1})):
            await c.subscribe({"channel": channel, "symbol": ["BTC/USD"], **params})
            await s.acall(f"subscribe {channel}", heard.first(of(channel, "snapshot")))
        await c.subscribe({"channel": "instrument"})
        await s.acall("subscribe instrument", heard.first(of("instrument", "snapshot")))
        await s.acall("book goes on", heard.first(of("book")))
        await s.acall("heartbeat or data", heard.first(lambda m: m.get("channel") in ("heartbeat", "ticker")))
    finally:
        await c.close()

    # It takes no addresses, and makes a Market of its own.
    Market.URL = s.rest

    class Book(SpotOrderBookClient):
        URL, WS_URL = s.rest, root
        updates = 0

        async def on_book_update(self, pair, message):
            self.updates += 1

    book = Book(depth=10)
    await book.start()
    try:
        await book.add_book(pairs=["BTC/USD"])

        async def kept():
            while book.updates < 50:
                await asyncio.sleep(0.05)
            return book.get(pair="BTC/USD")

        await s.acall("SpotOrderBookClient", kept(), lambda v: v["valid"], wait=40)
    finally:
        await book.close()

    mine = Heard()
    a = SpotWSClient(key=s.key, secret=s.secret, callback=mine.take, no_public=True, **addresses)
    await a.start()
    try:
        await a.subscribe({"channel": "executions", "snap_orders": True})
        await s.acall("subscribe executions", mine.first(of("executions", "snapshot")))
        await a.subscribe({"channel": "balances"})
        await s.acall("subscribe balances", mine.first(of("balances", "snapshot")))
        await a.send_message(
            {
                "method": "add_order",
                "params": {
                    "order_type": "limit",
                    "side": "buy",
                    "symbol": "BTC/USD",
                    "order_qty": 0.01,
                    "limit_price": round(bid * 0.97, 1),
                },
            }
        )
        placed = await s.acall("add_order", mine.first(answered("add_order")), lambda m: m["success"])
        await s.acall(
            "executions new", mine.first(lambda m: of("executions")(m) and m["data"][0]["exec_type"] == "new")
        )
        number = placed["result"]["order_id"]
        await a.send_message({"method": "amend_order", "params": {"order_id": number, "order_qty": 0.02}})
        await s.acall("amend_order ws", mine.first(answered("amend_order")), lambda m: m["success"])
        await a.send_message({"method": "cancel_order", "params": {"order_id": [number]}})
        await s.acall("cancel_order ws", mine.first(answered("cancel_order")), lambda m: m["success"])
        await s.acall(
            "executions canceled", mine.first(lambda m: of("executions")(m) and m["data"][0]["exec_type"] == "canceled")
        )
        await a.send_message(
            {
                "method": "batch_add",
                "params": {
                    "symbol": "BTC/USD",
                    "orders": [
                        {"order_type": "limit", "side": "buy", "order_qty": 0.01, "limit_price": round(bid * p, 1)}
                        for p in (0.97, 0.96)
                    ],
                },
            }
        )
        await s.acall("batch_add", mine.first(answered("batch_add")), lambda m: m["success"])
        await a.send_message({"method": "cancel_all"})
        await s.acall("cancel_all", mine.first(answered("cancel_all")), lambda m: m["success"])
        await a.send_message(
            {
                "method": "add_order",
                "params": {"order_type": "market", "side": "sell", "symbol": "BTC/USD", "order_qty": 0.01},
            }
        )
        await s.acall(
            "executions trade", mine.first(lambda m: of("executions")(m) and m["data"][0]["exec_type"] == "trade")
        )
        await s.acall("balances update", mine.first(of("balances")))
    finally:
        await a.close()


def main():
    bid = market_data()
    orders(bid)
    asyncio.run(streams(bid))


try:
    main()
finally:
    s.done()
