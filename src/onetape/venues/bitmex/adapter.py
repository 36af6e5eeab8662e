"""The adapter of BitMEX, which has closed: only its simulated exchange can be traded on."""

from __future__ import annotations

from typing import Final

from onetape.venues.adapter import Adapter
from onetape.venues.bitmex.candles import CANDLES
from onetape.venues.contract import Addresses, TradingVenue

__all__ = ["ADAPTER"]


def _open(key: str, secret: str, addresses: Addresses) -> TradingVenue:
    from onetape.venues.bitmex.gateway import BitmexVenue

    return BitmexVenue(key, secret, addresses)


ADAPTER: Final = Adapter(_open, ws_path="/realtime", candles=CANDLES)
