"""Read kind `csv`: the header's names, or `--columns`, decide the table's kind; its first rows decide the form of
cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from onetape import _core
from onetape.data.cells import (
    UNITS,
    Rewriting,
    RewrittenSource,
    TimeForm,
    are_clocks,
    find_decimals,
    find_times,
    small_time,
    time_words,
    with_clock,
)
from onetape.data.columns import (
    ACCEPTED,
    NUMBERS,
    ChosenColumns,
    TableShape,
    find_separator,
    parse_columns,
    settle_shape,
    split_header,
    split_row,
)
from onetape.data.layout import Head, Layout, Planned, TableOptions, TableSource, text_head
from onetape.model.errors import BadInput, UsageError

ROWS_LOOKED_AT: Final = 1000
HEAD_CHARS: Final = 60_000
_HOLDS: Final = {"tickers": "marks or open interest"}
# Recognized rows without a header: archives of Kraken, history of MetaTrader 4.
_BARE: Final = ("open", "high", "low", "close", "volume", "trades")


@dataclass(frozen=True, slots=True)
class _Table:
    shape: TableShape
    separator: str
    has_header: bool
    cells: list[str]  # the cells of the first line
    rows: list[list[str]]  # the first rows
    chosen: bool = False


def plan(source: TableSource, options: TableOptions) -> Planned:
    """Settle the columns from the first line, and the form of cells from the first rows.

    Raises BadInput; UsageError for options that do not fit.
    """
    head = text_head(source)
    table = _settle(head, source.name, options)
    layout, how = _cells(table, head.skipped + table.has_header, options, source.name)
    return Planned(source if how.is_plain else RewrittenSource(source, how), layout)


def plan_funding(source: TableSource, options: TableOptions) -> Planned:
    """Settle kind `funding`: times and rates, also without a header. Raises BadInput for another table; UsageError."""
    head = text_head(source)
    first = split_header(head.first, find_separator(head.first))
    if options.columns is None and len(first) == 2 and is_time(first, 0) and is_number(first[1]):
        options = replace(options, columns="time,rate")
    planned = plan(source, options)
    assert planned.layout is not None
    if planned.layout.kind != "funding":
        raise BadInput(
            f"the file has {_HOLDS.get(planned.layout.kind, planned.layout.kind)}, and no funding rates",
            location=source.name,
            todo="its columns must be time and rate; mark, interval_hours and symbol may stand beside them",
        )
    return planned


def recognise(source: TableSource) -> None:
    """Raises BadInput if the source does not begin like a known table."""
    _settle(text_head(source), source.name, TableOptions())


def _settle(head: Head, name: str, options: TableOptions) -> _Table:
    separator = find_separator(head.first)
    cells = split_header(head.first, separator)
    _refuse_other_text(head.first, name)
    # The last row may be cut.
    lines = [line for line in head.lines[:ROWS_LOOKED_AT] if line.strip()]
    if sum(map(len, lines)) > HEAD_CHARS:
        lines.pop()
    rows = [split_row(line, separator) for line in lines]
    rows[:1] = [cells]
    chosen = parse_columns(options.columns) if options.columns is not None else ChosenColumns()
    if chosen.listed:
        shape = settle_shape(chosen.listed, location="--columns", chosen=True)
        if len(cells) < shape.fields:
            raise UsageError(
                f"--columns names {shape.fields} columns, and the rows have {len(cells)}", location="--columns"
            )
        shape = replace(shape, fields=len(cells))
        has_header = not is_time(cells, shape.columns["ts_event"]) and not any(
            c.isdigit() for c in cells[shape.columns["ts_event"]]
        )
        return _Table(shape, separator, has_header, cells, rows[has_header:], chosen=True)
    names = [] if chosen.picked else bare_names(rows)
    if names:
        shape = settle_shape(names, location=name, chosen=False)
        return _Table(shape, separator, False, cells, rows)
    if all(is_number(cell) or is_time([cell], 0) for cell in cells if cell):
        raise BadInput(
            f"there is no header: the first line is {head.first[:80]!r}",
            location=name,
            todo=f"name its columns in order, as --columns time,price,size; names accepted (any case) are {ACCEPTED}",
        )
    shape = settle_shape(cells, location=name, chosen=False, picked=chosen.picked)
    return _Table(shape, separator, True, cells, rows[1:])


def _refuse_other_text(first: str, name: str) -> None:
    """Refuse a server's error instead of a table: an HTML page, or JSON."""
    begins = first.lstrip().lower()
    if begins.startswith(("<!doctype", "<html", "<?xml")):
        what = "the file is a web page, not a table"
    elif begins.startswith(('{"', '[{"', "[[")):
        what = "the file is JSON, not a table"
    else:
        return
    raise BadInput(f"{what}: it begins with {first[:80]!r}", location=name, todo="download it again, or name its KIND")


