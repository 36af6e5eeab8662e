"""The adapter of Pacifica."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from onetape.venues.adapter import Adapter
from onetape.venues.contract import Addresses, TradingVenue
from onetape.venues.hosts import is_loopback

__all__ = ["ADAPTER"]


def _open(key: str, secret: str, addresses: Addresses, api_config_key: str = "") -> TradingVenue:
    from onetape.venues.pacifica.gateway import PacificaVenue

    venue = PacificaVenue(key, secret, addresses, api_config_key)
    if venue.protocol.signer is not None and not is_loopback(urlsplit(addresses.rest).hostname or "localhost"):
        venue.protocol.signer.refuse_main_key()
    return venue


ADAPTER: Final = Adapter(
    _open,
    addresses={
        "live": Addresses("https://api.pacifica.fi", "wss://ws.pacifica.fi/ws", "wss://ws.pacifica.fi/ws"),
        "demo": Addresses(
            "https://test-api.pacifica.fi", "wss://test-ws.pacifica.fi/ws", "wss://test-ws.pacifica.fi/ws"
        ),
    },
    ws_path="/ws",
)
