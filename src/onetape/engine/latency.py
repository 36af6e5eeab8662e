"""Parse `--latency`: how long orders and answers travel, and curves from files.

    10ms                        each way
    4ms,6ms                     to the exchange, and back
    curve.csv                   by time: columns time, request, reply
    ...,burst=20us@100ms        20 us more for each market event received in the last 100 ms
    ...,feed=2ms                market events are 2 ms old when they are received
    kraken=...                  any of these, for one venue alone
    ...,feed=recorded[+1ms]     as old as their stamps show, the youngest of the tape 0 (or 1 ms)

Without `feed` an order meets the market as received when the order arrives, as if market data had
no delay. With it the exchange has a clock of its own, and an order meets all that had happened
there by then, received or not. That is the honest way for anything faster than the feed.

A named venue has a route of its own: its messages keep their order, and do not wait for those of
other venues. Several are repeated options, or one text with `;` between them; a value without
a venue is for all the others.

A curve's time is `HH:MM[:SS]` (UTC, every day alike, going on over midnight) or a full time;
between two points request and reply are interpolated; before and after a dated curve its nearest point applies.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from onetape.engine.by_venue import ByVenue, split_by_venue
from onetape.model.errors import BadConfig, BadInput, UsageError
from onetape.model.time import DAY, HOUR, MINUTE, MS, SECOND, format_duration, parse_duration, parse_time

if TYPE_CHECKING:
    from onetape import _core

__all__ = ["DEFAULT_LATENCY_NS", "FITTED_HEADER", "Latencies", "Latency", "parse_latencies", "parse_latency"]

# A round trip of 10 ms: what a machine in the venue's region sees over the internet.
DEFAULT_LATENCY_NS: Final = 5 * MS
CURVE_POINTS_MAX: Final = 1_000_000
DELAY_MAX: Final = HOUR  # a longer delay is no latency but an outage
HOW_TO: Final = "write 10ms, 4ms,6ms or curve.csv, then burst=20us@100ms or feed=2ms; kraken=10ms for a venue"
RECEIPT, CONSTANT, RECORDED = "receipt", "constant", "recorded"
_CLOCKS: Final = {RECEIPT: 0, CONSTANT: 1, RECORDED: 2}  # FeedClock of core/engine/latency.hpp
_HEADER: Final = ("time", "request", "reply")
FITTED_HEADER: Final = (*_HEADER, "request_error", "reply_error")  # as `journal latency` writes it


@dataclass(frozen=True, slots=True)
class Latency:
    """The latencies of requests, replies and data, all in ns. `text` is the option as written."""

    request: int = DEFAULT_LATENCY_NS
    reply: int = DEFAULT_LATENCY_NS
    curve: tuple[tuple[int, int, int], ...] = ()  # time, request, reply; replaces the constants
    daily: bool = False
    burst: int = 0  # added for each market event received within ...
    burst_window: int = 0
    clock: str = RECEIPT
    # constant: age of every event; recorded: added to the venue's stamps, None until the tapes were read
    feed: int | None = 0
    feed_age_min: int = 0  # recorded: age of the youngest event
    error: tuple[int, int] | None = None  # error of a fitted curve for an order, request and reply

    def __str__(self) -> str:
        if self.curve:
            low = min(r + b for _, r, b in self.curve)
            high = max(r + b for _, r, b in self.curve)
            kind = "daily " if self.daily else ""
            parts = [f"{kind}curve of {len(self.curve)} points, {_duration(low)} to {_duration(high)} both ways"]
            if self.error is not None:
                parts[0] += f" (off by {_duration(self.error[0])} and {_duration(self.error[1])} for an order)"
        else:
            parts = [_duration(self.request), _duration(self.reply)]
        if self.burst:
            parts.append(f"burst={_duration(self.burst)}@{_duration(self.burst_window)}")
        if self.clock == CONSTANT:
            parts.append(f"feed={_duration(self.feed or 0)}")
        elif self.clock == RECORDED:
            age = f"+{_duration(self.feed_age_min)}" if self.feed_age_min else ""
            parts.append(f"feed=recorded{age}")
        return ",".join(parts)

    @property
    def longest(self) -> tuple[int, int]:
        """Returns the longest request and the longest reply, without bursts."""
        if not self.curve:
            return self.request, self.reply
        return max(r for _, r, _ in self.curve), max(b for _, _, b in self.curve)

    def request_at(self, time: int) -> int:
        """Returns the latency of a request sent at `time`, without bursts (as core/engine/latency.cpp)."""
        if not self.curve:
            return self.request
        at = time % DAY if self.daily else time
        points = [(when, request) for when, request, _ in self.curve]
        if self.daily:
            first, last = points[0], points[-1]
            points = [(last[0] - DAY, last[1]), *points, (first[0] + DAY, first[1])]
        before = max((p for p in points if p[0] <= at), default=points[0])
        after = min((p for p in points if p[0] >= at), default=points[-1])
        if after[0] == before[0]:
            return before[1]
        share = (at - before[0]) / (after[0] - before[0])
        return before[1] + int((after[1] - before[1]) * share)

    def scaled(self, request: float, reply: float | None = None, burst: float | None = None) -> Latency:
        """Returns these latencies multiplied by factors; reply and burst: the factor of `request` unless set. The age
        of market events is unchanged."""
        back, more = (request if each is None else each for each in (reply, burst))
        return replace(
            self,
            request=round(self.request * request),
            reply=round(self.reply * back),
            curve=tuple((t, round(r * request), round(b * back)) for t, r, b in self.curve),
            burst=round(self.burst * more),
        )

    def core(self) -> _core.LatencyOptions:
        """Returns the latency in the loop's form."""
        from onetape import _core

        return _core.LatencyOptions(
            request=self.request,
            reply=self.reply,
            curve=list(self.curve),
            daily=self.daily,
            burst=self.burst,
            burst_window=self.burst_window,
            clock=_CLOCKS[self.clock],
            feed=self.feed or 0,
        )


