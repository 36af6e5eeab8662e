"""What worse fills and dearer fees would have taken, exactly, from the fills as they came.

Both keep every decision and every fill: a strategy that sees worse prices may decide otherwise,
and an order may then not fill at all. Only a re-run knows that (see services/stress.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onetape.store.report_data import Fills, Market, StressLine

FEE_FACTOR = 1.25


def tick_cost(fills: Fills, markets: Sequence[Market]) -> float:
    """What one tick against us on each taker fill costs, in the report's currency, its fee
    included."""
    cost = 0.0
    for index, each in enumerate(markets):
        if not each.settles_here or each.tick <= 0:
            continue
        mine = (fills.market == index) & ~fills.is_maker
        price, signed = fills.price[mine], fills.signed[mine]
        worse = price + fills.side[mine] * each.tick
        value, worse_value = each.notional(price, signed), each.notional(worse, signed)
        # A linear buy pays more; an inverse one gets fewer coins for its contracts. Either way the
        # difference is a loss, and the fee follows the notional.
        cost += float(np.abs(worse_value - value).sum())
        ratio = np.divide(worse_value, value, out=np.ones(len(value)), where=value != 0)
        cost += float((fills.fee[mine] * (ratio - 1)).sum())
    return cost


def fee_cost(fills: Fills, markets: Sequence[Market], factor: float = FEE_FACTOR) -> float:
    """What fees `factor` times as high cost more: rebates shrink by the same part."""
    here = np.array([each.settles_here for each in markets], dtype=np.bool_)
    mine = here[fills.market] if len(here) else np.zeros(len(fills.ts), dtype=np.bool_)
    return float(np.abs(fills.fee[mine]).sum() * (factor - 1))


def exact_lines(pnl: float | None, fills: Fills, markets: Sequence[Market]) -> list[StressLine]:
    """One tick worse on each taker fill, and fees a quarter higher."""
    if pnl is None or not len(fills.ts):
        return []
    takers = int((~fills.is_maker).sum())
    return [
        StressLine(
            "one tick worse on each taker fill",
            "exact",
            pnl - tick_cost(fills, markets),
            f"{takers:,} taker fills, as they came, each one tick worse",
        ),
        StressLine(
            f"fees x{FEE_FACTOR:g}",
            "exact",
            pnl - fee_cost(fills, markets),
            "no table of tiers is known: all fees a quarter higher, rebates a quarter lower",
        ),
    ]
