"""The adapter of Bybit. Sources: "Integration Guidance", "WebSocket Connect" and "Demo Trading Service" of its
documentation v5, as of 2026-07."""

from __future__ import annotations

from typing import Final

from onetape.venues.adapter import Adapter
from onetape.venues.bybit.candles import CANDLES
from onetape.venues.bybit.errors import ERRORS
from onetape.venues.contract import Addresses, TradingVenue

__all__ = ["ADAPTER"]

_REGIONS: Final = ("bybit-tr.com", "bybit.kz", "bybitgeorgia.ge", "bybit.ae", "bybit.eu", "bybit.id")


def _open(key: str, secret: str, addresses: Addresses) -> TradingVenue:
    from onetape.venues.bybit.gateway import BybitVenue

    return BybitVenue(key, secret, addresses)


ADAPTER: Final = Adapter(
    _open,
    addresses={
        "live": Addresses("https://api.bybit.com", "wss://stream.bybit.com", "wss://stream.bybit.com"),
        # The venue's test system: its demo service takes no orders by WebSocket.
        "demo": Addresses(
            "https://api-testnet.bybit.com", "wss://stream-testnet.bybit.com", "wss://stream-testnet.bybit.com"
        ),
    },
    further_hosts={"live": ("api.bytick.com", *(f"{kind}.{host}" for kind in ("api", "stream") for host in _REGIONS))},
    errors=ERRORS,
    candles=CANDLES,
)
