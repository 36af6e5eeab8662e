"""Orders that wait for a price outside the book, and send a child order when it is reached.

A separate service, as Binance has it since 2025-12-09: the waiting order has its own id and states, reserves no margin,
and is in no list of working orders. When its price is reached it is TRIGGERING; a moment later a child order is placed,
which may still be refused. Other venues have triggers in the matching engine; only their trailing stops are followed
here (`hold`): such an order is an order of the account from the beginning, and is itself sent when its price is
reached.

    NEW -> TRIGGERING -> TRIGGERED -> FINISHED
     |         +-> REJECTED (the child was refused)
     +-> CANCELED, EXPIRED
"""

from __future__ import annotations

import copy
import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from msgspec import structs

from onetape.exchange.account import SimAccount, SimOrder
from onetape.exchange.board import Board
from onetape.exchange.order_entry import NewOrder, OrderEntry
from onetape.exchange.reports import ConditionalReport
from onetape.exchange.timeline import CallTerms, Timeline, recorded
from onetape.model.enums import OrderType, PositionSide, Side, TimeInForce, TriggerBy, TriggerKind
from onetape.model.errors import BY_CODE

__all__ = ["OPEN_MAX", "Conditional", "ConditionalBook", "NewConditional"]

OPEN_MAX: Final = 200  # per account, all symbols (Binance, 2025-12-29)
CLOSED_MAX: Final = 10_000  # ended orders that can still be queried
FINISH_LAG: Final = (2_000_000, 40_000_000)  # ns, seeded
_PASSED_ON: Final = ("fee_in_base",)  # facts of a waiting order that its child has, too
WAITING: Final = frozenset({"NEW", "TRIGGERING"})


class NewConditional(CallTerms, frozen=True, kw_only=True):
    """The terms of a conditional order. Prices and sizes int64 at the instrument's decimals, times ns UTC.

    type: STOP, STOP_MARKET, TAKE_PROFIT, TAKE_PROFIT_MARKET or TRAILING_STOP_MARKET.
    """

    index: int
    client_id: str
    type: str
    side: Side
    size: int
    position_side: PositionSide = PositionSide.BOTH
    price: int = 0
    trigger: int = 0
    by: TriggerBy = TriggerBy.LAST
    tif: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    post_only: bool = False
    close_position: bool = False
    activate: int = 0  # trailing: the activation price, 0: at once
    callback: int = 0  # trailing: in 1e-4 of the price (0.1 % is 10)
    other_trigger: int = 0  # of a take-profit in the same order as the stop, 0: none; the first one met is sent
    other_price: int = 0  # the take-profit's, 0: at the market
    protect: int = 0  # largest difference of mark and last trade at which it triggers, 1e-4 of the mark; 0: any
    expire: int = 0
    extra: dict[str, Any] = msgspec.field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Conditional:
    """One waiting order: its terms (see NewConditional), and its state."""

    id: int
    client_id: str
    account: SimAccount
    index: int
    type: str
    side: Side
    position_side: PositionSide
    size: int
    price: int
    trigger: int
    by: TriggerBy
    tif: TimeInForce
    created: int
    updated: int
    reduce_only: bool = False
    post_only: bool = False
    close_position: bool = False
    activate: int = 0
    callback: int = 0
    other_trigger: int = 0
    other_price: int = 0
    protect: int = 0
    expire: int = 0
    state: str = "NEW"
    activated: bool = False
    extreme: int = 0  # trailing: the best price since activation
    child: SimOrder | None = None
    is_held: bool = False  # the child has existed from the beginning (`hold`)
    triggered: int = 0
    reason: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def reference(self) -> dict[str, int]:
        return {"conditional": self.id}

    @property
    def is_open(self) -> bool:
        return self.state in WAITING

    @property
    def is_market(self) -> bool:
        return self.type.endswith("MARKET")

    @property
    def kind(self) -> TriggerKind:
        if self.type == "TRAILING_STOP_MARKET":
            return TriggerKind.TRAILING
        return TriggerKind.TAKE_PROFIT if self.type.startswith("TAKE_PROFIT") else TriggerKind.STOP

    @property
    def rises(self) -> bool:
        """Tells whether the price must rise to the trigger."""
        return (self.side is Side.BUY) != self.type.startswith("TAKE_PROFIT")

    def meets(self, price: int) -> bool:
        """Moves a trailing stop's trigger, and returns whether the trigger is met; that of a take-profit beside the
        stop replaces the stop's."""
        other = self.other_trigger
        if other and (price <= other if self.rises else price >= other):
            self.type = "TAKE_PROFIT" if self.other_price else "TAKE_PROFIT_MARKET"
            self.trigger, self.price, self.other_trigger = other, self.other_price, 0
        if self.type != "TRAILING_STOP_MARKET":
            return price >= self.trigger if self.rises else price <= self.trigger
        sells = self.side is Side.SELL
        if not self.activated:
            due = not self.activate or (price >= self.activate if sells else price <= self.activate)
            if not due:
                return False
            self.activated, self.extreme = True, price
        self.extreme = max(self.extreme, price) if sells else min(self.extreme, price)
        step = self.extreme * self.callback
        self.trigger = self.extreme * 10_000 - step if sells else self.extreme * 10_000 + step
        self.trigger //= 10_000
        return price <= self.trigger if sells else price >= self.trigger


