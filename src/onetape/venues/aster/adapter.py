"""The adapter of Aster."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from onetape.venues.adapter import Adapter
from onetape.venues.binance.errors import ERRORS
from onetape.venues.contract import Addresses, TradingVenue
from onetape.venues.hosts import is_loopback

__all__ = ["ADAPTER"]


def _open(key: str, secret: str, addresses: Addresses) -> TradingVenue:
    from onetape.venues.aster.family import ASTER, TESTNET_ASTER
    from onetape.venues.aster.signing import refuse_main_key
    from onetape.venues.binance.gateway import BinanceUsdmVenue

    host = urlsplit(addresses.rest).hostname or "localhost"
    venue = BinanceUsdmVenue(key, secret, addresses, TESTNET_ASTER if host.endswith("-testnet.com") else ASTER)
    if not is_loopback(host):
        refuse_main_key(key, venue.protocol.signer)
    return venue


ADAPTER: Final = Adapter(
    _open,
    addresses={
        "live": Addresses(
            "https://fapi.asterdex.com",
            "wss://fstream.asterdex.com",
            "wss://fstream.asterdex.com",
            wallet="https://sapi.asterdex.com",
        ),
        "demo": Addresses(
            "https://fapi.asterdex-testnet.com",
            "wss://fstream.asterdex-testnet.com",
            "wss://fstream.asterdex-testnet.com",
            wallet="https://sapi.asterdex-testnet.com",
        ),
    },
    further_hosts={"live": ("fapi3.asterdex.com",)},
    errors=ERRORS,
)
