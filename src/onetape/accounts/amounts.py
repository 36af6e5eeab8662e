"""Amounts as people and programs give them, taken exactly or not at all."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from onetape.model.decimals import to_decimal, to_units
from onetape.model.errors import InvalidAmount
from onetape.model.money import INT128_MAX, MONEY_DECIMALS

__all__ = ["amount_units"]

_DIGITS: Final = 38  # more are past int128 at 18 decimals, or finer than 18
_PLAIN: Final = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,18}))?\Z")
_WHOLE: Final = 10**20  # 128 bits hold whatever has no more digits before the point
_UNIT: Final = 10**MONEY_DECIMALS


def amount_units(value: object, *, what: str = "amount") -> int:
    """Units of 1e-18 of a str, int, Decimal or float (as its shortest text); signed.

    Raises InvalidAmount for anything else: NaN, infinity, what does not fit 128 bits, more than 18
    decimals, bool.
    """
    # Nearly all that comes is plain; through a fraction it takes ten times as long.
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
