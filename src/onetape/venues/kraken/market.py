"""Kraken spot: the connection of a live market, over WebSocket v2.

`ticker` with the trigger `bbo` gives the top of the book, `trade` the trades, as messages_v2.py
describes them. Depth: depth.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from onetape.model.instrument import Instrument
from onetape.venues.kraken.messages_v2 import MARKET
from onetape.venues.live_market import LiveMarket, MarketStream

__all__ = ["live_market", "name_of"]


def name_of(instrument: Instrument) -> str:
    """Its name in the messages."""
    return f"{instrument.base}/{instrument.quote}"


def live_market(instruments: Sequence[Instrument], url: str, numbers: Sequence[int] = ()) -> LiveMarket:
    named = [(name_of(i), i) for i in instruments]
    symbols = [name for name, _ in named]
    hello = tuple(
        msgspec.json.encode({"method": "subscribe", "params": {**params, "symbol": symbols}})
        for params in (
            {"channel": "ticker", "event_trigger": "bbo", "snapshot": True},
            {"channel": "trade", "snapshot": False},
        )
    )
    # A heartbeat, where nothing else comes.
    return LiveMarket(MARKET, named, [MarketStream(url, hello, most_s=1.0)], numbers)
