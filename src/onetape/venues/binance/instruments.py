"""Binance USD-M: instruments from exchangeInfo.

Source: "Exchange Information" of the USD-M documentation, as of 2026-11. Brackets and fees depend on the account and
are queried separately; until then, the catalogue's are used, marked as defaults.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from onetape.model import catalogue
from onetape.model.enums import AmendRule, MetTrigger, Origin, TriggerBy
from onetape.model.instrument import Instrument, from_symbol
from onetape.model.time import SECOND
from onetape.orders.budget import BudgetRule

__all__ = ["ORDER_COUNT", "instruments_of", "order_rules_of"]

ORDER_COUNT: Final = "x-mbx-order-count-"  # then the window: 10s, 1m
_SPANS: Final = {"SECOND": SECOND, "MINUTE": 60 * SECOND, "HOUR": 3600 * SECOND, "DAY": 86_400 * SECOND}

_TRADABLE = frozenset({"TRADING"})
_PERPETUAL: Final = "PERPETUAL"
_DATED: Final = frozenset({"CURRENT_MONTH", "NEXT_MONTH", "CURRENT_QUARTER", "NEXT_QUARTER"})


def instruments_of(value: dict[str, Any], wanted: frozenset[str], venue: str = "binance") -> list[Instrument]:
    """Returns the trading perpetual and dated contracts of an exchangeInfo whose symbols are in `wanted` (all, if it is
    empty). Raises KeyError, ValueError for malformed rows."""
    found = []
    for row in value["symbols"]:
        is_dated = row["contractType"] in _DATED
        if not (is_dated or row["contractType"] == _PERPETUAL) or row["status"] not in _TRADABLE:
            continue
        expires = f"-{row['symbol'].rpartition('_')[2]}" if is_dated else ""
        symbol = f"{venue}:{row['baseAsset']}/{row['quoteAsset']}:{row['marginAsset']}{expires}"
        if wanted and symbol not in wanted:
            continue
        found.append(_instrument(symbol, row))
    return found


def order_rules_of(value: dict[str, Any]) -> tuple[BudgetRule, ...]:
    """Returns an account's limits on orders: ORDERS of an exchangeInfo's rateLimits (300 in 10 s and 1200 a minute,
    read 2026-11). Windows of unknown length are not counted here. Raises KeyError, ValueError for malformed rows."""
    return tuple(
        BudgetRule(
            int(row["intervalNum"]) * _SPANS[row["interval"]],
            int(row["limit"]),
            f"{ORDER_COUNT}{row['intervalNum']}{row['interval'][0].lower()}",
        )
        for row in value.get("rateLimits", ())
        if row["rateLimitType"] == "ORDERS" and row["interval"] in _SPANS
    )


def _instrument(symbol: str, row: dict[str, Any]) -> Instrument:
    filters = {each["filterType"]: each for each in row["filters"]}
    lot, market = filters["LOT_SIZE"], filters.get("MARKET_LOT_SIZE", filters["LOT_SIZE"])
    band = filters.get("PERCENT_PRICE", {})
    listed, is_dated = catalogue.find(symbol), row["contractType"] in _DATED
    return from_symbol(
        symbol,
        raw_symbol=row["symbol"],
        tick=filters["PRICE_FILTER"]["tickSize"],
        lot=lot["stepSize"],
        size_min=lot["minQty"],
        size_max=lot["maxQty"],
        market_lot=market["stepSize"],
        market_size_min=market["minQty"],
        market_size_max=market["maxQty"],
        notional_min=filters.get("MIN_NOTIONAL", {}).get("notional", "0"),
        band_up=str(Decimal(band.get("multiplierUp", "1")) - 1),
        band_down=str(1 - Decimal(band.get("multiplierDown", "1"))),
        maker_fee=listed.maker_fee if listed else Decimal("0.0002"),
        taker_fee=listed.taker_fee if listed else Decimal("0.0005"),
        maintenance_rate=listed.maintenance_rate if listed else Decimal("0.01"),
        brackets=msgspec.to_builtins(listed.brackets) if listed else (),
        liquidation_fee=row.get("liquidationFee", "0"),
        expiry=int(row["deliveryDate"]) * 10**6 if is_dated else None,
        funding_interval=0 if is_dated else listed.funding_interval if listed else 8 * 3600 * 10**9,
        amend=AmendRule.REQUEUES,
        amend_triggers=False,
        met_triggers=MetTrigger.REFUSED,
        trigger_by=(TriggerBy.LAST, TriggerBy.MARK),
        origin=Origin.RECORDED,
        defaulted=("maker_fee", "taker_fee", "brackets"),
    )
