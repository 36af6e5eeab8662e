"""Import files as one call: `onetape import`."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict, TypeVar, Unpack
from uuid import UUID

import numpy as np

from onetape import _core
from onetape.data.capture import CaptureImporter, read_seeds
from onetape.data.events import import_events
from onetape.data.importer import Outcome
from onetape.data.instruments import read_instruments
from onetape.data.layout import TableOptions, TableSource
from onetape.data.naming import Naming, naming_by_rows, parse_naming
from onetape.data.registry import KINDS, Kind, find_kind
from onetape.data.rejects import RejectFile
from onetape.data.result import ImportResult
from onetape.data.size_limits import Limits
from onetape.data.source import OnRead, digest, open_sources
from onetape.data.staging import refuse_existing, staged
from onetape.data.table import OnUnderstood, TableImporter
from onetape.model import catalogue, inference
from onetape.model.enums import EventType
from onetape.model.errors import UsageError
from onetape.model.instrument import Instrument
from onetape.model.near import did_you_mean
from onetape.model.time import format_time, parse_duration, parse_period, rough_duration, zone
from onetape.tape.journal import JournalReader
from onetape.tape.schema import schema_preamble

if TYPE_CHECKING:
    from onetape.data.cryptofeed import CryptofeedImporter

Progress = Callable[[float, float | None], None]
Columns = str | Sequence[str] | Mapping[str, str] | None

# Part of a tape's identity: increased when the same input gives other frames.
IMPORT_VERSION: Final = 8
_TYPE_NAMES: Final = {spec[0]: spec[1] for spec in _core.event_specs()}


@dataclass(slots=True)
class Holes:
    """The holes in the bars of one symbol and period: how many, and the longest. period, longest: ns."""

    symbol: str
    period: int
    count: int = 0
    longest: int = 0
    longest_at: int = 0  # start of the longest hole, ns UTC

    def __str__(self) -> str:
        places = "1 hole" if self.count == 1 else f"{self.count:,} holes, the longest"
        return (
            f"{self.symbol}: bars of {rough_duration(self.period)} have {places} of "
            f"{rough_duration(self.longest)} from {format_time(self.longest_at)}"
        )


def holes_in_bars(tape: Path, symbols: Sequence[str]) -> list[Holes]:
    """Returns the holes in a tape's bars. symbols: by stream, from 1. Bars must be in order of time."""
    found: dict[tuple[int, int], Holes] = {}
    ends: dict[tuple[int, int], int] = {}
    with JournalReader(tape) as reader:
        for rows in reader.chunks("bar"):
            kinds = np.stack([rows["stream"].astype(np.int64), rows["period_ns"]], axis=1)
            for stream, period in np.unique(kinds, axis=0).tolist():
                mine = rows[(kinds[:, 0] == stream) & (kinds[:, 1] == period)]
                key = (stream, period)
                opens, closes = mine["ts_open"], mine["ts_close"]
                before = np.concatenate(([ends.get(key, int(opens[0]))], closes[:-1]))
                ends[key] = int(closes[-1])
                missing = opens - before
                if not (places := int(np.count_nonzero(missing > 0))):
                    continue
                holes = found.setdefault(key, Holes(symbols[stream - 1], period))
                holes.count += places
                at = int(np.argmax(missing))
                if missing[at] > holes.longest:
                    holes.longest, holes.longest_at = int(missing[at]), int(before[at])
    return [found[key] for key in sorted(found)]


class Reading(TypedDict, total=False):
    """Options for reading tables, and the instruments of their rows.

    symbol: `binance:BTC/USDT:USDT`, or `RAW=symbol,...` for a file with several instruments. Not needed for a
    recording, or for a csv with a column of symbols, whose names become instruments of the venue of `symbol`, else of
    the venue `data`. default_symbol: used if nothing names the instrument. columns: `a,b,..` of a csv without a header,
    or {name: header}. time_format: a pattern of strptime, or s, ms, us, ns. decimal: comma or point. instruments: a
    file of instruments, which override the catalogue. ahead: for events, how long before its time each is delivered.
    """

    symbol: str | None
    default_symbol: str | None
    instruments: Path | None
    tz: str | None
    columns: Columns
    period: str | None
    bar_time: str
    time_format: str | None
    decimal: str | None
    ahead: str | None


