"""Check the market data on a tape: `onetape journal verify --market`.

A pass over the tape for each type of event, in pieces, so that memory does not grow with the tape;
then one replay of its books.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from onetape import _core
from onetape.data.quality.conflation import conflation_of
from onetape.data.quality.measures import Rules
from onetape.data.quality.replay import replay
from onetape.data.quality.series import SERIES, Books, Quotes, Series, Steps
from onetape.tape.journal import JournalReader

# Small enough for the CPU cache, because each check passes over the same rows.
_ROWS: Final = 1 << 14
# Fields of examples that are in units of the tape.
PRICES: Final = frozenset(
    ("price", "around", "bid", "ask", "book_bid", "book_ask", "mark", "open", "high", "low", "close")
)
SIZES: Final = frozenset(("size", "volume", "bid_size", "ask_size", "book_bid_size", "book_ask_size"))
Progress = Callable[[float, float | None], None]


@dataclass(slots=True)
class MarketReport:
    """Findings by symbol and type. changes: instruments that changed within the tape."""

    by_symbol: dict[str, dict[str, dict[str, Any]]]
    changes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def findings(self) -> int:
        """Total number of findings."""
        found = sum(kind["findings"] for types in self.by_symbol.values() for kind in types.values())
        return int(found)

    def as_json(self) -> dict[str, Any]:
        """Returns {symbol: {type: {...}}}; an instrument's changes are beside its types."""
        shown: dict[str, Any] = {symbol: dict(types) for symbol, types in self.by_symbol.items()}
        for symbol, changes in self.changes.items():
            shown.setdefault(symbol, {})["instrument"] = {"count": len(changes), "findings": 0, "changes": changes}
        return shown


