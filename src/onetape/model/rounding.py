"""Round numbers to whole steps by one exact rule.

A number within 1e-9 (relative) of a step counts as that step: 0.3 - 0.1 in floats is 0.2.
Otherwise a price goes to the tick in the passive direction (a buy down, a sell up) and a quantity
down to the lot. Down means towards minus infinity, also below zero: a buy at -0.007 with tick 0.01 is -0.01.

This is the slow and exact definition of the rule; the compiled `snap` is tested against it.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from onetape.model.decimals import Number, to_ratio, to_units
from onetape.model.enums import Side

SNAP_TOLERANCE_PARTS = 10**9  # tolerance as one part in so many of the number, inclusive
INT64_MAX = 2**63 - 1


class Rounding(StrEnum):
    """The direction of rounding for a number between two steps."""

    DOWN = "down"
    UP = "up"
    NEAREST = "nearest"  # a tie to the even step
    TOWARD_ZERO = "toward zero"


def to_steps(value: Number | Fraction, step: Decimal | Fraction, rounding: Rounding, *, what: str = "value") -> int:
    """Returns the number of steps: snapped where the number equals one within tolerance, else in the given
    direction."""
    numerator, denominator = _ratio_to(value, step, what)
    nearest, is_step = _nearest(numerator, denominator)
    if is_step:
        return nearest
    floor = numerator // denominator
    match rounding:
        case Rounding.DOWN:
            return floor
        case Rounding.UP:
            return floor + 1
        case Rounding.NEAREST:
            return nearest
        case Rounding.TOWARD_ZERO:
            return floor if numerator > 0 else floor + 1


def _ratio_to(value: object, step: Decimal | Fraction, what: str) -> tuple[int, int]:
    """Returns value / step as a ratio of whole numbers."""
    size_numerator, size_denominator = step.as_integer_ratio()
    if size_numerator <= 0:
        raise ValueError(f"step must be positive: {step}")
    numerator, denominator = to_ratio(value, what=what)
    return numerator * size_denominator, denominator * size_numerator


def _nearest(numerator: int, denominator: int) -> tuple[int, bool]:
    """Returns the nearest whole number, a tie to the even one, and whether the ratio equals it within tolerance."""
    nearest, rest = divmod(numerator, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and nearest % 2):
        nearest += 1
        rest -= denominator
    return nearest, abs(rest) * SNAP_TOLERANCE_PARTS <= abs(numerator)


def passive(side: Side) -> Rounding:
    """Returns the direction that never pays more: down for a buy's price, up for a sell's."""
    if side is Side.NONE:
        raise ValueError("a price cannot be rounded without a side")
    return Rounding.DOWN if side is Side.BUY else Rounding.UP


def price_to_int(value: Number, *, tick: Decimal, decimals: int, side: Side, rounding: Rounding | None = None) -> int:
    """Returns a price as int64 at `decimals`, on the tick; passive for `side` by default.

    Negative prices are valid. Raises TypeError or ValueError naming the value.
    """
    direction = passive(side) if rounding is None else rounding
    units = to_steps(value, tick, direction, what="price") * to_units(tick, decimals, what="tick")
    return _int64(units, value, "price")


def size_to_int(value: Number, *, lot: Decimal, decimals: int) -> int:
    """Returns a quantity as int64 at `decimals`, down to the lot. Raises ValueError below zero."""
    steps = to_steps(value, lot, Rounding.TOWARD_ZERO, what="quantity")
    units = _int64(steps * to_units(lot, decimals, what="lot"), value, "quantity")
    if units < 0 or (units == 0 and to_ratio(value)[0] < 0):
        raise ValueError(f"quantity must not be negative: {value}")
    return units


def _int64(units: int, value: object, what: str) -> int:
    if abs(units) > INT64_MAX:
        raise ValueError(f"{what} does not fit 64 bits at the instrument's decimals: {value}")
    return units


__all__ = ["Rounding", "passive", "price_to_int", "size_to_int", "to_steps"]
