"""OKX's market messages, v5 of the public streams: channels `books`, `tickers`, `trades`.

Every message of `books` carries a CRC-32 over the best 25 levels of both sides, alternating (bid, ask, bid, ...) and in
the venue's notation; newer ones also name the previous message (`prevSeqId`, -1 before the first). `books5` is
snapshots only. Source: OKX API v5 documentation, "WebSocket / Order book channel", read 2026-11. Times are
milliseconds; prices and sizes are decimal strings, sizes of contracts.
"""

from __future__ import annotations

from typing import Final

from onetape.venues.protocol_table import Message, Protocol, top

_ROW: Final = {"symbol": "arg.instId", "time": "data.ts"}
_BOOK: Final = {**_ROW, "bids": "data.bids", "asks": "data.asks", "last_id": "data.seqId"}

MARKET: Final = Protocol(
    event_path="arg.channel",
    answer_path="event",
    rows=("data",),
    checksum="turns",
    messages=(
        *(
            Message(
                kind="checked_book",
                event=event,
                roles={**_BOOK, "action": "action", "previous_id": "data.prevSeqId", "checksum": "data.checksum"},
                required=("symbol", "time", "action", "bids", "asks"),
                whole="snapshot",
            )
            for event in ("books", "books-l2-tbt", "books50-l2-tbt")
        ),
        Message(
            kind="checked_book",
            event="books5",
            roles=_BOOK,
            required=("symbol", "time", "bids", "asks"),
            whole="snapshot",
        ),
        Message(
            kind="trade",
            event="trades",
            roles={**_ROW, "price": "data.px", "size": "data.sz", "side": "data.side", "id": "data.tradeId"},
            required=("symbol", "time", "price", "size", "side", "id"),
        ),
        Message(
            kind="quote",
            event="tickers",
            roles={**_ROW, **top("data.bidPx", "data.bidSz", "data.askPx", "data.askSz")},
            required=("symbol", "time"),
        ),
    ),
)


def unified(raw: str) -> str:
    """Returns the unified name: `BTC-USDT` is spot, `-SWAP` perpetual, `-220527` dated; a USD quote is inverse."""
    parts = raw.split("-")
    if not 2 <= len(parts) <= 3 or not all(parts):
        return ""
    base, quote = parts[:2]
    if len(parts) == 2:
        return f"{base}/{quote}"
    settle = base if quote == "USD" else quote
    if parts[2] == "SWAP":
        return f"{base}/{quote}:{settle}"
    return f"{base}/{quote}:{settle}-{parts[2]}" if parts[2].isdigit() else ""