class _Instruments:
    """Maps a stream to its instrument, which may change from a frame on."""

    def __init__(self, path: Path) -> None:
        self.versions: dict[int, list[tuple[int, int, dict[str, Any]]]] = {}
        with JournalReader(path) as reader:
            for stream, data in reader.instruments.items():
                self.versions[stream] = [(0, 0, data)]
            for frame in reader.frames(["instrument"]):
                data = reader.schemas.of(frame.type).decode(frame.payload)
                dated = self.versions.setdefault(frame.stream, [])
                if not dated:
                    dated.append((0, frame.time, data))
                elif dated[-1][2] != data:
                    dated.append((frame.sequence, frame.time, data))

    def symbol(self, stream: int) -> str:
        dated = self.versions.get(stream)
        return str(dated[-1][2].get("symbol")) if dated else f"stream {stream}"

    def latest(self, stream: int) -> dict[str, Any]:
        dated = self.versions.get(stream)
        return dated[-1][2] if dated else {}

    def changes(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for stream, dated in self.versions.items():
            for (_, _, old), (sequence, time, new) in pairwise(dated):
                fields = {name: [old.get(name), value] for name, value in new.items() if old.get(name) != value}
                change = {"sequence": sequence, "ts": time, "fields": fields}
                found.setdefault(self.symbol(stream), []).append(change)
        return found

    def pieces(self, stream: int, rows: NDArray[np.void]) -> Iterator[tuple[NDArray[np.void], dict[str, Any]]]:
        """Yields the rows of a stream, cut where its instrument changed."""
        dated = self.versions.get(stream) or [(0, 0, {})]
        if len(dated) == 1:
            yield rows, dated[0][2]
            return
        cuts = np.searchsorted(rows["sequence"], [sequence for sequence, _, _ in dated[1:]])
        for begin, end, (_, _, data) in zip([0, *cuts], [*cuts, len(rows)], dated, strict=True):
            if end > begin:
                yield rows[begin:end], data


def verify_market(
    path: str | os.PathLike[str], *, rules: Rules | None = None, progress: Progress | None = None
) -> MarketReport:
    """Check the market on a tape whose bytes are valid. Raises the errors of JournalReader."""
    path = Path(path)
    rules = rules or Rules()
    instruments = _Instruments(path)
    found: dict[tuple[int, str], Series] = {}
    numbered: set[int] = set()
    there = _types(path)
    for done, (name, kind) in enumerate(SERIES.items()):
        if progress is not None:
            progress(done, len(SERIES) + 1)
        if name not in there:
            continue
        with JournalReader(path) as reader:
            for chunk in reader.chunks(name, rows_max=_ROWS):
                for stream, rows in _by_stream(chunk):
                    for piece, data in instruments.pieces(stream, rows):
                        series = found.get((stream, name))
                        if series is None:
                            series = found[stream, name] = kind(rules, _steps(data))
                        series.steps = _steps(data)
                        series.add(piece)
                    if name == "quote" and bool(rows["update_id"].any()):
                        numbered.add(stream)
    _replay(path, found, numbered)
    conflated = conflation_of(path) if {"book", "trade"} <= there else {}
    by_symbol: dict[str, dict[str, dict[str, Any]]] = {}
    streams: dict[str, int] = {}
    for stream, name in sorted(found, key=lambda key: (key[0], list(SERIES).index(key[1]))):
        series = found[stream, name]
        series.end()
        symbol = instruments.symbol(stream)
        if streams.setdefault(symbol, stream) != stream:
            symbol = f"{symbol}#{stream}"
        result = series.result()
        data = instruments.latest(stream)
        for examples in result["examples"].values():
            for example in examples:
                _as_decimals(example, data)
        if name == "book" and stream in conflated:
            result["conflation"] = conflated[stream].as_json()
        by_symbol.setdefault(symbol, {})[name] = result
    return MarketReport(by_symbol, instruments.changes())


def _as_decimals(example: dict[str, Any], instrument: dict[str, Any]) -> None:
    """Convert prices and sizes of an example to decimals, in place."""
    for name in example.keys() & (PRICES | SIZES):
        decimals = instrument.get("price_decimals" if name in PRICES else "size_decimals")
        if isinstance(decimals, int):
            example[name] = format(Decimal(example[name]).scaleb(-decimals), "f")


def _types(path: Path) -> set[str]:
    """Returns the types with frames and a layout to read them."""
    with JournalReader(path) as reader:
        schemas = reader.schemas
        counts, *_ = _core.inventory(reader.core)
        there = {kind for types in counts.values() for kind in types}
        return {schema.name for schema in schemas.by_id.values() if schema.fixed} & {
            schemas.of(kind).name for kind in there
        }


def _replay(path: Path, found: dict[tuple[int, str], Series], numbered: set[int]) -> None:
    books = {s: series for (s, _), series in found.items() if isinstance(series, Books)}
    quotes = {
        s: series for (s, _), series in found.items() if isinstance(series, Quotes) and s in numbered and s in books
    }
    if books:
        with JournalReader(path) as reader:
            replay(reader, books, quotes)


def _by_stream(chunk: NDArray[np.void]) -> Iterator[tuple[int, NDArray[np.void]]]:
    streams = chunk["stream"]
    if (streams == streams[0]).all():
        yield int(streams[0]), chunk
        return
    order = np.argsort(streams, kind="stable")
    ordered = streams[order]
    edges = np.flatnonzero(np.diff(ordered)) + 1
    for begin, end in zip([0, *edges], [*edges, len(order)], strict=True):
        yield int(ordered[begin]), chunk[order[begin:end]]


def _steps(data: dict[str, Any]) -> Steps:
    return Steps(
        _units(data.get("tick"), data.get("price_decimals")),
        _units(data.get("lot"), data.get("size_decimals")),
        int(data.get("funding_interval") or 0),
    )


def _units(step: object, decimals: object) -> int:
    """Returns a step in units of the tape, 0 if it is unknown or no whole number of units."""
    if not isinstance(step, str) or not isinstance(decimals, int):
        return 0
    try:
        units = Decimal(step).scaleb(decimals)
        return int(units) if units == int(units) else 0
    except (ArithmeticError, ValueError):  # a tape made by others
        return 0


__all__ = ["MarketReport", "Rules", "verify_market"]
