"""cryptofeed's own Binance USD-M handlers on the messages of a capture: what it makes of each.

python cryptofeed_decode.py CAPTURE bookTicker|depth
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import time
from decimal import Decimal
from pathlib import Path

from cryptofeed.defines import L2_BOOK, TICKER
from cryptofeed.exchanges import BinanceFutures
from cryptofeed.symbols import Symbols
from cryptofeed.types import OrderBook
from yapic import json as yapic

SYMBOL, RAW = "BTC-USDT-PERP", "BTCUSDT"
RECEIVED = 1_723_161_255.03


class Offline(BinanceFutures):
    """The handlers as they are, without what connects and asks."""

    def __init__(self) -> None:
        self.count = 0
        super().__init__(
            symbols=[SYMBOL], channels=[TICKER, L2_BOOK], callbacks={TICKER: self.seen, L2_BOOK: self.seen}
        )

    async def seen(self, event: object, receipt: float) -> None:
        self.count += 1


def main() -> None:
    lines = gzip.decompress(Path(sys.argv[1]).read_bytes()).splitlines()
    kind = sys.argv[2]
    Symbols.set(BinanceFutures.id, {SYMBOL: RAW}, {"instrument_type": {SYMBOL: "perpetual"}})
    feed = Offline()
    wanted = b"@bookTicker" if kind == "bookTicker" else b"@depth"
    found = [line.partition(b" ")[2].decode() for line in lines if wanted in line[:80]]
    if kind == "depth":
        text = next(line for line in lines if b"lastUpdateId" in line[:80]).partition(b" ")[2]
        snapshot = json.loads(text, parse_float=Decimal)
        snapshot = snapshot.get("data", snapshot)
        book = OrderBook(feed.id, SYMBOL, max_depth=0)
        book.book.bids = {Decimal(p): Decimal(s) for p, s in snapshot["bids"]}
        book.book.asks = {Decimal(p): Decimal(s) for p, s in snapshot["asks"]}
        feed._l2_book[SYMBOL] = book
        last = snapshot["lastUpdateId"]
        found = [m for m in found if json.loads(m)["data"]["u"] >= last]
        feed.last_update_id[SYMBOL] = json.loads(found[0])["data"]["pu"]
    handler = feed._ticker if kind == "bookTicker" else feed._book

    async def run() -> float:
        began = time.thread_time()
        for text in found:
            message = yapic.loads(text, parse_float=Decimal)["data"]
            if kind == "bookTicker":
                await handler(message, RECEIVED)
            else:
                await handler(message, RAW, RECEIVED)
        return time.thread_time() - began

    seconds = asyncio.run(run())
    if feed.count != len(found):
        sys.exit(f"{feed.count} events of {len(found)} messages")
    print(json.dumps({"events": len(found), "seconds": seconds}))


if __name__ == "__main__":
    main()
