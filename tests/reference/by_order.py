"""The venue's orders one by one, and our own among them: first in, first out.

The venue's orders are one list, and who stands before us is counted anew each time it is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from reference.market import Market, other, within
from reference.orders import Order

LAST = 10**18  # behind all that will turn out to be there


@dataclass
class Theirs:
    """One order of the venue's. rank: of two at one price the lower trades first."""

    side: str
    price: int
    size: int
    rank: int


class Change(NamedTuple):
    """What one message did that may fill us. traded: the order that was hit, and how much of it.
    came: the order that came to rest."""

    traded: tuple[Theirs, int] | None = None
    came: Theirs | None = None


@dataclass
class Orders:
    """The venue's book of orders, whose levels are the market's depth."""

    market: Market
    theirs: dict[int, Theirs] = field(default_factory=dict)
    forgotten: dict[int, Theirs] = field(default_factory=dict)  # by a clear, until the snapshot ends
    next_rank: int = 1
    is_complete: bool = False
    says_fills: bool = False

    def come(self, number: int, side: str, price: int, size: int) -> Theirs:
        made = self.theirs[number] = Theirs(side, price, size, self.next_rank)
        self.next_rank += 1
        return made

    def apply(
        self, action: str, number: int, side: str, price: int, size: int, *, last: bool, reported: bool, snapshot: bool
    ) -> Change:
        if not snapshot:
            self.forgotten = {}
        change = Change()
        found = self.theirs.get(number)
        if action == "clear":
            self.forgotten, self.theirs, self.is_complete = dict(self.theirs), {}, False
        elif action == "add":
            old = self.forgotten.get(number)
            same = old is not None and (old.side, old.price) == (side, price)
            if snapshot and old is not None and same and old.size >= size:
                self.theirs[number] = Theirs(side, price, size, old.rank)  # it was there all along
            else:
                change = Change(came=self.come(number, side, price, size))
        elif found is None:
            pass
        elif action == "modify" and (price != found.price or size > found.size):
            del self.theirs[number]
            change = Change(came=self.come(number, found.side, price, size))
        elif action == "modify":
            found.size = size
        elif action == "cancel":
            found.size -= min(size or found.size, found.size)
        else:
            self.says_fills = True
            hit = Theirs(**vars(found))
            change = Change(traded=(hit, min(size, found.size)))
            if not reported:
                found.size -= min(size, found.size)
        if found is not None and not found.size:
            self.theirs.pop(number, None)
        if not snapshot or last:
            self.is_complete = True
        self.show()
        return change

    def show(self) -> None:
        """The levels are the sums of the orders."""
        self.market.depth = None
        if self.is_complete:
            self.market.depth = {"buy": {}, "sell": {}}
            for each in self.theirs.values():
                levels = self.market.depth[each.side]
                levels[each.price] = levels.get(each.price, 0) + each.size

    def before(self, side: str, price: int, rank: int) -> int:
        """Units that stand before somebody of that rank."""
        return sum(
            each.size for each in self.theirs.values() if (each.side, each.price) == (side, price) and each.rank < rank
        )


class ByOrder:
    """Part of Exchange."""

    books: dict[int, Orders]
    markets: list[Market]
    resting: Callable[[int, str], list[Order]]
    fill: Callable[..., int]

    def our_rank(self, index: int) -> int:
        book = self.books[index]
        return book.next_rank if book.is_complete else LAST

    def fill_behind(self, index: int, hit: Theirs, size: int, now: int) -> None:
        """Theirs was traded, and ours stands before it, or at a better price: it was hit first."""
        met = self.markets[index].passed(hit.side, hit.price, now)
        for o in self.resting(index, hit.side):
            if size <= 0 or not within(hit.side, met, o.price):
                break
            if hit.price == o.price and hit.rank < o.queue_rank:
                break
            size -= self.fill(o, now, o.price, size, o.liquidity)

    def fill_met(self, index: int, came: Theirs, now: int) -> None:
        """One of the other side came to rest at our price or beyond: it would have met us."""
        left, ours = came.size, other(came.side)
        met = self.markets[index].passed(ours, came.price, now)
        for o in self.resting(index, ours):
            if left <= 0 or not within(ours, met, o.price):
                break
            if came.price == o.price and self.books[index].before(ours, o.price, o.queue_rank):
                break
            left -= self.fill(o, now, o.price, left, o.liquidity)
