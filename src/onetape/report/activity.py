"""Compute exposure, leverage and turnover, by instrument, by day and by month.

Pure functions on arrays. A position stays until it changes; days and months are UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from onetape.model.time import DAY, SECOND
from onetape.report.report_data import Fills, Market, no_floats
from onetape.report.statistics import period_ends, time_weighted

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_UNMOVED = no_floats()


def exposure(ts: Ints, position: Floats, *, ts_first: int, ts_last: int) -> float | None:
    """Returns the share of the time from ts_first to ts_last (ns) with a position. position: from each ts until the
    next."""
    span = ts_last - ts_first
    if span <= 0:
        return None
    edges = np.clip(np.append(ts, ts_last), ts_first, ts_last)
    return float(np.diff(edges)[position != 0].sum() / span)


def any_exposure(markets: Sequence[Market], *, ts_first: int, ts_last: int) -> float | None:
    """Returns the share of the time with a position in at least one instrument."""
    if ts_last <= ts_first:
        return None
    with_steps = [each for each in markets if len(each.position_ts)]
    if not with_steps:
        return 0.0
    moments = np.unique(np.concatenate([each.position_ts for each in with_steps]))
    held = np.zeros(len(moments), dtype=np.bool_)
    for each in with_steps:
        held |= held_at(each.position_ts, each.position, moments) != 0
    return exposure(moments, held.astype(np.float64), ts_first=ts_first, ts_last=ts_last)


def held_at(ts: Ints, values: Floats, moments: Ints, *, before: float = 0.0) -> Floats:
    """Returns a step function's value at each time: the last one at or before it, else `before`."""
    if not len(ts):
        return np.full(len(moments), before)
    at = np.searchsorted(ts, moments, side="right") - 1
    return np.where(at >= 0, values[np.maximum(at, 0)], before)


def leverage(markets: Sequence[Market], ts: Ints, equity: Floats) -> Floats:
    """Returns the gross notional of all positions over equity at each sample; NaN where equity is not > 0.

    Long and short instruments add up, without assuming that they hedge each
    other. The two sides of one instrument in hedge mode are netted.
    Instruments that settle in another currency than the report's are left out.
    """
    gross = np.zeros(len(ts))
    for each in markets:
        if not each.settles_in_run or not len(each.price_ts) or not len(each.position_ts):
            continue
        price = held_at(each.price_ts, each.price, ts)
        qty = held_at(each.position_ts, each.position, ts)
        gross += np.abs(each.notional(price, qty))
    ratio: Floats = np.divide(gross, equity, out=np.full(len(ts), np.nan), where=equity > 0)
    return ratio


def mean_by_time(ts: Ints, values: Floats) -> float | None:
    """Returns the time-weighted mean of a step function from its first to its last time; NaN samples are left out."""
    if len(ts) < 2:
        return None
    weights = np.diff(ts).astype(np.float64)
    finite = np.isfinite(values[:-1])
    total = weights[finite].sum()
    return float((values[:-1][finite] * weights[finite]).sum() / total) if total > 0 else None


def turnover(notional: Floats, equity: Floats) -> float | None:
    """Returns the sum of traded notional (both sides) over the mean equity."""
    mean = float(np.mean(equity)) if len(equity) else 0.0
    return float(np.abs(notional).sum() / mean) if mean > 0 else None


def fill_notional(fills: Fills, markets: Sequence[Market]) -> Floats:
    """Returns each fill's value in its settle currency, > 0; 0 for an instrument that does not settle in the report's
    currency."""
    value = np.zeros(len(fills.ts))
    for index, each in enumerate(markets):
        if each.settles_in_run:
            mine = fills.market == index
            value[mine] = np.abs(each.notional(fills.price[mine], fills.qty[mine]))
    return value


