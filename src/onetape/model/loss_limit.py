"""Parse a loss limit with its time window: "4h 150 USDT", "day 500 USDT"."""

from __future__ import annotations

from typing import Final, NamedTuple

from onetape.model.errors import OnetapeError, UsageError
from onetape.model.money import money_units, parse_amount
from onetape.model.time import DAY, parse_duration

__all__ = ["LossLimit", "parse_loss_limit"]

_DAY: Final = "day"
WINDOW_MAX: Final = 31 * DAY  # a gateway reads its tape back to here at its start


class LossLimit(NamedTuple):
    """A loss limit: a loss of `most` or more within the window forbids new risk.

    text: as written.
    window: ns, sliding; 0: the UTC day, whose halt stays until it is lifted.
    most: units of 1e-18 of the currency, greater than 0.
    """

    text: str
    window: int
    most: int
    currency: str


def parse_loss_limit(text: str) -> LossLimit:
    """Parse "4h 150 USDT" or "day 500 USDT". Raises UsageError."""
    span, _, rest = text.strip().partition(" ")
    todo = 'as "4h 150 USDT" or "day 500 USDT"'
    try:
        window = 0 if span == _DAY else parse_duration(span)
        amount = parse_amount(rest.strip())
    except OnetapeError as error:
        raise UsageError(f"no loss limit: {text!r}", todo=todo) from error
    if not amount.value or (span != _DAY and not 0 < window <= WINDOW_MAX):
        raise UsageError(f"not an amount above 0 within at most {WINDOW_MAX // DAY} days: {text!r}", todo=todo)
    return LossLimit(f"{span} {amount}", window, money_units(amount.value), amount.currency)
