"""Read Arrow files (Feather) as rows of text, record batch by record batch.

Needs the extra `research`. A batch is checked before it is decompressed: its buffers state their decompressed size, so
a small file cannot fill memory.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from onetape.data.frame import ROWS_A_CHUNK, PolarsRows
from onetape.data.size_limits import Limits
from onetape.data.source import OnRead, Source
from onetape.model.errors import BadInput, NotAvailable

MAGIC: Final = b"ARROW1"
OLD_MAGIC: Final = b"FEA1"
BATCH_BYTES_MAX: Final = 512 << 20
_NO_TIME: Final = -(2**63)
_BEGIN: Final = 8  # bytes of the padded magic


class ArrowSource:
    """An Arrow file's columns as comma-separated values; times and floats are written as those of data frames."""

    def __init__(self, source: Source) -> None:
        if not source.is_file_of(MAGIC):
            raise BadInput(
                "Feather inside an archive is not read",
                location=source.name,
                todo="unpack it first: Feather is compressed by itself",
            )
        self.path: Path = source.path
        self.stem = source.stem
        self.name = source.name
        self._limits: Limits = source.limits

    def chunks(self, on_read: OnRead | None = None) -> Iterator[bytes]:
        """Yields lines, the header first."""
        header = True
        for batch, size in self.batches():
            rows = rows_of_batch(batch, self.name)
            for first in range(0, rows.count, ROWS_A_CHUNK):
                yield rows.text(first, ROWS_A_CHUNK, header=header)
                header = False
            if on_read is not None:
                on_read(size)

    def columns(self) -> dict[str, str]:
        """Returns column types by name: `time` with a zone, `number`, or `other`."""
        pa = _pyarrow()
        for batch, _ in self.batches():
            return {
                field.name: "time"
                if pa.types.is_timestamp(field.type) and field.type.tz is not None
                else "number"
                if pa.types.is_float64(field.type)
                else "other"
                for field in batch.schema
            }
        raise BadInput("the file has no rows", location=self.name)

    def head(self, size: int = 1 << 16) -> bytes:
        """Returns the first rows; of an empty file only the header."""
        for batch, _ in self.batches():
            return rows_of_batch(batch, self.name).text(0, 100, header=True)[:size]
        raise BadInput("the file has no rows", location=self.name)

    def batches(self) -> Iterator[tuple[Any, int]]:
        """Yields (record batch, number of its bytes in the file)."""
        pa = _pyarrow()
        expanded = compressed = 0
        try:
            with pa.memory_map(str(self.path)) as file:
                whole = file.read_buffer()
                schema = pa.ipc.open_file(whole).schema
                if len(set(schema.names)) < len(schema.names):
                    raise ValueError("a column is there twice")
                for begin, size in _blocks(memoryview(whole)):
                    message = pa.ipc.read_message(whole.slice(begin, size))
                    if message.type != "record batch":
                        raise ValueError(f"a {message.type} where a record batch was promised")
                    grown = expanded_bytes(memoryview(message.metadata), memoryview(message.body))
                    expanded += grown
                    compressed += size
                    self._limits.check(expanded=expanded, compressed=compressed, location=self.name)
                    if grown > BATCH_BYTES_MAX:
                        raise BadInput(
                            f"a batch expands to {grown:,} bytes, more than {BATCH_BYTES_MAX:,}",
                            location=self.name,
                            todo="write it in smaller batches",
                        )
                    batch = pa.ipc.read_record_batch(message, schema)
                    batch.validate(full=True)
                    yield batch, size
        except (pa.ArrowException, OSError, ValueError, struct.error, EOFError) as error:
            shown = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
            raise BadInput(f"the Arrow file is damaged: {shown}", location=self.name) from None


def _blocks(whole: memoryview) -> Iterator[tuple[int, int]]:
    """Returns (begin, bytes) of each record batch from the footer (Arrow's File.fbs). Raises ValueError or
    struct.error for an invalid footer, or for dictionary batches.
    """
    (length,) = struct.unpack_from("<i", whole, len(whole) - len(MAGIC) - 4)
    begin = len(whole) - len(MAGIC) - 4 - length
    if length <= 0 or begin < _BEGIN:
        raise ValueError("a footer that does not fit")
    footer = whole[begin : begin + length]
    table = _table(footer, 0)
    dictionaries = _field(footer, table, 2)
    if dictionaries is not None and _u32(footer, dictionaries + _u32(footer, dictionaries)):
        raise ValueError("columns of categories are not read: write them as text")
    batches = _field(footer, table, 3)
    if batches is None:
        return
    vector = batches + _u32(footer, batches)
    for index in range(_u32(footer, vector)):
        offset, metadata, body = struct.unpack_from("<qi4xq", footer, vector + 4 + 24 * index)
        size = metadata + body
        if offset < _BEGIN or metadata < 0 or body < 0 or offset + size > len(whole):
            raise ValueError("a batch lies outside the file")
        yield offset, size


