"""Walk forward: choose parameters in one window, trade them in the next, move on.

A train window ends where its test window begins (or a gap before); its backtest reads no later data. A test backtest
begins flat, with the same cash; earlier bars are its history. The equity out of sample adds the windows' gains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onetape.engine.grid import Grid
from onetape.model.errors import BadConfig
from onetape.model.time import parse_duration, rough_duration
from onetape.report.annual import Annual
from onetape.report.metrics import STATISTICS
from onetape.report.report_data import ReportData
from onetape.report.summary import summarize
from onetape.report.sweep_results import best_of, metric_of, no_value, split_key

__all__ = ["Window", "parse_walk", "summarize_walk", "test_jobs", "train_job", "windows_of"]

WINDOWS_MAX = 10_000
# Statistics that need each fill, which windows do not return; some are sums.
_OF_FILLS = frozenset(m.key for m in STATISTICS if m.group in ("Round trips", "Activity", "Costs", "Orders"))
_SUMMED = ("orders", "funding")


@dataclass(frozen=True, slots=True)
class Window:
    """A training period and the test after it. Times in ns UTC; ends are exclusive. number counts from 1."""

    number: int
    train_start: int
    train_end: int
    test_start: int
    test_end: int


def parse_walk(text: str | Sequence[str]) -> tuple[int, int, int]:
    """Parse `30d,10d`, `30d,10d,1d` or ("30d", "10d") into ns: train, test, and the gap between them."""
    parts = text.split(",") if isinstance(text, str) else [*text]
    location, todo = "--walk-forward", "write TRAIN,TEST, as 30d,10d, or TRAIN,TEST,GAP"
    if len(parts) not in (2, 3):
        raise BadConfig(f"two durations or three, not {len(parts)}", location=location, todo=todo)
    try:
        train, test, gap = ([parse_duration(str(part).strip()) for part in parts] + [0])[:3]
    except BadConfig as problem:
        raise BadConfig(problem.what, location=location, todo=todo) from None
    if min(train, test) <= 0 or gap < 0:
        raise BadConfig("a window without length", location=location, todo=todo)
    return train, test, gap


def windows_of(first: int, end: int, *, train: int, test: int, anchored: bool = False, gap: int = 0) -> list[Window]:
    """Returns windows over [first, end): each test window follows its train window, and test windows
    are adjacent. The last one is cut at `end`. anchored: train windows all begin at `first`. gap: ns left out between
    train and test (purging and embargo), so that no trade or state overlaps both.

    Raises BadConfig when no window fits.
    """
    count = -(-(end - first - train - gap) // test)
    if count < 1:
        raise BadConfig(
            f"the data covers {rough_duration(end - first)}, the first train window alone {rough_duration(train)}",
            location="--walk-forward",
            todo="give shorter windows or more data",
        )
    if count > WINDOWS_MAX:
        raise BadConfig(
            f"{count:,} windows, at most {WINDOWS_MAX:,}", location="--walk-forward", todo="give longer windows"
        )
    found = []
    for number in range(count):
        start = first + number * test
        turn = start + train
        found.append(Window(number + 1, first if anchored else start, turn, turn + gap, min(turn + gap + test, end)))
    return found


def train_job(window: Window, grid: Grid, variant: int) -> dict[str, Any]:
    """Returns the job of a variant in a train window."""
    return {
        "key": f"train/{window.number}/{variant}",
        "params": grid[variant],
        "start": window.train_start,
        "end": window.train_end,
    }


def chosen_in(window: Window, rows: Mapping[str, Mapping[str, Any]], metric: str) -> int | None:
    """Returns the best variant of the train window (of equal ones the first), or None when no variant has a value."""
    trained = ((split_key(key), row) for key, row in rows.items() if key.startswith(f"train/{window.number}/"))
    best = best_of((row for _, row in sorted(trained, key=lambda each: each[0][2])), metric)
    return None if best is None else split_key(best["key"])[2]


def test_jobs(
    windows: Sequence[Window], grid: Grid, rows: Mapping[str, Mapping[str, Any]], metric: str
) -> list[dict[str, Any]]:
    """Returns jobs that run each train window's best variant in the test window after it.

    A window is skipped when no variant has a value in it, because none traded. Raises BadConfig when all are skipped.
    """
    jobs = []
    for window in windows:
        variant = chosen_in(window, rows, metric)
        if variant is not None:
            jobs.append(
                {
                    "key": f"test/{window.number}/{variant}",
                    "params": grid[variant],
                    "start": window.test_start,
                    "end": window.test_end,
                    "equity": True,
                }
            )
    if not jobs:
        raise BadConfig(
            f"in no train window: {no_value(metric, [*rows.values()])}",
            location="--walk-forward",
            todo="choose by --metric pnl or return, or take longer windows",
        )
    return jobs


def summarize_walk(
    windows: Sequence[Window],
    grid: Grid,
    rows: Mapping[str, Mapping[str, Any]],
    metric: str,
    annual: Annual | None = None,
) -> dict[str, Any]:
    """Returns windows (a table), equity ([ts, values] out of sample), stats, efficiency."""
    table = []
    times: list[int] = []
    values: list[float] = []
    level: float | None = None
    totals = dict.fromkeys(("orders", "fills"), 0)
    sums = dict.fromkeys(("fees", "funding"), 0.0)
    for window in windows:
        variant = chosen_in(window, rows, metric)
        line = _line(window, variant, grid)
        table.append(line)
        if variant is None:
            line["error"] = "no variant has a value of the metric in the train window"
            continue
        trained = rows[f"train/{window.number}/{variant}"]
        tested = rows[f"test/{window.number}/{variant}"]
        inside, outside = metric_of(trained, metric), metric_of(tested, metric)
        line.update(in_sample=inside, out_of_sample=outside, error=tested["error"])
        if inside is not None and outside is not None and inside > 0:
            line["ratio"] = outside / inside
        if tested["error"] is not None:
            continue
        line["pnl"] = tested["pnl"]
        ts, equity = tested["equity"]
        began = tested["final_equity"] - tested["pnl"]
        level = began if level is None else level
        times += ts
        values += [level + (value - began) for value in equity]
        level += tested["pnl"]
        for name in totals:
            totals[name] += tested[name]
        for name in sums:
            sums[name] += tested[name]
    ts_all, equity_all = _ascending(times, values)
    data = ReportData("", equity_ts=ts_all, equity=equity_all, annual=annual or Annual())
    stats = summarize(data, orders=totals["orders"], funding=sums["funding"])
    shown = {name: value for name, value in stats.items() if name not in _OF_FILLS or name in _SUMMED}
    ratios = [line["ratio"] for line in table if line["ratio"] is not None]
    return {
        "metric": metric,
        "windows": table,
        "equity": [ts_all.tolist(), equity_all.tolist()],
        "stats": {**shown, "fills": totals["fills"], "fees": sums["fees"]},
        # The median: one lucky training window must not dominate the figure.
        "efficiency": float(np.median(ratios)) if ratios else None,
    }


def _line(window: Window, variant: int | None, grid: Grid) -> dict[str, Any]:
    """Returns a window's row of the table, without its variant's result."""
    times = ("train_start", "train_end", "test_start", "test_end")
    return {
        "window": window.number,
        **{name: getattr(window, name) for name in times},
        "variant": variant,
        "params": None if variant is None else grid[variant],
        **dict.fromkeys(("in_sample", "out_of_sample", "ratio", "pnl", "error")),
    }


def _ascending(times: list[int], values: list[float]) -> tuple[Any, Any]:
    """Keep only the last value of each time, as a window may begin where the previous one ended."""
    ts, equity = np.array(times, dtype=np.int64), np.array(values, dtype=np.float64)
    keep = np.append(ts[1:] > ts[:-1], True) if len(ts) else np.zeros(0, dtype=bool)
    return ts[keep], equity[keep]
