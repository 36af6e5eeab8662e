"""The registry of venues that are traded on natively: of each kind what its configuration may say, and its folder.

A venue is added by a row here, by its instruments in the catalogue, and by two folders that have all else:
`venues/<folder>` (how it is traded on; `adapter.py` says what it has) and, where it is simulated, `exchange/<folder>`
(`facts.py` says what it lists).
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["VENUE_KINDS", "VenueKind"]


class VenueKind(NamedTuple):
    """hedges: its accounts may hold both sides of a symbol; withdraws_to: what an address of [accounts.X.withdraw]
    needs beside itself; takes_config_key: an account may have an `api_config_key`; sells_fee_asset: we buy what pays
    fees on a market beside it, where money is real; is_checked: its clock, keys and market are looked at before
    anything trades there, and its market alone can be followed; closed: when it has ended, "": it has not."""

    folder: str
    hedges: bool = False
    withdraws_to: str = ""
    takes_config_key: bool = False
    sells_fee_asset: bool = False
    is_checked: bool = False
    closed: str = ""


VENUE_KINDS: Final = {
    "binance-usdm": VenueKind("binance", hedges=True, withdraws_to="network", sells_fee_asset=True, is_checked=True),
    "aster": VenueKind("aster", hedges=True, is_checked=True),
    "pacifica": VenueKind("pacifica", takes_config_key=True, is_checked=True),
    "bitmex": VenueKind("bitmex", closed="BitMEX closed on 23 September 2026"),
    "kraken": VenueKind("kraken", withdraws_to="key", is_checked=True),
}
