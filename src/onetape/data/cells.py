"""Rewrite a table's cells that are not in the plain form: times of other forms, a date and a time in separate columns,
decimal commas.

The core reads the plain form directly. Other cells are rewritten row by row, without changing line numbers, so that a
rejected row is reported with its own number.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final, Literal

from onetape import _core
from onetape.data.columns import split_row
from onetape.data.layout import TableSource
from onetape.data.source import OnRead
from onetape.model.errors import BadInput, UsageError

Decimals = Literal["", "comma", "point"]

UNITS: Final = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
UNIT_WORDS: Final = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "ns"}
LINE_BYTES_MAX: Final = 1 << 20
FIT_MIN: Final = 0.9  # part of the first rows that a form has to fit
_BY_MAGNITUDE: Final = 10**17  # a smaller number is taken for a coarser unit than ns
_SMALL: Final = 10**17  # ns: numbers that would be times before 1973 are more likely years, spreadsheet days, counters
_DAYS: Final = (
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y-%m-%d",
    "%Y.%m.%d",
    "%Y/%m/%d",
    "%b %d, %Y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%d %B %Y",
    "%B %d, %Y",
)
_CLOCKS: Final = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})(:\d{2}([.,]\d{1,9})?)?( ?[AaPp][Mm])?\Z|\d{4}\Z|\d{6}\Z")
_GROUPS: Final = {
    "comma": re.compile(r"[-+]?\d{1,3}(\.\d{3})+(,\d+)?\Z"),
    "point": re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?\Z"),
}
_MARKS: Final = {"comma": (",", "."), "point": (".", ",")}  # sign before decimals, sign between thousands
# Directives that stand for digits -> their number. A pattern of only these is parsed without a calendar, ten times as
# fast; the core checks the days.
_DIGITS: Final = {
    "Y": r"\d{4}",
    "m": r"\d{1,2}",
    "d": r"\d{1,2}",
    "H": r"\d{1,2}",
    "M": r"\d{1,2}",
    "S": r"\d{1,2}",
    "f": r"\d{1,9}",
}
_NUMERIC: Final = re.compile(r"\d[\d.,]*\Z|,\d+\Z")
_NUMBER: Final = re.compile(r"[-+]?\d{1,24}(\.\d{0,24})?([eE][-+]?\d{1,2})?\Z")
_UNREADABLE: Final = "?"  # appended to a cell that must not be mistaken for something else
ASK_TIME: Final = "say how times are written: --time-format '%d.%m.%Y %H:%M', or s, ms, us, ns"

# Returns the text that the core reads for a cell's text; None: the cell is no time of that form.
TimeForm = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Rewriting:
    """The changes to each row. Column indices count from 0; clock: column of the time of day that belongs to the date
    at `time`. kept: columns in which an empty cell means the previous row's value.
    """

    separator: str
    skip_lines: int
    fields: int
    time: int
    clock: int | None = None
    time_form: TimeForm | None = None
    receipt: int | None = None  # column of the receipt, if it has the form of `time`
    decimals: Decimals = ""
    is_said: bool = False  # the user has given `decimals`
    numbers: tuple[int, ...] = ()
    kept: tuple[int, ...] = ()

    @property
    def is_plain(self) -> bool:
        """True when nothing is changed."""
        return self.clock is None and self.time_form is None and not (self.decimals or self.kept)


class RewrittenSource:
    """A table's lines with their cells rewritten in the plain form."""

    def __init__(self, source: TableSource, how: Rewriting) -> None:
        self._source = source
        self._how = how
        self.name = source.name
        self.stem = str(getattr(source, "stem", ""))

    def head(self, size: int = 1 << 16) -> bytes:
        """Returns the first bytes."""
        found = b""
        for chunk in self.chunks():
            found += chunk
            if len(found) >= size:
                break
        return found[:size]

    def chunks(self, on_read: OnRead | None = None) -> Iterator[bytes]:
        """Yields the rewritten lines, as many as the source has."""
        rows = _Rows(self._how)
        carry = b""
        is_overlong = False
        for chunk in self._source.chunks(on_read):
            *whole, rest = chunk.split(b"\n")
            if whole:
                whole[0] = carry + whole[0]
                if is_overlong:  # the line's beginning was already passed on unchanged
                    yield whole.pop(0) + b"\n"
                    is_overlong = False
                    rows.number += 1
                carry = rest
                if whole:
                    yield b"\n".join(rows.line(line) for line in whole) + b"\n"
            else:
                carry += rest
            if len(carry) > LINE_BYTES_MAX:
                yield carry
                carry, is_overlong = b"", True
        if carry:
            yield carry if is_overlong else rows.line(carry)