Latencies = dict[str, Latency]  # by venue


def parse_latencies(options: ByVenue) -> tuple[Latency, Latencies]:
    """Parse `10ms` and `kraken=20ms,80ms`: the latency of all venues that are not named, and of those that are.
    Raises as split_by_venue and parse_latency."""
    # `feed=2ms` and `burst=..` begin the options of a latency.
    reserved = frozenset({"burst", "feed"})
    common, named = split_by_venue(options, location="--latency", todo=HOW_TO, reserved=reserved)
    return (
        Latency() if common is None else parse_latency(common),
        {venue: parse_latency(text) for venue, text in named.items()},
    )


def parse_latency(text: str) -> Latency:
    """Parse one latency. Raises BadConfig for invalid text, BadInput for a bad file."""
    ways: list[str] = []
    options: dict[str, str] = {}
    for part in (each.strip() for each in text.split(",")):
        name, is_option, value = part.partition("=")
        if is_option and name in ("burst", "feed") and name not in options:
            options[name] = value
        elif options or not part:
            raise BadConfig(f"latency {text!r}", location="--latency", todo=HOW_TO)
        else:
            ways.append(part)
    found = _ways(ways, text)
    if "burst" in options:
        each, _, window = options["burst"].partition("@")
        found = replace(found, burst=_parse(each, text), burst_window=_parse(window or "100ms", text))
    if "feed" in options:
        found = _with_feed(found, options["feed"], text)
    return found


def curve_file(text: str) -> Path | None:
    """Returns the curve file that a latency's text names; None: it names none."""
    first = text.split(",")[0].strip()
    return Path(first) if first and "=" not in first and _is_file(first) else None


def _ways(ways: list[str], text: str) -> Latency:
    if len(ways) == 1 and _is_file(ways[0]):
        return _read_curve(Path(ways[0]))
    if len(ways) > 2:
        raise BadConfig(f"latency {text!r}", location="--latency", todo=HOW_TO)
    if not ways:
        return Latency()
    values = [_parse(way, text) for way in ways]
    return Latency(values[0], values[-1])


