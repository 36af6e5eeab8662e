"""OKX v5: instruments from the lists of perpetual swaps, spot and dated futures.

Sizes are coins on spot, else numbers of contracts; one contract is `ctVal` times `ctMult` of the base currency, or of
dollars for an inverse one. Maintenance is half of the margin at the highest leverage, as in the first tier. Fees depend
on the account's level: those of the first are used; the interval of funding is not in the list. Both are marked as
defaults. The largest market order on spot is a value in dollars, which is not checked here.
Source: OKX API v5 documentation, "Get instruments" and "Get position tiers", as of 2026-07.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from onetape.model.enums import AmendRule, MetTrigger, Origin, TriggerBy
from onetape.model.instrument import Instrument, from_symbol
from onetape.model.time import HOUR, MS
from onetape.venues.okx.words import FUTURES, SPOT, SWAP, TRIGGERS

__all__ = ["instruments_of"]

_KINDS: Final = ("linear", "inverse")
_FEES: Final = {SPOT: ("0.0008", "0.001"), SWAP: ("0.0002", "0.0005"), FUTURES: ("0.0002", "0.0005")}


def instruments_of(rows: Sequence[Mapping[str, Any]], wanted: frozenset[str]) -> list[Instrument]:
    """Returns the instruments that trade, whose symbols are in `wanted` (all, if it is empty). Raises KeyError,
    ValueError for malformed rows."""
    found = []
    for row in rows:
        symbol = _symbol(row)
        is_usual = row["state"] == "live" and row.get("ruleType", "normal") == "normal"
        if not symbol or not is_usual or (wanted and symbol not in wanted):
            continue
        maker_fee, taker_fee = _FEES[row["instType"]]
        found.append(
            from_symbol(
                symbol,
                raw_symbol=row["instId"],
                venue_number=row.get("instIdCode"),
                tick=row["tickSz"],
                lot=row["lotSz"],
                size_min=row["minSz"],
                size_max=row["maxLmtSz"],
                maker_fee=maker_fee,
                taker_fee=taker_fee,
                amend=AmendRule.REQUEUES,
                amend_triggers=False,
                met_triggers=MetTrigger.REFUSED,
                origin=Origin.RECORDED,
                **(_SPOT_TERMS if row["instType"] == SPOT else _contract(row)),
            )
        )
    return found


def _symbol(row: Mapping[str, Any]) -> str:
    """Returns our name of an instrument, "": it is of a kind that is not traded here."""
    if row["instType"] == SPOT:
        return f"okx:{row['baseCcy']}/{row['quoteCcy']}"
    if row["ctType"] not in _KINDS:
        return ""
    base, _, quote = row["uly"].partition("-")
    date = f"-{row['instId'].rpartition('-')[2]}" if row["instType"] == FUTURES else ""
    return f"okx:{base}/{quote}:{row['settleCcy']}{date}"


_SPOT_TERMS: Final[dict[str, Any]] = {"trigger_by": (TriggerBy.LAST,), "defaulted": ("maker_fee", "taker_fee")}


def _contract(row: Mapping[str, Any]) -> dict[str, Any]:
    leverage, pays_funding = Decimal(row["lever"]), row["instType"] == SWAP
    return {
        "multiplier": Decimal(row["ctVal"]) * Decimal(row["ctMult"] or 1),
        "market_size_max": row["maxMktSz"],
        "maintenance_rate": 1 / (2 * leverage),
        "leverage": int(leverage),
        "trigger_by": tuple(TRIGGERS),
        "defaulted": ("maker_fee", "taker_fee", *(("funding_interval",) if pays_funding else ())),
        **({"funding_interval": 8 * HOUR} if pays_funding else {"expiry": int(row["expTime"]) * MS}),
    }