class ConditionalBook:
    """The conditional orders of an exchange. seed: for the random delay of reports on a child. delay: ns between
    trigger and child."""

    def __init__(self, timeline: Timeline, board: Board, orders: OrderEntry, *, seed: int, delay: int) -> None:
        self.timeline = timeline
        self.board = board
        self.orders = orders
        self.seed = seed
        self.delay = delay
        self.by_id: dict[int, Conditional] = {}
        self.by_client_id: dict[tuple[int, str], Conditional] = {}
        self._waiting: dict[int, list[Conditional]] = {}  # instrument -> waiting orders
        self._closed: deque[Conditional] = deque()
        orders.watch(self)

    def only(self, orders: Iterable[Conditional]) -> ConditionalBook:
        """Returns a read-only book of only these orders."""
        book = copy.copy(self)
        book.by_id, book.by_client_id, book._waiting = {}, {}, {}
        for order in orders:
            book._enter(order)
        return book

    def open_of(self, account: SimAccount, index: int | None = None) -> list[Conditional]:
        """Returns open orders by id."""
        return [
            order
            for at in (self._waiting if index is None else (index,))
            for order in self._waiting.get(at, ())
            if order.account is account
        ]

    def _enter(self, order: Conditional) -> None:
        self.by_id[order.id] = order
        if order.client_id:
            self.by_client_id[order.account.number, order.client_id] = order
        if order.is_open:
            self._waiting.setdefault(order.index, []).append(order)

    @recorded("place_conditional", NewConditional)
    def place(self, account: SimAccount, now: int, wanted: NewConditional) -> Conditional:
        """Enters an order whose terms the caller has checked."""
        fields = structs.asdict(wanted)
        order = Conditional(id=self.orders.take_id(), account=account, created=now, updated=now, **fields)
        self._enter(order)
        price = self.board.price(order.index, order.by) if order.type == "TRAILING_STOP_MARKET" else 0
        if price:
            order.meets(price)  # a trailing stop without activation price is active in its first report
        self._say(order, order.created)
        if order.expire:
            self.timeline.at(order.expire, lambda now: self._expire(order, now))
        if price:
            self._look(order, price, order.created)
        return order

    @recorded("hold_conditional", NewConditional)
    def hold(self, account: SimAccount, now: int, wanted: NewConditional) -> SimOrder:
        """Enters a waiting order that is itself an order of the account; its end there ends it here."""
        fields = structs.asdict(wanted)
        order = Conditional(id=0, account=account, created=now, updated=now, is_held=True, **fields)
        price = self.board.price(order.index, order.by)
        order.trigger = order.trigger or order.activate or price  # initial trigger of a trailing stop
        terms = structs.replace(
            self._child_terms(order, order.size),
            trigger=order.trigger,
            trigger_by=order.by,
            trigger_kind=order.kind,
            extra={**order.extra, "parent": order},
        )
        order.child = self.orders.hold(account, order.index, now, terms)
        order.id = order.child.id
        self._enter(order)
        if price:
            self._look(order, price, now)
        return order.child

    @recorded("cancel_conditional")
    def cancel(self, order: Conditional, now: int) -> None:
        if order.is_held and order.child is not None:
            self.orders.cancel_now(order.child, now)
        else:
            self._end(order, now, "CANCELED")

    def on_price(self, index: int, by: TriggerBy, price: int, now: int) -> None:
        waiting = self._waiting.get(index)
        if not waiting:
            return
        for order in list(waiting):
            if order.by is by and order.state == "NEW":
                self._look(order, price, now)

    def on_flat(self, account: SimAccount, index: int, side: PositionSide, now: int) -> None:
        """Cancels the orders that close a whole position, because the position is gone."""
        for order in self.open_of(account, index):
            if order.close_position and order.position_side is side and order.state == "NEW" and not order.is_held:
                self._end(order, now, "EXPIRED")

    def on_ended(self, child: SimOrder, now: int) -> None:
        """Notes the end of an order, which may be a child of a conditional one."""
        order = child.extra.get("parent")
        if not isinstance(order, Conditional):
            return
        if order.is_held:
            self._end(order, now, "FINISHED" if order.triggered else "CANCELED")
        elif order.state == "TRIGGERED":
            self._finish(order, now)

    def _look(self, order: Conditional, price: int, now: int) -> None:
        was = order.activated
        if order.meets(price) and not self._is_kept_back(order):
            order.state, order.triggered, order.updated = "TRIGGERING", now, now
            self._say(order, now)
            self.timeline.at(now + self.delay, lambda due: self._fire(order, due))
        elif order.activated and not was:
            order.updated = now
            self._say(order, now)

    def _is_kept_back(self, order: Conditional) -> bool:
        """Tells whether price protection keeps the order waiting: mark and last trade differ too much."""
        listing = self.board.listings[order.index]
        return bool(order.protect) and abs(listing.mark - listing.last) * 10_000 > order.protect * listing.mark

    def _fire(self, order: Conditional, now: int) -> None:
        if order.state != "TRIGGERING":
            return
        account, size = order.account, order.size
        if order.is_held and order.child is not None:
            order.state = "TRIGGERED"
            self.orders.release(order.child, now)
            return
        if order.close_position:
            held = account.qty(order.index, order.position_side)
            if not held or (held > 0) != (order.side is Side.SELL):
                self._end(order, now, "EXPIRED")
                return
            size = abs(held)
        child = self.orders.place(account, order.index, now, self._child_terms(order, size))
        if child.code and not child.filled and not child.is_open:
            order.reason = BY_CODE[child.code].name
            self._end(order, now, "REJECTED")
            return
        order.child, order.state, order.updated = child, "TRIGGERED", now
        self._say(order, now)
        if not child.is_open:
            self._finish(order, now)

    @staticmethod
    def _child_terms(order: Conditional, size: int) -> NewOrder:
        return NewOrder(
            side=order.side,
            type=OrderType.MARKET if order.is_market else OrderType.LIMIT,
            tif=TimeInForce.GTC if order.is_market else order.tif,
            price=0 if order.is_market else order.price,
            size=size,
            post_only=order.post_only,
            reduce_only=(order.reduce_only or order.close_position) and not order.account.hedge,
            position_side=order.position_side,
            expire=order.expire if order.tif is TimeInForce.GTD else 0,
            client_id=order.client_id,
            extra={"parent": order, **{name: order.extra[name] for name in _PASSED_ON if name in order.extra}},
        )

    def _finish(self, order: Conditional, now: int) -> None:
        """Ends the conditional order. The service learns of the child's end later than the child's owner."""
        lag = random.Random(f"{self.seed}/{order.id}").randrange(*FINISH_LAG)
        self.timeline.at(now + lag, lambda due: self._finished(order, due))

    def _finished(self, order: Conditional, now: int) -> None:
        if order.state == "TRIGGERED":
            self._end(order, now, "FINISHED")

    def _expire(self, order: Conditional, now: int) -> None:
        if order.state == "NEW":
            self._end(order, now, "EXPIRED")

    def _end(self, order: Conditional, now: int, state: str) -> None:
        order.state, order.updated = state, now
        waiting = self._waiting.get(order.index, [])
        if order in waiting:
            waiting.remove(order)
        self._closed.append(order)
        if len(self._closed) > CLOSED_MAX:
            gone = self._closed.popleft()
            self.by_id.pop(gone.id, None)
            name = (gone.account.number, gone.client_id)
            if self.by_client_id.get(name) is gone:  # a later order may have the same id
                del self.by_client_id[name]
        self._say(order, now)

    def _say(self, order: Conditional, now: int) -> None:
        if order.is_held:
            return  # the order's own owner is notified
        child = order.child
        filled, cost = (child.filled, child.cost) if child else (0, 0)
        self.timeline.say(ConditionalReport(now, order, order.state, order.activated, child, filled, cost))
