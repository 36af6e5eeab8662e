"""The orders and holdings of an account at its gateway, and every change to them.

The order manager decides, emits its decisions for the journal (intents, news, fills) and applies them with these
methods; a restarting gateway reads its journal and applies them with the same methods.
"""

from __future__ import annotations

from typing import Final

import msgspec

from onetape._core import OrderIndex
from onetape.model.enums import RequestKind
from onetape.model.order import OrderSpec
from onetape.orders.books import Books
from onetape.orders.calls import OrderProtocol
from onetape.orders.managed import next_name
from onetape.orders.order import Order
from onetape.orders.order_record import OrderRecord, order_of, record_of
from onetape.orders.reports import INTERNAL_TRADES, FillReport

__all__ = ["NEVER", "AccountOrders", "OrdersRecord"]

NEVER: Final = OrderIndex.NEVER  # nothing is due


class OrdersRecord(msgspec.Struct, frozen=True):
    """The orders of an account in a checkpoint; ended orders in the order in which they ended."""

    open: list[OrderRecord]
    ended: list[OrderRecord]
    former: dict[str, list[tuple[str, str]]]
    aliases: dict[str, list[str]]


class AccountOrders(OrderIndex):
    """Keeps the indexed orders of an account, and its books."""

    def __init__(self, venue: OrderProtocol) -> None:
        super().__init__(venue)
        self.books = Books(venue)
        self.resolved: set[str] = set()  # client ids of orders ended by an operator's resolution
        self.trades_inside = INTERNAL_TRADES  # the newest trade id of an internal trade
        self.venue = venue

    def find(self, client_id: str, symbol: str, venue_id: str) -> Order | None:
        """Returns the order of a client id or a venue id."""
        return self.orders.get(client_id) or self.by_venue_id.get((symbol, venue_id))

    # --- changes, in the order of the journal -----------------------------------------------------

    def request(
        self, order: Order, kind: RequestKind, price: int, size: int, now: int, *, is_reissue: bool = False
    ) -> None:
        """Records that the cancel or the amendment of an order was requested. price, size, is_reissue: as in
        `IntentOut`."""
        if kind is RequestKind.AMEND and is_reissue:
            self.reissue(order, self.next_name(order), now)
        else:
            self.take(order, kind, price, size, now, is_reissue=is_reissue)

    def fill(self, fill: FillReport, order: Order | None) -> bool:
        """Books a fill. order: the order of ours that it changes, None: none. Returns False if the order cannot have
        this fill."""
        self.books.book(fill)
        if is_internal := fill.is_internal:
            self.trades_inside = max(self.trades_inside, fill.trade_id)
        if order is None or order.is_met:
            return True
        if is_internal:
            order.filled_outside += fill.size
        return order.take_fill(fill.trade_id, fill.price, fill.size)

    def reducing(self, spec: OrderSpec, without: Order | None = None) -> int:
        """Returns what may be filled of the orders that reduce the position of an order in the same direction, which
        each may on spot. The core's sums distinguish venues, not symbols of one account."""
        traits = self.venue.traits
        if spec.symbol not in traits.spot:
            return super().reducing(spec, without)
        key = (spec.symbol, spec.side, spec.position_side)
        beside = (o for o in self.open.values() if (o.spec.symbol, o.spec.side, o.spec.position_side) == key)
        return sum(o.worst_left for o in beside if o is not without)

    def fire(self, order: Order) -> None:
        """Records that an order's trigger has fired, by the venue's report: it is in the book from now on."""
        order.conditional = False

    def begin_anew(self) -> None:
        """Forgets all orders and holdings, because the account is at another exchange."""
        super().begin_anew()
        self.books.begin_anew()

    def next_name(self, order: Order) -> str:
        """Returns the client id under which the rest of a held order is placed, "" where none is left. An order that
        never was at the venue keeps its client id."""
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
        """Fills an empty index from a checkpoint."""
        for each in (*record.ended, *record.open):
            order = order_of(each)
            order.former_venue_ids = [name for _, name in record.former.get(order.client_id, ())]
            order.aliases = record.aliases.get(order.client_id, [])
            self.file(order)
