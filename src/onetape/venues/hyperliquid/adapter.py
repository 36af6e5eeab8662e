"""The adapter of Hyperliquid."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from onetape.venues.adapter import Adapter
from onetape.venues.contract import Addresses, TradingVenue
from onetape.venues.hosts import is_loopback
from onetape.venues.hyperliquid.candles import CANDLES
from onetape.venues.hyperliquid.errors import ERRORS

__all__ = ["ADAPTER"]

_TEST_HOST: Final = "api.hyperliquid-testnet.xyz"


def _open(key: str, secret: str, addresses: Addresses) -> TradingVenue:
    from onetape.venues.hyperliquid.gateway import HyperliquidVenue
    from onetape.venues.hyperliquid.signing import SOURCES

    host = urlsplit(addresses.rest).hostname or "localhost"
    venue = HyperliquidVenue(key, secret, addresses, SOURCES["demo" if host == _TEST_HOST else "live"])
    if venue.protocol.signer is not None and not is_loopback(host):
        venue.protocol.signer.refuse_main_key()
    return venue


ADAPTER: Final = Adapter(
    _open,
    addresses={
        "live": Addresses(
            "https://api.hyperliquid.xyz", "wss://api.hyperliquid.xyz/ws", "wss://api.hyperliquid.xyz/ws"
        ),
        "demo": Addresses(f"https://{_TEST_HOST}", f"wss://{_TEST_HOST}/ws", f"wss://{_TEST_HOST}/ws"),
    },
    ws_path="/ws",
    errors=ERRORS,
    candles=CANDLES,
)
