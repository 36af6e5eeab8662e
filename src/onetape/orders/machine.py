"""The order state machine as data: what every event does in every state, each pair decided.

Theory of operation
-------------------
An order's life is told by events: some are ours (we submit it, ask to cancel it), the others are
the venue's, which arrive late, twice, in the wrong order, or not at all. TABLE has one row for each
state and in it one cell for each event; there is no default, and the compiled core runs the same
table (`as_matrix`). A cell is

- a state: the order goes there;
- SAME: the event is taken in and changes no state (an acknowledgement after the fill it caused);
- OPEN: the order is alive; which state that is follows from what is known of it (`resolve`);
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

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from onetape.model.enums import OrderNews, OrderState
from onetape.model.errors import InvariantViolation, check


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

# Named once: a member looked up at its class costs as much as a call.
_IMPOSSIBLE: Final = Effect.IMPOSSIBLE
_REFUSED: Final = Effect.REFUSED

# What `OrderLife` learns something from beside the state. Most orders only ever meet two of them.
_LEARNED_FROM: Final = frozenset(
    {
        OrderEvent.ACCEPT,
        OrderEvent.TRIGGER,
        OrderEvent.CANCEL_REQUEST,
        OrderEvent.AMEND_REQUEST,
        OrderEvent.CANCEL_REJECT,
        OrderEvent.AMEND_ACK,
        OrderEvent.AMEND_REJECT,
        OrderEvent.FOUND_WORKING,
    }
)

# One line for each state, one word for each event in the order of OrderEvent:
# ours | accept reject trigger | fills | cancel | amend | expire, venue cancel | asking | duplicate.
# Four letters are the state that begins with them; "wait" and "upd" are PENDING_CANCEL and
# PENDING_UPDATE; "." is SAME, "!" IMPOSSIBLE, "no" REFUSED.
_ROWS: Final = """
                  sub  deny cxl  amd  | acc  rej  trg  | part full over | cxl+ cxl- | amd+ amd- | exp  vcx  | lost miss here gone | dup