def import_files(
    kind: str,
    sources: Sequence[Path | str],
    *,
    out: Path | str,
    seed_book: Path | None = None,
    filters: bool = False,
    force: bool = False,
    progress: Progress | None = None,
    limits: Limits | None = None,
    on_understood: OnUnderstood | None = None,
    **reading: Unpack[Reading],
) -> ImportResult:
    """Turn files into a sealed tape at `out`. progress: called with (bytes read, total bytes or None); on_understood:
    called with ImportResult.understood before anything is written. filters: bad ticks are quarantined, and `health`
    frames report them. Importing the same files with the same options gives the same segments, byte for byte. Raises
    UsageError and UnknownFormat (exit 2), BadInput and UnknownSymbol (exit 3), NotAvailable for kinds of later
    releases. After an error nothing is at `out`.
    """
    symbol, default_symbol = reading.get("symbol"), reading.get("default_symbol")
    found = find_kind(kind)
    naming = None
    if found.by_rows:
        naming = naming_by_rows(symbol, default_symbol)
    elif found.form != "events" and (symbol or default_symbol or found.form != "recording"):
        naming = parse_naming(symbol or default_symbol)
    paths = [Path(source) for source in sources]
    if not paths:
        raise UsageError("no file to import", todo="name at least one")
    out = Path(out)
    refuse_existing(out, force=force)
    options = _options(reading)
    _check_options(found, reading, seed_book)
    if found.form == "events":
        return _import_events(paths, out, reading, force=force, limits=limits, filters=filters)
    streams = open_sources(paths, limits, accept=found.foreign)
    instruments = reading.get("instruments")
    own = read_instruments(instruments)
    on_read = _reporter(progress, sum(path.stat().st_size for path in paths))
    used = [*paths, *(path for path in (seed_book, instruments) if path is not None)]

    def identity() -> bytes:
        return digest(used) + b"filter" * filters

    if found.form == "table":
        assert naming is not None
        tables = _Tables(found, streams, naming, options, own, identity, on_read)
        return _import_tables(tables, out, force=force, on_understood=on_understood, filters=filters)
    importer: CaptureImporter | CryptofeedImporter
    if found.form == "recording":
        from onetape.data.cryptofeed import CryptofeedImporter

        importer = CryptofeedImporter(streams, naming, own=own, on_read=on_read)
    else:
        assert naming is not None
        seeds = read_seeds(seed_book) if seed_book is not None else []
        importer = CaptureImporter(found.load_protocol(), streams, naming, own=own, seeds=seeds, on_read=on_read)
    with staged(out, force=force) as directory:
        uuid = _uuid(kind, naming, options, identity())
        return _finish(importer, directory, out, uuid, filters)


def import_frame(
    frame: object,
    *,
    out: Path | str,
    force: bool = False,
    progress: Progress | None = None,
    on_understood: OnUnderstood | None = None,
    **reading: Unpack[Reading],
) -> ImportResult:
    """Turn a polars or pandas frame into a sealed tape, by the column rules of `csv`.

    Floats are taken with the 15 digits that a double holds exactly: 0.1 + 0.2 is 0.3. A pandas index of times is the
    column `timestamp`. Raises the errors of import_files; TypeError for another object.
    """
    from onetape.data.frame import FrameSource

    naming = naming_by_rows(reading.get("symbol"), reading.get("default_symbol"))
    out = Path(out)
    refuse_existing(out, force=force)
    source = FrameSource(frame)
    own = read_instruments(reading.get("instruments"))
    on_read = _reporter(progress, source.size)
    kind = replace(KINDS["csv"], name="frame")
    tables = _Tables(kind, [source], naming, _options(reading), own, source.digest, on_read)
    return _import_tables(tables, out, force=force, on_understood=on_understood)


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Tables:
    """Sources of rows, and how to read them."""

    kind: Kind
    streams: Sequence[TableSource]
    naming: Naming
    options: TableOptions
    instruments: dict[str, Instrument]
    identity: Callable[[], bytes]
    on_read: OnRead


