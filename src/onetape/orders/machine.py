"""The order state machine as data: what every event does in every state, each pair decided.

Theory of operation
-------------------
An order's life is told by events: some are ours (we submit it, ask to cancel it), the others are
the venue's, which arrive late, twice, in the wrong order, or not at all. The table has one row for each
state and in it one cell for each event; there is no default. It is written down and run in
`core/orders/order_life.cpp`; TABLE is that one as Python reads it. A cell is

- a state: the order goes there;
- SAME: the event is taken in and changes no state (an acknowledgement after the fill it caused);
- OPEN: the order is alive; which state that is follows from what is known of it;
- GONE: it is proven to be at the venue no more: REJECTED if nothing shows that it ever was there,
  else CANCELED;
- LATE: a fill that comes when the order has ended. It is booked, because the position is real, and
  the state stays; in REJECTED it also contradicts what the venue said, so it is counted there;
- REFUSED: a request of ours that cannot be: it is not sent, and the order is as it was;
- IMPOSSIBLE: from the venue a breach of protocol, counted and reconciled; from us a bug.

Four facts stand beside the state, because a state alone cannot hold them: whether the order is
known to have lived (`accepted`), whether its trigger fired, and which requests are unanswered
(`cancel_open`, `update_open`). They only matter in OPEN and GONE cells.

Why the same deliveries in any order end alike: news that is overtaken by later news is SAME, every
fill is booked in every state that can have one, and an order whose fills add up to its quantity is
FILLED, also if a cancel was confirmed first (a fill that was under way then). Of a quantity that is
being amended the larger one counts until the answer is there.

UNKNOWN means: something was sent and its outcome is not known. It is left by proof only: news, a
fill, or a question whose answer settles it (`found_working`, `found_absent`). Silence is never
proof, and time-outs lead into UNKNOWN, never out of it. An order that the venue knows and no tape
does (its intent was lost with the power) begins its life here in UNKNOWN.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from onetape._core import order_table
from onetape.model.enums import OrderNews, OrderState
from onetape.model.errors import check


class OrderEvent(StrEnum):
    """Names what can happen to an order. The first four are ours."""

    __hash__ = str.__hash__  # as TapeWord's

    SUBMIT = "submit"  # written to the journal, to be sent
    DENY = "deny"  # refused by our own rules, never sent
    CANCEL_REQUEST = "cancel_request"
    AMEND_REQUEST = "amend_request"
    ACCEPT = "accept"
    REJECT = "reject"
    TRIGGER = "trigger"  # a stop's trigger fired
    FILL_PARTIAL = "fill_partial"  # the fills add up to less than the quantity
    FILL_FULL = "fill_full"  # they add up to it
    FILL_EXCESS = "fill_excess"  # they add up to more: booked, and the venue's mistake
    CANCEL_ACK = "cancel_ack"
    CANCEL_REJECT = "cancel_reject"
    AMEND_ACK = "amend_ack"  # also unasked, where a venue shrinks an order
    AMEND_REJECT = "amend_reject"
    EXPIRE = "expire"
    VENUE_CANCEL = "venue_cancel"  # unasked: self-trade, liquidation, dead-man switch
    REPLY_LOST = "reply_lost"  # our deadline for an answer has passed
    MISSING = "missing"  # a full list of working orders lacks it
    FOUND_WORKING = "found_working"  # asked for, and there
    FOUND_ABSENT = "found_absent"  # proven: never taken, or no longer there
    DUPLICATE = "duplicate"  # news or a trade id seen before

    @property
    def id(self) -> int:
        """Returns the event's column in the matrix, from 1."""
        return _EVENT_IDS[self.value]

    @property
    def is_ours(self) -> bool:
        """Tells whether the event is a request of ours, and no report."""
        return self in OUR_EVENTS


class Effect(StrEnum):
    """Names what a cell of the table is when it is no state."""

    SAME = "same"
    OPEN = "open"
    GONE = "gone"
    LATE = "late"
    REFUSED = "refused"
    IMPOSSIBLE = "impossible"


_EVENT_IDS: Final = {event.value: number for number, event in enumerate(OrderEvent, 1)}
OUR_EVENTS: Final = frozenset({OrderEvent.SUBMIT, OrderEvent.DENY, OrderEvent.CANCEL_REQUEST, OrderEvent.AMEND_REQUEST})
FILLS: Final = frozenset({OrderEvent.FILL_PARTIAL, OrderEvent.FILL_FULL, OrderEvent.FILL_EXCESS})

Cell = OrderState | Effect

# Numbers of the effects in the core's table; a state is its id on tape (1..13).
EFFECT_IDS: Final = {
    Effect.SAME: 0,
    Effect.OPEN: 0xF0,
    Effect.GONE: 0xF1,
    Effect.LATE: 0xF2,
    Effect.REFUSED: 0xF3,
    Effect.IMPOSSIBLE: 0xFF,
}


def _read(matrix: bytes) -> dict[OrderState, dict[OrderEvent, Cell]]:
    """Reads the core's table: a row for each state and a column for each event, by their ids."""
    cells: dict[int, Cell] = {number: effect for effect, number in EFFECT_IDS.items()}
    cells |= {state.id: state for state in OrderState}
    columns = len(OrderEvent) + 1
    check(len(matrix) == columns * (len(OrderState) + 1), "a cell for every pair")
    return {
        state: {event: cells[matrix[state.id * columns + event.id]] for event in OrderEvent} for state in OrderState
    }


TABLE: Final = _read(order_table())

# What an order that has ended at the venue is told as. FILLED is of the quantity that it has there:
# a reduce-only order may have been cut to the position.
ENDS: Final = {
    OrderState.CANCELED: OrderNews.CANCELED,
    OrderState.EXPIRED: OrderNews.EXPIRED,
    OrderState.REJECTED: OrderNews.REJECTED,
    OrderState.FILLED: OrderNews.UPDATED,
}


def as_markdown() -> str:
    """Renders TABLE for docs/concepts/orders.md, which is generated so that it cannot be wrong."""
    marks = {Effect.SAME: "·", Effect.IMPOSSIBLE: "✗"}
    lines = [
        "| event | " + " | ".join(state.value for state in OrderState) + " |",
        "|---" * (len(OrderState) + 1) + "|",
    ]
    for event in OrderEvent:
        cells = (TABLE[state][event] for state in OrderState)
        words = [cell.value if isinstance(cell, OrderState) else marks.get(cell, f"*{cell.value}*") for cell in cells]
        lines.append(f"| {event.value} | " + " | ".join(words) + " |")
    return "\n".join(lines)


__all__ = ["EFFECT_IDS", "ENDS", "FILLS", "OUR_EVENTS", "TABLE", "Cell", "Effect", "OrderEvent", "as_markdown"]
