"""Kraken spot: instruments from AssetPairs.

Source: docs.kraken.com, "Get Tradable Asset Pairs", as of 2026-11. Fees depend on the account and fall with its volume:
those of the first tier are used, marked as defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from onetape.model.enums import AmendRule, MetTrigger, Origin, TriggerBy
from onetape.model.instrument import Instrument, from_symbol
from onetape.venues.kraken.assets import Pairs

__all__ = ["instruments_of"]

# In other modes orders may only be canceled, or only some kinds of orders placed.
_TRADABLE: Final = frozenset({"online", "limit_only", "post_only"})


def instruments_of(pairs: Pairs, wanted: frozenset[str]) -> list[Instrument]:
    """Returns the pairs whose symbols are in `wanted` (all, if it is empty) and that trade now. Raises KeyError,
    ValueError, TypeError for malformed rows."""
    return [
        _instrument(symbol, row)
        for symbol, row in pairs.rows.items()
        if (not wanted or symbol in wanted) and row.get("status", "online") in _TRADABLE
    ]


def _instrument(symbol: str, row: Mapping[str, Any]) -> Instrument:
    price_decimals, size_decimals = int(row["pair_decimals"]), int(row["lot_decimals"])
    return from_symbol(
        symbol,
        raw_symbol=row["altname"],
        price_decimals=price_decimals,
        size_decimals=size_decimals,
        tick=str(row.get("tick_size") or Decimal(1).scaleb(-price_decimals)),
        lot=format(Decimal(1).scaleb(-size_decimals), "f"),
        size_min=str(row.get("ordermin", "0")),
        notional_min=str(row.get("costmin", "0")),
        maker_fee=_first_step(row.get("fees_maker") or row["fees"]),
        taker_fee=_first_step(row["fees"]),
        amend=AmendRule.DECREASE_KEEPS,
        amend_triggers=True,
        met_triggers=MetTrigger.FIRES,
        trigger_by=(TriggerBy.LAST, TriggerBy.INDEX),
        origin=Origin.RECORDED,
        defaulted=("maker_fee", "taker_fee"),
    )


def _first_step(steps: Any) -> Decimal:
    """Returns the fee at the lowest volume, converted from percent."""
    return Decimal(str(steps[0][1])) / 100
