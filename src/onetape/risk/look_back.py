"""The look-back of stops: the bar period for reading the market's past range, and the trigger outside of the range.
Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from onetape.model.enums import Side
from onetape.model.instrument import Instrument
from onetape.model.time import MINUTE

__all__ = ["look_back_level", "period_of"]

# (window less than this many minutes, bar period in minutes): about 500 bars at most.
_PERIODS: Final = ((500, 1), (7_500, 15), (30_000, 60), (120_000, 240), (720_000, 1440))


def period_of(window: int) -> int:
    """Returns the period of bars for reading a window, both ns. window: less than 500 days."""
    return next(minutes for below, minutes in _PERIODS if window < below * MINUTE) * MINUTE


def look_back_level(instrument: Instrument, closes: Side, low: int, high: int, beyond: Decimal) -> int:
    """Returns the trigger of a stop, on the tick: below the low for a long position, above the high for a short one.
    beyond: distance from the low or high, as a share of it; prices in units."""
    price = instrument.price(low) * (1 - beyond) if closes is Side.SELL else instrument.price(high) * (1 + beyond)
    return instrument.price_int(price, closes)