def bare_names(rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns the column names of bars without a header; none if the rows may be something else."""
    width = len(rows[0])
    cells = [row for row in rows if len(row) == width]
    for first in (["time"], ["date", "time"]):
        prices = cells[0][len(first) :]
        if len(prices) not in (5, 6) or (len(prices) == 6 and len(first) == 2):
            continue
        start = cells[0][0] if len(first) == 1 else with_clock(cells[0][0], cells[0][1]) or ""
        if not is_time([start], 0) or (len(first) == 2 and is_number(cells[0][1])):
            continue
        if all(map(_is_bar, (row[len(first) :] for row in cells))) and _goes_on(cells):
            return [*first, *_BARE[: len(prices)]]
    return []


def _is_bar(cells: Sequence[str]) -> bool:
    """Returns True if the cells can be open, high, low, close, volume: the high is the highest, the low the lowest."""
    try:
        opened, high, low, close, volume = (float(cell) for cell in cells[:5])
    except ValueError:
        return False
    return low <= min(opened, close) and high >= max(opened, close) and volume >= 0 and low > 0


def _goes_on(rows: Sequence[Sequence[str]]) -> bool:
    """Returns True for ascending times, as bars have them, and for a single row."""
    return all(a[0] <= b[0] or len(a[0]) < len(b[0]) for a, b in pairwise(rows))


def is_number(text: str) -> bool:
    """Returns True when the text is only a number."""
    return isinstance(_core.parse_decimal_text(text), tuple)


@dataclass(frozen=True, slots=True)
class _Times:
    place: int
    clock: int | None  # column of the time of day, if `place` has only the date
    form: TimeForm | None
    written: str  # name of the form
    first: str


def _times(table: _Table, rows: Sequence[Sequence[str]], chosen: str | None, name: str) -> _Times:
    shape = table.shape
    if shape.day_and_clock is not None:
        day, clock = shape.day_and_clock
        days = [row[day] for row in rows]
        if are_clocks(row[clock] for row in rows):
            joined = [with_clock(row[day], row[clock]) or "" for row in rows]
            form, written = find_times(joined, chosen, location=name)
            return _Times(day, clock, form, written, next(iter(joined), ""))
    place = shape.columns["ts_event"]
    days = [row[place] for row in rows]
    form, written = find_times(days, chosen, location=name)
    return _Times(place, None, form, written, next(iter(days), "").strip())


def _cells(table: _Table, skip_lines: int, options: TableOptions, name: str) -> tuple[Layout, Rewriting]:
    """Returns the layout, and the form of its cells."""
    shape = table.shape
    rows = [row for row in table.rows if len(row) >= shape.fields]
    times = _times(table, rows, options.time_format, name)
    shape = replace(shape, columns=shape.columns | {"ts_event": times.place})
    numbers = tuple(place for ours, place in shape.columns.items() if ours in NUMBERS)
    cells = [row[place].strip() for row in rows for place in numbers]
    decimals = find_decimals(cells, options.decimal, location=name)
    how = Rewriting(
        table.separator,
        skip_lines,
        shape.fields,
        times.place,
        clock=times.clock,
        time_form=times.form,
        receipt=shape.columns.get("ts_recv"),
        decimals=decimals,
        is_said=options.decimal is not None,
        numbers=numbers,
        kept=_kept(shape),
    )
    header = table.cells if table.has_header else shape.names
    columns = {("time" if ours == "ts_event" else ours): header[place] for ours, place in shape.columns.items()}
    if times.clock is not None:
        joined = (header[times.place], header[times.clock])
        columns["time"] = " ".join(joined)
        shape = replace(shape, ignored=tuple(each for each in shape.ignored if each not in joined))
    layout = of_shape(shape, table.separator, skip_lines)
    said: dict[str, object] = {
        "columns": columns,
        "not_used": list(shape.ignored),
        "header": table.has_header,
        "separator": table.separator,
        "time": times.written or time_words(times.first),
        "zone": _zone(shape, times, options),
        "decimal": decimals or "point",
    }
    notes = [layout.note]
    if not table.has_header and not table.chosen:
        notes = [f"no header: columns read as {', '.join(shape.names)}"]
    small = "" if times.written else small_time([row[times.place] for row in rows])
    if small:
        notes.append(f"times such as {small} were taken as seconds since 1970: --time-format says what else they are")
    return replace(layout, said=said, note="; ".join(filter(None, notes))), how


def _kept(shape: TableShape) -> tuple[int, ...]:
    """Returns the columns in which an empty cell means the previous value: ticks of MetaTrader omit the unchanged
    side."""
    names = [name.lower() for name in shape.names]
    if shape.kind != "quotes" or "symbol" in shape.columns or "<flags>" not in names:
        return ()
    return tuple(shape.columns[side] for side in ("bid", "ask"))


def _zone(shape: TableShape, times: _Times, options: TableOptions) -> str:
    """Returns the zone for times without one, and where it comes from."""
    is_plain = times.form is None
    if times.written in UNITS or (is_plain and time_words(times.first) != "text"):
        return "UTC"
    if "%z" in times.written or (is_plain and _has_zone(times.first)):
        return "in the text"
    if options.zone is not None:
        return options.zone
    return "UTC" if shape.says_utc else "UTC, assumed"


def _has_zone(text: str) -> bool:
    """Returns True when the text has a zone or offset itself."""
    there, shifted = (_core.parse_time_text(text, zone) for zone in ((), ((-(2**63), 10**9),)))
    return isinstance(there, int) and there == shifted


def of_shape(shape: TableShape, separator: str, skip_lines: int) -> Layout:
    """Returns the layout of a table with known columns."""
    return Layout(
        shape.kind,
        shape.columns,
        fields=shape.fields,
        separator=separator,
        skip_lines=skip_lines,
        ignored=shape.ignored,
        note=f"columns read as: {', '.join(shape.renamed)}" if shape.renamed else "",
    )


def is_time(cells: Sequence[str], place: int) -> bool:
    """Returns True when the cell at that index is a time: its row is then no header."""
    return place < len(cells) and isinstance(_core.parse_time_text(cells[place]), int)
