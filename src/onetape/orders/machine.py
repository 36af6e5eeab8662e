"""The order state machine as data: the effect of every event in every state.

Theory of operation
-------------------
Some events are ours (we submit an order, request its cancel), the others are the venue's, which arrive late, twice, in
the wrong order, or not at all. The table has one row for each state and one cell for each event; there is no default.
It is written and executed in `core/orders/order_life.cpp`; TABLE is Python's copy of it. A cell is

- a state: the order goes there;
- SAME: the event is accepted and changes no state (an acknowledgement after the fill it caused);
- OPEN: the order is alive; its state follows from its recorded facts;
- GONE: the order is proven to be no longer at the venue: REJECTED if nothing shows that it ever was there, else
    CANCELED;
- LATE: a fill of an ended order. It is booked, because the position is real, and the state stays; in REJECTED it also
    contradicts the venue's report, so it is counted there;
- REFUSED: an impossible request of ours: it is not sent, and the order does not change;
- IMPOSSIBLE: from the venue a breach of protocol, counted and reconciled; from us a bug.

Four facts are kept beside the state: whether the order is known to have been at the venue (`accepted`), whether its
trigger fired, and whether a cancel or an amendment is unanswered (`cancel_open`, `update_open`). They only matter in
OPEN and GONE cells.

The same deliveries in any order end in the same state, because news overtaken by later news is SAME, every fill is
booked in every state that can have one, and an order whose fills add up to its quantity is FILLED, also if a cancel was
confirmed first (the fill was under way). While an amendment is unanswered, the larger quantity counts.

UNKNOWN means: a request was sent and its outcome is unknown. Only proof leads out of it: news, a fill, or a query whose
answer settles it (`found_working`, `found_absent`). Silence is never proof; time-outs lead into UNKNOWN, never out of
it. An order that is at the venue and on no tape (its intent was lost in a power failure) begins in UNKNOWN.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from onetape._core import order_table
from onetape.model.enums import OrderNews, OrderState
from onetape.model.errors import check


class OrderEvent(StrEnum):
    """The events of an order. The first four are ours."""

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
    AMEND_ACK = "amend_ack"  # also without a request, where a venue shrinks an order
    AMEND_REJECT = "amend_reject"
    EXPIRE = "expire"
    VENUE_CANCEL = "venue_cancel"  # without a request: self-trade, liquidation, dead-man switch
    REPLY_LOST = "reply_lost"  # our deadline for an answer has passed
    MISSING = "missing"  # a full list of working orders lacks it
    FOUND_WORKING = "found_working"  # the query found it
    FOUND_ABSENT = "found_absent"  # proven: never accepted, or no longer there
    DUPLICATE = "duplicate"  # news or a trade id seen before

    @property
    def id(self) -> int:
        """Returns the event's column in the matrix, from 1."""
        return _EVENT_IDS[self.value]

    @property
    def is_ours(self) -> bool:
        """Tells whether the event is a request of ours and not a report."""
        return self in OUR_EVENTS


class Effect(StrEnum):
    """The effect in a cell of the table that is not a state."""

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

# The news with which an end at the venue is reported. FILLED is measured by the quantity at the venue: a reduce-only
# order may have been cut to the position.
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
