"""The orders of an account at its gateway and what it holds, and every way in which they change.

The order manager decides, says what it has decided (an intent, news, a fill: what goes to the journal) and changes
them here; a gateway that starts reads its journal and changes them here by the same methods.
"""

from __future__ import annotations

from typing import Final

import msgspec

from onetape._core import OrderIndex
from onetape.model.enums import RequestKind
from onetape.orders.books import Books
from onetape.orders.calls import OrderProtocol
from onetape.orders.managed import next_name
from onetape.orders.order import Order
from onetape.orders.order_record import OrderRecord, order_of, record_of
from onetape.orders.reports import INTERNAL_TRADES, FillReport

__all__ = ["NEVER", "AccountOrders", "OrdersRecord"]

NEVER: Final = OrderIndex.NEVER  # when nothing is due


class OrdersRecord(msgspec.Struct, frozen=True):
    """Keeps all orders in a checkpoint; the ended ones in the order in which they ended."""

    open: list[OrderRecord]
    ended: list[OrderRecord]
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

    def find(self, client_id: str, symbol: str, venue_id: str) -> Order | None:
        """Returns the order of a client id or a venue id."""
        return self.orders.get(client_id) or self.by_venue_id.get((symbol, venue_id))

    # --- as the journal has them ------------------------------------------------------------------

    def request(
        self, order: Order, kind: RequestKind, price: int, size: int, now: int, *, is_reissue: bool = False
    ) -> None:
        """Takes in that its end or its amendment is asked for. price, size, is_reissue: as an intent has them."""
        if kind is RequestKind.AMEND and is_reissue:
            self.reissue(order, self.next_name(order), now)
        else:
            self.take(order, kind, price, size, now, is_reissue=is_reissue)

    def fill(self, fill: FillReport, order: Order | None) -> bool:
        """Books a fill. order: of ours, None: it changes none. False: the order cannot have one."""
        self.books.book(fill)
        if is_internal := fill.is_internal:
            self.trades_inside = max(self.trades_inside, fill.trade_id)
        if order is None or order.is_met:
            return True
        if is_internal:
            order.filled_outside += fill.size
        return order.take_fill(fill.trade_id, fill.price, fill.size)

    def fire(self, order: Order) -> None:
        """Takes in that an order has fired, by what the venue says of it: from here on it is one of the book."""
        order.conditional = False

    def begin_anew(self) -> None:
        """Forgets all orders and what was held: the account is at another exchange."""
        super().begin_anew()
        self.books.begin_anew()

    def next_name(self, order: Order) -> str:
        """Returns the client id under which what is left of a held order is placed, "" where there is none: one that
        never was at the venue has its own name yet."""
        return next_name(order, self.venue.client_id_chars) if order.is_taken_off else order.client_id

    # --- checkpoints ------------------------------------------------------------------------------

    def to_record(self) -> OrdersRecord:
        open_, ended = self.open.values(), self.ended
        kept = [*open_, *ended]
        former = {
            each.client_id: [(each.spec.symbol, name) for name in each.former_venue_ids]
            for each in kept
            if each.former_venue_ids
        }
        aliases = {each.client_id: each.aliases for each in kept if each.aliases}
        return OrdersRecord([record_of(each) for each in open_], [record_of(each) for each in ended], former, aliases)

    def restore(self, record: OrdersRecord) -> None:
        """Fills an empty index from a checkpoint's record."""
        for each in (*record.ended, *record.open):
            order = order_of(each)
            order.former_venue_ids = [name for _, name in record.former.get(order.client_id, ())]
            order.aliases = record.aliases.get(order.client_id, [])
            self.file(order)
