"""Requests, and the life of an order: what it is checked against, in which order, and its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

from reference.account import SlowAccount, Working
from reference.by_order import ByOrder
from reference.facts import Facts, half_even
from reference.market import Market
from reference.orders import (
    DUPLICATE,
    FUNDS,
    INVALID,
    MODE,
    REDUCE_ONLY,
    SELF_TRADE,
    UNKNOWN,
    WOULD_CROSS,
    WOULD_TRIGGER,
    Order,
    form_error,
)
from reference.places import Place, QueueModel


class Requests(ByOrder):
    """Part of Exchange: what the robot asks for."""

    account: SlowAccount
    facts: list[Facts]
    markets: list[Market]
    orders: list[Order]  # all that work, as they came
    events: list[dict[str, Any]]
    impact_costs: list[int]  # of takers, by instrument
    queue: QueueModel
    check_funds: bool
    is_pushed: bool  # own trades move the market
    attached: dict[int, tuple[int, int, int]]
    note_late: Callable[[Order], None]
    pay_if_idle: Callable[[int, int], None]
    pay_due: Callable[[int, int], None]
    _tickets = _trades = _ranks = 0

    # Other parts of it.
    refusal: Callable[[int, int, str], int]
    mark_all: Callable[..., None]
    take: Callable[[Order, int], None]
    fire: Callable[..., None]
    is_met: Callable[[Order, int], bool]
    fee_facts: Callable[[int, int], Facts]
    count_volume: Callable[[int, int, int, int], None]

    # --- what is known of orders ---

    def find(self, order_id: int) -> Order | None:
        return next((o for o in self.orders if o.order_id == order_id), None)

    def of(self, index: int, *places: str) -> list[Order]:
        return [o for o in self.orders if o.index == index and o.place in places]

    def resting(self, index: int, side: str) -> list[Order]:
        """Best price first, then who came first."""
        orders = [o for o in self.of(index, "resting") if o.side == side]
        return sorted(orders, key=lambda o: (-o.price if side == "buy" else o.price, o.rank))

    def working(self, but: Sequence[Order] = ()) -> Iterator[Working]:
        """What orders hold back. Reduce-only ones of contracts need no money."""
        for o in self.orders:
            if not o.reckoned or any(o is each for each in but):
                continue
            if not o.reduce_only or self.facts[o.index].is_spot:
                yield Working(o.index, o.position_side, o.side, o.reckoned, o.left)

    def reducible(self, o: Order) -> int:
        held = self.account.at(o.index, o.position_side).qty
        return max(-held if o.side == "buy" else held, 0)

    # --- what is said ---

    def say(self, o: Order, now: int, news: str, state: str, code: int = 0) -> None:
        self.events.append(
            {
                "event": "order",
                "owner": o.index,
                "order_id": o.order_id,
                "venue_id": o.venue_id,
                "news": news,
                "state": state,
                "code": code,
                "price": o.price,
                "size": o.size,
                "filled": o.filled,
                "ts_event": now,
            }
        )

    def close(self, o: Order, now: int, code: int = 0, news: str = "canceled") -> None:
        o.place = "gone"
        self.orders.remove(o)
        self.pay_if_idle(o.index, now)
        self.say(o, now, news, news.upper(), code)

    # --- requests ---

    def request(self, now: int, index: int = 0, *, kind: str = "place", **r: Any) -> None:
        if code := self.refusal(index, now, kind):
            news = {"place": "rejected", "cancel": "cancel_rejected", "amend": "update_rejected"}
            self.refuse(now, index, news[kind], code, r)
            return  # the venue did not even look at it
        if kind == "place":
            self.place(now, index, r)
        else:
            (self.cancel if kind == "cancel" else self.amend)(now, index, r)
        self.sweep(index, now)

    def refuse(self, now: int, index: int, news: str, code: int, r: dict[str, Any]) -> None:
        named = Order(index, r["order_id"], "", "", r.get("size", 0), r.get("price", 0))
        self.say(named, now, news, "REJECTED" if news == "rejected" else "none", code)

    def place(self, now: int, index: int, r: dict[str, Any]) -> None:
        o = Order(index, **r)
        if o.trigger and o.trigger_by == "none":
            o.trigger_by = "last"
        o.entry, o.share, o.distance = self.attached.pop(o.order_id, (0, 0, 0))
        code = self.admit(o, now)
        if code == FUNDS and self.markets[index].has_bars_only:
            code = self.funds_on_credit(o, self.worst(o, now))
            o.on_credit = not code
        if code:
            self.refuse(now, index, "rejected", code, r)
            return
        market = self.markets[index]
        self._tickets += 1
        o.venue_id, o.arrival = self._tickets, now
        self.orders.append(o)
        if not o.trigger:
            o.reckoned = o.price if o.type == "limit" else market.reference
            self.say(o, now, "accepted", "ACCEPTED")
            self.activate(o, now)
            return
        o.place = "trigger"
        is_met = not o.entry and self.is_met(o, now)
        self.note_late(o)
        self.say(o, now, "accepted", "ACCEPTED")
        if is_met:
            self.fire(o, now, WOULD_TRIGGER)

    def admit(self, o: Order, now: int) -> int:
        """All that can be said against it when it arrives. A reduce-only size is cut."""
        if self.account.hedge != (o.position_side != "both"):
            return MODE
        if code := form_error(self.facts[o.index], o, self.markets[o.index].reference):
            return code
        if o.tif == "GTD" and o.expire <= now:
            return INVALID
        if self.find(o.order_id):
            return DUPLICATE
        if (o.position_side, o.side) in (("long", "sell"), ("short", "buy")):
            o.reduce_only = True
        if o.trigger:  # the rest is asked when it fires
            refuses = self.facts[o.index].refuses_met_triggers and not o.entry
            return WOULD_TRIGGER if refuses and self.is_met(o, now) else 0
        if o.reduce_only:
            o.size = min(o.size, self.reducible(o))
            if o.size <= 0:
                return REDUCE_ONLY
        return self.speaks_against(o, now)

    def speaks_against(self, o: Order, now: int) -> int:
        """Of an order that becomes active now; what it holds back itself must not count."""
        market = self.markets[o.index]
        if o.post_only and market.crosses(o.side, o.price):
            return WOULD_CROSS
        worst = self.worst(o, now)
        own = [p.price for p in self.resting(o.index, "sell" if o.side == "buy" else "buy")]
        if own and worst:
            # A limit at our own price would stand against it; a market order that only just
            # reaches it takes what is displayed there first.
            gap = worst - own[0] if o.side == "buy" else own[0] - worst
            if gap > 0 or (gap == 0 and o.type == "limit"):
                return SELF_TRADE
        if not self.check_funds or not worst:
            return 0
        self.mark_all()
        return self.account.refuses(o.index, o.position_side, o.side, worst, o.left, o.reduce_only)

    def worst(self, o: Order, now: int) -> int:
        """The price that it may come to; 0: none is known."""
        if o.type != "market":
            return o.price
        market = self.markets[o.index]
        steps = market.offers(o.side, o.left, None, beyond=True, now=now)
        return steps[-1][2] if steps else market.reference

    def funds_on_credit(self, o: Order, price: int) -> int:
        """What arrives with bars alone meets the market at the next open. What waits there to give
        something back counts as done: the error number of an order that even then has no money."""
        after, done = self.account.copy(), []
        for index, market in enumerate(self.markets):
            waiting = sorted(self.of(index, "waiting"), key=lambda p: p.rank)
            resting = [p for side in ("buy", "sell") for p in self.resting(index, side)]
            for p in [*waiting, *(p for p in resting if p.crossed)]:
                held = after.at(index, p.position_side).qty
                is_spot = self.facts[index].is_spot
                gives = p.side == "sell" if is_spot else held * (1 if p.side == "sell" else -1) > 0
                if p is o or p.on_credit or not gives or not market.has_bars_only:
                    continue
                only = not is_spot and (p.reduce_only or not p.reckoned)
                size = min(p.left, abs(held)) if only else p.left
                at = market.reference
                fee = self.facts[index].fee("taker", at, size)
                after.fill(index, p.side, at, size, fee=fee, position_side=p.position_side)
                done.append(p)
        if not done:
            return FUNDS
        after.working = lambda: self.working(done)
        return after.refuses(o.index, o.position_side, o.side, price, o.left, o.reduce_only)

    def activate(self, o: Order, now: int) -> None:
        market = self.markets[o.index]
        if market.is_silent or market.has_bars_only:
            if o.rests:
                o.crossed = market.crosses(o.side, o.price)
            if o.rests and not o.on_credit:
                self.rest(o, now)
            else:
                self.wait(o)
            return
        self.take(o, now)
        if o.works:
            self.rest(o, now)

    def wait(self, o: Order) -> None:
        o.place = "waiting"
        self._ranks += 1
        o.rank = self._ranks

    def rest(self, o: Order, now: int) -> None:
        o.place, o.arrival = "resting", now
        self._ranks += 1
        o.rank = self._ranks
        market = self.markets[o.index]
        if not market.has_bars_only and not market.is_silent:
            # The recorded market offers what it wants, and own trades keep it from taking that.
            o.crossed = self.is_pushed and bool(market.offers(o.side, o.left, o.limit, beyond=True))
        shown = market.displayed(o.side, o.price)
        facts = self.facts[o.index]
        o.queue = Place(
            self.queue, None if shown is None else float(shown), max(facts.lot, 1), 1 / 10**facts.size_decimals
        )
        if o.index in self.books:
            o.queue_rank = self.our_rank(o.index)

    def cancel(self, now: int, index: int, r: dict[str, Any]) -> None:
        o = self.find(r["order_id"])
        if o is None or o.index != index:
            self.refuse(now, index, "cancel_rejected", UNKNOWN, r)
        else:
            self.close(o, now)

    def amend(self, now: int, index: int, r: dict[str, Any]) -> None:
        """0: unchanged. A smaller size keeps the place in the queue."""
        o = self.find(r["order_id"])
        if o is None or o.index != index:
            self.refuse(now, index, "update_rejected", UNKNOWN, r)
            return
        old = (o.price, o.size, o.trigger, o.reckoned)
        state = "PARTIALLY_FILLED" if o.filled else "ACCEPTED"
        o.price, o.size = r.get("price") or o.price, r.get("size") or o.size
        if o.place == "trigger":
            o.trigger = r.get("trigger") or o.trigger
        code = form_error(self.facts[index], o, self.markets[index].reference)
        is_met = o.trigger != old[2] and self.is_met(o, now)
        if not code and is_met and self.facts[index].refuses_met_triggers:
            code = WOULD_TRIGGER
        if not code and o.filled and o.size <= o.filled:
            o.price, o.size = old[:2]
            self.close(o, now)  # that much is filled already
            return
        keeps = o.price == old[0] and o.size <= old[1]
        if not code and not keeps and o.place in ("waiting", "resting"):
            o.reckoned = 0
            code = self.speaks_against(o, now)
            o.reckoned = old[3]
        if code:
            o.price, o.size, o.trigger = old[:3]
            self.say(o, now, "update_rejected", state, code)
            return
        if o.place in ("waiting", "resting") and o.type == "limit":
            o.reckoned = o.price
        self.say_amended(o, now, state, is_met=is_met, keeps=keeps)

    def say_amended(self, o: Order, now: int, state: str, *, is_met: bool, keeps: bool) -> None:
        self.say(o, now, "updated", state)
        if is_met:
            self.fire(o, now, WOULD_TRIGGER)
        elif o.place == "resting" and not keeps:
            o.place = "new"
            self.activate(o, now)

    # --- fills ---

    def fill(self, o: Order, now: int, price: int, size: int, liquidity: str) -> int:
        """Returns how much: a reduce-only order stops where its position ends."""
        size = min(size, o.left)
        if o.reduce_only:
            size = min(size, self.reducible(o))
        if size <= 0:
            if o.reduce_only:
                self.close(o, now, REDUCE_ONLY)
            return 0
        facts = self.fee_facts(o.index, now)
        fee = facts.fee(liquidity, price, size)
        o.filled += size
        o.cost += price * size
        self.cover(o, size)
        self._trades += 1
        self.account.fill(o.index, o.side, price, size, fee=fee, position_side=o.position_side)
        if liquidity == "taker":
            self.markets[o.index].push.note_taken(now, o.side, size)
        self.count_volume(o.index, now, price, size)
        if not o.left:
            o.place = "gone"
            self.orders.remove(o)
            self.pay_if_idle(o.index, now)
        self.say_fill(o, now, price, size, fee, liquidity)
        if o.works and o.reduce_only and not self.reducible(o):
            self.close(o, now, REDUCE_ONLY)
        return size

    def cover(self, o: Order, size: int) -> None:
        """What an entry fills its legs have to close; what one of them fills is done with for the others."""
        for leg in self.of(o.index, "trigger"):
            if leg.entry and leg.entry == o.entry:
                leg.covers = max(leg.covers - size, 0)
            elif leg.entry == o.order_id:
                leg.covers += size
                if leg.share or leg.distance:
                    average = Fraction(o.cost, o.filled)
                    price = average * (10**9 + leg.share) / 10**9 + leg.distance
                    tick = self.facts[o.index].tick
                    leg.trigger = max(half_even(price / tick), 1) * tick

    def fill_pushed(self, o: Order, now: int, recorded: int, paid: int, size: int, liquidity: str) -> int:
        """One whose recorded price own trades have made worse: what that cost is counted."""
        got = self.fill(o, now, paid, size, liquidity)
        facts = self.facts[o.index]
        self.impact_costs[o.index] += abs(facts.value(paid, got) - facts.value(recorded, got))
        return got

    def say_fill(self, o: Order, now: int, price: int, size: int, fee: int, liquidity: str) -> None:
        self.markets[o.index].push.held += size if o.side == "buy" else -size
        self.events.append(
            {
                "event": "fill",
                "owner": o.index,
                "order_id": o.order_id,
                "venue_id": o.venue_id,
                "trade_id": self._trades,
                "side": o.side,
                "price": price,
                "size": size,
                "fee": fee,
                "liquidity": liquidity,
                "position_side": o.position_side,
                "ts_event": now,
            }
        )

    def sweep(self, index: int, now: int) -> None:
        """Reduce-only orders whose position is gone are gone with it. Untriggered ones stay: a
        stop may be placed before the position that it guards."""
        waiting = sorted(self.of(index, "waiting"), key=lambda o: o.rank)
        for o in [*self.resting(index, "buy"), *self.resting(index, "sell"), *waiting]:
            if o.reduce_only and not self.reducible(o):
                self.close(o, now, REDUCE_ONLY)
