"""Rows as a table of text."""

from __future__ import annotations

from collections.abc import Container, Sequence
from decimal import Decimal
from typing import Any

from onetape.cli.frame import moment
from onetape.model.decimals import decimal_text
from onetape.model.time import rough_duration

SHARES = ("ratio", "utilization", "drawdown", "protected")  # of one, shown in percent


def listing(rows: Sequence[dict[str, Any]], columns: Sequence[str], *, nothing: str) -> str:
    """A line for each row; `nothing` where there is none."""
    if not rows:
        return nothing
    cells = [[_cell(row[name], name) for name in columns] for row in rows]
    heads = [name.removesuffix("_ns").replace("_", " ") for name in columns]
    return "\n".join(aligned([heads, *cells]))


def aligned(rows: Sequence[Sequence[str]], *, right: Container[int] = ()) -> list[str]:
    """A line for each row, its cells under each other; those of the columns `right` (from 0) end
    under each other. A row may have fewer cells than the first."""
    widths = [max(len(row[at]) for row in rows if at < len(row)) for at in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=False))
        ).rstrip()
        for row in rows
    ]


def amount(text: str | None) -> str | None:
    """An amount of money for a reader: two decimals, below one eight at most; the JSON has it exact."""
    if text is None:
        return None
    value = Decimal(text)
    return f"{value:.2f}" if abs(value) >= 1 or not value else decimal_text(round(value, 8))


def _cell(value: object, name: str) -> str:
    if value is None or value == "":
        return "-"
    if (name == "ts" or name.startswith("ts_")) and isinstance(value, int):
        return moment(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name in SHARES and isinstance(value, float):
        return f"{value:.2%}"
    if name == "leverage" and isinstance(value, float):
        return f"{value:.2f}"
    if name == "duration_ns" and isinstance(value, int):
        return rough_duration(value)
    return str(value)
