"""Where the market has been: over how long bars a window is read, and the stop that lies outside of it. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from onetape.model.enums import Side
from onetape.model.instrument import Instrument
from onetape.model.time import MINUTE

__all__ = ["look_back_level", "period_of"]

# By windows of less than so many minutes: bars of so many, about 500 of them at most.
_PERIODS: Final = ((500, 1), (7_500, 15), (30_000, 60), (120_000, 240), (720_000, 1440))


def period_of(window: int) -> int:
    """Returns the period of the bars that a window is read in, both ns. window: less than 500 days."""
    return next(minutes for below, minutes in _PERIODS if window < below * MINUTE) * MINUTE


def look_back_level(instrument: Instrument, closes: Side, low: int, high: int, beyond: Decimal) -> int:
    """Returns the trigger of a stop, on the tick: of a long position so far below the low, of a short one above the
    high. beyond: a share of that price; prices in units."""
    price = instrument.price(low) * (1 - beyond) if closes is Side.SELL else instrument.price(high) * (1 + beyond)
    return instrument.price_int(price, closes)
