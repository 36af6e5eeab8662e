"""Equity over time, read once: older data as the lowest and highest point of each hour, the last day by the minute.
Each look reads only new rows."""

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

AT_ONCE: Final = 20_000  # rows per read; between two reads others may query the database
RECENT: Final = 2 * DAY  # older rows that arrive late are ignored
LATE: Final = 10 * MINUTE  # all accounts have usually written a minute by then
POINTS_MAX: Final = 600  # per line
_MINUTES: Final = metadata.tables["record_equity"]
_NOW: Final = metadata.tables["record_risk"]
_NAMES: Final = ("ts", "account", "slot", "subaccount", "strategy", "currency", "equity", "capital", "drawdown")


class _Point(NamedTuple):
    """Equity without deposits at one time."""

    ts: int
    value: float
    drawdown: float


_value: Final = itemgetter(1)


@dataclass(slots=True)
class _Line:
    """One line of equity. hours: by their number the first, lowest and highest point, and the deepest drawdown; the
    change of a span counts from its first point."""

    hours: dict[int, tuple[_Point, _Point, _Point, float]] = field(default_factory=dict)
    minutes: deque[_Point] = field(default_factory=deque)  # of the last day

    def add(self, point: _Point) -> None:
        hour = point.ts // HOUR
        first, low, high, deepest = self.hours.get(hour, (point, point, point, 0.0))
        if first is point or not low.value <= point.value <= high.value or point.drawdown > deepest:
            low, high = min(low, point, key=_value), max(high, point, key=_value)
            self.hours[hour] = first, low, high, max(deepest, point.drawdown)
        self.minutes.append(point)
        if self.minutes[0].ts <= point.ts - DAY:
            self.minutes.popleft()

    def since(self, since: int) -> tuple[list[_Point], float]:
        """Returns points, and the deepest drawdown: by the hour before the kept minutes."""
        minutes = [each for each in self.minutes if each.ts >= since]
        begin = self.minutes[0].ts  # part of an hour was dropped
        hours = [each for hour, each in self.hours.items() if since <= hour * HOUR < begin]
        points = [each for *kept, _ in hours for each in sorted(set(kept)) if each.ts < begin]
        return [*points, *minutes], max(
            (*(each[3] for each in hours), *(each.drawdown for each in minutes)), default=0.0
        )


_Key = tuple[str, str, str]  # by, name, currency


@dataclass(slots=True)
class _Sums:
    """Adds up accounts, by currency; None: all of them. last: by account equity and capital. robots: for a line of a
    sub-account, the robots that use it now."""

    accounts: frozenset[str] | None = None
    last: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)
    robots: dict[_Key, str] = field(default_factory=dict)

    def points(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[_Key, _Point]]:
        """Yields the points of all lines. rows: by time; an account without a row at a time keeps its last value."""
        for ts, group in groupby(rows, key=lambda row: int(row["ts"])):
            changed = set()
            for row in group:
                if row["capital"] is None:  # of a release that did not record it
                    continue
                if self.accounts is not None and row["account"] not in self.accounts:
                    continue
                account, currency, is_whole = row["account"], row["currency"], row["slot"] == TOTAL
                equity, capital = float(row["equity"]), float(row["capital"])
                point = _Point(ts, equity - capital, row["drawdown"] or 0.0)
                if is_whole:
                    self.last.setdefault(currency, {})[account] = equity, capital
                    changed.add(currency)
                    yield ("account", account, currency), point
                else:
                    key = "strategy", f"{account} / {row['subaccount']}", currency
                    self.robots[key] = row["strategy"] or self.robots.get(key, "")
                    yield key, point
            for currency in changed:
                yield ("all", "all", currency), self._together(ts, currency)

    def name(self, key: _Key) -> str:
        robots = self.robots.get(key)
        return f"{key[1]} ({robots})" if robots else key[1]

    def _together(self, ts: int, currency: str) -> _Point:
        worth, capital = map(sum, zip(*self.last[currency].values(), strict=True))
        best = self.best[currency] = max(self.best.get(currency, worth - capital), worth - capital)
        peak = best + capital
        return _Point(ts, worth - capital, (peak - worth) / peak if peak > 0 else 0.0)


class EquityLines:
    """Makes lines of the recorder's rows: call `take` until it reports the end, then `lines`; in the records'
    thread. accounts: of the configuration; records of others are in no line. None: all."""

    def __init__(self, accounts: Iterable[str] | None = None) -> None:
        self._accounts = None if accounts is None else frozenset(accounts)
        self._begin()

    def _begin(self) -> None:
        self._until = 0  # time of the last row in the lines
        self._recent: deque[int] = deque()  # times of the last days' rows
        self._lines: dict[_Key, _Line] = {}
        self._sums = _Sums(self._accounts)

    def take(self, records: Records) -> bool:
        """Reads a part of the new rows; tells whether there may be more. Rows that are late by up to two days
        restart it."""
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
        """Returns a line for each name and currency, ending with the present value. For accounts and strategies the
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
        sums = deepcopy(self._sums)
        for key, point in sums.points(sorted(rows, key=lambda row: int(row["ts"]))):
            if key[0] == by and point.ts >= since:
                points, deepest = found.get(key, ([], 0.0))
                found[key] = [*points, point], max(deepest, point.drawdown)
        return [
            {
                "name": sums.name(key),
                "currency": key[2],
                "points": thinned([(each.ts // MS, each.value) for each in points], POINTS_MAX),
                "drawdown": deepest,
            }
            for key, (points, deepest) in sorted(found.items())
            if points
        ]


def thinned(points: Sequence[tuple[int, float]], points_max: int) -> list[tuple[int, float]]:
    """Returns a line of the same shape: the lowest and the highest point of each stretch, in order, and both ends."""
    stretch = -(-2 * len(points) // points_max)
    if stretch <= 1:
        return list(points)
    found = []
    for n in range(0, len(points), stretch):
        part = points[n : n + stretch]
        found += sorted({min(part, key=lambda each: each[1]), max(part, key=lambda each: each[1])})
    found = found if found[0] == points[0] else [points[0], *found]
    return found if found[-1] == points[-1] else [*found, points[-1]]
