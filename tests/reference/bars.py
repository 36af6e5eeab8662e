"""Orders against bars: a price at the open, an unknown path between low and high, a price at the
close. An order that is there early in a bar meets all three, a later one the close alone."""

from __future__ import annotations

from reference.market import Bar, Market
from reference.matching import Matching
from reference.orders import FUNDS, Order

EARLY_PART = 10  # a tenth of the bar


def meets_open(bar: Bar, o: Order) -> bool:
    return o.arrival <= bar.ts_open + (bar.ts_close - bar.ts_open) // EARLY_PART


def beyond(side: str, price: int, limit: int) -> bool:
    return price < limit if side == "buy" else price > limit


def acceptable(o: Order, price: int) -> bool:
    return o.limit is None or not beyond("sell" if o.side == "buy" else "buy", price, o.price)


class Bars(Matching):
    """Part of Exchange."""

    bar_volume_share: int  # 1e-6
    ambiguous_bars = ambiguous_fills = 0
    _room: int | None = None  # of the bar in hand; None: it is not known
    _rooms: dict[int, int | None]  # what is left of each instrument's last bar
    periods: dict[int, int]

    # --- money that other orders free ---

    def bar_pays(self, o: Order, time: int, price: int) -> bool:
        """Its money is there. If not it is canceled; while what it counts on waits, too, it stays
        with what this bar offers it."""
        reckoned, o.reckoned, o.offer = o.reckoned, 0, None
        code, paid = 0, self.markets[o.index].average(o.side, price, 0, o.left, o.limit, time)
        if self.check_funds:
            self.mark_all()
            code = self.account.refuses(o.index, o.position_side, o.side, paid, o.left, o.reduce_only)
        if code == FUNDS and o.on_credit and not self.funds_on_credit(o, paid):
            o.offer = time, price
        elif code:
            self.close(o, time, code)
            return False
        else:
            o.on_credit = False
        o.reckoned = reckoned
        return o.offer is None

    def take_offers(self, now: int) -> None:
        """Something may have been sold."""
        waiting = [o for o in self.orders if o.offer]
        for o in sorted(waiting, key=lambda o: o.venue_id):
            assert o.offer
            market, offer, bar = self.markets[o.index], o.offer, self.markets[o.index].bar
            assert bar
            if 2 * bar.ts_close - bar.ts_open <= now:
                continue  # gone before the money came
            before, market.bar_price = market.bar_price, offer[1]
            room, self._room = self._room, self._rooms[o.index]
            self.bar_take(o, *offer)
            self._rooms[o.index], self._room = self._room, room
            market.bar_price = before
            if bar.ts_close - bar.ts_open == self.periods.get(o.index):
                self.walk_margin(o.index, bar, now)

    # --- one price ---

    def bar_room(self, o: Order, wanted: int) -> int:
        if self._room is None:
            return wanted
        return min(wanted, self._room - self._room % self.facts[o.index].lot)

    def taker_room(self, o: Order, price: int, time: int) -> int:
        room = self.bar_room(o, o.left)
        if room <= 0:
            return room
        return self.markets[o.index].room(o.side, price, 0, room, o.limit, max(time, o.arrival))

    def bar_fill(self, o: Order, time: int, price: int, liquidity: str) -> None:
        takes = liquidity == "taker"
        room = self.taker_room(o, price, time) if takes else self.bar_room(o, o.left)
        if room <= 0:
            return
        at = max(time, o.arrival)  # not before the order was there
        paid = self.markets[o.index].average(o.side, price, 0, room, o.limit, at) if takes else price
        size = self.fill_pushed(o, at, price, paid, room, liquidity)
        if self._room is not None:
            self._room -= size

    def bar_take(self, o: Order, time: int, price: int) -> None:
        """Only a market order that may wait carries its rest to the next bar."""
        if o.rests:  # it rests once its money is there, as if it had since it came
            if self.bar_pays(o, time, o.price):
                arrival = o.arrival
                self.rest(o, time)
                o.arrival = arrival
            return
        whole = o.tif != "FOK" or self.taker_room(o, price, time) >= o.left
        if acceptable(o, price) and whole:
            if not self.bar_pays(o, time, price):
                return
            self.bar_fill(o, time, price, "taker")
        if o.works and not (o.type == "market" and o.tif in ("GTC", "GTD")):
            self.close(o, time)

    def bar_fire(self, o: Order, time: int, price: int) -> None:
        """The order behind a trigger acts at the price that met it, if it can; else it rests."""
        market = self.markets[o.index]
        before, market.bar_price = market.bar_price, price
        self.fire(o, time)
        if o.place == "waiting":
            self.bar_take(o, time, price)
        elif o.works and not o.post_only and acceptable(o, price):
            self.bar_fill(o, time, price, "taker")
        market.bar_price = before

    def bar_at_price(self, index: int, time: int, price: int, *, at_open: bool) -> None:
        """All that a single known price does."""
        market = self.markets[index]
        bar = market.bar
        assert bar is not None

        def meets(o: Order) -> bool:
            return o.works and meets_open(bar, o) == at_open

        for o in sorted(self.of(index, "waiting"), key=lambda o: o.rank):
            if meets(o):
                self.bar_take(o, time, price)
        for o in self.of(index, "trigger"):
            met = price >= o.trigger if o.rises else price <= o.trigger
            if meets(o) and market.goes_by_last(o.trigger_by) and met:
                self.bar_fire(o, time, price)
        resting = self.resting(index, "buy") + self.resting(index, "sell")
        for o in resting:
            moved = price + market.moved(o.side, time)
            if meets(o) and beyond(o.side, moved, o.price):
                if o.crossed:
                    self.bar_fill(o, time, price, "taker")
                else:
                    self.bar_fill(o, time, moved if at_open else o.price, "maker")
        for o in resting:
            o.crossed = False

    # --- between open and close ---

    def bar_touches(self, o: Order, bar: Bar) -> bool:
        reached = bar.high >= o.trigger if o.rises else bar.low <= o.trigger
        by_last = self.markets[o.index].goes_by_last(o.trigger_by)
        return o.place == "trigger" and meets_open(bar, o) and by_last and reached

    def is_ambiguous(self, index: int, bar: Bar) -> bool:
        """Own orders are reached on both sides of the open: which came first nobody knows."""
        reached = [(o, o.rises) for o in self.of(index, "trigger") if self.bar_touches(o, bar)]
        for o in self.of(index, "resting"):
            extreme = bar.low if o.side == "buy" else bar.high
            at_open = beyond(o.side, bar.open, o.price)  # filled there, or no room
            if meets_open(bar, o) and not at_open and beyond(o.side, extreme, o.price):
                reached.append((o, o.side == "sell"))
        # Orders that only reduce count where there is a position, or one that might open it.
        if all(o.reduce_only for o, _ in reached):
            reached = [(o, above) for o, above in reached if self.reducible(o)]
        return len({above for _, above in reached}) == 2

    def bar_stops(self, index: int, bar: Bar, now: int, *, losing: bool, after: bool) -> None:
        """Triggers at their own price. A stop that would find nothing to reduce waits for what the
        bar's limits open."""
        for o in self.of(index, "trigger"):
            if not self.bar_touches(o, bar) or (o.rises == (o.side == "buy")) != losing:
                continue
            if losing and not after and o.reduce_only and not self.reducible(o):
                continue
            self.bar_fire(o, now, o.trigger)

    def bar_inside(self, index: int, bar: Bar, now: int) -> None:
        ambiguous = self.is_ambiguous(index, bar)
        fills = self._trades
        self.bar_stops(index, bar, now, losing=True, after=False)
        self.bar_stops(index, bar, now, losing=False, after=False)
        for o in self.resting(index, "buy") + self.resting(index, "sell"):
            extreme = bar.low if o.side == "buy" else bar.high
            moved = extreme + self.markets[index].moved(o.side, now)
            if o.works and meets_open(bar, o) and beyond(o.side, moved, o.price):
                self.bar_fill(o, now, o.price, "maker")  # traded through; a touch is not enough
        self.bar_stops(index, bar, now, losing=True, after=True)
        if ambiguous:
            self.ambiguous_bars += 1
            self.ambiguous_fills += self._trades - fills

    # --- margin on the way ---

    def walk_margin(self, index: int, bar: Bar, now: int) -> None:
        """From the open to the low, and to the high, price by price."""
        for end in (bar.open, bar.low, bar.high):
            step = 1 if end >= bar.open else -1
            for price in range(bar.open, end + step, step):
                self.mark_all(index, price)
                self.liquidate(index, now)

    def liquidate(self, index: int, now: int) -> None:
        raise NotImplementedError

    def walk_loans(self, index: int, bar: Bar, now: int) -> None:
        raise NotImplementedError

    # --- the event ---

    def after_bar(self, index: int, market: Market, periods: dict[int, int], now: int) -> None:
        bar = market.bar
        assert bar is not None
        if not market.has_bars_only:
            return
        period = bar.ts_close - bar.ts_open
        if period > periods.setdefault(index, period):
            return  # longer bars repeat what the shortest said
        periods[index] = period
        share = bar.volume * self.bar_volume_share // 10**6
        self._room = share if market.bars_say_volume else None
        market.bar_price = bar.open  # nothing later is known
        self.bar_at_price(index, bar.ts_open, bar.open, at_open=True)
        self._rooms[index] = self._room
        self.take_offers(now)
        self._room = self._rooms[index]
        self.bar_inside(index, bar, now)
        market.bar_price = None
        self.walk_margin(index, bar, now)
        self.walk_loans(index, bar, now)
        self.bar_at_price(index, now, bar.close, at_open=False)
        self._rooms[index] = self._room
        self.take_offers(now)
        self.sweep(index, now)
