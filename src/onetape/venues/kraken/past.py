"""Kraken spot: past bars and trades.

Source: docs.kraken.com, "Get OHLC Data" (the last 720 bars of a period, including the running one) and "Get Recent
Trades" (at most 1,000 after a time in ns; `last` is the next start), read 2026-11.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from onetape.model.enums import Side
from onetape.model.errors import VenueUnavailable
from onetape.model.instrument import Instrument
from onetape.model.time import MINUTE, SECOND
from onetape.orders.calls import Call, Purpose
from onetape.venues.kraken.wire import parse
from onetape.venues.numbers import units_of
from onetape.venues.past_market import PastBar, PastTrade

__all__ = ["KrakenPast"]

TRADES_MAX: Final = 1000
_SIDES: Final = {"b": Side.BUY, "s": Side.SELL}


class KrakenPast:
    """Implements `PastMarket`."""

    intervals: Final = tuple(minutes * MINUTE for minutes in (1, 5, 15, 30, 60, 240, 1440))

    def bars(self, instrument: Instrument, interval: int, begin: int, end: int) -> Call:
        since = (begin - interval) // SECOND
        return _call(f"OHLC?pair={instrument.raw_symbol}&interval={interval // MINUTE}&since={since}")

    def bars_of(self, instrument: Instrument, body: bytes) -> list[PastBar]:
        price, size = instrument.price_decimals, instrument.size_decimals
        found = []
        for time, *prices, _, volume, trades in (row[:8] for row in _rows(body)[0]):
            o, high, low, c = (units_of(each, price) for each in prices)
            at = int(time) * SECOND
            found.append(PastBar(at, o, high, low, c, units_of(volume, size), trades=int(trades)))
        return found

    def trades(self, instrument: Instrument, since: int, cursor: str = "") -> Call:
        after = cursor or str(since - 1)
        return _call(f"Trades?pair={instrument.raw_symbol}&since={after}&count={TRADES_MAX}")

    def trades_of(self, instrument: Instrument, body: bytes) -> tuple[list[PastTrade], str]:
        price, size = instrument.price_decimals, instrument.size_decimals
        rows, last = _rows(body)
        found = [
            PastTrade(
                int(row[6]),
                int(Decimal(row[2]).scaleb(9)),
                units_of(row[0], price),
                units_of(row[1], size),
                _SIDES[row[3]],
            )
            for row in rows
        ]
        return found, last if len(found) == TRADES_MAX else ""

    def last_trade(self, instrument: Instrument) -> Call:
        return _call(f"Trades?pair={instrument.raw_symbol}&count=1")


def _call(target: str) -> Call:
    return Call(Purpose.MARKET, "GET", f"/0/public/{target}", b"", {}, 1)


def _rows(body: bytes) -> tuple[list[list[Any]], str]:
    """Returns the rows of the answer's pair, and its `last`."""
    answer = parse(body)
    if answer.get("error"):
        raise VenueUnavailable(f"Kraken says {answer['error'][0]}"[:200])
    result = dict(answer["result"])
    last = str(result.pop("last"))
    (rows,) = result.values()
    return rows, last
