"""Write tables to disk: csv and jsonl by the standard library, parquet if pyarrow is installed."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, Final, Protocol

from onetape.data.table_row import Column, Units, decimal_text
from onetape.model.errors import NotAvailable
from onetape.model.shown import sheet_text

ROW_GROUP_ROWS: Final = 1 << 16
LEVELS_A_GROUP: Final = 1 << 19
DECIMAL_DIGITS: Final = 38


class TableWriter(Protocol):
    """Writes rows of a RowMaker."""

    count: int

    def add(self, row: list[Any]) -> None: ...

    def close(self) -> None: ...


def open_writer(form: str, path: Path, columns: list[Column]) -> TableWriter:
    """Returns a writer of that form. Raises NotAvailable if a library is missing."""
    if form == "parquet":
        return ParquetWriter(path, columns)
    return CsvWriter(path, columns) if form == "csv" else JsonLinesWriter(path, columns)


class CsvWriter:
    """Writes a CSV file: decimals as text, levels as JSON in one cell."""

    def __init__(self, path: Path, columns: list[Column]) -> None:
        self.count = 0
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(column.name for column in columns)
        self._plan = [(place, c.form) for place, c in enumerate(columns) if c.form in _MADE]
        self._texts = [place for place, c in enumerate(columns) if c.form == "text"]

    def add(self, row: list[Any]) -> None:
        for place, form in self._plan:
            value = row[place]
            row[place] = decimal_text(value) if form == "decimal" else json.dumps(_levels_text(value))
        for place in self._texts:
            row[place] = sheet_text(str(row[place]))
        self._writer.writerow(row)
        self.count += 1

    def close(self) -> None:
        self._file.close()


class JsonLinesWriter:
    """Writes one JSON object per line; decimals as text, levels as lists of [price, size]."""

    def __init__(self, path: Path, columns: list[Column]) -> None:
        self.count = 0
        self._file = path.open("w", encoding="utf-8")
        self._names = [column.name for column in columns]
        self._plan = [(place, c.form) for place, c in enumerate(columns) if c.form in _MADE]

    def add(self, row: list[Any]) -> None:
        for place, form in self._plan:
            value = row[place]
            row[place] = decimal_text(value) if form == "decimal" else _levels_text(value)
        json.dump(dict(zip(self._names, row, strict=True)), self._file, separators=(",", ":"))
        self._file.write("\n")
        self.count += 1

    def close(self) -> None:
        self._file.close()


class ParquetWriter:
    """Writes a Parquet file, decimals as decimal128(38, 18): one scale for all instruments of a tape, which holds every
    int64 with up to 18 decimals exactly."""

    SCALE: Final = 18

    def __init__(self, path: Path, columns: list[Column]) -> None:
        try:
            import pyarrow as pa  # type: ignore[import-untyped]
            import pyarrow.parquet as pq  # type: ignore[import-untyped]
        except ImportError:
            raise NotAvailable("parquet needs pyarrow", todo='pip install "onetape[research]"') from None
        self.count = 0
        self._pa = pa
        self._columns = columns
        decimal = pa.decimal128(DECIMAL_DIGITS, self.SCALE)
        level = pa.struct([("price", decimal), ("size", decimal)])
        forms = {"integer": pa.int64(), "text": pa.string(), "decimal": decimal, "levels": pa.list_(level)}
        self._schema = pa.schema([(c.name, pa.uint64() if _is_id(c.name) else forms[c.form]) for c in columns])
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[list[Any]] = []
        self._levels = 0

    def add(self, row: list[Any]) -> None:
        self._rows.append(row)
        self.count += 1
        for value in row:
            if isinstance(value, list):
                self._levels += len(value)
        if len(self._rows) >= ROW_GROUP_ROWS or self._levels >= LEVELS_A_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if not self._rows:
            return
        arrays = []
        for column, kind, values in zip(self._columns, self._schema.types, zip(*self._rows, strict=True), strict=True):
            if column.form == "decimal":
                arrays.append(self._decimals(values))
            elif column.form == "levels":
                arrays.append(self._level_lists(values))
            else:
                arrays.append(self._pa.array(values, kind))
        self._writer.write_table(self._pa.Table.from_arrays(arrays, schema=self._schema))
        self._rows = []
        self._levels = 0

    def _decimals(self, values: Any) -> Any:
        """Returns a decimal128 column from units, without making a Python Decimal of each value."""
        pa = self._pa
        scale = self.SCALE
        raw = b"".join(
            (units * 10 ** (scale - decimals)).to_bytes(16, "little", signed=True)
            if decimals <= scale
            else _narrowed(units, decimals, scale).to_bytes(16, "little", signed=True)
            for units, decimals in values
        )
        kind = pa.decimal128(DECIMAL_DIGITS, scale)
        return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(raw)])

    def _level_lists(self, values: Any) -> Any:
        pa = self._pa
        offsets = [0]
        flat: list[tuple[Units, Units]] = []
        for levels in values:
            flat.extend(levels)
            offsets.append(len(flat))
        prices = self._decimals([price for price, _ in flat])
        sizes = self._decimals([size for _, size in flat])
        structs = pa.StructArray.from_arrays([prices, sizes], names=["price", "size"])
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs)


_MADE: Final = {"decimal", "levels"}


def _is_id(name: str) -> bool:
    return name.endswith("_id") or name in {"order_id", "venue_id", "trade_id"}


def _levels_text(levels: list[tuple[Units, Units]]) -> list[list[str]]:
    return [[decimal_text(price), decimal_text(size)] for price, size in levels]


def _narrowed(units: int, decimals: int, scale: int) -> int:
    """Returns a turnover of more than 18 decimals, cut to the column's scale."""
    power: int = 10 ** (decimals - scale)
    return units // power
