"""Find the clock that the bars of a file follow, and so when each of them ends.

A row has the time at which its bar begins. Bars by UTC are all equally long; bars by a zone's clock are not: a day is
23 or 25 hours long when clocks change, and its first four-hour bar 3 or 5. The rows on either side of a clock change
show which clock the bars follow; without a change, the hour at which they begin does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from onetape import _core
from onetape.model.time import DAY, HOUR, TIME_MIN

ZoneTable = Sequence[tuple[int, int]]

# Calendar months of a period -> its least and most days, and the days that name it.
_MONTHS: Final = {1: (28, 31, 31), 3: (90, 92, 92), 6: (181, 184, 184), 12: (365, 366, 365)}


@dataclass(frozen=True, slots=True)
class BarFacts:
    """What the core's `bar_facts` finds in a source's bar stamps."""

    shifts: Mapping[tuple[int, int], int] = field(default_factory=dict)  # (step in UTC, in the zone) -> count
    month_starts_utc: int = 0
    month_starts_wall: int = 0
    offsets: Sequence[tuple[int, int, int]] = ()  # (offset, first row, last row), if texts have offsets
    head: Sequence[int] = ()  # the first three stamps
    tail: Sequence[int] = ()
    first_wall: int = 0  # the first stamp, on the zone's clock


@dataclass(frozen=True, slots=True)
class BarClock:
    """When bars end. starts: the second and third stamp in order of time, which show whether the first bar is
    incomplete."""

    period_ns: int = 0
    zone: ZoneTable = ()
    by_zone: bool = False
    months: int = 0
    starts: Sequence[int] = ()


def usual_step(steps: Mapping[int, int], shifts: Mapping[tuple[int, int], int] | None = None) -> int:
    """Returns the most frequent step, the shortest if several are, 0 without steps. shifts: steps across a clock
    change, which count only if there are no others."""
    plain = Counter(steps)
    shifts = shifts or {}
    for (utc, _), count in shifts.items():
        plain[utc] -= count
    plain = +plain
    if not plain:
        for (utc, wall), count in shifts.items():
            plain[wall if wall % DAY == 0 else utc] += count
    return min(plain.items(), key=lambda item: (-item[1], item[0]), default=(0, 0))[0]


def bar_clock(
    facts: BarFacts, period: int, zone: ZoneTable, *, rows: int, is_period_chosen: bool, is_ascending: bool
) -> BarClock:
    """Returns the clock of a source's bars. zone: of `--tz`; if empty, derived from the offsets in texts."""
    zone = zone or learned_zone(facts.offsets)
    months = _months(facts, period, rows)
    head, tail = list(facts.head), list(facts.tail)
    starts = head[1:] if is_ascending else tail[-2::-1]
    if months:
        by_zone = bool(zone) and facts.month_starts_wall >= facts.month_starts_utc
        if not is_period_chosen:
            period = _MONTHS[months][2] * DAY
        return BarClock(period, zone, by_zone, months, starts)
    by_zone = bool(zone) and _is_by_zone(facts, period)
    return BarClock(period, zone, by_zone, 0, starts)


def _months(facts: BarFacts, period: int, rows: int) -> int:
    if rows < 2 or max(facts.month_starts_utc, facts.month_starts_wall) < rows:
        return 0
    days = round(period / DAY)
    return next((months for months, (least, most, _) in _MONTHS.items() if least <= days <= most), 0)


def _is_by_zone(facts: BarFacts, period: int) -> bool:
    votes = 0
    for (utc, wall), count in facts.shifts.items():
        votes += count * ((wall % period == 0) - (utc % period == 0))
    if votes or period <= HOUR:
        return votes > 0
    first, wall = facts.head[0], facts.first_wall
    is_on_clock = _core.bar_open_time(wall, period) == wall
    return is_on_clock or _core.bar_open_time(first, period) != first


def learned_zone(offsets: Sequence[tuple[int, int, int]]) -> ZoneTable:
    """Returns a zone with the offsets in the texts (`+01:00`, then `+02:00`); clocks are assumed to change half-way
    between the two rows. () for a single offset."""
    runs = sorted(offsets, key=lambda run: run[1])
    if len({offset for offset, _, _ in runs}) < 2:
        return ()
    table = [(TIME_MIN, runs[0][0])]
    for (before, _, last), (after, first, _) in pairwise(runs):
        if after == table[-1][1]:
            continue
        wall = last + (first - last) // 2 + max(before, after)
        if wall <= table[-1][0]:
            return ()  # rows of several zones, mixed
        table.append((wall, after))
    return tuple(table)


__all__ = ["BarClock", "BarFacts", "ZoneTable", "bar_clock", "learned_zone", "usual_step"]
