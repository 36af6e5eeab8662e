"""The state of a projection of a gateway's journal between two frames, as stored beside its cursor."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from onetape.accounts.booking import BookingRecord
from onetape.model.enums import OrderState, PositionSide, Side
from onetape.model.instrument import Instrument
from onetape.model.order import OrderSpec
from onetape.orders.order import Key, Order
from onetape.orders.order_record import OrderRecord, order_of, record_of
from onetape.orders.reports import FillReport
from onetape.recorder.batch import Row
from onetape.recorder.own_holdings import OwnRecord
from onetape.recorder.worth import WorthRecord

__all__ = ["ProjectionRecord", "RecordedOrder", "Robot", "Trip", "Waiting", "order_of_row"]


class Robot(msgspec.Struct):
    name: str
    slot: int


class RecordedOrder(NamedTuple):
    """An open order, and its row in SQL."""

    order: Order
    row: Row

    @classmethod
    def of(cls, record: OpenRecord) -> RecordedOrder:
        return cls(order_of(record.order), record.row)

    @property
    def record(self) -> OpenRecord:
        return OpenRecord(record_of(self.order), self.row)

    @property
    def key(self) -> Key:
        return self.order.key


class OpenRecord(msgspec.Struct):
    order: OrderRecord
    row: Row


def order_of_row(row: Row, instrument: Instrument, robot: int) -> Order:
    """Makes the order of a row."""
    price_scale, size_scale = 10**instrument.price_decimals, 10**instrument.size_decimals
    size, filled = (round((row[name] or 0) * size_scale) for name in ("qty", "filled"))
    price, spent = round((row["price"] or 0) * price_scale), round((row["average_price"] or 0) * filled * price_scale)
    spec = OrderSpec(symbol=row["symbol"], side=Side(row["side"]), size_int=size, price_int=price)
    state = OrderState(row["state"])
    is_accepted, cancel_open = state is not OrderState.SUBMITTED, state is OrderState.PENDING_CANCEL
    order = Order(robot, row["order_id"] % (1 << 64), spec, row["ts_created"])
    order.state, order.filled, order.accepted, order.cancel_open = state, filled, is_accepted, cancel_open
    order.venue_id, order.spent = row["venue_order_id"], spent
    order.code, order.reason = row["code"], row["reason"] or ""
    return order


class Trip(msgspec.Struct):
    """An open round trip. Amounts in 1e-18; fees by asset."""

    ts_open: int
    strategy: str
    sign: int
    context: dict[str, Any]
    realized: int = 0
    funding: int = 0
    fills: int = 0
    qty_max: int = 0
    opened: int = 0  # quantity traded to open the position, and its value
    opened_value: int = 0
    closed: int = 0
    closed_value: int = 0
    cost_max: int = 0
    profit_max: int = 0  # of open profit, at the quotes of its minutes and fills
    profit_min: int = 0
    fees: dict[str, int] = {}


class Waiting(msgspec.Struct):
    """A fill whose entry has not been read."""

    fill: FillReport
    robot: int
    ts: int
    order_id: int = 0


class ProjectionRecord(msgspec.Struct):
    """Everything that a projection needs to continue after a frame."""

    instruments: dict[str, bytes]
    streams: dict[int, str]
    currencies: dict[int, str]
    robots: dict[int, Robot]
    waiting: list[tuple[int, Waiting]]
    booking: BookingRecord
    trips: list[tuple[int, str, PositionSide, Trip]]
    worth: WorthRecord
    slots: dict[str, int]  # names of sub-accounts
    minute: int
    now: int
    is_begun: bool
    is_flat: bool = False  # unknown for an earlier release
    own: OwnRecord | None = None  # unknown for an earlier release
    earlier: list[Row] = []
    not_found: list[Key] = []
    open_orders: list[OpenRecord] = []  # a negative robot: of an earlier journal, of no robot of this one
    orders: list[tuple[int, int, dict[str, Any]]] = []  # of an earlier release: they include their rows
