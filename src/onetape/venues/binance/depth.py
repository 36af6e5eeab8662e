"""Binance USD-M: depth of one symbol, its changes by stream and its snapshot by request.

Source: developers.binance.com, "How to manage a local order book correctly", read 2026-11: listen
first, then ask; changes older than the snapshot are dropped, the first that counts straddles it,
and each names the one before (`pu`). The core's book holds to that; here is when to ask.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from onetape._core import FLAG_SNAPSHOT
from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.model.time import SECOND
from onetape.orders.calls import Call, Purpose
from onetape.venues.depth import DepthBook, DepthFrame, Level
from onetape.venues.numbers import units_of
from onetape.venues.shapes import Shape, ShapeTable, levels, shape_reader, text, value

__all__ = ["BinanceUsdmDepth"]

LEVELS: Final = 1000
WEIGHT: Final = 20  # of a snapshot of 1000 levels
ASK_EVERY: Final = SECOND  # a snapshot that is too old is asked for again
SYNCED_WITHIN: Final = 30 * SECOND
_MS: Final = 1_000_000
_IDS: Final = struct.Struct("<QQQ")  # first, last, previous of a book's payload
_IDS_AT: Final = 16
# As _Update and _levels read it.
SHAPE: Final = Shape(
    "book",
    "ms",
    {
        "symbol": text("s"),
        "time": value("T"),
        "first_id": value("U"),
        "id": value("u"),
        "previous_id": value("pu"),
        "bids": levels("b"),
        "asks": levels("a"),
    },
    {"e": '"depthUpdate"'},
)


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
        self.shaped = shape_reader(ShapeTable((SHAPE,), {instrument.raw_symbol: 1}), [instrument])
        self._first = 0  # of the unbroken chain of changes since the last break
        self._last = 0
        self._asking = False
        self._ask_at = 0
        self._unsynced_since = 0

    def take(self, message: bytes, received: int) -> list[DepthFrame]:
        payload = self.shaped.payload(message, received)
        if payload is not None:
            frame = self.book.told(payload)
            first, last, previous = _IDS.unpack_from(payload, _IDS_AT)
        else:
            try:
                update = read_json(message, self._updates.decode)
                first, last, previous = update.U, update.u, update.pu
                frame = self.book.frame(
                    self._levels(update.b),
                    self._levels(update.a),
                    ts_event=update.T * _MS,
                    received=received,
                    first_id=first,
                    last_id=last,
                    previous_id=previous,
                )
            except (msgspec.DecodeError, ValueError, struct.error):  # the last: beyond 64 bits
                self.broken = "a message of depth makes no sense"
                return [self.book.lost(received)]
            self.shaped.learn(message)
        if previous != self._last:
            self._first = first
        self._last = last
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
            told = read_json(body, self._snapshots.decode)
            bids, asks = self._levels(told.bids), self._levels(told.asks)
            if told.lastUpdateId + 1 < self._first:  # what came between is not known
                return []
            frame = self.book.frame(
                bids, asks, ts_event=told.T * _MS, received=received, flags=FLAG_SNAPSHOT, last_id=told.lastUpdateId
            )
        except (msgspec.DecodeError, ValueError, struct.error):
            self.broken = "a snapshot of depth makes no sense"
            return []
        self._unsynced_since = 0
        return [frame]

    def _levels(self, rows: list[tuple[str, str]]) -> list[Level]:
        price, size = self._instrument.price_decimals, self._instrument.size_decimals
        return [(units_of(p, price), units_of(s, size)) for p, s in rows]
