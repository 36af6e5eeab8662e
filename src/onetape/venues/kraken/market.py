"""Kraken spot: a live market over WebSocket v2, message by message, for the tape.

`ticker` with the trigger `bbo` gives the top of the book, `trade` the trades. Source:
docs.kraken.com, "WebSocket v2, Ticker" and "Trade", as of 2026-11. A ticker's time is the venue's
where it says one. Snapshots of trades are history and are passed over. Depth: depth.py.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from onetape.model.enums import Side
from onetape.model.errors import OnetapeError
from onetape.model.instrument import Instrument
from onetape.model.time import parse_time
from onetape.venues.gateways import MarketSink, MarketStream
from onetape.venues.kraken.wire import parse
from onetape.venues.numbers import units_of
from onetape.venues.shapes import Shape, ShapeTable, Slot, text, value

__all__ = ["SHAPES", "KrakenMarket"]

# Numbers are JSON numbers. A snapshot of trades is none of these.
SHAPES: Final = (
    Shape(
        "quote",
        "iso",
        {
            "symbol": text("data.symbol"),
            "time": Slot("data.timestamp", "text", False),
            "bid": value("data.bid"),
            "bid_size": value("data.bid_qty"),
            "ask": value("data.ask"),
            "ask_size": value("data.ask_qty"),
        },
        {"channel": '"ticker"'},
        "data",
    ),
    Shape(
        "trade",
        "iso",
        {
            "symbol": text("data.symbol"),
            "time": Slot("data.timestamp", "text", False),
            "price": value("data.price"),
            "size": value("data.qty"),
            "side": text("data.side"),
            "id": value("data.trade_id"),
        },
        {"channel": '"trade"', "type": '"update"'},
        "data",
        buy="buy",
        sell="sell",
    ),
)
_SILENT: Final = frozenset({"heartbeat", "status", "pong"})


class KrakenMarket:
    """A `Market`. What is not known is counted by name."""

    def __init__(self, instruments: Sequence[Instrument], sink: MarketSink, url: str) -> None:
        self._url = url
        self._streams = {f"{i.base}/{i.quote}": (n, i) for n, i in enumerate(instruments, 1)}
        self._sink = sink
        self.unknown: dict[str, int] = {}

    def shape_table(self) -> ShapeTable:
        return ShapeTable(SHAPES, {raw: number for raw, (number, _) in self._streams.items()})

    def streams(self) -> list[MarketStream]:
        symbols = list(self._streams)
        hello = tuple(
            msgspec.json.encode({"method": "subscribe", "params": {**params, "symbol": symbols}})
            for params in (
                {"channel": "ticker", "event_trigger": "bbo", "snapshot": True},
                {"channel": "trade", "snapshot": False},
            )
        )
        return [MarketStream(self._url, hello, most_s=1.0)]  # a heartbeat, where nothing else comes

    def take(self, message: bytes) -> None:
        """One message. Raises nothing: a malformed one is counted."""
        try:
            value = parse(message)
            channel = value.get("channel") or value.get("method") or "no channel"
            if channel == "ticker":
                for row in value["data"]:
                    self._ticker(row)
            elif channel == "trade":
                for row in value["data"] if value["type"] == "update" else ():
                    self._trade(row)
            elif value.get("success") is False:
                self._count(f"refused: {value.get('error')}"[:80])
            elif channel not in _SILENT and channel != "subscribe":
                self._count(str(channel))
        except (
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
            OnetapeError,
            struct.error,  # the sink's, of what is beyond 64 bits
        ):
            self._count("malformed")

    def _ticker(self, row: dict[str, Any]) -> None:
        stream, i = self._streams[row["symbol"]]
        bid, ask = (units_of(row[side], i.price_decimals) for side in ("bid", "ask"))
        if bid <= 0 or ask <= 0:
            return  # one side of the book is empty
        self._sink.quote(
            stream,
            _time(row),
            bid,
            ask,
            units_of(row["bid_qty"], i.size_decimals),
            units_of(row["ask_qty"], i.size_decimals),
            0,
        )

    def _trade(self, row: dict[str, Any]) -> None:
        stream, i = self._streams[row["symbol"]]
        self._sink.trade(
            stream,
            _time(row),
            units_of(row["price"], i.price_decimals),
            units_of(row["qty"], i.size_decimals),
            Side(row["side"]),
            int(row["trade_id"]),
        )

    def _count(self, what: str) -> None:
        self.unknown[what] = self.unknown.get(what, 0) + 1


def _time(row: dict[str, Any]) -> int:
    return parse_time(row["timestamp"]) if row.get("timestamp") else 0
