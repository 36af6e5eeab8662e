"""One symbol's position, shared by several members: what they want is netted, what they trade with each other does
not go to the venue, and each fill has its owners. Pure.

Quantities are units of the instrument, signed. What members hold always adds up to the position.
"""

from __future__ import annotations

from onetape.accounts.sharing import split

__all__ = ["UNOWNED", "SharedPosition"]

UNOWNED = -1  # holds what no member has asked for: it is wanted by nobody, so it is traded out


class SharedPosition:
    """held, wanted: by member, from 0. A member that has said nothing wants what it holds."""

    def __init__(self, lot: int) -> None:
        self.lot = lot
        self.held: dict[int, int] = {}
        self.wanted: dict[int, int] = {}
        self._sent: dict[int, int] = {}  # what each lacked when the target was last said

    def missing(self, side: int) -> dict[int, int]:
        """Returns what members lack on a side (1 buys, -1 sells), without sign."""
        lacks = {
            member: (self.wanted.get(member, 0 if member == UNOWNED else self.held.get(member, 0)) - held) * side
            for member, held in [(each, self.held.get(each, 0)) for each in sorted({*self.held, *self.wanted})]
        }
        return {member: lack for member, lack in lacks.items() if lack > 0}

    def cross(self) -> list[tuple[int, int]]:
        """Trades what members want of each other, whole lots, each side by what its members lack: (member, signed
        quantity), which add up to zero."""
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
        """Returns the position that they want together."""
        return sum(self.held.values()) + sum(self.missing(1).values()) - sum(self.missing(-1).values())

    def target(self) -> int:
        """Returns the same, said as a target: what each lacks now is what a late fill is shared by."""
        self._sent = self.missing(1) | {member: -lack for member, lack in self.missing(-1).items()}
        return self.net

    def fill(self, qty: int) -> list[tuple[int, int]]:
        """Shares a fill of the position: by what members lack; then, of a late one, by what they lacked when its
        target was said; the rest is nobody's. (member, signed quantity), which add up to the fill."""
        side, left = (1 if qty > 0 else -1), abs(qty)
        found: dict[int, int] = {}
        before = {member: lack * side for member, lack in self._sent.items() if lack * side > 0}
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
        for member, each in trades:
            self._sent[member] = self._sent.get(member, 0) - each
        self._take(trades)
        return trades

    def settle(self, qty: int) -> dict[int, int]:
        """Closes what is held at the end of a contract: by member, signed, which add up to qty. The last account's
        closes all that is left; one before it only what members hold on its side, by how much. Nobody wants anything of
        the contract any more."""
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
        self._sent.clear()
        return closed

    def _take(self, trades: list[tuple[int, int]]) -> None:
        for member, qty in trades:
            self.held[member] = self.held.get(member, 0) + qty
