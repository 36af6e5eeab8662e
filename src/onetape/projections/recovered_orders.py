"""Recovery of an account's orders from its gateway's own journal: intents, order events and fills.

It restores the books from before the end, with one difference: a request without an answer on the tape may or may not
have arrived, so its order is UNKNOWN and is queried.
"""

from __future__ import annotations

from typing import Final

import msgspec

from onetape.model.enums import OrderState, PositionSide, RequestKind
from onetape.model.errors import VenueUnavailable
from onetape.model.ids import EPOCH_BITS, EPOCH_MAX
from onetape.orders.account_orders import AccountOrders, OrdersRecord
from onetape.orders.books import BooksRecord
from onetape.orders.internal import end_held, trade_inside
from onetape.orders.managed import Request, requested_order
from onetape.orders.manager import OrderManager
from onetape.orders.order import Order
from onetape.orders.order_frames import FillFrame, NewsFrame, RequestFrame
from onetape.orders.reports import INTERNAL_TRADES, FillReport
from onetape.projections.orders import Orders
from onetape.projections.robot_life import RobotLife

__all__ = ["ROBOT_SHIFT", "RecoveredOrders", "RecoveryRecord"]

ROBOT_SHIFT: Final = 56  # an internal fill's venue id has the other order's robot above the low bits of its id


class RecoveryRecord(msgspec.Struct, frozen=True):
    """The recovered orders of a journal's frames up to a checkpoint."""

    orders: OrdersRecord
    books: BooksRecord
    settled: list[str]
    newest_fill: int
    newest_read: int
    trades_inside: int
    halves: list[FillReport]
    has_begun: bool
    records: int
    opened: dict[str, int] = {}  # by symbol and side


class RecoveredOrders(Orders):
    """Rebuilds orders and books from the journal's records, fed in order; `finish` ends it."""

    def __init__(self, account: AccountOrders) -> None:
        self.account = account
        self.newest_fill = 0  # ns, by the venue's clock: no fill up to here is missing
        self._heard = 0  # time of the newest fill
        self._halves: dict[tuple[str, int], FillReport] = {}  # internal trades of which one side was read
        self.has_begun = False  # a reconciliation was completed: the books have their beginning
        self.records = 0

    def find(self, robot: int, order_id: int) -> Order | None:
        return self.account.by_robot.get((robot, order_id))

    def venue_name(self, row: FillFrame) -> str:
        if row.trade_id < INTERNAL_TRADES:
            return super().venue_name(row)
        robot, low = row.venue >> ROBOT_SHIFT, row.venue & ((1 << ROBOT_SHIFT) - 1)
        ids = (high << ROBOT_SHIFT | low for high in range(EPOCH_MAX + 1 >> ROBOT_SHIFT - EPOCH_BITS))
        found = next((order for each in ids if (order := self.find(robot, each)) is not None), None)
        return found.client_id if found is not None else "foreign"

    def request(self, request: RequestFrame, time: int, life: RobotLife | None) -> None:
        assert life is not None
        self.records += 1
        kind, spec = request.kind, request.spec
        if kind is RequestKind.PLACE:
            of = Request(request.robot, kind, request.order_id, spec)
            order = requested_order(life.client_id(request.order_id), of, time)
            self.account.place(order, is_held=request.is_held)
            return
        former = self.find(request.robot, request.order_id)
        if former is not None and former.is_open:
            price, size = spec.price_int, spec.size_int
            self.account.request(former, kind, price, size, time, is_reissue=request.is_reissue)

    def news(self, heard: NewsFrame) -> None:
        self.records += 1
        order = self.find(heard.robot, heard.order_id)
        if order is None:
            return
        if heard.venue_id:
            self.account.name(order, str(heard.venue_id))
        if not heard.is_local:
            reason = order.reason if heard.code else ""
            self.account.news(order, heard.news, size=heard.size, price=heard.price, code=heard.code, reason=reason)
            if not order.is_open:
                self.account.close(order)

    def fill(self, row: FillFrame, fill: FillReport | None) -> None:
        assert fill is not None
        self.records += 1
        account = self.account
        order = account.find(fill.client_id, fill.symbol, fill.venue_id)
        if order is not None and not order.venue_id and fill.venue_id and not fill.is_internal:
            account.name(order, fill.venue_id)
        account.fill(fill, order)
        if order is not None and not order.is_open:
            self.account.close(order)
        if not fill.is_internal:
            self._heard = max(self._heard, fill.time)
            return
        at = (fill.symbol, fill.trade_id)
        if self._halves.pop(at, None) is None:
            self._halves[at] = fill

    def began(self, time: int) -> None:
        """Sets the time of the journal's first record: earlier fills are not needed."""
        self.newest_fill = self.newest_fill or time

    def incarnation(self) -> None:
        self.account.incarnation()

    def begin_anew(self) -> None:
        self.account.begin_anew()
        self.has_begun = False

    def reconciled(self) -> None:
        """Handles the end of a reconciliation. Later fills may have gaps, because a reconnected stream reports new
        fills while missed ones are still being queried."""
        self.has_begun = True
        self.newest_fill = max(self.newest_fill, self._heard)

    def opening(self, symbol: str, side: PositionSide, size: int) -> None:
        self.account.books.positions[symbol, side] = size

    def finish(self, manager: OrderManager, now: int) -> int:
        """Ends recovery and returns the number of unknown orders. A half of an internal trade completes the other half;
        held orders end. manager: of these orders, which reports the ends."""
        unknown = 0
        self.incarnation()
        for half in self._halves.values():
            trade_inside(manager, half, now)
        for order in list(self.account.open.values()):
            if order.is_held:
                end_held(manager, order, now, VenueUnavailable.code, "its gateway ended")
                continue
            if order.state is OrderState.UNKNOWN:
                order.lost_at = order.ask_at = order.placed_at = now  # it may have been sent until now
                unknown += 1
        return unknown

    # --- checkpoints ------------------------------------------------------------------------------

    def to_record(self, opened: dict[str, int]) -> RecoveryRecord:
        """Makes the record of a checkpoint from the frames so far. To be called before `finish`. opened: the frames
        that opened the positions."""
        account = self.account
        return RecoveryRecord(
            orders=account.to_record(),
            books=account.books.to_record(),
            settled=sorted(account.resolved),
            newest_fill=self.newest_fill,
            newest_read=self._heard,
            trades_inside=account.trades_inside,
            halves=list(self._halves.values()),
            has_begun=self.has_begun,
            records=self.records,
            opened=opened,
        )

    def restore(self, record: RecoveryRecord) -> None:
        """Continues from a checkpoint: before the first frame."""
        account = self.account
        account.restore(record.orders)
        account.books.restore(record.books)
        account.resolved.update(record.settled)
        self.newest_fill, self._heard = record.newest_fill, record.newest_read
        account.trades_inside = record.trades_inside
        self._halves = {(fill.symbol, fill.trade_id): fill for fill in record.halves}
        self.has_begun, self.records = record.has_begun, record.records
