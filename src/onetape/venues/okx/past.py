"""OKX v5: past bars. Source: "Get candlesticks" and "Get candlesticks history" of its documentation v5, as of 2026-07:
up to 300 bars, newest first, the running one too; of the first list the newest 1440 only."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from onetape.model.enums import Kind
from onetape.model.errors import VenueUnavailable
from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.model.time import MINUTE, MS
from onetape.orders.calls import Call, Purpose
from onetape.venues.numbers import units_of
from onetape.venues.okx.candles import BARS_MAX, rows_of, target_of
from onetape.venues.okx.words import INTERVALS
from onetape.venues.past_market import PastBar

__all__ = ["OkxPast"]


class OkxPast:
    """Implements `PastBars`."""

    intervals: Final = tuple(minutes * MINUTE for minutes in INTERVALS.values())

    def bars(self, instrument: Instrument, interval: int, begin: int, end: int) -> Call:
        count = min(-(-(end - begin) // interval), BARS_MAX)
        target = target_of(instrument.raw_symbol, interval // MINUTE, begin // MS, count)
        return Call(Purpose.MARKET, "GET", target, b"", {}, 30)

    def bars_of(self, instrument: Instrument, body: bytes) -> list[PastBar]:
        price, size = instrument.price_decimals, instrument.size_decimals
        found = []
        for row in rows_of(read_json(body), VenueUnavailable):
            o, high, low, c = (units_of(each, price) for each in row[1:5])
            # The value in quote currency, as a sum of price times contracts; of an inverse contract it is not known.
            is_linear = instrument.kind is not Kind.INVERSE
            exact = round((Decimal(row[7]) / instrument.multiplier).scaleb(price + size)) if is_linear else 0
            found.append(PastBar(int(row[0]) * MS, o, high, low, c, units_of(row[5], size), exact))
        return found
