"""Compute margin by notional. With each bracket a venue's rate rises and its highest leverage falls.

A bracket covers values above the one before it, up to and including its `notional_max`, in the
instrument's settle currency. Within it

    maintenance(value) = value * maintenance_rate - maintenance_amount

The amount makes the margin continuous at the edges: with floor f and the rate before it r0,
amount = amount0 + f * (rate - r0). A venue that applies a position's highest rate to all of it has
amounts of 0, which must then be set.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from onetape.model.decimals import EXACT, canonical
from onetape.model.errors import BadInput
from onetape.model.money import money_units, rate_units

BRACKETS_MAX: Final = 100
LEVERAGE_MAX: Final = 1000


class MarginBracket(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One margin bracket. maintenance_amount: None: computed from the rows before it."""

    notional_max: Decimal
    maintenance_rate: Decimal
    leverage_max: int = 0  # 0: no limit
    maintenance_amount: Decimal | None = None


def completed(brackets: Sequence[MarginBracket]) -> tuple[MarginBracket, ...]:
    """Returns the brackets with all maintenance amounts. Raises BadInput when notional or rates do not rise."""
    if len(brackets) > BRACKETS_MAX:
        raise BadInput(f"{len(brackets)} margin brackets, at most {BRACKETS_MAX}")
    rows: list[MarginBracket] = []
    floor = rate = amount = Decimal(0)
    leverage = LEVERAGE_MAX
    for number, row in enumerate(brackets, 1):
        what = f"margin bracket {number}"
        for value in (row.notional_max, row.maintenance_rate, row.maintenance_amount):
            if value is not None and (not value.is_finite() or value < 0):
                raise BadInput(f"{what}: numbers are finite and not negative: {value}")
        if row.notional_max <= floor:
            raise BadInput(f"{what}: notional_max {row.notional_max} is not above {floor}")
        if not rate <= row.maintenance_rate < 1:
            raise BadInput(f"{what}: maintenance_rate {row.maintenance_rate} is not within {rate}..1")
        if not 0 <= row.leverage_max <= LEVERAGE_MAX:
            raise BadInput(f"{what}: leverage_max {row.leverage_max} is not within 0..{LEVERAGE_MAX}")
        if (row.leverage_max or LEVERAGE_MAX) > leverage:
            raise BadInput(f"{what}: leverage_max {row.leverage_max} rises with the notional")
        amount = (
            EXACT.fma(floor, EXACT.subtract(row.maintenance_rate, rate), amount)
            if row.maintenance_amount is None
            else row.maintenance_amount
        )
        floor, rate = row.notional_max, row.maintenance_rate
        leverage = row.leverage_max or LEVERAGE_MAX
        money_units(floor)  # raises ValueError where it does not fit
        rows.append(
            MarginBracket(
                notional_max=canonical(floor),
                maintenance_rate=canonical(rate),
                leverage_max=row.leverage_max,
                maintenance_amount=canonical(amount),
            )
        )
    return tuple(rows)


def core_rows(brackets: Sequence[MarginBracket]) -> list[tuple[int, int, int, int]]:
    """Returns the brackets in the form of the core's table: money in 1e-18, rates in 1e-12."""
    return [
        (
            money_units(row.notional_max),
            rate_units(row.maintenance_rate),
            money_units(row.maintenance_amount or 0),
            row.leverage_max,
        )
        for row in brackets
    ]


def notional_limit(brackets: Sequence[MarginBracket], leverage: int) -> Decimal | None:
    """Returns the largest value that may be opened at a leverage; None: no limit, 0: nothing may be opened."""
    if not brackets:
        return None
    allowed = [row.notional_max for row in brackets if (row.leverage_max or leverage) >= leverage]
    return max(allowed, default=Decimal(0))


__all__ = ["BRACKETS_MAX", "LEVERAGE_MAX", "MarginBracket", "completed", "core_rows", "notional_limit"]
