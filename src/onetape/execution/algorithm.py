"""Define the interface of execution algorithms: an algorithm returns the one order that should work now, and when to

call it again. It gets the parent order (remaining quantity, deadline, worst price) and the market, and returns a
wish. The caller places, amends and cancels orders to match the wish, and never lets more work than remains. So an
algorithm knows neither orders nor venues, and works the same in a backtest, live and by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Algorithm", "Parent", "View", "Wish", "touch_of"]


@dataclass(frozen=True, slots=True)
class Parent:
    """A parent order. side: 1 buys, -1 sells; lots: of the whole; start, deadline: ns UTC (None: no end); limit: the
    worst price in ticks; clip: lots of one order; participation: largest share of the market's volume; least: fewest
    lots of one order; within, age: a resting order is moved when it is more than `within` ticks from its price and at
    least `age` ns old."""

    side: int
    lots: int
    start: int
    deadline: int | None = None
    limit: int | None = None
    clip: int | None = None
    participation: float | None = None
    least: int = 1
    within: int = 0
    age: int = 0


@dataclass(frozen=True, slots=True)
class View:
    """The current state: now in ns; left: remaining lots, working: lots of the working order and its price in ticks,
    since: when that was sent; bid, ask: ticks, None without a quote; traded: the market's volume since the parent
    began, lots."""

    now: int
    left: int
    working: int = 0
    working_price: int | None = None
    bid: int | None = None
    ask: int | None = None
    traded: float = 0.0
    since: int = 0


@dataclass(frozen=True, slots=True)
class Wish:
    """The order that should work. lots: 0 is none; price: ticks, None is at market; wake: ns, when to call again
    without an event."""

    lots: int = 0
    price: int | None = None
    post_only: bool = False
    wake: int | None = None


def touch_of(levels: Iterable[tuple[int, int]], own: Mapping[int, int]) -> int | None:
    """Returns the best price in ticks without our own orders: following these would move the price ever further.
    levels: (ticks, lots), best first; own: ticks -> lots of our orders."""
    return next((price for price, lots in levels if lots > own.get(price, 0)), None)


class Algorithm(Protocol):
    """An execution algorithm. follows_quotes, follows_trades: market events that it needs beside its own orders and
    timers."""

    follows_quotes: bool
    follows_trades: bool

    def wish(self, view: View) -> Wish:
        """Returns the order that should work now."""
        ...
