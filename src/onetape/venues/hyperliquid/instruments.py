"""Hyperliquid: instruments from the list of perpetuals and their states.

A price has five significant figures at most, and 6 decimals less those of the size; whole numbers are always valid. So
the tick depends on the price: here it is that of a price a quarter above the mark, so that a rise by as much keeps
prices valid. Maintenance is half of the margin at the highest leverage. Fees depend on the account's volume: those of
the first level are used, marked as defaults. Source: hyperliquid.gitbook.io "Tick and lot size", "Info endpoint",
"Margining", "Fees", as of 2026-10.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from onetape.model.enums import AmendRule, MetTrigger, Origin, TriggerBy
from onetape.model.instrument import Instrument, from_symbol
from onetape.model.time import HOUR

__all__ = ["DECIMALS", "FIGURES", "instruments_of", "is_price", "tick_of"]

DECIMALS: Final = 6  # of price and size together
FIGURES: Final = 5
_ROOM: Final = Decimal("1.25")


def tick_of(price: Decimal, decimals: int) -> Decimal:
    """Returns the distance between valid prices at this one. decimals: the most that a price may have."""
    return Decimal(1).scaleb(min(max(price.adjusted() - FIGURES + 1, -decimals), 0))


def is_price(price: Decimal, decimals: int) -> bool:
    """Tells whether a price has no more figures and decimals than the venue takes."""
    return price > 0 and price % tick_of(price, decimals) == 0


def instruments_of(
    rows: Sequence[Mapping[str, Any]], states: Sequence[Mapping[str, Any]], wanted: frozenset[str]
) -> list[Instrument]:
    """Returns the listed perpetuals whose symbols are in `wanted` (all, if it is empty). rows, states: of the same
    assets in order. Raises KeyError, ValueError for malformed rows."""
    found = []
    for number, (row, state) in enumerate(zip(rows, states, strict=True)):
        symbol = f"hyperliquid:{row['name']}/USDC:USDC"
        if row.get("isDelisted") or (wanted and symbol not in wanted):
            continue
        lot, leverage = Decimal(1).scaleb(-int(row["szDecimals"])), int(row["maxLeverage"])
        decimals = DECIMALS - int(row["szDecimals"])
        found.append(
            from_symbol(
                symbol,
                raw_symbol=row["name"],
                venue_number=number,
                tick=tick_of(Decimal(state["markPx"]) * _ROOM, decimals),
                price_decimals=decimals,
                lot=lot,
                notional_min="10",
                maker_fee="0.00015",
                taker_fee="0.00045",
                maintenance_rate=1 / Decimal(2 * leverage),
                leverage=leverage,
                funding_interval=HOUR,
                amend=AmendRule.NONE,  # the venue's amendment places another order, which may be refused
                amend_triggers=False,
                met_triggers=MetTrigger.REFUSED,
                trigger_by=(TriggerBy.MARK,),
                origin=Origin.RECORDED,
                defaulted=("maker_fee", "taker_fee"),
            )
        )
    return found
