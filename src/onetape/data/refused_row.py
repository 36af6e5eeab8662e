"""Describe a row that an import refused: which cell is wrong, and in which row."""

from __future__ import annotations

from onetape.data.columns import split_row
from onetape.data.layout import Layout
from onetape.data.rejects import Reject, reject_text

__all__ = ["refused_row"]

_NAMES = {"time": "ts_event"}  # a column's name in a reason -> its name in a layout
_OHLC = ("open", "high", "low", "close")


def refused_row(reject: Reject, layout: Layout) -> str:
    """Returns `line 2: price is not a number: 'abc' in '2026-01-01,abc,1'`."""
    source, line, reason, text = reject
    cells = split_row(text.decode("utf-8", "replace"), layout.separator) if layout.form == "lines" else []
    by_name = {name: cells[place].strip() for name, place in layout.columns.items() if place < len(cells)}
    words = reason.decode("utf-8", "replace")
    if words.startswith(", ".join(_OHLC)) and by_name.keys() >= set(_OHLC):
        with_values = ", ".join(f"{name} {by_name[name]}" for name in _OHLC)
        return reject_text((source, line, words.replace(", ".join(_OHLC), with_values).encode(), text))
    name = words.partition(" ")[0]
    return reject_text(reject, by_name.get(_NAMES.get(name, name)))
