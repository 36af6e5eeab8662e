"""Reads the market from the bridge: best bid and ask, and trades. Raises nothing: malformed messages are counted."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from onetape import _core
from onetape.model.enums import Side
from onetape.model.errors import OnetapeError
from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.model.time import MS
from onetape.tape.journal import type_id
from onetape.tape.payloads import fields
from onetape.venues.ccxt.numbers import units
from onetape.venues.live_market import NO_TOP, MarketStream, Top
from onetape.venues.numbers import trade_number

__all__ = ["CcxtMarket"]

_SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}
_QUOTE: Final = fields("quote")
_TRADE: Final = fields("trade")


class CcxtMarket:
    """Implements `Market`. If a venue has no stream of best bid and ask, those of its depth are used."""

    bars: Final = 0

    def __init__(self, instruments: Sequence[Instrument], url: str, token: str, numbers: Sequence[int] = ()) -> None:
        counted = numbers or range(1, len(instruments) + 1)
        self._numbers = {i.name: (number, i) for number, i in zip(counted, instruments, strict=True)}
        self._stream = MarketStream(url, (msgspec.json.encode({"token": token, "feed": "market"}),))
        self._updates = 0
        self._tops: dict[int, Top] = {}
        self.passed_over: dict[str, int] = {}
        self.unmapped: dict[str, int] = {}
        self.rejected = 0

    def streams(self) -> list[MarketStream]:
        return [self._stream]

    def top(self, stream: int) -> Top:
        return self._tops.get(stream, NO_TOP)

    def middle(self, stream: int) -> int:
        top = self.top(stream)
        return (top.bid + top.ask) // 2

    def next_funding(self, stream: int) -> tuple[int, int] | None:
        """Returns None: the bridge does not report funding."""
        return None

    def forget(self) -> None:
        self._tops.clear()

    def take(self, message: bytes, received: int, writer: _core.JournalWriter) -> int:
        try:
            value = read_json(message)
            if "quote" in value:
                return self._quote(received, writer, *value["quote"])
            if "trade" in value:
                self._trade(received, writer, *value["trade"])
            else:
                what = str(value.get("trouble") or value.get("lost") or "unknown")
                self.passed_over[what] = self.passed_over.get(what, 0) + 1
        except (LookupError, TypeError, ValueError, AttributeError, OnetapeError, struct.error):
            self.rejected += 1
        return 0

    def _quote(
        self,
        received: int,
        writer: _core.JournalWriter,
        name: str,
        ms: Any,
        bid: str,
        bid_size: str,
        ask: str,
        ask_size: str,
    ) -> int:
        stream, i = self._numbers[name]
        p, q = i.price_decimals, i.size_decimals
        self._updates += 1
        top = Top(units(bid, p), units(ask, p), units(bid_size, q), units(ask_size, q))
        if min(top.bid_size, top.ask_size) < 0:
            raise ValueError("a size below 0")
        time = int(ms or 0) * MS
        payload = _QUOTE.pack(time, received, *top, self._updates)
        writer.append(type_id("quote"), payload, 0, stream, received)
        if top.bid <= 0 or top.ask <= 0:
            return 0
        self._tops[stream] = top
        return stream

    def _trade(
        self,
        received: int,
        writer: _core.JournalWriter,
        name: str,
        ms: Any,
        price: str,
        size: str,
        side: str | None,
        number: str,
    ) -> None:
        stream, i = self._numbers[name]
        time = int(ms or 0) * MS
        price_int, size_int = units(price, i.price_decimals), units(size, i.size_decimals)
        if price is None or size_int <= 0:
            raise ValueError("a trade without a price, or with less than the smallest size")
        taker = _SIDES.get(side or "", Side.NONE)
        payload = _TRADE.pack(time, received, price_int, size_int, trade_number(number), 0, taker.id, 1)
        writer.append(type_id("trade"), payload, 0, stream, received)
