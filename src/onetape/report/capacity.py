"""Estimate how much money a strategy could have used, from the market's volume.

Impact by the square-root law (J.-P. Bouchaud, J. Bonart, J. Donier, M. Gould, Trades, Quotes and Prices, 2018): an
order of Q in a market with daily volume V and daily volatility s costs s * sqrt(Q / V) of its notional. With k times
the money profit grows by k and the cost of impact by k ** 1.5, so above k = (2 * profit / (3 * impact)) ** 2 more
money earns less. The law is only applied up to a tenth of the market's volume.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onetape.model.time import DAY
from onetape.report.report_data import Fills, Floats, Ints, Market
from onetape.report.statistics import choose_period, period_returns

__all__ = ["capacity", "volume_share"]

SHARE_MAX = 0.1  # largest share of the market's volume


def volume_share(fills: Fills, markets: Sequence[Market]) -> float | None:
    """Returns the own quantity over the data's market volume, of the instrument with the largest share; None where
    the data have no volume."""
    shares = [
        float(fills.qty[fills.market == index].sum()) / each.traded
        for index, each in enumerate(markets)
        if each.traded > 0
    ]
    return max(shares, default=None)


def capacity(profit: float, ts: Ints, equity: Floats, fills: Fills, markets: Sequence[Market]) -> float | None:
    """Returns the equity above which more money earns less; None without profit, volume, or a day of data."""
    span = int(ts[-1] - ts[0]) if len(ts) else 0
    if profit <= 0 or span < DAY or not len(fills.ts):
        return None
    impact = 0.0
    for index, each in enumerate(markets):
        mine = np.flatnonzero(fills.market == index)
        if not len(mine):
            continue
        moves = _volatility(each)
        if each.traded <= 0 or moves is None or not each.settles_in_run:
            return None  # one instrument cannot be estimated, so the sum cannot
        _, order = np.unique(fills.order[mine], return_inverse=True)
        qty = np.bincount(order, weights=fills.qty[mine])
        notional = np.bincount(order, weights=np.abs(each.notional(fills.price[mine], fills.qty[mine])))
        impact += float((notional * moves * np.sqrt(qty * span / (each.traded * DAY))).sum())
    share = volume_share(fills, markets)
    if impact <= 0 or not share:
        return None
    return float(np.mean(equity)) * min((2 * profit / (3 * impact)) ** 2, SHARE_MAX / share)


def _volatility(market: Market) -> float | None:
    """Returns the daily volatility from the samples of the price; None for fewer than two returns."""
    if len(market.price_ts) < 3:
        return None
    period = choose_period(market.price_ts)
    returns = period_returns(market.price_ts, market.price, period)
    return float(np.std(returns, ddof=1)) * float(np.sqrt(DAY / period)) if len(returns) > 1 else None
