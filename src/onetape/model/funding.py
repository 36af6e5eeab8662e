"""Hold a perpetual's funding rates."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FundingRates"]


class FundingRates(NamedTuple):
    """The funding of a perpetual as last reported. A rate is paid by longs to shorts, as a share of notional."""

    rate: float | None
    """Rate of the next payment as the venue reports it, else of the last one [share]. None: neither is known."""
    predicted: float | None
    """Rate of the payment after the next one [share]. None: the venue predicts none."""
    interval: int | None
    """From the payment before the last one to the last one [ns]. None: no payment has been seen, or it has no time."""
    next_ts: int | None
    """When `rate` is paid [ns UTC]. None: not known."""