def opens(fills: Fills) -> NDArray[np.bool_]:
    """Returns an array: True for each fill that opens or adds to a position, False for a fill that only reduces it.

    A fill that turns a position around counts as an entry.
    """
    result = np.zeros(len(fills.ts), dtype=np.bool_)
    signed, book = fills.signed, fills.book
    for number in np.unique(book).tolist():
        mine = np.flatnonzero(book == number)
        after = np.cumsum(signed[mine])
        before = after - signed[mine]
        noise = 1e-9 * np.maximum(np.abs(before), fills.qty[mine])
        result[mine] = (np.abs(after) > noise) & (after * signed[mine] > 0)
    return result


@dataclass(frozen=True, slots=True)
class PeriodRow:
    """The figures of one day or month. `start` ns; money in the report's currency; net of fees and funding."""

    start: int
    pnl: float
    result: float | None  # return; None if the equity at its start is not > 0
    equity: float
    drawdown: float  # maximum drawdown within the period, as a fraction
    fills: int
    notional: float
    fees: float


def by_period(starts: Ints, ts: Ints, equity: Floats, fills: Fills, notional: Floats, moved: Floats) -> list[PeriodRow]:
    """Returns the rows of the periods that begin at `starts` (ascending, the first at or before ts[0]). moved: as in
    ReportData."""
    if not len(ts):
        return []
    growth, earned = time_weighted(equity, moved), equity - moved if len(moved) else equity
    ends = np.append(starts[1:], np.iinfo(np.int64).max)
    last = np.searchsorted(ts, ends, side="left") - 1
    first = np.searchsorted(ts, starts, side="left")
    fill_edges = np.searchsorted(fills.ts, np.append(starts, ends[-1]), side="left")
    rows = []
    before = 0
    for i, start in enumerate(starts.tolist()):
        end = max(int(last[i]), before)
        began, level = float(growth[before]), float(growth[end])
        inside = np.concatenate(([began], growth[first[i] : last[i] + 1]))
        peaks = np.maximum.accumulate(inside)
        falls = np.divide(peaks - inside, peaks, out=np.zeros(len(inside)), where=peaks > 0)
        part = slice(int(fill_edges[i]), int(fill_edges[i + 1]))
        rows.append(
            PeriodRow(
                start=start,
                pnl=float(earned[end] - earned[before]),
                result=level / began - 1 if began > 0 else None,
                equity=float(equity[end]),
                drawdown=float(falls.max()),
                fills=part.stop - part.start,
                notional=float(notional[part].sum()),
                fees=float(fills.fee[part].sum()),
            )
        )
        before = end
    return rows


def by_day(ts: Ints, equity: Floats, fills: Fills, notional: Floats, moved: Floats = _UNMOVED) -> list[PeriodRow]:
    """Returns one row for each UTC day from the first sample to the last; days without fills included.

    The first and the last day may be incomplete.
    """
    if not len(ts):
        return []
    starts = np.append(ts[:1] // DAY * DAY, period_ends(ts, DAY))
    return by_period(starts, ts, equity, fills, notional, moved)


def by_month(
    ts: Ints, equity: Floats, fills: Fills, notional: Floats, moved: Floats = _UNMOVED, *, months: int = 1
) -> list[PeriodRow]:
    """Returns one row for each calendar month (UTC) from the first sample to the last. months: 12 for calendar
    years."""
    if not len(ts):
        return []
    at = datetime.fromtimestamp(int(ts[0]) // SECOND, UTC)
    count = (at.year * 12 + at.month - 1) // months * months  # months since the year 0
    starts = []
    while (start := int(datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC).timestamp()) * SECOND) <= ts[-1]:
        starts.append(start)
        count += months
    return by_period(np.array(starts, dtype=np.int64), ts, equity, fills, notional, moved)


@dataclass(frozen=True, slots=True)
class SymbolRow:
    """The figures of one instrument. Money in the report's currency; None where it settles in another."""

    symbol: str
    fills: int
    maker_share: float | None
    notional: float | None
    pnl: float | None  # profit after fees and funding, open positions at the last price
    realized: float | None  # profit of closed positions before fees and funding
    fees: float | None
    funding: float | None
    exposure: float | None
    round_trips: int
    win_rate: float | None
