"""Kraken spot: depth of one pair over WebSocket v2, held to the venue's checksum.

Source: docs.kraken.com, "WebSocket v2, Book" and "Book checksum v2", read 2026-11: a snapshot comes
first, then changes; all levels of a message are applied, size 0 takes one away, what lies beyond
the depth that is listened to is cut off, and a CRC-32 over the ten best asks, then bids, each price
and size as digits without point and leading zeros, must agree.
"""

from __future__ import annotations

import struct
from typing import Any, Final
from zlib import crc32

import msgspec

from onetape._core import FLAG_SNAPSHOT
from onetape.model.errors import OnetapeError
from onetape.model.instrument import Instrument
from onetape.model.time import parse_time
from onetape.orders.calls import Call
from onetape.venues.depth import DepthBook, DepthFrame, Level
from onetape.venues.kraken.wire import parse
from onetape.venues.numbers import units_of

__all__ = ["KrakenDepth"]

LEVELS: Final = 100
CHECKED: Final = 10


class KrakenDepth:
    """A `DepthStream`."""

    def __init__(self, instrument: Instrument, url: str) -> None:
        self.url = url
        self.broken = ""
        self.book = DepthBook()
        self._instrument = instrument
        self._symbol = f"{instrument.base}/{instrument.quote}"
        params = {"channel": "book", "symbol": [self._symbol], "depth": LEVELS}
        self.hello = (msgspec.json.encode({"method": "subscribe", "params": params}),)

    def take(self, message: bytes, received: int) -> list[DepthFrame]:
        try:
            value = parse(message)
            if value.get("success") == "False" or value.get("success") is False:
                self.broken = f"refused: {value.get('error')}"[:120]
                return []
            if value.get("channel") != "book":
                return []
            is_snapshot = value["type"] == "snapshot"
            rows = [row for row in value["data"] if row["symbol"] == self._symbol]
            frames = [self._apply(row, received, is_snapshot=is_snapshot) for row in rows]
        except (
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
            OnetapeError,
            struct.error,  # beyond 64 bits
        ):
            self.broken = "a message of depth makes no sense"
            return [self.book.lost(received)]
        if self.broken:
            frames.append(self.book.lost(received))
        return frames

    def question(self, now: int) -> Call | None:
        del now  # the snapshot comes by itself
        return None

    def answered(self, status: int, body: bytes, received: int) -> list[DepthFrame]:
        return []

    def _apply(self, row: dict[str, Any], received: int, *, is_snapshot: bool) -> DepthFrame:
        bids, asks = self._levels(row["bids"]), self._levels(row["asks"])
        if not is_snapshot:
            bids += self._beyond(self.book.book.bids(2 * LEVELS), bids, is_bids=True)
            asks += self._beyond(self.book.book.asks(2 * LEVELS), asks, is_bids=False)
        frame = self.book.frame(
            bids,
            asks,
            ts_event=parse_time(row["timestamp"]) if row.get("timestamp") else 0,
            received=received,
            flags=FLAG_SNAPSHOT if is_snapshot else 0,
        )
        if self.book.synced and str(row["checksum"]) != self._checksum():
            self.broken = "the book's checksum does not agree"
        return frame

    def _beyond(self, known: list[Level], changes: list[Level], *, is_bids: bool) -> list[Level]:
        """Levels that the changes push out of the depth that is listened to."""
        after = dict(known)
        for price, size in changes:
            if size:
                after[price] = size
            else:
                after.pop(price, None)
        return [(price, 0) for price in sorted(after, reverse=is_bids)[LEVELS:]]

    def _checksum(self) -> str:
        book = self.book.book
        levels = book.asks(CHECKED) + book.bids(CHECKED)
        return str(crc32("".join(f"{price}{size}" for price, size in levels).encode()))

    def _levels(self, rows: list[dict[str, str]]) -> list[Level]:
        price, size = self._instrument.price_decimals, self._instrument.size_decimals
        return [(units_of(row["price"], price), units_of(row["qty"], size)) for row in rows]
