"""BitMEX's market messages: tables `orderBookL2`, `quote`, `trade` and `instrument`; and a live market of them.

Levels have an id, and their price comes once, with the partial or the insert: the reader remembers it. Sizes are
contracts. A partial of trades repeats the last one before the subscription. Source: BitMEX API documentation,
"WebSocket API", read 2026-11.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from onetape.model.instrument import Instrument
from onetape.venues.depth import TableDepth
from onetape.venues.live_market import LiveMarket, MarketStream
from onetape.venues.protocol_table import Message, Protocol, top

__all__ = ["MARKET", "BitmexDepth", "hello_of", "live_market", "unified"]

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
        Message(
            kind="mark",
            event="instrument",
            roles={
                **_ROW,
                "mark": "data.markPrice",
                "index": "data.indicativeSettlePrice",
                "rate": "data.fundingRate",
                "predicted": "data.indicativeFundingRate",
                "funding_time": "data.fundingTimestamp",
            },
            required=("symbol", "time", "mark"),
        ),
        Message(kind="refusal", name="refused", event="", roles={"error": "error"}, required=("error",)),
    ),
)


def unified(raw: str) -> str:
    """Returns the unified name of an instrument that is in no catalogue, "" if its raw name is ambiguous: most of
    BitMEX's settle in bitcoin, whatever their quote."""
    return ""


def hello_of(*topics: str) -> bytes:
    return msgspec.json.encode({"op": "subscribe", "args": topics})


def live_market(instruments: Sequence[Instrument], url: str, numbers: Sequence[int] = ()) -> LiveMarket:
    raws = [i.raw_symbol for i in instruments]
    topics = [f"{table}:{raw}" for table in ("quote", "trade", "instrument") for raw in raws]
    stream = MarketStream(url, (hello_of(*topics),), confirmed_by=b'"success":true', confirmations=len(topics))
    return LiveMarket(MARKET, zip(raws, instruments, strict=True), [stream], numbers)


class BitmexDepth(TableDepth):
    """Implements `DepthStream`."""

    def __init__(self, instrument: Instrument, stream: int, url: str) -> None:
        super().__init__(MARKET, instrument.raw_symbol, instrument, stream)
        self.url = url
        self.hello = (hello_of(f"orderBookL2:{instrument.raw_symbol}"),)
        self.take = self.read
