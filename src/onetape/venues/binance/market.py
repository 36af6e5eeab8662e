"""Binance USD-M: a live market, message by message, for the tape.

Public data (top of the book) and market data (trades, marks) come on two connections since
2026-04-23; sources as in protocol.py. Depth has connections of its own: depth.py.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

import msgspec

from onetape.model.enums import Side
from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.venues.gateways import MarketSink, MarketStream
from onetape.venues.numbers import units_of
from onetape.venues.shapes import Shape, ShapeTable, text, value

__all__ = ["SHAPES", "BinanceUsdmMarket"]

_MS = 1_000_000

# As the classes below read them.
SHAPES: Final = (
    Shape(
        "quote",
        "ms",
        {
            "symbol": text("s"),
            "time": value("T"),
            "bid": text("b"),
            "bid_size": text("B"),
            "ask": text("a"),
            "ask_size": text("A"),
            "id": value("u"),
        },
        {"e": '"bookTicker"'},
    ),
    Shape(
        "trade",
        "ms",
        {
            "symbol": text("s"),
            "time": value("T"),
            "price": text("p"),
            "size": text("q"),
            "side": value("m"),
            "id": value("a"),
        },
        {"e": '"aggTrade"'},
        buy="false",
        sell="true",
    ),
    Shape(
        "mark",
        "ms",
        {"symbol": text("s"), "time": value("E"), "mark": text("p"), "index": text("i")},
        {"e": '"markPriceUpdate"'},
    ),
)


class _Ticker(msgspec.Struct):
    s: str
    b: str
    B: str
    a: str
    A: str
    T: int
    u: int


class _Trade(msgspec.Struct):
    s: str
    p: str
    q: str
    m: bool
    T: int
    a: int


class _Mark(msgspec.Struct):
    s: str
    p: str
    i: str
    E: int


class BinanceUsdmMarket:
    """Reads both connections. What is not known is counted by name."""

    def __init__(self, instruments: Sequence[Instrument], sink: MarketSink, address: str = "") -> None:
        self._address = address
        self._streams = {i.raw_symbol: (n, i) for n, i in enumerate(instruments, 1)}
        self._sink = sink
        self._kind = msgspec.json.Decoder(dict[str, msgspec.Raw])
        self._ticker = msgspec.json.Decoder(_Ticker)
        self._trade = msgspec.json.Decoder(_Trade)
        self._mark = msgspec.json.Decoder(_Mark)
        self.unknown: dict[str, int] = {}

    def shape_table(self) -> ShapeTable:
        return ShapeTable(SHAPES, {raw: number for raw, (number, _) in self._streams.items()})

    def streams(self) -> list[MarketStream]:
        """One for each category. Marks come each second."""
        public, market = (self._address + path for path in self.paths())
        return [MarketStream(public), MarketStream(market, most_s=1.0)]

    def paths(self) -> list[str]:
        """Where to connect: one address for each category."""
        low = [raw.lower() for raw in self._streams]
        public = "/".join(f"{raw}@bookTicker" for raw in low)
        market = "/".join(f"{raw}@aggTrade/{raw}@markPrice@1s" for raw in low)
        return [f"/public/ws/{public}", f"/market/ws/{market}"]

    def take(self, message: bytes) -> None:
        """One message. Raises nothing: a malformed one is counted."""
        try:
            # The kind stands first in every message of these streams.
            if message.startswith(b'{"e":"bookTicker"'):
                self._take_ticker(read_json(message, self._ticker.decode))
            elif message.startswith(b'{"e":"aggTrade"'):
                self._take_trade(read_json(message, self._trade.decode))
            elif message.startswith(b'{"e":"markPriceUpdate"'):
                self._take_mark(read_json(message, self._mark.decode))
            else:
                self._take_other(message)
        except (msgspec.DecodeError, ValueError, KeyError, struct.error):
            # The last is the sink's, of what is beyond 64 bits.
            self._count("malformed")

    def _take_other(self, message: bytes) -> None:
        kind = bytes(read_json(message, self._kind.decode).get("e", b"no event")).strip(b'"').decode()
        match kind:
            case "bookTicker":
                self._take_ticker(read_json(message, self._ticker.decode))
            case "aggTrade":
                self._take_trade(read_json(message, self._trade.decode))
            case "markPriceUpdate":
                self._take_mark(read_json(message, self._mark.decode))
            case _:
                self._count(kind)

    def _take_ticker(self, t: _Ticker) -> None:
        stream, i = self._streams[t.s]
        price, size = i.price_decimals, i.size_decimals
        self._sink.quote(
            stream, t.T * _MS, units_of(t.b, price), units_of(t.a, price), units_of(t.B, size), units_of(t.A, size), t.u
        )

    def _take_trade(self, t: _Trade) -> None:
        stream, i = self._streams[t.s]
        side = Side.SELL if t.m else Side.BUY
        self._sink.trade(stream, t.T * _MS, units_of(t.p, i.price_decimals), units_of(t.q, i.size_decimals), side, t.a)

    def _take_mark(self, t: _Mark) -> None:
        stream, i = self._streams[t.s]
        # A mark has more decimals than a price: to the nearest of the instrument's.
        self._sink.mark(stream, t.E * _MS, _rounded(t.p, i), _rounded(t.i, i))

    def _count(self, what: str) -> None:
        self.unknown[what] = self.unknown.get(what, 0) + 1


def _rounded(text: str, i: Instrument) -> int:
    whole, _, rest = text.partition(".")
    rest = rest.ljust(i.price_decimals + 1, "0")
    units = units_of(f"{whole}.{rest[: i.price_decimals]}" if i.price_decimals else whole, i.price_decimals)
    return units + (1 if rest[i.price_decimals] >= "5" else 0)
