"""Explain the gap between the profits of two runs, part by part (`parity --mode money`).

A run's profit is the sum of its fills' gains until the end, less fees, plus funding. With V the value of a quantity
at a price, M the run's valuation price at its end, and s +1 for a buy and -1 for a sell (opposite signs for inverse
contracts):

    profit = sum of s (V(M) - V(price)) - fees + funding + rest

So the gap between two runs is a sum over common fills and over fills of one run only; each term has one name. All
values are whole units of 1e-18 of the currency. The unexplained rest is the residual, so the parts always add up to
the gap. docs/reference/parity.md defines them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from onetape.engine.latency import Latency
from onetape.engine.plan import RunPlan, read_plan
from onetape.engine.tape_facts import tape_span
from onetape.model.enums import Kind
from onetape.model.errors import BadConfig
from onetape.model.instrument import Instrument
from onetape.model.money import divide_half_even, money_text, money_units
from onetape.replay.filled_orders import FilledOrder, OrderFill, read_orders
from onetape.replay.market_prices import Market, first_data_difference
from onetape.replay.resampling import interval_of, resampled

__all__ = ["PARTS", "build_bridge"]

PARTS = ("latency", "queue", "price", "fee", "funding", "missed_data", "residual")
_OF_ORDERS = ("latency", "queue", "price", "fee", "missed_data")
_MAKER, _TAKER = 1, 2
_BUY, _SELL = 1, 2


@dataclass(slots=True)
class _Side:
    """One of the two runs."""

    plan: RunPlan
    pnl: int
    funding: int
    currency: str
    instruments: dict[str, Instrument]
    orders: dict[tuple[int, str], list[FilledOrder]]  # by robot and symbol, in order of their ordinals
    market: Market
    span: tuple[int, int]  # first and last time of the run

    def arrival(self, order: FilledOrder) -> int:
        return order.time + self.latency(order.symbol).request_at(order.time)

    def latency(self, symbol: str) -> Latency:
        """Returns the latency to the instrument's venue."""
        return self.plan.latency_of(self.instruments[symbol].venue)


@dataclass(slots=True)
class _Bridge:
    """The parts of the gap, in units of 1e-18. detail: split of the residual."""

    parts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PARTS, 0))
    detail: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("marks", "decisions", "outside", "rest"), 0))

    def add(self, part: str, units: int) -> None:
        if part in self.detail:
            self.detail[part] += units
        else:
            self.parts[part] += units


def build_bridge(run_a: Path, run_b: Path, *, slack: int = 0) -> dict[str, Any]:
    """Returns CONTRACT's keys of `parity` with `bridge`. slack: ns by which decision times of a pair may differ, in
    addition to the runs' difference in latency. Raises BadConfig for runs in two currencies.
    """
    a, b = _read(run_a), _read(run_b)
    if a.currency != b.currency:
        raise BadConfig(
            f"A is in {a.currency} and B in {b.currency}", location="--mode money", todo="compare runs of one currency"
        )
    parted = first_data_difference(a.market, b.market)
    slack += _difference_of_ways(a.plan, b.plan)
    bridge = _Bridge()
    compared = differing = 0
    changes: list[dict[str, int]] = []  # parts by pair of orders
    first: tuple[int, str] | None = None
    shared = max(a.span[0], b.span[0]), min(a.span[1], b.span[1])
    for key in sorted(set(a.orders) | set(b.orders)):
        facts = _settled(key[1], a, b)
        orders = [run.orders.get(key, []) for run in (a, b)]
        for left, right in _pairs(orders[0], orders[1], shared, slack):
            compared += 1
            before = dict(bridge.parts), dict(bridge.detail)
            if facts is not None:
                _account(bridge, a, b, left, right, facts, shared, parted)
            changed = _change(before, bridge)
            changes.append(changed)
            if changed:
                differing += 1
                when = min(each.time for each in (left, right) if each is not None)
                if first is None or when < first[0]:
                    first = when, _words(left, right, changed, a.currency)
    bridge.parts["funding"] = b.funding - a.funding
    gap = b.pnl - a.pnl
    explained = sum(bridge.parts.values()) + sum(bridge.detail.values())
    bridge.detail["rest"] = gap - explained
    bridge.parts["residual"] = sum(bridge.detail.values())
    # Funding, marks and the residual belong to no order: each counts as one comparison.
    loose = (bridge.parts["funding"], bridge.detail["marks"], bridge.detail["rest"])
    differing += sum(part != 0 for part in loose)
    compared += len(loose)
    words = first[1] if first is not None else _loose_words(loose, a.currency)
    return {
        "mode": "money",
        "compared": compared,
        "equal": compared - differing,
        "differing": differing,
        "first_difference": words or None,
        "bridge": {
            "currency": a.currency,
            "pnl_a": money_text(a.pnl),
            "pnl_b": money_text(b.pnl),
            "gap": money_text(gap),
            **{name: money_text(units) for name, units in bridge.parts.items()},
            "residual_detail": {name: money_text(units) for name, units in bridge.detail.items()},
            "intervals": _intervals(changes),
        },
    }


