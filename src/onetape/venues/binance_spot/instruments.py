"""Binance spot: instruments from exchangeInfo.

Source: "Exchange information" and "Filters" of the spot documentation, as of 2026-07: a value of 0 turns a rule off.
Fees depend on the account; until they are known, the catalogue's are used, marked as defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from onetape.model import catalogue
from onetape.model.enums import AmendRule, MetTrigger, Origin, TriggerBy
from onetape.model.instrument import Instrument, from_symbol

__all__ = ["instruments_of"]

_FEE: Final = Decimal("0.001")


def instruments_of(value: Mapping[str, Any], wanted: frozenset[str]) -> list[Instrument]:
    """Returns the trading symbols of an exchangeInfo that are in `wanted` (all, if it is empty). Raises LookupError,
    TypeError, ValueError for malformed rows."""
    found = []
    for row in value["symbols"]:
        symbol = f"binance:{row['baseAsset']}/{row['quoteAsset']}"
        if row["status"] == "TRADING" and row.get("isSpotTradingAllowed", True) and (not wanted or symbol in wanted):
            found.append(_instrument(symbol, row))
    return found


def _instrument(symbol: str, row: Mapping[str, Any]) -> Instrument:
    filters = {each["filterType"]: each for each in row["filters"]}
    lots, market = filters["LOT_SIZE"], filters.get("MARKET_LOT_SIZE", {})
    band = filters.get("PERCENT_PRICE_BY_SIDE") or filters.get("PERCENT_PRICE", {})
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL", {})
    up = band.get("bidMultiplierUp") or band.get("multiplierUp") or "1"
    down = band.get("askMultiplierDown") or band.get("multiplierDown") or "1"
    listed = catalogue.find(symbol)
    lot = _on(lots["stepSize"]) or _step(row["baseAssetPrecision"])
    return from_symbol(
        symbol,
        raw_symbol=row["symbol"],
        tick=_on(filters["PRICE_FILTER"]["tickSize"]) or _step(row["quotePrecision"]),
        lot=lot,
        size_min=lots["minQty"],
        size_max=lots["maxQty"],
        market_lot=_on(market.get("stepSize")) or lot,
        market_size_min=_on(market.get("minQty")) or lots["minQty"],
        market_size_max=_on(market.get("maxQty")) or lots["maxQty"],
        notional_min=notional.get("minNotional", "0"),
        band_up=str(Decimal(up) - 1),
        band_down=str(1 - Decimal(down)),
        maker_fee=listed.maker_fee if listed else _FEE,
        taker_fee=listed.taker_fee if listed else _FEE,
        amend=AmendRule.DECREASE_ONLY if row.get("amendAllowed", True) else AmendRule.NONE,
        amend_triggers=True,
        met_triggers=MetTrigger.REFUSED,
        trigger_by=(TriggerBy.LAST,),
        origin=Origin.RECORDED,
        defaulted=("maker_fee", "taker_fee"),
    )


def _on(text: str | None) -> str:
    """Returns a filter's value, "" if it is off."""
    return text if text and Decimal(text) else ""


def _step(decimals: int) -> str:
    return format(Decimal(1).scaleb(-int(decimals)), "f")
