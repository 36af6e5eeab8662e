"""What works at a venue, summed up by what the gate asks: the same answers as a walk over all open
orders would give, at a cost that does not grow with their number.

Every open order has a share: what it adds to the sums of its symbol and side, and the price that it
would be met at. Whoever changes an order marks it; marked orders are summed anew when somebody asks
the next time, so an order may change ten times between two questions and is summed once.

Sizes are in units of the instrument, prices in units of its price, costs are price times size.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from onetape.model.enums import OrderType, PositionSide, Side, TimeInForce, TriggerBy
from onetape.model.order import OrderSpec
from onetape.orders.calls import OrderProtocol, Traits
from onetape.orders.managed import Managed

__all__ = ["Spent", "Working", "nearest", "only_reduces", "takes_at_once", "waits"]

# Named once: a member looked up at its class costs as much as a call.
_SELL: Final = Side.SELL
_BOTH: Final = PositionSide.BOTH
_MARKET: Final = OrderType.MARKET
_NO_TRIGGER: Final = TriggerBy.NONE
_AT_ONCE: Final = frozenset({TimeInForce.IOC, TimeInForce.FOK})


def only_reduces(spec: OrderSpec) -> bool:
    """Tells whether an order can only take off a position by its flag, or in hedge mode by the side that it closes. The
    venue holds it to them."""
    if spec.reduce_only:
        return True
    if spec.position_side is _BOTH:
        return False
    closes = PositionSide.LONG if spec.side is _SELL else PositionSide.SHORT
    return spec.position_side is closes


def takes_at_once(spec: OrderSpec) -> bool:
    """Tells whether an order is over as soon as the venue has it, or its trigger has fired."""
    return spec.type is _MARKET or spec.tif in _AT_ONCE


def waits(order: Managed, traits: Traits) -> bool:
    """Tells whether the order's trigger has not fired yet."""
    if order.spec.trigger_by is _NO_TRIGGER:
        return False
    return order.conditional if traits.conditionals else not order.life.triggered


def nearest(order: Managed) -> int:
    """Returns the price at which it may be met first: of an amendment that nobody has answered both may be true."""
    price, other = order.price, order.amend_to[0]
    if not order.life.update_open or not other:
        return price
    return min(price, other) if order.spec.side is _SELL else max(price, other)


class Spent(NamedTuple):
    """Sums what may be filled of a symbol's orders of one side, by how it is valued. maker and taker: cost at the
    orders' own prices, by the fee that it is charged; unpriced: size of market orders, which are worth what the market
    says."""

    size: int = 0
    maker: int = 0
    taker: int = 0
    unpriced: int = 0


_NOTHING: Final = Spent()


class _Share(NamedTuple):
    """Holds what one order adds to the sums. met: its place among the prices, None where it cannot be met."""

    symbol: str
    position_side: PositionSide
    side: Side
    opening: int
    reducing: int
    spent: Spent
    met: tuple[int, str] | None
    is_unknown: bool


@dataclass(slots=True)
class _Sums:
    """Sums for one symbol, position side and side what may be filled in the worst case."""

    opening: int = 0  # of orders that could open a position
    reducing: int = 0  # of those that take one off, and do not wait for a trigger


@dataclass(slots=True)
class _Resting:
    """Keeps the resting orders of one symbol and side."""

    prices: list[tuple[int, str]] = field(default_factory=list)  # the first to be met first
    size: int = 0
    maker: int = 0
    taker: int = 0
    unpriced: int = 0


