"""Register the venues with native support: the configuration keys of each kind, and its folder.

A venue is added by a row here, by its instruments in the catalogue, and by two folders: `venues/<folder>` for
trading (`adapter.py` lists its capabilities) and, where it is simulated, `exchange/<folder>` (`facts.py` lists its
instruments).
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["VENUE_KINDS", "VenueKind"]


class VenueKind(NamedTuple):
    """A kind of venue. hedges: its accounts may hold both sides of a symbol; names_margin: its orders name cross or
    isolated margin; withdraws_to: extra fields required for an address of [accounts.X.withdraw]; third_secret: the key
    of an account's third secret: a `password` is part of the venue's key, an `api_config_key` is optional;
    sells_fee_asset: the asset that pays fees can be bought on the venue's spot market (not in demo mode); closed: when
    the venue ceased operation, "": it is open."""

    folder: str
    hedges: bool = False
    names_margin: bool = False
    withdraws_to: str = ""
    third_secret: str = ""
    sells_fee_asset: bool = False
    closed: str = ""


VENUE_KINDS: Final = {
    "binance-usdm": VenueKind("binance", hedges=True, withdraws_to="network", sells_fee_asset=True),
    "binance-spot": VenueKind("binance_spot", withdraws_to="network"),
    "aster": VenueKind("aster", hedges=True),
    "pacifica": VenueKind("pacifica", third_secret="api_config_key"),  # noqa: S106 - the name of a key,
    "bitmex": VenueKind("bitmex", closed="BitMEX closed on 23 September 2026"),
    "kraken": VenueKind("kraken", withdraws_to="key"),
    "bybit": VenueKind("bybit", hedges=True),
    "hyperliquid": VenueKind("hyperliquid"),
    "okx": VenueKind("okx", hedges=True, names_margin=True, third_secret="password"),  # noqa: S106 - the name of a key
}
