"""The exchange: market events, requests and time in, events out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from reference.account import SIDES, SlowAccount
from reference.by_order import LAST, Orders
from reference.clock import Clock, Rules
from reference.facts import Facts
from reference.impact import Law, Nothing, Push
from reference.market import Bar, Market, Quote, Trade
from reference.orders import Order
from reference.places import QueueModel

DAY = 86_400 * 10**9


class Exchange(Clock):
    """Times are ns and do not go back. Every call returns what it caused, in order, as the core's
    recorded exchange does."""

    def __init__(
        self,
        facts: Sequence[Facts],
        *,
        rules: Rules | None = None,
        leverage: int = 1,
        hedge: bool = False,
        isolated: bool = False,
        queue: QueueModel | None = None,
        bar_volume_share: int = 500_000,
        check_funds: bool = True,
        fuse: bool = False,
        impact: Law | None = None,
        limits_at_limit: bool = False,
        begin: int = 0,
    ) -> None:
        self.facts = list(facts)
        self.own_facts = list(facts)  # before any tier
        self.tiers = [0] * len(self.facts)
        self.traded: list[tuple[int, int, int]] = []  # time, group, value
        self.markets = [Market(each, push=Push(impact) if impact else Nothing()) for each in facts]
        self.is_pushed, self.impact_costs = impact is not None, [0] * len(self.facts)
        self.account = SlowAccount(self.facts, leverage, hedge, isolated)
        self.account.working = self.working
        self.queue = queue or QueueModel()
        self.bar_volume_share, self.check_funds = bar_volume_share, check_funds
        self.rules = rules or Rules()
        self.account.may_borrow = frozenset(self.rules.borrow)
        self.fuse, self.fused_quotes = fuse, 0
        self.limits_at_limit, self.gapped_gains = limits_at_limit, [0] * len(self.facts)
        self.due: list[list[tuple[int, int, int]]] = [[] for _ in self.facts]
        self.attached: dict[int, tuple[int, int, int]] = {}
        self.stamp: int | None = None  # the venue's time of the event in hand, where it has one
        self.trigger_delay = self.rules.trigger_delay
        self.levels, self.called = self.rules.loans, set()
        self.orders: list[Order] = []
        self.events: list[dict[str, Any]] = []
        self.periods: dict[int, int] = {}
        self._rooms = {}
        self._filled_bars = {}
        self.books: dict[int, Orders] = {}  # where the venue's orders are known one by one
        self.start_clock(begin)

    def reports(self) -> list[dict[str, Any]]:
        events, self.events = self.events, []
        return events

    # --- time and requests ---

    def clock(self, now: int) -> list[dict[str, Any]]:
        self.run_clock(now)
        return self.reports()

    def ask(self, now: int, index: int = 0, **request: Any) -> list[dict[str, Any]]:
        self.request(now, index, **request)
        return self.reports()

    def attach(self, order_id: int, entry: int, share: int = 0, distance: int = 0) -> None:
        """The order of this id, which is about to come, protects what another one fills."""
        self.attached[order_id] = entry, share, distance

    def finish(self, now: int) -> list[dict[str, Any]]:
        for index in range(len(self.facts)):
            self.pay_due(index, now)
        for o in list(self.orders):
            self.close(o, now)
        return self.reports()

    # --- market events ---

    def quote(self, now: int, bid: int, ask: int, bid_size: int, ask_size: int, index: int = 0):
        market = self.seen(index)
        market.quote = Quote(bid, ask, bid_size, ask_size)
        fused = self.fuse and market.fuse(self.stamp or now)
        self.fused_quotes += fused
        market.watch(now)
        after = self.after_book if fused else self.after_quote
        return self.met(index, now, lambda: after(index, now))

    def trade(self, now: int, price: int, size: int, side: str = "none", index: int = 0):
        market = self.seen(index)
        trade = market.trade = Trade(price, size, side)
        market.push.volumes.append((market.push.at(now), size))
        market.watch(now)
        return self.met(index, now, lambda: self.after_trade(index, trade, now))

    def book(self, now: int, bids, asks, snapshot: bool = True, index: int = 0):
        market = self.seen(index)
        market.on_book(bids, asks, snapshot)
        market.depth_time = self.stamp or now
        market.watch(now)
        return self.met(index, now, lambda: self.after_book(index, now))

    def mbo(
        self,
        now: int,
        action: str,
        number: int,
        side: str,
        price: int,
        size: int,
        last: bool = True,
        reported: bool = False,
        snapshot: bool = False,
        index: int = 0,
    ):
        market = self.seen(index)
        if index not in self.books:
            self.books[index] = Orders(market)
            for o in self.of(index, "resting"):
                o.queue_rank = LAST
        book = self.books[index]
        was_complete = book.is_complete
        change = book.apply(action, number, side, price, size, last=last, reported=reported, snapshot=snapshot)
        if book.is_complete and not was_complete:
            for o in self.of(index, "resting"):
                o.queue_rank = min(o.queue_rank, book.next_rank)
        if last:
            market.watch(now)
        return self.met(index, now, lambda: self.after_mbo(index, change, now, last=last))

    def bar(self, ts_open: int, ts_close: int, o: int, h: int, low: int, c: int, volume: int, index: int = 0):
        market = self.seen(index)
        market.bar = Bar(ts_open, ts_close, o, h, low, c, volume)
        market.bars_say_volume = market.bars_say_volume or volume > 0
        events = self.met(index, ts_close, lambda: self.after_bar(index, market, self.periods, ts_close))
        if market.has_bars_only:
            shortest = min((period for period, *_ in market.push.bars), default=ts_close - ts_open)
            if ts_close - ts_open <= shortest:
                market.push.bars.append((ts_close - ts_open, o, c, volume))
        return events

    def mark(self, now: int, mark: int, index_price: int = 0, index: int = 0):
        market = self.seen(index)
        market.mark = mark
        market.index = index_price or market.index
        market.watch(now)
        return self.met(index, now, lambda: self.after_mark(index, now))

    def pay(self, now: int, rate: int, mark: int = 0, index: int = 0) -> list[dict[str, Any]]:
        """Funding is paid also while the venue is closed. Inside a bar it waits for the bar where an order may fill at
        its open."""
        market = self.markets[index]
        self.due[index].append((now, rate, mark or market.reference))
        if not market.has_bars_only:
            self.pay_due(index, now)
        self.pay_if_idle(index, now)
        return self.met(index, now, lambda: None)

    def pay_if_idle(self, index: int, now: int) -> None:
        """Outside a bar, where no order is left that the open of one could fill."""
        if self.markets[index].bar_price is None and not any(o.index == index for o in self.orders):
            self.pay_due(index, now)

    def pay_due(self, index: int, until: int) -> None:
        while self.due[index] and self.due[index][0][0] <= until:
            time, rate, mark = self.due[index].pop(0)
            self.mark_all()
            for side in SIDES if self.account.hedge else ("both",):
                paid = self.account.funding_of(index, side, rate, mark)
                if paid:
                    self.account.credit_funding(index, side, paid)
                    self.say_cash(index, "funding", side, paid, time)

    def seen(self, index: int) -> Market:
        """What we took of a level is gone until the next event of its instrument."""
        self.markets[index].taken.clear()
        self.markets[index].keep_mid()
        return self.markets[index]

    def met(self, index: int, now: int, orders) -> list[dict[str, Any]]:
        """The venue's side of an event: orders, then margin. Nothing happens while it is closed."""
        if not self.is_closed(index, now):
            orders()
            if self.markets[index].reference:
                self.mark_all()
                moves = self.moves_loans(index)
                self.liquidate(index, now)
                if moves:
                    self.call_loans(self.facts[index].settle, now)
        return self.reports()

    def mark_all(self, index: int | None = None, price: int = 0) -> None:
        """All that is held is valued at its mark; in a bar, one of them at a price of it."""
        for i, market in enumerate(self.markets):
            recorded = price if i == index else market.reference
            if recorded:
                self.account.marks[i] = recorded

    # --- versions and fees ---

    def update(self, index: int, facts: Facts) -> None:
        """A new version of an instrument. A schedule of fees that it leaves alone goes on."""
        before = self.own_facts[index]
        self.own_facts[index] = facts
        if facts.expiry != before.expiry:
            self.settled.discard(index)
        if facts.fee_tiers != before.fee_tiers:
            self.tiers[index] = 0
        self.apply_tier(index)

    def apply_tier(self, index: int) -> None:
        facts = self.own_facts[index]
        if self.tiers[index]:
            _, maker, taker = facts.fee_tiers[self.tiers[index] - 1]
            facts = dataclasses.replace(facts, maker_fee=maker, taker_fee=taker)
        self.facts[index] = self.markets[index].facts = facts

    def volume(self, group: int, now: int) -> int:
        return sum(v for time, g, v in self.traded if g == group and time > now - 30 * DAY)

    def fee_facts(self, index: int, now: int) -> Facts:
        """With the fees of the next fill: by the volume of the thirty days before it."""
        own = self.own_facts[index]
        volume = self.volume(own.volume_group, now)
        tier = sum(floor <= volume for floor, _, _ in own.fee_tiers)
        if tier != self.tiers[index]:
            self.tiers[index] = tier
            self.apply_tier(index)
            self.events.append(
                {
                    "event": "fees",
                    "owner": index,
                    "tier": tier,
                    "ts_event": now,
                    "volume": volume,
                    "maker": self.facts[index].maker_fee,
                    "taker": self.facts[index].taker_fee,
                }
            )
        return self.facts[index]

    def count_volume(self, index: int, now: int, price: int, size: int) -> None:
        facts = self.facts[index]
        value = facts.coins(size) if facts.kind == "inverse" else facts.value(price, size)
        if facts.fee_tiers:
            self.traded.append((now, facts.volume_group, abs(value)))
