"""Build a table of a time zone's changes, for the core's parser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from onetape.model.time import SECOND, zone

FIRST_YEAR = 1900
LAST_YEAR = 2200
_STEP = timedelta(days=7)  # no zone has changed permanently twice within a week


@lru_cache(maxsize=16)
def zone_table(name: str) -> tuple[tuple[int, int], ...]:
    """Returns ((wall ns, offset ns), ...): from the wall-clock time `wall ns` on, the zone is `offset ns` ahead of UTC.
    A wall-clock time that occurs twice belongs to the earlier entry. Empty for UTC. Raises UsageError for an unknown
    zone.
    """
    place = zone(name)
    if place is UTC:
        return ()
    moment = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
    end = datetime(LAST_YEAR, 1, 1, tzinfo=UTC)
    offset = _offset(moment, place)
    table = [(-(2**63), offset * SECOND)]
    while moment < end:
        later = moment + _STEP
        if _offset(later, place) != offset:
            change = _change(moment, later, place)
            new = _offset(change, place)
            wall = int(change.timestamp()) + max(offset, new)
            table.append((wall * SECOND, new * SECOND))
            offset = new
        moment = later
    return tuple(table)


def _offset(moment: datetime, place: tzinfo) -> int:
    found = moment.astimezone(place).utcoffset()
    return int(found.total_seconds()) if found is not None else 0


def _change(low: datetime, high: datetime, place: tzinfo) -> datetime:
    """Returns the first second at which the offset differs from that of `low`."""
    before = _offset(low, place)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
        if _offset(middle, place) == before:
            low = middle
        else:
            high = middle
    return high
