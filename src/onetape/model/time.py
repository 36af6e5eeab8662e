"""Parse and format time, which is int64 nanoseconds UTC. Text and other units are parsed only here, at the edges.

Nothing in this module reads a clock.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from datetime import time as clock_time
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from onetape.model.decimals import to_fraction
from onetape.model.errors import BadInput, UsageError

NS: Final = 1
US: Final = 1_000
MS: Final = 1_000_000
SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY

TIME_MIN: Final = -(2**63)
TIME_MAX: Final = 2**63 - 1  # 2262-04-11T23:47:16.854775807Z

# The unit of a bare number, by magnitude. Each bound is the same moment in its own unit and the next (1e11 ms is
# 1973-03-03, 1e11 s is the year 5138), so every time from 1973 to 2262 is read correctly in all four units.
SECONDS_BELOW: Final = 10**11
MILLISECONDS_BELOW: Final = 10**14
MICROSECONDS_BELOW: Final = 10**17

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_MONDAY: Final = 4 * DAY  # 1970-01-05 was the first Monday

_NUMBER = re.compile(r"[+-]?\d{1,40}(?:\.\d*)?(?:[eE][+]?\d{1,2})?\Z", re.ASCII)
_TEXT = re.compile(
    r"""(?P<year>\d{4})(?P<sep>[-/.]?)(?P<month>\d{2})(?P=sep)(?P<day>\d{2})
    (?:(?:[T\ ]|(?=\d{6}(?:\d{3})?\Z))
       (?P<hour>\d{2}):?(?P<minute>\d{2})(?::?(?P<second>\d{2}))?
       (?:[.,]?(?P<fraction>\d{1,9}))?
    )?
    \s*(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?\Z""",
    re.ASCII | re.VERBOSE | re.IGNORECASE,
)
# Digits that are a calendar date, not a number: YYYYMMDD, YYYYMMDDHHMMSS(mmm). As numbers they would be 1970 and the
# 27th century.
_DATE_DIGITS = re.compile(
    r"(?:19|2[01])\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    r"(?:(?:[01]\d|2[0-3])[0-5]\d[0-5]\d(?:\d{3})?)?\Z",
    re.ASCII,
)
_DURATION = re.compile(r"(?P<count>\d{1,18}(?:\.\d{1,9})?)\s*(?P<unit>ns|us|ms|s|m|h|d|w)\Z", re.ASCII)
_PERIOD = re.compile(r"(?P<count>\d{1,9})(?P<unit>ms|s|m|h|d|w)\Z", re.ASCII)

_UNITS: Final = {"w": WEEK, "d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND, "ms": MS, "us": US, "ns": NS}


def zone(name: str) -> tzinfo:
    """Returns the time zone with a name such as `UTC` or `Europe/Berlin`. Raises UsageError for an unknown name."""
    if name.upper() in {"UTC", "Z", "GMT"}:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            f"unknown time zone {name!r}", todo="use a name such as Europe/Berlin or Asia/Shanghai"
        ) from None


def parse_time(value: object, *, tz: tzinfo = UTC) -> int:
    """Returns ns UTC of a number (s, ms, us or ns by magnitude), ISO text, `YYYYMMDD HHMMSSmmm` or a date.

    `tz` is the zone of text that names none; numbers are always UTC. An hour that occurs twice
    when clocks go back is the first of the two. Raises BadInput for anything else, for a local
    hour that was skipped, and outside 1677-09-21 .. 2262-04-11.
    """
    if isinstance(value, str):
        text = value.strip()
        if _NUMBER.match(text) and not _DATE_DIGITS.match(text):
            return _from_int(int(text)) if text.isdigit() else _from_number(text, value)
        return _from_text(text, tz)
    if isinstance(value, datetime):
        return _from_datetime(value, tz)
    if isinstance(value, date):
        return _from_text(value.isoformat(), tz)
    if type(value) is int:
        return _from_int(value)
    return _from_number(repr(float(value)) if isinstance(value, float) else value, value)


def _from_int(number: int) -> int:
    size = number if number >= 0 else -number
    if size >= MICROSECONDS_BELOW:
        return _checked(number, number)
    if size >= MILLISECONDS_BELOW:
        return number * US
    if size >= SECONDS_BELOW:
        return _checked(number * MS, number)
    return _checked(number * SECOND, number)


def _from_number(number: object, shown: object) -> int:
    try:
        fraction = to_fraction(number)
    except (TypeError, ValueError):
        raise BadInput(f"not a time: {shown!r}") from None
    size = abs(fraction)
    if size < SECONDS_BELOW:
        unit = SECOND
    elif size < MILLISECONDS_BELOW:
        unit = MS
    elif size < MICROSECONDS_BELOW:
        unit = US
    else:
        unit = NS
    return _checked(round(fraction * unit), shown)


def _from_text(text: str, tz: tzinfo) -> int:
    match = _TEXT.match(text)
    if match is None:
        raise BadInput(
            f"not a time: {text!r}", todo="use s, ms, us or ns since 1970, or text such as 2024-08-08T09:30:00Z"
        )
    hour, minute = int(match["hour"] or 0), int(match["minute"] or 0)
    second = int(match["second"] or 0)
    try:
        days = _days(int(match["year"]), int(match["month"]), int(match["day"]))
    except ValueError:
        raise BadInput(f"no such day: {text!r}") from None
    if hour > 23 or minute > 59 or second > 59:
        raise BadInput(f"no such time of day: {text!r}")
    in_day = (hour * 3600 + minute * 60 + second) * SECOND
    if match["fraction"]:
        in_day += int(match["fraction"].ljust(9, "0"))
    local = days * DAY + in_day
    mark = match["zone"]
    if mark:
        return _checked(local - _offset_of_mark(mark, text), text)
    if tz is UTC:
        return _checked(local, text)
    return _checked(local - _local_offset(days, in_day // SECOND, tz, text), text)


def _from_datetime(value: datetime, tz: tzinfo) -> int:
    if value.tzinfo is None:
        return _from_text(value.isoformat(), tz)
    span = value - _EPOCH
    ns = (span.days * 86_400 + span.seconds) * SECOND + span.microseconds * US
    # A pandas Timestamp is a datetime with three more digits.
    return _checked(ns + int(getattr(value, "nanosecond", 0)), value)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=4096)
def _days(year: int, month: int, day: int) -> int:
    return date(year, month, day).toordinal() - _EPOCH_DAY


def _offset_of_mark(mark: str, text: str) -> int:
    if mark[0] not in "+-":
        return 0
    digits = mark[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 23 or minutes > 59:
        raise BadInput(f"no such zone: {text!r}")
    offset = hours * HOUR + minutes * MINUTE
    return offset if mark[0] == "+" else -offset


def _local_offset(days: int, second_of_day: int, tz: tzinfo, text: str) -> int:
    local = datetime.combine(date.fromordinal(days + _EPOCH_DAY), clock_time()) + timedelta(seconds=second_of_day)
    offset = local.replace(tzinfo=tz).utcoffset() or timedelta(0)
    back = (local - offset).replace(tzinfo=UTC).astimezone(tz).replace(tzinfo=None)
    if back != local:
        raise BadInput(f"the clocks of {tz} skipped this hour: {text!r}", todo="write it in UTC")
    return (offset.days * 86_400 + offset.seconds) * SECOND


def _checked(ns: int, shown: object) -> int:
    if not TIME_MIN <= ns <= TIME_MAX:
        raise BadInput(f"time out of range: {shown!r}", todo="it must lie in 1677 .. 2262")
    return ns


def to_datetime(ns: int) -> datetime:
    """Returns a UTC datetime, cut (not rounded) to microseconds."""
    return _EPOCH + timedelta(microseconds=ns // US)


def format_time(ns: int) -> str:
    """Returns ISO text with Z and 0, 3, 6 or 9 decimals, as few as needed. parse_time reads it back."""
    seconds, rest = divmod(ns, SECOND)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    if not rest:
        return text + "Z"
    digits = f"{rest:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{text}.{digits}Z"


def parse_duration(text: str) -> int:
    """Returns ns of `10ms`, `1.5s`, `250us`, `2h`. Raises UsageError. The unit is required."""
    match = _DURATION.match(text.strip())
    if match is None:
        raise UsageError(f"not a duration: {text!r}", todo="write a number and ns us ms s m h d w")
    ns = to_fraction(match["count"]) * _UNITS[match["unit"]]
    if ns.denominator != 1 or ns > TIME_MAX:
        raise UsageError(f"not a whole number of nanoseconds, or too long: {text!r}")
    return ns.numerator


def parse_period(text: str) -> int:
    """Returns ns of a bar's period: a whole number and ms, s, m, h, d or w, at most 52 weeks.

    Months have no fixed length: `1M` is refused, and so is every upper case letter, because m and
    M would differ by 43 200. Raises UsageError.
    """
    match = _PERIOD.match(text.strip())
    if match is None or int(match["count"]) == 0:
        raise UsageError(f"not a period: {text!r}", todo="write such as 1s 15s 1m 5m 1h 4h 1d 1w, in lower case")
    ns = int(match["count"]) * _UNITS[match["unit"]]
    if ns > 52 * WEEK:
        raise UsageError(f"a period is at most 52w: {text!r}")
    return ns


def format_duration(ns: int) -> str:
    """Returns the shortest text that parse_duration and parse_period read back: 60e9 -> `1m`."""
    for unit, size in _UNITS.items():
        if ns % size == 0 and ns:
            return f"{ns // size}{unit}"
    return "0s"


def rough_duration(ns: int) -> str:
    """Returns a duration for people, by its two largest units, rounded down: 16395621342781 -> `4h 33m`."""
    parts = []
    for unit, size in _UNITS.items():
        count, ns = divmod(ns, size)
        if count:
            parts.append(f"{count}{unit}")
        if len(parts) == 2 or (parts and not count):
            break
    return " ".join(parts) or "0s"


__all__ = [
    "DAY",
    "HOUR",
    "MICROSECONDS_BELOW",
    "MILLISECONDS_BELOW",
    "MINUTE",
    "MS",
    "NS",
    "SECOND",
    "SECONDS_BELOW",
    "TIME_MAX",
    "TIME_MIN",
    "US",
    "WEEK",
    "clock_offset",
    "format_duration",
    "format_time",
    "parse_duration",
    "parse_period",
    "parse_time",
    "rough_duration",
    "to_datetime",
    "zone",
]


def clock_offset(venue_time: int, step: int, sent: int, received: int) -> int:
    """Returns how far the venue's clock is ahead of ours, ns: the smallest absolute offset that fits its answer.

    venue_time: its time, cut to `step` (ns), read between our times `sent` and `received`. With the middle of the
    possible offsets a venue with whole seconds would shift our time by up to half a second, differently at each
    request.
    """
    least, most = venue_time - received, venue_time + step - sent
    return min(max(0, least), most)
