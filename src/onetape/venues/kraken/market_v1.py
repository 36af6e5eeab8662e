"""Kraken's spot market messages, WebSocket v1: channels `book-N`, `ticker`, `spread`, `trade`.

A message is [channel, payload, (payload,) name, pair]. The book is cut to its depth N after each message, and the
message carries a CRC-32 over the ten best asks, then bids, without points and leading zeros. Source: Kraken WebSockets
API v1 documentation, "Book checksum", read 2026-11. Times are seconds with microseconds, as text; a ticker has none.
"""

from __future__ import annotations

from typing import Final

from onetape.venues.protocol_table import Message, Protocol, top

MARKET: Final = Protocol(
    event_path="name",
    separator="-",
    answer_path="event",
    texts=("name", "pair"),
    rows=("list",),
    checksum="digits",
    messages=(
        Message(
            kind="checked_book",
            event="book",
            roles={"symbol": "pair", "bids": "bs", "asks": "as"},
            required=("symbol", "bids", "asks"),
            whole="snapshot",
        ),
        Message(
            kind="checked_book",
            event="book",
            roles={"symbol": "pair", "bids": "b", "asks": "a", "checksum": "c"},
            required=("symbol",),
        ),
        Message(
            kind="trade",
            event="trade",
            roles={"symbol": "pair", "price": "list.0", "size": "list.1", "time": "list.2", "side": "list.3"},
            required=("symbol", "price", "size", "time", "side"),
        ),
        Message(
            kind="quote",
            event="spread",
            roles={"symbol": "pair", "time": "list.2", **top("list.0", "list.3", "list.1", "list.4")},
            required=("symbol", "bid", "ask", "time", "bid_size", "ask_size"),
        ),
        Message(  # each side is [price, whole lots, lots]
            kind="quote",
            event="ticker",
            roles={"symbol": "pair", **top("b.0", "b.2", "a.0", "a.2")},
            required=("symbol", "bid", "bid_size", "ask", "ask_size"),
        ),
    ),
)


def unified(raw: str) -> str:
    """Returns the unified name: `XBT/USD` is BTC/USD."""
    base, slash, quote = raw.partition("/")
    if not slash or not base or not quote:
        return ""
    ours = {"XBT": "BTC", "XDG": "DOGE"}
    return f"{ours.get(base, base)}/{ours.get(quote, quote)}"
