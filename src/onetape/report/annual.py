"""Annualise statistics: which returns count, how many of them a year has, and the riskless rate.

| year | returns that count | a year has |
|---|---|---|
| 365 | all | 365 days |
| 252 | of Monday to Friday (UTC) | 252 days |
| sessions | of days (hours, minutes) with a session of the run's trading hours | as many as 365 days of data |

A change in a period that does not count is part of the next return that does: that of a weekend is part of Monday's,
as between two closes of a stock exchange.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from onetape.model.errors import BadConfig
from onetape.model.time import DAY, HOUR, MINUTE, SECOND
from onetape.report import statistics
from onetape.report.statistics import RETURNS_MIN, YEAR_NS, Floats, Ints

if TYPE_CHECKING:
    from onetape.engine.plan import RunPlan
    from onetape.engine.trading_hours import Sessions, TradingHours

__all__ = ["SESSIONS", "YEARS", "Annual", "Scale", "annual_of", "parse_riskless"]

CALENDAR, TRADING, SESSIONS = "365", "252", "sessions"
YEARS: Final = {CALENDAR: "365 days", TRADING: "252 days, Monday to Friday", SESSIONS: "the sessions of --trade"}
MONDAY: Final = 4  # 1970-01-05, in days since 1970


class Scale(NamedTuple):
    """What scales figures of one curve to a year. year_ns: time that counts in a year; growth_ns: the calendar's time
    in which as much counts (0: nothing counts); riskless: the rate per period."""

    year_ns: float
    growth_ns: float
    riskless: float


@dataclass(frozen=True, slots=True)
class Annual:
    """How the statistics of a run are annualised. riskless: per year, compounded. hours: the sessions of `sessions`."""

    year: str = CALENDAR
    riskless: float = 0.0
    hours: TradingHours | Sessions | None = None

    def __str__(self) -> str:
        return f"{YEARS[self.year]}; riskless rate {self.riskless * 100:.6g} %"

    def period(self, ts: Ints) -> int:
        """Returns the longest of day, hour, minute that gives at least 30 returns; else a second. ns."""
        span = int(ts[-1] - ts[0]) if len(ts) else 0
        for period in (DAY, HOUR, MINUTE):
            if span >= RETURNS_MIN * period and len(self.ends(ts, period)) >= RETURNS_MIN:
                return period
        return SECOND

    def ends(self, ts: Ints, period_ns: int) -> Ints:
        """Returns the ends of the periods that count, ns UTC, ascending."""
        if len(ts) < 2:
            return ts[:0]
        ends = statistics.period_ends(ts, period_ns)
        return ends[self.counts(ends, period_ns)]

    def counts(self, ends: Ints, period_ns: int) -> NDArray[np.bool_]:
        """Returns True for each period that counts, by its end."""
        begins = ends - period_ns
        if self.year == TRADING:
            return (begins // DAY - MONDAY) % 7 < 5
        if self.year == CALENDAR or not len(ends):
            return np.ones(len(ends), dtype=np.bool_)
        assert self.hours is not None
        switches = self.hours.switches(int(begins[0]), int(ends[-1]))
        last = int(ends[-1]) + 1
        stops = [stop for stop, _ in switches[1:]] + [last]
        spans = [(start, stop) for (start, is_open), stop in zip(switches, stops, strict=True) if is_open]
        opened, closed = (np.array(each, dtype=np.int64) for each in (zip(*spans, strict=True) if spans else ((), ())))
        # A period has a session if more of them have begun before its end than have ended by its begin.
        return np.searchsorted(opened, ends, side="left") > np.searchsorted(closed, begins, side="right")

    def returns(self, ts: Ints, equity: Floats, period_ns: int) -> Floats:
        """Returns the simple return of each period that counts, from the end of the one before."""
        return statistics.returns_at(ts, equity, self.ends(ts, period_ns))

    def scale(self, ts: Ints, period_ns: int) -> Scale:
        """Returns the scale of a curve's figures. ts: of its samples."""
        share = 1.0
        if self.year != CALENDAR and len(ts) > 1:
            counted = self.counts(statistics.period_ends(ts, period_ns), period_ns)
            share = float(counted.mean()) if len(counted) else 1.0
        year_ns = float(252 * DAY) if self.year == TRADING else YEAR_NS * share
        riskless = (1 + self.riskless) ** (period_ns / year_ns) - 1 if year_ns else 0.0
        return Scale(year_ns, year_ns / share if share else 0.0, riskless)


def annual_of(plan: RunPlan) -> Annual:
    """Returns how a run's statistics are annualised."""
    return Annual(plan.year, plan.riskless, plan.hours if plan.year == SESSIONS else None)


def parse_riskless(text: str) -> float:
    """Parses a rate per year as a share of 1. Raises BadConfig."""
    try:
        rate = Decimal(text.strip())
    except ArithmeticError:
        rate = Decimal("nan")
    if not rate.is_finite() or not -1 < rate < 1:
        raise BadConfig(f"riskless rate {text!r}", location="--riskless", todo="write a share: 0.03 is 3 % a year")
    return float(rate)
