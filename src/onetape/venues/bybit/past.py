"""Bybit v5: past bars. Past trades cannot be read: the venue lists the last thousand (of spot sixty), without a start,
and their ids have no order, so that nothing says where the stream continues.

Sources: Bybit API documentation v5, "Get Kline" and "Get Recent Public Trades", as of 2026-07: up to 1000 bars, newest
first, the running one too.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from onetape.model.enums import Kind
from onetape.model.errors import VenueUnavailable
from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.model.time import MINUTE, MS
from onetape.orders.calls import Call, Purpose
from onetape.venues.bybit.candles import BARS_MAX, rows_of, target_of
from onetape.venues.bybit.words import CATEGORIES, INTERVALS
from onetape.venues.numbers import units_of
from onetape.venues.past_market import PastBar

__all__ = ["BybitPast"]


class BybitPast:
    """Implements `PastBars`."""

    intervals: Final = tuple(minutes * MINUTE for minutes in INTERVALS.values())

    def bars(self, instrument: Instrument, interval: int, begin: int, end: int) -> Call:
        count, category = min(-(-(end - begin) // interval), BARS_MAX), CATEGORIES[instrument.kind]
        target = target_of(category, instrument.raw_symbol, interval // MINUTE, begin // MS, count)
        return Call(Purpose.MARKET, "GET", target, b"", {}, 1)

    def bars_of(self, instrument: Instrument, body: bytes) -> list[PastBar]:
        price, size = instrument.price_decimals, instrument.size_decimals
        found = []
        for start, *prices, volume, turnover in rows_of(read_json(body), VenueUnavailable):
            o, high, low, c = (units_of(each, price) for each in prices)
            exact = 0 if instrument.kind is Kind.INVERSE else round(Decimal(turnover).scaleb(price + size))
            found.append(PastBar(int(start) * MS, o, high, low, c, units_of(volume, size), exact))
        return found
