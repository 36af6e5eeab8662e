"""Kraken's book channel: a client's view at a depth, its changes, and the checksum.

A client keeps the best `depth` levels of each side: it applies a message and cuts off deeper ones. The checksum is
the CRC-32 over the ten best asks, then the ten best bids, price and size with all decimals, without points and
leading zeros. Source: docs.kraken.com "Book checksum (v2)", as of 2026-11.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any, Final

from onetape.exchange.exchange import SimExchange
from onetape.exchange.kraken.wire import number, price_text, rfc3339, size_text
from onetape.model.enums import Side
from onetape.model.instrument import Instrument

__all__ = ["DEPTHS", "BookView", "checksum"]

DEPTHS: Final = (10, 25, 100, 500, 1000)
CHECKED: Final = 10

Levels = list[tuple[int, int]]


def checksum(instrument: Instrument, bids: Levels, asks: Levels) -> int:
    """Returns the checksum. bids, asks: (price, size), best first."""
    text = "".join(
        price_text(instrument, price).replace(".", "").lstrip("0")
        + size_text(instrument, size).replace(".", "").lstrip("0")
        for price, size in asks[:CHECKED] + bids[:CHECKED]
    )
    return zlib.crc32(text.encode())


def changes(before: dict[int, int], after: Levels, depth: int, side: Side) -> Levels:
    """Returns the changes that turn a client's view `before` into `after`. The client itself cuts off levels beyond its
    depth. Removals come first: otherwise a client that cuts after every level instead of every message would lose a
    level that has just come into view."""
    now = dict(after)
    gone = []
    for price in before:
        if price not in now:
            is_beyond = len(after) >= depth and (price < after[-1][0] if side is Side.BUY else price > after[-1][0])
            if not is_beyond:
                gone.append((price, 0))
    return gone + [(price, size) for price, size in after if before.get(price) != size]


@dataclass(slots=True)
class BookView:
    """The book view shared by all clients of one depth of one pair."""

    exchange: SimExchange
    index: int
    symbol: str
    depth: int
    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)

    def _levels(self) -> tuple[Levels, Levels]:
        bids = self.exchange.board.levels(self.index, Side.BUY, self.depth)
        asks = self.exchange.board.levels(self.index, Side.SELL, self.depth)
        return bids, asks

    def snapshot(self, now: int) -> dict[str, Any]:
        """Returns the clients' present view; call `update` before."""
        bids = sorted(self.bids.items(), reverse=True)
        return self._message("snapshot", bids, sorted(self.asks.items()), now)

    def update(self, now: int) -> dict[str, Any] | None:
        """Returns the message with the changes since the last call; None: nothing has changed."""
        bids, asks = self._levels()
        levels = (changes(self.bids, bids, self.depth, Side.BUY), changes(self.asks, asks, self.depth, Side.SELL))
        self.bids, self.asks = dict(bids), dict(asks)
        if not levels[0] and not levels[1]:
            return None
        return self._message("update", *levels, now)

    def _message(self, kind: str, bids: Levels, asks: Levels, now: int) -> dict[str, Any]:
        i = self.exchange.instruments[self.index]
        best = sorted(self.bids.items(), reverse=True), sorted(self.asks.items())
        data: dict[str, Any] = {
            "symbol": self.symbol,
            "bids": [_level(i, each) for each in bids],
            "asks": [_level(i, each) for each in asks],
            "checksum": checksum(i, *best),
            "timestamp": rfc3339(now),
        }
        return {"channel": "book", "type": kind, "data": [data]}


def _level(instrument: Instrument, level: tuple[int, int]) -> dict[str, Any]:
    price, size = level
    return {"price": number(price_text(instrument, price)), "qty": number(size_text(instrument, size))}
