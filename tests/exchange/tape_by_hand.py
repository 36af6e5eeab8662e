"""A tape that a test writes, as the market of a simulated exchange."""

from __future__ import annotations

import struct
from decimal import Decimal
from pathlib import Path

from exchange.venue_client import Virtual
from onetape.exchange.played_tape import VenueTape
from onetape.model import catalogue
from onetape.tape.journal import JournalWriter

BTC = "binance:BTC/USDT:USDT"
SECOND = 1_000_000_000
START = 1_795_000_000 * SECOND
KIND = "binance-usdm"


class Tape:
    """A tape written by hand: prices and sizes as decimals, times in seconds from its start."""

    def __init__(self, path: Path, symbol: str = BTC) -> None:
        self.path, self.instrument = path, catalogue.find(symbol)
        self.writer = JournalWriter(path, process="test")
        self.writer.append_instrument(1, START, self.instrument.to_msgpack())

    def price(self, text: str) -> int:
        return int(Decimal(text).scaleb(self.instrument.price_decimals))

    def size(self, text: str) -> int:
        return int(Decimal(text).scaleb(self.instrument.size_decimals))

    def depth(self, at: float, bids: dict, asks: dict, *, snapshot: bool = False) -> None:
        now = START + int(at * SECOND)
        rows = [(self.price(p), self.size(s)) for side in (bids, asks) for p, s in side.items()]
        payload = struct.pack("<2q3Q2I", now, now, 0, 0, 0, len(bids), len(asks))
        payload += b"".join(struct.pack("<qq", *row) for row in rows)
        self.writer.append("book", payload, flags=int(snapshot), stream=1, time=now)

    def quote(self, at: float, bid: str, bid_size: str, ask: str, ask_size: str) -> None:
        now = START + int(at * SECOND)
        self.writer.append_quote(
            1, now, now, self.price(bid), self.price(ask), self.size(bid_size), self.size(ask_size)
        )

    def trade(self, at: float, price: str, size: str, side: int) -> None:
        now = START + int(at * SECOND)
        payload = struct.pack("<4qQQB", now, now, self.price(price), self.size(size), 1, 0, side)
        self.writer.append("trade", payload.ljust(64, b"\0"), stream=1, time=now)

    def mark(self, at: float, mark: str, index: str) -> None:
        now = START + int(at * SECOND)
        payload = struct.pack("<4q", now, now, self.price(mark), self.price(index))
        self.writer.append("mark", payload, stream=1, time=now)

    def venue(self, **options) -> Virtual:
        """The exchange, in virtual time."""
        self.writer.close()
        played = VenueTape(self.path, KIND, speed=options.get("speed", 1.0), loop=options.get("loop", False))
        return Virtual(KIND, market=played.market(1_795_000_000_000_000_000))
