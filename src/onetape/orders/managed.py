"""One order at a gateway: what was asked for, how it stands, and what is unanswered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from msgspec import field, structs

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
from onetape.orders.machine import ENDS, OrderLife
from onetape.orders.order import Order
from onetape.orders.reports import FillReport, OrderStatusReport

__all__ = [
    "AccountOut",
    "CycleOut",
    "FillOut",
    "HealthOut",
    "IntentOut",
    "Managed",
    "NewsOut",
    "Out",
    "Pending",
    "Request",
    "met",
    "requested_order",
    "spec_of",
    "spec_of_guardian",
]


class Request(NamedTuple):
    """Carries a robot's request. `order_id` is the robot's; price and size are an amendment's."""

    robot: int
    kind: RequestKind
    order_id: int
    spec: OrderSpec | None = None
    price: int = 0
    size: int = 0


class IntentOut(NamedTuple):
    """Carries an intent, which is journaled before the request goes to the wire.

    is_reissue: of a cancel: what is left is to be placed again; of an amendment: it goes to the
    venue as a new order.
    share: of an amendment: by how much the order gets smaller so that this may take.
    """

    order: Managed
    kind: RequestKind
    price: int
    size: int
    is_reissue: bool = False
    share: int = 0


class NewsOut(NamedTuple):
    """Carries a change of an order's state to its robot.

    state: what the order manager makes of it.
    is_local: a change that was refused here and never left; the order is as it was.
    """

    order: Managed
    news: OrderNews
    state: OrderState
    time: int
    code: int = 0
    reason: str = ""
    is_local: bool = False


class FillOut(NamedTuple):
    """Carries a fill to the order's robot.

    order: None where no order of ours stands behind it.
    is_forced: the venue itself has closed with it.
    """

    order: Managed | None
    fill: FillReport
    is_forced: bool = False


class AccountOut(NamedTuple):
    """Carries a balance (`side` None) or a position as the venue has it."""

    name: str  # a currency or a symbol
    side: PositionSide | None
    amount: int
    time: int
    source: str  # stream or rest
    reference: str = ""  # of what moved it, where it is booked once by that
    price: int = 0  # that a position is reckoned from, where nobody knows what it was opened at


class HealthOut(NamedTuple):
    """A change of health to be written. kind, subject and state as CONTRACT's Health has them; severity: info, warning,
    critical."""

    kind: str
    subject: str
    state: str
    severity: str = "info"


class CycleOut(NamedTuple):
    """Says that a request key is free again, or why not. robot 0: by the operator."""

    key: RequestKey
    slot: int
    robot: int
    refused: str = ""


class TakenOut(NamedTuple):
    """Says up to which frame a robot's journal has been processed. Behind all that came of them, so that what a gateway
    had not come to when it died is dealt with by the next one. decided: when."""

    robot: int
    first: int
    last: int
    decided: int


Out = IntentOut | NewsOut | FillOut | AccountOut | HealthOut | CycleOut | TakenOut


@dataclass(slots=True)
class Pending:
    """Keeps a request that is on the wire or waits to be sent again."""

    kind: RequestKind
    deadline: int  # when its answer counts as lost
    tries: int = 1
    resend_at: int = 0  # refused for now (rate, clock): again at this time
    number: int = 0  # of the call that was sent last
    code: int = 0  # why it was refused for now,
    reason: str = ""  # and in words


# What a checkpoint calls fields that have another name since: it is read by later versions, too.
_KEPT_AS: Final = {
    "reissues": "again",
    "filled_outside": "elsewhere",
    "cancel_retries": "cancels_again",
    "working_query_at": "asked_working",
    "reported_filled": "told_filled",
    "reported_end": "told_end",
    "reported_time": "told_time",
}


_OUR_TIMES: Final = ("created", "sent_at", "placed_at", "amended_at", "lost_at", "ask_at", "working_query_at")


