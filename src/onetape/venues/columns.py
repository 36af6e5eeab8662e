"""Columns of messages as text: `name`, or `name:of` if the column has another name elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["columns", "named_rows"]


def columns(text: str) -> dict[str, str]:
    """Returns the other name of each column, by its name."""
    return {name: of or name for name, _, of in (each.partition(":") for each in text.split())}


def named_rows(rows: Any, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yields rows, or a single row, with their columns renamed."""
    found: Iterable[Mapping[str, Any]] = rows if isinstance(rows, list) else [rows]
    for row in found:
        yield {names.get(name, name): value for name, value in row.items()}
