"""Format the report on a tape's market for a terminal: a table, then the findings, line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onetape.cli.frame import moment
from onetape.cli.listing import aligned

if TYPE_CHECKING:
    from onetape.data.quality.market import MarketReport

_TIMES = ("ts", "from", "to", "ts_event", "ts_open")


def market_text(report: MarketReport) -> str:
    """Returns the complete report."""
    table = [("symbol", "type", "count", "first", "last", "found")]
    texts: list[str] = []
    for symbol, types in report.by_symbol.items():
        for name, kind in types.items():
            found = ", ".join(
                f"{check.replace('_', ' ')} {count:,}" for check, count in kind["checks"].items() if count
            )
            first, last = moment(kind["first_ts"]), moment(kind["last_ts"])
            table.append((symbol, name, f"{kind['count']:,}", first, last, found or "-"))
            texts += _examples(symbol, name, kind)
    for symbol, changes in report.changes.items():
        for change in changes:
            fields = ", ".join(f"{k} {old} -> {new}" for k, (old, new) in change["fields"].items())
            texts.append(f"{symbol} instrument changed at {moment(change['ts'])}: {fields}")
    text = "\n".join(aligned(table, right={2}))
    return text + ("\n\n" + "\n".join(texts) if texts else "\n\nno findings")


def _examples(symbol: str, name: str, kind: dict[str, Any]) -> list[str]:
    lines = []
    for check, examples in kind["examples"].items():
        count = kind["checks"][check]
        more = f" ({len(examples)} of {count:,})" if count > len(examples) else ""
        lines.append(f"{symbol} {name}: {check.replace('_', ' ')}{more}")
        lines += [f"  {_shown(example)}" for example in examples]
    return lines


def _shown(example: dict[str, Any]) -> str:
    parts = []
    for key, value in example.items():
        if key in _TIMES and isinstance(value, int):
            value = moment(value)
        elif key in ("ns", "period_ns"):
            key, value = key.removesuffix("ns").rstrip("_") or "length", f"{value / 1e9:,.3f} s"
        parts.append(f"{key.replace('_', ' ')} {value}")
    return "  ".join(parts)


__all__ = ["market_text"]
