"""What an execution algorithm is: it says which one order is to work now, and when to ask again.

It sees the parent order (what is left, until when, at which worst price) and the market, and answers with a
wish. Whoever runs it keeps the wish: places, amends and cancels so that never more works than is left. So an
algorithm knows neither orders nor venues, and the same one runs in a backtest, live and by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Algorithm", "Parent", "View", "Wish", "touch_of"]


@dataclass(frozen=True, slots=True)
class Parent:
    """What is wanted. side: 1 buys, -1 sells; lots: of the whole; start, deadline: ns UTC (None: no end);
    limit: the worst price in ticks; clip: lots of one order; participation: at most this share of what the
    market trades; least: the fewest lots that one order may have; within, age: what rests is moved when it is
    more ticks from its price, and has rested so long (ns)."""

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
    """The moment: now in ns; left: lots that are still to be done, working: lots of the order that works and its
    price in ticks, since: when that was sent; bid, ask: ticks, None where nothing is quoted; traded: lots that
    the market has traded since the parent began."""

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
    """The order that is to work. lots: 0 is none; price: ticks, None is at market; wake: ns, when to ask again
    though nothing has happened."""

    lots: int = 0
    price: int | None = None
    post_only: bool = False
    wake: int | None = None


def touch_of(levels: Iterable[tuple[int, int]], own: Mapping[int, int]) -> int | None:
    """Returns the best price, in ticks, where others stand: who follows its own order would climb on it. levels: ticks
    and lots, best first; own: lots of our own orders by ticks."""
    return next((price for price, lots in levels if lots > own.get(price, 0)), None)


class Algorithm(Protocol):
    """follows_quotes, follows_trades: what it has to see beside its own orders and timers."""

    follows_quotes: bool
    follows_trades: bool

    def wish(self, view: View) -> Wish:
        """Returns the order that is to work now."""
        ...
