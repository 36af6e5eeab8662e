"""Handles robots' requests at a gateway, one at a time, and the orders that an ended robot leaves.

Part of the gateway's core; the shell reads robots' journals.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from onetape.accounts.proceeds import Proceeds
from onetape.gateway.account_money import AccountMoney
from onetape.gateway.admission import Admission
from onetape.gateway.gateway_tape import GatewayTape
from onetape.model.enums import OrderNews, RequestKind
from onetape.model.errors import OrderInvalid
from onetape.model.ids import epoch_of, is_by_hand, robot_tag
from onetape.model.order import OrderSpec
from onetape.model.request_key import RequestKey
from onetape.model.sections import GUARDIAN
from onetape.orders.gate import Gate
from onetape.orders.managed import CycleOut, HealthOut, Request, TakenOut
from onetape.orders.manager import OrderManager
from onetape.orders.order import Order
from onetape.orders.order_frames import RequestFrame, request_of
from onetape.projections.robot_life import RobotLife

__all__ = ["ROBOTS_MAX", "OrderRequests"]

ROBOTS_MAX: Final = 250


class OrderRequests:
    """Carries out the requests of one account's robots. send_first: sends calls whose intents are on the journal."""

    def __init__(
        self,
        manager: OrderManager,
        gate: Gate,
        tape: GatewayTape,
        money: AccountMoney,
        admission: Admission,
        proceeds: Proceeds,
        send_first: Callable[[], None],
    ) -> None:
        self._manager = manager
        self._gate = gate
        self._tape = tape
        self._money = money
        self._admission = admission
        self._proceeds = proceeds
        self._send_first = send_first
        self._beginning: set[int] = set()  # incarnations of robots whose journals do not exist yet
        for life in tape.robots.values():
            self._register(life)

    # --- robots -----------------------------------------------------------------------------------

    def attach(
        self,
        name: str,
        journal: str,
        now: int,
        *,
        taken: int = 0,
        slot: int,
        rate: int = 0,
        reserved: int = 0,
        epoch: int = 0,
    ) -> RobotLife | None:
        """Attaches a started robot, None: there are too many. taken: frames of its journal by earlier incarnations,
        whose requests are dropped; slot: the sub-account that it trades with; rate: orders a second that it may send,
        0: no limit. reserved: numbers that stay free. epoch: of its order ids, at least; 0: by the time. now: ns UTC,
        of its frame."""
        robots = self._tape.robots
        former = next((robot for robot in robots.values() if robot.name == name), None)
        number = former.number if former else len(robots) + 1
        if former is None and number > ROBOTS_MAX - reserved:
            return None
        before = former or RobotLife(number, name, 0, journal)
        life = before.next_life(journal, taken=taken, slot=slot, rate=rate, epoch=epoch or epoch_of(now))
        self._tape.attach(life, now)
        self._tape.ensure("disk")  # an incarnation whose number is forgotten would repeat its ids
        self._beginning.add(number)
        self._register(life)
        return life

    def _register(self, life: RobotLife) -> None:
        if self._manager.plain is not None and not life.is_operator:
            self._manager.plain.follow(life.number, life.slot, life.rate, robot_tag(life.name))

    def attached(self, life: RobotLife) -> None:
        """Handles the appearance of a robot's journal."""
        self._beginning.discard(life.number)
        self._manager.outs.append(HealthOut("robot", life.name, "attached"))

    def ended(self, numbers: Collection[int], now: int, *, orphans: str) -> None:
        """Handles robots whose processes have ended. With orphans="cancel", cancels the open orders of a dead robot,
        including orders discovered later because their state was unknown, and orders whose cancel the venue refused:
        the robot's next incarnation waits for that."""
        for number in numbers:
            life = self._tape.robots[number]
            left = [o for o in self._manager.open.values() if o.robot == number and not o.is_protective]
            if left and not life.is_lost:
                self._manager.outs.append(HealthOut("robot", life.name, "lost", "critical"))
                life.is_lost = True
            for order in left if orphans == "cancel" else ():
                self._manager.cancel_once(order, now)
        for number in sorted(self._beginning) if orphans == "cancel" else ():
            self.cancel_all(number, now)

    def cancel_all(self, number: int, now: int) -> None:
        """Cancels the robot's working orders."""
        for order in list(self._manager.open.values()):
            if order.robot == number and not order.is_protective:
                self._manager.cancel_once(order, now)

    def stop_slots(self, slots: tuple[int, ...], now: int) -> None:
        """Cancels the working orders of the robots of sub-accounts that lost their money."""
        for order in list(self._manager.open.values()):
            if order.robot and not order.is_protective and self._tape.parts.slot_of(order.robot) in slots:
                self._manager.cancel_once(order, now)

    def unreadable(self, life: RobotLife, error: Exception) -> None:
        """Stops following an unreadable robot's journal; the others go on. A journal's contents are not trusted."""
        words = f"its journal cannot be read: {error}"[:200]
        self._manager.outs.append(HealthOut("robot", life.name, words, "critical"))

    # --- requests ---------------------------------------------------------------------------------

    def take_frame(
        self,
        life: RobotLife,
        payload: bytes,
        symbol: str,
        now: int,
        *,
        wall: int,
        cause: int,
        may_be_sent: bool = False,
        behind_ns: int = 0,
    ) -> None:
        """Processes the next request of a round from its frame on the robot's journal. wall: ns UTC, when it was read;
        others: as in `request`. Raises BadInput for a malformed one."""
        if self._admission.unheld:
            self._admission.hold_placed()  # reduces the money for this one
        manager, plain = self._manager, self._manager.plain
        # Earlier outputs come first on the tape, and orders that wait for money reserve theirs.
        is_alone = not manager.outs and not self._proceeds.waiting and not life.denied
        if plain is not None and is_alone and not may_be_sent and not behind_ns:
            order, kind = plain.place(payload, symbol, life.number, now, wall), RequestKind.PLACE
            if order is None:
                order, kind = plain.cancel(payload, life.number, now, wall), RequestKind.CANCEL
            if order is None and not self._tape.state.shares:  # else it may be the reduced order of a share
                order, kind = plain.amend(payload, life.number, now, wall), RequestKind.AMEND
            if order is not None:
                manager.send(order, kind, now)
                self._send_first()
                return
        request = request_of(payload, symbol)
        self.request(life, request, now, cause=cause, may_be_sent=may_be_sent, behind_ns=behind_ns)

    def request(
        self,
        life: RobotLife,
        request: RequestFrame,
        now: int,
        *,
        cause: int,
        may_be_sent: bool = False,
        behind_ns: int = 0,
    ) -> None:
        """Processes the next request of a round, after the money of earlier ones is reserved. cause: arrival time of
        the message that it was decided on, the same for all requests of one callback; may_be_sent: it was on the
        journal when a gateway died whose tape may lack its end; behind_ns: by how much that message was too old."""
        if self._proceeds.waiting:
            self._proceeds.came(life.number, cause)
        if request.is_denied:
            return
        kind, order_id, spec = request.kind, request.order_id, request.spec
        manager = self._manager
        if spec.symbol not in self._gate.instruments:  # robots deny these themselves
            words = f"for {spec.symbol or 'no instrument'}, which this gateway does not trade"
            manager.outs.append(HealthOut("order", f"{life.name} {order_id}", words, "warning"))
            return
        order = manager.by_robot.get((life.number, order_id))
        if kind is RequestKind.PLACE:
            if order is not None or order_id in life.denied:
                return
            if spec.tag == GUARDIAN or is_by_hand(order_id):
                words = f"the tag {GUARDIAN!r} is the guardian's" if spec.tag == GUARDIAN else "its id is by hand"
                refused = Request(life.number, kind, order_id, spec)
                manager.deny(life.client_id(order_id), refused, now, OrderInvalid.code, words)
                return
            if may_be_sent and self._place_uncertain(life, order_id, spec, now):
                return
            self._admission.place(life, order_id, spec, now, behind_ns=behind_ns, cause=cause)
        elif order is not None and not order.is_protective:
            if kind is RequestKind.CANCEL:
                manager.cancel(order, now)
            elif may_be_sent:
                manager.amend_uncertain(order, now, price=spec.price_int, size=spec.size_int)
            else:
                self._amend(order, spec, now, behind_ns=behind_ns, rate=life.rate)

    def end_cycle(self, key: RequestKey, slot: int, robot: int = 0) -> None:
        """Frees a request key. robot: the requester, 0: the operator, who is not refused."""
        if robot:
            refused = self._tape.state.first.end(key, slot, robot)
            self._manager.outs.append(CycleOut(key, slot, robot, refused))
        else:
            self._tape.state.first.end(key, slot)
            self._manager.outs.append(CycleOut(key, slot, 0))

    def taken(self, frames: TakenOut) -> None:
        """Records the range of a robot's frames in this round."""
        self._manager.outs.append(frames)

    def _place_uncertain(self, life: RobotLife, order_id: int, spec: OrderSpec, now: int) -> bool:
        """Queries the venue for an order that may have been sent. False: it cannot have it."""
        manager, name = self._manager, life.client_id(order_id)
        if len(name) > manager.venue.client_id_chars:
            return False
        if name not in manager.orders:
            whole = self._money.reductions.uncertain(spec)
            request = Request(life.number, RequestKind.PLACE, order_id, whole)
            self._money.order(manager.place_uncertain(name, request, now))
            self._tape.state.claim(life, order_id, spec, now)
        return True

    def _amend(self, order: Order, spec: OrderSpec, now: int, *, behind_ns: int, rate: int) -> None:
        price, size = spec.price_int or order.price, spec.size_int or order.size
        refusal = self._gate.amendment(order, now, price=price, size=size, behind_ns=behind_ns, rate=rate)
        if refusal is None:
            self._manager.amend(order, now, price=price, size=size)
            self._money.order(order)
        else:
            news = OrderNews.UPDATE_REJECTED
            self._manager.refuse(order, news, now, refusal.code, refusal.reason)
