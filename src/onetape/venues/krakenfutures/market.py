"""Kraken Futures' market messages: feeds `book`, `trade`, `ticker` and `ticker_lite`.

A book message is one level with a number that increases by one. Source: Kraken Futures API documentation, "Websocket
API", read 2026-11. Times are milliseconds; numbers are JSON numbers.
"""

from __future__ import annotations

import re
from typing import Final

from onetape.venues.protocol_table import Message, Protocol, top

_NAME = re.compile(r"(?:PI|FI|PF|FF)_([A-Z0-9]+?)(USD|EUR|XBT)(?:_(\d{6}))?\Z")
_BOOK: Final = {"symbol": "product_id", "time": "timestamp", "last_id": "seq"}

MARKET: Final = Protocol(
    event_path="feed",
    answer_path="event",
    level=("price", "qty"),
    messages=(
        Message(
            kind="checked_book",
            event="book",
            roles={**_BOOK, "side": "side", "price": "price", "size": "qty"},
            required=("symbol", "last_id", "side", "price", "size"),
        ),
        Message(
            kind="checked_book",
            name="book",
            event="book_snapshot",
            roles={**_BOOK, "bids": "bids", "asks": "asks"},
            required=("symbol", "last_id", "bids", "asks"),
            whole="snapshot",
        ),
        Message(
            kind="trade",
            event="trade",
            roles={
                "symbol": "product_id",
                "time": "time",
                "price": "price",
                "size": "qty",
                "side": "side",
                "id": "uid",
            },
            required=("symbol", "time", "price", "size", "side"),
        ),
        *(
            Message(
                kind="quote",
                name="ticker",
                event=event,
                roles={"symbol": "product_id", "time": "time", **top("bid", "bid_size", "ask", "ask_size")},
                required=("symbol",),
            )
            for event in ("ticker", "ticker_lite")
        ),
    ),
)


def unified(raw: str) -> str:
    """Returns the unified name: `PI_XBTUSD` is BTC/USD:BTC, `FI_..._210924` is dated, `PF_` settles in the quote."""
    found = _NAME.match(raw.upper())
    if found is None:
        return ""
    base = "BTC" if found[1] == "XBT" else found[1]
    quote = "BTC" if found[2] == "XBT" else found[2]
    settle = base if raw[:1].upper() + raw[1:2].upper() in ("PI", "FI") else quote
    return f"{base}/{quote}:{settle}" + (f"-{found[3]}" if found[3] else "")
