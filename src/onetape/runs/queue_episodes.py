"""Reconstruct the queue ahead of a run's resting orders from its tapes: trades and displayed sizes at the orders'
prices."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onetape._core import Book
from onetape.engine.plan import RunPlan, read_plan
from onetape.engine.tape_facts import streams_of
from onetape.market.displayed import displayed
from onetape.model.time import TIME_MAX
from onetape.replay.filled_orders import FilledOrder, OrdersOfRun, read_orders
from onetape.replay.market_prices import Market
from onetape.tape.journal import JournalReader
from onetape.tape.payloads import LEVEL, fields

__all__ = ["Episode", "episodes_of"]

_BUY, _LIMIT, _MAKER = 1, 1, 1
_ENDS = (3, 4, 6)  # OrderNews of core/journal/events.hpp: canceled, expired, updated
_IMMEDIATE = (2, 3)  # TimeInForce
_STAMP = fields("book", "ts_event")
_DEPTH = fields("book")
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Episode:
    """One order's time at one price, until its first fill. steps: rows of QueueStep (core/exchange/queue_fit.hpp);
    coins: quantity of one unit; lot: in units."""

    symbol: str
    coins: float
    lot: int
    steps: Ints
    is_filled: bool


@dataclass(slots=True)
class _Resting:
    """A resting order. end: when it ended or its price changed. own: its units within the displayed size, 0 in a
    market recorded without the order. shown: (time, units of other orders at its price); the first one is the queue
    it joined."""

    order: FilledOrder
    price: int
    begin: int
    end: int
    own: int
    shown: list[tuple[int, int]] = field(default_factory=list)


def episodes_of(run: Path) -> list[Episode]:
    """Returns an episode for each limit order that came to rest at a displayed level. Raises as read_plan and
    read_orders."""
    plan, _ = read_plan(run)
    found = read_orders(run / "journal")
    market = Market(plan, sorted(found.actions.instruments))
    ends = _ends(run / "journal")
    episodes = []
    for symbol in market.symbols:
        resting = _resting(found, symbol, plan, ends)
        if not resting:
            continue
        facts = found.actions.instruments[symbol]
        coins = 10.0**-facts.size_decimals
        prints = market.events("trade", symbol)
        by_time = np.argsort(market.clock(prints), kind="stable")
        columns = (market.clock(prints), prints["price"], prints["size"], prints["side"])
        trades = [column[by_time].tolist() for column in columns]
        _note_displays(resting, market, symbol, trades)
        for each in resting:
            rows, is_filled = _steps(each, trades)
            if len(rows) > 1:
                lot = max(round(float(facts.lot) / coins), 1)
                episodes.append(Episode(symbol, coins, lot, np.array(rows, dtype=np.int64), is_filled))
    return episodes


def _ends(journal: Path) -> dict[tuple[int, int], int]:
    """Returns order -> time at which its first price ended at the exchange (ended or amended); 0: never accepted."""
    with JournalReader(journal) as reader:
        rows = reader.columns("order_event", names=("robot", "order_id", "ts_event", "news"))
    ends: dict[tuple[int, int], int] = {}
    names = ("robot", "order_id", "ts_event", "news")
    for robot, number, ts, news in zip(*(rows[name].tolist() for name in names), strict=True):
        first = ends.setdefault((robot, number), TIME_MAX if news == 1 else 0)
        if first == TIME_MAX and news in _ENDS:
            ends[robot, number] = ts
    return ends


def _resting(found: OrdersOfRun, symbol: str, plan: RunPlan, ends: dict[tuple[int, int], int]) -> list[_Resting]:
    """Returns resting orders in the order of arrival. An order without latency arrives after the event of the same
    time."""
    facts = found.actions.instruments[symbol]
    later = int(not plan.is_at_gateway and not any(plan.latency_of(facts.venue).longest))
    resting = []
    for key, order in found.orders.items():
        if order.symbol != symbol or order.forced or not order.arrived:
            continue
        kind, price, trigger, tif, _ = order.terms
        took = any(fill.liquidity != _MAKER for fill in order.fills)
        if kind != _LIMIT or trigger or tif in _IMMEDIATE or took:
            continue
        end = min(ends.get(key, TIME_MAX), order.fills[-1].time + 1 if order.is_filled else TIME_MAX)
        own = order.size if plan.is_at_gateway else 0
        resting.append(_Resting(order, price, order.arrived + later, end, own))
    return sorted(resting, key=lambda each: each.begin)


def _note_displays(resting: list[_Resting], market: Market, symbol: str, trades: list[list[int]]) -> None:
    """Fill in `shown` from the exchange's market: sizes that changed or follow a trade. Levels below the displayed
    depth are unknown."""
    printed: dict[int, list[int]] = {}  # price -> times of trades
    for at, price, *_ in zip(*trades, strict=True):
        printed.setdefault(price, []).append(at)
    waiting = iter(resting)
    upcoming = next(waiting, None)
    working: list[_Resting] = []
    book = Book()
    for time, message in _displays(market, symbol):
        while upcoming is not None and upcoming.begin <= time:
            if book.synced and (units := displayed(book, upcoming.price, buys=upcoming.order.side == _BUY)) is not None:
                upcoming.shown.append((upcoming.begin, units))
                working.append(upcoming)
            upcoming = next(waiting, None)
        book.apply_payload(*message)
        working = [each for each in working if time < each.end]
        for each in working:
            if _is_met(book, each):
                each.end = time  # later fills do not come from the queue
            elif (units := displayed(book, each.price, buys=each.order.side == _BUY)) is not None:
                (last, before), others = each.shown[-1], max(units - each.own, 0)
                times = printed.get(each.price, [])
                if others != before or bisect_right(times, last) < bisect_right(times, time):
                    each.shown.append((time, others))


def _displays(market: Market, symbol: str) -> Iterator[tuple[int, tuple[bytes, int]]]:
    """Yields (time at the exchange, book change) of depth messages, or of quotes as snapshots with one level."""
    latest = -TIME_MAX
    for path, last in market.inputs:
        streams = {number for number, each in streams_of(path).items() if each.symbol == symbol}
        with JournalReader(path) as reader:
            for frame in reader.frames(types=["book"]):
                if frame.stream not in streams or frame.sequence > last or frame.time >= market.end:
                    continue
                (stamp,) = _STAMP.unpack_from(frame.payload)
                at = {name: np.array(ns) for name, ns in (("time", frame.time), ("ts_event", stamp))}
                latest = max(latest, int(market.clock(at)))
                yield latest, (frame.payload, frame.flags)
        if latest > -TIME_MAX:
            return
    quotes = market.events("quote", symbol)
    names = ("bid", "bid_size", "ask", "ask_size")
    times = market.clock(quotes).tolist()
    for time, *levels in zip(times, *(quotes[name].tolist() for name in names), strict=True):
        bid, ask = LEVEL.pack(*levels[:2]), LEVEL.pack(*levels[2:])
        yield time, (_DEPTH.pack(time, time, 0, 0, 0, 1, 1) + bid + ask, 1)


def _is_met(book: Book, of: _Resting) -> bool:
    """Returns True when the other side has reached the order's price."""
    best = book.asks(1) if of.order.side == _BUY else book.bids(1)
    return bool(best) and (best[0][0] <= of.price if of.order.side == _BUY else best[0][0] >= of.price)


