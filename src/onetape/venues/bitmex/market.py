"""BitMEX's market messages: tables `orderBookL2`, `quote` and `trade`.

Levels have an id, and their price comes once, with the partial or the insert: the reader remembers
it. Sizes are contracts. A partial of trades repeats the last one before we came. Source: BitMEX API
documentation, "WebSocket API", read 2026-11.
"""

from __future__ import annotations

from typing import Final

from onetape.venues.protocol_table import Message, Protocol, top

_ROW: Final = {"symbol": "data.symbol", "time": "data.timestamp"}
_TAKEN: Final = {"side": "data.side", "price": "data.price", "size": "data.size"}

MARKET: Final = Protocol(
    event_path="table",
    rows=("data",),
    messages=(
        *(
            Message(
                kind="checked_book",
                name="book",
                event=event,
                roles={**_ROW, **_TAKEN, "symbol_fallback": "filter.symbol", "action": "action", "id": "data.id"},
                required=("symbol", "action", "side", "id"),
                whole="partial",
            )
            for event in ("orderBookL2", "orderBookL2_25")
        ),
        Message(
            kind="trade",
            event="trade",
            roles={**_ROW, **_TAKEN, "id": "data.trdMatchID"},
            required=("symbol", "time", "price", "size"),
            only=("action", "insert"),
        ),
        Message(
            kind="quote",
            event="quote",
            roles={**_ROW, **top("data.bidPrice", "data.bidSize", "data.askPrice", "data.askSize")},
            required=("symbol",),
        ),
    ),
)


def unified(raw: str) -> str:
    """Returns the unified name of an instrument that no catalogue knows, "" where its name does not say: most of
    BitMEX's settle in bitcoin whatever they are quoted in."""
    return ""
