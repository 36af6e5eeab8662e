"""`hftbacktest`: its event arrays, .npz with the array `data`, or .npy, of its versions 2.x.

The layout by its py-hftbacktest types and rust types.rs, read 2026-11: rows of 64 bytes (ev,
exch_ts, local_ts, px, qty, order_id, ival, fval). Rows with the local flag, in their order, are
what was received, at local_ts; the core reads them (core/text/hft_rows.hpp). The archive is read as
any other zip, chunk by chunk within the limits; nothing in it is ever unpickled.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from onetape.data.layout import Layout, Planned, TableOptions, TableSource
from onetape.data.source import OnRead
from onetape.model.errors import BadInput

MAGIC: Final = b"\x93NUMPY"
HEADER_BYTES_MAX: Final = 10_000
ARRAY: Final = "data.npy"
ROW: Final = np.dtype(
    [
        ("ev", "<u8"),
        ("exch_ts", "<i8"),
        ("local_ts", "<i8"),
        ("px", "<f8"),
        ("qty", "<f8"),
        ("order_id", "<u8"),
        ("ival", "<i8"),
        ("fval", "<f8"),
    ]
)


class EventRows:
    """The rows behind the header of a .npy stream."""

    def __init__(self, source: TableSource) -> None:
        self._source = source
        self.name = source.name
        self._begin, self._rows = _header(source)

    def chunks(self, on_read: OnRead | None = None) -> Iterator[bytes]:
        """Raises BadInput where the stream has fewer rows than its header says, or more bytes."""
        left = self._rows * ROW.itemsize
        skip = self._begin
        for chunk in self._source.chunks(on_read):
            if skip:
                skipped = min(skip, len(chunk))
                skip -= skipped
                chunk = chunk[skipped:]
            if len(chunk) > left:
                raise BadInput(f"goes on behind its {self._rows:,} rows", where=self.name)
            left -= len(chunk)
            if chunk:
                yield chunk
        if left:
            missing = -(-left // ROW.itemsize)
            raise BadInput(
                f"ends in the middle: {missing:,} of {self._rows:,} rows are missing",
                where=self.name,
                todo="make or fetch it again",
            )

    def head(self, size: int = 1 << 16) -> bytes:
        """The first rows."""
        return self._source.head(self._begin + size)[self._begin :]


def plan(source: TableSource, options: TableOptions) -> Planned:
    """Raises BadInput for arrays that are not of events."""
    member = str(getattr(source, "member", ""))
    if member and member != ARRAY:
        return Planned(source, None, f"array {member.removesuffix('.npy')[:40]}")
    return Planned(EventRows(source), Layout("book_changes", form="hft"))


def is_events(source: TableSource) -> bool:
    """Whether it is an array of events."""
    try:
        _header(source)
    except BadInput:
        return False
    return True


def _header(source: TableSource) -> tuple[int, int]:
    """(bytes before the rows, rows). Raises BadInput for any other array."""
    head = source.head(HEADER_BYTES_MAX + 20)
    if not head.startswith(MAGIC):
        raise BadInput(
            "is no array of numpy", where=source.name, todo="give the .npz or .npy of hftbacktest"
        )
    file = io.BytesIO(head)
    try:
        version = np.lib.format.read_magic(file)
        reader: Any = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = reader(file, max_header_size=HEADER_BYTES_MAX)
    except (ValueError, KeyError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        shown = str(error).splitlines()[0][:80] if str(error) else type(error).__name__
        raise BadInput(f"the array's header is damaged: {shown}", where=source.name) from None
    if len(shape) == 2 and dtype == np.float64:
        raise BadInput(
            "is of hftbacktest 1.x: a plain table of floats",
            where=source.name,
            todo="convert it with hftbacktest 2.x first",
        )
    if len(shape) != 1 or not _same_rows(dtype):
        raise BadInput(
            f"is no array of events: {len(shape)} dimensions of {str(dtype)[:120]}",
            where=source.name,
            todo=f"rows are {', '.join(ROW.names or ())}, 64 bytes",
        )
    if shape[0] <= 0:
        raise BadInput("has no rows", where=source.name)
    return file.tell(), int(shape[0])


def _same_rows(dtype: Any) -> bool:
    """The same fields at the same places, whatever else the descriptor says of alignment."""
    return (
        dtype.names == ROW.names
        and dtype.itemsize == ROW.itemsize
        and all(dtype.fields[name][:2] == ROW.fields[name][:2] for name in ROW.names or ())  # type: ignore[index]
    )
