"""Kraken's spot market messages, WebSocket v2: channels `book`, `ticker`, `trade`.

A message is {channel, type, data: [rows]}; prices and sizes are JSON numbers. A book is cut to the
depth that was listened to after each message, and carries a CRC-32 over the ten best asks, then
bids: digits of price and size without point and leading zeros, at the pair's decimals. The messages
do not say these: they are the most that were written so far, which is right whether or not trailing
zeros are sent. Source: docs.kraken.com, "WebSocket v2, Book", "Book checksum v2", "Ticker" and
"Trade", read 2026-11.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final
from zlib import crc32

from onetape.venues.checksum_book import TextSide
from onetape.venues.kraken.protocol import unified
from onetape.venues.market_decoder import NONE, SIDES, DepthState, MarketOut, iso_ns

__all__ = ["Decoder", "unified"]

CHECKED_LEVELS: Final = 10
DEPTHS: Final = (10, 25, 100, 500, 1000)  # that can be listened to
ZERO: Final = "0"


def _pair(price: str, size: str) -> str:
    return f"{price} {size}"


def _plain(number: object) -> str:
    """As written, without an exponent."""
    text = str(number)
    if "e" not in text and "E" not in text:
        return text
    value = Decimal(text)
    if abs(value.adjusted()) > 40:
        raise ValueError("a number out of range")
    return format(value, "f")


def _side(price: Any, size: Any) -> tuple[Any, Any]:
    """An empty side has no price."""
    return (price, size) if price is not None and float(price) else (None, None)


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


def _digits(text: str, decimals: int) -> str:
    whole, _, rest = text.partition(".")
    return (whole + rest.ljust(decimals, "0")).lstrip("0")


class _Book:
    __slots__ = ("asks", "bids", "depth", "price_decimals", "size_decimals", "state")

    def __init__(self) -> None:
        self.bids = TextSide(is_bids=True)
        self.asks = TextSide(is_bids=False)
        self.state = DepthState()
        self.depth = 0  # 0: not said yet
        self.price_decimals = self.size_decimals = 0

    def levels(self, rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
        found = [(_plain(row["price"]), _plain(row["qty"])) for row in rows]
        for price, size in found:
            self.price_decimals = max(self.price_decimals, _decimals(price))
            self.size_decimals = max(self.size_decimals, _decimals(size))
        return found

    def checksum(self) -> int:
        texts = self.asks.best(CHECKED_LEVELS) + self.bids.best(CHECKED_LEVELS)
        digits: list[str] = []
        for text in texts:
            price, _, size = text.partition(" ")
            digits += _digits(price, self.price_decimals), _digits(size, self.size_decimals)
        return crc32("".join(digits).encode())


class Decoder:
    """Kraken spot v2 messages. See MarketDecoder."""

    def __init__(self, out: MarketOut, *, checks: bool = True) -> None:
        self._out = out
        self._checks = checks
        self._books: dict[str, _Book] = {}

    def connected(self) -> None:
        for book in self._books.values():
            book.state.reconnected()

    def decode(self, message: Any) -> None:
        channel = message.get("channel")
        if channel is None:
            self._answer(message)
        elif channel == "book":
            for row in message["data"]:
                self._depth(row, is_snapshot=message["type"] == "snapshot")
        elif channel == "trade":
            for row in message["data"]:
                if message["type"] == "update":
                    self._trade(row)
                else:  # the last trades before we came
                    self._out.pass_over("trade snapshot")
        elif channel == "ticker":
            for row in message["data"]:
                self._quote(row)
        else:  # candles have no last word here: `ohlc` tells the running one
            self._out.pass_over(str(channel))

    def _answer(self, message: dict[str, Any]) -> None:
        result = message.get("result")
        if isinstance(result, dict) and result.get("channel") == "book" and "depth" in result:
            self._book(result["symbol"]).depth = int(result["depth"])
        self._out.pass_over(str(message.get("method", "unnamed")))

    def _book(self, raw: str) -> _Book:
        book = self._books.get(raw)
        if book is None:
            book = self._books[raw] = _Book()
        return book

    def _quote(self, row: dict[str, Any]) -> None:
        bid, bid_size = _side(row["bid"], row["bid_qty"])
        ask, ask_size = _side(row["ask"], row["ask_qty"])
        stamp = iso_ns(row.get("timestamp"))
        self._out.quote(row["symbol"], stamp, bid, bid_size, ask, ask_size)

    def _trade(self, row: dict[str, Any]) -> None:
        self._out.trade(
            row["symbol"],
            iso_ns(row["timestamp"]),
            row["price"],
            row["qty"],
            SIDES.get(row["side"], NONE),
            row.get("trade_id"),
        )

    def _depth(self, row: dict[str, Any], *, is_snapshot: bool) -> None:
        raw = row["symbol"]
        book = self._book(raw)
        try:
            bids, asks = book.levels(row["bids"]), book.levels(row["asks"])
            if is_snapshot:
                book.bids.clear()
                book.asks.clear()
                most = max(len(bids), len(asks))
                if book.depth < most:  # nobody said: the least that could have been asked for
                    book.depth = next((depth for depth in DEPTHS if depth >= most), most)
            fits = True
            if self._checks:
                for side, levels in ((book.bids, bids), (book.asks, asks)):
                    side.apply(levels, _pair)
                    # What the venue no longer follows is no level of ours either.
                    if book.depth and len(side) > book.depth:
                        levels += [(price, ZERO) for price in side.beyond(book.depth)]
                fits = "checksum" not in row or int(row["checksum"]) == book.checksum()
        except BaseException:
            book.state.lost()
            raise
        flags = book.state.snapshot() if is_snapshot else 0
        if not is_snapshot or not fits:
            flags |= book.state.change(fits=fits)
        stamp = iso_ns(row.get("timestamp"))
        if not self._out.book(raw, stamp, flags, 0, 0, bids, asks):
            book.state.lost()