def _intervals(changes: list[dict[str, int]]) -> dict[str, list[str] | None]:
    """Returns part -> its 95 % interval, from resampled pairs of orders. None for fewer than two pairs, for funding
    and for the residual, which are no sums over orders."""
    found: dict[str, list[str] | None] = dict.fromkeys(PARTS)
    if len(changes) > 1:
        sums = resampled(np.array([[float(each.get(name, 0)) for name in _OF_ORDERS] for each in changes]))
        for name, column in zip(_OF_ORDERS, sums.T, strict=True):
            ends = interval_of(column)
            found[name] = [money_text(round(end)) for end in ends] if ends else None
    return found


def _difference_of_ways(a: RunPlan, b: RunPlan) -> int:
    """Returns how far (ns) the runs' different latencies may shift decisions: the largest of all venues, as a
    decision may depend on another venue's answers."""
    return max(
        sum(abs(x - y) for x, y in zip(a.latency_of(name).longest, b.latency_of(name).longest, strict=True))
        for name in {"", *a.latencies, *b.latencies}
    )


# --- reading --------------------------------------------------------------------------------------


def _read(run: Path) -> _Side:
    plan, document = read_plan(run)
    try:
        result = document["result"]
        pnl, funding = (money_units(Decimal(result[key])) for key in ("pnl", "funding"))
        currency = str(result["currency"])
    except (KeyError, ArithmeticError, ValueError) as problem:
        raise BadConfig(
            f"the run has no result: {problem}", location=str(run / "run.toml"), todo="run it again"
        ) from None
    found = read_orders(run / "journal")
    instruments = found.actions.instruments
    by_key: dict[tuple[int, str], list[FilledOrder]] = defaultdict(list)
    for (robot, _), order in sorted(found.orders.items()):
        if not order.forced:
            by_key[robot, order.symbol].append(order)
    symbols = sorted(instruments)
    span = tape_span(run / "journal")
    if span is None:
        raise BadConfig("the run's journal is empty", location=str(run), todo="run it again")
    market = Market(plan, symbols)
    return _Side(plan, pnl, funding, currency, instruments, dict(by_key), market, span)


def _settled(symbol: str, a: _Side, b: _Side) -> Instrument | None:
    """Returns the instrument of a symbol if both runs count its currency; None: its gap belongs to the residual."""
    facts = a.instruments.get(symbol) or b.instruments[symbol]
    return facts if all(run.plan.counts(facts.settle) for run in (a, b)) else None


# --- pairing --------------------------------------------------------------------------------------


def _pairs(
    a: list[FilledOrder], b: list[FilledOrder], shared: tuple[int, int], slack: int
) -> Iterator[tuple[FilledOrder | None, FilledOrder | None]]:
    """Yields pairs of orders; None: the order is in one run only. Orders are paired by ordinal, counted from the
    start of the common time, as long as side and decision time agree. As one extra order shifts all later ordinals,
    later orders are paired by side and time."""
    for order in a:
        if not shared[0] <= order.time <= shared[1]:
            yield order, None
    for order in b:
        if not shared[0] <= order.time <= shared[1]:
            yield None, order
    a, b = ([o for o in each if shared[0] <= o.time <= shared[1]] for each in (a, b))
    at = 0
    while at < min(len(a), len(b)) and _agree(a[at], b[at], slack):
        yield a[at], b[at]
        at += 1
    for side in (_BUY, _SELL):
        rest_a, rest_b = ([o for o in each[at:] if o.side == side] for each in (a, b))
        yield from _by_time(rest_a, rest_b, slack)


def _agree(a: FilledOrder, b: FilledOrder, slack: int) -> bool:
    return a.side == b.side and abs(a.time - b.time) <= slack


def _by_time(
    a: list[FilledOrder], b: list[FilledOrder], slack: int
) -> Iterator[tuple[FilledOrder | None, FilledOrder | None]]:
    i = j = 0
    while i < len(a) or j < len(b):
        if i < len(a) and j < len(b) and _agree(a[i], b[j], slack):
            yield a[i], b[j]
            i, j = i + 1, j + 1
        elif j == len(b) or (i < len(a) and a[i].time <= b[j].time):
            yield a[i], None
            i += 1
        else:
            yield None, b[j]
            j += 1


# --- accounting -----------------------------------------------------------------------------------


