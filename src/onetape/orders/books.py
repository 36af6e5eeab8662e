"""What an account holds: by the fills that were booked, and as the venue says.

Where a venue has positions, these are what is compared. Where it has balances only (spot), the
books begin with the balances of the first reconciliation, and every fill moves two of them by price
times quantity and its fee; `expected` is what the venue's balances then have to be.
"""

from __future__ import annotations

from typing import Final

from onetape.model.enums import PositionSide, Side
from onetape.orders.calls import OrderProtocol
from onetape.orders.managed import AccountOut
from onetape.orders.told import BalanceTold, FillTold, MoveTold, PositionTold

__all__ = ["OPENING", "Books"]

OPENING: Final = "opening"  # source of a balance with which the books begin
TRADES_KEPT: Final = 200_000  # ids of trades that were booked
MOVES_KEPT: Final = 10_000


class Books:
    """Of one account."""

    def __init__(self, venue: OrderProtocol) -> None:
        self._venue = venue
        self.positions: dict[tuple[str, PositionSide], int] = {}  # by the fills that were booked
        self.venue_positions: dict[tuple[str, PositionSide], tuple[int, int]] = {}  # qty, time
        self.balances: dict[str, tuple[int, int]] = {}  # the venue's: total, its time
        self.expected: dict[str, int] = {}  # by the fills, where there are no positions
        self.moved: dict[str, int] = {}  # how many fills have moved a balance
        self.booked = 0  # fills
        self._trades: dict[tuple[str, int, Side], None] = {}
        self._moves: dict[str, None] = {}

    def has(self, fill: FillTold) -> bool:
        return fill.key in self._trades

    def book(self, fill: FillTold) -> None:
        self._trades[fill.key] = None
        self.booked += 1
        if len(self._trades) > TRADES_KEPT:
            del self._trades[next(iter(self._trades))]
        at = (fill.symbol, fill.position_side)
        self.positions[at] = self.positions.get(at, 0) + fill.size * fill.side.sign
        if not self._venue.traits.positions:
            for currency, amount in self._venue.moves(fill):
                self.moved[currency] = self.moved.get(currency, 0) + 1
                if currency in self.expected:  # else the books have not begun
                    self.expected[currency] += amount

    def begin(self, now: int) -> list[AccountOut]:
        """The balances as they are: from here on fills explain them."""
        return [self.restart(name, total, now) for name, (total, _) in self.balances.items()]

    def restart(self, currency: str, total: int, now: int) -> AccountOut:
        self.expected[currency] = total
        self.moved[currency] = 0
        return AccountOut(currency, None, total, now, OPENING)

    def move(self, told: MoveTold) -> AccountOut | None:
        """Once by its reference."""
        if told.reference in self._moves or not self.expected:
            return None
        self._moves[told.reference] = None
        if len(self._moves) > MOVES_KEPT:
            del self._moves[next(iter(self._moves))]
        total = self.expected.get(told.currency, 0) + told.amount
        self.expected[told.currency] = total
        return AccountOut(told.currency, None, total, told.time, OPENING)

    def balance(self, told: BalanceTold, source: str) -> AccountOut | None:
        known = self.balances.get(told.currency)
        if known is not None and told.time < known[1]:
            return None
        self.balances[told.currency] = (told.total, told.time)
        if known is None or known[0] != told.total:
            return AccountOut(told.currency, None, told.total, told.time, source)
        return None

    def position(self, told: PositionTold, source: str) -> AccountOut | None:
        key = (told.symbol, told.side)
        known = self.venue_positions.get(key)
        if known is not None and told.time < known[1]:
            return None
        self.venue_positions[key] = (told.qty, told.time)
        if known is None or known[0] != told.qty:
            return AccountOut(told.symbol, told.side, told.qty, told.time, source)
        return None

    def differing(self) -> list[tuple[str, int, int]]:
        """(currency, expected, the venue's) where rounding does not explain it."""
        found = []
        for currency, ours in sorted(self.expected.items()):
            theirs = self.balances.get(currency, (0, 0))[0]
            slack = self._venue.slack(currency) * (self.moved.get(currency, 0) + 1)
            if abs(ours - theirs) > slack:
                found.append((currency, ours, theirs))
        return found
