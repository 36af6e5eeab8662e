"""Write report.json: all data of the page, for programs. It is beside report.html in a run's folder.

Times are ISO 8601 UTC where they are days or months and ms UTC elsewhere; fractions are fractions;
unavailable values are null. Complete curves are in the run's journal (`run.equity`, `run.fills`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from onetape.model.errors import BY_NAME
from onetape.model.time import MS, SECOND
from onetape.report import order_flow, statistics
from onetape.report.activity import PeriodRow
from onetape.report.drawdowns import Drawdown
from onetape.report.excursions import excursion_rows
from onetape.report.metrics import metric
from onetape.report.overfitting import monte_carlo
from onetape.report.report_data import Floats, ReportData, StressLine, bias_word
from onetape.report.summary import PERIOD_NAMES, Analysis
from onetape.tape.durable import SHARED, write_durably

__all__ = ["FORMAT", "report_value", "write_json", "write_report_json"]

TRIPS_MIN, TRIPS_MAX = 10, 20_000  # bounds of resampling; the upper one takes a tenth of a second
FORMAT = 1  # version of report.json: raised when a key changes its meaning


def write_report_json(data: ReportData, path: Path, analysis: Analysis) -> Path:
    """Write report.json atomically."""
    return write_json(report_value(data, analysis), path)


def write_json(value: object, path: Path) -> Path:
    """Write one JSON value, indented; numbers that are not finite become null."""
    text = json.dumps(finite(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return write_whole(text, path)


def write_whole(text: str, path: Path) -> Path:
    """Write a file atomically: the name never shows an unfinished file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A strategy's text may hold lone surrogates, which UTF-8 cannot encode.
    return write_durably(path, text.encode(errors="backslashreplace"), mode=SHARED)


_PLAIN = {int, bool, str, type(None)}
_PLAIN_OR_FLOAT = {*_PLAIN, float}


def finite(value: object) -> object:
    """Returns plain JSON values: no NaN, no infinity, numpy numbers as numbers, other types as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, np.generic):
        return finite(value.item())
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "iub" or (value.dtype.kind == "f" and np.isfinite(value).all()):
            return value.tolist()
        return finite(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        # A curve has tens of thousands of numbers: no call for each.
        kinds = set(map(type, value))
        if kinds <= _PLAIN:
            return list(value)
        if kinds <= _PLAIN_OR_FLOAT:
            return [None if type(inner) is float and not math.isfinite(inner) else inner for inner in value]
        return [finite(inner) for inner in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)


def report_value(data: ReportData, analysis: Analysis) -> dict[str, Any]:
    """Returns the value of report.json."""
    bench = analysis.benchmark
    return {
        "format": FORMAT,
        "title": data.title,
        "subtitle": data.subtitle,
        "currency": data.currency,
        "facts": dict(data.facts),
        "statistics": dict(data.stats),
        "definitions": {key: metric(key).note for key in data.stats},
        "assumptions": [
            {"text": each.text, "bias": bias_word(each.bias), "size": each.size or None} for each in data.assumptions
        ],
        "stress": [stress_row(each, data.stats.get("pnl")) for each in data.stress],
        "stress_hint": data.stress_hint or None,
        "benchmark": {"weights": bench.weights, "words": bench.words} if bench else None,
        "drawdowns": [drawdown_row(each) for each in analysis.drawdowns],
        "monte_carlo": _reordered(analysis.trips.pnl),
        "years": [
            {"year": str(np.datetime64(start, "ns"))[:4], "return": result, "benchmark": held}
            for start, result, held in analysis.years
        ],
        "excursions": excursion_rows(analysis.excursions, analysis.trips.pnl),
        "strategies": list(data.strategies),
        "months": [period_row(each, "month") for each in analysis.months],
        "days": [period_row(each, "day") for each in analysis.days],
        "symbols": [asdict(each) for each in analysis.symbols],
        "venues": [each._asdict() for each in data.venues],
        "costs": list(data.costs),
        "own_impact": data.own_impact,
        "latency": list(data.latency),
        "attribution": list(data.attribution),
        "returns": returns_value(analysis),
        **{
            f"rolling_{name}": {
                "window": analysis.rolling_window,
                "ts": (analysis.return_ends[analysis.rolling_window - 1 :] // MS).tolist() if len(values) else [],
                "values": values.tolist(),
            }
            for name, values in analysis.rolling.items()
        },
        "orders": orders_value(data),
        "why_no_orders": data.why_no_orders or None,
        "failures": list(data.failures),
    }


def _reordered(pnl: Floats) -> dict[str, Any] | None:
    """Returns the distribution of resampled round trips; None for fewer than TRIPS_MIN or more than TRIPS_MAX."""
    if not TRIPS_MIN <= len(pnl) <= TRIPS_MAX:
        return None
    return {"trips": len(pnl), **monte_carlo(pnl)}


def stress_row(line: StressLine, base: object) -> dict[str, Any]:
    """Returns a stress line with its difference from the base profit, in money and as a share of the base's absolute
    value."""
    change = line.pnl - base if line.pnl is not None and isinstance(base, float) else None
    part = change / abs(base) if change is not None and isinstance(base, float) and base else None
    return {"name": line.name, "how": line.how, "pnl": line.pnl, "change": change, "part": part, "note": line.note}


def drawdown_row(each: Drawdown) -> dict[str, Any]:
    """Returns a drawdown: times in ms, lengths in seconds; the recovery is null if it lasts at the end."""
    back = each.ts_recovered
    return {
        "fraction": each.fraction,
        "amount": each.amount,
        "peak": each.ts_peak // MS,
        "trough": each.ts_trough // MS,
        "recovered": back // MS if back is not None else None,
        "fall_s": (each.ts_trough - each.ts_peak) / SECOND,
        "length_s": (back - each.ts_peak) / SECOND if back is not None else None,
    }


def period_row(each: PeriodRow, name: str) -> dict[str, Any]:
    """Returns a day or month with its name: 2026-06-01 or 2026-06."""
    text = str(np.datetime64(each.start, "ns").astype("datetime64[D]"))
    row = asdict(each)
    row.pop("start")
    return {name: text[:7] if name == "month" else text, "return": row.pop("result"), **row}


def returns_value(analysis: Analysis) -> dict[str, Any]:
    """Returns the distribution of returns."""
    edges, counts = statistics.histogram(analysis.returns)
    return {
        "period": PERIOD_NAMES[analysis.period_ns],
        "count": len(analysis.returns),
        "edges": edges.tolist(),
        "counts": counts.tolist(),
    }


def orders_value(data: ReportData) -> dict[str, Any] | None:
    """Returns outcomes and times of orders; None where none were recorded."""
    orders = data.orders
    if not len(orders.id):
        return None
    value: dict[str, Any] = {
        "outcomes": order_flow.outcomes(orders),
        "refusals": [
            {"state": state, "code": BY_NAME[name].code if name in BY_NAME else None, "error": name, "orders": count}
            for state, codes in data.refusals.items()
            for name, count in codes.items()
        ],
    }
    for name, times in (
        ("order_to_answer", order_flow.answer_times(orders)),
        ("order_to_first_fill", order_flow.fill_times(orders)),
        ("rested_before_maker_fill", data.resting.rest_ns),
    ):
        spread = order_flow.spread(times)
        value[name] = (
            {key: (number if key == "count" else number / MS) for key, number in asdict(spread).items()}
            if spread
            else None
        )
    value["maker_fills_by_trade"] = order_flow.trade_share(data.resting)
    return value