class _Rows:
    """State while reading rows: the line number, and the cells of the previous row."""

    def __init__(self, how: Rewriting) -> None:
        self._how = how
        self._before: dict[int, str] = {}
        self.number = 0

    def line(self, line: bytes) -> bytes:
        self.number += 1
        if self.number <= self._how.skip_lines:
            return line
        text = line.decode("utf-8", "surrogateescape")
        ending = "\r" if text.endswith("\r") else ""
        text = text.removesuffix("\r")
        if self.number == 1:
            text = text.removeprefix("\ufeff")
        cells = split_row(text, self._how.separator)
        if not has_fields(cells, self._how.fields):
            return line  # the core rejects it
        self._change(cells)
        # Without quotes no cell contains a separator, and none gets one.
        join = join_row if '"' in text else _joined
        text = join(cells, self._how.separator) + ending
        return text.encode("utf-8", "surrogateescape")

    def _change(self, cells: list[str]) -> None:
        how = self._how
        for place in how.kept:
            cells[place] = cells[place] or self._before.get(place, "")
            self._before[place] = cells[place]
        text = cells[how.time].strip()
        if how.clock is not None:
            text = with_clock(text, cells[how.clock].strip()) or text + _UNREADABLE
        if how.time_form is not None:
            text = how.time_form(text) or text + _UNREADABLE
        cells[how.time] = text
        if how.time_form is not None and how.receipt is not None:
            text = cells[how.receipt].strip()
            cells[how.receipt] = how.time_form(text) or text
        if not how.decimals:
            return
        mark, group = _MARKS[how.decimals]
        for place in how.numbers:
            cell = cells[place]
            if group in cell or cell.count(mark) > 1:
                cells[place] = plain_number(cell, how.decimals, is_said=how.is_said)
            elif mark == ",":
                cells[place] = cell.replace(",", ".")


def has_fields(cells: Sequence[str], count: int) -> bool:
    """Returns True when a row has as many cells as the header; an empty cell at the end is ignored."""
    return len(cells) == count or (len(cells) == count + 1 and not cells[-1])


def _joined(cells: Sequence[str], separator: str) -> str:
    return separator.join(cells)


def join_row(cells: Sequence[str], separator: str) -> str:
    """Returns a line of cells, quoted where needed."""
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="").writerow(cells)
    return text.getvalue()


# --- Times ----------------------------------------------------------------------------------------


def with_clock(day: str, clock: str) -> str | None:
    """Returns a date and a time of day as one text; None if `clock` is no time of day."""
    found = _CLOCK.match(clock)
    if found is None or not day:
        return None
    if found[1] is None:  # HHMM, HHMMSS
        clock = ":".join(clock[at : at + 2] for at in range(0, len(clock), 2))
    elif len(found[1]) == 1:
        clock = f"0{clock}"
    return f"{day} {clock}"


def reads(text: str) -> bool:
    """Returns True when the core reads the text as a time."""
    return isinstance(_core.parse_time_text(text), int)


def are_clocks(cells: Iterable[str]) -> bool:
    """Returns True when most of these are only times of day."""
    found = [bool(_CLOCK.match(cell.strip())) for cell in cells]
    return 2 * sum(found) > len(found)