def _account(
    bridge: _Bridge,
    a: _Side,
    b: _Side,
    left: FilledOrder | None,
    right: FilledOrder | None,
    facts: Instrument,
    shared: tuple[int, int],
    parted: int | None,
) -> None:
    """Add the contribution to the gap of a pair of orders, or of an order of one run."""
    both = left is not None and right is not None
    rest_a, rest_b = (list(order.fills) if order else [] for order in (left, right))
    while both and rest_a and rest_b:
        assert left is not None
        size = min(rest_a[0].size, rest_b[0].size)
        mine, rest_a[0:1] = _cut(rest_a[0], size)
        theirs, rest_b[0:1] = _cut(rest_b[0], size)
        _matched(bridge, a, b, left, mine, theirs, facts)
    for ours, other, order, rest, sign in ((a, b, left, rest_a, -1), (b, a, right, rest_b, 1)):
        if order is None:
            continue
        twin = right if order is left else left
        for fill in rest:
            last = ours.market.value_at_end(order.symbol) or fill.price
            units = _gain(facts, order.side, fill.price, last, fill.size) - fill.fee
            is_shared = shared[0] <= order.time <= shared[1]
            part = _cause(ours, other, order, twin, fill, parted) if is_shared else "outside"
            bridge.add(part, sign * units)


def _cut(fill: OrderFill, size: int) -> tuple[OrderFill, list[OrderFill]]:
    """Returns (part of a fill with quantity `size` and its share of the fee, rest as a list)."""
    if size == fill.size:
        return fill, []
    fee = divide_half_even(fill.fee * size, fill.size)
    taken = OrderFill(fill.time, fill.price, size, fee, fill.liquidity)
    rest = OrderFill(fill.time, fill.price, fill.size - size, fill.fee - fee, fill.liquidity)
    return taken, [rest]


def _matched(
    bridge: _Bridge, a: _Side, b: _Side, order: FilledOrder, mine: OrderFill, theirs: OrderFill, facts: Instrument
) -> None:
    """Add the parts of a quantity that the same order filled in both runs."""
    size, side = mine.size, order.side
    bridge.add("fee", mine.fee - theirs.fee)
    # A buy at a higher price in B earns so much less.
    paid = _gain(facts, side, theirs.price, mine.price, size)
    if mine.liquidity == theirs.liquidity == _TAKER:
        # How the market moved on A's tapes between the two times.
        was, became = (
            a.market.touch(order.symbol, side, fill.time, before=any(run.latency(order.symbol).longest))
            for run, fill in ((a, mine), (b, theirs))
        )
        if was and became:
            moved = _gain(facts, side, became, was, size)
            bridge.add("latency", moved)
            paid -= moved
    bridge.add("price", paid)
    ends = [run.market.value_at_end(order.symbol) for run in (a, b)]
    if ends[0] and ends[1]:
        bridge.add("marks", _gain(facts, side, ends[0], ends[1], size))


def _cause(
    ours: _Side, other: _Side, order: FilledOrder, twin: FilledOrder | None, fill: OrderFill, parted: int | None
) -> str:
    """Returns the cause of a fill that the other run does not have."""
    if twin is None or twin.terms != order.terms:
        return "missed_data" if parted is not None and parted <= order.time else "decisions"
    if twin.is_filled:
        return "decisions"  # the other order requested less
    if fill.liquidity == _MAKER:
        return "queue"
    if ours.arrival(order) != other.arrival(twin):
        return "latency"
    return "missed_data" if parted is not None and parted <= fill.time else "rest"


def _gain(facts: Instrument, side: int, bought: int, sold: int, size: int) -> int:
    """Returns the gain of `size` bought at one price and sold at another, in units of 1e-18; for a sell the sign is
    opposite."""
    change = _worth(facts, sold, size) - _worth(facts, bought, size)
    if facts.kind is Kind.INVERSE:
        change = -change
    return change if side == _BUY else -change


def _worth(facts: Instrument, halves: int, size: int) -> int:
    """Returns the value of `size` in units of 1e-18. halves: price in half units."""
    return facts.core.notional_doubled(halves, size)


# --- texts ----------------------------------------------------------------------------------------


def _change(before: tuple[dict[str, int], dict[str, int]], bridge: _Bridge) -> dict[str, int]:
    """Returns part -> change of the gap by the last pair of orders."""
    old = {**before[0], **before[1]}
    new = {**bridge.parts, **bridge.detail}
    # If the runs end at different times, marks differ for all orders: they count once, at the end.
    return {n: new[n] - old[n] for n in new if new[n] != old[n] and n != "marks"}


def _words(left: FilledOrder | None, right: FilledOrder | None, changed: Mapping[str, int], currency: str) -> str:
    order = left or right
    assert order is not None
    presence = "" if left and right else " (in A only)" if left else " (in B only)"
    parts = ", ".join(f"{name.replace('_', ' ')} {money_text(n)}" for name, n in changed.items())
    return f"{order.words}{presence}: {parts} {currency}"


def _loose_words(loose: tuple[int, int, int], currency: str) -> str:
    names = ("funding", "the price at the end", "what no order explains")
    found = [f"{name} {money_text(units)}" for name, units in zip(names, loose, strict=True) if units]
    return f"{', '.join(found)} {currency}" if found else ""
