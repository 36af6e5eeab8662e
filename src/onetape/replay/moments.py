"""Parse moments of a run: a frame's number, a time, a time of day."""

from __future__ import annotations

from pathlib import Path

from onetape.engine.tape_facts import tape_span
from onetape.model.errors import BadConfig, BadInput
from onetape.model.time import DAY, format_time, parse_time

__all__ = ["place_of"]

SEQUENCE_MAX = 10**12  # smaller numbers are frame sequences, larger ones times


def place_of(text: str, journal: Path, *, location: str = "--until") -> tuple[int | None, int | None]:
    """Returns (sequence, None) or (None, ns) for a moment of a run. A time of day means its first occurrence within
    the run. journal: the run's own tape. Raises BadConfig."""
    if text.isdigit() and int(text) < SEQUENCE_MAX:
        return int(text), None
    try:
        if text.count(":") in (1, 2) and text.partition(":")[0].isdigit() and len(text) < 19:
            return None, _time_of_day(text, journal)
        return None, parse_time(text)
    except (ValueError, BadInput) as problem:
        what = problem.what if isinstance(problem, BadInput) else str(problem)
        raise BadConfig(what, location=location, todo="give a sequence, a time or a time of day") from None


def _time_of_day(text: str, journal: Path) -> int:
    span = tape_span(journal)
    if span is None:
        raise BadInput("the run has no frames", location=str(journal), todo="run it again")
    first, last = span
    hour, _, rest = text.partition(":")
    in_day = parse_time(f"1970-01-01T{hour.zfill(2)}:{rest}")
    moment = first - first % DAY + in_day
    if moment < first:
        moment += DAY
    if moment > last:
        raise BadInput(f"{text} is not within the run, which lasts from {format_time(first)} to {format_time(last)}")
    return moment
