"""Hold a perpetual's funding rates."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FundingRates"]


class FundingRates(NamedTuple):
    """The funding of a perpetual as last reported. A rate is paid by longs to shorts, as a share of notional."""

    rate: float | None
    """Rate of the next payment as reported by the venue, else of the last payment [share]. None: neither is known."""
    predicted: float | None
    """Rate of the payment after the next one [share]. None: the venue predicts none."""
    interval: int | None
    """Time between the last two payments [ns]. None: not known."""
    next_ts: int | None
    """When `rate` is paid [ns UTC]. None: not known."""
