"""Instruments from ccxt's markets, as the bridge returns them.

A contract's quantity is a number of contracts, each of `contractSize`, as in ccxt. Fees are those that ccxt ships for
the venue, marked as defaults.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any

from onetape.model.enums import AmendRule, Origin
from onetape.model.instrument import Instrument, from_symbol

__all__ = ["instruments_of"]


def instruments_of(rows: Iterable[Mapping[str, Any]], prefix: str) -> list[Instrument]:
    """Returns the instruments that trade now. Raises ValueError for an instrument without tick or lot, BadInput and
    NotAvailable for a kind of market that is not supported."""
    return [_instrument(row, prefix) for row in rows if row["active"]]


def _instrument(row: Mapping[str, Any], prefix: str) -> Instrument:
    symbol = f"{prefix}:{row['symbol']}"
    if not row["tick"] or not row["lot"]:
        raise ValueError(f"{symbol}: ccxt does not know its {'lot' if row['tick'] else 'tick'}")
    lot = Decimal(row["lot"])
    facts: dict[str, object] = {
        "raw_symbol": row["id"],
        "tick": row["tick"],
        "lot": row["lot"],
        "maker_fee": row["maker"] or "0",
        "taker_fee": row["taker"] or "0",
        "multiplier": row["size"] or "1",
        "notional_min": row["cost"] or "0",
        "amend": AmendRule.DECREASE_KEEPS,
        "origin": Origin.RECORDED,
        "defaulted": ("maker_fee", "taker_fee"),
    }
    # Some minimums are finer than the lot: they are rounded up to a whole lot.
    if row["min"]:
        facts["size_min"] = (Decimal(row["min"]) / lot).to_integral_value(ROUND_CEILING) * lot
    if row["max"]:
        facts["size_max"] = row["max"]
    return from_symbol(symbol, **facts)
