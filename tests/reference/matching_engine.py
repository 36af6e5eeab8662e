"""A matching engine one can read in five minutes: one list of orders, scanned for every question.

Slow and plain on purpose. It is what the fast one is compared with, event by event.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

_EXACT = Context(prec=80)

ORDER_INVALID, WOULD_CROSS, UNKNOWN, REDUCE_ONLY = 4101, 4103, 4104, 4106
DUPLICATE, WOULD_TRIGGER = 4107, 4109
NO_MARKET = 1005
VENUE_REJECTED = 4401


@dataclass
class Order:
    participant: int
    order_id: int
    venue_id: int
    side: str
    type: str
    tif: str
    price: int
    size: int
    left: int
    trigger: int
    trigger_by: str
    rises: bool
    post_only: bool
    reduce_only: bool
    expire: int
    rank: int  # place in time; a new one when priority is lost
    waiting: bool  # for its trigger

    @property
    def filled(self) -> int:
        return self.size - self.left


class ReferenceEngine:
    """Prices and sizes are whole numbers; fees are decimal rates of price * size."""

    def __init__(
        self,
        *,
        maker: str = "0",
        taker: str = "0",
        amend: str = "decrease_keeps",
        amend_triggers: bool = True,
        refuses_met_triggers: bool = False,
    ) -> None:
        self.fees = {"maker": Decimal(maker), "taker": Decimal(taker)}
        self.amend_rule = amend
        self.amend_triggers = amend_triggers
        self.refuses_met_triggers = refuses_met_triggers
        self.orders: list[Order] = []
        self.positions: dict[int, int] = {}
        self.prices = {"last": 0, "mark": 0, "index": 0}
        self.events: list[tuple[Any, ...]] = []
        self.ticket = self.rank = self.trades = 0

    # -- what is asked of it ------------------------------------------------------------------

    def place(self, participant: int, now: int, **r: Any) -> None:
        size = r["size"]
        kind, tif = r.get("type", "limit"), r.get("tif", "GTC")
        price, trigger = r.get("price", 0), r.get("trigger", 0)
        post, reduce = r.get("post_only", False), r.get("reduce_only", False)
        by, rises = r.get("trigger_by", "last"), False
        if trigger:
            rises = (r["side"] == "buy") == (r.get("trigger_kind") == "stop")
        is_met = bool(trigger) and self._is_met(by, rises, trigger)
        code = 0
        if (
            size <= 0
            or (kind == "limit") != (price != 0)
            or (post and (kind == "market" or tif in ("IOC", "FOK")))
            or (tif == "GTD" and (kind == "market" or r.get("expire", 0) <= now))
            or bool(trigger) != ("trigger_kind" in r)
        ):
            code = ORDER_INVALID
        elif self._find(participant, r["order_id"]):
            code = DUPLICATE
        elif is_met and self.refuses_met_triggers:
            code = WOULD_TRIGGER
        elif not trigger:
            if reduce:
                size = min(size, self._reducible(participant, r["side"]))
                if size <= 0:
                    code = REDUCE_ONLY
            if post and self._crosses(r["side"], price):
                code = WOULD_CROSS
        if code:
            self._say(participant, r["order_id"], "rejected", code)
            return
        self.ticket += 1
        order = Order(
            participant=participant,
            order_id=r["order_id"],
            venue_id=self.ticket,
            side=r["side"],
            type=kind,
            tif=tif,
            price=price,
            size=size,
            left=size,
            trigger=trigger,
            trigger_by=by,
            rises=rises,
            post_only=post,
            reduce_only=reduce,
            expire=r.get("expire", 0),
            rank=self._next_rank(),
            waiting=bool(trigger) and not is_met,
        )
        self._say(participant, order.order_id, "accepted")
        if order.waiting:
            self.orders.append(order)
        elif trigger:
            self._set_free(order, WOULD_TRIGGER)
        else:
            self._match(order)
        self._fire()

    def cancel(self, participant: int, order_id: int) -> None:
        order = self._find(participant, order_id)
        if order is None:
            self._say(participant, order_id, "cancel_rejected", UNKNOWN)
        else:
            self._close(order, "canceled")
        self._fire()

    def cancel_all(self, participant: int, side: str = "none") -> None:
        for order in sorted(self.orders, key=lambda o: o.venue_id):
            if order.participant == participant and side in ("none", order.side):
                self._close(order, "canceled")
        self._fire()

    def amend(self, participant: int, order_id: int, price: int = 0, size: int = 0) -> None:
        order = self._find(participant, order_id)
        if order is None:
            self._say(participant, order_id, "update_rejected", UNKNOWN)
            return
        new_price, new_size = price or order.price, size or order.size
        grows = new_price != order.price or new_size > order.size
        if (
            self.amend_rule == "none"
            or (order.waiting and not self.amend_triggers)
            or (self.amend_rule == "decrease_only" and grows)
        ):
            self._say(participant, order_id, "update_rejected", VENUE_REJECTED)
        elif order.type == "market" and new_price:
            self._say(participant, order_id, "update_rejected", ORDER_INVALID)
        elif (
            order.post_only and not order.waiting and new_price != order.price and self._crosses(order.side, new_price)
        ):
            self._say(participant, order_id, "update_rejected", WOULD_CROSS)
        elif order.filled and new_size <= order.filled:
            self._close(order, "canceled")
        else:
            keeps = order.waiting or (not grows and self.amend_rule != "requeues")
            filled = order.filled
            order.price, order.size, order.left = new_price, new_size, new_size - filled
            self._say(participant, order_id, "updated")
            if not keeps:
                self.orders.remove(order)
                order.rank = self._next_rank()
                self._match(order)
        self._fire()

    def set_mark(self, mark: int = 0, index: int = 0) -> None:
        self.prices["mark"] = mark or self.prices["mark"]
        self.prices["index"] = index or self.prices["index"]
        self._fire()

    def expire(self, now: int) -> None:
        due = [o for o in self.orders if o.tif == "GTD" and o.expire <= now]
        for order in sorted(due, key=lambda o: (o.expire, o.venue_id)):
            self._close(order, "expired")
        self._fire()

    def levels(self, side: str) -> list[tuple[int, int]]:
        sizes: dict[int, int] = {}
        for order in self.orders:
            if order.side == side and not order.waiting:
                sizes[order.price] = sizes.get(order.price, 0) + order.left
        return sorted(sizes.items(), reverse=side == "buy")

    # -- how it works -------------------------------------------------------------------------

    def _next_rank(self) -> int:
        self.rank += 1
        return self.rank

    def _find(self, participant: int, order_id: int) -> Order | None:
        for order in self.orders:
            if (order.participant, order.order_id) == (participant, order_id):
                return order
        return None

    def _say(self, participant: int, order_id: int, news: str, code: int = 0) -> None:
        self.events.append(("order", participant, order_id, news, code))

    def _close(self, order: Order, news: str, code: int = 0) -> None:
        if order in self.orders:
            self.orders.remove(order)
        self._say(order.participant, order.order_id, news, code)

    def _queue(self, side: str) -> list[Order]:
        """Resting orders of a side, in the order in which they trade."""
        resting = [o for o in self.orders if o.side == side and not o.waiting]
        return sorted(resting, key=lambda o: (-o.price if side == "buy" else o.price, o.rank))

    def _acceptable(self, order: Order, price: int) -> bool:
        if order.type == "market":
            return True
        return price <= order.price if order.side == "buy" else price >= order.price

    def _crosses(self, side: str, price: int) -> bool:
        queue = self._queue("sell" if side == "buy" else "buy")
        if not queue:
            return False
        return queue[0].price <= price if side == "buy" else queue[0].price >= price

    def _reducible(self, participant: int, side: str) -> int:
        held = self.positions.get(participant, 0)
        return max(-held if side == "buy" else held, 0)

    def _fillable(self, order: Order) -> bool:
        """Tried on a copy of everything."""
        probe, tried = copy.deepcopy((self, order))
        tried.tif = "IOC"
        probe._match(tried)
        return tried.left == 0

    def _match(self, order: Order) -> None:
        if order.tif == "FOK" and not self._fillable(order):
            self._close(order, "canceled")
            return
        while order.left:
            queue = self._queue("sell" if order.side == "buy" else "buy")
            if not queue or not self._acceptable(order, queue[0].price):
                break
            maker = queue[0]
            size = min(order.left, maker.left)
            if maker.reduce_only:
                size = min(size, self._reducible(maker.participant, maker.side))
                if size <= 0:
                    self._close(maker, "canceled", REDUCE_ONLY)
                    continue
            if order.reduce_only:
                size = min(size, self._reducible(order.participant, order.side))
                if size <= 0:
                    self._close(order, "canceled", REDUCE_ONLY)
                    return
            self._trade(maker, order, size)
        if order.left == 0:
            return
        if order.type == "market":
            self._close(order, "canceled", NO_MARKET)
        elif order.tif in ("IOC", "FOK"):
            self._close(order, "canceled")
        else:
            self.orders.append(order)

    def _trade(self, maker: Order, taker: Order, size: int) -> None:
        self.trades += 1
        for order, liquidity in ((maker, "maker"), (taker, "taker")):
            order.left -= size
            held = self.positions.get(order.participant, 0)
            self.positions[order.participant] = held + (size if order.side == "buy" else -size)
            self.events.append(
                (
                    "fill",
                    order.participant,
                    order.order_id,
                    maker.price,
                    size,
                    liquidity,
                    self.trades,
                    self.fee(liquidity, maker.price, size),
                )
            )
        if maker.left == 0:
            self.orders.remove(maker)
        self.prices["last"] = maker.price

    def fee(self, liquidity: str, price: int, size: int) -> int:
        """In units of 1e-18, half to even."""
        exact = _EXACT.multiply(Decimal(price * size), self.fees[liquidity]).scaleb(18)
        return int(exact.to_integral_value(ROUND_HALF_EVEN, context=_EXACT))

    def _is_met(self, by: str, rises: bool, trigger: int) -> bool:
        price = self.prices[by]
        return bool(price) and (price >= trigger if rises else price <= trigger)

    def _fire(self) -> None:
        """Triggers that their price has met: the nearest of each direction, of these the oldest."""
        while True:
            heads: list[Order] = []
            for by in self.prices:
                for rises in (False, True):
                    line = [o for o in self.orders if o.waiting and o.trigger_by == by and o.rises == rises]
                    line.sort(key=lambda o: (o.trigger if o.rises else -o.trigger, o.venue_id))
                    if line and self._is_met(by, rises, line[0].trigger):
                        heads.append(line[0])
            if not heads:
                return
            order = min(heads, key=lambda o: o.venue_id)
            self.orders.remove(order)
            order.waiting = False
            order.rank = self._next_rank()
            self._set_free(order)

    def _set_free(self, order: Order, code: int = 0) -> None:
        """Its trigger was met: what was not asked at the door is asked now."""
        self._say(order.participant, order.order_id, "triggered", code)
        if order.reduce_only:
            left = self._reducible(order.participant, order.side)
            if left <= 0:
                self._close(order, "canceled", REDUCE_ONLY)
                return
            if left < order.left:
                order.size -= order.left - left
                order.left = left
        if order.post_only and self._crosses(order.side, order.price):
            self._close(order, "canceled", WOULD_CROSS)
            return
        self._match(order)
