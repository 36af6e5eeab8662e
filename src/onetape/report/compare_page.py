"""Compare several runs on one page: figures side by side, equity and drawdowns overlaid, differing settings.

Like a report the page is one file, makes no requests, and embeds foreign text as data only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from onetape.model.errors import UsageError
from onetape.report.drawdowns import drawdown_series
from onetape.report.grouped import enumerated
from onetape.report.metrics import STATISTICS
from onetape.report.page_data import line
from onetape.report.report import render_page
from onetape.report.report_data import Floats, Ints
from onetape.report.report_json import write_whole
from onetape.report.run import Run, has_same_data
from onetape.report.statistics import time_weighted
from onetape.tape.journal import JournalReader

__all__ = ["RUNS_MAX", "equity_curve", "render_comparison", "write_comparison"]

RUNS_MAX = 12  # more lines in one chart cannot be distinguished
POINTS_MAX = 2_000  # points of a curve


def write_comparison(runs: Sequence[Run], path: Path) -> Path:
    """Write the page of 2 to 12 runs atomically, and return its path. Raises UsageError for another number of runs."""
    return write_whole(render_comparison(runs), path)


def render_comparison(runs: Sequence[Run]) -> str:
    """Returns the page as text; equal runs give equal bytes. The first run is the reference."""
    if not 2 <= len(runs) <= RUNS_MAX:
        raise UsageError(
            f"{len(runs)} runs cannot be compared on a page", location="compare", todo=f"give 2 to {RUNS_MAX}"
        )
    names = _names(runs)
    facts = [_settings(run) for run in runs]
    stats = [run.stats for run in runs]
    return render_page(
        "compare",
        f"{len(runs)} runs",
        {
            "names": names,
            "sameData": has_same_data(runs),
            "labels": [_label(run) for run in runs],
            "currencies": [str(each.get("currency", "")) for each in stats],
            "settings": _table(facts),
            "metrics": [
                {
                    **{name: getattr(each, name) for name in ("key", "name", "form", "group")},
                    "note": each.hover,
                    "better": each.better,
                    "values": [_number(value.get(each.key)) for value in stats],
                }
                for each in STATISTICS
                if any(value.get(each.key) is not None for value in stats)
            ],
            "curves": [_curves(run) for run in runs],
        },
    )


def equity_curve(run: Run) -> tuple[Ints, Floats]:
    """Returns ts (ns UTC) and equity, time-weighted, of each sample on the run's journal."""
    times, values, moved = [], [], []
    decode = msgspec.msgpack.Decoder(dict[str, Any]).decode
    with JournalReader(run.path / "journal") as reader:
        for frame in reader.frames(types=["balance"]):
            record = decode(frame.payload)
            if "account" not in record:  # a sample of one account has "account"
                times.append(frame.time)
                values.append(float(record["equity"]))
                moved.append(float(record.get("moved", 0)))
    equity = np.array(values, dtype=np.float64)
    return np.array(times, dtype=np.int64), time_weighted(equity, np.array(moved))


def _names(runs: Sequence[Run]) -> list[str]:
    """Returns folder names; equal ones are distinguished by their position."""
    names = [run.path.resolve().name for run in runs]
    return [f"{name} ({number})" if names.count(name) > 1 else name for number, name in enumerate(names, 1)]


def _label(run: Run) -> str:
    symbols = run.facts.get("instrument", [])
    shown = enumerated([str(each.get("symbol", "?")) for each in symbols])
    return f"{run.stats.get('strategy', '?')} on {shown}"


def _settings(run: Run) -> dict[str, str]:
    """Returns the settings that decided the run, as text by name."""
    facts = run.facts
    money, model = facts.get("money", {}), facts.get("model", {})
    tables: list[tuple[str, Mapping[str, Any]]] = [
        ("", {"strategy": facts.get("run", {}).get("strategy")}),
        ("", facts.get("parameters", {})),
        ("", {key: facts.get("run", {}).get(key) for key in ("symbol", "from", "to", "seed")}),
        ("money ", money),
        ("model ", {"latency": model.get("latency_text")} | _without(model, "latency")),
        ("", {"data": [Path(str(each.get("path"))).name for each in facts.get("input", [])]}),
        ("", {"version": facts.get("versions", {}).get("onetape")}),
    ]
    found: dict[str, str] = {}
    for prefix, table in tables:
        for key, value in table.items():
            # A strategy's parameter may have the name of a setting.
            name = f"{prefix}{key}"
            while name in found:
                name += " of the run"
            found[name] = _text(value)
    return found


def _without(table: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {key: value for key, value in table.items() if not key.startswith(prefix)}


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(each) for each in value)
    return "" if value is None else str(value)


def _table(facts: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Returns a row for each setting, in the order of first occurrence; `differs`: the runs have different values."""
    order: dict[str, None] = {}
    for each in facts:
        order.update(dict.fromkeys(each))
    rows = []
    for name in order:
        values = [each.get(name) for each in facts]
        rows.append({"name": name, "values": values, "differs": len(set(values)) > 1})
    return rows


def _number(value: Any) -> Any:
    """Returns money as a number for subtraction; in a run's result it is decimal text."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _curves(run: Run) -> dict[str, Any]:
    """Returns equity curves as growth in percent of their start, so that accounts of any size share a scale."""
    ts, equity = equity_curve(run)
    start = equity[0] if len(equity) and equity[0] > 0 else 0.0
    growth = (equity / start - 1) * 100 if start else np.zeros(len(equity))
    return {
        "growth": line(ts, growth, 6, POINTS_MAX),
        "underwater": line(ts, drawdown_series(equity) * 100, 6, POINTS_MAX),
    }
