"""Parse a user's price, distance or option: a number, or a share of a price such as "2%"."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from onetape.model.rounding import Rounding, to_steps

__all__ = ["amount_of", "finite_of", "plain_of", "ticks_of"]


def amount_of(value: Any, price: Decimal) -> Decimal:
    """Returns `"2%"` of a price, or a number unchanged. Raises ValueError for other values, and below zero."""
    text = str(value).strip()
    try:
        amount = Decimal(text[:-1]) / 100 * price if text.endswith("%") else Decimal(text)
    except ArithmeticError:
        raise ValueError(f"neither a price nor a share of one: {value!r}") from None
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"neither a price nor a share of one: {value!r}")
    return amount


def finite_of(name: str, value: Any) -> Decimal:
    """Returns an option that is a finite number. Raises ValueError naming it for other values, NaN and infinity
    included."""
    try:
        number = Decimal(str(value)) if isinstance(value, (str, int, Decimal)) else Decimal(repr(float(value)))
    except (ArithmeticError, TypeError, ValueError):
        raise ValueError(f"{name} is a number, not {value!r}") from None
    if not number.is_finite():
        raise ValueError(f"{name} is a finite number, not {value!r}")
    return number


def plain_of(value: Any) -> Any:
    """Returns an option's value in a form for the tape that algorithms also accept."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain_of(each) for each in value]
    return value if isinstance(value, (str, int, float)) or value is None else str(value)


def ticks_of(price: Decimal, tick: Decimal, side: int) -> int:
    """Returns a price in whole ticks, rounded towards the better one for the side (1 buys, -1 sells)."""
    return to_steps(price, tick, Rounding.DOWN if side > 0 else Rounding.UP, what="price")
