"""Compute outcomes and delays of orders. Pure functions on columns (see Orders, Resting)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onetape.report.report_data import NEVER, ORDER_STATES, Orders, Resting

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution of times in ns: nearest-rank quantiles, so each is a time that occurred."""

    count: int
    least: int
    median: int
    p90: int
    p99: int
    most: int
    mean: float


def spread(values: Ints) -> Spread | None:
    """Returns quantiles of non-negative times; None without any."""
    if not len(values):
        return None
    ordered = np.sort(values)

    def rank(part: float) -> int:
        return int(ordered[max(int(np.ceil(part * len(ordered))) - 1, 0)])

    return Spread(
        count=len(ordered),
        least=int(ordered[0]),
        median=rank(0.5),
        p90=rank(0.9),
        p99=rank(0.99),
        most=int(ordered[-1]),
        mean=float(ordered.mean()),
    )


def outcomes(orders: Orders) -> dict[str, int]:
    """Returns the number of orders by final state, in the order of ORDER_STATES, zeros included."""
    counts = np.bincount(orders.state, minlength=len(ORDER_STATES))
    return dict(zip(ORDER_STATES, counts.tolist(), strict=True))


def fill_ratio(orders: Orders) -> float | None:
    """Returns the share of orders that reached the exchange and were filled at least in part.

    Orders are counted, not weighted by size, as sizes of different instruments do not add up. Denied and rejected
    orders are excluded.
    """
    refused = (ORDER_STATES.index("denied"), ORDER_STATES.index("rejected"))
    sent = ~np.isin(orders.state, refused)
    return float(np.mean(orders.filled[sent] > 0)) if sent.any() else None


def quantity_ratio(orders: Orders) -> float | None:
    """Returns filled over requested quantity, the mean over orders that reached the exchange."""
    refused = (ORDER_STATES.index("denied"), ORDER_STATES.index("rejected"))
    sent = ~np.isin(orders.state, refused) & (orders.qty > 0)
    return float(np.mean(orders.filled[sent] / orders.qty[sent])) if sent.any() else None


def answer_times(orders: Orders) -> Ints:
    """Returns times from the decision to the first order event at the robot, with latency both ways."""
    valid = orders.ts_answer != NEVER
    times: Ints = orders.ts_answer[valid] - orders.ts_request[valid]
    return times


def fill_times(orders: Orders) -> Ints:
    """Returns times from the decision to the first fill's event at the robot; resting time included."""
    valid = orders.ts_fill != NEVER
    times: Ints = orders.ts_fill[valid] - orders.ts_request[valid]
    return times


def trade_share(resting: Resting) -> float | None:
    """Returns the share of maker fills that a trade on the tape caused; the others were caused by a moving best
    price. None if the tapes do not show it.
    """
    if resting.by_trade is None or not len(resting.by_trade):
        return None
    return float(resting.by_trade.mean())
