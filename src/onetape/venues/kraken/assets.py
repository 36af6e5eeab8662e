"""Kraken's several names of pairs and assets, from an answer of AssetPairs.

REST uses a pair's id (XXBTZUSD), altname (XBTUSD) or wsname (XBT/USD), WebSocket v2 the usual name (BTC/USD); an asset
is XXBT or XBT or BTC. Source: docs.kraken.com, "Get Tradable Asset Pairs", as of 2026-11. Pairs of another execution
venue are not available to this account (since 2026-04-27).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

__all__ = ["Pair", "Pairs", "currency_of"]

VENUE: Final = "international"
_OURS: Final = {"XBT": "BTC", "XDG": "DOGE"}


class Pair(NamedTuple):
    """The facts about a pair that the arithmetic of fills needs, also of pairs that this gateway does not follow."""

    symbol: str  # kraken:BTC/USD
    base: str
    quote: str
    price_decimals: int
    size_decimals: int


class Pairs:
    """All pairs of a venue, by each of their names."""

    def __init__(self, result: Mapping[str, Any]) -> None:
        self.by_name: dict[str, Pair] = {}
        self.by_symbol: dict[str, Pair] = {}
        self.rows: dict[str, Mapping[str, Any]] = {}  # by symbol
        self._currencies: dict[str, str] = {}
        for id_, row in result.items():
            if row.get("execution_venue", VENUE) != VENUE or "/" not in row.get("wsname", ""):
                continue
            base, quote = (_OURS.get(each, each) for each in row["wsname"].split("/", 1))
            pair = Pair(f"kraken:{base}/{quote}", base, quote, int(row["pair_decimals"]), int(row["lot_decimals"]))
            for name in (id_, row["altname"], row["wsname"], f"{base}/{quote}"):
                self.by_name[name] = pair
            self.by_symbol[pair.symbol] = pair
            self.rows[pair.symbol] = row
            self._currencies[row["base"]] = base
            self._currencies[row["quote"]] = quote
        self._assets = {currency: asset for asset, currency in self._currencies.items()}

    def asset(self, currency: str) -> str:
        """Returns an asset's name in requests."""
        return self._assets.get(currency) or currency

    def currency(self, asset: str) -> str:
        return self._currencies.get(asset) or currency_of(asset)


def currency_of(asset: str) -> str:
    """Returns the usual name: BTC of XXBT, USD of ZUSD; an unknown name stays unchanged."""
    if len(asset) == 4 and asset[0] in "XZ":
        asset = asset[1:]
    return _OURS.get(asset, asset)
