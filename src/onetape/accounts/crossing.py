"""Orders of two sub-accounts that meet trade inside, and the venue hears of no trade.

A new order that would meet others waits here while those are taken off the venue; an order that may
still be filled there must not be sold twice. When the venue says that one has ended, and with how
much, what was left of it trades at the price that was fair when the new one came. What is then left
of either goes to the venue, as the same order of its robot, unless a rule has come between. Nothing
that waits here is at the venue, so that a gateway which dies meanwhile leaves nothing in doubt: the
tape has both sides of a trade, or the one by which the other is known, or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from msgspec import structs

from onetape.accounts.netting import Match, Resting, cross, traded
from onetape.model.enums import OrderNews, OrderState, OrderType, RequestKind
from onetape.model.errors import OrderInvalid, OrderOutcomeUnknown, SelfTrade, VenueUnavailable
from onetape.model.instrument import Instrument
from onetape.model.order import OrderSpec
from onetape.model.time import SECOND
from onetape.orders.filters import Refusal
from onetape.orders.internal import HELD_MAX, end_held, release, take_off, trade_inside
from onetape.orders.managed import Request
from onetape.orders.manager import OrderManager
from onetape.orders.order import Order, waits

__all__ = ["Crossing", "Quote"]

LEFT_MAX: Final = 60 * SECOND  # what is left waits so long for what is in its way
_WORKS: Final = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED, OrderState.TRIGGERED})
_PASSES: Final = frozenset({VenueUnavailable.code, OrderOutcomeUnknown.code, SelfTrade.code})

Quote = Callable[[str], tuple[int, int]]
Judge = Callable[[Order, int], Refusal | None]


@dataclass(slots=True)
class _Meeting:
    order: Order  # that waits
    matches: dict[str, Match]  # by client id: what is being taken off for it
    deadline: int
    requested: set[str]  # of all that it has met


class Crossing:
    """Lets orders of one account that would meet trade with each other inside.

    quote: best bid and ask of a symbol now, 0 where nobody knows.
    judge: why what is left of an order may not go to the venue now.
    """

    def __init__(
        self,
        manager: OrderManager,
        instruments: Mapping[str, Instrument],
        *,
        slot_of: Callable[[int], int],
        quote: Quote,
        judge: Judge,
    ) -> None:
        self._manager = manager
        self._instruments = instruments
        self._slot_of = slot_of
        self._quote = quote
        self._judge = judge
        self._meetings: list[_Meeting] = []
        self._left: dict[str, tuple[Order, int]] = {}  # off the venue, and until when it waits

    def matches(self, robot: int, spec: OrderSpec) -> list[Match]:
        """Returns what a new order would trade inside; none: it goes the way of all orders."""
        meeting = self._manager.account.meeting(spec)
        return self._matches(robot, spec, [each for each in meeting if self._is_free(each)])

    def _matches(self, robot: int, spec: OrderSpec, others: Iterable[Order]) -> list[Match]:
        slot = self._slot_of(robot)
        resting = [
            Resting(each.client_id, each.spec.side, each.price, each.remaining)
            for each in others
            if self._slot_of(each.robot) != slot and each.spec.position_side is spec.position_side
        ]
        if not resting:
            return []
        bid, ask = self._quote(spec.symbol)
        return cross(spec, resting, bid=bid, ask=ask, lot=self._lot(spec.symbol))

    def _is_free(self, order: Order) -> bool:
        """It works at the venue, and nothing about it is open."""
        return (
            not order.is_foreign
            and not order.is_met
            and not order.is_held
            and order.state in _WORKS
            and order.spec.type is OrderType.LIMIT
            and not order.pending
            and order.reported_end is None
            and not order.cancel_wanted
            and not waits(order, self._manager.venue.traits)
        )

    def _lot(self, symbol: str) -> int:
        i = self._instruments[symbol]
        return max(i.lot_int, 1)

    def hold(self, client_id: str, request: Request, matches: list[Match], now: int) -> Order:
        """Takes the others off the venue, and the new order in."""
        order = self._manager.submit(client_id, request, now, held=True)
        self.meet(order, matches, now)
        return order

    def meet(self, order: Order, matches: list[Match], now: int) -> None:
        """Lets an order that is held already trade inside, as `hold` does a new one."""
        meeting = _Meeting(order, {}, now + HELD_MAX, set())
        self._meetings.append(meeting)
        self._take_off(meeting, matches, now)

    def _take_off(self, meeting: _Meeting, matches: list[Match], now: int) -> None:
        for each in matches:
            meeting.matches[each.client_id] = each
            meeting.requested.add(each.client_id)
            take_off(self._manager, self._manager.orders[each.client_id], now)

    def ended(self, other: Order, news: OrderNews, now: int) -> bool:
        """Takes in that the venue has an order no more, and all its fills are booked: what is left is free. Tells
        whether the order goes on here."""
        meeting = next((m for m in self._meetings if other.client_id in m.matches), None)
        if meeting is not None:
            self._trade(meeting.order, other, meeting.matches.pop(other.client_id), now)
        goes_on = other.is_taken_off and other.is_open and news is OrderNews.CANCELED
        if goes_on:
            self._manager.account.keep(other)
            self._left[other.client_id] = other, now + LEFT_MAX
        if meeting is not None and not meeting.matches:
            self._finish(meeting, now)
        self._send_left(now)
        return goes_on

    def _trade(self, order: Order, other: Order, match: Match, now: int) -> None:
        lot = self._lot(order.spec.symbol)
        size = min(match.size, order.remaining, other.remaining) // lot * lot
        if size > 0:
            manager = self._manager
            of = match._replace(size=size)
            mine, _ = traded(order.spec, order.client_id, of, time=now, trade_id=manager.account.trades_inside + 1)
            trade_inside(manager, mine, now)

    def restate(self, step: int) -> None:
        """Takes in that the clock was set by `step`, ns."""
        for meeting in self._meetings:
            meeting.deadline += step
        self._left = {name: (order, until + step) for name, (order, until) in self._left.items()}

    def tick(self, now: int) -> None:
        """Others may have been filled at the venue instead, or nobody knows what they are."""
        for meeting in list(self._meetings):
            if now >= meeting.deadline or not meeting.order.is_open:
                meeting.matches.clear()
            for name in [n for n in meeting.matches if not self._is_going(n)]:
                del meeting.matches[name]
            if not meeting.matches:
                self._finish(meeting, now)
        self._send_left(now)

    def _is_going(self, client_id: str) -> bool:
        order = self._manager.orders.get(client_id)
        if order is None or not order.is_open:
            return False
        is_requested = RequestKind.CANCEL in order.pending or order.cancel_open
        return is_requested or order.reported_end is not None or bool(order.ask_at) or order.asking

    def _finish(self, meeting: _Meeting, now: int) -> None:
        """All that it has met is settled: what is left of it meets what has come since, then goes
        to the venue."""
        order = meeting.order
        if order.is_open:
            self._meet_left(order, now)
        if order.is_open and now < meeting.deadline:
            spec = structs.replace(order.spec, size_int=order.remaining)
            found = self.matches(order.robot, spec)
            more = [each for each in found if each.client_id not in meeting.requested]
            if more:
                self._take_off(meeting, more, now)
                return
        self._meetings.remove(meeting)
        if order.is_open:
            refusal = self._judge(order, now)
            if refusal is not None:
                end_held(self._manager, order, now, refusal.code, refusal.reason)
            else:
                release(self._manager, order, now)

    def _meet_left(self, order: Order, now: int) -> None:
        """What waits here for its way back need not be taken off."""
        spec = structs.replace(order.spec, size_int=order.remaining)
        meeting = self._manager.account.meeting(spec)
        left = [each for each in meeting if each.client_id in self._left and each.is_held]
        for match in self._matches(order.robot, spec, left):
            self._trade(order, self._manager.orders[match.client_id], match, now)

    def _send_left(self, now: int) -> None:
        """What is left of those that were taken off goes back to the venue."""
        for client_id, (order, deadline) in list(self._left.items()):
            if order.is_open and order.is_held:
                if any(m.order.spec.symbol == order.spec.symbol for m in self._meetings):
                    continue  # who waits for others may meet it
                refusal = self._judge(order, now)
                if refusal is not None:
                    if refusal.code in _PASSES and now < deadline:
                        continue
                    end_held(self._manager, order, now, refusal.code, refusal.reason)
                elif not release(self._manager, order, now):
                    reason = "the venue's ids have no room for what is left of it"
                    end_held(self._manager, order, now, OrderInvalid.code, reason)
            del self._left[client_id]
