"""The orders of an account at its gateway and what it holds, and every way in which they change.

The order manager decides, says what it has decided (an intent, news, a fill: what goes to the journal) and changes
them here; a gateway that starts reads its journal and changes them here by the same methods.
"""

from __future__ import annotations

from typing import Final

import msgspec

from onetape.model.enums import OrderNews, RequestKind, TriggerBy
from onetape.orders.books import Books
from onetape.orders.calls import OrderProtocol
from onetape.orders.index import OrderIndex
from onetape.orders.machine import Cell, Effect
from onetape.orders.managed import Managed
from onetape.orders.reports import INTERNAL_TRADES, FillReport

__all__ = ["AccountOrders", "OrdersRecord"]

# Named once: a member looked up at its class costs as much as a call.
_PLACE: Final = RequestKind.PLACE
_UPDATED: Final = OrderNews.UPDATED
_NO_TRIGGER: Final = TriggerBy.NONE


class OrdersRecord(msgspec.Struct, frozen=True):
    """Keeps all orders in a checkpoint; the ended ones in the order in which they ended."""

    open: list[Managed]
    ended: list[Managed]
    former: dict[str, list[tuple[str, str]]]
    aliases: dict[str, list[str]]


class AccountOrders(OrderIndex):
    """Keeps the orders of an account with their index, and its books."""

    def __init__(self, venue: OrderProtocol) -> None:
        super().__init__(venue)
        self.books = Books(venue)
        self.resolved: set[str] = set()  # ended by an operator's word, by client id
        self.trades_inside = INTERNAL_TRADES  # the newest id of a trade that no venue knows
        self.venue = venue

    # --- as the journal has them ------------------------------------------------------------------

    def place(self, order: Managed, *, is_held: bool = False) -> None:
        """Takes in a new order that is asked for. is_held: it is not sent yet."""
        order.take_request(_PLACE, is_held=is_held)
        order.conditional = order.spec.trigger_by is not _NO_TRIGGER and self.venue.traits.conditionals
        self.add(order)

    def request(
        self, order: Managed, kind: RequestKind, price: int, size: int, now: int, *, is_reissue: bool = False
    ) -> None:
        """Takes in that its end or its amendment is asked for. price, size, is_reissue: as an intent has them."""
        self.mark(order)
        if kind is RequestKind.CANCEL:
            order.take_request(kind, is_reissue=is_reissue)
        elif is_reissue:
            self.reissue(order, self.next_name(order), now)
        else:
            order.take_request(kind, price, size)
            order.amended_at = now

    def news(
        self, order: Managed, news: OrderNews, *, size: int = 0, price: int = 0, code: int = 0, reason: str = ""
    ) -> bool | None:
        """Takes in a report; tells whether that changes anything. None: it cannot be, and the order is as it was.

        size, price: of the order after it, 0: as they were. code, reason: of a refusal.
        """
        life = order.life
        before = life.state, life.accepted, life.cancel_open, life.update_open
        if order.take_news(news, size, price) is Effect.IMPOSSIBLE:
            return None
        if news is OrderNews.TRIGGERED:
            order.conditional = False  # from here on it is an order of the book
        is_new = (life.state, life.accepted, life.cancel_open, life.update_open) != before or news is _UPDATED
        if is_new:
            order.code, order.reason = code, reason
        return is_new

    def fill(self, fill: FillReport, order: Managed | None) -> Cell | None:
        """Books a fill. order: of ours, None: it changes none."""
        self.books.book(fill)
        if is_internal := fill.is_internal:
            self.trades_inside = max(self.trades_inside, fill.trade_id)
        if order is None or order.is_met:
            return None
        if is_internal:
            order.filled_outside += fill.size
        return order.take_fill(fill.trade_id, fill.price, fill.size)

    def close(self, order: Managed) -> None:
        """Takes an order that has ended from the open ones."""
        if order.client_id in self.open:
            order.pending.clear()
            order.ask_at = order.lost_at = 0
            self.end(order)

    def incarnation(self) -> None:
        """Takes in that another incarnation of the gateway goes on with the journal."""
        for order in self.open.values():
            order.take_incarnation()

    def begin_anew(self) -> None:
        """Forgets all orders and what was held: the account is at another exchange."""
        super().begin_anew()
        self.books.begin_anew()

    # --- their names ------------------------------------------------------------------------------

    def name(self, order: Managed, venue_id: str) -> None:
        """Enters an order's venue id; one that has fired has another than while it waited, and late words may still use
        that one."""
        symbol = order.spec.symbol
        if order.venue_id:
            self._former.setdefault(order.client_id, []).append((symbol, order.venue_id))
        order.venue_id = venue_id
        self.by_venue_id[symbol, venue_id] = order

    def next_name(self, order: Managed) -> str:
        """Returns the client id under which what is left of a held order is placed, "" where there is none: one that
        never was at the venue has its own name yet."""
        return order.next_name(self.venue.client_id_chars) if order.is_taken_off else order.client_id

    def reissue(self, order: Managed, name: str, now: int) -> None:
        """Turns what is left of an order into a new order at the venue, of that client id, which is being placed. It
        stays the same order of its robot.

        What was filled before, there or inside, the new one knows nothing of: it is smaller by
        that. It has a client id of its own, so that no late word of the one before is taken for it.
        """
        self.mark(order)
        if name != order.name:
            order.reissues += 1
            self.rename(order, name)
            order.conditional = False  # else it was never there: it goes where its words say
        order.take_request(RequestKind.AMEND, is_reissue=True)
        order.away = order.filled_outside = order.reported_filled = order.life.filled
        order.reported_time = order.asks = order.not_found = 0
        order.sent_at = now
        order.amended_at = 0  # what was asked of the one before does not arrive at this one

    def rename(self, order: Managed, name: str) -> None:
        """Gives the order another client id at the venue; its venue id will be another one, too."""
        self._aliases.setdefault(order.client_id, []).append(name)
        self.orders[name] = order
        order.former = (*order.former, *filter(None, (order.name, order.venue_id)))
        if order.venue_id:
            former = self._former.setdefault(order.client_id, [])
            former.append((order.spec.symbol, order.venue_id))
        order.sent_as, order.venue_id = name, ""

    # --- what no frame says -----------------------------------------------------------------------

    def fire(self, order: Managed) -> None:
        """Takes in that an order has fired, by what the venue says of it: from here on it is one of the book."""
        order.conditional = False

    def keep(self, order: Managed) -> None:
        """Takes in that an order has left the venue: it waits here until it is released, or ends."""
        self.mark(order)
        order.pending.clear()
        order.reported_end, order.ask_at, order.lost_at = None, 0, 0
        order.take_back()

    # --- checkpoints ------------------------------------------------------------------------------

    def to_record(self) -> OrdersRecord:
        return OrdersRecord(
            list(self.open.values()), [self.orders[name] for name in self._ended], self._former, self._aliases
        )

    def restore(self, record: OrdersRecord) -> None:
        """Fills an empty index from a checkpoint's record."""
        self._former.update(record.former)
        self._aliases.update(record.aliases)
        for order in record.ended:
            self._file(order)
            self._ended.append(order.client_id)
        for order in record.open:
            self._file(order)
            self.open[order.client_id] = order
            self.mark(order)
