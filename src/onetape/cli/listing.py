"""Format rows as a table of text."""

from __future__ import annotations

from collections.abc import Container, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from onetape.cli.frame import moment
from onetape.model.decimals import decimal_text
from onetape.model.money import amount_text
from onetape.model.time import MS, rough_duration

# Columns of money, in the row's currency.
MONEY = (
    *("equity", "unrealized", "realized", "net", "gross", "fees", "funding", "other", "amount", "difference"),
    *("net_beside", "delta", "peak", "cost", "total", "available", "locked"),
)
DIGITS = 10  # significant digits of an average price
SHARES = ("ratio", "utilization", "drawdown", "protected")  # fractions, shown in percent


def listing(rows: Sequence[dict[str, Any]], columns: Sequence[str], *, nothing: str) -> str:
    """Returns the rows as an aligned table of text; without rows the text `nothing`."""
    if not rows:
        return nothing
    cells = [[_cell(row[name], name, str(row.get("currency") or "")) for name in columns] for row in rows]
    heads = [name.removesuffix("_ns").removesuffix("_ms").replace("_", " ") for name in columns]
    return "\n".join(aligned([heads, *cells]))


def aligned(rows: Sequence[Sequence[str]], *, right: Container[int] = ()) -> list[str]:
    """Returns a line for each row, with aligned cells; the columns `right` (from 0) are right-aligned. A row may
    have fewer cells than the first."""
    widths = [max(len(row[at]) for row in rows if at < len(row)) for at in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=False))
        ).rstrip()
        for row in rows
    ]


def amount(text: str | None, currency: str = "") -> str | None:
    """Returns an amount of money for a reader; JSON has the exact one."""
    return None if text is None else amount_text(text, currency)


def age_text(ms: float) -> str:
    """Returns a duration in one unit, rounded down: 45 ms, 7 s, 23 min, 5 h, 3 d."""
    if ms < 1000:
        return f"{ms:.0f} ms"
    seconds = int(ms / 1000)
    for size, unit, end in ((1, "s", 60), (60, "min", 3600), (3600, "h", 48 * 3600)):
        if seconds < end:
            return f"{seconds // size} {unit}"
    return f"{seconds // 86400} d"


def _cell(value: object, name: str, currency: str) -> str:
    if value is None or value == "":
        return "-"
    if (name == "ts" or name.startswith("ts_")) and isinstance(value, int):
        return moment(value // MS * MS)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name in SHARES and isinstance(value, float):
        return f"{value:.2%}"
    if name == "leverage" and isinstance(value, float):
        return f"{value:.2f}"
    if name == "duration_ns" and isinstance(value, int):
        return rough_duration(value)
    if name.endswith("_ms") and isinstance(value, (int, float)):
        return age_text(value)
    if name in MONEY and is_number(value):
        return amount_text(value, currency)
    if name.endswith("_price") and is_number(value):
        return decimal_text(Decimal(f"{float(str(value)):.{DIGITS}g}"))
    return str(value)


def is_number(value: object) -> bool:
    try:
        return Decimal(str(value)).is_finite()
    except InvalidOperation:  # text with a unit
        return False
