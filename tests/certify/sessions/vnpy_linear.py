"""vnpy's gateway of Binance USD-M (vnpy_binance) trades for two minutes on a simulated one."""

from __future__ import annotations

import datetime
import os
import tempfile
import time
from decimal import Decimal
from pathlib import Path

HOME = Path(tempfile.mkdtemp())
(HOME / ".vntrader").mkdir()  # where it looks for its settings, before the user's own
os.chdir(HOME)

import vnpy_binance.linear_gateway as linear  # noqa: E402
from session import Session, moved  # noqa: E402
from vnpy.event import EventEngine  # noqa: E402
from vnpy.trader.constant import Direction, Exchange, Interval, Offset, OrderType  # noqa: E402
from vnpy.trader.event import (  # noqa: E402
    EVENT_ACCOUNT,
    EVENT_CONTRACT,
    EVENT_LOG,
    EVENT_ORDER,
    EVENT_POSITION,
    EVENT_TICK,
    EVENT_TRADE,
)
from vnpy.trader.object import HistoryRequest, OrderRequest, SubscribeRequest  # noqa: E402

TRADED_S = 120
SIZES = ("0.010", "0.020", "0.005")

s = Session()
for host in [name for name in vars(linear) if name.startswith("REAL_") and name.endswith("_HOST")]:
    base = s.rest if "_REST_" in host else s.ws
    setattr(linear, host, moved(getattr(linear, host), base))


class Desk:
    """The newest of what the gateway has said."""

    def __init__(self):
        self.ticks, self.contracts, self.accounts, self.orders = 0, {}, {}, {}
        self.trades, self.positions, self.log, self.bar_ends = {}, {}, [], set()
        self.engine = EventEngine()
        for kind, heard in (
            (EVENT_TICK, self.on_tick),
            (EVENT_LOG, lambda e: self.log.append(e.data.msg)),
            (EVENT_CONTRACT, lambda e: self.contracts.update({e.data.name: e.data})),
            (EVENT_ACCOUNT, lambda e: self.accounts.update({e.data.accountid: e.data})),
            (EVENT_ORDER, lambda e: self.orders.update({e.data.orderid: e.data})),
            (EVENT_TRADE, lambda e: self.trades.update({e.data.tradeid: e.data})),
            (EVENT_POSITION, lambda e: self.positions.update({e.data.symbol: e.data})),
        ):
            self.engine.register(kind, heard)
        self.engine.start()
        self.gateway = linear.BinanceLinearGateway(self.engine, "BINANCE_LINEAR")

    def on_tick(self, event):
        self.ticks += 1
        self.tick = event.data
        bar = (event.data.extra or {}).get("bar")
        if bar is not None:
            self.bar_ends.add(bar.datetime)


desk = Desk()


def connect():
    desk.gateway.connect(
        {
            "API Key": s.key,
            "API Secret": s.secret,
            "Server": "REAL",
            "Kline Stream": "True",
            "Proxy Host": "",
            "Proxy Port": 0,
        }
    )
    s.eventually("contracts", lambda: desk.contracts, lambda c: "BTCUSDT" in c, 60)
    s.eventually("account", lambda: desk.accounts, lambda a: "USDT" in a, 60)
    s.holds("balance", desk.accounts["USDT"].balance == s.balances["USDT"])
    contract = desk.contracts["BTCUSDT"]
    s.call("subscribe", lambda: desk.gateway.subscribe(SubscribeRequest(contract.symbol, Exchange.GLOBAL)))
    s.eventually("ticks with a book", lambda: desk.ticks and desk.tick.bid_price_5, lambda price: price, 60)
    now = datetime.datetime.now(datetime.UTC)
    s.call(
        "query_history",
        lambda: desk.gateway.query_history(
            HistoryRequest(contract.symbol, Exchange.GLOBAL, now - datetime.timedelta(minutes=8), now, Interval.MINUTE)
        ),
        lambda bars: len(bars) >= 5,
    )
    return contract


def send(contract, direction, kind, price, size):
    return desk.gateway.send_order(
        OrderRequest(contract.symbol, Exchange.GLOBAL, direction, kind, float(size), price, Offset.NONE)
    )


def trade(contract):
    end, turns = time.monotonic() + TRADED_S, 0
    while time.monotonic() < end:
        turns += 1
        for order in list(desk.orders.values()):
            if order.is_active():
                desk.gateway.cancel_order(order.create_cancel_request())
        sells = turns % 5 == 0
        direction = Direction.SHORT if sells else Direction.LONG
        if turns % 2:
            send(contract, direction, OrderType.MARKET, 0, SIZES[turns % 3])
        else:
            price = desk.tick.bid_price_1 * (1.02 if sells else 0.98)
            send(contract, direction, OrderType.LIMIT, round(price, 1), SIZES[turns % 3])
        time.sleep(4)
    time.sleep(1)
    s.holds("25 trading rounds", turns >= 25 and len(desk.trades) >= 15, (turns, len(desk.trades)))


def compare():
    states = [order.status.name for order in desk.orders.values()]
    s.holds("nothing is rejected", "REJECTED" not in states, states)
    s.holds("orders canceled", states.count("CANCELLED") >= 5, states)
    s.holds("closed candles on the stream", len(desk.bar_ends) >= 2, desk.bar_ends)
    s.books(
        "trades as the ledger's",
        lambda: sorted((int(t.tradeid), Decimal(str(t.price)), Decimal(str(t.volume))) for t in desk.trades.values()),
        lambda book: sorted((t["id"], Decimal(t["price"]), Decimal(t["size"])) for t in book["trades"]),
    )
    s.books(
        "position as the ledger's",
        lambda: sum(Decimal(str(p.volume)) for p in desk.positions.values()),
        lambda book: sum(Decimal(p["size"]) for p in book["positions"]),
    )
    s.books(
        "balance as the ledger's",
        lambda: Decimal(str(desk.accounts["USDT"].balance)),
        lambda book: Decimal(book["balances"]["USDT"]).quantize(Decimal("1e-8"), rounding="ROUND_FLOOR"),
    )
    s.books(
        "working orders as the ledger's",
        lambda: sorted(o.orderid for o in desk.orders.values() if o.is_active()),
        lambda book: sorted(o["client_id"] for o in book["orders"] if o["open"]),
    )


trade(connect())
compare()
desk.gateway.close()
s.done()
os._exit(0)  # its threads are not all told to end
