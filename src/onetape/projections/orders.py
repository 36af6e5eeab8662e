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
from typing import Any

from onetape.model.enums import PositionSide, RequestKind
from onetape.orders.order import Key, Order, apply_fill, apply_news, apply_request, placed
from onetape.orders.order_frames import FillFrame, NewsFrame, RequestFrame
from onetape.orders.reports import INTERNAL_TRADES, FillReport
from onetape.projections.robot_life import RobotLife

__all__ = ["Orders"]


class Orders:
    """Folds the orders of a gateway's journal as its readers need them. Frames of an order that the journal does not
    have, or that has ended, change nothing."""

    def __init__(self) -> None:
        self.working: dict[Key, Order] = {}

    def add(self, order: Order) -> None:
        """Takes in an order that is known from elsewhere, or by its first request."""
        self.working[order.key] = order

    def incarnation(self) -> None:
        """Takes in that another incarnation of the gateway goes on with the journal."""
        for order in self.working.values():
            order.take_incarnation()

    def find(self, robot: int, order_id: int) -> Order | None:
        return self.working.get((robot, order_id))

    def venue_name(self, row: FillFrame) -> str:
        """Returns the venue's id of a fill's order, "" where it is no number; of a trade inside the client id of the
        other order, where names are kept."""
        return str(row.venue) if row.venue and row.trade_id < INTERNAL_TRADES else ""

    def request(self, request: RequestFrame, time: int, life: RobotLife | None) -> None:
        """Takes in a request. life: of its robot, None: the journal does not have it."""
        if request.kind is RequestKind.PLACE:
            self.add(placed(request, time))
        elif (order := self.working.get((request.robot, request.order_id))) is not None:
            apply_request(order, request)

    def reply(self, record: Mapping[str, Any]) -> None:
        order = self.find(record["robot"], record["order"]) if "order" in record else None
        if order is not None:
            order.reason = record["reason"]

    def news(self, news: NewsFrame) -> None:
        if (order := self.working.get((news.robot, news.order_id))) is not None:
            apply_news(order, news)
            self._let_go(order)

    def fill(self, row: FillFrame, fill: FillReport | None) -> None:
        """Takes in a fill. fill: the same with names, where these are kept."""
        if (order := self.working.get((row.robot, row.order_id))) is not None:
            apply_fill(order, row)
            self._let_go(order)

    def opening(self, symbol: str, side: PositionSide, size: int) -> None:
        """Takes in that the venue holds another quantity than the fills explain."""

    def reconciled(self) -> None:
        """Takes in that a round of comparing with the venue has ended."""

    def begin_anew(self) -> None:
        """Takes in that the frames from here on are of another exchange."""
        self.working.clear()

    def _let_go(self, order: Order) -> None:
        if order.state.is_final:
            del self.working[order.key]
