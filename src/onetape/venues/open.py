"""Opens a venue that can be traded on, of any kind, and says where it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from onetape.model.errors import NotAvailable
from onetape.venues.contract import Addresses, TradingVenue
from onetape.venues.hosts import is_loopback

__all__ = ["HOSTS", "open_trading_venue", "outside_wallet", "ws_address"]

HOSTS: Final = {
    ("binance-usdm", "live"): Addresses(
        "https://fapi.binance.com",
        "wss://fstream.binance.com",
        "wss://fstream.binance.com",
        "wss://ws-fapi.binance.com/ws-fapi/v1",
        "https://api.binance.com",
    ),
    # The demo system has no wallets beside the one that is traded from (as of 2026-11).
    ("binance-usdm", "demo"): Addresses(
        "https://demo-fapi.binance.com",
        "wss://fstream.binancefuture.com",
        "wss://fstream.binancefuture.com",
        "wss://testnet.binancefuture.com/ws-fapi/v1",
    ),
    ("aster", "live"): Addresses(
        "https://fapi.asterdex.com",
        "wss://fstream.asterdex.com",
        "wss://fstream.asterdex.com",
        wallet="https://sapi.asterdex.com",
    ),
    ("aster", "demo"): Addresses(
        "https://fapi.asterdex-testnet.com",
        "wss://fstream.asterdex-testnet.com",
        "wss://fstream.asterdex-testnet.com",
        wallet="https://sapi.asterdex-testnet.com",
    ),
    ("pacifica", "live"): Addresses("https://api.pacifica.fi", "wss://ws.pacifica.fi/ws", "wss://ws.pacifica.fi/ws"),
    ("pacifica", "demo"): Addresses(
        "https://test-api.pacifica.fi", "wss://test-ws.pacifica.fi/ws", "wss://test-ws.pacifica.fi/ws"
    ),
    # There is no demo of Kraken spot.
    ("kraken", "live"): Addresses(
        "https://api.kraken.com",
        "wss://ws.kraken.com/v2",
        "wss://ws-auth.kraken.com/v2",
        wallet="https://api.kraken.com",
    ),
}


def _binance(key: str, secret: str, addresses: Addresses) -> TradingVenue:
    from onetape.venues.binance.gateway import BinanceUsdmVenue

    return BinanceUsdmVenue(key, secret, addresses)


def _aster(key: str, secret: str, addresses: Addresses) -> TradingVenue:
    from onetape.venues.aster.family import ASTER, TESTNET_ASTER
    from onetape.venues.aster.signing import refuse_main_key
    from onetape.venues.binance.gateway import BinanceUsdmVenue

    host = urlsplit(addresses.rest).hostname or "localhost"
    venue = BinanceUsdmVenue(key, secret, addresses, TESTNET_ASTER if host.endswith("-testnet.com") else ASTER)
    if not is_loopback(host):
        refuse_main_key(key, venue.protocol.signer)
    return venue


def _bitmex(key: str, secret: str, addresses: Addresses) -> TradingVenue:
    from onetape.venues.bitmex.gateway import BitmexVenue

    return BitmexVenue(key, secret, addresses)


def _kraken(key: str, secret: str, addresses: Addresses) -> TradingVenue:
    from onetape.venues.kraken.gateway import KrakenSpotVenue

    return KrakenSpotVenue(key, secret, addresses)


def _pacifica(key: str, secret: str, addresses: Addresses, api_config_key: str = "") -> TradingVenue:
    from onetape.venues.pacifica.gateway import PacificaVenue

    venue = PacificaVenue(key, secret, addresses, api_config_key)
    if venue.protocol.signer is not None and not is_loopback(urlsplit(addresses.rest).hostname or "localhost"):
        venue.protocol.signer.refuse_main_key()
    return venue


def _ccxt(exchange: str) -> Callable[[str, str, Addresses], TradingVenue]:
    """Through the bridge: the key is its token."""
    from onetape.venues.ccxt.gateway import CcxtVenue

    return lambda key, secret, addresses: CcxtVenue(exchange, key, addresses)


# How it is made, and the path of its WebSocket where only a host is known.
_KINDS: Final[dict[str, tuple[Callable[..., TradingVenue], str]]] = {
    "aster": (_aster, ""),
    "binance-usdm": (_binance, ""),
    "bitmex": (_bitmex, "/realtime"),
    "kraken": (_kraken, "/v2"),
    "pacifica": (_pacifica, "/ws"),
}


# The wallet that withdrawals leave and deposits come to, "" being the one that is traded from.
_OUTSIDE: Final = {"binance-usdm": "spot", "kraken": ""}


def outside_wallet(kind: str) -> str | None:
    """None: nothing is withdrawn there, or not by us."""
    return _OUTSIDE.get(kind)


def open_trading_venue(
    kind: str, key: str, secret: str, addresses: Addresses, api_config_key: str = ""
) -> TradingVenue:
    """api_config_key: of a venue that has such. Raises NotAvailable for a kind that cannot be traded on, BadConfig for
    keys that are none."""
    return _kind(kind)[0](key, secret, addresses, *([api_config_key] if api_config_key else []))


def ws_address(kind: str, rest: str) -> str:
    """Where the WebSocket is, beside a REST address on the same host. Raises NotAvailable."""
    return rest.rstrip("/").replace("http", "ws", 1) + _kind(kind)[1]


def _kind(kind: str) -> tuple[Callable[..., TradingVenue], str]:
    if kind.startswith("ccxt:"):
        return _ccxt(kind.removeprefix("ccxt:")), ""
    if kind not in _KINDS:
        raise NotAvailable(f"trading live on {kind}", todo=f"kind is one of {', '.join(_KINDS)}, or ccxt:NAME")
    return _KINDS[kind]
