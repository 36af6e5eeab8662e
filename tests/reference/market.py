"""One instrument's recorded market, and what an order finds in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from reference.facts import Facts
from reference.impact import Nothing, Push


class Quote(NamedTuple):
    bid: int
    ask: int
    bid_size: int
    ask_size: int


class Trade(NamedTuple):
    price: int
    size: int
    side: str


class Bar(NamedTuple):
    ts_open: int
    ts_close: int
    open: int
    high: int
    low: int
    close: int
    volume: int


def other(side: str) -> str:
    return "sell" if side == "buy" else "buy"


def within(side: str, price: int, limit: int) -> bool:
    """Is `price` at least as good as `limit` for somebody who wants to `side`?"""
    return price <= limit if side == "buy" else price >= limit


@dataclass
class Market:
    facts: Facts
    quote: Quote | None = None
    trade: Trade | None = None
    bar: Bar | None = None
    bars_say_volume: bool = False
    bar_price: int | None = None  # while a bar is gone through: what is known of it so far
    mark: int = 0
    index: int = 0
    last_mid_doubled: int = 0  # twice the last mid at which both sides were there
    # Levels of depth by side: buy is the bids. None without depth.
    depth: dict[str, dict[int, int]] | None = None
    depth_time: int = 0  # of its last message
    # What we took of displayed levels since the last event: (side of the level, price) -> size.
    taken: Counter[tuple[str, int]] = field(default_factory=Counter)
    push: Push = field(default_factory=Nothing)

    # --- events ---

    def on_book(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]], snapshot: bool) -> None:
        self.taken.clear()
        if snapshot:
            self.depth = {"buy": {}, "sell": {}}
        if self.depth is None:
            return  # a change of what nobody knows
        for side, levels in (("buy", bids), ("sell", asks)):
            for price, size in levels:
                self.depth[side][price] = size
                if size == 0:
                    del self.depth[side][price]

    def fuse(self, now: int) -> bool:
        """The quote sets the touch of a depth that is older. A side without price or size says
        nothing."""
        if self.depth is None or self.quote is None or now <= self.depth_time:
            return False
        for side, price, size in (
            ("buy", self.quote.bid, self.quote.bid_size),
            ("sell", self.quote.ask, self.quote.ask_size),
        ):
            if not price or not size:
                continue
            ours = self.depth[side]
            for level in [each for each in ours if each != price and within(side, price, each)]:
                del ours[level]  # better than the best
            ours[price] = size
        for side, price, size in (
            ("buy", self.quote.ask, self.quote.ask_size),
            ("sell", self.quote.bid, self.quote.bid_size),
        ):
            if price and size:  # what the other side's touch ran into is gone
                for level in [each for each in self.depth[side] if within(other(side), each, price)]:
                    del self.depth[side][level]
        return True

    # --- what kind of data there is ---

    @property
    def is_silent(self) -> bool:
        return not (self.quote or self.trade or self.bar or self.depth)

    @property
    def has_bars_only(self) -> bool:
        return bool(self.bar) and not (self.quote or self.trade or self.depth)

    # --- prices ---

    @property
    def bar_last(self) -> int | None:
        if self.bar_price is not None:
            return self.bar_price
        return self.bar.close if self.bar else None

    def level(self, side: str) -> tuple[int, int] | None:
        """Best displayed (price, size), of depth, else of the quote."""
        if self.depth is not None:
            levels = self.depth[side]
            if not levels:
                return None
            best = max(levels) if side == "buy" else min(levels)
            return best, levels[best]
        if self.quote is None:
            return None
        q = self.quote
        price, size = (q.bid, q.bid_size) if side == "buy" else (q.ask, q.ask_size)
        return (price, size) if price or size else None  # a side without both was not told

    def touch(self, side: str) -> int | None:
        """Best price of a side. Of trades or bars alone: one tick off the last price, nobody
        knows on which side of the spread that was."""
        if self.depth is not None or self.quote:
            found = self.level(side)
            return found[0] if found else None
        last = self.trade.price if self.trade else self.bar_last
        if last is None:
            return None
        return last - self.facts.tick if side == "buy" else last + self.facts.tick

    def crosses(self, side: str, price: int) -> bool:
        opposite = self.touch(other(side))
        return opposite is not None and within(side, opposite, price)

    def last_doubled(self) -> int | None:
        """Twice the last price: a mid may fall between two units."""
        if self.trade:
            return 2 * self.trade.price
        if self.quote or self.depth is not None:
            bid, ask = self.touch("buy"), self.touch("sell")
            if bid is not None and ask is not None:
                return bid + ask
        return None if self.bar_last is None else 2 * self.bar_last

    def keep_mid(self) -> None:
        """Before an event: what stands when it takes a side away."""
        if self.quote or self.depth is not None:
            bid, ask = self.touch("buy"), self.touch("sell")
            if bid is not None and ask is not None:
                self.last_mid_doubled = bid + ask

    def goes_by_last(self, by: str) -> bool:
        """Data without marks or an index must not leave a stop dead."""
        return {"mark": self.mark, "index": self.index}.get(by, 0) == 0

    def reference_doubled(self, by: str) -> int | None:
        """What a trigger is compared with, twice."""
        if self.goes_by_last(by):
            return self.last_doubled()
        return 2 * (self.mark if by == "mark" else self.index)

    @property
    def reference(self) -> int:
        """What a position is worth, and what bands go by: mark, else last, else mid, else the last
        mid that there was; 0: unknown."""
        if self.mark:
            return self.mark
        doubled = self.last_doubled()
        if doubled is None:
            doubled = self.last_mid_doubled
        return abs(doubled) // 2 if doubled >= 0 else -(abs(doubled) // 2)

    # --- sizes ---

    def displayed(self, side: str, price: int) -> int | None:
        """What stands at a price; None where it lies deeper than what the data shows."""
        if self.depth is not None:
            levels = self.depth[side]
            if not levels:
                return 0
            if price in levels:
                return levels[price]
            worst = min(levels) if side == "buy" else max(levels)
            return None if within(side, price, worst) else 0
        if self.quote is None:
            return None
        found = self.level(side)
        if found is None:
            return 0
        if found[0] == price:
            return found[1]
        return 0 if within(side, found[0], price) else None

    def offers(
        self, side: str, size: int, limit: int | None, *, beyond: bool, now: int | None = None
    ) -> list[list[int]]:
        """[price, size, paid] that a taker of `size` gets, best first. limit None: at any price.
        beyond: where only the touch is shown, the rest is had one tick worse. now: what own trades
        have done to the market counts; without it this is the recorded one."""
        steps: list[list[int]] = []
        theirs, left = other(side), size
        tick = self.facts.tick if side == "buy" else -self.facts.tick
        moved = 0 if now is None else self.moved(side, now)

        def add(price: int, amount: int, *, is_shown: bool = True) -> None:
            nonlocal left
            amount = min(amount, left)
            if amount <= 0 or (limit is not None and not within(side, price + moved, limit)):
                return
            paid = self.worse(side, price, abs(moved), limit)
            if not is_shown and now is not None:
                amount = self.room(side, price, size - left, amount, limit, now)
                if not amount:
                    return
                paid = self.average(side, price, size - left, amount, limit, now)
            steps.append([price, amount, paid])
            left -= amount

        if self.depth is not None:
            for price in sorted(self.depth[theirs], reverse=theirs == "buy"):
                add(price, self.depth[theirs][price] - self.taken[theirs, price])
        elif self.quote:
            found = self.level(theirs)
            if found is None:
                return []
            price, shown = found
            add(price, left if shown == 0 else shown - self.taken[theirs, price], is_shown=shown != 0 or not beyond)
            if beyond and (limit is None or within(side, price + moved, limit)):
                add(price + tick, left, is_shown=False)
        elif self.trade and beyond:
            add(self.trade.price + tick, left, is_shown=False)
        return steps

    # --- own impact ---

    def watch(self, now: int) -> None:
        """What an event says of price and volume, for the size of own impact."""
        if self.has_bars_only:
            return
        self.push.bars.clear()  # there is finer data now
        self.push.at(now)
        bid, ask = self.level("buy"), self.level("sell")
        if bid and ask:
            self.push.prices.append((self.push.at(now), bid[0] + ask[0]))
        elif self.depth is None and not self.quote and self.trade:
            self.push.prices.append((self.push.at(now), 2 * self.trade.price))

    def moved(self, side: str, now: int) -> int:
        """By how much an order finds this market worse, as something to add to a price."""
        ticks = self.push.displacement(side, now, self.facts.tick)
        return ticks if side == "buy" else -ticks

    def passed(self, side: str, price: int, now: int) -> int:
        """A price that comes to an order of that side, as its market has it. What had to come
        further than it did meets a queue that nobody knows: it counts as one unit short."""
        moved = self.moved(side, now)
        return price + moved + (moved > 0) - (moved < 0)

    def worse(self, side: str, price: int, ticks: int, limit: int | None) -> int:
        """Never beyond the order's own limit, and never down to nothing."""
        if not ticks:
            return price
        paid = price + ticks if side == "buy" else price - ticks
        if side == "sell" and price > 0:
            paid = max(paid, min(price, self.facts.tick))
        if limit is not None:
            paid = min(paid, max(price, limit)) if side == "buy" else max(paid, min(price, limit))
        return paid

    def average(self, side: str, price: int, before: int, size: int, limit: int | None, now: int) -> int:
        """What is paid for `size` at a price whose depth nobody shows."""
        return self.worse(side, price, self.push.average(side, now, self.facts.tick, before, size), limit)

    def room(self, side: str, price: int, before: int, size: int, limit: int | None, now: int) -> int:
        """All of it, or so many lots that the last one is still within the limit."""

        def fits(taken: int) -> bool:
            ticks = self.push.displacement(side, now, self.facts.tick, before + taken)
            return limit is None or within(side, price + ticks if side == "buy" else price - ticks, limit)

        if fits(size):
            return size
        lots = size // self.facts.lot
        while lots and not fits(lots * self.facts.lot):
            lots -= 1
        return lots * self.facts.lot
