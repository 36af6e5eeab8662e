"""OKX v5: instruments from the list of perpetual swaps.

Sizes are numbers of contracts; one contract is `ctVal` times `ctMult` of the base currency, or of dollars for an
inverse one. Maintenance is half of the margin at the highest leverage, as in the first tier. Fees depend on the
account's level: those of the first are used; the interval of funding is not in the list. Both are marked as defaults.
Source: OKX API v5 documentation, "Get instruments" and "Get position tiers", as of 2026-07.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from onetape.model.enums import AmendRule, MetTrigger, Origin
from onetape.model.instrument import Instrument, from_symbol
from onetape.model.time import HOUR
from onetape.venues.okx.words import TRIGGERS

__all__ = ["instruments_of"]

_KINDS: Final = ("linear", "inverse")


def instruments_of(rows: Sequence[Mapping[str, Any]], wanted: frozenset[str]) -> list[Instrument]:
    """Returns the swaps that trade, whose symbols are in `wanted` (all, if it is empty). Raises KeyError, ValueError
    for malformed rows."""
    found = []
    for row in rows:
        base, _, quote = row["uly"].partition("-")
        symbol = f"okx:{base}/{quote}:{row['settleCcy']}"
        is_usual = row["state"] == "live" and row["ctType"] in _KINDS and row.get("ruleType", "normal") == "normal"
        if not is_usual or (wanted and symbol not in wanted):
            continue
        leverage = Decimal(row["lever"])
        found.append(
            from_symbol(
                symbol,
                raw_symbol=row["instId"],
                venue_number=row.get("instIdCode"),
                tick=row["tickSz"],
                lot=row["lotSz"],
                multiplier=Decimal(row["ctVal"]) * Decimal(row["ctMult"] or 1),
                size_min=row["minSz"],
                size_max=row["maxLmtSz"],
                market_size_max=row["maxMktSz"],
                maker_fee="0.0002",
                taker_fee="0.0005",
                maintenance_rate=1 / (2 * leverage),
                leverage=int(leverage),
                funding_interval=8 * HOUR,
                amend=AmendRule.REQUEUES,
                amend_triggers=False,
                met_triggers=MetTrigger.REFUSED,
                trigger_by=tuple(TRIGGERS),
                origin=Origin.RECORDED,
                defaulted=("maker_fee", "taker_fee", "funding_interval"),
            )
        )
    return found
