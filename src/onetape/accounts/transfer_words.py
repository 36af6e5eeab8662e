"""The parts of transfers of money: places, states, and effects. Their logic is in `transfers`."""

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
    """The outcome of a sent transfer by its answer."""

    DONE = "done"
    ACCEPTED = "accepted"  # it will happen, or the venue's history shows why not
    REFUSED = "refused"  # it has not happened and will not
    BUSY = "busy"  # it has not happened, but may be retried later
    LOST = "lost"  # no answer, or an inconclusive one


class Found(StrEnum):
    """The state of a transfer in the venue's history."""

    DONE = "done"
    FAILED = "failed"
    UNDERWAY = "underway"
    ABSENT = "absent"


class Place(NamedTuple):
    """A wallet of an account of a venue; "" is the trading wallet."""

    venue: str
    account: str
    wallet: str = ""

    @classmethod
    def parse(cls, text: str) -> Place:
        """Parses `kraken.main.spot`, `kraken.main`. Raises UsageError."""
        parts = text.split(".")
        if not 2 <= len(parts) <= 3 or not all(parts):
            raise UsageError(f"no place of money: {text!r}", todo="venue.account[.wallet]")
        return cls(*parts)

    def __str__(self) -> str:
        return ".".join(part for part in self if part)


class Record(NamedTuple):
    """Requests that a record is written to the tape, as a `transfer` frame."""

    fields: dict[str, Any]


class Send(NamedTuple):
    """Requests that the venue carries out a transfer.

    name: its client id, if the venue takes one.
    """

    name: str
    source: Place
    target: Place
    currency: str
    amount: int


class AskHistory(NamedTuple):
    """Requests the venue's history, to find out whether a transfer was carried out; rows before `since` do not
    matter."""

    name: str
    source: Place
    target: Place
    currency: str
    since: int


class Tell(NamedTuple):
    """Notifies the gateway of another account of a transfer to it, until it has booked it.

    txid: of an arrival from another venue, which it looks for among its deposits since `since`.
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
    requested_at: int  # ns UTC, as all times
    deadline: int
    slot: int = MAIN  # its owner's slot in the trading wallet
    state: State = State.PENDING
    reason: str = ""
    first_sent: int = 0
    sent: int = 0
    tries: int = 0
    due: int = 0  # when the next action is due
    looks: int = 0  # count of queries of the history
    absent: int = 0  # count of those without it
    venue_id: str = ""  # the venue's id, if reported
    txid: str = ""  # the id at both venues, of a withdrawal
    fee: int = 0  # of the transfer, 1e-18
    is_acknowledged: bool = False  # the target's gateway has answered
    is_late: bool = False  # its delay was reported
    steps: int = 0  # by how much the venue's clock was set since it was first sent, ns: its row may have either time

    @property
    def is_inside(self) -> bool:
        """Tells whether both wallets are of one account."""
        return self.source[:2] == self.target[:2]

    @property
    def is_outside(self) -> bool:
        """Tells whether it leaves its venue: a withdrawal from there, a deposit at another venue."""
        return self.source.venue != self.target.venue

    @property
    def is_finished(self) -> bool:
        return self.state.is_final and (self.state is not State.DONE or self.is_inside or self.is_acknowledged)
