"""Accepts or denies a new order at a gateway, from a robot or by hand, by the list of `pre_trade.rules`."""

from __future__ import annotations

from onetape.accounts.crossing import Crossing
from onetape.accounts.netting import Match
from onetape.accounts.proceeds import Proceeds
from onetape.gateway.account_money import AccountMoney
from onetape.gateway.gateway_tape import GatewayTape
from onetape.model.enums import RequestKind
from onetape.model.ids import is_by_hand
from onetape.model.order import OrderSpec
from onetape.orders.filters import Refusal
from onetape.orders.gate import Gate
from onetape.orders.managed import Request
from onetape.orders.manager import OrderManager
from onetape.orders.order import Order
from onetape.orders.pre_trade.rules import Check, checks, refusal_of
from onetape.orders.pre_trade.view import View
from onetape.projections.robot_life import RobotLife

__all__ = ["Admission"]


class Admission:
    """Accepts new orders, or denies them.

    crossing: trades orders inside that match those of other sub-accounts.
    proceeds: keeps orders that wait for money from others.
    """

    def __init__(
        self,
        manager: OrderManager,
        gate: Gate,
        tape: GatewayTape,
        money: AccountMoney,
        crossing: Crossing | None,
        proceeds: Proceeds,
    ) -> None:
        self._manager = manager
        self._gate = gate
        self._tape = tape
        self._money = money
        self._crossing = crossing
        self._proceeds = proceeds
        # New orders whose money is reserved only after they have left.
        self.unheld: list[Order] = []

    def place(
        self, life: RobotLife, order_id: int, spec: OrderSpec, now: int, *, behind_ns: int = 0, cause: int | None = None
    ) -> Order:
        """Accepts or denies a new order and returns it: sent, waiting, or denied. behind_ns: by how much the market
        data of its decision was too old. cause: the same for all requests of one callback; an order that lacks money
        may wait for proceeds of the others. None: it does not wait."""
        manager, money = self._manager, self._money
        view, matches = self._view(life, order_id, spec, now, behind_ns)
        refusal = refusal_of(view)
        name, spec = view.client_id, view.spec
        request = Request(life.number, RequestKind.PLACE, order_id, spec)
        if refusal is None:
            if matches and self._crossing is not None:
                order = self._crossing.hold(name, request, matches, now)
            else:
                order = manager.submit(name, request, now)
            money.reductions.order(order)
            self.unheld.append(order)
            self._tape.state.claim(life, order_id, spec, now)
            return order
        if cause is not None:
            waiting = self._proceeds.hold(name, request, refusal, now, cause=cause)
            if waiting is not None:
                money.reductions.order(waiting)
                self._tape.state.claim(life, order_id, spec, now)
                return waiting
        return manager.deny(name, request, now, refusal.code, refusal.reason)

    def place_by_hand(self, life: RobotLife, spec: OrderSpec, now: int) -> Order:
        """Accepts or denies an order that no robot has requested."""
        return self.place(life, self._tape.state.take_by_hand(now), spec, now)

    def checks(self, life: RobotLife, order_id: int, spec: OrderSpec, now: int) -> list[Check]:
        """Returns the outcome of each rule for the order now, without any effect or count."""
        view, _ = self._view(life, order_id, spec, now)
        return checks(view)

    def hold_placed(self) -> None:
        """Reserves the money of new orders, before free money is read."""
        for order in self.unheld:
            self._money.hold(order)
        self.unheld.clear()

    def _view(
        self, life: RobotLife, order_id: int, spec: OrderSpec, now: int, behind_ns: int = 0
    ) -> tuple[View, list[Match]]:
        """Makes the rules' view of the order as it would be sent, and its matches inside."""
        gate, netted, matches = self._gate, None, []
        outgoing = self._money.reductions.outgoing(life.number, spec, knows=gate.ready)
        if isinstance(outgoing, Refusal):
            netted = outgoing
        else:
            spec = outgoing
            if self._crossing is not None and gate.ready:
                matches = self._crossing.matches(life.number, spec)
        view = View(gate, spec, now)
        view.client_id, view.keys, view.slot = life.client_id(order_id), self._tape.state.first, life.slot
        view.robot, view.rate, view.behind_ns = life.number, life.rate, behind_ns
        view.is_by_hand = life.is_operator or is_by_hand(order_id)
        view.shares, view.netted, view.is_inside = self._money, netted, bool(matches)
        return view, matches
