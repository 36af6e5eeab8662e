"""Rows as a table of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onetape.cli.frame import moment


def listing(rows: Sequence[dict[str, Any]], columns: Sequence[str], *, nothing: str) -> str:
    """A line for each row; `nothing` where there is none."""
    if not rows:
        return nothing
    cells = [[_cell(row[name], name) for name in columns] for row in rows]
    heads = [name.replace("_", " ") for name in columns]
    widths = [max(len(line[at]) for line in [heads, *cells]) for at in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [heads, *cells]
    )


def _cell(value: object, name: str) -> str:
    if value is None or value == "":
        return "-"
    if name.startswith("ts_") and isinstance(value, int):
        return moment(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
