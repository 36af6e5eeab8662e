"""ccxt.pro's own Binance USD-M handlers on the messages of a capture: what it makes of each.

    python ccxt_decode.py CAPTURE bookTicker|depth

As its clients do it: the text through the standard library's json, then handle_message. Its client
object stands in for a connection; nobody waits for the news. A share of the capture is enough.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import time
from pathlib import Path
from typing import Any

import ccxt.pro

SYMBOL, RAW = "BTC/USDT:USDT", "BTCUSDT"
SHARE = {"bookTicker": 10_000, "depth": 1_500}


class Client:
    """What handle_message asks of a connection."""

    url = "wss://fstream.binance.com/public/stream"

    def __init__(self) -> None:
        self.subscriptions: dict[str, Any] = {}
        self.count = 0

    def resolve(self, result: Any, name: str) -> Any:
        self.count += name in (f"orderbook::{SYMBOL}", f"bidask@{SYMBOL}", f"bidask:{SYMBOL}")
        self.last = name
        return result

    def reject(self, error: Any, name: str | None = None) -> Any:
        raise error if isinstance(error, BaseException) else RuntimeError(str(error))


async def main() -> None:
    lines = gzip.decompress(Path(sys.argv[1]).read_bytes()).splitlines()
    kind = sys.argv[2]
    exchange = ccxt.pro.binanceusdm()
    market = exchange.safe_market_structure(
        {
            "id": RAW,
            "symbol": SYMBOL,
            "base": "BTC",
            "quote": "USDT",
            "settle": "USDT",
            "type": "swap",
            "spot": False,
            "swap": True,
            "contract": True,
            "linear": True,
            "inverse": False,
            "active": True,
        }
    )
    exchange.set_markets([market])
    client = Client()
    wanted = b"@bookTicker" if kind == "bookTicker" else b"@depth"
    found = [line.partition(b" ")[2].decode() for line in lines if wanted in line[:80]]
    if kind == "depth":
        text = next(line for line in lines if b"lastUpdateId" in line[:80]).partition(b" ")[2]
        snapshot = json.loads(text)
        snapshot = snapshot.get("data", snapshot)
        book = exchange.order_book({}, 1000)
        book.reset(exchange.parse_order_book(snapshot, SYMBOL, None, "bids", "asks"))
        book["nonce"], book["symbol"] = snapshot["lastUpdateId"], SYMBOL
        exchange.orderbooks[SYMBOL] = book
        found = [m for m in found if json.loads(m)["data"]["u"] >= snapshot["lastUpdateId"]]
    found = found[: SHARE[kind]]
    began = time.thread_time()
    for text in found:
        exchange.handle_message(client, json.loads(text))
    seconds = time.thread_time() - began
    await exchange.close()
    if kind == "depth" and client.count < len(found) - 1:
        sys.exit(f"{client.count} news of {len(found)} messages")
    if kind == "bookTicker" and exchange.bidsasks[SYMBOL]["bid"] is None:
        sys.exit("no quote came of it")
    print(json.dumps({"events": len(found), "seconds": seconds}))


if __name__ == "__main__":
    asyncio.run(main())
