"""Trades matching orders of two sub-accounts inside, without the venue.

A new order that would match others is held here while those are cancelled at the venue, because an order that may still
be filled there must not trade twice. When the venue reports the end of one and its filled quantity, the rest of it
trades at the price that was fair when the new order came. The rest of either goes to the venue, as the same order of
its robot, unless a rule forbids it by then. No held order is at the venue, so a gateway that dies meanwhile leaves no
uncertainty: the tape has both sides of a trade, or one from which the other follows, or none.
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

LEFT_MAX: Final = 60 * SECOND  # longest wait of a removed order's rest for obstacles to clear
_WORKS: Final = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED, OrderState.TRIGGERED})
_PASSES: Final = frozenset({VenueUnavailable.code, OrderOutcomeUnknown.code, SelfTrade.code})

Quote = Callable[[str], tuple[int, int]]
Judge = Callable[[Order, int], Refusal | None]


@dataclass(slots=True)
class _Meeting:
    order: Order  # the held order
    matches: dict[str, Match]  # by client id: orders being removed from the venue for it
    deadline: int
    requested: set[str]  # all orders removed for it so far


class Crossing:
    """Trades matching orders of one account with each other.

    quote: returns best bid and best ask of a symbol now, 0 if unknown.
    judge: returns why the rest of an order may not go to the venue now.
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
        self._left: dict[str, tuple[Order, int]] = {}  # removed from the venue, with the end of its wait

    def matches(self, robot: int, spec: OrderSpec) -> list[Match]:
        """Returns the trades that a new order would make inside; none: it is sent as usual."""
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
        """Tells whether an order works at the venue without any open request."""
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
        """Removes the matching orders from the venue, and holds the new one."""
        order = self._manager.submit(client_id, request, now, held=True)
        self.meet(order, matches, now)
        return order

    def meet(self, order: Order, matches: list[Match], now: int) -> None:
        """Starts to trade a held order inside, as `hold` does for a new one."""
        meeting = _Meeting(order, {}, now + HELD_MAX, set())
        self._meetings.append(meeting)
        self._take_off(meeting, matches, now)

    def _take_off(self, meeting: _Meeting, matches: list[Match], now: int) -> None:
        for each in matches:
            meeting.matches[each.client_id] = each
            meeting.requested.add(each.client_id)
            take_off(self._manager, self._manager.orders[each.client_id], now)

    def ended(self, other: Order, news: OrderNews, now: int) -> bool:
        """Handles the end of an order at the venue, with all its fills booked: the rest can trade. Returns whether the
        order continues here."""
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
        """Shifts deadlines because the clock was set by `step`, ns."""
        for meeting in self._meetings:
            meeting.deadline += step
        self._left = {name: (order, until + step) for name, (order, until) in self._left.items()}

    def tick(self, now: int) -> None:
        """Drops matches that were filled at the venue instead or whose state is unknown, and finishes what has no
        matches left."""
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
        """Continues when all matches of a held order are settled: its rest trades with orders that came since, then
        goes to the venue."""
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
        """Trades with rests that wait here for their return, which need no removal from the venue."""
        spec = structs.replace(order.spec, size_int=order.remaining)
        meeting = self._manager.account.meeting(spec)
        left = [each for each in meeting if each.client_id in self._left and each.is_held]
        for match in self._matches(order.robot, spec, left):
            self._trade(order, self._manager.orders[match.client_id], match, now)

    def _send_left(self, now: int) -> None:
        """Sends the rests of removed orders back to the venue."""
        for client_id, (order, deadline) in list(self._left.items()):
            if order.is_open and order.is_held:
                if any(m.order.spec.symbol == order.spec.symbol for m in self._meetings):
                    continue  # a held order that waits for others may match it
                refusal = self._judge(order, now)
                if refusal is not None:
                    if refusal.code in _PASSES and now < deadline:
                        continue
                    end_held(self._manager, order, now, refusal.code, refusal.reason)
                elif not release(self._manager, order, now):
                    reason = "its rest cannot be placed again: the venue allows no longer client id"
                    end_held(self._manager, order, now, OrderInvalid.code, reason)
            del self._left[client_id]
