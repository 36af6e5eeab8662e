"""The adapter of Binance spot. Sources: "General API Information" of the spot documentation (REST, WebSocket API, Web
Socket Streams, Demo Mode, Testnet), as of 2026-07.

The demo system has the live market's prices, the testnet a market of its own; both have no wallet service. Who names
the testnet's REST address in demo mode gets its other addresses too.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from onetape.venues.adapter import Adapter
from onetape.venues.binance.candles import CANDLES
from onetape.venues.binance_spot.errors import ERRORS
from onetape.venues.contract import Addresses, TradingVenue

__all__ = ["ADAPTER"]

_LIVE: Final = "https://api.binance.com"
_TESTNET: Final = Addresses(
    "https://testnet.binance.vision", "wss://stream.testnet.binance.vision", "wss://ws-api.testnet.binance.vision"
)


def _open(key: str, secret: str, addresses: Addresses) -> TradingVenue:
    from onetape.venues.binance_spot.gateway import BinanceSpotVenue

    if urlsplit(addresses.rest).hostname == urlsplit(_TESTNET.rest).hostname:
        addresses = _TESTNET
    return BinanceSpotVenue(key, secret, addresses)


ADAPTER: Final = Adapter(
    _open,
    addresses={
        "live": Addresses(_LIVE, "wss://stream.binance.com", "wss://ws-api.binance.com", wallet=_LIVE),
        "demo": Addresses(
            "https://demo-api.binance.com", "wss://demo-stream.binance.com", "wss://demo-ws-api.binance.com"
        ),
    },
    further_hosts={
        "live": ("api-gcp.binance.com", "api1.binance.com", "api2.binance.com", "api3.binance.com", "api4.binance.com"),
        "demo": tuple(urlsplit(each).hostname or "" for each in _TESTNET if each),
    },
    outside_wallet="",
    errors=ERRORS,
    candles=CANDLES,
)
