"""Share one symbol's position among several members: their targets are netted, crossing ones trade internally, and
each fill is assigned to members. Pure.

Quantities are units of the instrument, signed. Members' holdings always add up to the position.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from onetape.accounts.sharing import split

__all__ = ["UNOWNED", "SharedPosition"]

UNOWNED = -1  # owner of quantity that belongs to no member: it is closed


class SharedPosition:
    """A position shared by members, numbered from 0. held, wanted: member -> units. A member without a target wants
    its holding."""

    def __init__(self, lot: int) -> None:
        self.lot = lot
        self.held: dict[int, int] = {}
        self.wanted: dict[int, int] = {}
        self._target = 0  # number of the last target
        self._sent: dict[int, dict[int, int]] = {0: {}}  # target -> member -> shortfall when the target was set
        self._orders: dict[int, int] = {}  # pending orders of earlier targets: order id -> target

    def missing(self, side: int) -> dict[int, int]:
        """Returns member -> shortfall on a side (1 buys, -1 sells), without sign."""
        lacks = {
            member: (self.wanted.get(member, 0 if member == UNOWNED else self.held.get(member, 0)) - held) * side
            for member, held in [(each, self.held.get(each, 0)) for each in sorted({*self.held, *self.wanted})]
        }
        return {member: lack for member, lack in lacks.items() if lack > 0}

    def cross(self) -> list[tuple[int, int]]:
        """Trade opposite shortfalls of members internally, in whole lots, each side in proportion: returns (member,
        signed quantity), which add up to zero."""
        buyers, sellers = self.missing(1), self.missing(-1)
        size = min(sum(buyers.values()), sum(sellers.values())) // self.lot * self.lot
        if not size:
            return []
        trades = [(member, qty) for member, qty in split(size, buyers, self.lot).items() if qty]
        trades += [(member, -qty) for member, qty in split(size, sellers, self.lot).items() if qty]
        self._take(trades)
        return trades

    @property
    def net(self) -> int:
        """Returns the sum of the members' targets."""
        return sum(self.held.values()) + sum(self.missing(1).values()) - sum(self.missing(-1).values())

    def target(self, working: Iterable[int] = ()) -> int:
        """Returns the net target, and records the current shortfalls: late fills of its orders are shared by them.
        working: ids of pending orders, whose fills are shared by the shortfalls when they were sent."""
        self._orders = {order: self._orders.get(order, self._target) for order in working}
        self._sent = {target: self._sent[target] for target in sorted({*self._orders.values()})}
        self._target += 1
        self._sent[self._target] = self.missing(1) | {member: -lack for member, lack in self.missing(-1).items()}
        return self.net

    def to_record(self, names: Mapping[int, str]) -> dict[str, Any]:
        """Returns the data for sharing late fills as plain values, for the next incarnation. names: of members."""
        sent = [
            [target, {names[member]: lack for member, lack in lacks.items()}] for target, lacks in self._sent.items()
        ]
        return {"target": self._target, "sent": sent, "orders": [*self._orders.items()]}

    def restore(self, record: Mapping[str, Any], numbers: Mapping[str, int]) -> None:
        """Restore an earlier incarnation's record. numbers: of members, by name; shortfalls of unknown members are
        assigned to none."""
        self._target, self._orders = record["target"], dict(record["orders"])
        self._sent = {
            target: {numbers[name]: lack for name, lack in lacks.items() if name in numbers}
            for target, lacks in record["sent"]
        }

    def release(self, member: int) -> None:
        """Exclude a member from late fills of orders that were sent before."""
        for lacks in self._sent.values():
            lacks.pop(member, None)

    def fill(self, qty: int, order: int = 0) -> list[tuple[int, int]]:
        """Returns (member, signed quantity) of each part of a fill; parts add up to the fill. It is shared by present
        shortfalls, then by those when its order was sent; a rest belongs to UNOWNED."""
        side, left = (1 if qty > 0 else -1), abs(qty)
        found: dict[int, int] = {}
        sent = self._orders.get(order, self._target)
        before = {member: lack * side for member, lack in self._sent[sent].items() if lack * side > 0}
        for lacks in (self.missing(side), before):
            able = {member: lack - found.get(member, 0) for member, lack in lacks.items()}
            able = {member: lack for member, lack in able.items() if lack > 0}
            size = min(left, sum(able.values()))
            for member, each in split(size, able, self.lot).items() if size else ():
                found[member] = found.get(member, 0) + each
            left -= size
        if left:
            found[UNOWNED] = found.get(UNOWNED, 0) + left
        trades = [(member, each * side) for member, each in found.items() if each]
        for target, lacks in self._sent.items():
            # this order would also have filled the earlier shortfall
            for member, each in trades if target >= sent else ():
                lack = lacks.get(member, 0)
                lacks[member] = lack - each if target == self._target else _rest(lack, each)
        self._take(trades)
        return trades

    def settle(self, qty: int) -> dict[int, int]:
        """Close holdings at a contract's settlement; returns member -> signed quantity, which add up to qty. With
        several accounts an earlier one closes holdings on its side in proportion, the last one the rest. Clears the
        contract's targets."""
        if qty == -sum(self.held.values()):
            closed = {member: -held for member, held in self.held.items() if held}
        else:
            side = 1 if qty > 0 else -1
            able = {member: -held * side for member, held in self.held.items() if held * side < 0}
            size = min(abs(qty), sum(able.values()))
            found = split(size, able, self.lot) if size else {}
            closed = {member: each * side for member, each in found.items() if each}
            if rest := qty - size * side:
                closed[UNOWNED] = closed.get(UNOWNED, 0) + rest
        self._take(list(closed.items()))
        self.wanted.clear()
        self._orders, self._sent = {}, {self._target: {}}
        return closed

    def _take(self, trades: list[tuple[int, int]]) -> None:
        for member, qty in trades:
            self.held[member] = self.held.get(member, 0) + qty


def _rest(lack: int, qty: int) -> int:
    """Returns the rest of a shortfall after `qty`, at least 0 in its direction: an excess belongs to a later
    target."""
    left = lack - qty
    return 0 if left * lack < 0 else min(lack, left, key=abs)
