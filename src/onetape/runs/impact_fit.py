"""Fit how much a run's own takers move the market, from its parent orders: the coefficient of the square-root law of
`--impact` (core/exchange/impact.hpp), with its standard error. Half-life, window and permanent share are inputs.

Each parent is a row: y, the measured adverse move of the market, and x, the law's value of it with coefficient 1.

    at a venue       y = mid one sample (window / 60) after its last taker fill, less that just before its first,
                     x = the displacement then, less that before
    in a simulation  own takers moved the fills, not the recorded market: y = price of an order's first taker fill,
                     less the touch when the parent was decided on; x = the displacement that the order met; both in
                     the mean of its market orders (a limit cuts off the dear ones)

The market's own movement is noise; its variance is proportional to time. In units of its deviation (one tick beside
it) y = a + coefficient x by least squares. a does not depend on size: it contains the spread and the decisions'
prediction of the market. Parents that overlap in time share noise, so the bootstrap for error and interval draws them
together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import copysign, sqrt
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from onetape.engine.impact import SAMPLES, Impact
from onetape.model.instrument import Instrument
from onetape.model.symbol import at_exchange
from onetape.model.time import TIME_MAX, format_duration
from onetape.replay.filled_orders import FilledOrder, OrderFill, OrdersOfRun
from onetape.replay.market_prices import Market
from onetape.replay.resampling import interval_of, resampled

__all__ = ["ImpactFit", "ParentOrders", "Row", "fit_rows", "impact_rows"]

SAMPLES_MIN: Final = 10  # as in the core: fewer samples give no volatility
PARENTS_MIN: Final = 20  # fewer parents do not show their variation
_BUY, _MARKET, _TAKER = 1, 2, 2
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class ParentOrders(NamedTuple):
    """A parent order as fitted. start: of its decision, ns."""

    facts: Instrument
    side: int  # 1 of a buy, -1 of a sale
    start: int
    orders: Sequence[FilledOrder]


class Row(NamedTuple):
    """One parent's measurement. y, x: price units in its own direction; variance: of y without impact; begin, end:
    ns."""

    symbol: str
    begin: int
    end: int
    y: float
    x: float
    variance: float


@dataclass(frozen=True, slots=True)
class ImpactFit:
    """The result of a fit. law: with the fitted coefficient and the other, fixed values; None: too few parents.
    error: standard error of the coefficient; low, high: its 95 % interval; parents: number used in the fit; apart:
    number of groups of parents that do not overlap in time; unfitted: number of other parents with fills."""

    law: Impact
    coefficient: float | None
    error: float | None
    low: float | None
    high: float | None
    parents: int
    apart: int
    unfitted: int

    @property
    def is_positive(self) -> bool:
        """True when the interval excludes 0."""
        return self.low is not None and self.low > 0

    def __str__(self) -> str:
        terms = f"with half-life {format_duration(self.law.half_life)} and window {format_duration(self.law.window)}"
        if self.coefficient is None or self.low is None or self.high is None:
            return (
                f"own impact is not known: it needs {PARENTS_MIN} parent orders of different sizes, apart in time; "
                f"of {self.parents + self.unfitted:,} with fills {self.apart:,} count"
            )
        text = (
            f"own impact: coefficient {self.coefficient:.3g} +- {self.error:.2g} (95 %: {self.low:.3g} to "
            f"{self.high:.3g}), fitted to {self.parents:,} parent orders {terms}"
        )
        if self.high <= 0:
            return f"{text}; the market moved the other way: the decisions' prediction outweighs own impact"
        if not self.is_positive:
            return f"{text}; it cannot be distinguished from zero: too few parent orders, or too small ones"
        if self.high > 3 * self.low:
            return f"{text}; known to a factor of {self.high / self.low:.0f} only"
        return text

    def as_json(self) -> dict[str, object]:
        return {
            **{name: getattr(self, name) for name in self.__slots__ if name != "law"},
            "law": str(self.law),
            "words": str(self),
        }


def fit_rows(rows: Sequence[Row], law: Impact, *, unfitted: int = 0) -> ImpactFit:
    """Returns the coefficient fitted to rows whose x is known."""
    group, last = -1, ("", -TIME_MAX)
    sums: dict[int, Floats] = defaultdict(lambda: np.zeros(5))
    for each in sorted(rows):
        if each.symbol != last[0] or each.begin >= last[1]:
            group, last = group + 1, (each.symbol, each.end)
        last = each.symbol, max(last[1], each.end)
        x, y = np.array([each.x, each.y]) / sqrt(each.variance)
        sums[group] += np.array([1.0, x, y, x * x, x * y])
    counts = len(rows), len(sums), unfitted
    table = np.array([sums[n] for n in range(len(sums))]).reshape(-1, 5)
    found = float(_slopes(table.sum(axis=0)))
    if len(sums) < PARENTS_MIN or not np.isfinite(found):
        return ImpactFit(law, None, None, None, None, *counts)
    drawn = _slopes(resampled(table))
    interval = interval_of(drawn)
    assert interval is not None
    return ImpactFit(law._replace(coefficient=found), found, float(np.nanstd(drawn)), *interval, *counts)


def _slopes(sums: Floats) -> Floats:
    """Returns the slope of the fitted line for each set of sums; nan if all x are equal."""
    count, x, y, xx, xy = sums.T
    below = count * xx - x * x
    slopes: Floats = np.full_like(below, np.nan)
    np.divide(count * xy - x * y, below, out=slopes, where=below > 1e-9 * count * xx)
    return slopes


def impact_rows(
    parents: Iterable[ParentOrders], found: OrdersOfRun, market: Market, law: Impact, *, at_venue: bool
) -> list[Row]:
    """Returns a row for each parent order with taker fills in a market with known volatility and volume. Left out are
    rows with x = 0, where the law expects no impact of own takers, and symbols with depth but without quotes."""
    groups: dict[str, list[ParentOrders]] = defaultdict(list)
    for each in parents:
        groups[at_exchange(each.facts.symbol)].append(each)
    rows = []
    for symbol, mine in groups.items():
        if not len(market.events("quote", symbol)["time"]) and any(
            len(market.events(kind, symbol)["time"]) for kind in ("book", "mbo")
        ):
            continue  # no mid prices from depth alone
        taken = _Taken([each for each in found.orders.values() if at_exchange(each.symbol) == symbol], law)
        row_of = (_VenueRows if at_venue else _SimulatedRows)(symbol, market, law, taken).row
        rows += [row for each in mine if (row := row_of(each)) is not None and row.x != 0]
    return rows


class _Taken:
    """Own taker volume and position in a market, as in the core's OwnImpact."""

    def __init__(self, orders: Sequence[FilledOrder], law: Impact) -> None:
        self.law = law
        fills = sorted(
            (fill.time, fill.sequence, fill.size if order.side == _BUY else -fill.size, _takes(order, fill))
            for order in orders
            for fill in order.fills
        )
        self.times = np.array([time for time, *_ in fills], dtype=np.int64)
        self.place = {sequence: n for n, (_, sequence, *_) in enumerate(fills)}
        taken, held, before = 0.0, 0, 0
        self.after = [(0.0, 0, 0)]
        for time, _, size, is_taker in fills:
            held += size
            if is_taker:
                taken = taken * self._decay(time - before) + size
                before = time
            self.after.append((taken, held, before))

    def _decay(self, span: int) -> float:
        """Returns the decay over a span: displacement follows the root of taken volume, which therefore decays twice
        as fast."""
        return float(2.0 ** (-2 * max(span, 0) / self.law.half_life))

    def root(self, time: int, count: int, part: Callable[[float], float], side: int = 1) -> float:
        """Returns the law's value at `time` after the first `count` fills, with scale 1. part: function of the volume
        in units, such as the square root."""
        taken, held, since = self.after[count]
        taken *= self._decay(time - since)
        return (1 - self.law.permanent) * part(side * taken) + self.law.permanent * part(side * float(held))


