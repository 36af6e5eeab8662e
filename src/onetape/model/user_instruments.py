"""Parse a user's instruments (`--instruments FILE`): TOML, one table each.

    [[instrument]]
    symbol = "binance:BTC/USDT:USDT"
    tick = "0.10"
    taker_fee = "0.0004"

The file may also have rules of the venue (user_rules.py). Keys are the fields of Instrument;
numbers may be text, which keeps them exact, or plain. Tables
(margin brackets, fee tiers) are lists of tables:

    brackets = [
        { notional_max = "50000", maintenance_rate = "0.004", leverage_max = 125 },
        { notional_max = "600000", maintenance_rate = "0.005", leverage_max = 100 },
    ]
    fee_tiers = [{ volume_min = 5000000, maker_fee = "0.00012", taker_fee = "0.00042" }]

A maintenance_rate without brackets replaces the catalogue's brackets, a maker_fee or taker_fee
without fee_tiers its schedule. Missing fields are taken from the catalogue's newest version
of the symbol; without one tick and lot are required, and the rest has its default.
"""

from __future__ import annotations

import tomllib
from decimal import Decimal
from typing import Any

import msgspec

from onetape.model import catalogue
from onetape.model.decimals import decimals_of, to_decimal
from onetape.model.enums import Origin
from onetape.model.errors import BadConfig, BadInput
from onetape.model.fee_tiers import FeeTier
from onetape.model.instrument import Instrument, from_symbol
from onetape.model.margin import MarginBracket
from onetape.model.time import parse_time
from onetape.model.typed import from_builtins
from onetape.model.user_rules import RULE_TABLES

_FIELDS = {field.name: field.type for field in msgspec.structs.fields(Instrument)}
_TABLES: dict[str, Any] = {"brackets": tuple[MarginBracket, ...], "fee_tiers": tuple[FeeTier, ...]}
_DERIVED = {"origin", "inferred", "defaulted"}


def parse_instruments(text: str, *, location: str = "") -> dict[str, Instrument]:
    """Returns symbol -> Instrument of a file's text. Raises BadConfig naming the table and the key."""
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(str(error), location=location) from None
    unknown = set(document) - {"instrument"} - RULE_TABLES
    if unknown:
        raise BadConfig(
            f"unknown key {min(unknown)!r}", location=location, todo="use [[instrument]], [[adl]] or [loans]"
        )
    tables = document.get("instrument", [])
    if not isinstance(tables, list):
        raise BadConfig("instrument is not a list of tables", location=location, todo="[[instrument]]")
    found: dict[str, Instrument] = {}
    for number, table in enumerate(tables, 1):
        instrument = _instrument(table, f"{location} instrument {number}".strip())
        if instrument.symbol in found:
            raise BadConfig(f"{instrument.symbol} is given twice", location=location)
        found[instrument.symbol] = instrument
    return found


def _instrument(table: dict[str, object], location: str) -> Instrument:
    symbol = table.get("symbol")
    if not isinstance(symbol, str):
        raise BadConfig("symbol is missing", location=location)
    facts: dict[str, object] = {}
    for key, value in table.items():
        if key not in _FIELDS or key in _DERIVED:
            raise BadConfig(f"unknown key {key!r}", location=location)
        facts[key] = _value(key, value, location)
    listed = catalogue.find(symbol)
    try:
        if listed is None:
            del facts["symbol"]
            return from_symbol(symbol, origin=Origin.USER, **facts)
        return _over(listed, facts)
    except BadInput as error:
        raise BadConfig(error.what, location=location) from None


def _over(listed: Instrument, facts: dict[str, object]) -> Instrument:
    for decimals, step in (("price_decimals", "tick"), ("size_decimals", "lot")):
        value = facts.get(step)
        if isinstance(value, Decimal):
            facts.setdefault(decimals, max(decimals_of(value), getattr(listed, decimals)))
    if "maintenance_rate" in facts:
        facts.setdefault("brackets", ())
    if "maker_fee" in facts or "taker_fee" in facts:
        facts.setdefault("fee_tiers", ())
    defaulted = tuple(name for name in listed.defaulted if name not in facts)
    try:
        return from_builtins(
            {**msgspec.structs.asdict(listed), **facts, "origin": Origin.USER, "defaulted": defaulted}, Instrument
        )
    except msgspec.ValidationError as error:
        raise BadInput(str(error)) from None


def _value(key: str, value: object, location: str) -> object:
    if key in {"expiry", "valid_from"}:
        try:
            return parse_time(value)
        except BadInput as error:
            raise BadConfig(f"{key}: {error.what}", location=location) from None
    if key in _TABLES:
        return _table(key, value, location)
    if _FIELDS[key] is not Decimal:
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise BadConfig(f"{key} is not a number: {value!r}", location=location)
    try:
        return to_decimal(value, what=key)
    except ValueError as error:
        raise BadConfig(str(error), location=location) from None


def _table(key: str, value: object, location: str) -> object:
    rows = value if isinstance(value, list) else [value]
    for row in rows:
        if not isinstance(row, dict) or any(isinstance(cell, bool) for cell in row.values()):
            raise BadConfig(f"{key} is not a list of tables of numbers", location=location)
    try:
        return from_builtins(rows, _TABLES[key])
    except (msgspec.ValidationError, ValueError) as error:
        raise BadConfig(f"{key}: {error}", location=location) from None


__all__ = ["parse_instruments"]
