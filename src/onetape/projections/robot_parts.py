"""Which part of its sub-account's positions is each robot's, folded from fills; the rest is the operator's."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from onetape.accounts.entries import MAIN
from onetape.accounts.sharing import split
from onetape.model.enums import PositionSide
from onetape.model.ids import is_by_hand, parse_client_id, robot_tag
from onetape.model.money import divide_half_even
from onetape.model.sections import GUARDIAN, OPERATOR
from onetape.orders.reports import FillReport
from onetape.projections.found import part_key
from onetape.projections.robot_life import RobotLife

__all__ = ["RobotParts", "part_of"]


class RobotParts:
    """Holds the robots of an account, by number, and what is still to be handed over between them. own: a sub-account's
    position, signed, by slot, symbol and side.

    beyond: what a guardian's orders took off beyond the part of their robot: its number, and of the fill what was
    beyond. forced: what the venue has closed by itself of a robot's part, and the robot has not heard of; likewise."""

    def __init__(self, robots: dict[int, RobotLife], own: Callable[[int, str, PositionSide], int]) -> None:
        self.robots, self.own = robots, own
        self.beyond: list[tuple[int, FillReport]] = []
        self.forced: list[tuple[int, FillReport]] = []

    def begin_anew(self) -> None:
        """Forgets what robots hold: at another exchange it is nothing yet."""
        for life in self.robots.values():
            life.held.clear()
        self.beyond.clear()
        self.forced.clear()

    def owner_of(self, name: str) -> tuple[int, int] | None:
        """Returns whose an order of this client id is, by the id alone: a robot's number, its order's."""
        parsed = parse_client_id(name)
        if parsed is None:
            return None
        for life in self.robots.values():
            if robot_tag(life.name) == parsed.tag:
                return life.number, parsed.order_id
        return None

    def is_by_hand(self, robot: int, order_id: int) -> bool:
        """Tells whether an id is of those that orders by hand have, a guardian's stops among them."""
        return robot in self.robots and (self.robots[robot].is_operator or is_by_hand(order_id))

    def slot_of(self, robot: int) -> int:
        """Returns the sub-account that a robot trades with; for foreign orders the pool."""
        life = self.robots.get(robot)
        return life.slot if life is not None else MAIN

    def part(self, life: RobotLife, symbol: str, side: PositionSide) -> int:
        """Of a sub-account's position what is a robot's, or what is no robot's and so the operator's; signed."""
        if not life.is_operator:
            return life.held.get(symbol, {}).get(side, 0)
        robots = (each for each in self.robots.values() if each.slot == life.slot and not each.is_operator)
        return self.own(life.slot, symbol, side) - sum(self.part(each, symbol, side) for each in robots)

    def held(self, positions: Mapping[tuple[int, str, PositionSide], object]) -> dict[str, int]:
        """Returns what robots and operators hold, by `part_key`. positions: of sub-accounts."""
        robots = [each for each in self.robots.values() if not each.is_operator]
        of = dict.fromkeys(
            (each.slot, symbol, side) for each in robots for symbol in each.held for side in PositionSide
        )
        parts = {}
        for slot, symbol, side in {**of, **dict.fromkeys(positions)}:
            for life in (*(each for each in robots if each.slot == slot), RobotLife(0, OPERATOR, 0, "", slot=slot)):
                if qty := self.part(life, symbol, side):
                    parts[part_key(slot, life.number, symbol, side)] = qty
        return parts

    def note_fill(self, life: RobotLife, fill: FillReport, tag: str) -> None:
        """Takes in a fill of a robot's order, before it is in the books of its sub-account. tag: of the order."""
        symbol, side, sign = fill.symbol, fill.position_side, fill.side.sign
        beyond, back = self.beyond, fill.size if fill.is_internal else 0
        forced, heard = self.forced, back
        self.beyond, self.forced = [], []
        for robot, each in forced:
            part = self.part(self.robots[robot], each.symbol, each.position_side)
            left = min(each.size, max(-part * each.side.sign, 0))
            if (robot, each.symbol, each.position_side, each.side) == (life.number, symbol, side, fill.side):
                left, heard = max(left - heard, 0), max(heard - left, 0)
            if left:
                self.forced.append((robot, part_of(each, left)))
        for robot, each in beyond:  # as much of it as was not traded away since
            part = self.part(self.robots[robot], each.symbol, each.position_side)
            left = min(each.size, max(part * each.side.sign, 0))
            if (robot, each.symbol, each.side) == (life.number, symbol, fill.side.opposite):
                left, back = max(left - back, 0), max(back - left, 0)
            if left:
                self.beyond.append((robot, part_of(each, left)))
        if tag == GUARDIAN and not fill.is_internal:
            over = fill.size - max(-sign * self.part(life, symbol, side), 0)
            if over > 0:
                self.beyond.append((life.number, part_of(fill, min(over, fill.size))))
        life.note_fill(symbol, side, sign * fill.size)

    def note_forced(self, fill: FillReport, sizes: Mapping[int, int]) -> None:
        """Takes in what the venue has closed by itself of each sub-account, once that is in their books: all who hold
        in that direction bear it in proportion, and what is no robot's needs no telling."""
        for slot, size in sizes.items():
            robots = [each for each in self.robots.values() if each.slot == slot and not each.is_operator]
            parts = {each.number: self.part(each, fill.symbol, fill.position_side) for each in robots}
            for robot, each in self.forced:  # of fills before this one, which robots have not been told of yet
                if robot in parts and (each.symbol, each.position_side) == (fill.symbol, fill.position_side):
                    parts[robot] += each.side.sign * each.size
            rest = self.own(slot, fill.symbol, fill.position_side) - fill.side.sign * size - sum(parts.values())
            parts[0] = rest  # the operator's, before it
            held = {number: -qty * fill.side.sign for number, qty in parts.items() if qty * fill.side.sign < 0}
            taken = split(min(size, sum(held.values())), held) if held else {}
            self.forced += [(robot, part_of(fill, each)) for robot, each in taken.items() if robot and each]


def part_of(fill: FillReport, size: int) -> FillReport:
    """Returns a part of a fill, with its share of the fee."""
    return fill._replace(size=size, fee=divide_half_even(fill.fee * size, fill.size))
