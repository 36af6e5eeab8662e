"""A price or a distance as a user says it: a number, or a share of a price."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

__all__ = ["amount_of"]


def amount_of(value: Any, price: Decimal) -> Decimal:
    """`"2%"` of a price, or a number as it is. Raises ValueError for anything else, and below zero."""
    text = str(value).strip()
    try:
        amount = Decimal(text[:-1]) / 100 * price if text.endswith("%") else Decimal(text)
    except ArithmeticError:
        raise ValueError(f"neither a price nor a share of one: {value!r}") from None
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"neither a price nor a share of one: {value!r}")
    return amount