def _with_feed(latency: Latency, value: str, text: str) -> Latency:
    name, _, age = value.partition("+")
    if name == RECORDED:
        age_min = _parse(age, text) if age else 0
        return replace(latency, clock=RECORDED, feed=None, feed_age_min=age_min)
    return replace(latency, clock=CONSTANT, feed=_parse(value, text))


def _parse(value: str, text: str) -> int:
    try:
        found = 0 if value == "0" else parse_duration(value)
    except UsageError as problem:
        said = f"latency {text!r}: {problem.what}"
        raise BadConfig(said, location="--latency", todo=HOW_TO) from None
    if not 0 <= found <= DELAY_MAX:
        raise BadConfig(
            f"latency {value!r} is not between 0 and {format_duration(DELAY_MAX)}", location="--latency", todo=HOW_TO
        )
    return found


def _is_file(part: str) -> bool:
    return ("." in part and not part[0].isdigit()) or "/" in part or part.endswith(".csv")


def _read_curve(path: Path) -> Latency:
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        why = getattr(problem, "strerror", None) or str(problem)
        raise BadInput(f"the file cannot be read: {why.lower()}", location=str(path), todo="name a CSV") from None
    rows = [row for row in csv.reader(io.StringIO(content)) if row]
    header = tuple(cell.strip().lower() for cell in rows[0]) if rows else ()
    if header not in (_HEADER, FITTED_HEADER):
        raise BadInput(
            f"the header is {','.join(rows[0]) if rows else 'missing'}",
            location=str(path),
            todo=f"write {','.join(_HEADER)}: 09:30,4ms,6ms",
        )
    if not 1 <= len(rows) - 1 <= CURVE_POINTS_MAX:
        raise BadInput(f"{len(rows) - 1} points", location=str(path), todo=f"give 1 to {CURVE_POINTS_MAX}")
    points: list[tuple[int, int, int]] = []
    errors: list[list[int]] = []
    daily: bool | None = None
    for number, row in enumerate(rows[1:], 2):
        location = f"{path}:{number}"
        if len(row) != len(header):
            raise BadInput(f"{len(row)} cells", location=location, todo=f"give {', '.join(header)}")
        is_daily, time = _curve_time(row[0].strip(), location)
        if daily not in (None, is_daily):
            raise BadInput("times of day and full times are mixed", location=location, todo="choose one")
        daily = is_daily
        if points and time <= points[-1][0]:
            raise BadInput("times do not rise", location=location, todo="sort the rows")
        request, reply, *off = (_curve_delay(cell.strip(), location) for cell in row[1:])
        points.append((time, request, reply))
        errors.append(off)
    middle = tuple(sorted(way)[len(errors) // 2] for way in zip(*errors, strict=True))
    return Latency(curve=tuple(points), daily=bool(daily), error=(middle[0], middle[1]) if middle else None)


def _curve_time(text: str, location: str) -> tuple[bool, int]:
    parts = text.split(":")
    if 2 <= len(parts) <= 3 and len(parts[0]) <= 2:
        try:
            hour, minute = int(parts[0]), int(parts[1])
            second = round(float(parts[2]) * SECOND) if len(parts) == 3 else 0
        except (ValueError, OverflowError):
            hour = -1
            minute = second = 0
        if 0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < MINUTE:
            return True, hour * HOUR + minute * MINUTE + second
        raise BadInput(f"time {text!r}", location=location, todo="write 09:30 or 09:30:15")
    try:
        return False, parse_time(text)
    except (ValueError, UsageError) as problem:
        raise BadInput(str(problem), location=location, todo="write 2024-08-08T12:00:00Z") from None


def _curve_delay(text: str, location: str) -> int:
    try:
        found = int(text) if text.isdigit() else parse_duration(text)
    except UsageError as problem:
        raise BadInput(problem.what, location=location, todo="write 4ms, or ns as a number") from None
    if not 0 <= found <= DELAY_MAX:
        raise BadInput(f"delay {text}", location=location, todo="give 0 to one hour")
    return found


def _duration(value: int) -> str:
    return format_duration(value) if value else "0"
