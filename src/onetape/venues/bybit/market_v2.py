"""Bybit's market messages, v2 of the public streams: topics `orderBookL2_25`, `orderBook_200`, `trade`.

Levels carry their price with every change; the id is the price in another notation. `cross_seq` counts the venue's
engine, for all its instruments: it orders messages and shows no gap. Source: Bybit API documentation v2, "WebSocket
Data", as kept by public archives, read 2026-11.
"""

from __future__ import annotations

from typing import Final

from onetape.venues.protocol_table import Message, Protocol

_LEVEL: Final = {"side": "data.side", "price": "data.price", "size": "data.size"}

MARKET: Final = Protocol(
    event_path="topic",
    separator=".",
    rows=("data", "data.order_book", "data.delete", "data.update", "data.insert"),
    messages=(
        *(
            Message(
                kind="checked_book",
                event=event,
                roles={**_LEVEL, "id": "data.id", "action": "type", "time": "timestamp_e6", "sequence": "cross_seq"},
                required=("action", "side", "price", "id"),
                whole="snapshot",
            )
            for event in ("orderBookL2_25", "orderBook_200")
        ),
        Message(
            kind="trade",
            event="trade",
            roles={
                **_LEVEL,
                "symbol": "data.symbol",
                "time": "data.trade_time_ms",
                "time_fallback": "data.timestamp",
                "id": "data.trade_id",
            },
            required=("symbol", "price", "size", "side"),
        ),
    ),
)


def unified(raw: str) -> str:
    """Returns the unified name: `BTCUSDT` is linear, `BTCUSD` inverse; dated contracts need a catalogue."""
    for quote in ("USDT", "USDC"):
        if raw.endswith(quote) and raw[: -len(quote)].isalnum():
            return f"{raw[: -len(quote)]}/{quote}:{quote}"
    if raw.endswith("USD") and raw[:-3].isalnum():
        return f"{raw[:-3]}/USD:{raw[:-3]}"
    return ""
