"""Hyperliquid: past bars, of which it keeps the latest 5000. Its list of trades has no start, so past trades are not
read. Source: hyperliquid.gitbook.io "Info endpoint, Candle snapshot", "Rate limits", as of 2026-10."""

from __future__ import annotations

from typing import Final

from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.model.time import MINUTE, MS
from onetape.orders.calls import Call, Purpose
from onetape.venues.hyperliquid.candles import BARS_MAX, request_of
from onetape.venues.hyperliquid.trading import info
from onetape.venues.hyperliquid.words import INTERVALS
from onetape.venues.numbers import units_of
from onetape.venues.past_market import PastBar

__all__ = ["HyperliquidPast"]

_WEIGHT: Final = 20 + BARS_MAX // 60


class HyperliquidPast:
    """Implements `PastBars`."""

    intervals: Final = tuple(minutes * MINUTE for minutes in INTERVALS.values())

    def bars(self, instrument: Instrument, interval: int, begin: int, end: int) -> Call:
        count = min(-(-(end - begin) // interval), BARS_MAX)
        terms = request_of(instrument.raw_symbol, interval // MINUTE, begin // MS, count)
        return info(Purpose.MARKET, terms, _WEIGHT)

    def bars_of(self, instrument: Instrument, body: bytes) -> list[PastBar]:
        price, size = instrument.price_decimals, instrument.size_decimals
        found = []
        for row in read_json(body):
            o, high, low, c = (units_of(row[name], price) for name in "ohlc")
            found.append(PastBar(int(row["t"]) * MS, o, high, low, c, units_of(row["v"], size), trades=int(row["n"])))
        return found
