"""An order in a checkpoint. Fields keep their first names, because later versions must read checkpoints of a journal
whose beginning is pruned."""

from __future__ import annotations

from typing import Final

import msgspec

from onetape._core import PendingRequest
from onetape.model.enums import OrderNews, OrderState, RequestKind
from onetape.model.order import OrderSpec
from onetape.orders.order import Order

__all__ = ["OrderRecord", "order_of", "record_of"]


class LifeRecord(msgspec.Struct, frozen=True):
    size: int
    state: OrderState
    filled: int = 0
    accepted: bool = False
    triggered: bool = False
    cancel_open: bool = False
    update_open: bool = False
    size_wanted: int = 0
    trade_ids: list[str] = []


class PendingRecord(msgspec.Struct, frozen=True):
    kind: RequestKind
    deadline: int
    tries: int = 1
    resend_at: int = 0
    number: int = 0
    code: int = 0
    reason: str = ""


_RENAMED: Final = {
    "reissue_open": "is_again",
    "reissues": "again",
    "filled_outside": "elsewhere",
    "cancel_retries": "cancels_again",
    "working_query_at": "asked_working",
    "reported_filled": "told_filled",
    "reported_end": "told_end",
    "reported_time": "told_time",
}


class OrderRecord(msgspec.Struct, frozen=True, rename=_RENAMED, omit_defaults=True):
    robot: int
    order_id: int
    spec: OrderSpec
    life: LifeRecord
    created: int
    price: int
    venue_id: str = ""
    spent: int = 0
    code: int = 0
    reason: str = ""
    is_held: bool = False
    is_canceling: bool = False
    is_taken_off: bool = False
    reissue_open: bool = False
    amend_to: tuple[int, int] = (0, 0)
    client_id: str = ""
    conditional: bool = False
    is_unfunded: bool = False
    reissues: int = 0
    sent_as: str = ""
    former: list[str] = []
    filled_outside: int = 0
    away: int = 0
    sent_at: int = 0
    placed_at: int = 0
    is_met: bool = False
    pending: dict[RequestKind, PendingRecord] = {}
    cancel_wanted: bool = False
    cancel_retries: int = 0
    lost_at: int = 0
    ask_at: int = 0
    asks: int = 0
    not_found: int = 0
    asking: bool = False
    ask_other: bool = False
    working_query_at: int = 0
    reported_filled: int = 0
    reported_end: OrderNews | None = None
    reported_time: int = 0
    amended_at: int = 0


_LIFE: Final = ("size", "state", "filled", "accepted", "triggered", "cancel_open", "update_open", "size_wanted")
_MADE_WITH: Final = ("robot", "order_id", "spec", "created", "client_id")  # arguments of an order's constructor
_APART: Final = ("life", "pending", *_MADE_WITH)
_PLAIN: Final = tuple(name for name in OrderRecord.__struct_fields__ if name not in _APART)


def record_of(order: Order) -> OrderRecord:
    life = {name: getattr(order, name) for name in _LIFE}
    plain = {name: getattr(order, name) for name in (*_MADE_WITH, *_PLAIN)}
    pending = {each.kind: _pending(each) for each in order.pending.all()}
    return OrderRecord(life=LifeRecord(**life, trade_ids=list(map(str, order.trade_ids))), pending=pending, **plain)


def _pending(request: PendingRequest) -> PendingRecord:
    return PendingRecord(**{name: getattr(request, name) for name in PendingRecord.__struct_fields__})


def order_of(record: OrderRecord) -> Order:
    """Makes the order of a record."""
    order = Order(*(getattr(record, name) for name in _MADE_WITH))
    for name in _LIFE:
        setattr(order, name, getattr(record.life, name))
    order.trade_ids = sorted(map(int, record.life.trade_ids))
    for name in _PLAIN:
        setattr(order, name, getattr(record, name))
    for kind, each in record.pending.items():
        request = order.pending.begin(kind, each.deadline)
        for name in ("tries", "resend_at", "number", "code", "reason"):
            setattr(request, name, getattr(each, name))
    return order
