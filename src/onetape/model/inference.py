"""Find an instrument for data without one: from the catalogue, else from the decimals of prices and sizes.

The rule: tick and lot are 10**-n, n the most decimals that any price (any size) of the stream is
written with, zeros at the end not counted: 60000.10 has one. Zeros are not counted because venues
pad to a width that is not their tick (Binance writes 8 decimals for every spot price). The inferred tick is coarser
than the real one only if all prices happen to be round (for bars the importer limits that); a tick of 0.5 is inferred
as 0.1. Floats count with the 15 digits that a double represents exactly, so 0.1 + 0.2 has one decimal.

Inferred fields are named in `inferred`, defaults in `defaulted`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from onetape.model import catalogue, venue_facts
from onetape.model.decimals import decimal_text
from onetape.model.enums import Kind, Origin
from onetape.model.instrument import Instrument, from_symbol
from onetape.model.symbol import UNKNOWN_CURRENCY, parse_symbol

ROWS_SHOWN: Final = 3  # rows of a table that are shown in one line


def infer(symbol: str, *, price_decimals: int, size_decimals: int) -> Instrument:
    """Returns an Instrument from the decimals of its data alone, fees from the venue's base tier."""
    parsed = parse_symbol(symbol)
    fees = catalogue.default_fees(parsed.venue, parsed.kind)
    defaulted: list[str] = ["maker_fee", "taker_fee"]
    if not parsed.is_unified:
        defaulted += ["kind", "quote", "multiplier"]
    elif parsed.kind is not Kind.SPOT:
        defaulted += ["multiplier"]
    facts: dict[str, object] = {}
    if parsed.kind is not Kind.SPOT:
        defaulted += ["maintenance_rate"]
        facts["maintenance_rate"] = catalogue.MAINTENANCE_DEFAULT
    maker_fee, taker_fee = fees or (Decimal(0), Decimal(0))
    if schedules := venue_facts.schedules(parsed.venue, parsed.kind):
        facts["fee_tiers"] = schedules[-1].tiers_in(parsed.quote)
        defaulted += ["fee_tiers"] if facts["fee_tiers"] else []
    if amend := venue_facts.amend_fact(parsed.venue, parsed.kind):
        facts |= {"amend": amend.rule, "amend_triggers": amend.triggers}
    if trigger := venue_facts.trigger_fact(parsed.venue, parsed.kind):
        facts |= {"met_triggers": trigger.met, "trigger_by": trigger.by}
    return from_symbol(
        symbol,
        price_decimals=price_decimals,
        size_decimals=size_decimals,
        tick=_step(price_decimals),
        lot=_step(size_decimals),
        maker_fee=maker_fee,
        taker_fee=taker_fee,
        origin=Origin.INFERRED,
        inferred=("tick", "lot"),
        defaulted=tuple(defaulted),
        **facts,
    )


def fit(instrument: Instrument, *, price_decimals: int, size_decimals: int) -> Instrument:
    """Returns the instrument with enough decimals for the data, unchanged where they fit.

    Prices finer than the tick mean that the tick was another one then: it is inferred. Finer sizes only raise
    `size_decimals`, not the lot: sums, averages and orders from before a change of lot have them too, and the coarser
    lot is safe for our own orders.
    """
    changes: dict[str, object] = {}
    inferred = list(instrument.inferred)
    if price_decimals > instrument.price_decimals:
        changes |= {"price_decimals": price_decimals, "tick": _step(price_decimals)}
        inferred.append("tick")
    if size_decimals > instrument.size_decimals:
        changes["size_decimals"] = size_decimals
        inferred.append("size_decimals")
    if not changes:
        return instrument
    return msgspec.structs.replace(instrument, inferred=tuple(dict.fromkeys(inferred)), **changes)


def assumptions(instrument: Instrument) -> list[str]:
    """Returns one line for each fact of the instrument that was inferred or defaulted, for reports."""
    lines = [
        f"{instrument.symbol}: {name} {_shown(instrument, name)}, inferred from the data"
        for name in instrument.inferred
    ]
    for name in instrument.defaulted:
        if name == "quote" and instrument.quote == UNKNOWN_CURRENCY:
            lines.append(f"{instrument.symbol}: quote currency not known, shown as XXX")
        else:
            lines.append(f"{instrument.symbol}: {name} {_shown(instrument, name)}, by default")
    return lines


def _shown(instrument: Instrument, name: str) -> str:
    return _words(getattr(instrument, name))


def _words(value: object) -> str:
    """Returns a fact as text: numbers in full, table rows as `name value`."""
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, (tuple, list)):
        if len(value) > ROWS_SHOWN:
            return f"{len(value)} rows, from {_words(value[0])} to {_words(value[-1])}"
        return "; ".join(map(_words, value)) or "none"
    if isinstance(value, msgspec.Struct):
        facts = ((name, getattr(value, name)) for name in value.__struct_fields__)
        return ", ".join(f"{name.replace('_', ' ')} {_words(each)}" for name, each in facts)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def _step(decimals: int) -> Decimal:
    return Decimal((0, (1,), -decimals))


__all__ = ["assumptions", "fit", "infer"]
