"""Hyperliquid: instruments from the lists of perpetuals and of spot pairs, with their states.

A price has five significant figures at most, and 6 decimals (spot: 8) less those of the size; whole numbers are always
valid. So the tick depends on the price: here it is that of a price a quarter above the mark, so that a rise by as much
keeps prices valid. Maintenance is half of the margin at the highest leverage. Fees depend on the account's volume:
those of the first level are used, marked as defaults. A pair is called `@` and its number at the venue, the first one
`PURR/USDC`; here it is named by its tokens. Source: hyperliquid.gitbook.io "Tick and lot size", "Asset IDs", "Info
endpoint", "Margining", "Fees", as of 2026-10. That triggers of spot watch the mark, too, is unverified.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from onetape.model.enums import AmendRule, Kind, MetTrigger, Origin, TriggerBy
from onetape.model.instrument import Instrument, from_symbol
from onetape.model.time import HOUR

__all__ = ["DECIMALS", "FIGURES", "SPOT_ASSETS", "instruments_of", "is_price", "tick_of"]

DECIMALS: Final = {Kind.LINEAR: 6, Kind.SPOT: 8}  # of price and size together
FIGURES: Final = 5
SPOT_ASSETS: Final = 10_000  # numbers of spot pairs begin here
_ROOM: Final = Decimal("1.25")


def tick_of(price: Decimal, decimals: int) -> Decimal:
    """Returns the distance between valid prices at this one. decimals: the most that a price may have."""
    return Decimal(1).scaleb(min(max(price.adjusted() - FIGURES + 1, -decimals), 0))


def is_price(price: Decimal, decimals: int) -> bool:
    """Tells whether a price has no more figures and decimals than the venue takes."""
    return price > 0 and price % tick_of(price, decimals) == 0


def instruments_of(lists: Sequence[Any], wanted: frozenset[str]) -> list[Instrument]:
    """Returns the listed instruments whose symbols are in `wanted` (all, if it is empty). lists: of perpetuals and of
    spot pairs, each with its states. Raises KeyError, ValueError for malformed rows."""
    (meta, states), (spot, contexts) = lists
    rows = (*_perpetuals(meta["universe"], states), *_pairs(spot, contexts))
    return [
        from_symbol(
            symbol,
            notional_min="10",
            amend=AmendRule.NONE,  # the venue's amendment places another order, which may be refused
            amend_triggers=False,
            met_triggers=MetTrigger.REFUSED,
            trigger_by=(TriggerBy.MARK,),
            origin=Origin.RECORDED,
            defaulted=("maker_fee", "taker_fee"),
            **terms,
        )
        for symbol, terms in rows
        if not wanted or symbol in wanted
    ]


def _perpetuals(rows: Sequence[Mapping[str, Any]], states: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    for number, (row, state) in enumerate(zip(rows, states, strict=True)):
        if not row.get("isDelisted"):
            leverage = int(row["maxLeverage"])
            yield (
                f"hyperliquid:{row['name']}/USDC:USDC",
                {
                    **_usual(row["name"], number, int(row["szDecimals"]), state["markPx"], Kind.LINEAR),
                    "maker_fee": "0.00015",
                    "taker_fee": "0.00045",
                    "maintenance_rate": 1 / Decimal(2 * leverage),
                    "leverage": leverage,
                    "funding_interval": HOUR,
                },
            )


def _pairs(spot: Mapping[str, Any], contexts: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yields the pairs that have a price. The states have names, and are not in the order of the pairs."""
    tokens = {each["index"]: each for each in spot["tokens"]}
    marks = {each["coin"]: each["markPx"] for each in contexts}
    for row in spot["universe"]:
        base, quote = (tokens[number] for number in row["tokens"])
        mark, names = marks.get(row["name"], "0"), (base["name"], quote["name"])
        if Decimal(mark) and all(name.isalnum() and name.isascii() for name in names):
            yield (
                f"hyperliquid:{'/'.join(names)}",
                {
                    **_usual(row["name"], SPOT_ASSETS + row["index"], int(base["szDecimals"]), mark, Kind.SPOT),
                    "maker_fee": "0.0004",
                    "taker_fee": "0.0007",
                },
            )


def _usual(raw: str, number: int, size_decimals: int, mark: str, kind: Kind) -> dict[str, Any]:
    decimals = DECIMALS[kind] - size_decimals
    return {
        "raw_symbol": raw,
        "venue_number": number,
        "tick": tick_of(Decimal(mark) * _ROOM, decimals),
        "price_decimals": decimals,
        "lot": Decimal(1).scaleb(-size_decimals),
    }
