"""What a report is made of: plain values, so that anything that ran can have one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Assumption(NamedTuple):
    """Something taken for granted. bias +1 flatters the result, -1 harms it, 0 is open."""

    text: str
    bias: int = 0


def no_ints() -> Ints:
    return np.zeros(0, dtype=np.int64)


def no_floats() -> Floats:
    return np.zeros(0, dtype=np.float64)


@dataclass(slots=True)
class Market:
    """One instrument over the run. Series need not share their times; position holds until changed.

    `position` is signed, in the instrument's own quantity.
    """

    symbol: str
    price_decimals: int = 2
    size_decimals: int = 8
    price_ts: Ints = field(default_factory=no_ints)
    price: Floats = field(default_factory=no_floats)
    position_ts: Ints = field(default_factory=no_ints)
    position: Floats = field(default_factory=no_floats)


@dataclass(slots=True)
class Fills:
    """Columns of equal length, in order of time. side is +1 bought, -1 sold."""

    ts: Ints = field(default_factory=no_ints)
    market: Ints = field(default_factory=no_ints)  # index into ReportData.markets
    side: Ints = field(default_factory=no_ints)
    price: Floats = field(default_factory=no_floats)
    qty: Floats = field(default_factory=no_floats)  # > 0
    fee: Floats = field(default_factory=no_floats)  # negative: a rebate
    realized: Floats = field(default_factory=no_floats)  # before fees
    is_maker: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    order: Ints = field(default_factory=no_ints)
    tag: Sequence[str] = ()  # empty, or one for each


@dataclass(slots=True)
class ReportData:
    """One run. `facts` are shown as they are, `stats` by their names (see report.py)."""

    title: str
    currency: str = "USDT"
    subtitle: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    assumptions: Sequence[Assumption] = ()
    stats: Mapping[str, object] = field(default_factory=dict)
    equity_ts: Ints = field(default_factory=no_ints)
    equity: Floats = field(default_factory=no_floats)
    markets: Sequence[Market] = ()
    fills: Fills = field(default_factory=Fills)
    why_no_orders: str = ""
