"""Binance USD-M: the connections of a live market.

Public data (top of the book) and market data (trades, marks) come on two connections since
2026-04-23; their messages are those of protocol.py. Depth has connections of its own: depth.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from onetape.model.instrument import Instrument
from onetape.venues.binance.protocol import MARKET
from onetape.venues.live_market import LiveMarket, MarketStream

__all__ = ["live_market"]


def live_market(instruments: Sequence[Instrument], address: str = "", numbers: Sequence[int] = ()) -> LiveMarket:
    """One connection for each category. Marks come each second."""
    low = [i.raw_symbol.lower() for i in instruments]
    public = "/".join(f"{raw}@bookTicker" for raw in low)
    market = "/".join(f"{raw}@aggTrade/{raw}@markPrice@1s" for raw in low)
    streams = [MarketStream(f"{address}/public/ws/{public}"), MarketStream(f"{address}/market/ws/{market}", most_s=1.0)]
    return LiveMarket(MARKET, ((i.raw_symbol, i) for i in instruments), streams, numbers)
