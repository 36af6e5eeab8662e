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

from onetape.model.enums import RequestKind
from onetape.orders.order import Key, Order
from onetape.orders.order_frames import FillFrame, news_of, request_of
from onetape.tape.journal import Frame

__all__ = ["Orders"]


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
            order.take_request_frame(request)

    def reply(self, record: Mapping[str, Any]) -> None:
        order = self.working.get((record["robot"], record["order"])) if "order" in record else None
        if order is not None:
            order.reason = record["reason"]

    def news(self, frame: Frame) -> None:
        news = news_of(frame)
        if (order := self.working.get((news.robot, news.order_id))) is not None:
            order.take_news_frame(news)
            self._let_go(order)

    def fill(self, fill: FillFrame) -> None:
        if (order := self.working.get((fill.robot, fill.order_id))) is not None:
            order.take_fill_frame(fill)
            self._let_go(order)

    def _let_go(self, order: Order) -> None:
        if order.state.is_final:
            del self.working[order.key]
