"""Shared by the tests of importing: real captures, tapes read back, tapes made of lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from onetape.data.importing import ImportResult, import_files
from onetape.tape.journal import JournalReader, Record
from onetape.tape.verify import verify

SYMBOL = "binance:BTC/USDT:USDT"


class Tape:
    """A tape in memory: records by type, decimals by the instrument."""

    def __init__(self, path: Path) -> None:
        with JournalReader(path) as reader:
            self.records: list[Record] = list(reader)
            self.instruments = reader.instruments
        self.instrument = next(iter(self.instruments.values()))

    def of(self, *types: str) -> list[Record]:
        return [record for record in self.records if record.type in types]

    def price(self, units: int) -> Decimal:
        return Decimal(units).scaleb(-self.instrument["price_decimals"])

    def size(self, units: int) -> Decimal:
        return Decimal(units).scaleb(-self.instrument["size_decimals"])


class NaiveBook:
    """The plainest replay of book frames that keeps to their flags."""

    def __init__(self) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.synced = False

    def apply(self, record: Record) -> None:
        snapshot, unsynced, gap = (record.flags & flag for flag in (1, 2, 4))
        if gap:
            self.synced = False
        if unsynced:
            return
        if snapshot:
            self.bids, self.asks, self.synced = {}, {}, True
        assert self.synced
        for side, levels in ((self.bids, "bids"), (self.asks, "asks")):
            for price, size in record.data[levels]:
                if size:
                    side[price] = size
                else:
                    side.pop(price, None)


@pytest.fixture(scope="session")
def read_tape() -> Callable[[Path], Tape]:
    return Tape


@pytest.fixture(scope="session")
def new_book() -> Callable[[], NaiveBook]:
    return NaiveBook


@pytest.fixture
def read(read_tape: Callable[[Path], Tape]) -> Callable[[Path], Tape]:
    return read_tape


@pytest.fixture
def naive_book(new_book: Callable[[], NaiveBook]) -> Callable[[], NaiveBook]:
    return new_book


@pytest.fixture
def import_text(tmp_path: Path) -> Callable[..., ImportResult]:
    """Text as a file, imported; a second call replaces the tape."""

    def run(text: str | bytes, *, kind: str = "csv", symbol: str = "x:A/USD", **options: Any) -> ImportResult:
        source = tmp_path / f"source.{kind}"
        source.write_bytes(text.encode() if isinstance(text, str) else text)
        return import_files(kind, [source], symbol=symbol, out=tmp_path / "tape", force=True, **options)

    return run


@pytest.fixture
def rejects(tmp_path: Path) -> Callable[[], list[dict[str, Any]]]:
    """What the last import_text listed."""

    def found() -> list[dict[str, Any]]:
        path = tmp_path / "tape" / "rejects.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]

    return found


@pytest.fixture
def load(tmp_path: Path, read: Any) -> Callable[..., Any]:
    """Import files given as {name: content}; (result, tape read back)."""

    def run(kind: str, files: dict[str, str | bytes], symbol: str = SYMBOL, **options: Any) -> Any:
        paths = []
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            paths.append(path)
        out = tmp_path / "tape"
        result = import_files(kind, paths, symbol=symbol, out=out, force=True, **options)
        assert verify(out).ok
        return result, read(out)

    return run