class Managed(Order, eq=False, kw_only=True, rename=_KEPT_AS):
    """Keeps one order of the account, with what its gateway knows of it beyond the journal."""

    client_id: str
    conditional: bool = False  # it waits outside the book now
    is_unfunded: bool = False  # held until its sub-account has the money: it holds none of it
    reissues: int = 0  # how often what was left was placed again
    sent_as: str = ""  # its client id at the venue, where that is another
    former: tuple[str, ...] = ()  # names, ours and the venue's, of orders there that are gone
    filled_outside: int = 0  # filled otherwise than by the order that the venue has now,
    away: int = 0  # which is by so much smaller than ours
    sent_at: int = 0  # when it was placed again
    placed_at: int = 0  # when its placing left last, also after the venue refused it for now
    is_met: bool = False  # seen at the venue first: some of its fills may be older than that
    pending: dict[RequestKind, Pending] = field(default_factory=dict)
    cancel_wanted: bool = False  # asked for while the placing is unanswered
    cancel_retries: int = 0  # how often the cancel was sent again, its answer being lost
    lost_at: int = 0  # since when its state is not known
    ask_at: int = 0  # when the venue is asked about it, 0: no need
    asks: int = 0
    not_found: int = 0  # answers that do not know it
    asking: bool = False  # a question is under way
    ask_other: bool = False  # the next one goes to the list that it is not believed to be in
    working_query_at: int = 0  # when it was last asked for among the working ones
    reported_filled: int = 0  # the most that the venue has said is filled
    reported_end: OrderNews | None = None  # it has ended there; fills are still to come
    reported_time: int = 0  # venue's time of the newest word about it
    amended_at: int = 0  # when an amendment was last sent

    @property
    def is_protective(self) -> bool:
        """Tells whether it is a stop of the guardian's: cancelling a robot's orders leaves it, because the position
        remains. Nobody else may use the tag."""
        return self.spec.tag == GUARDIAN and self.spec.trigger_by is not TriggerBy.NONE

    @property
    def name(self) -> str:
        """Returns the order's client id at the venue."""
        return self.sent_as or self.client_id

    @property
    def is_open(self) -> bool:
        return not self.life.state.is_final

    @property
    def is_unknown(self) -> bool:
        return self.life.state is OrderState.UNKNOWN

    @property
    def is_foreign(self) -> bool:
        return self.robot == 0

    @property
    def worst_left(self) -> int:
        """Returns the quantity that may still be filled in the worst case, in units."""
        if not self.is_open:
            return 0
        return max(max(self.life.size, self.life.size_wanted) - self.life.filled, 0)

    @property
    def spec_sent(self) -> OrderSpec:
        """Returns the terms that are sent: of an order that is placed again, what is left of it."""
        if not self.sent_at:
            return self.spec
        left = self.life.size - self.away
        return structs.replace(self.spec, size_int=left, price_int=self.price)

    def restate(self, step: int) -> None:
        """Takes in that the clock was set by `step`, ns. Of the venue's words the times stay."""
        for name in _OUR_TIMES:
            if at := getattr(self, name):
                setattr(self, name, at + step)
        for pending in self.pending.values():
            pending.deadline += step
            if pending.resend_at:
                pending.resend_at += step

    def note_filled(self, report: OrderStatusReport) -> None:
        """Takes in how much of it the venue says is filled. Of one that was seen there first none of the fills is
        waited for."""
        self.reported_filled = max(self.reported_filled, report.filled)
        if self.is_met:
            self.life.filled = max(self.life.filled, report.filled)
            self.life.size = max(report.size or self.life.size, self.life.filled)

    def next_name(self, chars_max: int) -> str:
        """Returns the client id under which what is left is placed again, "" where there is none."""
        parsed = parse_client_id(self.client_id)
        if parsed is None or self.reissues >= ATTEMPT_MAX:
            return ""
        name = str(parsed._replace(attempt=self.reissues + 1))
        return name if len(name) <= chars_max else ""

    def in_our_sizes(self, report: OrderStatusReport) -> OrderStatusReport | None:
        """Restates a report of the venue's order in the quantities of ours, which is larger by what was filled before;
        None: that order is gone, and what was to be learned from it is known."""
        if self.former and (report.client_id or report.venue_id) in self.former:
            return None
        if not self.away and not self.filled_outside:
            return report
        size = report.size + self.away if report.size else 0
        return report._replace(size=size, filled=report.filled + self.filled_outside)


def requested_order(client_id: str, request: Request, now: int) -> Managed:
    """Makes a new order from a robot's request."""
    spec = request.spec
    assert spec is not None
    return Managed(
        client_id=client_id,
        robot=request.robot,
        order_id=request.order_id,
        spec=spec,
        life=OrderLife(spec.size_int),
        created=now,
        price=spec.price_int,
    )


def met(report: OrderStatusReport, robot: int, order_id: int) -> Managed:
    """Makes an order that no tape of ours has from the venue's report."""
    order = Managed(
        client_id=report.client_id,
        robot=robot,
        order_id=order_id,
        spec=spec_of(report),
        life=OrderLife(max(report.size, 1)),
        created=report.time,
        price=report.price,
        conditional=report.conditional,
        is_met=True,
    )
    state = report.state if report.state in ENDS else OrderState.ACCEPTED
    order.life.filled, order.life.state, order.life.accepted = report.filled, state, True
    return order


def spec_of(report: OrderStatusReport) -> OrderSpec:
    """Reconstructs the terms that an order was placed with from the venue's report."""
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
    """Reconstructs the terms of an order of the guardian's: a stop or take-profit while it waits for its trigger."""
    kind = TriggerKind.TAKE_PROFIT if report.takes_profit else TriggerKind.STOP
    return structs.replace(
        spec_of(report),
        trigger_int=report.trigger if report.waits else 0,
        trigger_by=TriggerBy.LAST if report.waits else TriggerBy.NONE,
        trigger_kind=kind if report.waits else TriggerKind.NONE,
        tag=GUARDIAN,
    )
