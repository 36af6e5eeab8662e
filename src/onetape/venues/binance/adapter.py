"""The adapter of Binance USD-M. Sources: "General Info" of its documentation (USD-M, Spot, Demo Trading), read
2026-11."""

from __future__ import annotations

from typing import Final

from onetape.venues.adapter import Adapter
from onetape.venues.binance.candles import CANDLES
from onetape.venues.binance.errors import ERRORS
from onetape.venues.contract import Addresses, TradingVenue

__all__ = ["ADAPTER"]


def _open(key: str, secret: str, addresses: Addresses) -> TradingVenue:
    from onetape.venues.binance.gateway import BinanceUsdmVenue

    return BinanceUsdmVenue(key, secret, addresses)


ADAPTER: Final = Adapter(
    _open,
    addresses={
        "live": Addresses(
            "https://fapi.binance.com",
            "wss://fstream.binance.com",
            "wss://fstream.binance.com",
            "wss://ws-fapi.binance.com/ws-fapi/v1",
            "https://api.binance.com",
        ),
        # The demo system has only the trading wallet (as of 2026-11).
        "demo": Addresses(
            "https://demo-fapi.binance.com",
            "wss://fstream.binancefuture.com",
            "wss://fstream.binancefuture.com",
            "wss://testnet.binancefuture.com/ws-fapi/v1",
        ),
    },
    further_hosts={
        "live": (
            "fstream-auth.binance.com",
            "api-gcp.binance.com",
            "api1.binance.com",
            "api2.binance.com",
            "api3.binance.com",
            "api4.binance.com",
        ),
        "demo": ("demo-api.binance.com",),
    },
    outside_wallet="spot",
    errors=ERRORS,
    candles=CANDLES,
)
