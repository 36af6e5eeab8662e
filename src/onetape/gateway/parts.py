"""Whose a position of an account is: each robot's part, and the rest, which is the operator's.

What a guardian places protects the position, whoever holds it, and each of its orders has one robot's name. Where
one takes off more than that robot holds by then, the fill belongs to those who hold it: it is handed over to them
at its price, with its share of the fee, as trades inside the account. So a position that a stop or a flatten has
taken off whole leaves no parts that only offset each other.
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


NUMBERS_MAX: Final = 255  # a byte in a frame


class Part(NamedTuple):
    """The part of a position that one robot has, or the operator. qty: signed, in units."""

    life: RobotLife
    symbol: str
    side: PositionSide
    qty: int


class Parts:
    """Tells which part of one account's positions is whose. slots: of its sub-accounts, by name. wall: this machine's
    time, ns UTC."""

    def __init__(
        self, manager: OrderManager, tape: GatewayTape, subaccounts: Mapping[str, int], wall: Callable[[], int]
    ) -> None:
        self._manager, self._tape, self._parts, self._wall = manager, tape, tape.parts, wall
        self.slots = {"main": MAIN, **subaccounts}

    def of(self, symbol: str, side: PositionSide, slot: int | None = None) -> Iterator[Part]:
        """Of a position, or of what one sub-account has of it."""
        for at in sorted(set(self.slots.values())) if slot is None else (slot,):
            of_slot = [life for life in self._parts.robots.values() if life.slot == at and not life.is_operator]
            for life in (*of_slot, self.operator(at, is_dry=True)):
                if qty := self._parts.part(life, symbol, side):
                    yield Part(life, symbol, side, qty)

    def operator(self, slot: int, *, is_dry: bool = False) -> RobotLife:
        """Returns the operator's life at a sub-account. is_dry: as it would be, if it is not there."""
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
        self._tape.ensure("disk")  # a number that is forgotten would be given to a robot
        return life

    def _operator_name(self, slot: int) -> str:
        subaccount = next((n for n, at in self.slots.items() if at == slot), str(slot))
        return OPERATOR if slot == MAIN else f"{OPERATOR}:{subaccount}"

    @property
    def operators_to_come(self) -> int:
        """Counts the sub-accounts whose operator has no number yet: one is free for each, however many robots come, or
        a position could not be closed by hand and by the guardian."""
        names = {each.name for each in self._parts.robots.values() if each.is_operator}
        return len({self._operator_name(slot) for slot in self.slots.values()} - names)

    def hand_over(self, now: int) -> None:
        """Hands over what is beyond its robot's part, of one fill: whose the rest is follows when this is booked. Of
        what the venue has closed by itself each robot hears its share, which has no fee: its sub-account has paid."""
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
                continue  # books that lag behind the venue have not got it yet
            # No more than its sub-account holds: of what the venue has closed by force no robot has heard.
            beyond = {self._parts.slot_of(robot): left}  # what is beyond stands against its own sub-account's others
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
        """to: whose the fill is."""
        owner = to if to.number else self.operator(to.slot)
        mine, other = self._order(life, fill, fill.side.opposite, now), self._order(owner, fill, fill.side, now)
        trade_id = self._manager.account.trades_inside + 1
        handed = fill._replace(
            client_id=mine, venue_id=other, trade_id=trade_id, side=fill.side.opposite, fee=-fill.fee
        )
        trade_inside(self._manager, handed, now)

    def _order(self, life: RobotLife, fill: FillReport, side: Side, now: int) -> str:
        """Returns an order that the venue never gets; its client id."""
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
