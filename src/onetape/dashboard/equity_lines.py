"""Equity over time, read once: of what is long past the lowest and highest of each hour are kept, of the last day its
minutes. A look reads what has come since the one before."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from onetape.accounts.entries import TOTAL
from onetape.model.time import DAY, HOUR, MINUTE, MS
from onetape.store.records import Records, metadata

__all__ = ["EquityLines", "thinned"]

AT_ONCE: Final = 20_000  # rows, between which others may query the database
RECENT: Final = 2 * DAY  # beyond it nobody looks for rows that came late
LATE: Final = 10 * MINUTE  # within which all accounts have written a minute, as a rule
POINTS_MAX: Final = 600  # of a line
_MINUTES: Final = metadata.tables["record_equity"]
_NOW: Final = metadata.tables["record_risk"]
_NAMES: Final = ("ts", "account", "slot", "subaccount", "strategy", "currency", "equity", "capital", "drawdown")


class _Point(NamedTuple):
    """Equity without deposits at one moment."""

    ts: int
    value: float
    drawdown: float


_value: Final = itemgetter(1)


@dataclass(slots=True)
class _Line:
    """Keeps one line of equity. hours: by their number the lowest and the highest point, and the deepest drawdown."""

    hours: dict[int, tuple[_Point, _Point, float]] = field(default_factory=dict)
    minutes: deque[_Point] = field(default_factory=deque)  # of the last day

    def add(self, point: _Point) -> None:
        hour = point.ts // HOUR
        low, high, deepest = found = self.hours.get(hour, (point, point, 0.0))
        if found[0] is point or not low.value <= point.value <= high.value or point.drawdown > deepest:
            low, high = min(low, point, key=_value), max(high, point, key=_value)
            self.hours[hour] = low, high, max(deepest, point.drawdown)
        self.minutes.append(point)
        if self.minutes[0].ts <= point.ts - DAY:
            self.minutes.popleft()

    def since(self, since: int) -> tuple[list[_Point], float]:
        """Returns points, and the deepest drawdown: by the hour before the minutes that are kept."""
        minutes = [each for each in self.minutes if each.ts >= since]
        begin = self.minutes[0].ts  # an hour has gone in part
        hours = [each for hour, each in self.hours.items() if since <= hour * HOUR < begin]
        points = [each for low, high, _ in hours for each in sorted({low, high}) if each.ts < begin]
        return [*points, *minutes], max(
            (*(each[2] for each in hours), *(each.drawdown for each in minutes)), default=0.0
        )


_Key = tuple[str, str, str]  # by, name, currency


@dataclass(slots=True)
class _Sums:
    """Adds up all accounts, by currency. last: by account equity and capital."""

    last: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)

    def points(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[_Key, _Point]]:
        """Gives the points of all lines. rows: by time; an account that has none at a moment is worth what it was."""
        for ts, group in groupby(rows, key=lambda row: int(row["ts"])):
            changed = set()
            for row in group:
                if row["capital"] is None:  # of a release that did not record it
                    continue
                account, currency, is_whole = row["account"], row["currency"], row["slot"] == TOTAL
                equity, capital = float(row["equity"]), float(row["capital"])
                point = _Point(ts, equity - capital, row["drawdown"] or 0.0)
                if is_whole:
                    self.last.setdefault(currency, {})[account] = equity, capital
                    changed.add(currency)
                    yield ("account", account, currency), point
                else:
                    yield ("strategy", f"{account} / {row['strategy'] or row['subaccount']}", currency), point
            for currency in changed:
                yield ("all", "all", currency), self._together(ts, currency)

    def _together(self, ts: int, currency: str) -> _Point:
        worth, capital = map(sum, zip(*self.last[currency].values(), strict=True))
        best = self.best[currency] = max(self.best.get(currency, worth - capital), worth - capital)
        peak = best + capital
        return _Point(ts, worth - capital, (peak - worth) / peak if peak > 0 else 0.0)


class EquityLines:
    """Makes lines of the recorder's rows: `take` until it says that all is read, then `lines`; for the thread of the
    records."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._until = 0  # up to which time rows are in the lines
        self._recent: deque[int] = deque()  # their times, of the last days
        self._lines: dict[_Key, _Line] = {}
        self._sums = _Sums()

    def take(self, records: Records) -> bool:
        """Reads a part of what has come; tells whether there may be more. Rows that came late, by two days at most,
        begin it anew."""
        c = _MINUTES.c
        recent = sa.select(sa.func.count().label("n")).where(c.ts <= self._until, c.ts > self._until - RECENT)
        if records.rows(recent)[0]["n"] != len(self._recent):
            self._begin()
        newest = records.rows(sa.select(sa.func.max(c.ts).label("ts")))[0]["ts"] or 0
        newest = min(newest, time.time_ns())  # the clock may have been set back
        settled = sa.select(c.ts).where(c.ts > self._until, c.ts <= newest - LATE)
        first = settled.order_by(c.ts).limit(AT_ONCE).subquery()
        (part,) = records.rows(sa.select(sa.func.max(first.c.ts).label("ts")))
        if part["ts"] is None:
            return False
        wanted = sa.select(*(c[name] for name in _NAMES)).where(c.ts > self._until, c.ts <= part["ts"])
        rows = records.rows(wanted.order_by(c.ts))
        for key, point in self._sums.points(rows):
            self._lines.setdefault(key, _Line()).add(point)
        self._until = part["ts"]
        self._recent += (int(row["ts"]) for row in rows)
        while self._recent[0] <= self._until - RECENT:
            self._recent.popleft()
        return True

    @property
    def has_begun(self) -> bool:
        return self._until > 0

    def lines(self, records: Records, by: str, since: int) -> list[dict[str, Any]]:
        """Returns a line for each name and currency, with what is so now at its end. Of accounts and strategies the
        last day needs no `take`."""
        until = self._until if by == "all" else max(self._until, since - 1)
        found: dict[_Key, tuple[list[_Point], float]] = {
            key: line.since(since) for key, line in self._lines.items() if key[0] == by
        }
        rows = [
            row
            for table in (_MINUTES, _NOW)
            for row in records.rows(sa.select(*(table.c[name] for name in _NAMES)).where(table.c.ts > until))
        ]
        for key, point in deepcopy(self._sums).points(sorted(rows, key=lambda row: int(row["ts"]))):
            if key[0] == by and point.ts >= since:
                points, deepest = found.get(key, ([], 0.0))
                found[key] = [*points, point], max(deepest, point.drawdown)
        return [
            {
                "name": name,
                "currency": currency,
                "points": thinned([(each.ts // MS, each.value) for each in points], POINTS_MAX),
                "drawdown": deepest,
            }
            for (_, name, currency), (points, deepest) in sorted(found.items())
            if points
        ]


def thinned(points: Sequence[tuple[int, float]], points_max: int) -> list[tuple[int, float]]:
    """Returns a line that looks the same: of each stretch its lowest and its highest point, in order, and its end."""
    stretch = -(-2 * len(points) // points_max)
    if stretch <= 1:
        return list(points)
    found = []
    for n in range(0, len(points), stretch):
        part = points[n : n + stretch]
        found += sorted({min(part, key=lambda each: each[1]), max(part, key=lambda each: each[1])})
    return found if found[-1] == points[-1] else [*found, points[-1]]
