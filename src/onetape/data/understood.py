"""Describe the interpretation of tables, as lines of text for the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from onetape.model.time import format_duration, format_time

SOURCES_SHOWN: Final = 10
SYMBOLS_SHOWN: Final = 12
_SEPARATORS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "`|`"}


def understood_lines(tables: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns lines of text about ImportResult.understood: each table's rows, and its columns if they differ from those
    of the previous table."""
    lines: list[str] = []
    before = ""
    for table in tables[:SOURCES_SHOWN]:
        lines.append(_rows(table))
        columns = _columns(table) if "columns" in table else ""
        if columns and columns != before:
            lines.append(f"  {columns}")
        before = columns or before
    if len(tables) > SOURCES_SHOWN:
        lines.append(f"and {len(tables) - SOURCES_SHOWN} more files")
    return lines


def _rows(table: Mapping[str, Any]) -> str:
    period = f" of {format_duration(table['period_ns'])}" if table["period_ns"] else ""
    symbols = list(table["symbols"])
    shown = ", ".join(symbols[:SYMBOLS_SHOWN])
    if len(symbols) > SYMBOLS_SHOWN:
        shown += f" and {len(symbols) - SYMBOLS_SHOWN} more"
    return (
        f"{table['source']}: {table['rows']:,} rows of {table['kind'].replace('_', ' ')}{period} "
        f"as {shown}, {format_time(table['first_ts'])} to {format_time(table['last_ts'])}"
    )


def _columns(table: Mapping[str, Any]) -> str:
    zone = table["zone"]
    if zone == "UTC, assumed":
        zone = "UTC is assumed: import --tz names another"
    elif zone == "in the text":
        zone = "its zone in the text"
    parts = [
        ", ".join(
            f"{ours} from {header} ({table['time']}, {zone})" if ours == "time" else f"{ours} from {header}"
            for ours, header in table["columns"].items()
        )
    ]
    if not table["header"]:
        parts.append("no header")
    if table["not_used"]:
        parts.append(f"not used: {', '.join(table['not_used'])}")
    if table["decimal"] == "comma":
        parts.append("decimal comma")
    if table["separator"] != ",":
        parts.append(f"separated by {_SEPARATORS[table['separator']]}")
    return "; ".join(parts)
