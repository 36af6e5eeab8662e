"""Formats frames: names and exact decimals instead of layout and units."""

from __future__ import annotations

from typing import Any

from onetape.data.table_row import RowMaker, decimal_text
from onetape.tape.journal import JournalReader, Record

__all__ = ["FrameWords"]


class FrameWords:
    """Formats frames of the tape that `reader` reads."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader
        self._maker = RowMaker(reader)
        self._names: dict[str, list[str]] = {}

    def of(self, record: Record) -> dict[str, Any]:
        """Returns field -> value, including `symbol`; without sequence and time."""
        if not self._is_fixed(record.type):
            symbol = self._reader.instruments.get(record.stream, {}).get("symbol", "")
            data = record.data
            return {**data, "symbol": data.get("symbol", symbol)}
        row = self._maker.row(record)
        return {
            name: _text(value)
            for name, value in zip(self._names[record.type], row, strict=True)
            if name not in ("sequence", "time")
        }

    def _is_fixed(self, event: str) -> bool:
        names = self._names.get(event)
        if names is None:
            # A payload's own `flags` comes after the frame's.
            names = self._names[event] = [column.name for column in self._maker.shape(event)]
        return names[-1] != "data"


def _text(value: Any) -> Any:
    if isinstance(value, tuple):
        return decimal_text(value)
    if isinstance(value, list):  # levels
        return [[decimal_text(price), decimal_text(size)] for price, size in value]
    return value
