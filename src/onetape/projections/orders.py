"""Orders of a gateway's journal, folded by the gateway's own state machine.

| frame | effect |
|---|---|
| order_request | PLACE begins an order, AMEND and CANCEL request a change of it |
| reply | sets the reason of the order_event that follows |
| order_event | drives the state machine, and sets the order's venue id and price |
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
    """Folds the orders of a gateway's journal for its readers. Frames of an unknown or ended order change nothing."""

    def __init__(self) -> None:
        self.working: dict[Key, Order] = {}

    def add(self, order: Order) -> None:
        """Adds an order from another source, or by its first request."""
        self.working[order.key] = order

    def incarnation(self) -> None:
        """Handles the start of another incarnation of the gateway."""
        for order in self.working.values():
            order.take_incarnation()

    def find(self, robot: int, order_id: int) -> Order | None:
        return self.working.get((robot, order_id))

    def venue_name(self, row: FillFrame) -> str:
        """Returns the venue's id of a fill's order, "" if it is no number; for an internal trade the client id of the
        other order, if names are kept."""
        return str(row.venue) if row.venue and row.trade_id < INTERNAL_TRADES else ""

    def request(self, request: RequestFrame, time: int, life: RobotLife | None) -> None:
        """Handles a request. life: of its robot, None: not on the journal."""
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
        """Handles a fill. fill: the same with names, if these are kept."""
        if (order := self.working.get((row.robot, row.order_id))) is not None:
            apply_fill(order, row)
            self._let_go(order)

    def opening(self, symbol: str, side: PositionSide, size: int) -> None:
        """Handles a position of the venue that the fills do not explain."""

    def reconciled(self) -> None:
        """Handles the end of a reconciliation."""

    def begin_anew(self) -> None:
        """Clears all orders, because later frames are about another exchange."""
        self.working.clear()

    def _let_go(self, order: Order) -> None:
        if order.state.is_final:
            del self.working[order.key]
