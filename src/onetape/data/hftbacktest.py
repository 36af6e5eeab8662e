"""Read kind `hftbacktest`: its event arrays, .npz with the array `data`, or .npy, of its versions 2.x.

The layout from its py-hftbacktest types and rust types.rs, read 2026-11: rows of 64 bytes (ev, exch_ts, local_ts, px,
qty, order_id, ival, fval). Rows with the local flag are messages in the order in which they were received, at local_ts;
the core reads them (core/text/hft_rows.hpp). The archive is read like any other zip, chunk by chunk within the limits;
nothing in it is ever unpickled.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any, Final

from onetape.data.layout import Layout, Planned, TableOptions, TableSource
from onetape.data.source import OnRead
from onetape.model.errors import BadInput

MAGIC: Final = b"\x93NUMPY"
HEADER_BYTES_MAX: Final = 10_000
ARRAY: Final = "data.npy"
ROW_BYTES: Final = 64
ROW: Final = [
    ("ev", "<u8"),
    ("exch_ts", "<i8"),
    ("local_ts", "<i8"),
    ("px", "<f8"),
    ("qty", "<f8"),
    ("order_id", "<u8"),
    ("ival", "<i8"),
    ("fval", "<f8"),
]


class EventRows:
    """The rows after the header of a .npy stream."""

    def __init__(self, source: TableSource) -> None:
        self._source = source
        self.name = source.name
        self._begin, self._rows = _header(source)

    def chunks(self, on_read: OnRead | None = None) -> Iterator[bytes]:
        """Yields rows. Raises BadInput if the stream has fewer rows than its header announces, or more bytes."""
        left = self._rows * ROW_BYTES
        skip = self._begin
        for chunk in self._source.chunks(on_read):
            if skip:
                skipped = min(skip, len(chunk))
                skip -= skipped
                chunk = chunk[skipped:]
            if len(chunk) > left:
                raise BadInput(f"the file goes on behind its {self._rows:,} rows", location=self.name)
            left -= len(chunk)
            if chunk:
                yield chunk
        if left:
            missing = -(-left // ROW_BYTES)
            raise BadInput(
                f"the file ends in the middle: {missing:,} of {self._rows:,} rows are missing",
                location=self.name,
                todo="make or fetch it again",
            )

    def head(self, size: int = 1 << 16) -> bytes:
        """Returns the first rows."""
        return self._source.head(self._begin + size)[self._begin :]


def plan(source: TableSource, options: TableOptions) -> Planned:
    """Returns the layout of a source. Raises BadInput for arrays that are not of events."""
    member = str(getattr(source, "member", ""))
    if member and member != ARRAY:
        return Planned(source, None, f"array {member.removesuffix('.npy')[:40]}")
    return Planned(EventRows(source), Layout("book_changes", form="hft"))


def _header(source: TableSource) -> tuple[int, int]:
    """Returns (bytes before the rows, rows). Raises BadInput for any other array."""
    head = source.head(HEADER_BYTES_MAX + 20)
    if not head.startswith(MAGIC):
        raise BadInput(
            "the file is no array of numpy", location=source.name, todo="give the .npz or .npy of hftbacktest"
        )
    begin, shape, descr = _described(head, source)
    if len(shape) == 2 and descr == "<f8":
        raise BadInput(
            "the file is of hftbacktest 1.x: a plain table of floats",
            location=source.name,
            todo="convert it with hftbacktest 2.x first",
        )
    if len(shape) != 1 or descr != ROW:
        raise BadInput(
            f"the file is no array of events: {len(shape)} dimensions of {str(descr)[:120]!a}",
            location=source.name,
            todo=f"its rows must be {', '.join(name for name, _ in ROW)}, 64 bytes",
        )
    if shape[0] <= 0:
        raise BadInput("the file has no rows", location=source.name)
    return begin, shape[0]


def _described(head: bytes, source: TableSource) -> tuple[int, tuple[int, ...], Any]:
    """Returns (bytes before the rows, shape, descr) from a header of numpy's format 1.0 or 2.0 (NEP 1). numpy's own
    reader is not used, because it fails in undocumented ways on damaged headers.
    """
    version = tuple(head[6:8])
    width = 2 if version == (1, 0) else 4
    begin = 8 + width + int.from_bytes(head[8 : 8 + width], "little")
    try:
        if version not in {(1, 0), (2, 0)} or not 8 + width < begin <= HEADER_BYTES_MAX:
            raise ValueError("of a version or a length that is not read")
        header = ast.literal_eval(head[8 + width : begin].decode("latin-1").strip())
        shape, descr = header["shape"], header["descr"]
        if not isinstance(shape, tuple) or not all(type(n) is int for n in shape):
            raise ValueError("without a shape")
    except (ValueError, TypeError, KeyError, SyntaxError, RecursionError, MemoryError) as error:
        shown = ascii(str(error).splitlines()[0][:80]) if str(error) else type(error).__name__
        raise BadInput(f"the array's header is damaged: {shown}", location=source.name) from None
    return begin, shape, descr
