"""The positions of each strategy by its own fills, from which a robot computes its profit. Pure.

A sub-account realizes profit at the average price of all that share it, and the account at the venue's. So a robot
that buys what another one of its sub-account has sold closes a position there, and opens its own. Differences
between the ledger's entries and the strategies' own fills belong to the strategy `netting`, and vanish once all are
flat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from onetape.accounts.booking import Booking
from onetape.accounts.entries import Leg, Outside
from onetape.accounts.holding import Holding, Terms
from onetape.accounts.sharing import shares, split
from onetape.model.enums import PositionSide, Side
from onetape.orders.reports import FillReport
from onetape.store.record_queries import NETTING

__all__ = ["OwnHoldings", "OwnRecord"]

_State = tuple[int, int, int]  # quantity, cost, realized
OwnRow = tuple[int, str, str, PositionSide, _State]
OwnRecord = list[OwnRow]
_Place = tuple[str, PositionSide]


class OwnHoldings:
    """Keeps positions by sub-account, strategy, symbol and position side. terms: of a symbol."""

    def __init__(self, terms: Callable[[str], Terms]) -> None:
        self._terms = terms
        self._held: dict[tuple[int, _Place], dict[str, Holding]] = {}

    def clear(self) -> None:
        self._held.clear()

    def fill(self, fill: FillReport, slot: int, strategy: str) -> int:
        """Applies a fill. Returns the profit that the strategy realizes by it, 1e-18 of the settle currency, without
        fees."""
        change = -fill.size if fill.side is Side.SELL else fill.size
        return self._take(slot, strategy, (fill.symbol, fill.position_side), change, fill.price)

    def owned(
        self,
        legs: Iterable[tuple[str, Leg]],
        fill: FillReport | None,
        slot: int,
        strategy: str,
        symbol: str,
        owner: Callable[[int, str], str],
    ) -> Iterator[tuple[str, Leg, str]]:
        """Yields each amount that an entry moves with its strategy. fill: the strategy's own fill that caused it,
        applied here; None: a forced close, or no fill. owner: of a sub-account's position."""
        own = self.fill(fill, slot, strategy) if fill is not None else 0
        for kind, leg in legs:
            is_realized = kind == "realized" and fill is not None
            if leg.holder == Outside.NETTING or (is_realized and leg.holder != slot):
                yield kind, leg, NETTING
            elif is_realized:
                if own:
                    yield kind, leg._replace(amount=own), strategy
                if rest := leg.amount - own:
                    yield kind, leg._replace(amount=rest), NETTING
                own = 0
            elif kind == "funding" and (parts := self._paid(leg.holder, symbol, leg.amount)):
                yield from ((kind, leg._replace(amount=part), name) for name, part in parts.items())
            else:
                yield kind, leg, strategy or owner(leg.holder, symbol)
        if own:  # the sub-account realizes nothing by it
            settle = self._terms(symbol).settle
            yield "realized", Leg(slot, settle, own), strategy
            yield "realized", Leg(slot, settle, -own), NETTING

    def adopt(self, slot: int, symbol: str, side: PositionSide, qty: int, price: int) -> None:
        """Adds a position from before the first fill: of no strategy of ours."""
        self._take(slot, "", (symbol, side), qty, price)

    def close_by_force(self, fill: FillReport, slot: int, change: int) -> None:
        """Divides a sub-account's part of a forced close among its strategies in proportion to their positions."""
        place = fill.symbol, fill.position_side
        names = [name for name, each in self._held.get((slot, place), {}).items() if each.qty * change < 0]
        held = {at: abs(self._held[slot, place][name].qty) for at, name in enumerate(names)}
        size = min(abs(change), sum(held.values()))
        lot = max(self._terms(fill.symbol).instrument.lot_int, 1)
        for at, part in split(size, held, lot).items() if size else ():
            if part:
                self._take(slot, names[at], place, part if change > 0 else -part, fill.price)

    def _paid(self, slot: int, symbol: str, amount: int) -> dict[str, int]:
        """Divides a sub-account's funding among the strategies in proportion to their positions in the symbol; empty
        if there are none, or opposite ones."""
        qty: dict[str, int] = {}
        for (at, (name, _)), held in self._held.items():
            if (at, name) == (slot, symbol):
                for strategy, each in held.items():
                    qty[strategy] = qty.get(strategy, 0) + each.qty
        names = [name for name, each in qty.items() if each]
        if not sum(qty.values()):
            return {}
        parts = shares(amount, {at: qty[name] for at, name in enumerate(names)}, rest_to=0)
        return {names[at]: part for at, part in parts.items() if part}

    def _take(self, slot: int, strategy: str, place: _Place, change: int, price: int) -> int:
        terms = self._terms(place[0])
        held = self._held.setdefault((slot, place), {}).setdefault(strategy, Holding(terms))
        held.terms = terms  # the instrument may have a new version
        return held.fill(change, terms.value(price, change))

    # --- state ------------------------------------------------------------------------------------

    def to_record(self) -> OwnRecord:
        return [
            (slot, strategy, *place, each.state)
            for (slot, place), held in self._held.items()
            for strategy, each in held.items()
            if each.qty
        ]

    def restore(self, record: Iterable[OwnRow]) -> None:
        for slot, strategy, symbol, side, state in record:
            held = Holding(self._terms(symbol))
            held.state = state
            self._held.setdefault((slot, (symbol, side)), {})[strategy] = held

    def begin(self, booking: Booking, owner: Callable[[int, str], str]) -> None:
        """Starts from positions of a release without this state: each belongs to its sub-account's single owner."""
        for (slot, symbol, side), each in booking.positions.items():
            if each.qty:
                self.restore([(slot, owner(slot, symbol), symbol, side, each.state)])
