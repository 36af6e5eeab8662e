"""Binance USD-M: depth of one symbol, its changes by stream and its snapshot by request.

Source: developers.binance.com, "How to manage a local order book correctly", read 2026-11: listen
first, then ask; changes older than the snapshot are dropped, the first that counts straddles it,
and each names the one before (`pu`). The core's book holds to that; here is when to ask.
"""

from __future__ import annotations

from typing import Final

import msgspec

from onetape._core import FLAG_SNAPSHOT
from onetape.model.instrument import Instrument
from onetape.model.time import SECOND
from onetape.orders.calls import Call, Purpose
from onetape.venues.depth import DepthBook, DepthFrame, Level
from onetape.venues.numbers import units_of

__all__ = ["BinanceUsdmDepth"]

LEVELS: Final = 1000
WEIGHT: Final = 20  # of a snapshot of 1000 levels
ASK_EVERY: Final = SECOND  # a snapshot that is too old is asked for again
SYNCED_WITHIN: Final = 30 * SECOND
_MS: Final = 1_000_000


class _Update(msgspec.Struct):
    T: int
    U: int
    u: int
    pu: int
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]


class _Snapshot(msgspec.Struct):
    lastUpdateId: int  # noqa: N815  (the venue's name)
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    T: int = 0


class BinanceUsdmDepth:
    """A `DepthStream`."""

    hello: tuple[bytes, ...] = ()

    def __init__(self, instrument: Instrument, address: str) -> None:
        self.url = f"{address}/public/ws/{instrument.raw_symbol.lower()}@depth@100ms"
        self.broken = ""
        self.book = DepthBook()
        self._instrument = instrument
        self._updates = msgspec.json.Decoder(_Update)
        self._snapshots = msgspec.json.Decoder(_Snapshot)
        self._first = 0  # of the unbroken chain of changes since the last break
        self._last = 0
        self._asking = False
        self._ask_at = 0
        self._unsynced_since = 0

    def take(self, message: bytes, received: int) -> list[DepthFrame]:
        try:
            update = self._updates.decode(message)
            bids, asks = self._levels(update.b), self._levels(update.a)
        except (msgspec.DecodeError, ValueError):
            self.broken = "a message of depth makes no sense"
            return [self.book.lost(received)]
        frame = self.book.frame(
            bids, asks, ts_event=update.T * _MS, received=received, first_id=update.U,
            last_id=update.u, previous_id=update.pu,
        )  # fmt: skip
        if update.pu != self._last:
            self._first = update.U
        self._last = update.u
        if not self.book.synced:
            self._unsynced_since = self._unsynced_since or received
            if received - self._unsynced_since > SYNCED_WITHIN:
                self.broken = "no snapshot fits"
        return [frame]

    def question(self, now: int) -> Call | None:
        if self.book.synced or self._asking or not self._last or now < self._ask_at:
            return None
        self._asking, self._ask_at = True, now + ASK_EVERY
        target = f"/fapi/v1/depth?symbol={self._instrument.raw_symbol}&limit={LEVELS}"
        return Call(Purpose.MARKET, "GET", target, b"", {}, WEIGHT)

    def answered(self, status: int, body: bytes, received: int) -> list[DepthFrame]:
        self._asking = False
        if status != 200:
            return []
        try:
            told = self._snapshots.decode(body)
            bids, asks = self._levels(told.bids), self._levels(told.asks)
        except (msgspec.DecodeError, ValueError):
            self.broken = "a snapshot of depth makes no sense"
            return []
        if told.lastUpdateId + 1 < self._first:  # what came between is not known
            return []
        frame = self.book.frame(
            bids, asks, ts_event=told.T * _MS, received=received, flags=FLAG_SNAPSHOT,
            last_id=told.lastUpdateId,
        )  # fmt: skip
        self._unsynced_since = 0
        return [frame]

    def _levels(self, rows: list[tuple[str, str]]) -> list[Level]:
        price, size = self._instrument.price_decimals, self._instrument.size_decimals
        return [(units_of(p, price), units_of(s, size)) for p, s in rows]
