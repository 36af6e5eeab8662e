"""What sessions of ccxt share: the market, orders and trades as streams tell of them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from session import moved_ccxt

SETTLES_S = 1.5  # until a subscription that is on its way stands


def opened_by_key(s, make, key=None, secret=None):
    """Returns a client of the session's first account, or of another one's key and secret."""
    return moved_ccxt(make({"apiKey": key or s.key, "secret": secret or s.secret}), s)


async def until(watch, good):
    """Returns the first value of a stream that is good."""
    while True:
        value = await watch()
        if good(value):
            return value


@asynccontextmanager
async def streaming(x):
    """Gives a client of streams that knows its markets, and is closed afterwards."""
    try:
        await x.load_markets()
        yield x
    finally:
        await x.close()


async def watch_market(s, x, symbol, books=1):
    """The book, `books` times, its trades and its ticker."""

    def is_whole(book):
        return book["bids"][0][0] < book["asks"][0][0]

    await s.acall("watch_order_book", x.watch_order_book(symbol), is_whole)
    for _ in range(books - 1):
        await x.watch_order_book(symbol)
    await s.acall("watch_order_book goes on", x.watch_order_book(symbol), is_whole)
    await s.acall("watch_trades", x.watch_trades(symbol), lambda t: t[0]["price"] > 0)
    await s.acall("watch_ticker", x.watch_ticker(symbol), lambda t: t["last"] > 0)


async def watch_an_order(s, x, symbol, amount, price):
    """A purchase that rests and is canceled."""
    heard = asyncio.create_task(until(lambda: x.watch_orders(symbol), lambda v: any(o["status"] == "open" for o in v)))
    await asyncio.sleep(SETTLES_S)
    order = await x.create_order(symbol, "limit", "buy", amount, price)
    await s.acall("watch_orders new", heard, lambda v: v[-1]["id"] == order["id"])
    heard = asyncio.create_task(
        until(lambda: x.watch_orders(symbol), lambda v: any(o["status"] == "canceled" for o in v))
    )
    await asyncio.sleep(0)
    await x.cancel_order(order["id"], symbol)
    await s.acall("watch_orders canceled", heard)
