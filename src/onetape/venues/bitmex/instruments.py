"""BitMEX: instruments from the list of contracts, and its names of currencies.

Source: BitMEX API documentation, "Instrument"; recorded answers of 2021 and 2024.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from onetape.model.enums import MetTrigger, Origin
from onetape.model.instrument import Instrument, from_symbol
from onetape.model.time import HOUR, parse_time

__all__ = ["ASSETS", "CURRENCIES", "instruments_of"]

ASSETS: Final = {"BTC": ("XBt", "XBT", 8), "USDT": ("USDt", "USDT", 6)}  # wallet, asset, decimals
CURRENCIES: Final = {wallet: (currency, decimals) for currency, (wallet, _, decimals) in ASSETS.items()}
_TYPES: Final = frozenset({"FFWCSX", "FFCCSX"})  # perpetuals and futures


def instruments_of(rows: Sequence[Mapping[str, Any]], wanted: frozenset[str]) -> list[Instrument]:
    """Returns the open contracts of a list whose symbols are in `wanted` (all, if it is empty), with numbers as text;
    quanto contracts, whose value does not follow from the price alone, are left out. Raises KeyError, ValueError."""
    found = []
    for row in rows:
        is_contract = row["typ"] in _TYPES and not row["isQuanto"] and row["settlCurrency"] in CURRENCIES
        if row["state"] != "Open" or not is_contract:
            continue
        base = "BTC" if row["underlying"] == "XBT" else row["underlying"]
        quote = "BTC" if row["quoteCurrency"] == "XBT" else row["quoteCurrency"]
        settle, _ = CURRENCIES[row["settlCurrency"]]
        expiry = None if row["expiry"] is None else parse_time(row["expiry"])
        dated = "" if expiry is None else f"-{row['expiry'][2:10].replace('-', '')}"
        symbol = f"bitmex:{base}/{quote}:{settle}{dated}"
        if wanted and symbol not in wanted:
            continue
        found.append(
            from_symbol(
                symbol,
                raw_symbol=row["symbol"],
                tick=row["tickSize"],
                lot=row["lotSize"],
                size_max=row["maxOrderQty"],
                multiplier=1 if row["isInverse"] else 1 / Decimal(row["underlyingToPositionMultiplier"]),
                maker_fee=row["makerFee"],
                taker_fee=row["takerFee"],
                maintenance_rate=row["maintMargin"],
                leverage=int(1 / Decimal(row["initMargin"])),
                funding_interval=8 * HOUR if expiry is None else 0,
                expiry=expiry,
                met_triggers=MetTrigger.REFUSED,
                origin=Origin.RECORDED,
            )
        )
    return found
