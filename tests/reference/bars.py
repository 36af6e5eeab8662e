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
    limits_at_limit: bool
    gapped_gains: list[int]
    due: list[list[tuple[int, int, int]]]  # funding (time, rate, mark) by instrument: its bar is not known yet
    ambiguous_bars = ambiguous_fills = gapped_limits = late_stops = 0
    _filled_bars: dict[int, int]  # end of the last bar of each instrument that filled before its close
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

    def bar_fill(self, o: Order, time: int, price: int, liquidity: str) -> int:
        takes = liquidity == "taker"
        room = self.taker_room(o, price, time) if takes else self.bar_room(o, o.left)
        if room <= 0:
            return 0
        at = max(time, o.arrival)  # not before the order was there
        paid = self.markets[o.index].average(o.side, price, 0, room, o.limit, at) if takes else price
        size = self.fill_pushed(o, at, price, paid, room, liquidity)
        if self._room is not None:
            self._room -= size
        bar = self.markets[o.index].bar
        if size and bar and self.markets[o.index].bar_price is not None:
            self._filled_bars[o.index] = bar.ts_close
        return size

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

    def bar_open(self, index: int, bar: Bar) -> None:
        """A fill at the open holds from then on: funding that falls due in the bar is of what it has left. Who comes
        after that funding has no part in it."""
        self.pay_due(index, bar.ts_open)
        moments = [time for time, *_ in self.due[index] if time < bar.ts_close]
        since = 0
        for moment in [*moments, None]:
            self.bar_at_price(index, bar.ts_open, bar.open, at_open=True, came=(since, moment))
            if moment is not None:
                self.pay_due(index, moment)
                since = moment

    def bar_at_price(
        self, index: int, time: int, price: int, *, at_open: bool, came: tuple[int, int | None] = (0, None)
    ) -> None:
        """All that a single known price does. came: of orders that came from the one moment to before the other."""
        market = self.markets[index]
        bar = market.bar
        assert bar is not None

        def meets(o: Order) -> bool:
            is_early = came[0] <= o.arrival and (came[1] is None or o.arrival < came[1])
            return o.works and is_early and meets_open(bar, o) == at_open

        def fire_met() -> None:
            for o in self.of(index, "trigger"):
                met = price >= o.trigger if o.rises else price <= o.trigger
                if meets(o) and not o.sleeps and market.goes_by_last(o.trigger_by) and met:
                    self.bar_fire(o, time, price)

        for o in sorted(self.of(index, "waiting"), key=lambda o: o.rank):
            if meets(o):
                self.bar_take(o, time, price)
        fire_met()
        resting = self.resting(index, "buy") + self.resting(index, "sell")
        for o in resting:
            moved = price + market.moved(o.side, time)
            if meets(o) and beyond(o.side, moved, o.price):
                if o.crossed:
                    self.bar_fill(o, time, price, "taker")
                elif not at_open or self.limits_at_limit:
                    self.bar_fill(o, time, o.price, "maker")
                elif size := self.bar_fill(o, time, moved, "maker"):
                    self.gapped_limits += 1
                    facts = self.facts[index]
                    self.gapped_gains[index] += abs(facts.value(o.price, size) - facts.value(moved, size))
        for o in resting:
            o.crossed = False
        fire_met()  # a limit may have been filled beyond the stop that protects it

    # --- between open and close ---

    def bar_reaches(self, o: Order, bar: Bar) -> bool:
        reached = bar.high >= o.trigger if o.rises else bar.low <= o.trigger
        by_last = self.markets[o.index].goes_by_last(o.trigger_by)
        return o.place == "trigger" and meets_open(bar, o) and by_last and reached

    def may_fill_inside(self, o: Order | None, bar: Bar) -> bool:
        """An entry that the bar reaches between open and close."""
        if o is None:
            return False
        if o.place == "trigger":
            return self.bar_reaches(o, bar)
        extreme = bar.low if o.side == "buy" else bar.high
        return o.place == "resting" and meets_open(bar, o) and beyond(o.side, extreme, o.price)

    def note_late(self, o: Order) -> None:
        """A stop that comes when the bar of the fill that it protects is over, and had reached it."""
        bar = self.markets[o.index].bar
        if bar and not o.entry and self._filled_bars.get(o.index) == bar.ts_close and o.trigger_kind == "stop":
            reached = bar.high >= o.trigger if o.rises else bar.low <= o.trigger
            by_last = self.markets[o.index].goes_by_last(o.trigger_by)
            self.late_stops += bool(self.reducible(o) and by_last and reached)

    def is_ambiguous(self, index: int, bar: Bar) -> bool:
        """Own orders are reached on both sides of the open: which came first nobody knows."""
        reached = [
            (o, o.rises)
            for o in self.of(index, "trigger")
            if self.bar_reaches(o, bar) and (not o.sleeps or self.may_fill_inside(self.find(o.entry), bar))
        ]
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
            if not self.bar_reaches(o, bar) or o.sleeps or (o.rises == (o.side == "buy")) != losing:
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
        self.bar_open(index, bar)
        self._rooms[index] = self._room
        self.take_offers(now)
        self._room = self._rooms[index]
        self.bar_inside(index, bar, now)
        market.bar_price = None
        self.pay_if_idle(index, now)
        self.walk_margin(index, bar, now)
        self.walk_loans(index, bar, now)
        self.bar_at_price(index, now, bar.close, at_open=False)
        self._rooms[index] = self._room
        self.take_offers(now)
        self.sweep(index, now)
