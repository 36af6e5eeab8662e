"""The adapter of an exchange behind ccxt. Its requests go to the bridge; its key is the bridge's token."""

from __future__ import annotations

from onetape.venues.adapter import Adapter
from onetape.venues.contract import Addresses, TradingVenue

__all__ = ["adapter_of"]


def adapter_of(exchange: str) -> Adapter:
    def opened(key: str, _secret: str, addresses: Addresses) -> TradingVenue:
        from onetape.venues.ccxt.gateway import CcxtVenue

        return CcxtVenue(exchange, key, addresses)

    return Adapter(opened)
