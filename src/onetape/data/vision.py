"""Find and fetch the files of a range in Binance's public archive of history.

Layout: `data/<market>/<monthly|daily>/<type>/<RAW>/[<period>/]<RAW>-<type or period>-<date>.zip`, each with a
`.CHECKSUM` beside it. A month's file is published some days after the month, a day's file on the day after. Source:
github.com/binance/binance-public-data, README, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

from onetape.data.download import Client, Fetched, NotThereError
from onetape.model import catalogue
from onetape.model.enums import Kind
from onetape.model.errors import BadInput, UsageError
from onetape.model.symbol import Symbol, parse_symbol

BASE_URL: Final = "https://data.binance.vision"
_ALL: Final = (Kind.SPOT, Kind.LINEAR, Kind.INVERSE)
_FUTURES: Final = (Kind.LINEAR, Kind.INVERSE)
_FOLDERS: Final = {Kind.SPOT: "spot", Kind.LINEAR: "futures/um", Kind.INVERSE: "futures/cm"}
PERIODS: Final = (*("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h"), *("1d", "3d", "1w"))
DAYS_MAX: Final = 366 * 20


@dataclass(frozen=True, slots=True)
class Dataset:
    """One type of file: its markets, whether it has periods, and whether it is published by months and by days."""

    name: str
    markets: tuple[Kind, ...]
    has_period: bool = False
    monthly: bool = True
    daily: bool = True


DATASETS: Final = {
    dataset.name: dataset
    for dataset in (
        Dataset("klines", _ALL, has_period=True),
        Dataset("aggTrades", _ALL),
        Dataset("trades", _ALL),
        Dataset("bookTicker", _FUTURES),
        Dataset("fundingRate", _FUTURES, daily=False),
        Dataset("markPriceKlines", _FUTURES, has_period=True),
        Dataset("indexPriceKlines", _FUTURES, has_period=True),
        Dataset("premiumIndexKlines", _FUTURES, has_period=True),
        Dataset("bookDepth", _FUTURES, monthly=False),
        Dataset("metrics", _FUTURES, monthly=False),
    )
}


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the plan. days: the daily files that replace a monthly file that is not published."""

    path: str  # path below the base address
    days: tuple[Part, ...] = ()

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(slots=True)
class Downloaded:
    """The fetched files, in order of time, and the names of files that are not published."""

    files: list[Path] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    cached: int = 0
    resumed: int = 0
    bytes: int = 0

    def add(self, found: Fetched) -> None:
        self.files.append(found.path)
        self.bytes += found.bytes
        self.cached += found.how == "cached"
        self.resumed += found.how == "resumed"


def raw_name(symbol: Symbol) -> str:
    """Returns the venue's name of a symbol: that in the catalogue, else by the venue's naming rule. Raises UsageError
    for a symbol of another venue."""
    if symbol.venue != "binance" or not symbol.is_unified:
        raise UsageError(
            f"{symbol.text} does not trade at binance",
            location="--symbol",
            todo="give a symbol such as binance:BTC/USDT:USDT",
        )
    listed = catalogue.find(symbol.text)
    if listed is not None and listed.raw_symbol:
        return listed.raw_symbol
    joined = symbol.base + symbol.quote
    if not joined.isalnum():
        raise UsageError(f"binance has no name for {symbol.text}", location="--symbol")
    tail = symbol.name.rpartition("-")[2] if symbol.expiry is not None else ""
    if tail:
        return f"{joined}_{tail}"
    return joined + ("_PERP" if symbol.kind is Kind.INVERSE else "")


def plan(symbol: Symbol, dataset: Dataset, period: str, first: date, end: date) -> list[Part]:
    """Returns the files from `first` to before `end`: one file per whole month, the rest by days. Of a type that is
    published only by months, all months that overlap the range.
    """
    stem = f"data/{_FOLDERS[symbol.kind]}"
    raw = raw_name(symbol)
    folder = f"{dataset.name}/{raw}/{period}/" if period else f"{dataset.name}/{raw}/"
    label = period or dataset.name

    def month(day: date, days: tuple[Part, ...]) -> Part:
        return Part(f"{stem}/monthly/{folder}{raw}-{label}-{day:%Y-%m}.zip", days)

    parts: list[Part] = []
    for begin, until, is_whole in _months(first, end):
        days: tuple[Part, ...] = ()
        if dataset.daily:
            days = tuple(
                Part(f"{stem}/daily/{folder}{raw}-{label}-{begin + timedelta(days=n):%Y-%m-%d}.zip")
                for n in range((until - begin).days)
            )
        if dataset.monthly and (is_whole or not dataset.daily):
            parts.append(month(begin, days))
        else:
            parts += days
    return parts


def _months(first: date, end: date) -> Iterator[tuple[date, date, bool]]:
    """Yields (first day, day after the last, whether it is a whole month) for each month that overlaps the range."""
    at = first
    while at < end:
        begin = at.replace(day=1)
        following = (begin + timedelta(days=32)).replace(day=1)
        until = min(following, end)
        yield at, until, at == begin and until == following
        at = until


def check_request(symbol: str, type_: str, period: str | None) -> tuple[Symbol, Dataset, str]:
    """Returns the parts of a request. Raises UsageError naming the wrong part."""
    try:
        parsed = parse_symbol(symbol)
    except BadInput as error:
        raise UsageError(error.what, location="--symbol", todo=error.todo) from None
    raw_name(parsed)
    dataset = DATASETS.get(type_)
    if dataset is None:
        raise UsageError(f"no type is called {type_!r}", location="--type", todo=f"one of {', '.join(DATASETS)}")
    if parsed.kind not in dataset.markets:
        raise UsageError(f"{type_} is published for futures alone", location="--type")
    if dataset.has_period:
        period = period or "1m"
        if period not in PERIODS:
            raise UsageError(
                f"not a period of the archive: {period!r}", location="--period", todo=f"one of {', '.join(PERIODS)}"
            )
    elif period:
        raise UsageError(f"{type_} has no period", location="--period", todo="leave it out")
    return parsed, dataset, period or ""


def download(client: Client, parts: list[Part], folder: Path, *, base_url: str = BASE_URL) -> Downloaded:
    """Fetch the files of a plan into `folder`, with the server's layout. A month that is not published is replaced by
    its days. Raises the errors of Client.checked_file, BadInput if the archive has no file of the range."""
    found = Downloaded()
    for number, part in enumerate(parts, 1):
        client.place = f"{number} of {len(parts)}, "
        _take(client, part, folder, base_url, found)
    if not found.files:
        first = parts[0].path if parts else "an empty range"
        raise BadInput(
            "the archive has no file of this range",
            location=f"{base_url}/{first}",
            todo="check the symbol, the type and the dates",
        )
    return found


def _take(client: Client, part: Part, folder: Path, base_url: str, found: Downloaded) -> None:
    try:
        found.add(client.checked_file(f"{base_url}/{quote(part.path)}", folder / part.path))
    except NotThereError:
        if not part.days:
            found.missing.append(part.name)
        for day in part.days:
            _take(client, day, folder, base_url, found)


__all__ = [
    "BASE_URL",
    "DATASETS",
    "DAYS_MAX",
    "PERIODS",
    "Dataset",
    "Downloaded",
    "Part",
    "check_request",
    "download",
    "plan",
    "raw_name",
]
