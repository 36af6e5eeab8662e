"""Show a run in a notebook: its figures and its equity, without other libraries."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from onetape.report.metrics import metric_text

__all__ = ["Plot", "run_html"]

WIDTH, HEIGHT, EDGE = 720, 220, 8
POINTS_MAX = 2 * WIDTH  # more points would not be visible
_AXIS = 16  # pixels of the text below the line
_FIGURES = (
    ("pnl", "profit, net"),
    ("final_equity", "final equity"),
    ("max_drawdown", "max drawdown"),
    ("sharpe", "Sharpe, per year"),
    ("orders", "orders"),
    ("fills", "fills"),
    ("fees", "fees"),
    ("funding", "funding"),
)


class Plot:
    """A line over time as SVG. times: ns UTC, ascending; values: as many numbers."""

    def __init__(self, times: list[int], values: list[float], *, title: str) -> None:
        self.svg = _svg(times, values, title)

    def _repr_html_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return "<Plot: drawn as the last value of a notebook cell; .svg is its SVG text>"


def run_html(name: str, stats: Mapping[str, Any], report: Path, equity: Plot) -> str:
    """Returns a table of the figures, the reason for no orders, the report's path, and the equity."""
    rows = [("strategy", str(stats.get("strategy", "?")))]
    figures = [(key, name) for key, name in _FIGURES if stats.get(key) is not None]
    rows += [(figure, metric_text(key, stats[key])) for key, figure in figures]
    if stats.get("why_no_orders"):
        rows.append(("no fills", str(stats["why_no_orders"])))
    if report.is_file():
        rows.append(("report", str(report)))
    cells = "".join(
        f'<tr><th style="text-align:left">{escape(row)}</th><td style="text-align:left">{escape(text)}</td></tr>'
        for row, text in rows
    )
    return f"<b>{escape(name)}</b><table>{cells}</table>{equity.svg}"


def _svg(times: list[int], values: list[float], title: str) -> str:
    """Draw the line with minimum and maximum at the left, first and last time below."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" '
        f'style="max-width:{WIDTH}px;color:inherit" role="img" font-size="11" fill="currentColor">'
        f"<title>{escape(title)}</title>"
    )
    if len(times) < 2:
        words = f"{escape(title)}: nothing to draw"
        return f'{head}<text x="{EDGE}" y="{HEIGHT // 2}">{words}</text></svg>'
    from onetape.model.time import format_time

    step = -(-len(times) // POINTS_MAX)
    chosen = [*range(0, len(times) - 1, step), len(times) - 1]
    first, last = times[0], times[-1]
    low, high = min(values), max(values)
    spread = (high - low) or 1.0
    bottom = HEIGHT - EDGE - _AXIS
    points = " ".join(
        f"{EDGE + (times[i] - first) / (last - first or 1) * (WIDTH - 2 * EDGE):.1f},"
        f"{bottom - (values[i] - low) / spread * (bottom - 2 * EDGE):.1f}"
        for i in chosen
    )
    return (
        f'{head}<polyline points="{points}" fill="none" stroke="#2f6fde" stroke-width="1.5"/>'
        f'<text x="{EDGE}" y="{EDGE + 4}">{high:,.10g}</text>'
        f'<text x="{EDGE}" y="{bottom - 2}">{low:,.10g}</text>'
        f'<text x="{EDGE}" y="{HEIGHT - 4}">{escape(format_time(first)[:19])}</text>'
        f'<text x="{WIDTH - EDGE}" y="{HEIGHT - 4}" text-anchor="end">'
        f"{escape(format_time(last)[:19])}</text></svg>"
    )
