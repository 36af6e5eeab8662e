"""What the venue does by the clock and by the count: closed hours, order rates, expiry, delayed
triggers, interest, orders that are good until a date."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from reference.account import SIDES
from reference.facts import RATE, half_even
from reference.forced import SETTLEMENTS, TAKE_OVERS, Forced
from reference.loans import Levels
from reference.orders import CLOSED, RATE_LIMIT, UNAVAILABLE, Order

HOUR = 3600 * 10**9


class Closed(NamedTuple):
    begin: int
    end: int
    cancels: bool = False  # resting orders; else they wait
    venue: int = 0  # 0: all of them


class TakeOver(NamedTuple):
    """A position that the venue takes over, as stated."""

    time: int
    index: int
    is_long: bool
    price: int = 0  # 0: the mark
    share: int = 10**6  # 1e-6 of it


@dataclass(frozen=True)
class Rules:
    order_limit: int = 0  # so many orders ...
    order_window: int = 0  # ... in so many ns
    # venue -> limit and window of its own
    order_rates: dict[int, tuple[int, int]] = field(default_factory=dict)
    trigger_delay: int = 0
    closed: tuple[Closed, ...] = ()
    borrow: dict[int, int] = field(default_factory=dict)  # currency -> rate an hour
    loans: Levels = field(default_factory=Levels)
    take_overs: tuple[TakeOver, ...] = ()  # by time


class Clock(Forced):
    """Part of Exchange."""

    rules: Rules

    def start_clock(self, now: int) -> None:
        self.time = now
        self.next_hour = now // HOUR * HOUR + HOUR
        self.delayed: deque[tuple[int, Order]] = deque()
        self.settled: set[int] = set()
        self.to_take = [fact for fact in self.rules.take_overs if fact.time >= now]
        self.missed = 0  # stated, and nothing was there
        self.tokens: dict[int, tuple[Fraction, int]] = {}  # by venue: how many, and when

    def closed_now(self, index: int, now: int) -> list[Closed]:
        venue = self.facts[index].venue
        return [span for span in self.rules.closed if span.venue in (0, venue) and span.begin <= now < span.end]

    def is_closed(self, index: int, now: int) -> bool:
        return bool(self.closed_now(index, now))

    # --- what the venue does not even look at ---

    def refusal(self, index: int, now: int, kind: str) -> int:
        if self.is_closed(index, now):
            return UNAVAILABLE
        if kind == "cancel":
            return 0
        if index in self.settled:
            return CLOSED
        return 0 if self.takes_one_more(self.facts[index].venue, now) else RATE_LIMIT

    def takes_one_more(self, venue: int, now: int) -> bool:
        """A bucket for each venue, full at the first order, that fills evenly."""
        common = self.rules.order_limit, self.rules.order_window
        limit, window = self.rules.order_rates.get(venue, common)
        if not limit:
            return True
        tokens, then = self.tokens.get(venue, (Fraction(limit), now))
        tokens = min(tokens + Fraction(max(now - then, 0) * limit, window), Fraction(limit))
        takes = tokens >= 1
        self.tokens[venue] = (tokens - takes, max(now, then))
        return takes

    # --- what is due ---

    def delay(self, o: Order, due: int) -> None:
        self.delayed.append((due, o))
        self.delayed = deque(sorted(self.delayed, key=lambda each: each[0]))  # stable

    def next_due(self) -> int | None:
        times = [t for c in self.rules.closed for t in (c.begin, c.end) if t > self.time]
        times += [f.expiry for i, f in enumerate(self.facts) if f.expiry and i not in self.settled]
        times += [due for due, _ in self.delayed]
        times += [fact.time for fact in self.to_take[:1]]
        if self.rules.borrow:
            times.append(self.next_hour)
        return min(times, default=None)

    def next_expiry(self) -> int | None:
        return min((o.expire for o in self.orders if o.tif == "GTD"), default=None)

    def run_clock(self, now: int) -> None:
        """All that is due by then, in order of time; at one moment first what the venue does."""
        while True:
            due, expiry = self.next_due(), self.next_expiry()
            if due is not None and due <= now and (expiry is None or due <= expiry):
                self.run_due(due)
            elif expiry is not None and expiry <= now:
                self.run_expiry(expiry)
            else:
                return

    def run_expiry(self, now: int) -> None:
        for o in [o for o in self.orders if o.tif == "GTD" and o.expire <= now]:
            self.close(o, now, news="expired")

    def run_due(self, now: int) -> None:
        self.time = max(self.time, now)
        for span in self.rules.closed:
            if span.begin == now and span.cancels:
                for o in list(self.orders):
                    if span.venue in (0, self.facts[o.index].venue):
                        self.close(o, now, UNAVAILABLE)
        for index, facts in enumerate(self.facts):
            if facts.expiry and index not in self.settled and facts.expiry <= now:
                self.settle(index, now)
        while self.to_take and self.to_take[0].time <= now:
            self.take_over(self.to_take.pop(0), now)
        if self.rules.borrow and self.next_hour <= now:
            self.charge_interest(self.next_hour)
        while self.delayed and self.delayed[0][0] <= now:
            _, o = self.delayed.popleft()
            if not o.works:
                continue
            if spans := self.closed_now(o.index, now):
                self.delay(o, max(span.end for span in spans))
            else:
                self.go_live(o, now, reported=True)
                self.sweep(o.index, now)

    def settle(self, index: int, now: int) -> None:
        """A contract's end: orders go, what is held is closed at the settlement price."""
        self.settled.add(index)
        for o in self.of(index, "trigger", "delayed", "waiting", "resting"):
            self.close(o, now, CLOSED)
        price = self.markets[index].reference
        if self.facts[index].is_spot or not price:
            return
        self.pay_due(index, now - 1)
        self.mark_all()
        for side in SIDES:
            held = self.account.held.get((index, side))
            if held and held.qty:
                way, size = "sell" if held.qty > 0 else "buy", abs(held.qty)
                before = self.account.free_of_isolated(self.facts[index].settle)
                self.account.fill(index, way, price, size, position_side=side)
                self.say_venue_fill(index, side, way, price, size, 0, now, SETTLEMENTS)
                self.insure(index, side, before, now)

    def take_over(self, fact: TakeOver, now: int) -> None:
        """At the price of somebody else's bankruptcy, free of fee, in whole lots."""
        index, facts = fact.index, self.facts[fact.index]
        side = ("long" if fact.is_long else "short") if self.account.hedge else "both"
        held = self.account.at(index, side).qty
        size = abs(held)
        if fact.share < 10**6:
            size = size * fact.share // 10**6 // facts.lot * facts.lot
        price = fact.price or self.markets[index].reference
        fits = held > 0 if fact.is_long else held < 0
        if fits and not facts.is_spot:
            self.pay_due(index, now - 1)
        if facts.is_spot or not fits or not size or price <= 0:
            self.missed += 1
            return
        way = "sell" if held > 0 else "buy"
        before = self.account.free_of_isolated(facts.settle)
        self.account.fill(index, way, price, size, position_side=side)
        self.say_venue_fill(index, side, way, price, size, 0, now, TAKE_OVERS)
        self.insure(index, side, before, now)
        self.sweep(index, now)

    def charge_interest(self, now: int) -> None:
        for currency, rate in self.rules.borrow.items():
            owed = half_even(Fraction(min(self.account.balances[currency], 0) * rate, RATE))
            if owed:
                self.account.balances[currency] += owed
                self.account.interest[currency] += owed
                self.say_cash(0, "interest", "both", owed, now, currency)
        self.next_hour = now + HOUR
