"""unicorn-binance-local-depth-cache keeps books of a simulated Binance USD-M for two minutes, while
its REST client trades in them."""

from __future__ import annotations

import os
import time
from decimal import Decimal

from session import Session, moved
from unicorn_binance_local_depth_cache import BinanceLocalDepthCacheManager
from unicorn_binance_rest_api import BinanceRestApiManager
from unicorn_binance_websocket_api.connection_settings import CONNECTION_SETTINGS

TRADED_S = 120
EXCHANGE = "binance.com-futures"
MARKETS = ("BTCUSDT", "ETHUSDT")
SIZES = ("0.010", "0.020", "0.005")

s = Session()
most, *addresses = CONNECTION_SETTINGS[EXCHANGE]
CONNECTION_SETTINGS[EXCHANGE] = (most, *(moved(each, s.ws) + "/" for each in addresses))


class Rest(BinanceRestApiManager):
    """Pointed at the session's address, wherever it would go."""

    def __setattr__(self, name, value):
        is_address = name.endswith("_URL") and isinstance(value, str)
        super().__setattr__(name, moved(value.strip(), s.rest) if is_address else value)


def caches(rest):
    manager = BinanceLocalDepthCacheManager(
        exchange=EXCHANGE,
        ubra_manager=rest,
        warn_on_update=False,
        init_interval=0.5,
        depth_cache_update_interval=100,
        disable_colorama=True,
    )
    manager.create_depth_cache(markets=list(MARKETS))
    return manager


def trade(rest):
    end, turns, working, refused = time.monotonic() + TRADED_S, 0, None, []
    while time.monotonic() < end:
        turns += 1
        side = "SELL" if turns % 3 == 0 else "BUY"
        terms = {"symbol": "BTCUSDT", "side": side, "quantity": SIZES[turns % 3]}
        try:
            if working:
                rest.futures_cancel_order(symbol="BTCUSDT", orderId=working)
                working = None
            if turns % 2:
                rest.futures_create_order(**terms, type="MARKET")
            else:
                bid = float(rest.futures_orderbook_ticker(symbol="BTCUSDT")["bidPrice"])
                price = f"{bid * (1.02 if side == 'SELL' else 0.98):.1f}"
                placed = rest.futures_create_order(**terms, type="LIMIT", timeInForce="GTC", price=price)
                working = placed["orderId"]
        except Exception as error:
            refused.append(str(error))
        time.sleep(4)
    s.holds("25 trading rounds", turns >= 25, turns)
    s.holds("nothing is refused", not refused, refused[:3])


def sides(manager, market, count=10):
    return [
        [(Decimal(str(price)), Decimal(str(size))) for price, size in rows]
        for rows in (
            manager.get_bids(market=market, limit_count=count),
            manager.get_asks(market=market, limit_count=count),
        )
    ]


def snapshot(rest, market, count=10):
    book = rest.futures_order_book(symbol=market, limit=count)
    return [[(Decimal(price), Decimal(size)) for price, size in book[side]] for side in ("bids", "asks")]


def compare(manager, rest):
    for market in MARKETS:
        s.holds(f"{market} is synchronized", manager.is_depth_cache_synchronized(market=market))
        # The market goes on between two looks: one of many falls into the same moment.
        s.eventually(
            f"{market} book as the exchange's",
            lambda m=market: (sides(manager, m), snapshot(rest, m)),
            lambda both: both[0] == both[1] and len(both[0][0]) == 10,
            60,
        )
    s.books(
        "position as the ledger's",
        lambda: sum(Decimal(p["positionAmt"]) for p in rest.futures_position_information()),
        lambda book: sum(Decimal(p["size"]) for p in book["positions"]),
    )
    s.books(
        "trades as the ledger's",
        lambda: sorted(
            (t["id"], Decimal(t["price"]), Decimal(t["qty"]))
            for t in rest.futures_account_trades(symbol="BTCUSDT", limit=1000)
        ),
        lambda book: sorted((t["id"], Decimal(t["price"]), Decimal(t["size"])) for t in book["trades"]),
    )
    s.books(
        "balance as the ledger's",
        lambda: next(Decimal(row["balance"]) for row in rest.futures_account_balance() if row["asset"] == "USDT"),
        lambda book: Decimal(book["balances"]["USDT"]).quantize(Decimal("1e-8"), rounding="ROUND_FLOOR"),
    )


rest = s.call("rest", lambda: Rest(s.key, s.secret, exchange=EXCHANGE, warn_on_update=False, disable_colorama=True))
s.call("ping", rest.ping)
s.call("futures_exchange_info", rest.futures_exchange_info, lambda v: len(v["symbols"]) == 3)
manager = s.call("depth caches", lambda: caches(rest))
for market in MARKETS:
    s.eventually(
        f"{market} book arrives",
        lambda m=market: manager.is_depth_cache_synchronized(market=m),
        lambda is_there: is_there,
        60,
    )
trade(rest)
compare(manager, rest)
manager.stop_manager()
s.done()
os._exit(0)  # its threads are not all told to end
