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
from typing import Any, Final, NamedTuple

from onetape.model.enums import OrderNews, OrderState, RequestKind
from onetape.model.order import OrderSpec
from onetape.orders.machine import OrderLife
from onetape.orders.order_frames import HELD_FLAG, LOCAL_FLAG, REISSUE_FLAG, FillFrame, request_of
from onetape.tape.journal import Frame
from onetape.tape.payloads import fields, offset_of

__all__ = ["Key", "News", "Order", "Orders", "news_of"]

Key = tuple[int, int]  # robot, order id

_FLAGS_AT: Final = offset_of("order_request", "flags")
_NEWS: Final = fields("order_event", "order_id", "venue_id", "price", "size", "code", "news", "robot")


class News(NamedTuple):
    """What an order_event frame says. price, size: of the order after it, in units of its instrument."""

    order_id: int
    venue_id: int
    price: int
    size: int
    code: int
    news: OrderNews
    robot: int
    is_local: bool  # the gateway has refused a change, and the order is as it was


def news_of(frame: Frame) -> News:
    """Decodes an order_event."""
    order_id, venue, price, size, code, news, robot = _NEWS.unpack(frame.payload)
    is_local = bool(frame.flags & LOCAL_FLAG)
    return News(order_id, venue, price, size, code, OrderNews.from_id(news), robot, is_local)


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
    def placed(cls, spec: OrderSpec, robot: int, order_id: int, frame: Frame) -> Order:
        """Makes an order of the frame that places it."""
        order = cls(spec, robot, order_id, frame.time, OrderLife(spec.size_int), spec.price_int)
        order.take_request(frame, RequestKind.PLACE, spec.size_int)
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

    def take_request(self, frame: Frame, kind: RequestKind, size: int) -> None:
        """size: of an amendment."""
        flags = frame.payload[_FLAGS_AT]
        if kind is RequestKind.PLACE:
            self.is_held = bool(flags & HELD_FLAG)
        self.is_canceling |= kind is RequestKind.CANCEL
        self.life.on_request(kind, size, is_reissue=bool(flags & REISSUE_FLAG))

    def take_incarnation(self) -> None:
        """Takes in that another incarnation of the gateway goes on: what left and has no answer never gets one."""
        if not self.is_held:
            self.life.on_incarnation()

    def take_news(self, news: News) -> None:
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
        self.code, self.reason = 0, ""


@dataclass(slots=True)
class Orders:
    """Folds the orders of a gateway's journal. What takes a frame returns the order that it changed, None where the
    journal has no such order, or it has ended."""

    working: dict[Key, Order] = field(default_factory=dict)

    def add(self, order: Order) -> Order:
        """Takes in an order that is known from elsewhere, or by its first request."""
        self.working[order.key] = order
        return order

    def incarnation(self) -> None:
        """Takes in that another incarnation of the gateway goes on with the journal."""
        for order in self.working.values():
            order.take_incarnation()

    def request(self, frame: Frame, symbol: str) -> Order | None:
        robot, kind, order_id, spec, _ = request_of(frame.payload, symbol)
        order = self.working.get((robot, order_id))
        if kind is RequestKind.PLACE:
            return self.add(Order.placed(spec, robot, order_id, frame))
        if order is not None:
            order.take_request(frame, kind, spec.size_int)
        return order

    def reply(self, record: Mapping[str, Any]) -> Order | None:
        order = self.working.get((record["robot"], record["order"])) if "order" in record else None
        if order is not None:
            order.reason = record["reason"]
        return order

    def news(self, frame: Frame) -> Order | None:
        news = news_of(frame)
        if (order := self.working.get((news.robot, news.order_id))) is not None:
            order.take_news(news)
            self._let_go(order)
        return order

    def fill(self, fill: FillFrame) -> Order | None:
        if (order := self.working.get((fill.robot, fill.order_id))) is not None:
            order.take_fill(fill)
            self._let_go(order)
        return order

    def _let_go(self, order: Order) -> None:
        if order.state.is_final:
            del self.working[order.key]
