"""Inputs and outputs of a gateway's order manager, and orders made from requests or from the venue's reports."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import structs

from onetape.model.enums import (
    OrderNews,
    OrderState,
    OrderType,
    PositionSide,
    RequestKind,
    Side,
    TriggerBy,
    TriggerKind,
)
from onetape.model.ids import ATTEMPT_MAX, parse_client_id
from onetape.model.order import OrderSpec
from onetape.model.request_key import RequestKey
from onetape.model.sections import GUARDIAN
from onetape.orders.machine import ENDS
from onetape.orders.order import Order
from onetape.orders.reports import FillReport, OrderStatusReport

__all__ = [
    "AccountOut",
    "CycleOut",
    "FillOut",
    "HealthOut",
    "IntentOut",
    "NewsOut",
    "Out",
    "Request",
    "in_our_sizes",
    "met",
    "next_name",
    "note_filled",
    "requested_order",
    "spec_of",
    "spec_of_guardian",
    "spec_sent",
]


class Request(NamedTuple):
    """A robot's request. `order_id` is the robot's; price and size are an amendment's."""

    robot: int
    kind: RequestKind
    order_id: int
    spec: OrderSpec | None = None
    price: int = 0
    size: int = 0


class IntentOut(NamedTuple):
    """An intent, which is journaled before its request is sent.

    is_reissue: of a cancel: the rest will be placed again; of an amendment: it goes to the venue as a new order.
    share: of an amendment: by how much the order is reduced to make room for this reduction.
    """

    order: Order
    kind: RequestKind
    price: int
    size: int
    is_reissue: bool = False
    share: int = 0


class NewsOut(NamedTuple):
    """A change of an order's state, for its robot.

    state: the state after it.
    is_local: a change that was refused here and never sent; the order is unchanged.
    """

    order: Order
    news: OrderNews
    state: OrderState
    time: int
    code: int = 0
    reason: str = ""
    is_local: bool = False


class FillOut(NamedTuple):
    """A fill, for the order's robot.

    order: None for a fill of no order of ours.
    is_forced: the venue itself closed a position with it.
    """

    order: Order | None
    fill: FillReport
    is_forced: bool = False


class AccountOut(NamedTuple):
    """A balance (`side` None) or a position, as the venue reports it."""

    name: str  # a currency or a symbol
    side: PositionSide | None
    amount: int
    time: int
    source: str  # stream or rest
    reference: str = ""  # of the cause, for a change that is booked once by its reference
    price: int = 0  # entry price assumed for a position whose entry is unknown


class HealthOut(NamedTuple):
    """A change of health to be written. kind, subject and state as in CONTRACT's Health; severity: info, warning,
    critical. order: the order found at the venue that no journal has, if it is about one."""

    kind: str
    subject: str
    state: str
    severity: str = "info"
    order: Order | None = None


class CycleOut(NamedTuple):
    """The end of a request key's cycle, or why it does not end. robot 0: by the operator."""

    key: RequestKey
    slot: int
    robot: int
    refused: str = ""


class TakenOut(NamedTuple):
    """The frame up to which a robot's journal has been processed. Written after all consequences of these frames, so
    that a restarted gateway processes the rest. decided: time of the decision."""

    robot: int
    first: int
    last: int
    decided: int


Out = IntentOut | NewsOut | FillOut | AccountOut | HealthOut | CycleOut | TakenOut


def spec_sent(order: Order) -> OrderSpec:
    """Returns the terms to send: the order's, or if it is placed again, those of its rest."""
    if not order.sent_at:
        return order.spec
    return structs.replace(order.spec, size_int=order.size - order.away, price_int=order.price)


def note_filled(order: Order, report: OrderStatusReport) -> None:
    """Records the filled quantity that the venue reports. An order first seen at the venue does not wait for these
    fills."""
    order.reported_filled = max(order.reported_filled, report.filled)
    if order.is_met:
        order.filled = max(order.filled, report.filled)
        order.size = max(report.size or order.size, order.filled)


def next_name(order: Order, chars_max: int) -> str:
    """Returns the client id under which the rest is placed again, "" where none is left."""
    parsed = parse_client_id(order.client_id)
    if parsed is None or order.reissues >= ATTEMPT_MAX:
        return ""
    name = str(parsed._replace(attempt=order.reissues + 1))
    return name if len(name) <= chars_max else ""


def in_our_sizes(order: Order, report: OrderStatusReport) -> OrderStatusReport | None:
    """Converts a report of the venue's order to the quantities of ours, which includes what was filled before. None:
    the report is about a former order, which has ended."""
    if (former := order.former) and (report.client_id or report.venue_id) in former:
        return None
    away, outside = order.away, order.filled_outside
    if not away and not outside:
        return report
    size = report.size + away if report.size else 0
    return report._replace(size=size, filled=report.filled + outside)


def requested_order(client_id: str, request: Request, now: int) -> Order:
    """Makes a new order from a robot's request."""
    return Order(request.robot, request.order_id, request.spec, now, client_id)


def met(report: OrderStatusReport, robot: int, order_id: int) -> Order:
    """Makes an order from the venue's report, for one that is on no tape of ours."""
    order = Order(robot, order_id, spec_of(report), report.time, report.client_id)
    order.price, order.conditional, order.is_met = report.price, report.conditional, True
    order.state = report.state if report.state in ENDS else OrderState.ACCEPTED
    order.filled, order.accepted = report.filled, True
    return order


def spec_of(report: OrderStatusReport) -> OrderSpec:
    """Reconstructs an order's terms from the venue's report."""
    is_market = report.type is OrderType.MARKET
    return OrderSpec(
        symbol=report.symbol,
        side=report.side if report.side is not Side.NONE else Side.BUY,
        size_int=max(report.size, 1),
        type=report.type,
        price_int=0 if is_market else report.price,
        position_side=report.position_side,
        reduce_only=report.reduce_only,
    )


def spec_of_guardian(report: OrderStatusReport) -> OrderSpec:
    """Reconstructs the terms of a guardian's order: a stop or take-profit while it waits for its trigger."""
    kind = TriggerKind.TAKE_PROFIT if report.takes_profit else TriggerKind.STOP
    return structs.replace(
        spec_of(report),
        trigger_int=report.trigger if report.waits else 0,
        trigger_by=TriggerBy.LAST if report.waits else TriggerBy.NONE,
        trigger_kind=kind if report.waits else TriggerKind.NONE,
        tag=GUARDIAN,
    )
