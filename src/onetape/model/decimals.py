"""Compute with exact decimals in one wide context, and format numbers in one way.

The default context of Python keeps 28 digits and belongs to the thread; an amount of money has up
to 39 (int128), so a sum in it may lose digits silently. Everything here goes through EXACT,
which raises instead of rounding.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from fractions import Fraction
from numbers import Integral, Rational, Real
from typing import NoReturn

# 100 digits hold any product of two int128 amounts.
EXACT = Context(prec=100, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])

# A number outside of these powers of ten is a mistake. As a fraction it could take unlimited memory ("1e999999999").
EXPONENT_MAX = 40
DIGITS_MAX = 80
_MAGNITUDE_MAX = 1e40

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?\Z", re.ASCII)

Number = float | Decimal | int | str


def to_ratio(value: object, *, what: str = "value") -> tuple[int, int]:
    """Numerator and denominator (> 0) of a float, Decimal, int, str or numpy scalar, exactly.

    Raises TypeError for anything else (bool included), ValueError for NaN, infinity, text that is
    not a number and magnitudes beyond 1e40; both name `what` and the value.
    """
    if isinstance(value, float):  # numpy's float64 is one
        if not -_MAGNITUDE_MAX <= value <= _MAGNITUDE_MAX:
            _refuse_magnitude(value, what)
        return value.as_integer_ratio()
    if isinstance(value, bool):
        raise TypeError(f"{what} must be a number, not a bool: {value}")
    if isinstance(value, str):
        text = value.strip()
        if not _NUMBER.match(text):
            raise ValueError(f"{what} is not a number: {value!r}")
        value = Decimal(text)
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"{what} must be finite: {value}")
        if value and (abs(value.adjusted()) > EXPONENT_MAX or len(value.as_tuple().digits) > DIGITS_MAX):
            raise ValueError(f"{what} is out of range: {value}")
        return value.as_integer_ratio()
    if isinstance(value, Rational):  # Integral is one
        numerator, denominator = int(value.numerator), int(value.denominator)
        if abs(numerator) > 10**EXPONENT_MAX * denominator:
            raise ValueError(f"{what} is out of range: {value}")
        return numerator, denominator
    if isinstance(value, Real):
        return to_ratio(float(value), what=what)
    raise TypeError(f"{what} must be a number, not {type(value).__name__}: {value!r}")


def _refuse_magnitude(value: float, what: str) -> NoReturn:
    is_finite = value == value and abs(value) != float("inf")
    rule = "is out of range" if is_finite else "must be finite"
    raise ValueError(f"{what} {rule}: {value}")


def to_fraction(value: object, *, what: str = "value") -> Fraction:
    """Returns the exact value as a fraction; errors as to_ratio."""
    return Fraction(*to_ratio(value, what=what))


def to_decimal(value: Number, *, what: str = "value") -> Decimal:
    """Returns an exact decimal in canonical form. A float counts as its shortest text."""
    to_fraction(value, what=what)  # refuses non-numbers
    if isinstance(value, Decimal):
        return canonical(value)
    if isinstance(value, str):
        return canonical(Decimal(value.strip()))
    if isinstance(value, Integral):
        return canonical(Decimal(int(value)))
    return canonical(Decimal(repr(float(value))))


def canonical(value: Decimal) -> Decimal:
    """Returns the same number without trailing zeros and without an exponent: 1E+1 is 10, 0.50 is 0.5."""
    if not value:
        return Decimal(0)
    exponent = value.as_tuple().exponent
    if isinstance(exponent, str):
        raise ValueError(f"must be finite: {value}")
    if exponent > 0:
        return EXACT.quantize(value, Decimal(1))
    return value if exponent == 0 or value.as_tuple().digits[-1] else _strip(value)


def _strip(value: Decimal) -> Decimal:
    short = EXACT.normalize(value)
    exponent = short.as_tuple().exponent
    return EXACT.quantize(short, Decimal(1)) if isinstance(exponent, int) and exponent > 0 else short


def decimal_text(value: Decimal) -> str:
    """Returns the number as people and JSON write it: no exponent, no trailing zeros, no minus zero."""
    if not value:
        return "0"
    if not value.is_finite():
        raise ValueError(f"must be finite: {value}")
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def decimals_of(value: Decimal) -> int:
    """Returns how many decimals the number needs: 0.0025 -> 4, 0.50 -> 1, 5 -> 0, 100 -> 0."""
    exponent = canonical(value).as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def scaled(units: int, decimals: int) -> Decimal:
    """Returns units / 10**decimals, exact and canonical."""
    if not units or decimals <= 0:
        return canonical(EXACT.scaleb(Decimal(units), -decimals))
    text = str(units)
    zeros = min(len(text) - len(text.rstrip("0")), decimals)
    return EXACT.scaleb(Decimal(text[:-zeros] if zeros else text), zeros - decimals)


def whole_number(value: object) -> int | None:
    """Returns a whole number from 0 to 2**63 - 1, also from text of digits; None for any other value."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= DIGITS_MAX:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value < 2**63 else None


def to_units(value: Decimal, decimals: int, *, what: str = "value") -> int:
    """Returns value * 10**decimals as a whole number. Raises ValueError where it is not whole."""
    units = EXACT.scaleb(value, decimals)
    whole = int(units)
    if units != whole:
        raise ValueError(f"{what} has more than {decimals} decimals: {value}")
    return whole


__all__ = [
    "DIGITS_MAX",
    "EXACT",
    "EXPONENT_MAX",
    "Number",
    "canonical",
    "decimal_text",
    "decimals_of",
    "scaled",
    "to_decimal",
    "to_fraction",
    "to_ratio",
    "to_units",
    "whole_number",
]
