"""Build the data that a report's page embeds: the values of report.json, and the curves thinned for a screen.

Times are ms UTC as a first value and differences, prices of fills as integers in the same way: a
page of 100,000 fills stays below 5 MB and is read in a few milliseconds.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onetape.model.ids import EPOCH_BITS
from onetape.model.time import MS
from onetape.report import activity
from onetape.report.drawdowns import drawdown_series
from onetape.report.grouped import SHOWN, grouped, in_order
from onetape.report.metrics import GROUPS, metric
from onetape.report.report_data import NEVER, Fills, Floats, Ints, Market, Orders, ReportData, bias_word
from onetape.report.report_json import report_value
from onetape.report.summary import Analysis

__all__ = ["FILLS_MAX", "LINE_POINTS_MAX", "line", "metric_rows", "page_data", "steps", "thin"]

LINE_POINTS_MAX = 4_000  # minimum and maximum for each pixel of a wide screen
MARKET_POINTS_MAX = 60_000  # points of all instruments together
FILLS_MAX = 100_000
STOPS_MAX = 4_000
PLOTS_MAX = 24  # series that the strategy plotted
PLOT_POINTS_MAX = 2_000
DAYS_MAX = 4_000  # eleven years
# Definitions of figures in tiles, tables and charts that are no statistics.
DEFINED = (
    "pnl",
    "equity_change",
    "final_equity",
    "fees",
    "fees_bps",
    "funding",
    "max_drawdown",
    "max_drawdown_amount",
    "day_drawdown",
    "day_end_drawdown",
    "from_prices",
    "realized",
    "return",
    "sharpe",
    "profit_factor",
    "win_rate",
    "orders",
    "maker_share",
)


def page_data(data: ReportData, analysis: Analysis) -> dict[str, Any]:
    """Returns the value of the page's data element."""
    ts, equity, bench = data.equity_ts, data.equity, analysis.benchmark
    points = MARKET_POINTS_MAX // max(2 * len(data.markets), 1)
    points = min(LINE_POINTS_MAX, max(points, 200))
    value = report_value(data, analysis)
    value["definitions"] = {key: metric(key).hover for key in DEFINED}
    for name in analysis.rolling:
        value.pop(f"rolling_{name}")
    value["strategies"] = [
        {
            **{key: each for key, each in row.items() if key not in ("ts", "level")},
            "line": line(np.asarray(row["ts"], dtype=np.int64) * MS, np.asarray(row["level"], dtype=np.float64), 4),
        }
        for row in value["strategies"]
    ]
    value["days"] = value["days"][-DAYS_MAX:]
    return {
        **value,
        "assumptions": _assumed(data),
        "facts": [[key, each] for key, each in data.facts.items()],
        "metrics": metric_rows(data.stats),
        "why": data.why_no_orders,
        "equity": line(ts, equity, 8),
        "moved": bool(data.moved.any()),
        "bench": line(ts, bench.equity, 8) if bench else None,
        "underwater": line(ts, drawdown_series(analysis.growth) * 100, 6),
        "leverage": line(ts, analysis.leverage, 6),
        "rolling": {
            "window": analysis.rolling_window,
            "lines": {
                name: line(analysis.return_ends[analysis.rolling_window - 1 :], values, 4)
                for name, values in analysis.rolling.items()
            },
        },
        "fees_paid": _fees_paid(data),
        "markets": [_market(each, points, ts) for each in data.markets],
        "stops": _stops(data.orders, int(ts[-1]) if len(ts) else 0),
        "fills": _fills(data.fills, data.markets),
        "plots": [
            {"name": name, "line": line(ts, values, 10, PLOT_POINTS_MAX)}
            for name, (ts, values) in list(data.plots.items())[:PLOTS_MAX]
        ],
        "plots_left_out": max(0, len(data.plots) - PLOTS_MAX),
    }


def _assumed(data: ReportData) -> list[dict[str, object]]:
    """Returns assumptions grouped and sorted by amount. `folded`: the lines behind the first ones, and the single
    lines of each group."""
    found = in_order(grouped(data.assumptions))
    shown = SHOWN if len(found) > SHOWN + 1 else len(found)
    said = {each.text for each in found}
    alone = [each for each in data.assumptions if each.text not in said]
    return [
        {"text": e.text, "bias": bias_word(e.bias), "size": e.size or None, "folded": at >= shown}
        for at, e in enumerate([*found, *in_order(alone)])
    ]


def metric_rows(stats: Any) -> list[dict[str, object]]:
    """Returns the statistics with order and names of metrics.py; unknown ones at the end."""
    rows = []
    for key, value in stats.items():
        found = metric(key)
        rows.append(
            {
                "key": key,
                "name": found.name,
                "form": found.form,
                "group": found.group,
                "note": found.note,
                "title": found.hover if found.note else "",
                "value": value,
            }
        )
    return sorted(rows, key=lambda row: GROUPS.index(str(row["group"])))


