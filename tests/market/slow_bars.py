"""Bars the slow way: sort nothing, keep everything, aggregate from lists when asked.

Independent of the core on purpose: calendar arithmetic is datetime's, sums are Python's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

SECOND = 10**9
WEEK = 7 * 86_400 * SECOND
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


def period_start(time: int, period: int) -> int:
    origin = (MONDAY - EPOCH) // timedelta(microseconds=1) * 1000 if period % WEEK == 0 else 0
    return origin + (time - origin) // period * period


@dataclass(frozen=True)
class SlowBar:
    ts_open: int
    ts_close: int
    open: Fraction
    high: Fraction
    low: Fraction
    close: Fraction
    volume: int
    turnover: Fraction
    ticks: int


def aggregate(ticks: list[tuple[int, Fraction, int]], period: int, until: int) -> list[SlowBar]:
    """Bars of (time, price, size) ticks in time order that are closed at `until`."""
    if not ticks:
        return []
    bars: list[SlowBar] = []
    start = period_start(ticks[0][0], period)
    while start + period <= until:
        inside = [t for t in ticks if start <= t[0] < start + period]
        prices = [p for _, p, _ in inside] or [bars[-1].close]
        bars.append(
            SlowBar(
                start,
                start + period,
                prices[0],
                max(prices),
                min(prices),
                prices[-1],
                sum(s for _, _, s in inside),
                sum((p * s for _, p, s in inside), Fraction(0)),
                len(inside),
            )
        )
        start += period
    return bars
