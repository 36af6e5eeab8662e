"""Compute buy and hold: the result of the same money without the strategy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from onetape.report.activity import held_at
from onetape.report.report_data import Fills, Market

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Benchmark(NamedTuple):
    """A benchmark of a run. `equity` at the run's own samples; `weights` by symbol, which add up to 1."""

    equity: Floats
    weights: dict[str, float]
    words: str


def buy_and_hold(ts: Ints, equity: Floats, markets: Sequence[Market], fills: Fills) -> Benchmark | None:
    """Returns buy and hold with equal parts of the starting equity in each traded instrument (all, where none was
    traded), bought at its first price in the run and never changed: no fees, no funding, no leverage. Before an
    instrument's first price its part is cash. A contract is held at its notional: a linear one grows as its price,
    an inverse one by 1 - first / price, since it is worth quantity / price in the coin that it settles in. None
    without prices or starting money.
    """
    if len(ts) == 0 or equity[0] <= 0:
        return None
    priced = [i for i, each in enumerate(markets) if len(each.price_ts) and each.settles_in_run]
    traded = set(np.unique(fills.market).tolist())
    chosen = [i for i in priced if i in traded] or priced
    if not chosen:
        return None
    weight = 1 / len(chosen)
    total = np.zeros(len(ts))
    for i in chosen:
        each = markets[i]
        first = float(each.price[0])
        price = held_at(each.price_ts, each.price, ts, before=first)
        if first <= 0:
            return None
        if each.kind == "inverse":
            growth = 2 - np.divide(first, price, out=np.ones(len(ts)), where=price > 0)
        else:
            growth = price / first
        total += growth * weight
    names = [markets[i].symbol for i in chosen]
    words = f"buy and hold of {', '.join(names[:4])}"
    if len(names) > 4:
        words += f" and {len(names) - 4} more"
    if len(names) > 1:
        words += f", {weight:.1%} of the starting equity each"
    else:
        words += ", all of the starting equity"
    return Benchmark(total * equity[0], dict.fromkeys(names, weight), words + ", no fees")
