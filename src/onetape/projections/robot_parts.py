"""Each robot's part of its sub-account's positions, folded from fills; the rest is the operator's."""

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
    """The robots of an account, by number, and the handovers between them that are due. own: returns a sub-account's
    position, signed, by slot, symbol and side.

    beyond: excess of the guardian's fills beyond the part of their robot: its number, and the excess as a fill. forced:
    the venue's forced closes of a robot's part that the robot has no fill for; its number, and its share as a fill.
    """

    def __init__(self, robots: dict[int, RobotLife], own: Callable[[int, str, PositionSide], int]) -> None:
        self.robots, self.own = robots, own
        self.beyond: list[tuple[int, FillReport]] = []
        self.forced: list[tuple[int, FillReport]] = []

    def begin_anew(self) -> None:
        """Clears robots' positions, because the account is at another exchange."""
        for life in self.robots.values():
            life.held.clear()
        self.beyond.clear()
        self.forced.clear()

    def owner_of(self, name: str) -> tuple[int, int] | None:
        """Returns the owner of an order by its client id alone: the robot's number, the order's."""
        parsed = parse_client_id(name)
        if parsed is None:
            return None
        for life in self.robots.values():
            if robot_tag(life.name) == parsed.tag:
                return life.number, parsed.order_id
        return None

    def is_by_hand(self, robot: int, order_id: int) -> bool:
        """Tells whether an id is of the orders by hand, which include a guardian's stops."""
        return robot in self.robots and (self.robots[robot].is_operator or is_by_hand(order_id))

    def slot_of(self, robot: int) -> int:
        """Returns the sub-account that a robot trades with; for foreign orders the pool."""
        life = self.robots.get(robot)
        return life.slot if life is not None else MAIN

    def part(self, life: RobotLife, symbol: str, side: PositionSide) -> int:
        """Returns a robot's part of a sub-account's position, or the operator's, which is the rest; signed."""
        if not life.is_operator:
            return life.held.get(symbol, {}).get(side, 0)
        robots = (each for each in self.robots.values() if each.slot == life.slot and not each.is_operator)
        return self.own(life.slot, symbol, side) - sum(self.part(each, symbol, side) for each in robots)

    def held(self, positions: Mapping[tuple[int, str, PositionSide], object]) -> dict[str, int]:
        """Returns all parts of robots and operators, by `part_key`. positions: of sub-accounts."""
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
        """Handles a fill of a robot's order, before it is in the books of its sub-account. tag: of the order."""
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
        for robot, each in beyond:  # at most what was not handed over since
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
        """Handles the venue's forced close of each sub-account, after it is in their books: all holders in that
        direction bear it in proportion; the operator's part needs no handover."""
        for slot, size in sizes.items():
            robots = [each for each in self.robots.values() if each.slot == slot and not each.is_operator]
            parts = {each.number: self.part(each, fill.symbol, fill.position_side) for each in robots}
            for robot, each in self.forced:  # of earlier fills that robots have not got yet
                if robot in parts and (each.symbol, each.position_side) == (fill.symbol, fill.position_side):
                    parts[robot] += each.side.sign * each.size
            rest = self.own(slot, fill.symbol, fill.position_side) - fill.side.sign * size - sum(parts.values())
            parts[0] = rest  # the operator's part before it
            held = {number: -qty * fill.side.sign for number, qty in parts.items() if qty * fill.side.sign < 0}
            taken = split(min(size, sum(held.values())), held) if held else {}
            self.forced += [(robot, part_of(fill, each)) for robot, each in taken.items() if robot and each]


def part_of(fill: FillReport, size: int) -> FillReport:
    """Returns a part of a fill, with its share of the fee."""
    return fill._replace(size=size, fee=divide_half_even(fill.fee * size, fill.size))
