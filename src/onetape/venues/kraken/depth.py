"""Kraken spot: depth of one pair over WebSocket v2, which begins with a snapshot. market.py describes the messages and
their checksum; this module subscribes, and decides when to begin again."""

from __future__ import annotations

from typing import Final

import msgspec

from onetape import _core
from onetape.model.instrument import Instrument
from onetape.venues.depth import TableDepth
from onetape.venues.kraken.market import MARKET, name_of

__all__ = ["KrakenDepth"]

LEVELS: Final = 100


class KrakenDepth(TableDepth):
    """Implements `DepthStream`."""

    def __init__(self, instrument: Instrument, stream: int, url: str) -> None:
        super().__init__(MARKET, name_of(instrument), instrument, stream)
        self.url = url
        params = {"channel": "book", "symbol": [name_of(instrument)], "depth": LEVELS}
        self.hello = (msgspec.json.encode({"method": "subscribe", "params": params}),)

    def take(self, message: bytes, received: int, writer: _core.JournalWriter) -> None:
        was_synced = self.book.synced
        self.read(message, received, writer)
        if was_synced and not self.book.synced and not self.broken:
            self.broken = "the book's checksum is wrong"