INITIALIZED     : SUBM DENI CANC no   | !    !    !    | !    !    !    | !    !    | !    !    | !    !    | !    !    !    !    | !
SUBMITTED       : !    DENI wait upd  | ACCE REJE TRIG | PART FILL FILL | CANC .    | OPEN .    | EXPI CANC | UNKN UNKN ACCE GONE | .
ACCEPTED        : !    !    wait upd  | .    REJE TRIG | PART FILL FILL | CANC .    | OPEN .    | EXPI CANC | .    UNKN .    UNKN | .
PARTIALLY_FILLED: !    !    wait upd  | .    !    .    | .    FILL FILL | CANC .    | OPEN .    | EXPI CANC | .    UNKN .    UNKN | .
FILLED          : !    !    no   no   | .    !    .    | LATE LATE LATE | .    .    | .    .    | .    .    | .    .    .    .    | .
PENDING_CANCEL  : !    DENI no   no   | .    REJE .    | .    FILL FILL | CANC OPEN | OPEN OPEN | EXPI CANC | UNKN UNKN .    GONE | .
CANCELED        : !    !    no   no   | .    !    .    | LATE FILL LATE | .    .    | .    .    | .    .    | .    .    .    .    | .
PENDING_UPDATE  : !    DENI wait no   | .    REJE .    | .    FILL FILL | CANC .    | OPEN OPEN | EXPI CANC | UNKN UNKN .    GONE | .
REJECTED        : !    !    no   no   | .    .    .    | LATE LATE LATE | !    .    | !    .    | !    !    | .    .    !    .    | .
DENIED          : !    .    no   no   | !    !    !    | !    !    !    | !    !    | !    !    | !    !    | .    .    !    .    | !
EXPIRED         : !    !    no   no   | .    !    .    | LATE FILL LATE | .    .    | .    .    | .    .    | .    .    .    .    | .
TRIGGERED       : !    !    wait upd  | .    REJE .    | PART FILL FILL | CANC .    | OPEN .    | EXPI CANC | .    UNKN .    UNKN | .
UNKNOWN         : !    DENI .    no   | OPEN REJE OPEN | OPEN FILL FILL | CANC OPEN | OPEN OPEN | EXPI CANC | .    .    OPEN GONE | .
"""  # noqa: E501 - a table is read in one piece

Cell = OrderState | Effect

_WORDS: Final[dict[str, Cell]] = {
    "SUBM": OrderState.SUBMITTED,
    "ACCE": OrderState.ACCEPTED,
    "TRIG": OrderState.TRIGGERED,
    "PART": OrderState.PARTIALLY_FILLED,
    "DENI": OrderState.DENIED,
    "CANC": OrderState.CANCELED,
    "REJE": OrderState.REJECTED,
    "FILL": OrderState.FILLED,
    "EXPI": OrderState.EXPIRED,
    "UNKN": OrderState.UNKNOWN,
    "wait": OrderState.PENDING_CANCEL,
    "upd": OrderState.PENDING_UPDATE,
    "OPEN": Effect.OPEN,
    "GONE": Effect.GONE,
    "LATE": Effect.LATE,
    ".": Effect.SAME,
    "no": Effect.REFUSED,
    "!": Effect.IMPOSSIBLE,
}


def _parse(text: str) -> dict[OrderState, dict[OrderEvent, Cell]]:
    table: dict[OrderState, dict[OrderEvent, Cell]] = {}
    for line in text.strip().splitlines()[1:]:
        state, _, cells = line.partition(":")
        words = cells.replace("|", " ").split()
        events = list(OrderEvent)
        check(len(words) == len(events), f"a cell for every event, row {state}: {len(words)}")
        table[OrderState(state.strip())] = {event: _WORDS[word] for event, word in zip(events, words, strict=True)}
    check(set(table) == set(OrderState), "a row for every state")
    return table


TABLE: Final = _parse(_ROWS)

# Numbers of the effects in the matrix; a state is its id on tape (1..13).
EFFECT_IDS: Final = {
    Effect.SAME: 0,
    Effect.OPEN: 0xF0,
    Effect.GONE: 0xF1,
    Effect.LATE: 0xF2,
    Effect.REFUSED: 0xF3,
    Effect.IMPOSSIBLE: 0xFF,
}
MATRIX_COLUMNS: Final = len(OrderEvent) + 1
MATRIX_ROWS: Final = len(OrderState) + 1

NEWS_EVENTS: Final = {
    OrderNews.ACCEPTED: OrderEvent.ACCEPT,
    OrderNews.REJECTED: OrderEvent.REJECT,
    OrderNews.CANCELED: OrderEvent.CANCEL_ACK,
    OrderNews.EXPIRED: OrderEvent.EXPIRE,
    OrderNews.TRIGGERED: OrderEvent.TRIGGER,
    OrderNews.UPDATED: OrderEvent.AMEND_ACK,
    OrderNews.CANCEL_REJECTED: OrderEvent.CANCEL_REJECT,
    OrderNews.UPDATE_REJECTED: OrderEvent.AMEND_REJECT,
    OrderNews.DENIED: OrderEvent.DENY,
    OrderNews.LOST: OrderEvent.REPLY_LOST,
    OrderNews.FOUND: OrderEvent.FOUND_WORKING,
    OrderNews.ABSENT: OrderEvent.FOUND_ABSENT,
}

# What an order that has ended at the venue is told as. FILLED is of the quantity that it has there:
# a reduce-only order may have been cut to the position.
ENDS: Final = {
    OrderState.CANCELED: OrderNews.CANCELED,
    OrderState.EXPIRED: OrderNews.EXPIRED,
    OrderState.REJECTED: OrderNews.REJECTED,
    OrderState.FILLED: OrderNews.UPDATED,
}


def as_matrix() -> bytes:
    """Encodes TABLE for the core: MATRIX_ROWS x MATRIX_COLUMNS bytes, row by row.

    Byte `state_id * MATRIX_COLUMNS + event_id` is the next state's id or an effect's number. Row 0
    and column 0 belong to no state and no event and are IMPOSSIBLE throughout.
    """
    matrix = bytearray([EFFECT_IDS[Effect.IMPOSSIBLE]]) * (MATRIX_ROWS * MATRIX_COLUMNS)
    for state, row in TABLE.items():
        for event, cell in row.items():
            number = cell.id if isinstance(cell, OrderState) else EFFECT_IDS[cell]
            matrix[state.id * MATRIX_COLUMNS + event.id] = number
    return bytes(matrix)


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
            if event in _LEARNED_FROM:
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


__all__ = [
    "EFFECT_IDS",
    "ENDS",
    "FILLS",
    "MATRIX_COLUMNS",
    "MATRIX_ROWS",
    "NEWS_EVENTS",
    "OUR_EVENTS",
    "TABLE",
    "Cell",
    "Effect",
    "OrderEvent",
    "OrderLife",
    "as_markdown",
    "as_matrix",
    "resolve",
]
