"""OKX's market messages, v5 of the public streams: channels `books`, `tickers`, `trades`.

Every message of `books` carries a CRC-32 over the best 25 levels of both sides, taken in turns
(bid, ask, bid, ...) and written as the venue writes them; newer ones also name the message before
them (`prevSeqId`). Source: OKX API v5 documentation, "WebSocket / Order book channel", read
2026-11. Times are milliseconds; prices and sizes are decimal strings, sizes of contracts.
"""

from __future__ import annotations

from itertools import chain
from typing import Any
from zlib import crc32

from onetape.venues.checksum_book import TextSide
from onetape.venues.market_decoder import NONE, SIDES, DepthState, MarketOut, ms_ns

CHECKED_LEVELS = 25
DEPTH_CHANNELS = ("books", "books-l2-tbt", "books50-l2-tbt")


def _text(price: str, size: str) -> str:
    return f"{price}:{size}"


class _Book:
    __slots__ = ("asks", "bids", "state")

    def __init__(self) -> None:
        self.bids = TextSide(is_bids=True)
        self.asks = TextSide(is_bids=False)
        self.state = DepthState()

    def clear(self) -> None:
        self.bids.clear()
        self.asks.clear()

    def apply(self, bids: list[Any], asks: list[Any]) -> None:
        self.bids.apply(bids, _text)
        self.asks.apply(asks, _text)

    def checksum(self) -> int:
        """As the venue sends it: a signed 32-bit integer."""
        bids, asks = self.bids.best(CHECKED_LEVELS), self.asks.best(CHECKED_LEVELS)
        both = min(len(bids), len(asks))
        turns = [*chain.from_iterable(zip(bids, asks, strict=False)), *bids[both:], *asks[both:]]
        found = crc32(":".join(turns).encode())
        return found - (1 << 32) if found >= 1 << 31 else found


class Decoder:
    """OKX v5 messages. See MarketDecoder."""

    def __init__(self, out: MarketOut, *, checks: bool = True) -> None:
        self._out = out
        self._checks = checks
        self._books: dict[str, _Book] = {}

    def connected(self) -> None:
        for book in self._books.values():
            book.state.reconnected()

    def decode(self, message: Any) -> None:
        if "data" not in message:
            self._out.pass_over(str(message.get("event", "unnamed")))
            return
        channel, raw = message["arg"]["channel"], message["arg"]["instId"]
        if channel in DEPTH_CHANNELS:
            for row in message["data"]:
                self._depth(raw, row, is_snapshot=message["action"] == "snapshot")
        elif channel == "books5":
            for row in message["data"]:
                self._out.book(
                    raw,
                    ms_ns(row["ts"]),
                    DepthState().snapshot(),
                    int(row.get("seqId") or 0),
                    0,
                    row["bids"],
                    row["asks"],
                )
        elif channel == "trades":
            for row in message["data"]:
                number = row["tradeId"]
                self._out.trade(
                    row.get("instId", raw),
                    ms_ns(row["ts"]),
                    row["px"],
                    row["sz"],
                    SIDES.get(row["side"], NONE),
                    int(number) if number.isdigit() else number,
                )
        elif channel == "tickers":
            for row in message["data"]:
                self._out.quote(
                    row.get("instId", raw),
                    ms_ns(row["ts"]),
                    row.get("bidPx"),
                    row.get("bidSz"),
                    row.get("askPx"),
                    row.get("askSz"),
                )
        else:
            self._out.pass_over(str(channel))

    def _depth(self, raw: str, row: dict[str, Any], *, is_snapshot: bool) -> None:
        book = self._books.get(raw)
        if book is None:
            book = self._books[raw] = _Book()
        bids, asks = row["bids"], row["asks"]
        number, before = int(row.get("seqId") or 0), int(row.get("prevSeqId") or 0)
        last_id = book.state.last_id
        try:
            fits = True
            if self._checks:
                if is_snapshot:
                    book.clear()
                book.apply(bids, asks)
                fits = "checksum" not in row or row["checksum"] == book.checksum()
        except BaseException:
            book.state.lost()
            raise
        if is_snapshot:
            flags = book.state.snapshot(number)
            if not fits:  # a snapshot that is not what it says is none to stand on
                flags |= book.state.change(fits=False, last_id=number)
        else:
            if before > 0 and last_id > 0:
                fits = fits and before == last_id
            flags = book.state.change(fits=fits, last_id=number or last_id)
        stamp = ms_ns(row["ts"])
        if not self._out.book(raw, stamp, flags, number, max(before, 0), bids, asks):
            book.state.lost()


def unified(raw: str) -> str:
    """`BTC-USDT` is spot, `-SWAP` perpetual, `-220527` dated; what is quoted in USD is inverse."""
    parts = raw.split("-")
    if not 2 <= len(parts) <= 3 or not all(parts):
        return ""
    base, quote = parts[:2]
    if len(parts) == 2:
        return f"{base}/{quote}"
    settle = base if quote == "USD" else quote
    if parts[2] == "SWAP":
        return f"{base}/{quote}:{settle}"
    return f"{base}/{quote}:{settle}-{parts[2]}" if parts[2].isdigit() else ""
