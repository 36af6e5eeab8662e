"""What is known of an account's orders: how each stands, what of it was filled, when it is over.

The part of the order manager that moves orders and says so, whoever it was heard from: a fill is
booked, an order ends once its fills are here, and what changed nothing is said to nobody.
"""

from __future__ import annotations

from collections.abc import Callable

from onetape.model.enums import OrderNews, OrderState, Side
from onetape.model.errors import OrderOutcomeUnknown
from onetape.orders.asking import ASK_AFTER, next_ask
from onetape.orders.books import Books
from onetape.orders.calls import OrderProtocol
from onetape.orders.directory import Directory
from onetape.orders.machine import NEWS_EVENTS, Effect, OrderEvent
from onetape.orders.managed import FillOut, HealthOut, Managed, NewsOut, Out
from onetape.orders.told import FillTold, OrderTold

__all__ = ["KnownOrders"]


class KnownOrders:
    """now: ns UTC. What it says is added to `outs`, in order."""

    def __init__(self, venue: OrderProtocol) -> None:
        self.venue = venue
        self.outs: list[Out] = []
        self.directory = Directory(venue)
        self.orders = self.directory.orders
        self.open = self.directory.open
        self.by_robot = self.directory.by_robot
        self.by_venue_id = self.directory.by_venue_id
        self.books = Books(venue)
        self.positions = self.books.positions
        self.venue_positions = self.books.venue_positions
        self.balances = self.books.balances
        self.unmatched: dict[tuple[str, int, Side], FillTold] = {}  # fills of orders not yet known
        self.counts: dict[str, int] = {}  # what was odd, by name
        # It has ended at the venue, its fills are booked, nobody has been told. Goes it on?
        self.before_end: Callable[[Managed, OrderNews, int], bool] = lambda *_: False

    # --- what happens to them ---------------------------------------------------------------------

    def book(self, fill: FillTold, order: Managed | None, now: int) -> None:
        key = fill.key
        self.unmatched.pop(key, None)
        self.books.book(fill)
        if order is None or order.is_met:
            self.outs.append(FillOut(order, fill))
            return
        if not order.venue_id and fill.venue_id and not fill.is_internal:
            self.note_venue_id(order, fill.venue_id)
        if fill.is_internal:
            order.elsewhere += fill.size
        before = order.state
        cell = order.life.on_fill(str(fill.trade_id), fill.size)
        if cell is Effect.IMPOSSIBLE:
            self._count("fill of an order that cannot have one")
        if order.life.size < order.life.filled <= order.life.size_wanted:
            order.life.size = order.life.size_wanted  # it proves an amendment that is unanswered
        self.outs.append(FillOut(order, fill))
        if order.state is OrderState.UNKNOWN or before is OrderState.UNKNOWN:
            order.lost_at = 0
        if order.told_end is not None and order.life.filled >= order.told_filled:
            self._end(order, order.told_end, None, now)
        self.settle(order)

    def _end(self, order: Managed, news: OrderNews, told: OrderTold | None, now: int) -> None:
        """It has ended at the venue. Its fills come first: until they are here it is not over."""
        if told is not None:
            self._note_filled(order, told)
        if order.told_filled > order.life.filled:
            if order.told_end is None:
                self._ask(order, now)
            elif not order.asking:  # asked before, and the fills were not there
                order.ask_at = order.ask_at or next_ask(order, now)
            order.told_end = news
            return
        order.told_end = None
        if order.elsewhere and news is OrderNews.REJECTED:
            news = OrderNews.CANCELED  # the robot knows that it was there
        if news is not OrderNews.UPDATED and self.before_end(order, news, now):
            return
        if order.is_open:
            order.is_again = False
            code = told.code if told is not None else 0
            reason = told.reason if told is not None else ""
            order.pending.clear()
            self._news(order, news, now, code, reason, size=order.life.filled)

    def _compare(self, order: Managed, told: OrderTold, now: int) -> None:
        """Has the venue filled more than we have been told, or cut what reduces to the position?"""
        reduces = order.spec.reduce_only or told.reduce_only
        is_cut = reduces and 0 < told.size < order.life.size
        is_known = order.life.accepted and order.is_open and not order.is_unknown
        if is_cut and is_known and told.time >= order.told_time and not order.life.update_open:
            self._news(order, OrderNews.UPDATED, now, size=told.size)
        if told.state is not OrderState.TRIGGERED:
            # Else it is the trigger's time, of a service of its own: Binance dates it when what it
            # sent has ended, later than the end itself.
            order.told_time = max(order.told_time, told.time)
        self._note_filled(order, told)
        if order.told_filled > order.life.filled and order.is_open:
            # Usually its fills are on their way: asked a moment later.
            order.ask_at = order.ask_at or now + ASK_AFTER[1]
        elif order.is_met and order.is_open and 0 < told.size <= order.life.filled:
            self._end(order, OrderNews.UPDATED, None, now)

    def _note_filled(self, order: Managed, told: OrderTold) -> None:
        """Of one that was seen at the venue first this is what its fills are to others: none of
        them is waited for, and with the last it has ended."""
        order.told_filled = max(order.told_filled, told.filled)
        if order.is_met:
            order.life.filled = max(order.life.filled, told.filled)
            order.life.size = max(told.size or order.life.size, order.life.filled)

    def _accepted(self, order: Managed, now: int) -> None:
        news = OrderNews.UPDATED if order.is_again else OrderNews.ACCEPTED
        size, order.is_again = order.life.size if order.is_again else 0, False
        self._news(order, news, now, size=size)

    def _refused(self, order: Managed, now: int, code: int, reason: str) -> None:
        """What was placed is not there; of an order that was there before the rest is gone."""
        news = OrderNews.CANCELED if order.is_again else OrderNews.REJECTED
        order.is_again = False
        self._news(order, news, now, code, reason)

    def _lost(self, order: Managed, now: int) -> None:
        if order.state is not OrderState.UNKNOWN:
            self._news(order, OrderNews.LOST, now, OrderOutcomeUnknown.code)
            if order.is_unknown:
                order.lost_at = now
                self.outs.append(HealthOut("order", order.client_id, "unknown"))
        self._ask(order, now)

    def _ask(self, order: Managed, now: int) -> None:
        if not order.asking:
            order.ask_at = order.ask_at or now

    # --- their ids, and what is said --------------------------------------------------------------

    def note_venue_id(self, order: Managed, venue_id: str) -> None:
        """From here on it is known by the venue's id, too."""
        self.directory.name(order, venue_id)
        for fill in [f for f in self.unmatched.values() if f.venue_id == venue_id]:
            self.book(fill, order, fill.time)

    def _note_ids(self, order: Managed, told: OrderTold) -> None:
        if told.venue_id and told.venue_id != order.venue_id:
            self.note_venue_id(order, told.venue_id)
        if order.conditional and not told.conditional:
            order.conditional = False  # it fired: from here on it is an order of the book

    def _news(
        self, order: Managed, news: OrderNews, now: int, code: int = 0, reason: str = "", *, size: int = 0
    ) -> None:
        """Moves the order's life, and says so where that changed anything."""
        before, accepted = order.state, order.life.accepted
        open_before = (order.life.cancel_open, order.life.update_open)
        event = NEWS_EVENTS[news]
        if event is OrderEvent.CANCEL_ACK and not order.life.cancel_open:
            event = OrderEvent.VENUE_CANCEL
        cell = order.life.on_event(event, size=size)
        if cell is Effect.IMPOSSIBLE:
            self._count(f"{news} in {before}")
            return
        if order.is_open and order.state is not OrderState.UNKNOWN:
            order.lost_at = 0
        changed = order.state is not before or order.life.accepted is not accepted
        answered = (order.life.cancel_open, order.life.update_open) != open_before
        if code:
            order.code, order.reason = code, reason
        if changed or answered or news is OrderNews.UPDATED:
            self.outs.append(NewsOut(order, news, order.state, now, code, reason))
        self.settle(order)

    def settle(self, order: Managed) -> None:
        """What has ended leaves the open ones."""
        if order.is_open or order.client_id not in self.open:
            return
        order.pending.clear()
        order.ask_at = order.lost_at = 0
        self.directory.end(order)

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    @property
    def booked(self) -> int:
        """How many fills."""
        return self.books.booked

    @property
    def unknown(self) -> list[Managed]:
        """Orders that nobody knows the state of."""
        return self.directory.working.all_unknown()