class _Rows:
    """Builds rows; prices are in halves of a unit."""

    def __init__(self, symbol: str, market: Market, law: Impact, taken: _Taken) -> None:
        self.symbol, self.market, self.law, self.taken = symbol, market, law, taken
        self.times, self.prices, self.kind = market.references(symbol, at_exchange=True)
        trades, bars = market.events("trade", symbol), market.events("bar", symbol)
        if self.kind == "bar":
            periods = bars["ts_close"] - bars["ts_open"]
            keep = periods == periods.min(initial=TIME_MAX)
            self.bars = {name: column[keep] for name, column in bars.items()}
            moves = np.diff(2 * self.bars["close"], prepend=2 * self.bars["open"][:1]).astype(np.float64)
            self.squares = np.append(0.0, np.cumsum(moves * moves))
            self.volumes = np.append(0.0, np.cumsum(self.bars["volume"], dtype=np.float64))
            self.step = int(periods.min(initial=TIME_MAX))
            return
        clock = market.clock(trades)
        order = np.argsort(clock, kind="stable")
        self.trade_times = clock[order]
        self.volumes = np.append(0.0, np.cumsum(trades["size"][order], dtype=np.float64))
        self.step = max(law.window // SAMPLES, 1)

    def samples(self, time: int) -> tuple[float, float] | None:
        """Returns (displacement by one unit of volume at coefficient 1, variance of the price per ns), or None with
        too few samples."""
        if self.kind == "bar":
            last = int(np.searchsorted(self.bars["ts_close"], time, side="right"))
            first = max(last - SAMPLES, 0)
            squares, volume = self.squares[last] - self.squares[first], self.volumes[last] - self.volumes[first]
            count = last - first
        else:
            newest = time // self.step
            count = min(newest - int(self.times[0]) // self.step, SAMPLES) if len(self.times) else 0
            edges = (newest - np.arange(max(count, 0), -1, -1)) * self.step
            ends = np.maximum(np.searchsorted(self.times, edges, side="left") - 1, 0)
            moves = np.diff(self.prices[ends]).astype(np.float64) if count > 0 else np.zeros(0)
            squares = moves @ moves
            begin, end = np.searchsorted(self.trade_times, edges[[0, -1]], side="left")
            volume = self.volumes[end] - self.volumes[begin]
        if count < SAMPLES_MIN or volume <= 0 or squares <= 0:
            return None
        return sqrt(squares / volume), float(squares) / (count * self.step)

    def variance(self, each: ParentOrders, per_ns: float, span: int) -> float:
        tick = 2 * float(each.facts.tick) * 10.0**each.facts.price_decimals
        return per_ns * span + tick * tick


class _VenueRows(_Rows):
    def row(self, each: ParentOrders) -> Row | None:
        fills = [fill for order in each.orders for fill in order.fills if _takes(order, fill)]
        if not fills:
            return None
        first = min(fills, key=lambda fill: (fill.time, fill.sequence))
        begin, end = first.time, max(fill.time for fill in fills) + self.step
        samples = self.samples(begin)
        if samples is None or end > self.times[-1]:
            return None
        (before, after), _ = self.market.reference(self.symbol, np.array([begin, end + 1]), before=True)
        if not before or not after:
            return None
        scale, per_ns = samples
        count = int(np.searchsorted(self.taken.times, end, side="right"))
        pushed = self.taken.root(end, count, _signed_root, each.side) - self.taken.root(
            begin, self.taken.place[first.sequence], _signed_root, each.side
        )
        y = each.side * float(after - before)
        return Row(self.symbol, begin, end, y, scale * pushed, self.variance(each, per_ns, end - begin))


class _SimulatedRows(_Rows):
    def __init__(self, symbol: str, market: Market, law: Impact, taken: _Taken) -> None:
        super().__init__(symbol, market, law, taken)
        quotes = market.events("quote", symbol)
        clock = market.clock(quotes)
        order = np.argsort(clock, kind="stable")
        self.quoted = clock[order]
        self.shown = {1: quotes["ask_size"][order] > 0, -1: quotes["bid_size"][order] > 0}

    def row(self, each: ParentOrders) -> Row | None:
        touch = self.market.touch(self.symbol, _BUY if each.side > 0 else 3 - _BUY, each.start, before=False)
        found = [self._met(each, order) for order in each.orders] if touch else []
        met = [row for row in found if row is not None]
        if not met:
            return None
        prices, pushes, variances, times = zip(*met, strict=True)
        span = max(times) - each.start
        y = each.side * (float(np.mean(prices)) - touch)
        variance = self.variance(each, float(np.mean(variances)), span)
        return Row(self.symbol, each.start, max(times), y, float(np.mean(pushes)), variance)

    def _met(self, each: ParentOrders, order: FilledOrder) -> tuple[int, float, float, int] | None:
        """Returns (price of the first taker fill, displacement it met at coefficient 1, variance per ns, time) of a
        market order, or None."""
        if not order.fills or order.terms[0] != _MARKET or order.terms[2]:
            return None
        fill = order.fills[0]
        at = int(np.searchsorted(self.times, fill.time, side="right")) - 1
        samples = self.samples(fill.time)
        if not _takes(order, fill) or samples is None or at < 0:
            return None
        count = self.taken.place[fill.sequence]
        if not self._is_shown(each.side, fill.time):
            met = 1.5 * fill.size
            area = self.taken.root(
                fill.time, count, lambda units: (_area(units + fill.size) - _area(units)) / met, each.side
            )
            return fill.price, samples[0] * area, samples[1], fill.time
        if self.taken.after[count][2] >= self.times[at]:
            return None  # own earlier fills have emptied the touch: its price is no impact
        return fill.price, samples[0] * self.taken.root(fill.time, count, _root, each.side), samples[1], fill.time

    def _is_shown(self, side: int, time: int) -> bool:
        """Returns True when the data have the size at the best price that an order of this side meets."""
        at = int(np.searchsorted(self.quoted, time, side="right")) - 1
        return at >= 0 and bool(self.shown[side][at])


def _takes(order: FilledOrder, fill: OrderFill) -> bool:
    """Returns True for a taker fill, except forced closings by the venue, which cause no impact."""
    return fill.liquidity == _TAKER and not order.forced


def _root(units: float) -> float:
    return sqrt(max(units, 0.0))


def _signed_root(units: float) -> float:
    return copysign(sqrt(abs(units)), units)


def _area(units: float) -> float:
    """Returns the integral of the square root from 0 to `units`, without its factor 2/3."""
    return max(units, 0.0) * sqrt(max(units, 0.0))
