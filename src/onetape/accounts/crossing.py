"""Orders of two sub-accounts that meet trade inside, and the venue hears of no trade.

A new order that would meet others waits here while those are taken off the venue; an order that may
still be filled there must not be sold twice. When the venue says that one has ended, and with how
much, what was left of it trades at the price that was fair when the new one came. What is then left
of either ends cancelled, and its robot may ask again: nothing is in its way any more. An order that
has waited here never goes to the venue, so that a gateway which dies meanwhile leaves nothing in
doubt: the tape has both sides of a trade, or the one by which the other is known, or none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from onetape.accounts.netting import Match, Resting, cross, traded
from onetape.model.enums import OrderState, OrderType, RequestKind
from onetape.model.errors import SelfTrade
from onetape.model.instrument import Instrument
from onetape.model.order import OrderSpec
from onetape.model.time import SECOND
from onetape.orders.inside import end_held, trade_inside
from onetape.orders.managed import Managed, Request
from onetape.orders.manager import OrderManager
from onetape.orders.working import waits

__all__ = ["Crossing"]

HELD_MAX: Final = 5 * SECOND  # as long as an answer of the venue is waited for
_WORKS: Final = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED, OrderState.TRIGGERED})

Quote = Callable[[str], tuple[int, int]]


@dataclass(slots=True)
class _Meeting:
    order: Managed  # that waits
    matches: dict[str, Match]  # by client id: what is being taken off for it
    deadline: int


class Crossing:
    """Of one account. quote: best bid and ask of a symbol now, 0 where nobody knows; newest: the
    newest id of an internal trade."""

    def __init__(
        self,
        manager: OrderManager,
        instruments: Mapping[str, Instrument],
        *,
        slot_of: Callable[[int], int],
        quote: Quote,
        newest: int,
    ) -> None:
        self._manager = manager
        self._instruments = instruments
        self._slot_of = slot_of
        self._quote = quote
        self._newest = newest
        self._meetings: list[_Meeting] = []
        manager.before_end = self._ended

    def matches(self, robot: int, spec: OrderSpec) -> list[Match]:
        """What a new order would trade inside; none: it goes the way of all orders."""
        manager, slot = self._manager, self._slot_of(robot)
        others = [
            Resting(each.client_id, each.spec.side, each.price, each.life.remaining)
            for each in manager.directory.working.meeting(spec)
            if self._is_free(each) and self._slot_of(each.robot) != slot
            and each.spec.position_side is spec.position_side
        ]  # fmt: skip
        if not others:
            return []
        bid, ask = self._quote(spec.symbol)
        return cross(spec, others, bid=bid, ask=ask, lot=self._lot(spec.symbol))

    def _is_free(self, order: Managed) -> bool:
        """It works at the venue, and nothing about it is open."""
        return (
            not order.is_foreign
            and not order.is_met
            and order.state in _WORKS
            and order.spec.type is OrderType.LIMIT
            and not order.pending
            and order.told_end is None
            and not order.cancel_wanted
            and not waits(order, self._manager.venue.traits)
        )

    def _lot(self, symbol: str) -> int:
        i = self._instruments[symbol]
        return max(int(i.lot.scaleb(i.size_decimals)), 1)

    def hold(self, client_id: str, request: Request, matches: list[Match], now: int) -> Managed:
        """Takes the others off the venue, and the new order in."""
        order = self._manager.submit(client_id, request, now, held=True)
        found = {each.client_id: each for each in matches}
        self._meetings.append(_Meeting(order, found, now + HELD_MAX))
        for each in matches:
            self._manager.cancel(self._manager.orders[each.client_id], now)
        return order

    def _ended(self, other: Managed, now: int) -> None:
        """The venue has it no more, all its fills are booked: what is left is free."""
        for meeting in self._meetings:
            match = meeting.matches.pop(other.client_id, None)
            if match is None:
                continue
            order = meeting.order
            lot = self._lot(order.spec.symbol)
            size = min(match.size, order.life.remaining, other.life.remaining) // lot * lot
            if size > 0:
                self._newest += 1
                mine, _ = traded(
                    order.spec, order.client_id, match._replace(size=size), time=now,
                    trade_id=self._newest,
                )  # fmt: skip
                trade_inside(self._manager, mine, now)
            if not meeting.matches:
                self._finish(meeting, now)
            return

    def tick(self, now: int) -> None:
        """Others may have been filled at the venue instead, or nobody knows what they are."""
        for meeting in list(self._meetings):
            if now >= meeting.deadline or not meeting.order.is_open:
                meeting.matches.clear()
            for name in [n for n in meeting.matches if not self._is_going(n)]:
                del meeting.matches[name]
            if not meeting.matches:
                self._finish(meeting, now)

    def _is_going(self, client_id: str) -> bool:
        order = self._manager.orders.get(client_id)
        if order is None or not order.is_open:
            return False
        is_asked = RequestKind.CANCEL in order.pending or order.life.cancel_open
        return is_asked or order.told_end is not None or bool(order.ask_at) or order.asking

    def _finish(self, meeting: _Meeting, now: int) -> None:
        self._meetings.remove(meeting)
        if meeting.order.is_open:
            reason = "what it would have met could not be traded with inside"
            end_held(self._manager, meeting.order, now, SelfTrade.code, reason)
