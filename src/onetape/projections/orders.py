"""Orders as their gateway's journal has them, folded by the state machine that the gateway itself runs.

| frame | what it does |
|---|---|
| order_request | PLACE begins an order, AMEND and CANCEL ask for a change of it |
| reply | gives the reason of the order_event that follows |
| order_event | moves the state machine; venue id and price are the order's from then on |
| fill | is booked by the state machine |

An order leaves `working` with its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from onetape.model.enums import OrderState, RequestKind
from onetape.model.order import OrderSpec
from onetape.orders.machine import OrderLife
from onetape.orders.order_frames import FillFrame, NewsFrame, RequestFrame, news_of, request_of
from onetape.tape.journal import Frame

__all__ = ["Key", "Order", "Orders"]

Key = tuple[int, int]  # robot, order id


@dataclass(slots=True)
class Order:
    """An order of a robot or of the operator. Prices in units of its instrument, times ns UTC.

    spent: price times size of its fills; code, reason: of the last word on it, 0 and "" where that was no refusal.
    """

    spec: OrderSpec
    robot: int
    order_id: int
    created: int
    life: OrderLife
    price: int = 0
    venue_id: int = 0
    spent: int = 0
    code: int = 0
    reason: str = ""
    is_held: bool = False  # it waits at the gateway for other orders
    is_canceling: bool = False  # its end was asked for

    @classmethod
    def placed(cls, request: RequestFrame, time: int) -> Order:
        """Makes an order of the request that places it."""
        spec = request.spec
        order = cls(spec, request.robot, request.order_id, time, OrderLife(spec.size_int), spec.price_int)
        order.take_request(request)
        return order

    @property
    def key(self) -> Key:
        return self.robot, self.order_id

    @property
    def state(self) -> OrderState:
        return self.life.state

    @property
    def size(self) -> int:
        return self.life.size

    @property
    def filled(self) -> int:
        return self.life.filled

    @property
    def left(self) -> int:
        return self.life.size - self.life.filled

    def take_request(self, request: RequestFrame) -> None:
        kind = request.kind
        if kind is RequestKind.PLACE or request.is_reissue:  # with a reissue it leaves for the venue
            self.is_held = request.is_held
        self.is_canceling |= kind is RequestKind.CANCEL
        self.life.on_request(kind, request.spec.size_int, is_reissue=request.is_reissue)

    def take_incarnation(self) -> None:
        """Takes in that another incarnation of the gateway goes on: what left and has no answer never gets one."""
        if not self.is_held:
            self.life.on_incarnation()

    def take_news(self, news: NewsFrame) -> None:
        self.code = news.code
        if not news.code:
            self.reason = ""
        self.venue_id = news.venue_id or self.venue_id
        self.price = news.price or self.price
        if not news.is_local:
            self.life.on_news(news.news, news.size)

    def take_fill(self, fill: FillFrame) -> None:
        before = self.life.filled
        self.life.on_fill(str(fill.trade_id), fill.size)
        self.spent += fill.price * (self.life.filled - before)
        self.venue_id = fill.venue or self.venue_id
        self.code, self.reason = 0, ""


@dataclass(slots=True)
class Orders:
    """Folds the orders of a gateway's journal. Frames of an order that the journal does not have, or that has ended,
    change nothing."""

    working: dict[Key, Order] = field(default_factory=dict)

    def add(self, order: Order) -> None:
        """Takes in an order that is known from elsewhere, or by its first request."""
        self.working[order.key] = order

    def incarnation(self) -> None:
        """Takes in that another incarnation of the gateway goes on with the journal."""
        for order in self.working.values():
            order.take_incarnation()

    def request(self, frame: Frame, symbol: str) -> None:
        request = request_of(frame.payload, symbol)
        if request.kind is RequestKind.PLACE:
            self.add(Order.placed(request, frame.time))
        elif (order := self.working.get((request.robot, request.order_id))) is not None:
            order.take_request(request)

    def reply(self, record: Mapping[str, Any]) -> None:
        order = self.working.get((record["robot"], record["order"])) if "order" in record else None
        if order is not None:
            order.reason = record["reason"]

    def news(self, frame: Frame) -> None:
        news = news_of(frame)
        if (order := self.working.get((news.robot, news.order_id))) is not None:
            order.take_news(news)
            self._let_go(order)

    def fill(self, fill: FillFrame) -> None:
        if (order := self.working.get((fill.robot, fill.order_id))) is not None:
            order.take_fill(fill)
            self._let_go(order)

    def _let_go(self, order: Order) -> None:
        if order.state.is_final:
            del self.working[order.key]
