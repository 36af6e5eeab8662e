"""The adapter of Kraken spot. Source: docs.kraken.com "API Center", read 2026-11."""

from __future__ import annotations

from typing import Final

from onetape.venues.adapter import Adapter
from onetape.venues.contract import Addresses, TradingVenue
from onetape.venues.kraken.candles import CANDLES
from onetape.venues.kraken.errors import ERRORS

__all__ = ["ADAPTER"]


def _open(key: str, secret: str, addresses: Addresses) -> TradingVenue:
    from onetape.venues.kraken.gateway import KrakenSpotVenue

    return KrakenSpotVenue(key, secret, addresses)


ADAPTER: Final = Adapter(
    _open,
    addresses={  # there is no demo of Kraken spot
        "live": Addresses(
            "https://api.kraken.com",
            "wss://ws.kraken.com/v2",
            "wss://ws-auth.kraken.com/v2",
            wallet="https://api.kraken.com",
        )
    },
    ws_path="/v2",
    outside_wallet="",
    errors=ERRORS,
    candles=CANDLES,
)
