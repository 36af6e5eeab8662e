"""Bybit v5: instruments from the lists of spot and of contracts.

Source: Bybit API documentation v5, "Get Instruments Info", as of 2026-07. Maintenance is half of the margin at the
highest leverage, as in the first bracket of "Get Risk Limit". Fees depend on the account's level: those of the first
are used, marked as defaults. Orders of spot with a trigger are of other kinds there, and not sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from onetape.model.enums import Kind, MetTrigger, Origin
from onetape.model.instrument import Instrument, from_symbol
from onetape.model.time import MINUTE
from onetape.venues.bybit.words import TRIGGERS

__all__ = ["SETTLES", "instruments_of"]

SETTLES: Final = "USDT"  # a linear contract in USDC settles its profit each eight hours, which is not read yet

_TYPES: Final = {Kind.LINEAR: "LinearPerpetual", Kind.INVERSE: "InversePerpetual"}


def instruments_of(kind: Kind, rows: Sequence[Mapping[str, Any]], wanted: frozenset[str]) -> list[Instrument]:
    """Returns the instruments of the list of a kind that trade, whose symbols are in `wanted` (all, if it is empty): of
    contracts the perpetuals that settle in USDT or in coin. Raises KeyError, ValueError for malformed rows."""
    found = []
    for row in rows:
        is_spot = kind is Kind.SPOT
        symbol = f"bybit:{row['baseCoin']}/{row['quoteCoin']}" + ("" if is_spot else f":{row['settleCoin']}")
        settles = SETTLES if kind is Kind.LINEAR else row["baseCoin"]
        is_traded = is_spot or (row["contractType"] == _TYPES[kind] and row["settleCoin"] == settles)
        if not is_traded or row["status"] != "Trading" or (wanted and symbol not in wanted):
            continue
        found.append(
            from_symbol(
                symbol,
                raw_symbol=row["symbol"],
                tick=row["priceFilter"]["tickSize"],
                **(_spot(row["lotSizeFilter"]) if is_spot else _contract(row)),
                met_triggers=MetTrigger.REFUSED,
                origin=Origin.RECORDED,
                defaulted=("maker_fee", "taker_fee"),
            )
        )
    return found


def _spot(lots: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "lot": lots["basePrecision"],
        "size_min": lots.get("minOrderQty") or lots["basePrecision"],  # to be left out by the venue one day
        "size_max": lots.get("maxLimitOrderQty") or lots["maxOrderQty"],
        "market_size_max": lots.get("maxMarketOrderQty") or "0",
        "notional_min": lots["minOrderAmt"],
        "maker_fee": "0.001",
        "taker_fee": "0.001",
        "trigger_by": (),
    }


def _contract(row: Mapping[str, Any]) -> dict[str, Any]:
    lots, leverage = row["lotSizeFilter"], Decimal(row["leverageFilter"]["maxLeverage"])
    return {
        "lot": lots["qtyStep"],
        "size_min": lots["minOrderQty"],
        "size_max": lots["maxOrderQty"],
        "notional_min": lots.get("minNotionalValue") or "0",
        "maker_fee": "0.0002",
        "taker_fee": "0.00055",
        "maintenance_rate": 1 / (2 * leverage),
        "leverage": int(leverage),
        "funding_interval": int(row["fundingInterval"]) * MINUTE,
        "trigger_by": tuple(TRIGGERS),
    }
