"""Parse when a robot trades: `--trade 10:06-13:59,14:06-18:30 --tz Europe/Moscow`, `--trade XNYS`.

Each day (`Mon-Fri 9:30-16:00`: each of these) has the same spans, by the clocks of the zone: trading starts
at the first moment of a span and stops at its end. A span whose end is not after its start ends the
next day. Where clocks go forward, a time that was skipped is the moment at which they jumped; where they
go back, a time that comes twice is the first of the two.

An exchange's calendar knows its holidays, breaks and early closes: the run keeps the sessions themselves.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from datetime import time as clock_time
from typing import Any, Final

from onetape.model.errors import BadConfig, UsageError
from onetape.model.time import SECOND, to_datetime, zone

__all__ = ["DAYS", "HORIZON", "Sessions", "TradingHours", "parse_hours"]

DAY_S: Final = 86_400
SPANS_MAX: Final = 100
# A growing tape has no end: plan further ahead than any process runs.
HORIZON: Final = 3660 * DAY_S * SECOND
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?\Z", re.ASCII)
DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
EVERY_DAY: Final = frozenset(range(7))
_DAYS = re.compile(r"((?:[A-Za-z]{3}(?:\s*[-,]\s*|\s+))+)(?=\d)(.*)\Z", re.DOTALL)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS_MARGIN: Final = 2  # a span and a zone's offset reach over a day's end


@dataclass(frozen=True, slots=True)
class TradingHours:
    """The same hours each day. spans: (start, stop) in seconds of the local day, stop past 86,400 is on the next
    day. days: on which spans start, 0 is Monday."""

    spans: tuple[tuple[int, int], ...]
    tz: str = "UTC"
    days: frozenset[int] = EVERY_DAY

    def __str__(self) -> str:
        days = "" if self.days == EVERY_DAY else ",".join(DAYS[day] for day in sorted(self.days)) + " "
        return days + ",".join(f"{_text(start)}-{_text(stop)}" for start, stop in self.spans)

    @property
    def shown(self) -> str:
        return f"{self} ({self.tz})"

    def as_table(self) -> dict[str, Any]:
        return {"hours": str(self), "tz": self.tz}

    def switches(self, first: int, last: int) -> list[tuple[int, bool]]:
        """Yields (ns UTC, trades from then on), alternating, from at or before `first` until `last`."""
        tz = zone(self.tz)
        return _switches(self._moments(tz, first, last), first, last)

    def _moments(self, tz: tzinfo, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Yields the spans of all days in ns UTC."""
        before = _DAYS_MARGIN if self.days == EVERY_DAY else 7 + _DAYS_MARGIN
        day = to_datetime(first).astimezone(tz).date() - timedelta(days=before)
        end = to_datetime(last).astimezone(tz).date() + timedelta(days=_DAYS_MARGIN)
        while day <= end:
            for span in self.spans if day.weekday() in self.days else ():
                start, stop = (_moment(day, second, tz) for second in span)
                if start < stop:  # else the whole span was skipped, or its end precedes the return of its start
                    yield start, stop
            day += timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Sessions:
    """The sessions of an exchange's calendar, as of the run's creation: a later edition of the calendar changes no
    replay. spans: (start, stop), ns UTC, in order."""

    calendar: str
    spans: tuple[tuple[int, int], ...]

    @property
    def shown(self) -> str:
        return f"in the sessions of {self.calendar}"

    def as_table(self) -> dict[str, Any]:
        return {"calendar": self.calendar, "sessions": [list(span) for span in self.spans]}

    def switches(self, first: int, last: int) -> list[tuple[int, bool]]:
        """As `TradingHours.switches`."""
        return _switches(self.spans, first, last)


def _switches(spans: Iterable[tuple[int, int]], first: int, last: int) -> list[tuple[int, bool]]:
    """Yields switches, merging adjacent spans: a stop between them would cancel working orders."""
    merged: list[tuple[int, int]] = []
    for start, stop in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(stop, merged[-1][1])
        else:
            merged.append((start, stop))
    found = [each for start, stop in merged for each in ((start, True), (stop, False))]
    begin = 0
    while begin + 1 < len(found) and found[begin + 1][0] <= first:
        begin += 1
    if not found or found[0][0] > first:
        found.insert(0, (first, False))  # the days before had no span
    return [each for each in found[begin:] if each[0] <= last or each[0] <= first]


