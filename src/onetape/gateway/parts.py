"""The owners of an account's positions: each robot's part, and the rest, which is the operator's.

A guardian's order protects the position of all its holders, but carries one robot's name. If it reduces more than that
robot holds by then, the excess fill belongs to the other holders: it is handed over to them at its price, with its
share of the fee, as trades inside the account. So a position that a stop or a flatten has closed leaves no parts that
only offset each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from onetape.accounts.entries import MAIN
from onetape.gateway.gateway_tape import GatewayTape
from onetape.model.enums import OrderType, PositionSide, RequestKind, Side
from onetape.model.errors import RateLimited
from onetape.model.order import OrderSpec
from onetape.model.sections import GUARDIAN, OPERATOR
from onetape.orders.internal import trade_inside
from onetape.orders.managed import Request
from onetape.orders.manager import OrderManager
from onetape.orders.reports import FillReport
from onetape.projections.robot_life import RobotLife
from onetape.projections.robot_parts import part_of

__all__ = ["Part", "Parts"]


NUMBERS_MAX: Final = 255  # one byte in a frame


class Part(NamedTuple):
    """The part of a position that a robot, or the operator, has. qty: signed, in units."""

    life: RobotLife
    symbol: str
    side: PositionSide
    qty: int


class Parts:
    """Splits an account's positions by owner. slots: of its sub-accounts, by name. wall: this machine's time,
    ns UTC."""

    def __init__(
        self, manager: OrderManager, tape: GatewayTape, subaccounts: Mapping[str, int], wall: Callable[[], int]
    ) -> None:
        self._manager, self._tape, self._parts, self._wall = manager, tape, tape.parts, wall
        self.slots = {"main": MAIN, **subaccounts}

    def of(self, symbol: str, side: PositionSide, slot: int | None = None) -> Iterator[Part]:
        """Yields the parts of a position, or of one sub-account's share of it."""
        for at in sorted(set(self.slots.values())) if slot is None else (slot,):
            of_slot = [life for life in self._parts.robots.values() if life.slot == at and not life.is_operator]
            for life in (*of_slot, self.operator(at, is_dry=True)):
                if qty := self._parts.part(life, symbol, side):
                    yield Part(life, symbol, side, qty)

    def operator(self, slot: int, *, is_dry: bool = False) -> RobotLife:
        """Returns the operator's entry at a sub-account, creating it if needed. is_dry: without creating it."""
        name, robots = self._operator_name(slot), self._parts.robots
        found = next((each for each in robots.values() if each.name == name), None)
        if found is not None:
            return found
        if is_dry:
            return RobotLife(0, name, 1, "", slot=slot)
        if len(robots) >= NUMBERS_MAX:
            raise RateLimited(f"more than {NUMBERS_MAX} robots on this account's tape")
        life = RobotLife(len(robots) + 1, name, 1, "", slot=slot)
        self._tape.attach(life, self._wall())
        self._tape.ensure("disk")  # a robot could otherwise get a forgotten number
        return life

    def _operator_name(self, slot: int) -> str:
        subaccount = next((n for n, at in self.slots.items() if at == slot), str(slot))
        return OPERATOR if slot == MAIN else f"{OPERATOR}:{subaccount}"

    @property
    def operators_to_come(self) -> int:
        """Counts the sub-accounts whose operator has no number yet. One number stays free for each, because closing a
        position by hand or by the guardian may need it."""
        names = {each.name for each in self._parts.robots.values() if each.is_operator}
        return len({self._operator_name(slot) for slot in self.slots.values()} - names)

    def hand_over(self, now: int) -> None:
        """Hands over the excess of one fill beyond its robot's part; the excess of the next fill depends on it. Of a
        close by the venue each robot gets its share, without a fee, which its sub-account has paid."""
        has_traded = False
        for robot, fill in self._parts.forced:
            life = self._parts.robots[robot]
            size = min(fill.size, max(-self._parts.part(life, fill.symbol, fill.position_side) * fill.side.sign, 0))
            if size:
                self._trade(self.operator(life.slot), life, fill._replace(size=size, fee=0), now)
                has_traded = True
        for robot, fill in self._parts.beyond if not has_traded else ():
            sign, symbol, side = fill.side.sign, fill.symbol, fill.position_side
            left = min(fill.size, self._parts.part(self._parts.robots[robot], symbol, side) * sign)
            whose = [each for each in self.of(symbol, side) if each.qty * sign < 0]
            if left <= 0 or not whose:
                continue  # the books lag behind the venue
            # At most what its sub-account holds, because no robot has a fill of the venue's forced close.
            beyond = {self._parts.slot_of(robot): left}  # the excess offsets other parts of its own sub-account
            own = {at: -self._parts.own(at, symbol, side) * sign for at in self.slots.values()}
            rooms = {at: max(qty + beyond.get(at, 0), 0) for at, qty in own.items()}
            for part in sorted(whose, key=lambda each: -abs(each.qty)):
                size = min(left, abs(part.qty), rooms[part.life.slot])
                if size:
                    self._trade(self._parts.robots[robot], part.life, part_of(fill, size), now)
                left, rooms[part.life.slot] = left - size, rooms[part.life.slot] - size
            if left < fill.size:
                return

    def _trade(self, life: RobotLife, to: RobotLife, fill: FillReport, now: int) -> None:
        """Trades between two owners. to: the new owner of the fill."""
        owner = to if to.number else self.operator(to.slot)
        mine, other = self._order(life, fill, fill.side.opposite, now), self._order(owner, fill, fill.side, now)
        trade_id = self._manager.account.trades_inside + 1
        handed = fill._replace(
            client_id=mine, venue_id=other, trade_id=trade_id, side=fill.side.opposite, fee=-fill.fee
        )
        trade_inside(self._manager, handed, now)

    def _order(self, life: RobotLife, fill: FillReport, side: Side, now: int) -> str:
        """Adds an order that is never sent to the venue; returns its client id."""
        order_id = self._tape.state.take_by_hand(now)
        spec = OrderSpec(
            symbol=fill.symbol,
            side=side,
            size_int=fill.size,
            type=OrderType.MARKET,
            position_side=fill.position_side,
            tag=GUARDIAN,
        )
        request = Request(life.number, RequestKind.PLACE, order_id, spec)
        return self._manager.submit(life.client_id(order_id), request, now, held=True).client_id