def find_times(texts: Sequence[str], chosen: str | None, *, location: str) -> tuple[TimeForm | None, str]:
    """Returns the form of times and its name; None if the core reads them directly. Raises UsageError if the chosen
    form does not fit, BadInput for ambiguous or unknown times.
    """
    texts = [text.strip() for text in texts if text.strip()]
    if chosen is not None:
        form = form_of(chosen)
        if texts and not any(reads(form(text) or "") for text in texts):
            raise UsageError(
                f"{location} has the time {texts[0][:40]!r}, which is not written as {chosen!r}",
                location="--time-format",
                todo=ASK_TIME,
            )
        return form, chosen
    if any(map(reads, texts)) or not any(re.search(r"\d", text) for text in texts):
        return None, ""
    found = fitting_formats(texts)
    if len(found) > 1:
        raise BadInput(
            f"the time {texts[0][:40]!r} may mean {' or '.join(found)}",
            location=location,
            todo=f"give --time-format '{found[0]}' or '{found[1]}'",
        )
    if found:
        return form_of(found[0]), found[0]
    raise BadInput(f"the time {texts[0][:40]!r} is of no known form", location=location, todo=ASK_TIME)


def small_time(texts: Sequence[str]) -> str:
    """Returns the first of these times if all are numbers that would be seconds from 1966 to 1973, else ""."""
    texts = [text.strip() for text in texts if text.strip()]
    return texts[0][:40] if texts and all(map(_is_small, texts)) else ""


def _is_small(text: str) -> bool:
    at = _core.parse_time_text(text)
    return isinstance(at, int) and abs(at) < _SMALL and time_words(text) == UNIT_WORDS["s"]


def fitting_formats(texts: Sequence[str]) -> list[str]:
    """Returns the known forms that most of these texts have, so that a damaged row does not hide the form of the
    others; of equivalent forms only one."""
    best, found = FIT_MIN * len(texts), dict[tuple[datetime | None, ...], str]()
    for pattern in (day + clock for day in _DAYS for clock in _CLOCKS):
        moments: list[datetime | None] = []
        misses = 0
        for text in texts:
            try:
                moments.append(_parsed(text, pattern))
            except ValueError:
                moments.append(None)
                misses += 1
                if len(texts) - misses < best:
                    break
        if len(texts) - misses > best:
            best = len(texts) - misses
            found.clear()
        if len(texts) - misses == best:
            found.setdefault(tuple(moments), pattern)
    return list(found.values())


def form_of(chosen: str) -> TimeForm:
    """Parse `--time-format`: a unit of numbers, or a pattern of strptime. Raises UsageError for a pattern without a
    day.
    """
    if chosen in UNITS:
        unit = UNITS[chosen]
        return lambda text: _of_number(text, unit)
    if "%" not in chosen:
        raise UsageError(
            f"{chosen!r} is neither a pattern nor a unit",
            location="--time-format",
            todo="write for example '%d.%m.%Y %H:%M', or s, ms, us, ns",
        )
    names = set(re.findall(r"%([A-Za-z])", chosen.replace("%%", "")))
    tells_day = names & set("cxs") or (
        names & set("Yy") and (names & set("j") or (names & set("mbB") and "d" in names))
    )
    if "Z" in names or not tells_day:
        raise UsageError(
            f"{chosen!r} {'names a time zone (%Z)' if 'Z' in names else 'has no day'}",
            location="--time-format",
            todo="leave %Z out and give --tz"
            if "Z" in names
            else "a pattern has year, month and day: '%d.%m.%Y %H:%M'",
        )
    try:
        _parsed("", chosen)
    except ValueError as error:
        if "does not match" not in str(error):
            raise UsageError(str(error), location="--time-format") from None

    digits = _form_of_digits(chosen)
    if digits is not None:
        return digits

    @lru_cache(maxsize=4096)
    def form(text: str) -> str | None:
        try:
            found = _parsed(text, chosen)
        except ValueError:
            return None
        return found.isoformat()

    return form


