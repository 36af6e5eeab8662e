"""Read sessions of exchanges from the calendars of `exchange_calendars` (extra `calendars`)."""

from __future__ import annotations

import contextlib
import re
import time
import warnings
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from onetape.engine.trading_hours import Sessions
from onetape.model.errors import BadConfig, NotAvailable
from onetape.model.time import DAY, to_datetime

__all__ = ["check_calendar", "is_calendar", "sessions_of"]

# An ISO 10383 code such as XNYS, or a name of the library such as CMES or 24/7.
_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{2,15}\Z|24/[57]\Z", re.ASCII)
AHEAD_DAYS: Final = 360  # for data that may still grow; the library covers about a year ahead
YOUNG: Final = 2 * DAY  # data ending this recently may still grow


def is_calendar(text: str) -> bool:
    return _CODE.match(text) is not None


def check_calendar(name: str) -> None:
    """Raises NotAvailable without the library, BadConfig for a calendar that it does not have."""
    library = _library()
    if name not in library.get_calendar_names():
        raise BadConfig(
            f"no calendar {name!r}",
            location="--trade",
            todo="name an exchange by its ISO 10383 code, as XNYS, XHKG or CMES",
        )


def sessions_of(name: str, first: int, last: int) -> Sessions:
    """Returns the sessions from before `first` to after `last` (ns UTC), divided at midday breaks. If the data end
    now, sessions of about a year ahead are included. Raises BadConfig for times outside the calendar."""
    begin, until = to_datetime(first).date() - timedelta(days=10), to_datetime(last).date()
    wanted = until + timedelta(days=AHEAD_DAYS if last > time.time_ns() - YOUNG else 10)
    table = None
    # Some calendars end with a year.
    for end in (wanted, until.replace(month=12, day=31), until):
        with contextlib.suppress(ValueError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the user cannot fix the library's use of pandas
            table = _library().get_calendar(name, start=str(begin), end=str(end)).schedule
            break
    if table is None:
        words = f"the calendar {name} does not cover {begin} to {until}"
        raise BadConfig(words, location="--trade", todo="write the hours: Mon-Fri 9:30-16:00")
    spans: list[tuple[int, int]] = []
    for row in table.itertuples():
        spans += _spans((row.open, row.break_start, row.break_end, row.close))
    return Sessions(name, tuple(spans))


def _spans(moments: Iterable[Any]) -> list[tuple[int, int]]:
    """Returns one day's spans, divided at its break. moments: open, break start, break end, close; NaT: no break."""
    found = [_ns(each.to_pydatetime()) for each in moments if each == each]
    return [(found[i], found[i + 1]) for i in range(0, len(found), 2)]


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9


def _library() -> Any:
    try:
        import exchange_calendars
    except ImportError:
        raise NotAvailable(
            "calendars of exchanges need exchange_calendars",
            location="--trade",
            todo="pip install 'onetape[calendars]', or write the hours: Mon-Fri 9:30-16:00",
        ) from None
    return exchange_calendars
