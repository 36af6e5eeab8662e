"""Kraken's spot market messages, WebSocket v1: channels `book-N`, `ticker`, `spread`, `trade`.

A message is [channel, payload, (payload,) name, pair]. The book is cut to its depth N after each
message, and the message carries a CRC-32 over the ten best asks, then bids, points and leading
zeros left out. Source: Kraken WebSockets API v1 documentation, "Book checksum", read 2026-11.
Times are seconds with microseconds, as text.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

from onetape.venues.checksum_book import TextSide
from onetape.venues.market_decoder import NONE, SIDES, DepthState, MalformedError, MarketOut, seconds_ns

CHECKED_LEVELS = 10
ZERO = "0"


def _text(price: str, size: str) -> str:
    return price.replace(".", "").lstrip("0") + size.replace(".", "").lstrip("0")


class _Book:
    __slots__ = ("asks", "bids", "state")

    def __init__(self) -> None:
        self.bids = TextSide(is_bids=True)
        self.asks = TextSide(is_bids=False)
        self.state = DepthState()

    def clear(self) -> None:
        self.bids.clear()
        self.asks.clear()

    def checksum(self) -> str:
        texts = self.asks.best(CHECKED_LEVELS) + self.bids.best(CHECKED_LEVELS)
        return str(crc32("".join(texts).encode()))


class Decoder:
    """Kraken spot v1 messages. See MarketDecoder."""

    def __init__(self, out: MarketOut, *, checks: bool = True) -> None:
        self._out = out
        self._checks = checks
        self._books: dict[str, _Book] = {}
        self._quotes: dict[str, str] = {}  # the first channel that gave quotes: others repeat it

    def connected(self) -> None:
        for book in self._books.values():
            book.state.reconnected()

    def decode(self, message: Any) -> None:
        if isinstance(message, dict):
            self._out.pass_over(str(message.get("event", "unnamed")))
            return
        name, raw = message[-2], message[-1]
        if not isinstance(name, str) or not isinstance(raw, str):
            raise MalformedError("the message names no channel and pair")
        if name.startswith("book"):
            self._depth(raw, name, message[1:-2])
        elif name == "trade":
            for row in message[1]:
                side = SIDES.get(row[3], NONE)
                self._out.trade(raw, seconds_ns(row[2]), row[0], row[1], side, None)
        elif name in ("ticker", "spread"):
            self._quote(raw, name, message[1])
        else:
            self._out.pass_over(name)

    def _quote(self, raw: str, name: str, body: Any) -> None:
        if self._quotes.setdefault(raw, name) != name:
            self._out.pass_over(f"{name} beside {self._quotes[raw]}")
        elif name == "spread":
            bid, ask, stamp, bid_size, ask_size = body[:5]
            self._out.quote(raw, seconds_ns(stamp), bid, bid_size, ask, ask_size)
        else:  # [price, whole lots, lots]; a ticker has no time
            bid, ask = body["b"], body["a"]
            self._out.quote(raw, 0, bid[0], bid[2], ask[0], ask[2])

    def _depth(self, raw: str, name: str, bodies: list[Any]) -> None:
        book = self._books.get(raw)
        if book is None:
            book = self._books[raw] = _Book()
        bids: list[Any] = []
        asks: list[Any] = []
        checksum, is_snapshot = None, False
        try:
            depth = int(name.partition("-")[2] or 10)
            for body in bodies:
                if "as" in body or "bs" in body:
                    is_snapshot = True
                    book.clear()
                for key, side, levels in (
                    ("as", book.asks, asks),
                    ("bs", book.bids, bids),
                    ("a", book.asks, asks),
                    ("b", book.bids, bids),
                ):
                    rows = body.get(key)
                    if rows:
                        if self._checks:
                            side.apply(rows, _text)
                        levels += rows
                checksum = body.get("c", checksum)
            stamp = max([row[2] for row in bids + asks], default="")
            # What the venue no longer follows is no level of ours either.
            for side, levels in ((book.asks, asks), (book.bids, bids)):
                if len(side) > depth:
                    levels += [(price, ZERO) for price in side.beyond(depth)]
            fits = not self._checks or checksum is None or checksum == book.checksum()
        except BaseException:
            book.state.lost()
            raise
        flags = book.state.snapshot() if is_snapshot else 0
        if not is_snapshot or not fits:
            flags |= book.state.change(fits=fits)
        ts_event = seconds_ns(stamp) if stamp else 0
        if not self._out.book(raw, ts_event, flags, 0, 0, bids, asks):
            book.state.lost()


def unified(raw: str) -> str:
    """`XBT/USD` is BTC/USD."""
    base, slash, quote = raw.partition("/")
    if not slash or not base or not quote:
        return ""
    ours = {"XBT": "BTC", "XDG": "DOGE"}
    return f"{ours.get(base, base)}/{ours.get(quote, quote)}"
