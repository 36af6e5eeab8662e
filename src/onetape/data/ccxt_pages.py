"""Fetch history through the ccxt library, or candles from a venue itself, page by page; each page is on disk before the
next request.

A folder holds the pages of one request, `000001.json` and on, and `pages.jsonl`: one line per page with its rows, hash
and where the next page begins. After an interruption complete pages are kept and the next is requested. Pages do not
overlap and leave no gap: rows with the time at which a page ended are requested again, and duplicates dropped.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from onetape.data.download import Watch
from onetape.data.venue_klines import VenueKlines
from onetape.model.errors import (
    BadInput,
    NotAvailable,
    UnknownSymbol,
    UsageError,
    VenueRateLimit,
    VenueRejected,
    VenueUnavailable,
)
from onetape.model.near import did_you_mean
from onetape.model.symbol import Symbol
from onetape.model.time import MS, format_time, parse_period
from onetape.tape.durable import write_durably

What = Literal["ohlcv", "trades"]
JOURNAL: Final = "pages.jsonl"
ATTEMPTS_MAX: Final = 6
BACKOFF_S: Final = 1.0
BACKOFF_S_MAX: Final = 60.0
# After an empty page of trades the next one begins this much later, because venues limit the time span of an answer.
EMPTY_STEP_MS: Final = 3_600_000
PAGES_MAX: Final = 1_000_000
# Fields of a unified trade that are stored; `info` would repeat them in the venue's format.
TRADE_KEYS: Final = ("id", "timestamp", "symbol", "side", "price", "amount", "cost")


@dataclass(slots=True)
class Pages:
    """The result of a request. `rows` counts all pages, `asked` the requests made now."""

    files: list[Path] = field(default_factory=list)
    rows: int = 0
    requests: int = 0
    resumed: int = 0  # pages already on disk
    notes: list[str] = field(default_factory=list)


def make_exchange(symbol: Symbol, *, base_url: str | None = None, timeout_s: float = 30.0) -> Any:
    """Returns ccxt's exchange of a symbol's venue, with its rate limit enabled. base_url: replaces the host of all
    its addresses. Raises NotAvailable without ccxt, UsageError for an unknown venue.
    """
    try:
        import ccxt
    except ModuleNotFoundError:
        raise NotAvailable(
            "ccxt is not installed",
            location="onetape fetch ccxt",
            todo="install the extra: pip install 'onetape[bridge]'",
        ) from None
    name = symbol.venue
    if name not in ccxt.exchanges:
        raise UsageError(
            f"ccxt knows no exchange {name!r}", location="--symbol", todo=did_you_mean(name, ccxt.exchanges)
        )
    exchange = getattr(ccxt, name)({"enableRateLimit": True, "timeout": int(timeout_s * 1000)})
    if base_url is not None:
        exchange.urls["api"] = _rebased(exchange.urls["api"], base_url)
    return exchange


def _rebased(urls: Any, base_url: str) -> Any:
    if isinstance(urls, dict):
        return {key: _rebased(value, base_url) for key, value in urls.items()}
    if isinstance(urls, str) and urls.startswith(("http://", "https://")):
        return base_url + urlsplit(urls).path
    return urls


@dataclass(slots=True, kw_only=True)
class PageFetcher:
    """Fetches one request: `what` of a symbol from `first_ms` on and before `end_ms`.

    `exchange` has ccxt's fetch_ohlcv and fetch_trades. `sleep` waits between retries; the exchange
    itself limits the rate of requests.
    """

    exchange: Any
    symbol: Symbol
    what: What
    folder: Path
    first_ms: int
    end_ms: int
    period: str = "1m"
    limit: int = 500
    sleep: Callable[[float], None] = time.sleep
    watch: Watch = field(default_factory=Watch)

    @property
    def _step(self) -> int:
        return parse_period(self.period) // MS if self.what == "ohlcv" else EMPTY_STEP_MS

    def run(self) -> Pages:
        """Fetch pages that are not on disk. Raises VenueUnavailable and VenueRateLimit when retries are exhausted (a
        later call continues), UnknownSymbol, VenueRejected, BadInput for invalid answers."""
        found = Pages()
        cursor, seen_ids = self._resume(found)
        timeout_s = getattr(self.exchange, "timeout", 0) / 1000
        most = f", {timeout_s:.0f} s at most for each" if timeout_s else ""
        self.watch.doing(f"asks {self.exchange.id} for pages{most}")
        while cursor < self.end_ms:
            if len(found.files) >= PAGES_MAX:
                raise BadInput(f"the range needs more than {PAGES_MAX:,} pages", location=str(self.folder))
            if self.watch.progress is not None:
                self.watch.progress(cursor - self.first_ms, self.end_ms - self.first_ms)
            answer = self._ask(cursor)
            found.requests += 1
            rows, following, seen_ids = self._new_rows(answer, cursor, seen_ids, found)
            self._store(found, rows, following, seen_ids)
            cursor = following
        return found

    def _new_rows(
        self, answer: list[Any], cursor: int, seen_ids: list[str], found: Pages
    ) -> tuple[list[Any], int, list[str]]:
        """Returns (rows of this page, start of the next, ids of rows already stored at that time)."""
        rows = sorted(answer, key=_place)
        if self.what == "ohlcv":
            # An unfinished candle does not count.
            until = self.end_ms - self._step
            by_time = {_time_of(row): row for row in rows if cursor <= _time_of(row) <= until}
            fresh = list(by_time.values())
            if fresh:
                return fresh, _time_of(fresh[-1]) + self._step, []
            # No trades, or none yet: skip as many periods as a page may hold.
            is_ahead = any(_time_of(row) > until for row in rows)
            following = self.end_ms if is_ahead else cursor + self._step * self.limit
            return [], min(following, self.end_ms), []
        seen = set(seen_ids)
        inside = [row for row in rows if cursor <= _time_of(row) < self.end_ms]
        fresh = [_trimmed(row) for row in inside if _id_of(row) not in seen]
        if fresh:
            last = _time_of(fresh[-1])
            at_last = [_id_of(row) for row in fresh if _time_of(row) == last]
            # Rows of the last time may be missing, so that time is requested again.
            return fresh, last, at_last + (seen_ids if last == cursor else [])
        if any(_time_of(row) >= self.end_ms for row in rows):
            return [], self.end_ms, []
        if answer and len(answer) >= self.limit:
            # A full page of rows that are already stored, and no way to request later ones: some venues count `since`
            # in seconds.
            found.notes.append(
                f"more than {self.limit} trades at {format_time(cursor * MS)}: "
                "those beyond a page, up to the next second, are missing"
            )
            return [], (cursor // 1000 + 1) * 1000, []
        if inside:
            return [], cursor + 1, []
        return [], min(cursor + EMPTY_STEP_MS, self.end_ms), []

    def _ask(self, since: int) -> list[Any]:
        """Request one page from the venue, with retries."""
        name = self.symbol.name
        if isinstance(self.exchange, VenueKlines):  # its client retries itself
            return self._checked(self.exchange.fetch_ohlcv(name, self.period, since, self.limit))
        import ccxt

        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                if self.what == "ohlcv":
                    answer = self.exchange.fetch_ohlcv(name, self.period, since, self.limit)
                else:
                    answer = self.exchange.fetch_trades(name, since, self.limit)
                return self._checked(answer)
            except ccxt.BadSymbol as error:
                raise UnknownSymbol(f"{self.exchange.id} has no {name}", location=_short(error)) from None
            except ccxt.NetworkError as error:  # includes some rate limits and timeouts
                limited = isinstance(error, (ccxt.RateLimitExceeded, ccxt.DDoSProtection))
                why = _short(error)
                if attempt == ATTEMPTS_MAX:
                    kind = VenueRateLimit if limited else VenueUnavailable
                    raise kind(
                        f"no page after {attempt} attempts: {why}",
                        location=self.exchange.id,
                        todo="run it again: the pages that came are kept",
                    ) from None
            except ccxt.NotSupported:
                raise NotAvailable(f"ccxt cannot ask {self.exchange.id} for {self.what}") from None
            except ccxt.BaseError as error:
                raise VenueRejected(_short(error), location=self.exchange.id) from None
            waited = min(BACKOFF_S * 2 ** (attempt - 1), BACKOFF_S_MAX)
            retry = f"again in {waited:.0f} s ({attempt + 1} of {ATTEMPTS_MAX})"
            self.watch.say(f"{self.exchange.id}: {why}; {retry}")
            self.sleep(waited)
        raise AssertionError("unreachable")

    def _checked(self, answer: Any) -> list[Any]:
        """Returns rows that have a time. Raises BadInput for an invalid answer."""
        if not isinstance(answer, list):
            raise BadInput("the exchange answered no list", location=self.exchange.id)
        for row in answer:
            try:
                is_time = isinstance(_time_of(row), int)
            except (TypeError, KeyError, IndexError):
                is_time = False
            if not is_time:
                raise BadInput(f"the exchange answered a row without a time: {row!r:.100}", location=self.exchange.id)
        return answer

    def _store(self, found: Pages, rows: list[Any], following: int, seen_ids: list[str]) -> None:
        """Store the page, then its line in `pages.jsonl`: in this order, each atomically. An empty page is a line
        without a file, which records where the next page begins.
        """
        line: dict[str, Any] = {"next": following, "rows": len(rows), "known": seen_ids}
        if rows:
            path = self.folder / f"{len(found.files) + 1:06d}.json"
            try:
                content = json.dumps(rows, separators=(",", ":"), allow_nan=False).encode()
            except ValueError:
                raise BadInput("answered a number that is not finite", location=self.exchange.id) from None
            write_durably(path, content)
            line |= {"file": path.name, "sha256": hashlib.sha256(content).hexdigest()}
            found.files.append(path)
            found.rows += len(rows)
        journal = self.folder / JOURNAL
        with journal.open("ab") as file:
            file.write(json.dumps(line).encode() + b"\n")
        journal.chmod(0o600)

    def _resume(self, found: Pages) -> tuple[int, list[str]]:
        """Returns the complete pages on disk; removes other files of the folder."""
        cursor, seen_ids = self.first_ms, list[str]()
        journal = self.folder / JOURNAL
        kept = b""
        if journal.is_file():
            for text in journal.read_bytes().splitlines(keepends=True):
                line = _whole_line(text, self.folder)
                if line is None:
                    break
                kept += text
                cursor, seen_ids = line["next"], line["known"]
                found.rows += line["rows"]
                if "file" in line:
                    found.files.append(self.folder / line["file"])
            write_durably(journal, kept)
        names = {path.name for path in found.files}
        for path in self.folder.glob("*.json"):
            if path.name not in names:
                path.unlink()
        found.resumed = len(found.files)
        return cursor, seen_ids


def _whole_line(text: bytes, folder: Path) -> dict[str, Any] | None:
    """Returns a line of `pages.jsonl` if its page is complete, else None."""
    try:
        line = json.loads(text)
        if not text.endswith(b"\n") or not isinstance(line["next"], int):
            return None
        if not isinstance(line["known"], list) or not isinstance(line["rows"], int):
            return None
        if "file" in line:
            name = line["file"]
            if "/" in name or not name.endswith(".json"):
                return None
            content = (folder / name).read_bytes()
            if hashlib.sha256(content).hexdigest() != line["sha256"]:
                return None
    except (ValueError, KeyError, TypeError, OSError):
        return None
    return dict(line)


def _time_of(row: Any) -> int:
    found: int = row["timestamp"] if isinstance(row, dict) else row[0]
    return found


def _place(row: Any) -> tuple[int, int]:
    """Returns the key that sorts trades of one time by their numbers, if they have any: ccxt itself puts 10 before
    9."""
    number = str(row.get("id") or "") if isinstance(row, dict) else ""
    return _time_of(row), int(number) if number.isdecimal() and len(number) < 20 else 0


def _id_of(row: dict[str, Any]) -> str:
    """Returns what identifies a trade: its id, else all its fields."""
    if row.get("id"):
        return str(row["id"])
    return json.dumps([row.get(key) for key in TRADE_KEYS])


def _trimmed(row: dict[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in TRADE_KEYS if key in row}


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


__all__ = ["JOURNAL", "PageFetcher", "Pages", "What", "make_exchange"]
