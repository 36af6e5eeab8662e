"""A sweep's map for a page, also while it runs: one metric over two of its parameters, and the best variants."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from onetape.model.errors import BadInput
from onetape.report.metrics import metric as metric_facts
from onetape.report.sweep_results import LESS_IS_BETTER, RESULTS, Sweep, metric_names, metric_of, open_sweep

__all__ = ["SweepMaps", "map_of"]

BYTES_MAX: Final = 32 << 20  # of results, about 10,000 variants
SIDE_MAX: Final = 40  # shown values of a parameter
ROWS_MAX: Final = 100
TEXT_MAX: Final = 200
KEPT_MAX: Final = 2
_BESIDE: Final = ("pnl", "sharpe", "max_drawdown", "fills", "fees")


class SweepMaps:
    """Follows the viewed sweeps."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Path, tuple[tuple[int, int], Sweep]] = OrderedDict()  # by manifest

    def look(self, folder: Path, metric: str = "", x: str = "", y: str = "") -> dict[str, Any]:
        """Returns `map_of` with the newest results. Raises BadInput if it is too large, and for an unknown name."""
        try:
            manifest = (folder / "sweep.json").stat()
            identity = manifest.st_ino, manifest.st_mtime_ns  # an inode may be reused
            if (folder / RESULTS).exists() and (size := (folder / RESULTS).stat().st_size) > BYTES_MAX:
                raise BadInput(
                    f"{size >> 20} MB of results, the page shows at most {BYTES_MAX >> 20}",
                    location=folder.name,
                    todo="its report has all of it",
                )
            kept = self._kept.get(folder)
            if kept is None or kept[0] != identity:
                kept = self._kept[folder] = identity, open_sweep(folder)
            else:
                kept[1].take()
        except OSError:
            raise BadInput(f"the sweep {folder.name} is gone", location="name", todo="see the list") from None
        self._kept.move_to_end(folder)
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return map_of(kept[1], metric, x, y)


def map_of(sweep: Sweep, metric: str = "", x: str = "", y: str = "") -> dict[str, Any]:
    """Returns the best value of a metric at each pair of values of two parameters, and the best variants. metric, x,
    y: "": the sweep's own, or pnl if that has no value, and the first two that vary. Raises BadInput."""
    axes, rows = sweep.grid.axes, [] if sweep.facts["walk_forward"] else sweep.rows
    metrics = [name for name in metric_names() if any(metric_of(row, name) is not None for row in rows)]
    varied = [name for name in axes if len(axes[name]) > 1] or list(axes)
    metric = metric or (sweep.metric if sweep.metric in metrics or "pnl" not in metrics else "pnl")
    x, y = x or next(iter(varied), ""), y or next(iter(varied[1:2] or varied), "")
    for name, names in ((metric, [*metrics, sweep.metric]), (x, axes), (y, axes)):
        if name and name not in names:
            raise BadInput(f"{name[:80]!r} is none of {', '.join(names)[:TEXT_MAX]}", location=sweep.path.name)
    sign = 1 if metric in LESS_IS_BETTER else -1
    ordered = sorted(
        ((metric_of(row, metric), row) for row in rows), key=lambda each: (each[0] is None, sign * (each[0] or 0.0))
    )
    columns, columns_left = _side(axes.get(x, ()), x, ordered)
    lines, lines_left = _side(axes.get(y, ()), y, ordered) if y != x else ({("", ""): 0}, 0)
    cells: dict[tuple[int, int], tuple[float, int]] = {}
    for value, row in ordered:  # the best comes first
        column = columns.get(_key(row["params"].get(x)))
        line = lines.get(_key(row["params"].get(y))) if y != x else 0
        if value is not None and column is not None and line is not None:
            cells.setdefault((column, line), (value, row["variant"]))
    tries, done = sweep.tries, len(rows)
    judged = sweep.overfit if done >= tries else None
    return {
        "strategy": sweep.name,
        "is_walk": bool(sweep.facts["walk_forward"]),
        "metric": metric,
        "metrics": list(dict.fromkeys([*metrics, metric])),
        "titles": {name: _title(name) for name in (*metrics, metric, *_BESIDE)},
        "less_is_better": sign > 0,
        "names": list(axes),
        "x": x,
        "y": y,
        "columns": [text for _, text in columns],
        "lines": [text for _, text in lines],
        "left_out": {name: left for name, left in ((x, columns_left), (y, lines_left)) if left},
        "cells": [(*place, value, variant) for place, (value, variant) in cells.items()],
        "rows": [_row(value, row, metric) for value, row in ordered[:ROWS_MAX]],
        "done": done,
        "tries": tries,
        "failed": sum(row["error"] is not None for row in rows),
        "verdict": judged.verdict if judged is not None and judged.tries > 1 else "",
    }


def _key(value: Any) -> tuple[str, str]:
    """Returns a key that distinguishes values equal in Python (1, 1.0 and True), and the text of the value."""
    return type(value).__name__, "none" if value is None else str(value)[:TEXT_MAX]


def _side(
    values: Sequence[Any], name: str, ordered: Sequence[tuple[float | None, dict[str, Any]]]
) -> tuple[dict[tuple[str, str], int], int]:
    """Returns indices by value, in the parameter's own order; of too many values those of the best variants, and the
    number of tried ones left out."""
    chosen, left = dict.fromkeys(map(_key, values)), 0
    if len(chosen) > SIDE_MAX:
        tried = list(dict.fromkeys(_key(row["params"][name]) for _, row in ordered))
        best, left = set(tried[:SIDE_MAX]), len(tried[SIDE_MAX:])
        chosen = {key: None for key in chosen if key in best}
    return {key: place for place, key in enumerate(chosen)}, left


def _row(value: float | None, row: dict[str, Any], metric: str) -> dict[str, Any]:
    return {
        "variant": row["variant"],
        "params": {name: _key(each)[1] for name, each in row["params"].items()},
        "values": {metric: value, **{name: metric_of(row, name) for name in _BESIDE if name != metric}},
        "error": None if row["error"] is None else str(row["error"])[:TEXT_MAX],
    }


def _title(name: str) -> dict[str, str]:
    facts = metric_facts(name)
    return {"name": facts.name, "form": facts.form}
