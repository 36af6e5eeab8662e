"""Limits reductions of sub-accounts that share an account, so that none reduces by more than its own sub-account holds.
In hedge mode these are the orders that close a side, which the venue fills from anybody's position: they are sent
unchanged, or not at all.

Beside the venue's guarantee for the account, this guarantees for the sub-account: its working reductions together never
exceed its position, less its market orders under way. An order that would break this is refused; when the position
shrinks, the newest working ones are reduced or cancelled. Fills before the venue has processed that cannot be undone.

Orders that wait for a trigger and whose flag the venue enforces are limited one by one, because a stop and a target for
one position are usual. The guardian's protect the account's position: they are sent unchanged, and stay when anybody's
part shrinks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import structs

from onetape.accounts.netting import Reduction, plain_reduction
from onetape.model.enums import AmendRule, OrderState, OrderType, PositionSide, RequestKind, Side, TriggerBy
from onetape.model.errors import PositionLimit, ReduceOnlyViolated
from onetape.model.instrument import Instrument
from onetape.model.order import OrderSpec
from onetape.model.sections import GUARDIAN
from onetape.model.time import SECOND
from onetape.orders.filters import Refusal
from onetape.orders.manager import OrderManager
from onetape.orders.order import Order, only_reduces, waits

__all__ = ["Reductions"]

RETRY_NS: Final = SECOND  # after a change that the venue refused
_BOTH: Final = PositionSide.BOTH
_AMENDABLE: Final = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED, OrderState.TRIGGERED})

Key = tuple[int, str, PositionSide, Side]  # slot, symbol, and the order's


class Reductions:
    """Limits reduce-only orders of sub-accounts to their owners' positions.

    own: returns a sub-account's position by slot, symbol and side, signed.
    bounds: the largest position that the account may reach, by symbol.
    is_shared: there are sub-accounts. Else the account's position is the only one, and the gate checks it.
    """

    def __init__(
        self,
        manager: OrderManager,
        instruments: Mapping[str, Instrument],
        *,
        own: Callable[[int, str, PositionSide], int],
        slot_of: Callable[[int], int],
        bounds: Mapping[str, int],
        is_shared: bool,
    ) -> None:
        self._manager = manager
        self._instruments = instruments
        self._own = own
        self._slot_of = slot_of
        self._bounds = bounds
        self._is_shared = is_shared
        self._orders: dict[Key, dict[str, Order]] = {}  # open reductions, the oldest first
        self._marked: dict[Key, bool] = {}  # to be checked; True: the position has shrunk
        # When an order was last reduced, and to which size.
        self._tried: dict[str, tuple[int, int]] = {}

    # --- requests ---------------------------------------------------------------------------------

    def outgoing(self, robot: int, spec: OrderSpec, *, knows: bool) -> OrderSpec | Refusal:
        """Returns the form in which a new order goes to the venue. knows: the account's position is reconciled; else a
        reduction of a one-way position is sent unchanged, and the venue decides."""
        if spec.own_reducing:  # only this method sets the flag, never a robot
            spec = structs.replace(spec, own_reducing=False, reduce_only=True)
        if not self._is_ours(spec) or spec.tag == GUARDIAN:
            return spec
        key = self._key(robot, spec)
        if spec.position_side is not _BOTH:
            # Those with a trigger are limited one by one.
            alone = spec.trigger_by is not TriggerBy.NONE
            free = self._held(key) if alone else self._free(key)
            too_much = spec.size_int > free
            return self._too_much(spec.symbol, spec.size_int, free) if too_much else spec
        if not knows:
            return spec
        working, sign = self._manager.account, spec.side.sign
        found = plain_reduction(
            spec,
            own=self._own(key[0], spec.symbol, _BOTH),
            own_reducing=self._working(key),
            account=self._manager.positions.get((spec.symbol, _BOTH), 0),
            account_reducing=working.reducing(spec),
            account_opening=working.opening(spec),
            bound=self._bounds.get(spec.symbol) or None,
        )
        if found is Reduction.PLAIN:
            return structs.replace(spec, reduce_only=False, own_reducing=True)
        if found is Reduction.AS_IT_IS or spec.trigger_by is not TriggerBy.NONE:
            return spec  # the venue decides when a trigger fires
        text = self._instruments[spec.symbol].size_text
        if found is Reduction.BEYOND:
            reached = self._manager.positions.get((spec.symbol, _BOTH), 0) * sign + spec.size_int
            shown = f"{text(reached)} with all working orders, at most {text(self._bounds[spec.symbol])}"
            return Refusal.of(PositionLimit, f"as a plain order the account may reach {shown}")
        return self._too_much(spec.symbol, spec.size_int, self._free(key))

    def measured(self, robot: int, spec: OrderSpec) -> tuple[str | None, str | None]:
        """Returns the quantity of a reduction, and how much of it its sub-account may reduce, as text. None: it is no
        reduction, or the account is not shared."""
        if not self._is_ours(spec):
            return None, None
        text = self._instruments[spec.symbol].size_text
        free = self._free(self._key(robot, spec))
        return text(spec.size_int), text(max(free, 0))

    def uncertain(self, spec: OrderSpec) -> OrderSpec:
        """Returns the worse form of an order that may have been sent in one of two."""
        if not self._is_ours(spec) or spec.position_side is not _BOTH:
            return spec
        return structs.replace(spec, reduce_only=False, own_reducing=True)

    def takes_off(self, robot: int, spec: OrderSpec, left: int, old: Order | None = None) -> bool:
        """Tells whether an order without the flag opens nothing for its own sub-account, even if all its working orders
        of that direction fill first. left: the quantity that can be filled; old: the order that this one replaces."""
        if not self._has_parts(spec):
            return True  # on spot the sub-account's money limits sales
        key = self._key(robot, spec)
        free = self._held(key) - left
        return free >= 0 and free >= sum(
            each.worst_left
            for each in self._manager.open.values()
            if each is not old and self._key(each.robot, each.spec) == key and self._may_open(each)
        )

    def adds(self, robot: int, spec: OrderSpec) -> bool:
        """Tells whether an order increases its own sub-account's position."""
        if not self._has_parts(spec):
            return True
        return self._own(*self._key(robot, spec)[:3]) * spec.side.sign > 0

    def amendment(self, order: Order, size: int, *, knows: bool) -> Refusal | None:
        """Returns why a reduction may not be amended to that size (0: unchanged); None: it may."""
        spec = order.spec
        knows = knows or spec.position_side is not _BOTH
        if not (spec.own_reducing or (self._is_ours(spec) and self._counts(order) and knows)):
            return None
        if size <= order.size:
            return None
        left = size - order.filled
        free = self._free(self._key(order.robot, spec), without=order)
        return None if left <= free else self._too_much(spec.symbol, left, free)

    def _too_much(self, symbol: str, size: int, free: int) -> Refusal:
        text = self._instruments[symbol].size_text
        shown = f"{text(max(free, 0))} of its sub-account can be reduced beside working orders"
        return Refusal.of(ReduceOnlyViolated, f"{text(size)}, {shown}")

    # --- events -----------------------------------------------------------------------------------

    def order(self, order: Order) -> None:
        """Updates the index for an order that may have changed."""
        spec = order.spec
        if not self._is_shared or not order.robot:
            return
        if not spec.own_reducing and not self._is_ours(spec):
            return
        key = self._key(order.robot, spec)
        if order.is_open:
            self._orders.setdefault(key, {})[order.client_id] = order
            self._marked.setdefault(key, False)
            return
        self._tried.pop(order.client_id, None)
        mine = self._orders.get(key)
        if mine is not None and mine.pop(order.client_id, None) is not None and not mine:
            del self._orders[key]

    def position(self, slot: int, symbol: str, of: PositionSide, side: Side) -> None:
        """Marks a sub-account's position for a check after a fill of that side may have reduced it."""
        key = (slot, symbol, of, side)
        if key in self._orders:
            self._marked[key] = True

    def hold(self, now: int) -> None:
        """Reduces or cancels the newest orders that exceed their sub-account's position."""
        while self._marked:
            key, has_shrunk = self._marked.popitem()
            self._hold(key, now, has_shrunk=has_shrunk)

    def look(self) -> None:
        """Schedules a check of all working reductions, which repeats refused amendments."""
        for key in self._orders:
            self._marked.setdefault(key, False)

    def _hold(self, key: Key, now: int, *, has_shrunk: bool) -> None:
        held = self._held(key)
        mine = list(self._orders.get(key, {}).values())
        counted = [order for order in mine if self._counts(order)]
        over = sum(map(_left_then, counted)) - held
        for order in reversed(counted):
            if over <= 0:
                break
            if order.is_protective:
                continue
            left = _left_then(order)
            over -= left
            self._reduce(order, max(-over, 0), left, now)
        for order in mine if has_shrunk else ():
            if not order.is_protective and not self._counts(order) and _left_then(order) > held:
                self._reduce(order, 0, order.worst_left, now)

    def _reduce(self, order: Order, keep: int, left: int, now: int) -> None:
        """Reduces or cancels an order. keep: the quantity that may still be filled."""
        if not left:
            return
        manager = self._manager
        tried, wanted = self._tried.get(order.client_id, (0, 0))
        if order.size <= wanted:  # done
            tried = 0
        if tried and now < tried + RETRY_NS:
            return
        i = self._instruments[order.spec.symbol]
        lot = max(i.lot_int, 1)
        keep = keep // lot * lot
        can_shrink = (
            not tried
            and keep > 0
            and i.amend is not AmendRule.NONE
            and order.state in _AMENDABLE
            and order.spec.type is OrderType.LIMIT
            and not order.conditional
            and not order.is_held
            and not order.pending
        )
        size = order.filled + keep if can_shrink else 0
        self._tried[order.client_id] = now, size
        if can_shrink:
            manager.amend(order, now, price=0, size=size)
        else:
            manager.cancel_once(order, now)

    # --- sums -------------------------------------------------------------------------------------

    def _has_parts(self, spec: OrderSpec) -> bool:
        """Tells whether sub-accounts hold parts of the account's position in the order's symbol."""
        return self._is_shared and self._manager.venue.traits.has_position(spec.symbol)

    def _is_ours(self, spec: OrderSpec) -> bool:
        """Tells whether an order only reduces a position that sub-accounts share."""
        return only_reduces(spec) and self._has_parts(spec)

    def _key(self, robot: int, spec: OrderSpec) -> Key:
        return self._slot_of(robot), spec.symbol, spec.position_side, spec.side

    def _counts(self, order: Order) -> bool:
        return order.spec.own_reducing or not waits(order, self._manager.venue.traits)

    def _may_open(self, order: Order) -> bool:
        """Tells whether fills of an order may open a position of its sub-account."""
        return self._counts(order) or not only_reduces(order.spec)

    def _held(self, key: Key) -> int:
        """Returns the quantity that orders of that side can reduce."""
        return max(-self._own(*key[:3]) * key[3].sign, 0)

    def _working(self, key: Key, without: Order | None = None) -> int:
        """Returns the quantity under way to reduce it: reductions, and orders that trade on arrival."""
        slot, symbol, of, side = key
        mine = self._orders.get(key, {})
        left = sum(o.worst_left for o in mine.values() if o is not without and self._counts(o))
        taking = self._manager.account.taking(symbol, side) if of is _BOTH else ()
        return left + sum(o.worst_left for o in taking if self._slot_of(o.robot) == slot)

    def _free(self, key: Key, without: Order | None = None) -> int:
        return self._held(key) - self._working(key, without)


def _left_then(order: Order) -> int:
    """Returns the quantity that may still fill after the pending requests."""
    if order.cancel_wanted or order.cancel_open or RequestKind.CANCEL in order.pending:
        return 0
    if order.update_open and order.size_wanted < order.size:
        return max(order.size_wanted - order.filled, 0)
    return order.worst_left
