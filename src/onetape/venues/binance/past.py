"""Binance: past bars and trades.

Source: "Kline/Candlestick Data" and "Compressed/Aggregate Trades List" of the USD-M documentation, read 2026-11. Trades
are numbered consecutively, as on the stream.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from onetape.model.enums import Kind, Side
from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.model.time import MINUTE, MS
from onetape.orders.calls import Call, Purpose
from onetape.venues.binance.family import USDM_MARKET, PublicMarket
from onetape.venues.numbers import units_of
from onetape.venues.past_market import PastBar, PastTrade

__all__ = ["BinancePast"]

_WORDS: Final = {
    number * unit * MINUTE: f"{number}{word}"
    for unit, word, numbers in ((1, "m", (1, 3, 5, 15, 30)), (60, "h", (1, 2, 4, 6, 8, 12)), (1440, "d", (1,)))
    for number in numbers
}
TRADES_MAX: Final = 1000
_SIDES: Final = (Side.BUY, Side.SELL)  # of the taker, by whether the buyer is the maker


class _Trade(msgspec.Struct):
    a: int
    p: str
    q: str
    T: int
    m: bool


class BinancePast:
    """Implements `PastMarket`."""

    intervals: Final = tuple(_WORDS)

    def __init__(self, public: PublicMarket = USDM_MARKET) -> None:
        self._public, self._bars_max = public, public.bars[-1][0] - 1
        self._rows = msgspec.json.Decoder(list[list[Any]])
        self._trades = msgspec.json.Decoder(list[_Trade])

    def bars(self, instrument: Instrument, interval: int, begin: int, end: int) -> Call:
        limit = min((end - begin) // interval, self._bars_max)
        weight = next(weight for below, weight in self._public.bars if limit < below)
        query = (
            f"symbol={instrument.raw_symbol}&interval={_WORDS[interval]}"
            f"&startTime={begin // MS}&endTime={end // MS - 1}&limit={limit}"
        )
        return self._call(f"klines?{query}", weight)

    def bars_of(self, instrument: Instrument, body: bytes) -> list[PastBar]:
        price, size = instrument.price_decimals, instrument.size_decimals
        # Inverse contracts report the turnover in coins.
        is_exact = instrument.kind is not Kind.INVERSE
        found = []
        for time, *prices, volume, _, turnover, trades in (row[:9] for row in read_json(body, self._rows.decode)):
            o, high, low, c = (units_of(each, price) for each in prices)
            exact = round(Decimal(turnover).scaleb(price + size)) if is_exact else 0
            found.append(PastBar(time * MS, o, high, low, c, units_of(volume, size), exact, int(trades)))
        return found

    def trades(self, instrument: Instrument, since: int, cursor: str = "") -> Call:
        start = f"fromId={cursor}" if cursor else f"startTime={-(-since // MS)}"
        return self._call(f"aggTrades?symbol={instrument.raw_symbol}&{start}&limit={TRADES_MAX}", self._public.trades)

    def trades_of(self, instrument: Instrument, body: bytes) -> tuple[list[PastTrade], str]:
        price, size = instrument.price_decimals, instrument.size_decimals
        found = [
            PastTrade(each.a, each.T * MS, units_of(each.p, price), units_of(each.q, size), _SIDES[each.m])
            for each in read_json(body, self._trades.decode)
        ]
        return found, str(found[-1].number + 1) if len(found) == TRADES_MAX else ""

    def last_trade(self, instrument: Instrument) -> Call:
        return self._call(f"aggTrades?symbol={instrument.raw_symbol}&limit=1", self._public.trades)

    def _call(self, target: str, weight: int) -> Call:
        return Call(Purpose.MARKET, "GET", f"{self._public.root}/{target}", b"", {}, weight)
