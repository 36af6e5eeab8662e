"""Download public history, then import it: `onetape fetch` as one call."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from onetape.data import ccxt_pages, vision
from onetape.data.download import Client, Patience, Watch, checked_url
from onetape.data.importing import ImportResult, import_files
from onetape.data.staging import refuse_existing
from onetape.data.venue_klines import VenueKlines
from onetape.model.errors import OnetapeError, UsageError
from onetape.model.symbol import file_stem, parse_symbol
from onetape.model.time import DAY, MS, format_time, parse_period, parse_time

KINDS: Final = ("binance-vision", "ccxt", "klines")


@dataclass(slots=True)
class FetchResult:
    """The result of a fetch. files: in the order of import; missing: files that the archive does not have; imported:
    None without `--out`."""

    kind: str
    symbol: str
    folder: Path
    files: list[Path]
    cached: int  # files or pages already on disk
    resumed: int  # files that were resumed
    bytes: int  # received by this call; 0 if ccxt received them
    rows: int = 0  # of pages
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    imported: ImportResult | None = None

    def as_json(self) -> dict[str, Any]:
        """Returns plain values, together with those of the import."""
        own: dict[str, Any] = {
            "kind": self.kind,
            "symbol": self.symbol,
            "folder": str(self.folder),
            "files": len(self.files),
            "cached": self.cached,
            "resumed": self.resumed,
            "bytes": self.bytes,
            "missing": self.missing,
            "notes": self.notes,
        }
        if self.rows:
            own["rows"] = self.rows
        return own | (self.imported.as_json() if self.imported is not None else {"tape": None})


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """The range to fetch, and the folder for it. start, end: times UTC, end exclusive, by default the beginning of
    today. make_folder: makes a folder that only its owner can read. out: the tape to import to; None: no import.
    """

    kind: str
    symbol: str
    folder: Path
    make_folder: Callable[[Path], Path]
    start: str
    end: str | None = None
    type_: str | None = None
    period: str | None = None
    out: Path | None = None
    base_url: str | None = None
    limit: int = 500
    force: bool = False
    watch: Watch = field(default_factory=Watch)
    patience: Patience = field(default_factory=Patience)
    now: datetime | None = None
    venue: str | None = None  # of `klines`: must match the symbol's

    def span(self) -> tuple[int, int]:
        """First time and end, ns UTC. Raises UsageError for a range that is empty or not over yet."""
        today = (self.now or datetime.now(UTC)).date()
        first = _time(self.start, "--from")
        end = _time(self.end, "--to") if self.end else _ns(today)
        if first >= end:
            raise UsageError(f"the range is empty: {format_time(first)} to {format_time(end)}", location="--from")
        if end > _ns(today) + DAY:
            raise UsageError(f"{format_time(end)} is not over yet", location="--to")
        return first, end


def fetch(options: FetchOptions) -> FetchResult:
    """Download public history and, with `out`, import it.

    Raises UsageError (exit 2), BadInput and UnknownSymbol (3), VenueRateLimit (5),
    VenueUnavailable (6); complete downloads are kept, and a second call continues.
    """
    if options.kind not in KINDS:
        raise UsageError(f"{options.kind!r} is no source of downloads", todo=f"use {' or '.join(KINDS)}")
    if options.out is not None:
        refuse_existing(options.out, force=options.force)
    span = options.span()
    base_url = checked_url(options.base_url, location="--base-url") if options.base_url is not None else None
    options.make_folder(options.folder)
    found = (_from_vision if options.kind == "binance-vision" else _from_pages)(options, *span, base_url)
    if options.out is not None:
        options.watch.doing("imports what was fetched")
        found.imported = _import(options, found, options.out)
    return found


def _import(options: FetchOptions, found: FetchResult, out: Path) -> ImportResult:
    try:
        return import_files(
            "binance-vision" if options.kind == "binance-vision" else "ccxt",
            found.files,
            symbol=found.symbol,
            out=out,
            period=None if options.kind == "binance-vision" else options.period,
            force=options.force,
            progress=options.watch.progress,
        )
    except OnetapeError as error:
        # The downloads are valid even if the import fails.
        error.todo = f"{error.todo}; the files are kept in {found.folder}".lstrip("; ")
        raise


def _from_vision(wanted: FetchOptions, first_ns: int, end_ns: int, base_url: str | None) -> FetchResult:
    parsed, dataset, period = vision.check_request(wanted.symbol, wanted.type_ or "klines", wanted.period)
    first, end = _whole_day(first_ns, "--from"), _whole_day(end_ns, "--to")
    if (end - first).days > vision.DAYS_MAX:
        raise UsageError(f"the range is longer than {vision.DAYS_MAX:,} days", location="--from")
    received = 0

    def on_bytes(count: int) -> None:
        nonlocal received
        received += count
        if wanted.watch.progress is not None:
            wanted.watch.progress(received, None)

    client = Client(wanted.make_folder, wanted.patience, on_bytes, say=wanted.watch.say, doing=wanted.watch.doing)
    parts = vision.plan(parsed, dataset, period, first, end)
    done = vision.download(client, parts, wanted.folder, base_url=base_url or vision.BASE_URL)
    notes = []
    if not dataset.daily and (first.day != 1 or end.day != 1):
        notes.append(f"{dataset.name} is published by months: whole months were taken")
    return FetchResult(
        "binance-vision",
        wanted.symbol,
        wanted.folder,
        done.files,
        done.cached,
        done.resumed,
        done.bytes,
        missing=done.missing,
        notes=notes,
    )


def _from_pages(wanted: FetchOptions, first_ns: int, end_ns: int, base_url: str | None) -> FetchResult:
    try:
        parsed = parse_symbol(wanted.symbol)
    except OnetapeError as error:
        raise UsageError(error.what, location="--symbol", todo=error.todo) from None
    is_own = wanted.kind == "klines"
    what = wanted.type_ or "ohlcv"
    if what not in (("ohlcv",) if is_own else ("ohlcv", "trades")):
        raise UsageError(f"no type is called {what!r}", location="--type", todo="one of ohlcv, trades")
    if is_own and wanted.venue not in (None, parsed.venue):
        raise UsageError(f"{wanted.symbol} is not at {wanted.venue}", location="VENUE", todo=f"write {parsed.venue}")
    if wanted.period:
        parse_period(wanted.period)
        if what == "trades":
            raise UsageError("trades have no period", location="--period", todo="leave it out")
    period = wanted.period or "1m"
    limit = wanted.limit
    exchange: Any
    if is_own:
        client = Client(wanted.make_folder, wanted.patience, say=wanted.watch.say, doing=wanted.watch.doing)
        exchange = VenueKlines(client, parsed, base_url)
        limit = exchange.page(period)
    else:
        wanted.watch.doing("loads ccxt")
        exchange = ccxt_pages.make_exchange(parsed, base_url=base_url)
    label = f"ohlcv-{period}" if what == "ohlcv" else "trades"
    span = f"{first_ns // MS}-{end_ns // MS}"
    place = wanted.folder / file_stem(wanted.symbol) / f"{label}-{span}"
    wanted.make_folder(place)
    pages = ccxt_pages.PageFetcher(
        exchange=exchange,
        symbol=parsed,
        what="ohlcv" if what == "ohlcv" else "trades",
        folder=place,
        first_ms=-(-first_ns // MS),
        end_ms=-(-end_ns // MS),
        period=period,
        limit=limit,
        watch=wanted.watch,
    ).run()
    if not pages.files:
        raise UsageError(
            f"{exchange.id} has nothing of {parsed.name} in that range",
            location="--from",
            todo="check the symbol and the times",
        )
    if is_own and exchange.note and (json.loads(pages.files[0].read_bytes())[0][0] - 1) * MS >= first_ns:
        pages.notes.append(exchange.note)
    return FetchResult(
        wanted.kind,
        wanted.symbol,
        place,
        pages.files,
        cached=pages.resumed,
        resumed=0,
        bytes=0,
        rows=pages.rows,
        notes=pages.notes,
    )


def _time(text: str, location: str) -> int:
    try:
        return parse_time(text)
    except OnetapeError as error:
        raise UsageError(f"{error.what}", location=location, todo="write such as 2024-01-31") from None


def _ns(day: date) -> int:
    return (day - date(1970, 1, 1)).days * DAY


def _whole_day(ns: int, location: str) -> date:
    if ns % DAY:
        raise UsageError("the archive has whole days", location=location, todo="give a date without a time of day")
    return date(1970, 1, 1) + timedelta(days=ns // DAY)


__all__ = ["KINDS", "FetchOptions", "FetchResult", "Watch", "fetch"]
