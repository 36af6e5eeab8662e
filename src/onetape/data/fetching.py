"""Fetching as one call: what `onetape fetch` does. Downloads public history, then imports it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from onetape.data import ccxt_pages, vision
from onetape.data.download import Client, Patience, checked_url
from onetape.data.importing import ImportResult, Progress, import_files
from onetape.data.staging import refuse_existing
from onetape.model.errors import OnetapeError, UsageError
from onetape.model.symbol import file_stem, parse_symbol
from onetape.model.time import DAY, MS, format_time, parse_period, parse_time

KINDS: Final = ("binance-vision", "ccxt")


@dataclass(slots=True)
class FetchResult:
    """`files` are what was imported, in order; `missing` what the archive does not have. Without
    `--out` there is no `imported`."""

    kind: str
    symbol: str
    folder: Path
    files: list[Path]
    cached: int  # files or pages that were there
    resumed: int  # files that were continued in the middle
    bytes: int  # received now, 0 where a library received them
    rows: int = 0  # of pages
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    imported: ImportResult | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values; those of the import beside ours."""
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
class _Request:
    """What is wanted of either archive. Times are ns UTC, the end exclusive."""

    symbol: str
    folder: Path
    make_folder: Callable[[Path], Path]
    type: str | None
    period: str | None
    first_ns: int
    end_ns: int
    base_url: str | None
    progress: Progress | None
    say: Callable[[str], None]
    doing: Callable[[str], None]


def fetch(
    kind: str,
    *,
    symbol: str,
    folder: Path,
    make_folder: Callable[[Path], Path],
    type_: str | None = None,
    period: str | None = None,
    start: str,
    end: str | None = None,
    out: Path | None = None,
    base_url: str | None = None,
    limit: int = 500,
    force: bool = False,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda line: None,
    doing: Callable[[str], None] = lambda words: None,
    patience: Patience | None = None,
    now: datetime | None = None,
) -> FetchResult:
    """Download into `folder` and import to `out`, if given.

    start, end: times UTC, end exclusive, by default the beginning of today. make_folder makes a
    folder for the owner alone. say hears why it waits for a server, doing whom it asks for what.
    Raises UsageError (exit 2), BadInput and UnknownSymbol (3),
    VenueRateLimit (5), VenueUnavailable (6); what was downloaded by then is kept, and a second
    call goes on from there.
    """
    if kind not in KINDS:
        raise UsageError(f"nothing is fetched from {kind!r}", todo=f"use {' or '.join(KINDS)}")
    if out is not None:
        refuse_existing(out, force=force)
    now = now or datetime.now(UTC)
    today = now.date()
    first_ns = _time(start, "--from")
    end_ns = _time(end, "--to") if end else _ns(today)
    if first_ns >= end_ns:
        raise UsageError(f"the range is empty: {format_time(first_ns)} to {format_time(end_ns)}", where="--from")
    if end_ns > _ns(today) + DAY:
        raise UsageError(f"{format_time(end_ns)} is not over yet", where="--to")
    if base_url is not None:
        base_url = checked_url(base_url, where="--base-url")
    make_folder(folder)
    wanted = _Request(symbol, folder, make_folder, type_, period, first_ns, end_ns, base_url, progress, say, doing)
    found = _from_ccxt(wanted, limit=limit) if kind == "ccxt" else _from_vision(wanted, patience or Patience())
    if out is not None:
        doing("imports what was fetched")
        found.imported = _import(kind, found, out, period, force, progress)
    return found


def _import(
    kind: str, found: FetchResult, out: Path, period: str | None, force: bool, progress: Progress | None
) -> ImportResult:
    try:
        return import_files(
            kind,
            found.files,
            symbol=found.symbol,
            out=out,
            period=period if kind == "ccxt" else None,
            force=force,
            progress=progress,
        )
    except OnetapeError as error:
        # The downloads are good whatever becomes of the import.
        error.todo = f"{error.todo}; the files are kept in {found.folder}".lstrip("; ")
        raise


def _from_vision(wanted: _Request, patience: Patience) -> FetchResult:
    parsed, dataset, period = vision.check_request(wanted.symbol, wanted.type or "klines", wanted.period)
    first, end = _whole_day(wanted.first_ns, "--from"), _whole_day(wanted.end_ns, "--to")
    if (end - first).days > vision.DAYS_MAX:
        raise UsageError(f"the range is longer than {vision.DAYS_MAX:,} days", where="--from")
    received = 0

    def on_bytes(count: int) -> None:
        nonlocal received
        received += count
        if wanted.progress is not None:
            wanted.progress(received, None)

    client = Client(wanted.make_folder, patience, on_bytes, say=wanted.say, doing=wanted.doing)
    parts = vision.plan(parsed, dataset, period, first, end)
    base_url = wanted.base_url or vision.BASE_URL
    done = vision.download(client, parts, wanted.folder, base_url=base_url)
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


def _from_ccxt(wanted: _Request, *, limit: int) -> FetchResult:
    try:
        parsed = parse_symbol(wanted.symbol)
    except OnetapeError as error:
        raise UsageError(error.what, where="--symbol", todo=error.todo) from None
    what = wanted.type or "ohlcv"
    if what not in ("ohlcv", "trades"):
        raise UsageError(f"no type is called {what!r}", where="--type", todo="one of ohlcv, trades")
    if wanted.period:
        parse_period(wanted.period)
        if what == "trades":
            raise UsageError("means nothing for trades", where="--period")
    period = wanted.period or "1m"
    wanted.doing("loads ccxt")
    exchange = ccxt_pages.make_exchange(parsed, base_url=wanted.base_url)
    label = f"ohlcv-{period}" if what == "ohlcv" else "trades"
    span = f"{wanted.first_ns // MS}-{wanted.end_ns // MS}"
    place = wanted.folder / file_stem(wanted.symbol) / f"{label}-{span}"
    wanted.make_folder(place)
    pages = ccxt_pages.PageFetcher(
        exchange,
        parsed,
        "ohlcv" if what == "ohlcv" else "trades",
        folder=place,
        first_ms=-(-wanted.first_ns // MS),
        end_ms=-(-wanted.end_ns // MS),
        period=period,
        limit=limit,
        progress=wanted.progress,
        say=wanted.say,
        doing=wanted.doing,
    ).run()
    if not pages.files:
        raise UsageError(
            f"{exchange.id} has nothing of {parsed.name} in that range",
            where="--from",
            todo="look at the symbol and the times",
        )
    return FetchResult(
        "ccxt",
        wanted.symbol,
        place,
        pages.files,
        cached=pages.resumed,
        resumed=0,
        bytes=0,
        rows=pages.rows,
        notes=pages.notes,
    )


def _time(text: str, where: str) -> int:
    try:
        return parse_time(text)
    except OnetapeError as error:
        raise UsageError(f"{error.what}", where=where, todo="write such as 2024-01-31") from None


def _ns(day: date) -> int:
    return (day - date(1970, 1, 1)).days * DAY


def _whole_day(ns: int, where: str) -> date:
    if ns % DAY:
        raise UsageError("the archive has whole days", where=where, todo="give a date without a time of day")
    return date(1970, 1, 1) + timedelta(days=ns // DAY)


__all__ = ["KINDS", "FetchResult", "fetch"]
