"""Define the data of a report: plain values, independent of their source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from onetape.report.annual import Annual

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Plots = Mapping[str, tuple[Ints, Floats]]  # the strategy's series by name: times and values

NEVER = -1  # an event that did not occur
ORDER_STATES = ("filled", "partly filled", "canceled", "expired", "rejected", "denied", "working")


class Assumption(NamedTuple):
    """An assumption of the result. bias: +1 makes the result look better than it is (flatters), -1 worse (hurts), 0
    unknown, None a neutral fact. size: its effect in words, "" if not computed; amount: the effect in the result's
    currency, if it is money; key: kind of simplification, to compute the size."""

    text: str
    bias: int | None = 0
    size: str = ""
    key: str = ""
    amount: float | None = None


def bias_word(bias: int | None) -> str:
    """Returns "flatters", "hurts" or "unknown"; "given" for a fact."""
    if bias is None:
        return "given"
    return "flatters" if bias > 0 else "hurts" if bias < 0 else "unknown"


class StressLine(NamedTuple):
    """The profit under one worse assumption.

    how: `exact` (computed from the recorded fills), `re-run` (from another backtest), or `not run`. pnl: net profit
    in the report's currency, None: not available.
    """

    name: str
    how: str
    pnl: float | None
    note: str = ""


class VenueLine(NamedTuple):
    """The result of a run at one venue, in the named currency. cash and equity are None where one account serves
    several venues."""

    venue: str
    currency: str
    cash: float | None
    equity: float | None
    pnl: float | None
    fees: float | None
    funding: float | None
    volume: float | None


def no_ints() -> Ints:
    return np.zeros(0, dtype=np.int64)


def no_floats() -> Floats:
    return np.zeros(0, dtype=np.float64)


def no_codes() -> NDArray[np.int8]:
    return np.zeros(0, dtype=np.int8)


def no_flags() -> NDArray[np.bool_]:
    return np.zeros(0, dtype=np.bool_)


@dataclass(slots=True)
class Market:
    """The series of one instrument over the run. Series may have different times; a position is valid until its next
    value.

    `position` is signed, in the instrument's own quantity. `fees` and `funding` are totals in the
    report's currency; `settles_in_run` is False for an instrument that settles in another currency: sums of money
    exclude it.
    """

    symbol: str
    price_decimals: int = 2
    size_decimals: int = 8
    price_ts: Ints = field(default_factory=no_ints)
    price: Floats = field(default_factory=no_floats)
    path_ts: Ints = field(default_factory=no_ints)  # times of all prices in the data: trades, or bars' lows,
    path: Floats = field(default_factory=no_floats)  # highs and closes; empty where not read
    position_ts: Ints = field(default_factory=no_ints)
    position: Floats = field(default_factory=no_floats)
    kind: str = "linear"  # spot | linear | inverse
    multiplier: float = 1.0
    tick: float = 0.0
    fees: float = 0.0
    funding: float = 0.0
    settles_in_run: bool = True
    traded: float = 0.0  # market volume of the data's trades, or else bars; 0: unknown
    fee_table: Sequence[tuple[float, float]] = ()  # (maker, taker) rate by tier, base tier first

    def notional(self, price: Floats, qty: Floats) -> Floats:
        """Value of qty at price in the settle currency, signed as qty; 0 where price is 0."""
        if self.kind == "inverse":
            value = np.divide(qty * self.multiplier, price, out=np.zeros(len(price)), where=price != 0)
            return np.asarray(value, dtype=np.float64)
        return price * qty * self.multiplier

    def gain(self, price: Floats, qty: Floats, last: float) -> float:
        """Returns profit or loss of signed qty, bought or sold at price, when the price is `last`."""
        now = self.notional(np.full(len(price), last), qty)
        then = self.notional(price, qty)
        return float((then - now if self.kind == "inverse" else now - then).sum())


@dataclass(slots=True)
class Fills:
    """The fills of a run as columns of equal length, in order of time. side is +1 bought, -1 sold."""

    ts: Ints = field(default_factory=no_ints)
    market: Ints = field(default_factory=no_ints)  # index into ReportData.markets
    side: Ints = field(default_factory=no_ints)
    price: Floats = field(default_factory=no_floats)
    qty: Floats = field(default_factory=no_floats)  # > 0
    fee: Floats = field(default_factory=no_floats)  # negative: a rebate
    realized: Floats = field(default_factory=no_floats)  # before fees
    is_maker: NDArray[np.bool_] = field(default_factory=no_flags)
    order: Ints = field(default_factory=no_ints)
    tag: Sequence[str] = ()  # one for each fill, or empty
    position_side: Ints = field(default_factory=no_ints)  # 0 both, 1 long, 2 short; empty: 0

    @property
    def signed(self) -> Floats:
        """Quantity with the sign of its side."""
        return self.side * self.qty

    @property
    def book(self) -> Ints:
        """Position number of each fill: instrument and, in hedge mode, its side."""
        return self.market * 3 + (self.position_side if len(self.position_side) else 0)


@dataclass(slots=True)
class Orders:
    """The orders of a run as columns of equal length, one row an order, in the order of their requests.

    Times are ns UTC on the robot's clock, times called `venue_` on the exchange's; NEVER: it did not happen. `state`
    is an index into ORDER_STATES. There may be millions of orders: small values have narrow types.
    """

    id: Ints = field(default_factory=no_ints)
    market: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    side: NDArray[np.int8] = field(default_factory=no_codes)  # +1 buy, -1 sell
    price: Floats = field(default_factory=no_floats)  # 0: market order
    trigger: Floats = field(default_factory=no_floats)  # 0: none
    qty: Floats = field(default_factory=no_floats)
    filled: Floats = field(default_factory=no_floats)
    state: NDArray[np.int8] = field(default_factory=no_codes)
    ts_request: Ints = field(default_factory=no_ints)
    ts_answer: Ints = field(default_factory=no_ints)  # first order event, a fill included
    ts_fill: Ints = field(default_factory=no_ints)  # the first fill
    ts_done: Ints = field(default_factory=no_ints)  # filled, canceled, expired, rejected; triggered


@dataclass(slots=True)
class Resting:
    """How orders rested before maker fills: duration at the exchange (ns), time of the fill there (ns), index into
    ReportData.markets, and whether a trade caused the fill."""

    rest_ns: Ints = field(default_factory=no_ints)
    by_trade: NDArray[np.bool_] | None = None  # None: the tapes do not show it (bars, too long)
    at: Ints = field(default_factory=no_ints)
    market: Ints = field(default_factory=no_ints)


@dataclass(slots=True)
class ReportData:
    """The data of a report on one run. `facts` are shown unchanged, `stats` by their names (see metrics.py)."""

    title: str
    currency: str = "USDT"
    subtitle: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    assumptions: Sequence[Assumption] = ()
    stats: Mapping[str, object] = field(default_factory=dict)
    equity_ts: Ints = field(default_factory=no_ints)
    equity: Floats = field(default_factory=no_floats)
    moved: Floats = field(default_factory=no_floats)  # total of deposits less withdrawals, at each sample; empty: none
    markets: Sequence[Market] = ()
    fills: Fills = field(default_factory=Fills)
    plots: Plots = field(default_factory=dict)
    why_no_orders: str = ""
    refusals: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # state -> error
    failures: Sequence[str] = ()  # the first few exceptions of the strategy
    orders: Orders = field(default_factory=Orders)
    resting: Resting = field(default_factory=Resting)
    stress: Sequence[StressLine] = ()
    stress_hint: str = ""  # how to get re-runs, if there are none
    venues: Sequence[VenueLine] = ()
    annual: Annual = field(default_factory=Annual)
    costs: Sequence[Mapping[str, object]] = ()  # rows of `onetape tca`: by algorithm, then by cause
    own_impact: str = ""  # text of `onetape tca` about own impact
    latency: Sequence[Mapping[str, object]] = ()  # rows of `onetape tca`: order latencies by strategy and direction
    attribution: Sequence[Mapping[str, object]] = ()  # rows of `onetape attribution`
    strategies: Sequence[Mapping[str, object]] = ()  # of several strategies: each with its profit at days' ends
