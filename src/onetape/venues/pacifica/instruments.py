"""Pacifica: instruments from the list of markets.

Source: docs.pacifica.fi "Get market info", as of 2026-07. Maintenance is half of the margin at the highest leverage.
Fees depend on the account's level: those of the first level are used, marked as defaults.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from onetape.model.enums import AmendRule, MetTrigger, Origin
from onetape.model.instrument import Instrument, from_symbol
from onetape.model.time import HOUR
from onetape.venues.pacifica.words import TRIGGERS

__all__ = ["instruments_of"]


def instruments_of(rows: Sequence[Mapping[str, Any]], wanted: frozenset[str]) -> list[Instrument]:
    """Returns the perpetuals of a list whose symbols are in `wanted` (all, if it is empty). Raises KeyError, ValueError
    for malformed rows."""
    found = []
    for row in rows:
        symbol = f"pacifica:{row['symbol']}/USDC:USDC"
        if row.get("instrument_type", "perpetual") != "perpetual" or (wanted and symbol not in wanted):
            continue
        found.append(
            from_symbol(
                symbol,
                raw_symbol=row["symbol"],
                tick=row["tick_size"],
                lot=row["lot_size"],
                notional_min=row["min_order_size"],
                maker_fee="0.00015",
                taker_fee="0.0004",
                maintenance_rate=1 / Decimal(2 * int(row["max_leverage"])),
                funding_interval=HOUR,
                amend=AmendRule.NONE,  # the venue's amendment places another order, which may be refused
                amend_triggers=False,
                met_triggers=MetTrigger.REFUSED,
                trigger_by=tuple(TRIGGERS),
                origin=Origin.RECORDED,
                defaulted=("maker_fee", "taker_fee"),
            )
        )
    return found
