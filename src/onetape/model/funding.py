"""What is known of a perpetual's funding."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FundingRates"]


class FundingRates(NamedTuple):
    """The funding of a perpetual as known now. A rate is what longs pay shorts, of the notional value."""

    rate: float | None
    """Of the next payment as the venue tells it, else of the last one [share]. None: neither is known."""
    predicted: float | None
    """Of the payment after the next one [share]. None: the venue predicts none."""
    interval: int | None
    """From the payment before the last one to the last one [ns]. None: no payment has been seen, or it does not say."""
    next_ts: int | None
    """When `rate` is paid [ns UTC]. None: not known."""
