"""What a new order passes at a gateway before it leaves, whoever asks for it: a robot's and one by
hand go the same way, through the same rules in the same order."""

from __future__ import annotations

from onetape.accounts.crossing import Crossing
from onetape.accounts.netting import Match
from onetape.accounts.proceeds import Proceeds
from onetape.gateway.account_money import AccountMoney
from onetape.gateway.gateway_tape import GatewayTape, RobotLife
from onetape.model.enums import RequestKind
from onetape.model.errors import OrderInvalid
from onetape.model.order import OrderSpec
from onetape.orders.checks import Check, checks
from onetape.orders.filters import Refusal
from onetape.orders.gate import Gate
from onetape.orders.managed import Managed, Request
from onetape.orders.manager import OrderManager

__all__ = ["Admission"]


class Admission:
    """crossing: orders that meet those of other sub-accounts trade inside. proceeds: orders that
    wait for money which others bring."""

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
        # New orders, of which money knows nothing before they have left.
        self.unheld: list[Managed] = []

    def place(
        self, life: RobotLife, order_id: int, spec: OrderSpec, now: int, *, behind_ns: int = 0, cause: int | None = None
    ) -> Managed:
        """The order as it is then: on its way, waiting, or denied. behind_ns: how much too old the
        market was that it was decided on. cause: requests of one callback have the same, and one
        that lacks money may wait for what the others bring; None: it does not wait."""
        manager, gate, money = self._manager, self._gate, self._money
        name = life.client_id(order_id)
        matches: list[Match] = []
        taken = self._taken(life, spec, now)
        found = taken or money.reductions.outgoing(life.number, spec, knows=gate.ready)
        if isinstance(found, OrderSpec):
            spec = found
            matches = self._matches(life, spec)
            refusal = gate.refusal(
                spec, now, is_inside=bool(matches), behind_ns=behind_ns, robot=life.number, rate=life.rate
            )
        else:
            refusal = found
        request = Request(life.number, RequestKind.PLACE, order_id, spec)
        # Many lives of a robot, or many orders: a new name begins anew.
        refusal = self._too_long(name) or refusal
        if refusal is None:
            refusal = money.refusal(life.number, spec, spec.size_int)
        if refusal is None:
            if matches and self._crossing is not None:
                order = self._crossing.hold(name, request, matches, now)
            else:
                order = manager.submit(name, request, now)
            money.reductions.order(order)
            self.unheld.append(order)
            self.claim(life, spec, name, now)
            return order
        if cause is not None:
            waiting = self._proceeds.hold(name, request, refusal, now, cause=cause)
            if waiting is not None:
                money.reductions.order(waiting)
                self.claim(life, spec, name, now)
                return waiting
        return manager.deny(name, request, now, refusal.code, refusal.reason)

    def checks(self, life: RobotLife, order_id: int, spec: OrderSpec, now: int) -> list[Check]:
        """Each rule that the order would have to pass now. Nothing is done, and nothing counted."""
        gate, money = self._gate, self._money
        found = [Check("request key", self._taken(life, spec, now))] if spec.once else []
        outgoing = money.reductions.outgoing(life.number, spec, knows=gate.ready)
        refused = outgoing if isinstance(outgoing, Refusal) else None
        measured = money.reductions.measured(life.number, spec)
        found.append(Check("sub-account reduction", refused, *measured))
        sent = spec if isinstance(outgoing, Refusal) else outgoing
        found += checks(gate, sent, now, is_inside=bool(self._matches(life, sent)), robot=life.number, rate=life.rate)
        found.append(Check("client id", self._too_long(life.client_id(order_id))))
        refusal = money.refusal(life.number, sent, sent.size_int)
        found.append(Check("sub-account money", refusal, *money.measured(life.number, sent)))
        return found

    def claim(self, life: RobotLife, spec: OrderSpec, name: str, now: int) -> None:
        """The order is taken in, and its request key is."""
        if spec.once is not None:
            self._tape.first.claim(spec.once, life.slot, name, life.number, now)

    def hold_placed(self) -> None:
        """What new orders hold, before anybody asks what is free."""
        for order in self.unheld:
            self._money.hold(order)
        self.unheld.clear()

    def _matches(self, life: RobotLife, spec: OrderSpec) -> list[Match]:
        """What it would trade inside."""
        if self._crossing is None or not self._gate.ready:
            return []
        return self._crossing.matches(life.number, spec)

    def _taken(self, life: RobotLife, spec: OrderSpec, now: int) -> Refusal | None:
        """Another order has the key of this one."""
        if spec.once is None:
            return None
        return self._tape.first.refusal(spec.once, life.slot, now)

    def _too_long(self, name: str) -> Refusal | None:
        chars = self._manager.venue.client_id_chars
        if len(name) <= chars:
            return None
        return Refusal.of(OrderInvalid, f"the id {name} has more than {chars} letters")