def parse_hours(text: str, tz: str = "UTC") -> TradingHours:
    """Parses `10:06-13:59,14:06:30-18:30`, `22:00-02:00`, `Mon-Fri 9:30-16:00`. Raises BadConfig."""
    try:
        zone(tz)
    except UsageError as problem:
        raise BadConfig(problem.what, location="--tz", todo=problem.todo) from None
    spans = []
    on_days = _DAYS.match(text.strip())
    days = _days_of(on_days[1]) if on_days else EVERY_DAY
    for part in (on_days[2] if on_days else text).split(","):
        first, dash, last = (each.strip() for each in part.partition("-"))
        start, stop = _second(first), _second(last)
        if not dash or start is None or stop is None or start in (stop, DAY_S):
            raise BadConfig(
                f"trading hours {part.strip()!r}",
                location="--trade",
                todo="write START-STOP,.. as 10:06-13:59,14:06-18:30",
            )
        spans.append((start, stop if stop > start else stop + DAY_S))
    if len(spans) > SPANS_MAX:
        raise BadConfig(f"{len(spans)} spans, at most {SPANS_MAX}", location="--trade")
    spans.sort()
    around = [*spans, (spans[0][0] + DAY_S, 0)]
    for (_, stop), (start, _) in itertools.pairwise(around):
        if start < stop:
            raise BadConfig(
                f"trading hours {text!r} overlap at {_text(start % DAY_S)}",
                location="--trade",
                todo="give spans that follow each other",
            )
    return TradingHours(tuple(spans), tz, days)


def _days_of(text: str) -> frozenset[int]:
    """Returns the weekdays of `Mon-Fri`, `Sat,Sun`, `Fri-Mon`."""
    found: set[int] = set()
    for part in text.split(","):
        names = [each.strip().capitalize() for each in part.split("-")]
        if len(names) > 2 or not all(name in DAYS for name in names):
            raise BadConfig(
                f"days {text.strip()!r}", location="--trade", todo="write Mon-Fri 9:30-16:00, or Sat,Sun 0:00-24:00"
            )
        first, last = DAYS.index(names[0]), DAYS.index(names[-1])
        found |= {(first + step) % 7 for step in range((last - first) % 7 + 1)}
    return frozenset(found)


def _second(text: str) -> int | None:
    match = _TIME.match(text)
    if match is None:
        return None
    hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
    total = hour * 3600 + minute * 60 + second
    return total if minute < 60 and second < 60 and total <= DAY_S else None


def _text(second: int) -> str:
    second = second if second == DAY_S else second % DAY_S
    hour, rest = divmod(second, 3600)
    minute, second = divmod(rest, 60)
    return f"{hour:02d}:{minute:02d}" + (f":{second:02d}" if second else "")


def _moment(day: date, second: int, tz: tzinfo) -> int:
    """Returns a second of a local day as ns UTC."""
    local = datetime.combine(day, clock_time()) + timedelta(seconds=second)
    found = _utc(local, tz, 0)
    if _local(found, tz) == local:
        return _ns(found)
    # Skipped time: the clock jumped between its two readings. Offsets change at whole seconds.
    low, high = sorted((_utc(local, tz, 1), found))
    before = _local(low, tz) - low.replace(tzinfo=None)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if _local(middle, tz) - middle.replace(tzinfo=None) == before:
            low = middle
        else:
            high = middle
    return _ns(high)


def _utc(local: datetime, tz: tzinfo, fold: int) -> datetime:
    return local.replace(tzinfo=tz, fold=fold).astimezone(UTC)


def _local(moment: datetime, tz: tzinfo) -> datetime:
    return moment.astimezone(tz).replace(tzinfo=None)


def _ns(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(seconds=1) * SECOND
