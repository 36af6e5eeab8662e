"""An order's life, plainly: the slow model of `core/orders/order_life.cpp`, by the same table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from onetape.model.enums import OrderState
from onetape.model.errors import InvariantViolation, check
from onetape.orders.machine import FILLS, TABLE, Cell, Effect, OrderEvent

_IMPOSSIBLE: Final = Effect.IMPOSSIBLE
_REFUSED: Final = Effect.REFUSED


@dataclass(slots=True)
class OrderLife:
    """Keeps one order's state, fed with events. Quantities are int64 at the instrument's decimals.

    Feed fills through `on_fill`, everything else through `on_event`. Both return the cell that
    applied; `state` is where the order stands afterwards.
    """

    size: int
    state: OrderState = OrderState.INITIALIZED
    filled: int = 0
    accepted: bool = False
    triggered: bool = False
    cancel_open: bool = False
    update_open: bool = False
    size_wanted: int = 0  # of the amendment under way, 0: none
    impossible: int = 0  # breaches of protocol seen
    trade_ids: set[str] = field(default_factory=set)

    @property
    def remaining(self) -> int:
        """Returns the quantity that may still be filled; 0 once the order has ended."""
        return 0 if self.state.is_final else max(self.size - self.filled, 0)

    def on_fill(self, trade_id: str, size: int) -> Cell:
        """Books a fill once. `trade_id` is the venue's, unique within the order; size > 0."""
        check(size > 0, f"a fill has a quantity: {size}")
        if trade_id in self.trade_ids:
            return self.on_event(OrderEvent.DUPLICATE)
        total = self.filled + size
        event = self._fill_event(total)
        cell = TABLE[self.state][event]
        if cell is Effect.IMPOSSIBLE:
            self.impossible += 1
            return cell
        self.trade_ids.add(trade_id)
        self.filled = total
        self.accepted = True
        if self.size < total <= self.size_wanted:
            self.size = self.size_wanted  # it proves an amendment that is unanswered
        if event is OrderEvent.FILL_EXCESS or self.state is OrderState.REJECTED:
            self.impossible += 1
        self._enter(cell)
        return cell

    def on_event(self, event: OrderEvent, *, size: int = 0) -> Cell:
        """Takes any event but a fill. `size` is the quantity that amend_request, amend_ack and found_working name (0:
        as it was). Raises InvariantViolation for an impossible event of our own."""
        if event in FILLS:
            raise InvariantViolation("fills go through on_fill")
        cell = TABLE[self.state][event]
        if cell is _IMPOSSIBLE:
            if event.is_ours:
                raise InvariantViolation(f"{event} cannot follow in state {self.state}")
            self.impossible += 1
            return cell
        if cell is not _REFUSED:
            self._learn(event, size)
            self._enter(cell)
        return cell

    def on_incarnation(self) -> None:
        """Takes in that another incarnation of the gateway begins: what has no answer by now never gets one."""
        if self.state in _SENT:
            self.on_event(OrderEvent.REPLY_LOST)

    def is_sent(self, event: OrderEvent) -> bool:
        """Tells whether a request made now goes to the venue."""
        cell = TABLE[self.state][event]
        if self.state is OrderState.UNKNOWN:
            return event is OrderEvent.CANCEL_REQUEST
        return cell in _SENT

    def _fill_event(self, total: int) -> OrderEvent:
        bound = max(self.size, self.size_wanted) if self.update_open else self.size
        if total < bound:
            return OrderEvent.FILL_PARTIAL
        return OrderEvent.FILL_FULL if total == bound else OrderEvent.FILL_EXCESS

    def _learn(self, event: OrderEvent, size: int) -> None:
        match event:
            case OrderEvent.ACCEPT:
                self.accepted = True
            case OrderEvent.TRIGGER:
                self.accepted = self.triggered = True
            case OrderEvent.CANCEL_REQUEST:
                self.cancel_open = True
            case OrderEvent.AMEND_REQUEST:
                self.update_open, self.size_wanted = True, size
            case OrderEvent.CANCEL_REJECT:
                self.cancel_open = False
            case OrderEvent.AMEND_ACK:
                self.accepted, self.update_open, self.size_wanted = True, False, 0
                if size and not self.state.is_final:
                    self.size = size
            case OrderEvent.AMEND_REJECT:
                self.update_open, self.size_wanted = False, 0
            case OrderEvent.FOUND_WORKING:
                self.accepted = True
                if self.state is OrderState.UNKNOWN:
                    self.cancel_open = self.update_open = False
                    self.size_wanted = 0
                    self.size = size or self.size
            case _:
                pass

    def _enter(self, cell: Cell) -> None:
        self.state = resolve(self, cell)
        if self.state.is_final:
            self.cancel_open = self.update_open = False


_SENT: Final = frozenset({OrderState.SUBMITTED, OrderState.PENDING_CANCEL, OrderState.PENDING_UPDATE})


def resolve(order: OrderLife, cell: Cell) -> OrderState:
    """Returns the state that a cell leads to, by the order's quantities after the event.

    OPEN, first that fits: fills reach the quantity and no amendment is open: FILLED; a request is
    unanswered: UNKNOWN if it was given up for lost, else its PENDING state; has fills:
    PARTIALLY_FILLED; trigger fired: TRIGGERED; known to have lived: ACCEPTED; nothing known:
    UNKNOWN if lost, else SUBMITTED.
    """
    if isinstance(cell, OrderState):
        return cell
    if cell is Effect.GONE:
        return OrderState.CANCELED if order.accepted else OrderState.REJECTED
    if cell is not Effect.OPEN:
        return order.state
    is_lost = order.state is OrderState.UNKNOWN
    if order.filled >= order.size and not order.update_open:
        return OrderState.FILLED
    if order.cancel_open:
        return OrderState.UNKNOWN if is_lost else OrderState.PENDING_CANCEL
    if order.update_open:
        return OrderState.UNKNOWN if is_lost else OrderState.PENDING_UPDATE
    if order.filled:
        return OrderState.PARTIALLY_FILLED
    if order.triggered:
        return OrderState.TRIGGERED
    if order.accepted:
        return OrderState.ACCEPTED
    return OrderState.UNKNOWN if is_lost else OrderState.SUBMITTED
