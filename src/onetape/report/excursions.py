"""Compute how far round trips moved against and in favor of the position (MAE and MFE), before fees.

Prices are those of own fills and of the data between them: trades, or the bars' lows, highs and closes; where those
were not read, the samples of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onetape.report.report_data import Fills, Floats, Ints, Market

__all__ = ["Excursions", "excursion_rows", "excursions"]

_NOISE = 1e-9  # share of the quantities; a smaller position counts as flat
_SIDES = 3  # both, long, short: as in Fills.book


@dataclass(frozen=True, slots=True)
class Excursions:
    """Excursions of each closed round trip in money, in the order of closing. adverse, favourable: largest loss and
    gain while open, >= 0; retraced: loss from the best moment to the end."""

    adverse: Floats
    favourable: Floats
    retraced: Floats


def excursions(fills: Fills, markets: Sequence[Market]) -> Excursions:
    """Returns excursions of fills that settle in the run's currency, in the order of round_trips()."""
    rows: list[NDArray[np.float64]] = []
    for book in np.unique(fills.book).tolist():
        market = markets[book // _SIDES]
        if market.settles_in_run:
            rows.append(_of_book(np.flatnonzero(fills.book == book), fills, market))
    found = np.concatenate(rows) if rows else np.zeros((0, 4))
    found = found[np.argsort(found[:, 0], kind="stable")]
    return Excursions(found[:, 1], found[:, 2], found[:, 3])


def _of_book(mine: Ints, fills: Fills, market: Market) -> NDArray[np.float64]:
    """Returns rows (index of the closing fill, adverse, favourable, retraced)."""
    signed, price, ts = fills.signed[mine], fills.price[mine], fills.ts[mine]
    after = np.cumsum(signed)
    noise = _NOISE * np.maximum.accumulate(np.abs(after) + fills.qty[mine])
    after[np.abs(after) <= noise] = 0.0
    before = np.concatenate(([0.0], after[:-1]))
    opened = np.flatnonzero((after != 0) & (before * after <= 0))
    closed = np.flatnonzero((before != 0) & (before * after <= 0))
    opened = opened[: len(closed)]
    if not len(closed):
        return np.zeros((0, 4))
    sign = -1.0 if market.kind == "inverse" else 1.0
    paid = np.cumsum(sign * market.notional(price, signed))
    at_fills = sign * market.notional(price, after) - paid
    sample_ts, sampled = (market.path_ts, market.path) if len(market.path) else (market.price_ts, market.price)
    held = np.searchsorted(ts, sample_ts, side="right") - 1
    inside = held >= 0
    held, sampled, sample_ts = held[inside], sampled[inside], sample_ts[inside]
    at_samples = sign * market.notional(sampled, after[held]) - paid[held]
    # Only later than the first fill: a bar that closes at that time contains earlier prices.
    first = np.searchsorted(sample_ts, ts[opened], side="right")
    last = np.maximum(np.searchsorted(sample_ts, ts[closed], side="left"), first)
    low = np.minimum(_over(np.minimum, at_fills, opened, closed + 1), _over(np.minimum, at_samples, first, last))
    high = np.maximum(_over(np.maximum, at_fills, opened, closed + 1), _over(np.maximum, at_samples, first, last))
    begun, ended = at_fills[opened], at_fills[closed]
    return np.column_stack((mine[closed].astype(np.float64), begun - low, high - begun, high - ended))


def _over(take: np.ufunc, values: Floats, first: Ints, end: Ints) -> Floats:
    """Returns the minimum or maximum (`take`) of values[first:end] for each pair of indexes; its neutral value for an
    empty range."""
    worst = np.inf if take is np.minimum else -np.inf
    padded = np.append(values, worst)
    found: Floats = take.reduceat(padded, np.column_stack((first, end)).ravel())[::2]
    return np.where(end > first, found, worst)


def excursion_rows(found: Excursions, pnl: Floats) -> list[dict[str, Any]]:
    """Returns rows with the excursions of winners and of losers. pnl: net profit of the same round trips."""
    if len(found.adverse) != len(pnl):
        return []
    rows = []
    for name, of in (("won", pnl > 0), ("lost", pnl <= 0)):
        if of.any():
            against, best, back = found.adverse[of], found.favourable[of], found.retraced[of]
            middle, most, worst = (float(each) for each in np.quantile(against, (0.5, 0.9, 1.0)))
            rows.append(
                {
                    "name": name,
                    "trips": int(of.sum()),
                    "adverse_median": middle,
                    "adverse_p90": most,
                    "adverse_most": worst,
                    "favourable_median": float(np.median(best)),
                    "favourable_p90": float(np.quantile(best, 0.9)),
                    "retraced_median": float(np.median(back)),
                }
            )
    return rows