def _steps(of: _Resting, trades: list[list[int]]) -> tuple[list[list[int]], bool]:
    """Returns (rows of displayed sizes and trades by time, whether the order filled). Trades precede a display of the
    same time. Rows end at the first fill, or at a trade beyond the price, where the queue no longer decides."""
    if not of.shown:
        return [], False
    times, prices, sizes, takers = trades
    fills: dict[int, int] = {}
    for fill in of.order.fills:
        fills[fill.time] = fills.get(fill.time, 0) + fill.size
    first = min(fills, default=TIME_MAX)
    rows = [[0, of.shown[0][1], 0, 0]]
    displays = iter([*of.shown[1:], (TIME_MAX, 0)])
    display = next(displays)
    at, stop = bisect_left(times, of.begin), bisect_right(times, min(of.end - 1, first))
    while True:
        time = times[at] if at < stop else TIME_MAX
        if display[0] < min(time, first):
            if display[1] != rows[-1][1] or rows[-1][0]:
                rows.append([0, display[1], 0, 0])
            display = next(displays)
            continue
        if time == TIME_MAX:
            return rows, False  # a fill without a trade at its price does not come from the queue
        traded = beyond = 0
        while at < stop and times[at] == time:
            if takers[at] != of.order.side and prices[at] == of.price:
                traded += sizes[at]
            beyond |= prices[at] < of.price if of.order.side == _BUY else prices[at] > of.price
            at += 1
        if beyond:
            return rows, False
        if traded:
            got = fills.get(time, 0)
            rows.append([1, traded, got, of.order.size])
            if got:
                return rows, True
