"""The page of a sweep: heat map, variants, walk-forward windows. One file that asks nobody.

The same rules as the report's: data travels as JSON in a script element of a data type, reaches
the page as text nodes, and the policy forbids every request and every script but the named one.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onetape.model.time import MS, format_duration
from onetape.report import metrics as metric_table
from onetape.report.report import LINE_POINTS_MAX, render_page, thin
from onetape.report.sweep_results import LESS_IS_BETTER, metric_names, metric_of
from onetape.tape.durable import write_durably

if TYPE_CHECKING:
    from onetape.report.sweep_results import Sweep

__all__ = ["render_sweep_page", "write_sweep_page"]

_MOMENTS = frozenset({"drawdown_peak", "drawdown_trough", "drawdown_recovered"})
VARIANTS_SHOWN_MAX = 20_000  # some 4 MB; of more the best are shown, and the page says so


def write_sweep_page(
    sweep: Sweep, path: Path, *, x: str | None = None, y: str | None = None, metric: str | None = None
) -> Path:
    """Writes the page and returns its path. An unfinished file never stands under that name."""
    text = render_sweep_page(sweep, x=x, y=y, metric=metric)
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_durably(path, text)


def render_sweep_page(sweep: Sweep, *, x: str | None = None, y: str | None = None, metric: str | None = None) -> str:
    """Returns the page as text; equal sweeps give equal bytes."""
    data = _page_data(sweep, x, y, metric)
    return render_page("sweep", data["title"], data, styles=("report.css", "sweep.css"), scripts=[("sweep.js",)])


def _page_data(sweep: Sweep, x: str | None, y: str | None, wanted: str | None) -> dict[str, Any]:
    names = list(sweep.grid.axes)
    # Across and down: the first two that vary.
    varied = [name for name in names if len(sweep.grid.axes[name]) > 1] or names
    walk = sweep.walk_forward
    rows = [] if walk else sweep.rows
    notes = []
    metric = wanted or sweep.metric
    # Of less than a day of data no Sharpe ratio is known, and a map of dashes says nothing.
    ranked = {each for row in rows for each in (metric, "pnl") if metric_of(row, each) is not None}
    if wanted is None and ranked == {"pnl"} != {metric}:
        notes.append(f"no variant has a {metric}: the map begins with pnl")
        metric = "pnl"
    if len(rows) > VARIANTS_SHOWN_MAX:
        notes.append(f"the best {VARIANTS_SHOWN_MAX:,} of {len(rows):,} variants by {metric}")
        rows = _best(rows, metric)
    axes: dict[str, tuple[Any, ...]] = sweep.grid.axes
    if sweep.facts.get("search"):  # of a space that may be vast: what was tried of it
        tried = {name: {row["params"][name] for row in rows} for name in names}
        axes = {name: tuple(value for value in values if value in tried[name]) for name, values in axes.items()}
    metrics = metric_names()
    failed = sum(row["error"] is not None for row in sweep.rows)
    if failed:
        notes.append(f"{failed:,} variants failed; their errors stand in the table")
    if not walk and sweep.tries > 1:
        judged = sweep.overfit
        notes.append(
            judged.verdict
            if judged is not None
            else f"the best of {sweep.tries:,} tries flatters itself: `onetape compare` says what is left of it"
        )
    if walk:
        notes.append(
            "each test window begins flat with the same cash; the equity adds their gains, and a "
            "position open at a window's end counts at its last price"
        )
    return {
        "title": f"Sweep of {sweep.name}",
        "subtitle": f"{sweep.tries:,} variants by {metric}",
        "notes": notes,
        "facts": [[key, str(value)] for key, value in _facts(sweep, walk).items()],
        "names": names,
        "axes": {name: list(values) for name, values in axes.items()},
        "metrics": metrics,
        "forms": {name: metric_table.metric(name).form for name in metrics},
        "metric": metric,
        "lessIsBetter": sorted(LESS_IS_BETTER),
        "x": x or varied[0] if names else None,
        "y": y or varied[-1 if len(varied) < 2 else 1] if names else None,
        "variants": [
            {
                "variant": row["variant"],
                "at": [_index(axes[n], row["params"][n]) for n in names],
                "values": [metric_of(row, name) for name in metrics],
                "error": row["error"],
            }
            for row in rows
            if names
        ],
        "walk": _walk(walk) if walk else None,
    }


def _best(rows: list[dict[str, Any]], metric: str) -> list[dict[str, Any]]:
    """As many as the page shows, in the grid's order."""
    sign = 1 if metric in LESS_IS_BETTER else -1
    key = [(v is None, sign * (v or 0.0)) for v in (metric_of(row, metric) for row in rows)]
    order = sorted(range(len(rows)), key=key.__getitem__)[:VARIANTS_SHOWN_MAX]
    return [rows[at] for at in sorted(order)]


def _facts(sweep: Sweep, walk: dict[str, Any] | None) -> dict[str, object]:
    facts: dict[str, object] = {
        "strategy": sweep.name,
        "variants": f"{sweep.tries:,}" + (f" of {len(sweep.grid):,}" if sweep.facts.get("search") else ""),
        **{name: _values(values) for name, values in sweep.grid.axes.items()},
        "data": ", ".join(Path(each["path"]).name for each in sweep.facts["tapes"]),
        "seed": sweep.facts["options"]["seed"],
    }
    if not walk:
        return facts
    walk_forward = sweep.facts["walk_forward"]
    anchored = ", anchored" if walk_forward["anchored"] else ""
    facts["walk-forward"] = (
        f"train {format_duration(walk_forward['train'])}, test {format_duration(walk_forward['test'])}{anchored}"
    )
    facts |= {
        f"out of sample {name.replace('_', ' ')}": metric_table.metric_text(name, value)
        for name, value in walk["stats"].items()
        if name not in _MOMENTS
    }
    efficiency = metric_table.metric_text("efficiency", walk["efficiency"])
    return facts | {"out of sample over in sample, middle window": efficiency}


def _index(values: tuple[Any, ...], value: Any) -> int:
    return next(at for at, each in enumerate(values) if each == value and type(each) is type(value))


def _walk(walk: dict[str, Any]) -> dict[str, Any]:
    ts, equity = (np.array(column) for column in walk["equity"])
    kept = thin(equity.astype(np.float64), LINE_POINTS_MAX)
    times = ("train_start", "train_end", "test_start", "test_end")
    return {
        "equity": [(ts[kept] // MS).tolist(), np.round(equity[kept], 8).tolist()],
        "windows": [{**window, **{name: window[name] // MS for name in times}} for window in walk["windows"]],
    }


def _values(values: tuple[Any, ...]) -> str:
    shown = ", ".join(str(value) for value in values[:12])
    return shown + (f", ... ({len(values):,})" if len(values) > 12 else "")
