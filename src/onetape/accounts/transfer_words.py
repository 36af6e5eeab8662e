"""What transfers of money are made of: places, states, and what is to be done about them. What
becomes of them is decided in `transfers`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from onetape.accounts.entries import MAIN, Entry
from onetape.model.errors import UsageError
from onetape.orders.managed import HealthOut

__all__ = ["AskHistory", "Effect", "Found", "Outcome", "Place", "Record", "Send", "State", "Tell", "Transfer"]


class State(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    ACCEPTED = "accepted"
    UNKNOWN = "unknown"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        return self in (State.DONE, State.FAILED, State.EXPIRED)


class Outcome(StrEnum):
    """What an answer says of a transfer that was sent."""

    DONE = "done"
    ACCEPTED = "accepted"  # it will happen, or the venue's history says why not
    REFUSED = "refused"  # it has not happened and will not
    BUSY = "busy"  # it has not happened: later, perhaps
    LOST = "lost"  # no answer, or one that says neither


class Found(StrEnum):
    """What the venue's history says of a transfer."""

    DONE = "done"
    FAILED = "failed"
    UNDERWAY = "underway"
    ABSENT = "absent"


class Place(NamedTuple):
    """A wallet of an account of a venue; "" is the one that is traded from."""

    venue: str
    account: str
    wallet: str = ""

    @classmethod
    def parse(cls, text: str) -> Place:
        """`kraken.main.spot`, `kraken.main`. Raises UsageError."""
        parts = text.split(".")
        if not 2 <= len(parts) <= 3 or not all(parts):
            raise UsageError(f"no place of money: {text!r}", todo="venue.account[.wallet]")
        return cls(*parts)

    def __str__(self) -> str:
        return ".".join(part for part in self if part)


class Record(NamedTuple):
    """Asks to write a record to the tape, as a `transfer` frame."""

    fields: dict[str, Any]


class Send(NamedTuple):
    """Asks the venue to carry out a transfer.

    name: its client id where the venue takes one.
    """

    name: str
    source: Place
    target: Place
    currency: str
    amount: int


class AskHistory(NamedTuple):
    """Asks whether the venue has carried a transfer out; what it did before `since` does not matter."""

    name: str
    source: Place
    target: Place
    currency: str
    since: int


class Tell(NamedTuple):
    """Tells the gateway of another account of a transfer to it, until it has booked it.

    txid: of what comes to it from another venue, which it looks for among its deposits since
    `since`.
    """

    name: str
    target: Place
    currency: str
    amount: int
    txid: str = ""
    since: int = 0


Effect = Record | Entry | Send | AskHistory | Tell | HealthOut


@dataclass(slots=True)
class Transfer:
    name: str
    source: Place
    target: Place
    currency: str
    amount: int
    requested_at: int  # when, as all times: ns UTC
    deadline: int
    slot: int = MAIN  # whose it is in the wallet that is traded from
    state: State = State.PENDING
    reason: str = ""
    first_sent: int = 0
    sent: int = 0
    tries: int = 0
    due: int = 0  # when something is to be done about it
    looks: int = 0  # at the history
    absent: int = 0  # those that did not show it
    venue_id: str = ""  # what the venue calls it, where it has said so
    txid: str = ""  # what both venues call it, of one that leaves its venue
    fee: int = 0  # of it, 1e-18
    is_acknowledged: bool = False  # the target's gateway has answered
    is_late: bool = False  # that it takes too long has been said
    steps: int = 0  # by how much the venue's clock was set since it was first sent, ns: its row may have either time

    @property
    def is_inside(self) -> bool:
        """Tells whether both wallets are of one account."""
        return self.source[:2] == self.target[:2]

    @property
    def is_outside(self) -> bool:
        """Tells whether it leaves its venue: a withdrawal there, a deposit at another venue."""
        return self.source.venue != self.target.venue

    @property
    def is_finished(self) -> bool:
        return self.state.is_final and (self.state is not State.DONE or self.is_inside or self.is_acknowledged)