def steps(values: Ints) -> list[int]:
    """Returns integers as the first one and the differences between neighbours."""
    if not len(values):
        return []
    first: list[int] = values[:1].tolist()
    rest: list[int] = np.diff(values).tolist()
    return first + rest


def line(ts: Ints, values: Floats, decimals: int, points: int = LINE_POINTS_MAX) -> list[Any]:
    """Returns [times in steps, values] of a curve, thinned."""
    kept = thin(values, points)
    return [steps(ts[kept] // MS), np.round(values[kept], decimals).tolist()]


def thin(values: Floats, points_max: int) -> NDArray[np.int64]:
    """Returns indices of at most `points_max` values that keep the curve's shape.

    The curve is cut into equal parts whose minimum and maximum stay, and so do both ends: no spike and no deepest
    fall is lost.
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


def _held(changes: Ints, values: Floats, ts: Ints) -> tuple[Ints, Floats]:
    """Returns a step curve with its last value repeated at the end of the run."""
    if not len(changes) or not len(ts) or changes[-1] >= ts[-1]:
        return changes, values
    return np.append(changes, ts[-1]), np.append(values, values[-1])


def _market(market: Market, points: int, ts: Ints) -> dict[str, object]:
    position_ts, position = _held(market.position_ts, market.position, ts)
    return {
        "symbol": market.symbol,
        "decimals": market.price_decimals,
        "sizeDecimals": market.size_decimals,
        "price": line(market.price_ts, market.price, market.price_decimals + 1, points),
        "position": line(position_ts, position, market.size_decimals, points),
    }


def _fees_paid(data: ReportData) -> list[Any]:
    """Returns [times, total fees]: after each fill and at the end of the run."""
    settles = np.array([each.settles_in_run for each in data.markets], dtype=np.bool_)
    mine = settles[data.fills.market] if len(settles) else np.zeros(len(data.fills.ts), dtype=np.bool_)
    return line(*_held(data.fills.ts[mine], np.cumsum(data.fills.fee[mine]), data.equity_ts), 8)


def _stops(orders: Orders, end: int) -> dict[str, object]:
    """Returns trigger orders as segments at their trigger price, from the request until they fire or end."""
    kept = np.flatnonzero(orders.trigger > 0) if len(orders.id) else np.zeros(0, dtype=np.int64)
    total = len(kept)
    kept = kept[:: max(1, math.ceil(total / STOPS_MAX))]
    if not len(kept):
        return {"total": 0, "from": [], "to": [], "market": [], "side": [], "level": []}
    done = orders.ts_done[kept]
    return {
        "total": total,
        "from": steps(orders.ts_request[kept] // MS),
        "to": (np.where(done == NEVER, end, done) // MS - orders.ts_request[kept] // MS).tolist(),
        "market": orders.market[kept].tolist(),
        "side": orders.side[kept].tolist(),
        "level": np.round(orders.trigger[kept], 12).tolist(),
    }


def _fills(fills: Fills, markets: Any) -> dict[str, object]:
    total = len(fills.ts)
    step = max(1, math.ceil(total / FILLS_MAX))
    kept = slice(None, None, step)
    tags = [fills.tag[i] for i in range(0, total, step)] if len(fills.tag) else []
    names = sorted(set(tags))
    place = {name: index for index, name in enumerate(names)}
    decimals = np.array([each.price_decimals for each in markets] or [8], dtype=np.int64)
    market = fills.market[kept]
    scale = 10.0 ** (decimals[market] if len(markets) else 8)
    flags = (fills.side[kept] > 0) * 1 + fills.is_maker[kept] * 2 + activity.opens(fills)[kept] * 4
    return {
        "total": total,
        "step": step,
        "ts": steps(fills.ts[kept] // MS),
        "market": market.tolist() if len(markets) > 1 else [],
        # Sum of 1: bought, 2: maker, 4: entry.
        "flags": "".join(map(str, flags.tolist())),
        "price": steps(np.rint(fills.price[kept] * scale).astype(np.int64)),
        "qty": np.round(fills.qty[kept], 12).tolist(),
        "fee": _significant(fills.fee[kept]),
        "realized": _significant(fills.realized[kept]),
        # Numbers in a page have 53 bits: it shows only an order's number within the robot's incarnation.
        "order": steps(fills.order[kept] & (1 << EPOCH_BITS) - 1),
        "tag": [place[name] for name in tags],
        "tags": names,
    }


def _significant(values: Floats) -> list[float | int]:
    """Returns seven significant digits; whole numbers, zeros above all, without a point."""
    places = np.where(values == 0, 0, 6 - np.floor(np.log10(np.abs(values) + (values == 0))))
    scale = 10.0 ** np.clip(places, -300, 300)
    rounded = np.round(values * scale) / scale
    return [int(each) if each == int(each) else each for each in rounded.tolist()]