def _import_events(
    paths: list[Path], out: Path, reading: Reading, *, force: bool, limits: Limits | None, filters: bool
) -> ImportResult:
    for name, chosen in (("--symbol", "symbol"), ("--instruments", "instruments"), ("--filter", "")):
        if reading.get(chosen) if chosen else filters:
            raise UsageError("events have no symbol", location=name, todo="leave it out")
    ahead = reading.get("ahead")
    ahead_ns = parse_duration(ahead) if ahead else 0
    return import_events(paths, out=out, force=force, zone=reading.get("tz"), ahead_ns=ahead_ns, limits=limits)


def _import_tables(
    tables: _Tables, out: Path, *, force: bool, on_understood: OnUnderstood | None, filters: bool = False
) -> ImportResult:
    kind = tables.kind
    with staged(out, force=force) as directory:
        importer = TableImporter(
            tables.streams,
            kind.load_planner(),
            naming=tables.naming,
            options=tables.options,
            instruments=tables.instruments,
            sort_directory=str(directory),
            on_read=tables.on_read,
            venue_names=kind.venue_names,
            skip_empty=kind.name not in {"csv", "frame"},
            on_understood=on_understood,
        )
        content = tables.identity()
        if kind.names_matter:
            content += json.dumps(importer.shapes).encode()
        uuid = _uuid(kind.name, tables.naming, tables.options, content)
        return _finish(importer, directory, out, uuid, filters)


def _finish(
    importer: CaptureImporter | CryptofeedImporter | TableImporter,
    directory: Path,
    out: Path,
    uuid: UUID,
    filters: bool,
) -> ImportResult:
    """Run the importer into `directory`, seal the tape, and count."""
    began = time.perf_counter()
    sinks: list[_core.TapeSink] = []

    def sink_at() -> tuple[_core.TapeSink, RejectFile]:
        for sink in sinks:
            sink.close()
        sinks.clear()
        for entry in directory.iterdir():
            entry.unlink()
        sink = _core.TapeSink(str(directory), "import", uuid.bytes, schema_preamble())
        if filters:
            sink.use_filter()
        sinks.append(sink)
        return sink, RejectFile(directory, importer.source_names)

    try:
        outcome = importer.run(sink_at)
    except BaseException:
        for sink in sinks:
            sink.close()
        raise
    sink = sinks[0]
    sink.close()
    symbols = [instrument.symbol for instrument in outcome.instruments]
    holes = holes_in_bars(directory, symbols) if _has_bars(sink.counts()) else []
    seconds = time.perf_counter() - began
    return _result(out, outcome, sink.counts(), holes, seconds)


def _has_bars(counts: tuple[Any, ...]) -> bool:
    return any(EventType.BAR.id in types for types in counts[-1].values())