def _form_of_digits(chosen: str) -> TimeForm | None:
    """Returns the form for a pattern of digits alone; None for another pattern."""
    parts = re.findall(r"%(.)|(\s+)|([^%\s]+)", chosen)
    names = [name for name, _, _ in parts if name]
    if not set(names) <= _DIGITS.keys() or len(set(names)) < len(names):
        return None
    pattern = re.compile(
        "".join(
            f"(?P<{name}>{_DIGITS[name]})" if name else r"\s+" if blank else re.escape(text)
            for name, blank, text in parts
        )
    )
    order = [names.index(name) if name in names else -1 for name in "YmdHMSf"]

    def form(text: str) -> str | None:
        found = pattern.fullmatch(text)
        if found is None:
            return None
        cells = (*found.groups(), "0")
        year, month, day, hour, minute, second, below = (cells[place] for place in order)
        return f"{year}-{month:0>2}-{day:0>2}T{hour:0>2}:{minute:0>2}:{second:0>2}.{below}"

    return form


def _parsed(text: str, pattern: str) -> datetime:
    """Returns a wall time, to which the zone is applied later; UTC if the pattern has a zone."""
    return datetime.strptime(text, pattern)  # noqa: DTZ007


def _of_number(text: str, unit: int) -> str | None:
    if not _NUMBER.match(text):
        return None
    ns = int((Decimal(text) * unit).to_integral_value())
    if ns >= _BY_MAGNITUDE:
        return str(ns)
    try:
        moment = datetime.fromtimestamp(ns // 10**9, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ns % 10**9:09d}Z" if moment.year >= 1000 else None


def time_words(text: str) -> str:
    """Returns the core's interpretation of a time: the unit of a number, or text."""
    found = _core.parse_decimal_text(text.strip())
    at = _core.parse_time_text(text.strip())
    if not isinstance(found, tuple) or not isinstance(at, int):
        return "text"
    mantissa, decimals, _ = found
    for name, unit in UNITS.items():
        if abs(mantissa * unit - at * 10**decimals) < 10**decimals:
            return UNIT_WORDS[name]
    return "text"


# --- Decimals -------------------------------------------------------------------------------------


def find_decimals(cells: Sequence[str], chosen: str | None, *, location: str) -> Decimals:
    """Returns the sign before decimals, from the numbers of the first rows; "": a plain point. A comma before three
    digits may separate thousands: unless another number excludes that, raises BadInput that asks for `--decimal`.
    """
    if chosen is not None:
        return "comma" if chosen == "comma" else "point"
    cells = [text for cell in cells if _NUMERIC.match(text := cell.strip().lstrip("+-"))]
    signed = [cell for cell in cells if "," in cell]
    if not signed:
        return ""
    if any(_GROUPS["point"].match(cell) and (cell.count(",") > 1 or "." in cell) for cell in signed):
        return ""  # 1,234.5: thousands, which are rejected as such
    if not all(_GROUPS["comma"].match(cell) for cell in cells if "." in cell and "," not in cell):
        return ""  # 1.5 in some and 2,5 in others
    if all(re.fullmatch(r"[1-9]\d{0,2},\d{3}", cell) for cell in signed):
        raise BadInput(
            f"the comma in {signed[0]} may be a decimal comma or a thousands separator",
            location=location,
            todo="give --decimal comma (it is 1.234) or --decimal point (1234)",
        )
    return "comma"


def plain_number(cell: str, decimals: Decimals, *, is_said: bool = True) -> str:
    """Returns a number with a point before its decimals, and nothing between its thousands."""
    mark, group = _MARKS[decimals]
    text = cell.strip()
    if group in text:
        if not _GROUPS[decimals].match(text) or not (is_said or mark in text):
            return text + _UNREADABLE
        text = text.replace(group, "")
    return text.replace(",", ".") if text.count(mark) <= 1 else text + _UNREADABLE
