"""Moves margin from one account to another by transfers of the gateways, one step after the other.

A move is on the tape before its first step is sent; each step has an id that acts once, so that a move restored from
its records continues. A transfer that the venue refuses before anything left ends the move; money that has left and is
refused on its way is brought back. Nothing uncertain is guessed: a move without an answer stays under way, also if a
reply reported its end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

import msgspec

from onetape.accounts.entries import MAIN, TRANSFER_REPORTED, Cause, Entry, Outside
from onetape.hedge.margin import InFlight, Route, Transfer
from onetape.model.money import money, money_units
from onetape.model.time import SECOND

__all__ = ["NOTHING", "STEP_WITHIN", "Booked", "Books", "Margin", "Move", "Step", "ways"]

STEP_WITHIN: Final = 10 * SECOND  # after which its move is late
TRADING: Final = "trading"
State = Literal["moving", "returning", "arrived", "returned", "failed", "stranded"]


class Step(msgspec.Struct, frozen=True):
    """A transfer by one gateway. gateway: an account; source, target: wallets, as in the gateway's command."""

    gateway: str
    source: str
    target: str


class Margin(msgspec.Struct, frozen=True, kw_only=True):
    """A move of margin between accounts. amount: debited from `source`; begun, due: time of the call and expected end,
    ns UTC."""

    operation: str
    number: int
    source: str
    target: str
    currency: str
    amount: Decimal
    steps: tuple[Step, ...]
    begun: int
    due: int

    @property
    def back(self) -> Step:
        """Returns the step for money that has left the trading wallet of `source`, but not that account."""
        return Step(self.source, self.steps[0].target, TRADING)


class Booked(NamedTuple):
    """An entry of a gateway's tape with its frame and its time of writing, ns UTC."""

    sequence: int
    at: int
    entry: Entry


class Books(NamedTuple):
    """The recent bookings of an account's gateway. as_of: the last frame included in the figures in use."""

    as_of: int
    booked: Sequence[Booked]

    def have(self, cause: Cause, reference: str) -> bool:
        """Tells whether the figures include the named entry. An entry that moved nothing counts as included."""
        return any(
            (each.entry.cause, each.entry.reference) == (cause, reference)
            and (each.sequence <= self.as_of or each.entry.legs[0].holder != MAIN)
            for each in self.booked
        )

    def nameless(self, currency: str, amount: Decimal, since: int) -> Decimal:
        """Returns how much of an amount the figures may include without its name: as a deposit of at least that,
        reported by the venue, or as corrections, which may be its rest beside a loss."""
        whole, found = money_units(amount), 0
        for sequence, at, entry in self.booked:
            if sequence <= self.as_of and at >= since and entry.cause in (Cause.TRANSFER, Cause.CORRECTION):
                into, out_of = entry.legs[:2]
                is_new = into.holder == MAIN and not into.wallet and out_of.holder != Outside.TRANSIT
                least = whole if entry.cause is Cause.TRANSFER else 1
                if is_new and into.currency == currency and into.amount >= least:
                    found += into.amount
        return money(min(found, whole))


NOTHING: Final = Books(0, ())


