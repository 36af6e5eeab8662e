"""Compute the exact cost of worse fills and higher fees from the recorded fills.

Both keep every decision and every fill. In reality a strategy that sees worse prices may decide differently, or an
order may not fill: only a re-run shows that (see research/stress.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onetape.report.report_data import Fills, Market, StressLine

Floats = NDArray[np.float64]

FEE_FACTOR = 1.25


def tick_cost(fills: Fills, markets: Sequence[Market]) -> float:
    """Returns the cost, in the report's currency, of a price one tick worse on each taker fill, including its fee."""
    cost = 0.0
    for index, each in enumerate(markets):
        if not each.settles_in_run or each.tick <= 0:
            continue
        mine = (fills.market == index) & ~fills.is_maker
        price, signed = fills.price[mine], fills.signed[mine]
        worse = price + fills.side[mine] * each.tick
        value, worse_value = each.notional(price, signed), each.notional(worse, signed)
        # A linear buy pays more; an inverse one gets fewer coins for its contracts. Either way the difference is a
        # loss, and the fee follows the notional.
        cost += float(np.abs(worse_value - value).sum())
        ratio = np.divide(worse_value, value, out=np.ones(len(value)), where=value != 0)
        cost += float((fills.fee[mine] * (ratio - 1)).sum())
    return cost


def fee_cost(fills: Fills, markets: Sequence[Market], factor: float = FEE_FACTOR) -> float:
    """Returns the cost of higher fees, in the report's currency.

    With a table of fee tiers each fill gets the rate of the tier below its own; its own tier is found by its rate (of
    equal rates the lowest tier). Without a table, and in the base tier: fees `factor` times as high, and rebates
    smaller by the same share.
    """
    cost = 0.0
    for index, each in enumerate(markets):
        if not each.settles_in_run:
            continue
        mine = fills.market == index
        more = np.abs(fills.fee[mine]) * (factor - 1)
        if len(each.fee_table):
            more = _tier_below(fills, mine, each, more)
        cost += float(more.sum())
    return cost


def _tier_below(fills: Fills, mine: NDArray[np.bool_], market: Market, otherwise: Floats) -> Floats:
    """Returns each fill's extra cost in the tier below its own; `otherwise` in the base tier."""
    fee = fills.fee[mine]
    notional = np.abs(market.notional(fills.price[mine], fills.qty[mine]))
    own = np.divide(fee, notional, out=np.zeros(len(fee)), where=notional > 0)
    more = np.array(otherwise)
    for column, kind in enumerate((fills.is_maker[mine], ~fills.is_maker[mine])):
        rates = np.array([row[column] for row in market.fee_table])
        tier = np.argmin(np.abs(own[kind, None] - rates), axis=1)
        dearer = (rates[np.maximum(tier - 1, 0)] - own[kind]) * notional[kind]
        more[kind] = np.where(tier > 0, dearer, more[kind])
    return more


def exact_lines(pnl: float | None, fills: Fills, markets: Sequence[Market]) -> list[StressLine]:
    """Returns two stress lines: each taker fill one tick worse; and one fee tier up, or fees a quarter higher."""
    if pnl is None or not len(fills.ts):
        return []
    has_table = any(len(each.fee_table) for each in markets)
    takers = int((~fills.is_maker).sum())
    return [
        StressLine(
            "one tick worse on each taker fill",
            "exact",
            pnl - tick_cost(fills, markets),
            f"the {takers:,} recorded taker fills, each one tick worse",
        ),
        StressLine(
            "one fee tier up" if has_table else f"fees x{FEE_FACTOR:g}",
            "exact",
            pnl - fee_cost(fills, markets),
            "each fill at the rate of the tier below its own; in the base tier a quarter more"
            if has_table
            else "no table of tiers is known: all fees a quarter higher, rebates a quarter lower",
        ),
    ]
