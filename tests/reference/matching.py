"""What each market event does to the orders, and where a taker's fills come from."""

from __future__ import annotations

from collections.abc import Callable

from reference.by_order import Change
from reference.market import Trade, other, within
from reference.orders import NO_MARKET, REDUCE_ONLY, Order
from reference.requests import Requests


class Matching(Requests):
    """Part of Exchange."""

    trigger_delay: int
    delay: Callable[[Order, int], None]

    # --- taking ---

    def take(self, o: Order, now: int) -> None:
        """Takes at once what it may; then an order that does not rest is gone."""
        market = self.markets[o.index]
        steps = market.offers(o.side, o.left, o.limit, beyond=True, now=now)
        if o.tif == "FOK" and sum(size for _, size, _ in steps) < o.left:
            self.close(o, now)
            return
        shown = market.level(other(o.side))
        for price, size, paid in steps:
            if not o.works:
                break
            got = self.fill_pushed(o, now, price, paid, size, "taker")
            if market.depth is not None or (shown and price == shown[0]):
                market.taken[other(o.side), price] += got
        if not o.works:
            return
        if o.type == "market":
            self.close(o, now, NO_MARKET)
        elif not o.rests:
            self.close(o, now)

    def take_waiting(self, index: int, now: int) -> None:
        """Orders that came before there was any market meet its first event."""
        for o in sorted(self.of(index, "waiting"), key=lambda o: o.rank):
            o.reckoned = 0
            if code := self.speaks_against(o, now):
                self.close(o, now, code)
                continue
            o.on_credit, o.offer, o.place = False, None, "new"
            self.take(o, now)
            if o.works:  # it came when bars were all there was
                o.reckoned = o.price
                self.rest(o, now)

    # --- triggers ---

    def is_met(self, o: Order, now: int) -> bool:
        market = self.markets[o.index]
        doubled = market.reference_doubled(o.trigger_by)
        if doubled is None:
            return False
        if market.goes_by_last(o.trigger_by) and not market.has_bars_only:
            doubled += 2 * market.moved(o.side, now)
        return doubled >= 2 * o.trigger if o.rises else doubled <= 2 * o.trigger

    def fire_triggers(self, index: int, now: int) -> None:
        market = self.markets[index]
        in_bars = market.has_bars_only
        met = [
            o
            for o in self.of(index, "trigger")
            if not (in_bars and market.goes_by_last(o.trigger_by)) and not o.sleeps and self.is_met(o, now)
        ]
        for o in met:
            self.fire(o, now)

    def fire(self, o: Order, now: int, code: int = 0) -> None:
        # With bars alone nobody knows what happened in between: no delay.
        if self.trigger_delay and not self.markets[o.index].has_bars_only:
            o.place = "delayed"
            self.say(o, now, "triggered", "TRIGGERED", code)
            self.delay(o, now + self.trigger_delay)
        else:
            self.go_live(o, now, reported=False, code=code)

    def go_live(self, o: Order, now: int, *, reported: bool, code: int = 0) -> None:
        """The order behind a trigger meets the market."""
        o.arrival, o.place = now, "new"
        left = self.reducible(o) if o.reduce_only else o.size
        if o.entry:
            left = min(left, o.covers)
        if not reported:  # else its size was said, and the rest is canceled after the fill
            o.size = min(o.size, left) or o.size
            self.say(o, now, "triggered", "TRIGGERED", code)
        if left <= 0:
            self.close(o, now, REDUCE_ONLY)
        elif code := self.speaks_against(o, now):
            self.close(o, now, code)
        else:
            o.reckoned = o.price if o.type == "limit" else self.markets[o.index].reference
            self.activate(o, now)

    # --- resting orders ---

    def look_at_queues(self, index: int) -> None:
        """Never more stands before an order than is shown."""
        market = self.markets[index]
        for o in self.of(index, "resting"):
            assert o.queue is not None
            shown = market.displayed(o.side, o.price)
            if shown is not None and o.queue.ahead != 0:
                o.queue.show(shown)

    def fill_touched(self, index: int, now: int) -> None:
        """The opposite touch came to an order's price: filled there, for what is displayed."""
        market = self.markets[index]
        for side in ("buy", "sell"):
            while orders := self.resting(index, side):
                o, left = orders[0], orders[0].left
                if index in self.books and not o.crossed:
                    break  # the venue's own orders say what meets it
                steps = market.offers(side, left, o.price, beyond=False, now=now)
                planned = sum(size for _, size, _ in steps)
                if not planned:
                    break
                got = self.fill(o, now, o.price, planned, o.liquidity)
                for price, size, _ in steps:
                    market.taken[other(side), price] += min(size, got)
                    got -= min(size, got)
                if planned < left:
                    break

    def fill_traded(self, index: int, trade: Trade, now: int) -> None:
        """One print is shared among own orders by price, then time."""
        book = self.books.get(index)
        if book is not None and book.is_complete and book.says_fills:
            return  # the fills of the orders say the same
        market, budget = self.markets[index], trade.size
        for side in ("buy", "sell"):
            met = market.passed(side, trade.price, now)
            for o in self.resting(index, side):
                at_price = o.price == trade.price
                if not within(side, met, o.price) or (budget == 0 and not at_price):
                    break
                room = budget
                if at_price and book is not None:
                    continue  # whom it hit is not said
                if at_price:
                    assert o.queue is not None
                    # A taker on our own side did not hit us; and what nobody shows nobody knows.
                    if trade.side == side or o.queue.ahead is None:
                        continue
                    room = o.queue.trade(trade.size, budget)
                if room > 0:
                    budget -= self.fill(o, now, o.price, room, o.liquidity)

    # --- the events, after the market has taken them in ---

    def after_quote(self, index: int, now: int) -> None:
        self.pay_due(index, now)
        if self.markets[index].depth is None:  # with depth, its messages decide
            self.look_at_queues(index)
            self.take_waiting(index, now)
            self.fill_touched(index, now)
        self.fire_triggers(index, now)
        self.sweep(index, now)

    def after_book(self, index: int, now: int) -> None:
        if self.markets[index].depth is None:
            return
        self.pay_due(index, now)
        if index not in self.books:
            self.look_at_queues(index)
        self.take_waiting(index, now)
        self.fill_touched(index, now)
        self.fire_triggers(index, now)
        self.sweep(index, now)

    def after_mbo(self, index: int, change: Change, now: int, *, last: bool) -> None:
        if change.traded:
            self.fill_behind(index, *change.traded, now)
        if change.came:
            self.fill_met(index, change.came, now)
        if last:
            self.after_book(index, now)

    def after_trade(self, index: int, trade: Trade, now: int) -> None:
        self.pay_due(index, now)
        self.take_waiting(index, now)
        self.fill_traded(index, trade, now)
        self.fire_triggers(index, now)
        self.sweep(index, now)

    def after_mark(self, index: int, now: int) -> None:
        self.fire_triggers(index, now)
        self.sweep(index, now)