class Move:
    """The state of a move: a fold of its records. is_sent: its first step has left the source. at: ns UTC of its newest
    record; is_settled: someone has moved the stranded money on."""

    def __init__(self, margin: Margin) -> None:
        self.margin = margin
        self.state: State = "moving"
        self.index = 0  # of the present step; while it is brought back: the number of steps
        self.is_sent = self.is_settled = False
        self.at = margin.begun
        self.why = ""

    @property
    def is_over(self) -> bool:
        return self.state not in ("moving", "returning")

    @property
    def step(self) -> Step:
        return (*self.margin.steps, self.margin.back)[self.index]

    @property
    def id(self) -> str:
        """Returns the id of the step's transfer."""
        return self.ids[-1]

    @property
    def ids(self) -> list[str]:
        """Returns the ids of the steps begun so far."""
        return [f"{self.margin.operation}.t{self.margin.number}.{each + 1}" for each in range(self.index + 1)]

    @property
    def record(self) -> dict[str, Any]:
        """Returns the record that begins the move."""
        facts = msgspec.to_builtins(self.margin)
        return {"kind": "move_begun", "operation": self.margin.operation, "move": facts}

    def stepped(self, now: int, why: str = "") -> dict[str, Any]:
        """Returns the record that the step's transfer has ended; it takes effect once it is on the tape. why: it was
        not made, "": it was."""
        record = {"kind": "move_stepped", "operation": self.margin.operation, "number": self.margin.number}
        record |= {"index": self.index, "why": why, "at": now}
        after = copy(self)
        after.take(record)
        return record | {"is_over": after.is_over}

    def take(self, record: Mapping[str, Any]) -> None:
        self.at = record["at"]
        if record["kind"] == "move_settled":
            self.is_settled = True
            return
        self.is_sent = True
        if why := record["why"]:
            self.why = self.why or why
            is_near = self.index and self.step.gateway == self.margin.source and self.state == "moving"
            self.state = "returning" if is_near else "stranded" if self.index else "failed"
        elif self.state == "returning":
            self.state = "returned"
        elif self.index + 1 == len(self.margin.steps):
            self.state = "arrived"
        else:
            self.index += 1
            return
        self.index = len(self.margin.steps) if self.state == "returning" else self.index

    def settled(self, now: int) -> dict[str, Any]:
        """Notes that the stranded money has left its wallet, and returns the record."""
        facts = {"operation": self.margin.operation, "number": self.margin.number, "at": now}
        self.take(record := {"kind": "move_settled", **facts})
        return record

    def is_taken_by(self, row: Mapping[str, Any]) -> bool:
        """Tells whether a later transfer of the gateway where the money is stranded has moved it on."""
        facts, wallet = self.margin, str(row["from"]).rpartition(".")[2]
        is_of_it = (row["state"], row["currency"], wallet) == ("done", facts.currency, self.step.source)
        return is_of_it and Decimal(row["amount"]) >= facts.amount and row["ts_asked"] > self.at

    def on_way(self, source: Books, target: Books) -> InFlight | None:
        """Returns the move as it counts in plans; None: the accounts' figures are complete. Money that is brought back,
        or lies in between, is no one's margin. Gateways book each half before the control plane receives the reply, so
        their books decide.
        """
        if self.is_over:
            return None
        facts, first = self.margin, self.ids[0]
        route = Route(facts.source, facts.target, facts.currency, facts.due - facts.begun)
        is_back = source.have(Cause.TRANSFER, f"{first}/back")
        due = facts.due if self.state == "moving" and not is_back else 0
        debited = self.is_sent or is_back or source.have(Cause.TRANSFER, first)
        return InFlight(Transfer(route, facts.amount), due, debited=debited, credited=self._arrived(target))

    def _arrived(self, target: Books) -> Decimal:
        """Returns the part of the amount that the target's figures may include. A deposit without a name counts as it:
        counting margin later errs on the safe side."""
        if self.index + 1 != len(self.margin.steps):
            return Decimal(0)
        facts = self.margin
        is_named = target.have(Cause.COMMAND, TRANSFER_REPORTED + self.id) or target.have(
            Cause.TRANSFER, f"{self.id}/in"
        )
        return facts.amount if is_named else target.nameless(facts.currency, facts.amount, facts.begun)

    @property
    def words(self) -> str:
        """Returns the state as text for people."""
        facts = self.margin
        what = f"{facts.amount:f} {facts.currency} from {facts.source} to {facts.target}"
        match self.state:
            case "arrived":
                return f"{what} have arrived"
            case "moving":
                return f"{what} have not arrived yet: {self.step.gateway} follows transfer {self.id}"
            case "returning":
                return f"{what} are on their way back: {self.why}"
            case "stranded":
                return f"{what} lie in {self.step.source} of {self.step.gateway}: {self.why}"
            case _:
                return f"{what} were not moved: {self.why}"


def ways(venue: str, source: str, target: str, wallet: str) -> list[tuple[Step, ...]]:
    """Returns the possible ways between the wallets of two accounts of a venue, the shortest first. wallet: the one
    through which others send, "": the trading wallet."""
    into = f"{venue}.{target}"
    direct = (Step(source, TRADING, f"{into}.{TRADING}"),)
    if not wallet:
        return [direct]
    out = Step(source, TRADING, wallet)
    master = (out, Step(source, wallet, f"{into}.{wallet}"), Step(target, wallet, TRADING))
    return [direct, (out, Step(source, wallet, f"{into}.{TRADING}")), master]
