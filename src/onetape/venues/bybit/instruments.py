"""Bybit v5: instruments from the list of linear contracts.

Source: Bybit API documentation v5, "Get Instruments Info", as of 2026-07. Maintenance is half of the margin at the
highest leverage, as in the first bracket of "Get Risk Limit". Fees depend on the account's level: those of the first
are used, marked as defaults.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from onetape.model.enums import MetTrigger, Origin
from onetape.model.instrument import Instrument, from_symbol
from onetape.model.time import MINUTE
from onetape.venues.bybit.words import TRIGGERS

__all__ = ["SETTLES", "instruments_of"]

SETTLES: Final = "USDT"  # a contract in USDC settles its profit each eight hours, which is not read yet


def instruments_of(rows: Sequence[Mapping[str, Any]], wanted: frozenset[str]) -> list[Instrument]:
    """Returns the perpetuals of a list that trade and settle in USDT, whose symbols are in `wanted` (all, if it is
    empty). Raises KeyError, ValueError for malformed rows."""
    found = []
    for row in rows:
        symbol = f"bybit:{row['baseCoin']}/{row['quoteCoin']}:{row['settleCoin']}"
        is_perpetual = row["contractType"] == "LinearPerpetual" and row["settleCoin"] == SETTLES
        if not is_perpetual or row["status"] != "Trading" or (wanted and symbol not in wanted):
            continue
        lots, leverage = row["lotSizeFilter"], Decimal(row["leverageFilter"]["maxLeverage"])
        found.append(
            from_symbol(
                symbol,
                raw_symbol=row["symbol"],
                tick=row["priceFilter"]["tickSize"],
                lot=lots["qtyStep"],
                size_min=lots["minOrderQty"],
                size_max=lots["maxOrderQty"],
                notional_min=lots.get("minNotionalValue") or "0",
                maker_fee="0.0002",
                taker_fee="0.00055",
                maintenance_rate=1 / (2 * leverage),
                leverage=int(leverage),
                funding_interval=int(row["fundingInterval"]) * MINUTE,
                met_triggers=MetTrigger.REFUSED,
                trigger_by=tuple(TRIGGERS),
                origin=Origin.RECORDED,
                defaulted=("maker_fee", "taker_fee"),
            )
        )
    return found
