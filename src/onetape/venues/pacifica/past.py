"""Pacifica: past bars. Its list of trades has no numbers, so past trades are not read.

Source: docs.pacifica.fi "Get candle data" and "Rate limits", as of 2026-07; the number of bars per answer is not
documented.
"""

from __future__ import annotations

from typing import Final

from onetape.model.errors import VenueUnavailable
from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.model.time import MINUTE, MS
from onetape.orders.calls import Call, Purpose
from onetape.venues.numbers import units_of
from onetape.venues.pacifica.trading import PacificaProtocol
from onetape.venues.pacifica.words import INTERVALS
from onetape.venues.past_market import PastBar

__all__ = ["PacificaPast"]

_WORDS: Final = {minutes * MINUTE: word for word, minutes in INTERVALS.items()}


class PacificaPast:
    """Implements `PastBars`."""

    intervals: Final = tuple(_WORDS)

    def __init__(self, protocol: PacificaProtocol) -> None:
        self._protocol = protocol

    def bars(self, instrument: Instrument, interval: int, begin: int, end: int) -> Call:
        span = f"interval={_WORDS[interval]}&start_time={begin // MS}&end_time={end // MS - 1}"
        return self._protocol.public(Purpose.MARKET, f"/kline?symbol={instrument.raw_symbol}&{span}", is_heavy=True)

    def bars_of(self, instrument: Instrument, body: bytes) -> list[PastBar]:
        value = read_json(body)
        if value["success"] is not True:
            raise VenueUnavailable(f"Pacifica says {value['error']}"[:200])
        price, size = instrument.price_decimals, instrument.size_decimals
        found = []
        for row in value["data"]:
            o, high, low, c = (units_of(row[name], price) for name in "ohlc")
            found.append(PastBar(int(row["t"]) * MS, o, high, low, c, units_of(row["v"], size), trades=int(row["n"])))
        return found
