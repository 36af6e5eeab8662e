"""Checks every new order and amendment before it leaves, with the list of `pre_trade.rules` and the account's current
state.

Each refusal has an error's number and text, and becomes DENIED (for an amendment: update_rejected; the order stays
unchanged).
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import structs

from onetape.model.enums import AmendRule
from onetape.model.errors import OrderInvalid
from onetape.model.order import OrderSpec
from onetape.orders.filters import Refusal
from onetape.orders.order import Order
from onetape.orders.pre_trade.readiness import halted, killed
from onetape.orders.pre_trade.rules import refusal_of
from onetape.orders.pre_trade.view import View
from onetape.orders.trading_state import Limits, TradingState

__all__ = ["Gate", "Limits"]


@dataclass(slots=True)
class Gate(TradingState):
    """Checks each order before it is sent."""

    def refusal(
        self,
        spec: OrderSpec,
        now: int,
        *,
        is_inside: bool = False,
        is_by_hand: bool = False,
        behind_ns: int = 0,
        robot: int = 0,
        rate: int = 0,
    ) -> Refusal | None:
        """Returns the first rule that the order breaks, else None. Counts it against the rates. is_inside: it trades
        with our own orders and not at the venue. behind_ns: by how much the market data of the decision was too old.
        rate: the robot's orders a second, 0: no limit of its own."""
        view = View(self, spec, now)
        view.is_inside, view.behind_ns, view.robot, view.rate = is_inside, behind_ns, robot, rate
        view.is_by_hand = is_by_hand
        return refusal_of(view)

    def amendment(
        self, order: Order, now: int, *, price: int, size: int, behind_ns: int = 0, rate: int = 0
    ) -> Refusal | None:
        """Checks a new price or size (0: unchanged) as a new order that replaces the old one.

        An amendment that only reduces the size always passes, if the venue can amend at all.
        """
        if (i := self.instruments.get(order.spec.symbol)) is not None and i.amend is AmendRule.NONE:
            return Refusal.of(OrderInvalid, "the venue changes no order: cancel it, and place another one")
        price, size = price or order.price, size or order.size
        if size < order.size and price == order.price:
            return None
        if i is not None and i.amend is AmendRule.DECREASE_ONLY:
            return Refusal.of(OrderInvalid, "the venue only makes an order smaller: cancel it, and place another one")
        view = self._view_of(order, now, size=size, price=price)
        view.behind_ns, view.rate, view.shares = behind_ns, rate, self.around.shares
        return refusal_of(view)

    def left(self, order: Order, now: int, *, is_inside: bool = False) -> Refusal | None:
        """Checks the rest of an accepted order that is to be placed (again).

        now: ns.
        """
        view = self._view_of(order, now, size=order.size, price=order.price)
        view.at_venue = structs.replace(view.spec, size_int=order.left)
        view.is_inside, view.is_counted = is_inside, False
        return refusal_of(view)

    def hold_to_stops(self, now: int) -> None:
        """Cancels robots' working orders that could open a position, while killed or halted. Repeated, because an order
        may appear late, and a cancel may not have left before the gateway died."""
        for order in list(self.manager.open.values()) if self.halts.killed or self.halts else ():
            if order.robot and not self.reduces(order.spec, order) and self._is_stopped(order, now):
                self.manager.cancel_once(order, now)

    def _is_stopped(self, order: Order, now: int) -> bool:
        worst = order.filled + order.worst_left  # with an unanswered amendment, the larger outcome
        view = self._view_of(order, now, size=worst, price=order.price)
        return killed(view) is not None or halted(view) is not None

    def _view_of(self, order: Order, now: int, *, size: int, price: int) -> View:
        """Returns the view of an existing order of ours with that size and price."""
        view = View(self, structs.replace(order.spec, size_int=size, price_int=price), now, order)
        view.robot, view.is_by_hand = order.robot, self.manager.owners.is_by_hand(order.robot, order.order_id)
        return view
