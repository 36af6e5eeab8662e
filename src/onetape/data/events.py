"""Import events from tables: calendars, news, sentiment, and other data with times that are not market data.

A row's time (`ts_event`, `timestamp`, `ts`, `time` or `date`) is its publication or the scheduled time, `ts_recv` its
receipt, if the table has it. `type` and `topic` classify it; every other column is its data.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, tzinfo
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec

from onetape.data.parquet import parquet_libraries
from onetape.data.result import ImportResult
from onetape.data.size_limits import Limits
from onetape.data.source import Source, digest, open_sources
from onetape.data.staging import staged
from onetape.market.stream_feed import BadOut, ExternalOut, StreamFeed, StreamRules
from onetape.model.errors import BadInput
from onetape.model.time import parse_time
from onetape.model.time import zone as zone_of
from onetape.tape.journal import JournalWriter

__all__ = ["Row", "import_events", "read_events"]

TIME_COLUMNS: Final = ("ts_event", "timestamp", "ts", "time", "date")
RECEIVED: Final = "ts_recv"
NUMBER_CHARS_MAX: Final = 40
ROWS_MAX: Final = 5_000_000
_NUMBER: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?\Z")
_PARQUET: Final = b"PAR1"


class Row(msgspec.Struct, frozen=True):
    """One event of a feed. time: of its delivery, ns UTC; topic: "" if it has none; body: JSON, as a feed would send
    it."""

    time: int
    topic: str
    body: bytes


def read_events(
    paths: Sequence[Path], *, zone: str | None = None, ahead_ns: int = 0, limits: Limits | None = None
) -> list[Row]:
    """Returns the rows of CSV and Parquet files in the order of delivery.

    zone: for times without one. ahead_ns: a row without `ts_recv` is delivered this long before its time, because
    calendars are published earlier. Raises BadInput with the row, NotAvailable if Parquet's library is missing.
    """
    of = zone_of(zone or "UTC")
    rows: list[Row] = []
    for source in open_sources(list(paths), limits, accept=("Parquet",)):
        for number, cells in enumerate(_rows(source), 2):
            if len(rows) >= ROWS_MAX:
                raise BadInput(
                    f"the file has more than {ROWS_MAX} rows", location=source.name, todo="import it in parts"
                )
            rows.append(_row(cells, f"{source.name}:{number}", of, ahead_ns))
    return sorted(rows, key=lambda each: each.time)  # stable: rows of one time keep their order


def import_events(
    paths: Sequence[Path],
    *,
    out: Path,
    force: bool = False,
    zone: str | None = None,
    ahead_ns: int = 0,
    limits: Limits | None = None,
) -> ImportResult:
    """Import tables of events as a tape of `external` frames, each at its time of delivery. Raises the errors of
    read_events."""
    began = time.perf_counter()
    rows = read_events(paths, zone=zone, ahead_ns=ahead_ns, limits=limits)
    if not rows:
        raise BadInput("the files have no rows", location=", ".join(map(str, paths)), todo="check their first lines")
    identity = hashlib.sha256(json.dumps(["events", zone, ahead_ns]).encode() + digest(list(paths))).digest()
    feed = StreamFeed(StreamRules("import", numbered=False))
    with staged(out, force=force) as directory:
        writer = JournalWriter(directory, process="import", uuid=UUID(bytes=identity[:16], version=5), durable=False)
        try:
            for row in rows:
                for event in feed.message(row.topic, row.body, row.time):
                    if isinstance(event, ExternalOut):
                        writer.append("external", msgspec.msgpack.encode(event.record), time=row.time)
                    else:
                        raise _refused(event, row)
        finally:
            writer.close()
    return ImportResult(
        tape=out,
        symbols=[],
        events=len(rows),
        by_type={"external": len(rows)},
        by_symbol={},
        first_ts=rows[0].time,
        last_ts=rows[-1].time,
        rejected=0,
        seconds=time.perf_counter() - began,
    )


def _refused(event: object, row: Row) -> BadInput:
    head = row.body[:80].decode()
    if isinstance(event, BadOut):
        return BadInput(event.reason, location=head)
    return BadInput("a row with symbol, bid and ask is a quote", location=head, todo="onetape import csv reads quotes")


def _rows(source: Source) -> Iterator[Mapping[str, Any]]:
    if source.head(4) == _PARQUET:
        yield from _parquet(source)
        return
    lines = _lines(source)
    try:
        reader = csv.DictReader(lines, strict=True)
        names = reader.fieldnames or ()
        if len(set(names)) < len(names):
            raise BadInput("the header names a column twice", location=source.name, todo="name each once")
        for number, cells in enumerate(reader, 2):
            if None in cells or None in cells.values():
                what = "more" if None in cells else "fewer"
                raise BadInput(f"the row has {what} cells than the header", location=f"{source.name}:{number}")
            yield cells
    except csv.Error as error:
        raise BadInput(f"the file is no CSV: {error}", location=source.name) from None


def _lines(source: Source) -> Iterator[str]:
    with io.TextIOWrapper(io.BytesIO(b"".join(source.chunks())), "utf-8-sig", newline="") as text:
        try:
            yield from text
        except UnicodeDecodeError:
            raise BadInput("the file is not text in UTF-8", location=source.name) from None


def _parquet(source: Source) -> Iterator[Mapping[str, Any]]:
    pa, parquet = parquet_libraries()
    try:
        yield from parquet.read_table(io.BytesIO(b"".join(source.chunks()))).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"the file is no Parquet: {str(error)[:80]}", location=source.name) from None


def _row(cells: Mapping[str, Any], location: str, zone: tzinfo, ahead_ns: int) -> Row:
    """Returns the event of a row. Raises BadInput."""
    named = next((name for name in TIME_COLUMNS if cells.get(name) not in (None, "")), None)
    if named is None:
        raise BadInput("the row has no time", location=location, todo=f"name a column {' or '.join(TIME_COLUMNS)}")
    try:
        published = parse_time(cells[named], tz=zone)
        received_text = cells.get(RECEIVED)
        received = published - ahead_ns if received_text in (None, "") else parse_time(received_text, tz=zone)
    except BadInput as error:
        raise BadInput(error.what, location=location, todo=error.todo) from None
    except (TypeError, ValueError):
        raise BadInput(f"not a time: {str(cells[named])[:80]!r}", location=location) from None
    left_out = (named, RECEIVED, "topic")
    data = {name: _value(cell) for name, cell in cells.items() if name not in left_out and not _is_empty(cell)}
    if any(isinstance(cell, float) and math.isinf(cell) for cell in data.values()):
        raise BadInput("an event cannot hold the value infinity", location=location)
    try:
        body = msgspec.json.encode({"ts_event": published, **data})
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise BadInput(f"an event cannot hold a value of the row: {error}"[:120], location=location) from None
    return Row(received, str(cells.get("topic") or ""), body)


def _is_empty(cell: Any) -> bool:
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell))


def _value(cell: Any) -> Any:
    """Returns a cell's value: a number if it fits a frame, a time as ISO text, other text unchanged."""
    if isinstance(cell, datetime | date):
        return cell.isoformat()
    if isinstance(cell, str) and len(cell) <= NUMBER_CHARS_MAX and _NUMBER.match(cell):
        number = json.loads(cell)
        return number if math.isfinite(number) and abs(number) < 2**63 else cell
    return cell
