"""Binance: depth of one symbol, its changes by stream and its snapshot by request.

Source: developers.binance.com, "How to manage a local order book correctly", read 2026-11: subscribe first, then
request; changes older than the snapshot are dropped, the first valid change covers the snapshot's id, and each change
names the previous one (`pu`; on spot it continues its ids). The core's reader checks that; this module decides when to
request.
"""

from __future__ import annotations

from typing import Final

from onetape import _core
from onetape.model.instrument import Instrument
from onetape.model.time import SECOND
from onetape.orders.calls import Call, Purpose
from onetape.venues.binance.family import USDM_MARKET, PublicMarket
from onetape.venues.binance.market import MARKET
from onetape.venues.depth import TableDepth

__all__ = ["BinanceDepth"]

LEVELS: Final = 1000
ASK_EVERY: Final = SECOND  # between requests of snapshots, while they are too old
SYNCED_WITHIN: Final = 30 * SECOND


class BinanceDepth(TableDepth):
    """Implements `DepthStream`."""

    hello: tuple[bytes, ...] = ()

    def __init__(self, instrument: Instrument, stream: int, address: str, public: PublicMarket = USDM_MARKET) -> None:
        super().__init__(MARKET, instrument.raw_symbol, instrument, stream)
        self.url = f"{address}/ws/{instrument.raw_symbol.lower()}@depth@100ms"
        self._raw, self._public = instrument.raw_symbol, public
        self._has_changes = False
        self._asking = False
        self._ask_at = 0
        self._unsynced_since = 0

    def take(self, message: bytes, received: int, writer: _core.JournalWriter) -> None:
        self.read(message, received, writer)
        self._has_changes = True
        if self.book.synced:
            self._unsynced_since = 0
            return
        self._unsynced_since = self._unsynced_since or received
        if received - self._unsynced_since > SYNCED_WITHIN:
            self.broken = self.broken or "no snapshot fits"

    def question(self, now: int) -> Call | None:
        if self.book.synced or self._asking or not self._has_changes or now < self._ask_at:
            return None
        self._asking, self._ask_at = True, now + ASK_EVERY
        target = f"{self._public.root}/depth?symbol={self._raw}&limit={LEVELS}"
        return Call(Purpose.MARKET, "GET", target, b"", {}, self._public.depth)

    def answered(self, status: int, body: bytes, received: int, writer: _core.JournalWriter) -> None:
        self._asking = False
        if status == 200:
            self.read(body, received, writer)