def _result(
    out: Path, outcome: Outcome, counts: tuple[Any, ...], holes: Sequence[Holes], seconds: float
) -> ImportResult:
    events, first, last, late, crossed, by_stream = counts
    by_type: dict[str, int] = {}
    by_symbol: dict[str, dict[str, int]] = {}
    for stream, instrument in enumerate(outcome.instruments, 1):
        types = by_stream.get(stream, {})
        named = {_TYPE_NAMES[type_]: count for type_, count in sorted(types.items())}
        by_symbol[instrument.symbol] = named
        for name, count in named.items():
            by_type[name] = by_type.get(name, 0) + count
    assumptions = [line for i in outcome.instruments for line in inference.assumptions(i)]
    unlisted = sorted({i.venue for i in outcome.instruments} - catalogue.venues())
    nearest = [(venue, did_you_mean(venue, catalogue.venues())) for venue in unlisted]
    assumptions += [f"{venue} is no exchange of the catalogue, {near}" for venue, near in nearest if near]
    assumptions += outcome.notes
    assumptions += map(str, holes)
    if outcome.snapped:
        assumptions.append(f"{outcome.snapped} numbers were rounded, by less than 1e-9 of them")
    return ImportResult(
        tape=out,
        symbols=[instrument.symbol for instrument in outcome.instruments],
        events=events,
        by_type=by_type,
        by_symbol=by_symbol,
        first_ts=first,
        last_ts=last,
        rejected=outcome.rejected,
        gaps=outcome.gaps + sum(each.count for each in holes),
        unsynced=outcome.unsynced,
        crossed=crossed,
        late=late,
        snapped=outcome.snapped,
        ignored=outcome.ignored,
        assumptions=assumptions,
        understood=outcome.understood,
        seconds=seconds,
    )


def _check_options(kind: Kind, reading: Reading, seed_book: Path | None) -> None:
    """Raise UsageError for an option without effect."""
    chosen = {
        "--columns": reading.get("columns") is not None,
        "--period": reading.get("period") is not None,
        "--tz": reading.get("tz") is not None,
        "--bar-time": reading.get("bar_time", "open") != "open",
        "--seed-book": seed_book is not None,
        "--time-format": reading.get("time_format") is not None,
        "--decimal": reading.get("decimal") is not None,
        "--ahead": reading.get("ahead") is not None,
    }
    for name, is_chosen in chosen.items():
        if is_chosen and name not in kind.options:
            raise UsageError(
                "only captures of depth begin with a book"
                if name == "--seed-book"
                else f"this option means nothing for {kind.name}",
                location=name,
            )


def _options(reading: Reading) -> TableOptions:
    bar_time, decimal, columns = reading.get("bar_time", "open"), reading.get("decimal"), reading.get("columns")
    for value, choices, flag in (
        (bar_time, ("open", "close"), "--bar-time"),
        (decimal or "point", ("point", "comma"), "--decimal"),
    ):
        if value not in choices:
            raise UsageError(f"{value!r} is neither {' nor '.join(choices)}", location=flag)
    if isinstance(columns, Mapping):
        columns = [f"{name}={header}" for name, header in columns.items()]
    return TableOptions(
        zone=_of_option("--tz", _zone, reading.get("tz")),
        columns=columns,
        period_ns=_of_option("--period", parse_period, reading.get("period")) or 0,
        time_is_close=bar_time == "close",
        time_format=reading.get("time_format"),
        decimal=decimal,
    )


def _zone(name: str) -> str:
    zone(name)  # raises if there is no such zone
    return name


def _of_option(flag: str, read: Callable[[str], T], text: str | None) -> T | None:
    """Returns the option's value. Raises UsageError that names the option."""
    try:
        return read(text) if text else None
    except UsageError as error:
        raise UsageError(error.what, location=flag, todo=error.todo) from None


def _uuid(kind: str, naming: Naming | None, options: TableOptions, content: bytes) -> UUID:
    """Returns the tape's identity, from its input and options."""
    said = [
        IMPORT_VERSION,
        kind,
        [naming.pairs, naming.by_rows, naming.is_chosen] if naming is not None else [],
        options.zone or "UTC",
        options.columns if options.columns is None else list(options.columns),
        options.period_ns,
        options.time_is_close,
        options.time_format,
        options.decimal,
        content.hex(),
    ]
    whole = hashlib.sha256(json.dumps(said).encode()).digest()
    return UUID(bytes=whole[:16], version=5)


def _reporter(progress: Progress | None, total: int) -> OnRead:
    if progress is None:
        return lambda count: None
    done = 0

    def on_read(count: int) -> None:
        nonlocal done
        done += count
        # A second pass reads from the beginning again.
        progress((done - 1) % total + 1 if total else done, total or None)

    return on_read


__all__ = ["ImportResult", "Progress", "import_files", "import_frame"]
