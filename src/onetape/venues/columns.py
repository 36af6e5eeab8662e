"""Tables of column names as text: words `name`, or `name:other` to rename a column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["columns", "named_rows"]


def columns(text: str) -> dict[str, str]:
    """Returns name -> other name (or the same name) of each word."""
    return {name: of or name for name, _, of in (each.partition(":") for each in text.split())}


def named_rows(rows: Any, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yields rows, or a single row, with their columns renamed."""
    found: Iterable[Mapping[str, Any]] = rows if isinstance(rows, list) else [rows]
    for row in found:
        yield {names.get(name, name): value for name, value in row.items()}
