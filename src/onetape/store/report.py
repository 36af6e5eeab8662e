"""The report: one HTML file that needs nothing else, opens at once and asks nobody for anything.

Everything that a stranger may have written (names, tags, symbols, parameters) travels as JSON in a
script element of a data type and reaches the page as text nodes. The page's policy forbids every
request and every script but the two whose hashes it names.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import os
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onetape.model.time import MS
from onetape.store.report_data import Assumption, Fills, Floats, Ints, Market, ReportData
from onetape.store.statistics import drawdown_series

LINE_POINTS_MAX = 4_000  # about two for each pixel of a wide screen: the least and the most
FILLS_MAX = 20_000  # about 1.5 MB; more only makes the page slow to open


def write_report(data: ReportData, path: Path) -> Path:
    """Write the page and return its path. An unfinished file never stands under that name."""
    text = render_report(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def render_report(data: ReportData) -> str:
    """The page as text; equal data give equal bytes."""
    page = files("onetape.store") / "page"

    def asset(name: str) -> str:
        return (page / name).read_text(encoding="utf-8").strip()

    library, script = asset("uplot/uPlot.iife.min.js"), asset("report.js")
    style = asset("uplot/uPlot.min.css") + "\n" + asset("report.css")
    parts = {
        "title": html.escape(data.title),
        "policy": (
            f"default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
            f"script-src {_hash(library)} {_hash(script)}; style-src {_hash(style)}"
        ),
        "style": style,
        "data": json_for_script(_page_data(data)),
        "library": library,
        "script": script,
    }
    # One pass: a marker inside what is filled in stays as it is.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], asset("report.html")) + "\n"


def json_for_script(value: object) -> str:
    """JSON that cannot end its script element, whatever is in it."""
    text = json.dumps(_finite(value), separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, np.generic):
        return _finite(value.item())
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)


def _page_data(data: ReportData) -> dict[str, Any]:
    drawdown = drawdown_series(data.equity) * 100
    return {
        "title": data.title,
        "subtitle": data.subtitle,
        "currency": data.currency,
        "facts": [[key, value] for key, value in data.facts.items()],
        "assumptions": [_assumption(each) for each in data.assumptions],
        "stats": dict(data.stats),
        "why": data.why_no_orders,
        "equity": _line(data.equity_ts, data.equity, 8),
        "drawdown": _line(data.equity_ts, drawdown, 6),
        "markets": [_market(market) for market in data.markets],
        "fills": _fills(data.fills, [market.price_decimals for market in data.markets]),
    }


def _assumption(each: Assumption) -> dict[str, object]:
    return {"text": each.text, "bias": int(np.sign(each.bias))}


def _market(market: Market) -> dict[str, object]:
    return {
        "symbol": market.symbol,
        "decimals": market.price_decimals,
        "sizeDecimals": market.size_decimals,
        "price": _line(market.price_ts, market.price, market.price_decimals + 1),
        "position": _line(market.position_ts, market.position, market.size_decimals),
    }


def _line(ts: Ints, values: Floats, decimals: int) -> list[list[float | None]]:
    kept = thin(values, LINE_POINTS_MAX)
    times = (ts[kept] // MS).tolist()
    return [times, np.round(values[kept], decimals).tolist()]


def thin(values: Floats, points_max: int) -> NDArray[np.int64]:
    """Indices of at most `points_max` values that keep the curve's shape.

    The curve is cut into equal parts of which the least and the greatest value stay, and so do
    both ends: no spike and no deepest fall is lost, however much is left out.
    """
    count = len(values)
    if count <= points_max:
        return np.arange(count, dtype=np.int64)
    parts = (points_max - 2) // 2
    edges = np.linspace(0, count, parts + 1).astype(np.int64)
    clean = np.where(np.isfinite(values), values, -np.inf)
    least = np.where(np.isfinite(values), values, np.inf)
    kept = {0, count - 1}
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        kept.add(start + int(np.argmax(clean[start:end])))
        kept.add(start + int(np.argmin(least[start:end])))
    return np.array(sorted(kept), dtype=np.int64)


def _fills(fills: Fills, decimals: list[int]) -> dict[str, object]:
    total = len(fills.ts)
    step = max(1, math.ceil(total / FILLS_MAX))
    kept = slice(None, None, step)
    names = sorted(set(fills.tag))
    place = {name: index for index, name in enumerate(names)}
    places = max(decimals, default=8)

    def column(values: NDArray[Any], digits: int | None = None) -> list[Any]:
        shown = values[kept]
        result: list[Any] = (np.round(shown, digits) if digits is not None else shown).tolist()
        return result

    return {
        "total": total,
        "step": step,
        "ts": (fills.ts[kept] // MS).tolist(),
        "market": column(fills.market),
        "side": column(fills.side),
        "price": column(fills.price, places),
        "qty": column(fills.qty, 12),
        "fee": column(fills.fee, 8),
        "realized": column(fills.realized, 8),
        "maker": column(fills.is_maker.astype(np.int64)),
        "order": column(fills.order),
        "tag": [place[name] for name in fills.tag[kept]],
        "tags": names,
    }