class ArrowCells:
    """Columns of an Arrow file as packed cells: a time in ns first, then the numbers."""

    def __init__(self, source: ArrowSource, time: str, numbers: Sequence[str]) -> None:
        self._source = source
        self._time = time
        self._numbers = numbers
        self.name = source.name
        self.stem = source.stem

    def chunks(self, on_read: OnRead | None = None) -> Iterator[bytes]:
        """Yields rows of 8 bytes a cell."""
        for batch, size in self._source.batches():
            for first in range(0, batch.num_rows, ROWS_A_CHUNK):
                try:
                    cells = self._cells(batch.slice(first, ROWS_A_CHUNK))
                except (ValueError, OverflowError) as error:
                    shown = str(error).splitlines()[0][:120]
                    raise BadInput(f"a time is out of range: {shown}", location=self.name) from None
                yield cells
            if on_read is not None:
                on_read(size)

    def head(self, size: int = 1 << 16) -> bytes:
        """Returns the first rows."""
        return next(iter(self.chunks()), b"")[:size]

    def _cells(self, batch: Any) -> bytes:
        pa = _pyarrow()
        names = [self._time, *self._numbers]
        types = [("t", "<i8"), *((f"n{i}", "<f8") for i in range(len(self._numbers)))]
        rows = np.empty(batch.num_rows, dtype=types)
        for (cell, _), name in zip(types, names, strict=True):
            column = batch.column(name)
            if cell == "t":
                # A missing time is the smallest int64, as in numpy.
                column = column.cast(pa.timestamp("ns", column.type.tz)).cast(pa.int64())
                column = column.fill_null(_NO_TIME)
            rows[cell] = column.to_numpy(zero_copy_only=False)
        return rows.tobytes()


def expanded_bytes(metadata: memoryview, body: memoryview) -> int:
    """Returns the decompressed size of a record batch's buffers in bytes: each compressed buffer begins with it.

    Reads the message's flatbuffer (Arrow's Message.fbs: Message.header is a RecordBatch with length, nodes, buffers and
    compression). Raises ValueError or struct.error for an invalid one.
    """
    message = _table(metadata, 0)
    header = _field(metadata, message, 2)
    if header is None:
        raise ValueError("a message without a header")
    batch = header + _u32(metadata, header)
    buffers = _field(metadata, batch, 2)
    if buffers is None:
        return 0
    is_compressed = _field(metadata, batch, 3) is not None
    vector = buffers + _u32(metadata, buffers)
    count = _u32(metadata, vector)
    if count > 1 << 16:
        raise ValueError("more buffers than columns have")
    total = 0
    for index in range(count):
        offset, length = struct.unpack_from("<qq", metadata, vector + 4 + 16 * index)
        if offset < 0 or length < 0 or offset + length > len(body):
            raise ValueError("a buffer lies outside its message")
        if is_compressed and length >= 8:
            (size,) = struct.unpack_from("<q", body, offset)
            if size < -1:
                raise ValueError("a buffer of negative size")
            total += length if size == -1 else size
        else:
            total += length
    return total


def rows_of_batch(batch: Any, name: str) -> PolarsRows:
    """Returns a record batch as rows of text. Raises BadInput for columns without a text form, NotAvailable without
    polars."""
    try:
        import polars as pl
    except ImportError:
        raise _missing() from None
    try:
        return PolarsRows(pl.from_arrow(batch))
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise BadInput(f"the file has columns that are not read: {error}", location=name) from None


def _pyarrow() -> Any:
    try:
        import pyarrow as pa  # type: ignore[import-untyped]
        import pyarrow.ipc  # type: ignore[import-untyped]
    except ImportError:
        raise _missing() from None
    return pa


def _missing() -> NotAvailable:
    return NotAvailable(
        "reading Feather needs pyarrow and polars", todo="install the extra: pip install 'onetape[research]'"
    )


def _u32(data: memoryview, at: int) -> int:
    (value,) = struct.unpack_from("<I", data, at)
    return int(value)


def _table(data: memoryview, at: int) -> int:
    return at + _u32(data, at)


def _field(data: memoryview, table: int, index: int) -> int | None:
    """Returns the byte position of a field in a flatbuffer's table; None if it is absent."""
    (back,) = struct.unpack_from("<i", data, table)
    vtable = table - back
    if vtable < 0:
        raise ValueError("a table without its description")
    (size,) = struct.unpack_from("<H", data, vtable)
    place = 4 + 2 * index
    if place + 2 > size:
        return None
    (offset,) = struct.unpack_from("<H", data, vtable + place)
    return table + offset if offset else None
