"""Read the shipped catalogue: public facts of common instruments, with source and date.

`catalogue.json` holds sets of rows, each set with its venue, source, date (`as_of`) and the fees of
the venue's public base tier; tools/make_catalogue.py makes it. `margin.json` holds margin brackets
the same way; all versions of a symbol have its newest brackets; in older versions they are marked as a default,
because nothing older is known. `venues.json` holds facts of a venue as a whole (venue_facts.py): a fee schedule that
changes makes a new version of its instruments. All are read on first use. An instrument in several sets has several
versions, oldest first; a version holds from its date, and the oldest also before it, because nothing older is known.

Current rules are requested from the venue. The catalogue is for data without them, and states the age
of its facts.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec

from onetape.model import venue_facts
from onetape.model.enums import Kind, Origin
from onetape.model.errors import UsageError
from onetape.model.instrument import Instrument, from_symbol
from onetape.model.margin import MarginBracket
from onetape.model.symbol import parse_symbol
from onetape.model.time import HOUR, parse_time
from onetape.model.typed import from_json

# Used where a set names no maintenance rate: close to the lowest tier of most contracts.
MAINTENANCE_DEFAULT: Final = Decimal("0.01")


class _Set(msgspec.Struct, frozen=True):
    venue: str
    as_of: str
    maker_fee: Decimal
    taker_fee: Decimal
    fields: list[str]
    rows: list[list[str]]
    funding_hours: int = 0


class _File(msgspec.Struct, frozen=True):
    sets: list[_Set]


class _Margin(msgspec.Struct, frozen=True):
    tables: dict[str, list[tuple[Decimal, Decimal, int]]]


class _MarginFile(msgspec.Struct, frozen=True):
    sets: list[_Margin]


@lru_cache(maxsize=1)
def _sets() -> list[_Set]:
    text = Path(__file__).with_name("catalogue.json").read_bytes()
    return from_json(text, _File).sets


@lru_cache(maxsize=1)
def _margins() -> dict[str, tuple[MarginBracket, ...]]:
    text = Path(__file__).with_name("margin.json").read_bytes()
    return {
        symbol: tuple(
            MarginBracket(notional_max=most, maintenance_rate=rate, leverage_max=leverage)
            for most, rate, leverage in rows
        )
        for each in from_json(text, _MarginFile).sets
        for symbol, rows in each.tables.items()
    }


@lru_cache(maxsize=1)
def _by_symbol() -> dict[str, list[tuple[_Set, list[str]]]]:
    found: dict[str, list[tuple[_Set, list[str]]]] = {}
    for rows_of in _sets():
        name, prefix = rows_of.fields.index("name"), rows_of.venue + ":"
        for row in rows_of.rows:
            found.setdefault(prefix + row[name], []).append((rows_of, row))
    return found


@lru_cache(maxsize=1)
def _by_raw() -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for symbol, rows in _by_symbol().items():
        for rows_of, row in rows:
            for alias in row[rows_of.fields.index("raw")].split():
                names = found.setdefault((rows_of.venue, alias.upper()), [])
                if symbol not in names:
                    names.append(symbol)
    return found


def venues() -> frozenset[str]:
    """Returns the exchanges that have instruments here."""
    return frozenset(each.venue for each in _sets())


def find(symbol: str, at: int | None = None) -> Instrument | None:
    """Returns the version of `symbol` valid at `at` (ns UTC; None: the newest version), or None for an unknown
    symbol."""
    found = versions(symbol)
    if not found:
        return None
    if at is None:
        return found[-1]
    held = [version for version in found if version.valid_from <= at]
    return held[-1] if held else found[0]


@lru_cache(maxsize=4096)
def versions(symbol: str) -> tuple[Instrument, ...]:
    """Returns all versions of a symbol, oldest first, numbered from 1; empty if unknown."""
    rows = _by_symbol().get(symbol, [])
    dated = sorted((_instrument(symbol, rows_of, row) for rows_of, row in rows), key=lambda i: i.valid_from)
    dated = _with_schedules(_with_liquidation_fees(dated), _aliases(rows))
    return tuple(
        _with_brackets(msgspec.structs.replace(instrument, version=number), is_newest=number == len(dated))
        for number, instrument in enumerate(dated, 1)
    )


def _with_liquidation_fees(dated: list[Instrument]) -> list[Instrument]:
    """Returns the versions with liquidation fees. A version without one gets the previous version's, marked as a
    default."""
    found: list[Instrument] = []
    for instrument in dated:
        if found and found[-1].liquidation_fee and not instrument.liquidation_fee:
            instrument = msgspec.structs.replace(
                instrument,
                liquidation_fee=found[-1].liquidation_fee,
                defaulted=(*instrument.defaulted, "liquidation_fee"),
            )
        found.append(instrument)
    return found


def _aliases(rows: list[tuple[_Set, list[str]]]) -> tuple[str, ...]:
    return tuple(name for rows_of, row in rows for name in row[rows_of.fields.index("raw")].split())


def _with_schedules(dated: list[Instrument], names: tuple[str, ...]) -> list[Instrument]:
    """Returns each version with the fee schedule of its time, and one more where the schedule changes within it. The
    oldest schedule also covers the time before it, marked as a default."""
    if not dated:
        return dated
    schedules = venue_facts.schedules(dated[0].venue, dated[0].kind, names)
    if not schedules:
        return dated
    found: list[Instrument] = []
    ends = [instrument.valid_from for instrument in dated[1:]] + [2**63]
    for instrument, end in zip(dated, ends, strict=True):
        begin = instrument.valid_from
        held = [schedule for schedule in schedules if schedule.since <= begin]
        found.append(_with_schedule(instrument, held[-1] if held else schedules[0], begin))
        found += [
            _with_schedule(instrument, schedule, schedule.since)
            for schedule in schedules
            if begin < schedule.since < end
        ]
    return found


def _with_schedule(instrument: Instrument, schedule: venue_facts.FeeSchedule, since: int) -> Instrument:
    maker, taker = schedule.base
    is_later = schedule.since > since
    return msgspec.structs.replace(
        instrument,
        maker_fee=maker,
        taker_fee=taker,
        fee_tiers=schedule.tiers_in(instrument.quote),
        valid_from=since,
        defaulted=(*instrument.defaulted, "fee_tiers") if is_later else instrument.defaulted,
    )


def _with_brackets(instrument: Instrument, *, is_newest: bool) -> Instrument:
    found = _margins().get(instrument.symbol)
    if found is None:
        return instrument
    defaulted = tuple(name for name in instrument.defaulted if name != "maintenance_rate")
    return msgspec.structs.replace(
        instrument, brackets=found, defaulted=defaulted if is_newest else (*defaulted, "brackets")
    )


def find_raw(venue: str, raw: str, *, kind: Kind | None = None, at: int | None = None) -> Instrument | None:
    """Find an instrument by the venue's own name, any case; None if unknown. `kind` is required where the venue uses
    one name twice (Binance's BTCUSDT): UsageError without it."""
    names = _by_raw().get((venue, raw.upper()), [])
    fitting = [name for name in names if kind is None or parse_symbol(name).kind is kind]
    if len(fitting) > 1:
        raise UsageError(f"{venue} calls several instruments {raw}", todo=f"name one of {', '.join(fitting)}")
    return find(fitting[0], at) if fitting else None


def default_fees(venue: str, kind: Kind) -> tuple[Decimal, Decimal] | None:
    """Returns (maker, taker) of the venue's public base tier; None for an unknown venue or market."""
    if schedules := venue_facts.schedules(venue, kind):
        return schedules[-1].base
    for rows_of in reversed(_sets()):
        is_spot = ":" not in rows_of.rows[0][rows_of.fields.index("name")]
        if rows_of.venue == venue and is_spot == (kind is Kind.SPOT):
            return rows_of.maker_fee, rows_of.taker_fee
    return None


_NO_DECIMALS: Final = frozenset({"name", "raw", "expiry", "valid_from", "price_decimals"})


def _instrument(symbol: str, rows_of: _Set, row: list[str]) -> Instrument:
    # Rows drop the empty cells at their end.
    cells = {field: cell for field, cell in zip(rows_of.fields, row, strict=False) if cell}
    parsed = parse_symbol(symbol)
    facts: dict[str, object] = {field: Decimal(cell) for field, cell in cells.items() if field not in _NO_DECIMALS}
    if "price_decimals" in cells:
        facts["price_decimals"] = int(cells["price_decimals"])
    defaulted: tuple[str, ...] = ("maker_fee", "taker_fee")
    if parsed.kind is not Kind.SPOT and "maintenance_rate" not in facts:
        facts["maintenance_rate"] = MAINTENANCE_DEFAULT
        defaulted += ("maintenance_rate",)
    if "expiry" in cells:
        facts["expiry"] = parse_time(cells["expiry"])
    if parsed.is_perpetual:
        facts["funding_interval"] = rows_of.funding_hours * HOUR
    if amend := venue_facts.amend_fact(rows_of.venue, parsed.kind):
        facts |= {"amend": amend.rule, "amend_triggers": amend.triggers}
    if trigger := venue_facts.trigger_fact(rows_of.venue, parsed.kind):
        facts |= {"met_triggers": trigger.met, "trigger_by": trigger.by}
    return from_symbol(
        symbol,
        raw_symbol=cells["raw"].split()[0],
        maker_fee=rows_of.maker_fee,
        taker_fee=rows_of.taker_fee,
        valid_from=parse_time(cells.get("valid_from", rows_of.as_of)),
        origin=Origin.CATALOGUE,
        defaulted=defaulted,
        **facts,
    )


__all__ = ["MAINTENANCE_DEFAULT", "default_fees", "find", "find_raw", "venues", "versions"]
