"""What a projection of a gateway's journal keeps between two frames, as it is kept beside its cursor."""

from __future__ import annotations

from typing import Any

import msgspec

from onetape.accounts.booking import BookingRecord
from onetape.model.enums import PositionSide
from onetape.orders.reports import FillReport
from onetape.projections.orders import Key, Order
from onetape.recorder.batch import Row
from onetape.recorder.worth import WorthRecord

__all__ = ["ProjectionRecord", "RecordedOrder", "Robot", "Trip", "Waiting"]


class Robot(msgspec.Struct):
    name: str
    slot: int


class RecordedOrder(msgspec.Struct):
    """An open order, and its row as it is in SQL."""

    order: Order
    row: Row


class Trip(msgspec.Struct):
    """A round trip that goes on. Amounts in 1e-18; fees by asset."""

    ts_open: int
    strategy: str
    sign: int
    context: dict[str, Any]
    realized: int = 0
    funding: int = 0
    fills: int = 0
    qty_max: int = 0
    opened: int = 0  # quantity that was bought to open, and what it was worth
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
    """Everything that a projection needs to go on after a frame."""

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
    is_flat: bool = False  # of an earlier release it is not known
    earlier: list[Row] = []
    not_found: list[Key] = []
    open_orders: list[RecordedOrder] = []  # a robot below 0: of an earlier journal, of no robot of this one
    orders: list[tuple[int, int, dict[str, Any]]] = []  # of an earlier release: their rows are in them
