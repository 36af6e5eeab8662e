"""Exact conversion of amounts from people and programs, without rounding."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from onetape.model.decimals import to_decimal, to_units
from onetape.model.errors import InvalidAmount
from onetape.model.money import INT128_MAX, MONEY_DECIMALS

__all__ = ["amount_units"]

_DIGITS: Final = 38  # a longer number exceeds int128 at 18 decimals, or has more than 18 decimals
_PLAIN: Final = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,18}))?\Z")
_WHOLE: Final = 10**20  # smaller amounts fit 128 bits
_UNIT: Final = 10**MONEY_DECIMALS


def amount_units(value: object, *, what: str = "amount") -> int:
    """Converts a str, int, Decimal or float (as its shortest text) to units of 1e-18; signed.

    Raises InvalidAmount for anything else: NaN, infinity, more than 128 bits, more than 18 decimals, bool.
    """
    # Nearly all amounts are plain; a fraction takes ten times as long.
    if type(value) is int and abs(value) < _WHOLE:
        return value * _UNIT
    plain = _PLAIN.match(str(value)) if type(value) in (str, Decimal) else None
    if plain is not None:
        return int(plain[1]) * _UNIT + int((plain[2] or "").ljust(MONEY_DECIMALS, "0"))
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise InvalidAmount(f"{what} is not a number: {str(value)[:_DIGITS]!r}")
    if isinstance(value, str) and len(value) > 2 * _DIGITS:
        raise InvalidAmount(f"{what} is not a number: {value[:_DIGITS]!r}...")
    try:
        units = to_units(to_decimal(value, what=what), MONEY_DECIMALS, what=what)
    except ValueError as error:
        raise InvalidAmount(str(error)[:200]) from None
    if abs(units) > INT128_MAX:
        raise InvalidAmount(f"{what} does not fit 128 bits at {MONEY_DECIMALS} decimals")
    return units
