"""Columns of messages as text: `name`, or `name:of` where the same is called otherwise elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["columns", "named_rows"]


def columns(text: str) -> dict[str, str]:
    """Returns what each column is called elsewhere, by its name."""
    return {name: of or name for name, _, of in (each.partition(":") for each in text.split())}


def named_rows(rows: Any, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yields rows, of which there may be one alone, with their columns as they are called elsewhere."""
    found: Iterable[Mapping[str, Any]] = rows if isinstance(rows, list) else [rows]
    for row in found:
        yield {names.get(name, name): value for name, value in row.items()}