class Working:
    """Sums up the open orders of one account.

    open_orders: by client id, somebody else's.
    venue: its traits may be known only when its instruments are.
    """

    def __init__(self, open_orders: Mapping[str, Managed], venue: OrderProtocol) -> None:
        self._open = open_orders
        self._venue = venue
        self.marked: dict[str, None] = {}  # what may have changed, come or gone
        self._shares: dict[str, _Share] = {}
        self._sums: dict[tuple[str, PositionSide, Side], _Sums] = {}
        self._resting: dict[tuple[str, Side], _Resting] = {}
        self._unknown: dict[str, dict[str, None]] = {}  # client ids of each symbol

    # --- what is asked ----------------------------------------------------------------------------

    def opening(self, spec: OrderSpec, without: Managed | None = None) -> int:
        """Returns what may be filled of the orders that could open the position in the same direction."""
        if self.marked:
            self.look()
        sums = self._sums.get((spec.symbol, spec.position_side, spec.side))
        return 0 if sums is None else sums.opening - self._of(without, spec)[0]

    def reducing(self, spec: OrderSpec, without: Managed | None = None) -> int:
        """Returns the same of those that take it off. At a venue without positions each may."""
        if self.marked:
            self.look()
        sums = self._sums.get((spec.symbol, spec.position_side, spec.side))
        return 0 if sums is None else sums.reducing - self._of(without, spec)[1]

    def meets(self, spec: OrderSpec) -> Managed | None:
        """Returns the first order of this account that it would trade with, were it in the book. Of an amendment that
        nobody has answered both prices may be true."""
        if self.marked:
            self.look()
        resting = self._resting.get((spec.symbol, spec.side.opposite))
        if resting is None or not resting.prices:
            return None
        near, client_id = resting.prices[0]
        if spec.type is not _MARKET and near > spec.price_int * spec.side.sign:
            return None
        return self._open[client_id]

    def meeting(self, spec: OrderSpec) -> Iterator[Managed]:
        """Returns all orders that it would trade with, the first to be met first."""
        if self.marked:
            self.look()
        resting = self._resting.get((spec.symbol, spec.side.opposite))
        for near, client_id in resting.prices if resting is not None else ():
            # Prices of buys stand there with their sign turned, so that the highest is the first.
            if spec.type is not _MARKET and near > spec.price_int * spec.side.sign:
                return
            yield self._open[client_id]

    def unknown(self, symbol: str) -> Iterator[Managed]:
        """Yields the orders of this symbol whose state is unknown and which may have opened. A stop that can only take
        off adds nothing, whatever has become of it."""
        if self.marked:
            self.look()
        for each in self._unknown.get(symbol, ()):
            order = self._open[each]
            if not (order.is_protective or _is_stop(order.spec)):
                yield order

    def all_unknown(self) -> list[Managed]:
        """Returns the orders of all symbols whose state is unknown."""
        if self.marked:
            self.look()
        return [self._open[each] for found in self._unknown.values() for each in found]

    def spent(self, without: Managed | None = None) -> Iterator[tuple[str, Side, Spent]]:
        """Yields what may be filled, for each symbol and side with open orders."""
        if self.marked:
            self.look()
        share = self._shares.get(without.client_id) if without is not None else None
        for (symbol, side), resting in self._resting.items():
            size, maker, taker = resting.size, resting.maker, resting.taker
            unpriced = resting.unpriced
            if share is not None and share.symbol == symbol and share.side is side:
                size -= share.spent.size
                maker -= share.spent.maker
                taker -= share.spent.taker
                unpriced -= share.spent.unpriced
            yield symbol, side, Spent(size, maker, taker, unpriced)

    def _of(self, order: Managed | None, spec: OrderSpec) -> tuple[int, int]:
        """Returns what the order itself adds to the sums of the spec."""
        share = self._shares.get(order.client_id) if order is not None else None
        if share is None or (share.symbol, share.position_side, share.side) != (
            spec.symbol,
            spec.position_side,
            spec.side,
        ):
            return 0, 0
        return share.opening, share.reducing

    # --- what is kept -----------------------------------------------------------------------------

    def look(self) -> None:
        """Sums up what is marked: before each answer, and by whoever has time, so that what is
        marked stays little where nobody asks."""
        marked = list(self.marked)
        self.marked.clear()
        for client_id in marked:
            share = self._shares.pop(client_id, None)
            if share is not None:
                self._change(client_id, share, -1)
            order = self._open.get(client_id)
            if order is not None:
                share = self._shares[client_id] = self._share(order)
                self._change(client_id, share, 1)

    def _share(self, order: Managed) -> _Share:
        spec, left, traits = order.spec, order.worst_left, self._venue.traits
        reduces, is_waiting = only_reduces(spec), waits(order, traits)
        may_reduce = (reduces or not traits.positions) and not is_waiting
        dearest, met = order.price, None
        if order.life.update_open:
            dearest = max(dearest, order.amend_to[0])
        if spec.type is not _MARKET and not is_waiting:
            # Prices of buys have their sign turned, so that the highest is the first.
            met = (-spec.side.sign * nearest(order), order.client_id)
        return _Share(
            spec.symbol,
            spec.position_side,
            spec.side,
            0 if reduces else left,
            left if may_reduce else 0,
            _NOTHING if order.is_unfunded else _spent(spec, left, dearest),
            met,
            order.is_unknown,
        )

    def _change(self, client_id: str, share: _Share, sign: int) -> None:
        """Adds a share (1), or takes it off (-1)."""
        symbol, position_side, side, opening, reducing, spent, met, is_unknown = share
        sums = self._sums.get((symbol, position_side, side))
        if sums is None:
            sums = self._sums[symbol, position_side, side] = _Sums()
        sums.opening += sign * opening
        sums.reducing += sign * reducing
        resting = self._resting.get((symbol, side))
        if resting is None:
            resting = self._resting[symbol, side] = _Resting()
        resting.size += sign * spent.size
        resting.maker += sign * spent.maker
        resting.taker += sign * spent.taker
        resting.unpriced += sign * spent.unpriced
        if met is not None:
            if sign > 0:
                insort(resting.prices, met)
            else:
                del resting.prices[bisect_left(resting.prices, met)]
        if is_unknown:
            unknown = self._unknown.setdefault(symbol, {})
            if sign > 0:
                unknown[client_id] = None
            else:
                del unknown[client_id]


def _is_stop(spec: OrderSpec) -> bool:
    """Tells whether an order waits for a trigger and can only take off."""
    return spec.trigger_by is not TriggerBy.NONE and only_reduces(spec)


def _spent(spec: OrderSpec, left: int, price: int) -> Spent:
    if spec.type is _MARKET:
        if not spec.trigger_int:
            return Spent(left, unpriced=left)
        price = spec.trigger_int
    cost = left * price
    return Spent(left, maker=cost) if spec.post_only else Spent(left, taker=cost)
