"""Orders that wait for money from other orders of their sub-account.

A robot sells one asset to buy another in one callback. The purchase exceeds its sub-account's free money until the sale
is filled, so it waits here, and leaves when that fill is booked. No order goes to the venue that cannot be paid for
when it leaves. The sale may be requested after the purchase: while the requests of that callback may still arrive, the
sub-account's other holdings count as for sale.

A waiting order reserves no money, because the money is not there yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from onetape.accounts.booking import Booking
from onetape.accounts.crossing import Crossing, Quote
from onetape.accounts.reserves import Reserves
from onetape.accounts.slots import SubAccounts
from onetape.model.enums import Kind, PositionSide, Side
from onetape.model.errors import InsufficientFunds
from onetape.model.instrument import Instrument
from onetape.model.order import OrderSpec
from onetape.model.time import SECOND
from onetape.orders.backing import Spending, spending
from onetape.orders.filters import Refusal
from onetape.orders.internal import HELD_MAX, end_held, release
from onetape.orders.managed import Request
from onetape.orders.manager import OrderManager
from onetape.orders.order import Order, only_reduces, takes_at_once, waits

__all__ = ["Proceeds"]

# A robot writes a callback's requests at once: requests after this time are not part of it.
BATCH_MAX: Final = SECOND // 20
WAITING_MAX: Final = 100  # beyond it the next order is denied at once
# How much better, in percent, the market may be when a sale arrives than when it is estimated.
BETTER: Final = 2

# Returns the refusal of an order's rest now; True: it would trade inside and not at the venue.
Judge = Callable[[Order, int, bool], Refusal | None]


class Money(Protocol):
    """The money of an account, as its gateway has it."""

    reserves: Reserves
    accounts: SubAccounts

    @property
    def booking(self) -> Booking: ...

    def lacks(self, robot: int, spec: OrderSpec, left: int) -> Spending | None:
        """Returns how much more than the free amount an order needs.

        None: nothing, or its sub-account may not use that currency.
        """

    def order(self, order: Order) -> None:
        """Updates the reserves of an order that may have changed."""


@dataclass(slots=True)
class _Wait:
    order: Order
    cause: int  # the same for all requests of one callback
    batch_until: int
    until: int


class Proceeds:
    """Keeps orders of one account that wait for money from others.

    quote: returns best bid and best ask of a symbol now, 0 if unknown.
    waiting: the oldest first; empty: no call of `look` is needed.
    """

    def __init__(
        self,
        manager: OrderManager,
        instruments: Mapping[str, Instrument],
        money: Money,
        *,
        slot_of: Callable[[int], int],
        quote: Quote,
        judge: Judge,
        crossing: Crossing | None = None,
    ) -> None:
        self._manager = manager
        self._instruments = instruments
        self._money = money
        self._slot_of = slot_of
        self._quote = quote
        self._judge = judge
        self._crossing = crossing
        self.waiting: list[_Wait] = []

    def hold(self, client_id: str, request: Request, refusal: Refusal, now: int, *, cause: int) -> Order | None:
        """Holds a new order that was refused. None: it does not lack money, or nothing may bring it. cause: the same
        for all requests of one callback."""
        spec = request.spec
        if refusal.code != InsufficientFunds.code or spec is None:
            return None
        if len(self.waiting) >= WAITING_MAX:
            return None
        if not self._may_come(request.robot, spec, spec.size_int, in_batch=True):
            return None
        order = self._manager.submit(client_id, request, now, held=True)
        order.is_unfunded = True
        self.waiting.append(_Wait(order, cause, now + BATCH_MAX, now + HELD_MAX))
        return order

    def came(self, robot: int, cause: int) -> None:
        """Notes a request of a robot, which completes the requests of its earlier callbacks."""
        for wait in self.waiting:
            if wait.order.robot == robot and wait.cause != cause:
                wait.batch_until = 0

    def restate(self, step: int) -> None:
        """Shifts deadlines because the clock was set by `step`, ns."""
        for wait in self.waiting:
            wait.batch_until += step if wait.batch_until else 0
            wait.until += step

    def look(self, now: int) -> None:
        """Checks waiting orders again after a fill, an end or some time."""
        for wait in list(self.waiting):
            if not wait.order.is_open or self._is_over(wait, now):
                self.waiting.remove(wait)

    def _is_over(self, wait: _Wait, now: int) -> bool:
        order, crossing = wait.order, self._crossing
        matches = crossing.matches(order.robot, order.spec) if crossing is not None else []
        refusal = self._judge(order, now, bool(matches))
        if refusal is None:
            order.is_unfunded = False
            if crossing is not None and matches:
                crossing.meet(order, matches, now)
            else:
                release(self._manager, order, now)
            self._money.order(order)
            return True
        reason = refusal.reason
        if refusal.code == InsufficientFunds.code:
            in_batch = now < wait.batch_until
            left = order.remaining
            if now < wait.until and self._may_come(order.robot, order.spec, left, in_batch=in_batch, than=order):
                return False
            waited = f"{(now - order.created) / SECOND:.2f} s"
            reason += f", and none of its other orders brought more in {waited}"
        end_held(self._manager, order, now, refusal.code, reason)
        return True

    # --- expected money ---------------------------------------------------------------------------

    def _may_come(self, robot: int, spec: OrderSpec, left: int, *, in_batch: bool, than: Order | None = None) -> bool:
        """Tells whether an order's missing money may arrive. in_batch: its robot may still request sales. than: the
        order itself if it waits already; waiting orders bring money to younger ones only, so that no two wait for each
        other."""
        lacks = self._money.lacks(robot, spec, left)
        if lacks is None:
            return False
        slot = self._slot_of(robot)
        sources = [self._under_way(slot, lacks.currency, than)]
        if in_batch:
            sources.append(self._held(slot, spec, lacks.currency))
        return any(_is_enough(amounts, lacks.amount) for amounts in sources)

    def _under_way(self, slot: int, currency: str, than: Order | None) -> Iterable[int]:
        """Yields the money from each order that takes from the market and returns some of the currency, and from each
        that is being canceled and holds some of it back."""
        is_younger = False
        for order in self._manager.open.values():  # oldest first
            is_younger = is_younger or order is than
            if self._slot_of(order.robot) != slot or not order.robot:
                continue
            if order.cancel_open or order.cancel_wanted:
                yield self._bound(order, currency)
            elif not (order.is_unfunded and is_younger) and self._takes(order):
                yield self._brings(slot, order.spec, order.worst_left, currency)

    def _bound(self, order: Order, currency: str) -> int:
        """Returns what of the currency a spot order holds back, which its cancel releases."""
        spec, instrument = order.spec, self._instruments.get(order.spec.symbol)
        if order.is_unfunded or instrument is None:
            return 0
        price = order.price or spec.trigger_int or self._manager.references.get(spec.symbol, 0)
        held = spending(instrument, spec, order.worst_left, price)
        return held.amount if held is not None and held.currency == currency else 0

    def _takes(self, order: Order) -> bool:
        spec = order.spec
        if spec.post_only or waits(order, self._manager.venue.traits):
            return False
        bid, ask = self._quote(spec.symbol)
        if spec.side is Side.BUY:
            return takes_at_once(spec) or 0 < ask <= order.price
        return takes_at_once(spec) or 0 < order.price <= bid

    def _held(self, slot: int, spec: OrderSpec, currency: str) -> Iterable[int]:
        """Yields the money from closing each holding except that of the order itself."""
        for i in self._instruments.values():
            if i.kind is not Kind.SPOT or i.symbol == spec.symbol:
                continue
            if i.quote == currency:
                yield self._value(i, self._has(i.base, slot))
            elif i.base == currency and (near := self._value(i, 10**18)):
                yield self._has(i.quote, slot) * 10**18 // near
        for (of, symbol, side), held in self._money.booking.positions.items():
            is_other = (symbol, side) != (spec.symbol, spec.position_side)
            if of == slot and is_other and self._instruments[symbol].settle == currency:
                yield self._released(slot, symbol, side, abs(held.qty))

    def _has(self, currency: str, slot: int) -> int:
        return max(self._money.accounts.free(currency, slot), 0)

    def _value(self, instrument: Instrument, coins: int) -> int:
        """Returns the value of coins, 1e-18, in the quote; 0: no price."""
        price = self._manager.references.get(instrument.symbol, 0)
        return coins * price // int(10**instrument.price_decimals)

    def _brings(self, slot: int, spec: OrderSpec, size: int, currency: str) -> int:
        i = self._instruments[spec.symbol]
        if i.kind is Kind.SPOT:
            coins = size * int(10 ** (18 - i.size_decimals))
            if spec.side is Side.BUY:
                return coins if i.base == currency else 0
            return self._value(i, coins) if i.quote == currency else 0
        if i.settle != currency:
            return 0
        held = self._money.booking.positions.get((slot, spec.symbol, spec.position_side))
        if held is None or held.qty * spec.side.sign >= 0:
            return 0
        most = abs(held.qty)
        if size > most and not (only_reduces(spec) or spec.own_reducing):
            size = 2 * most - size  # the excess opens the other side
        return self._released(slot, spec.symbol, spec.position_side, min(size, most))

    def _released(self, slot: int, symbol: str, side: PositionSide, size: int) -> int:
        """Returns the money from closing that size of a contract's position."""
        held = self._money.booking.positions[slot, symbol, side]
        if not held.qty or held.terms.is_spot:
            return 0
        price = self._manager.references.get(symbol, 0)
        profit = held.unrealized_at(price) if price else 0
        return (self._money.reserves.backing(held.cost) + profit) * size // abs(held.qty)


def _is_enough(amounts: Iterable[int], wanted: int) -> bool:
    brought = [amount for amount in amounts if amount > 0]
    return bool(brought) and sum(brought) * (100 + BETTER) >= wanted * 100
