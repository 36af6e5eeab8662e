"""Transfers of money between wallets, accounts and venues: carried out once, or proven not to have happened.

    PENDING   requested, on the tape, out of the pool; also: proven not to have happened, to be retried
    SENT      on the wire, or perhaps: the tape has the intent before it is sent
    ACCEPTED  the venue has it, and its history will show the result: a withdrawal
    UNKNOWN   no answer, or an inconclusive one; the venue's history is queried
    DONE FAILED EXPIRED   the end

Only a transfer proven not to have happened is retried, until its deadline; an unknown one is neither retried nor given
up. Money that has left and not arrived is in `transit`. Each half is booked by the transfer's id in the ledger of each
account it touches, at most once: first where it has arrived, so that at no moment it is in neither.

For a venue that takes no id of ours the history is matched: a row is a transfer's if wallets, currency and amount
agree, in the time in which the venue can have accepted it. A row belongs to one transfer only, and of two identical
ones the older has the older row.

An effect is carried out before the next one. If the process dies between two of them, `replay` of the tape's records
and `resume` continue from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from onetape.accounts.entries import MAIN, TRANSFER_REPORTED, Cause, Entry, Leg, Outside
from onetape.accounts.ledger import Ledger
from onetape.accounts.slots import Refused
from onetape.accounts.transfer_words import (
    AskHistory,
    Effect,
    Found,
    Outcome,
    Place,
    Record,
    Send,
    State,
    Tell,
    Transfer,
)
from onetape.model.back_off import back_off
from onetape.model.errors import DuplicateCommand, InvalidAccount, InvalidAmount
from onetape.model.money import money
from onetape.model.time import SECOND
from onetape.orders.managed import HealthOut
from onetape.orders.reports import OUTSIDE, TransferReport, TransferState

__all__ = [
    "DEADLINE",
    "SETTLED_AFTER",
    "AskHistory",
    "Effect",
    "Found",
    "Outcome",
    "Place",
    "Record",
    "Send",
    "State",
    "Tell",
    "Transfer",
    "Transfers",
]

DEADLINE: Final = 120 * SECOND
ANSWER_WITHIN: Final = 10 * SECOND
RETRY_FIRST: Final = SECOND  # doubled each time
RETRY_MOST: Final = 15 * SECOND
ASK_FIRST: Final = SECOND  # doubled each time
ASK_EVERY: Final = 5 * SECOND
CLOCKS: Final = 2 * SECOND  # largest difference between the venue's clock and ours, with a margin
# A history may lag, and a request may be under way: venues refuse one older than its window (60 s at most at Binance,
# read 2026-11). A transfer absent in two looks after that was not carried out.
SETTLED_AFTER: Final = 65 * SECOND
LOOKS: Final = 2
# A withdrawal waits for people and for chains.
OUTSIDE_EVERY: Final = 30 * SECOND
ARRIVES_WITHIN: Final = 3600 * SECOND  # else its delay is reported
UNNAMED: Final = "c-"  # prefix of names that we assigned
FINISHED_KEPT: Final = 1000  # older ones are remembered by their entries


# Returns why an amount cannot leave a wallet: (currency, wallet, slot, amount).
Refusal = Callable[[str, str, int, int], Refused | None]


class Transfers:
    """Carries out the transfers that begin at one account. refusal: returns why an amount cannot leave; is_stopped:
    nothing may be sent now; sent ones are followed to their end."""

    def __init__(
        self,
        ledger: Ledger,
        venue: str,
        account: str,
        refusal: Refusal,
        *,
        settled_after: int = SETTLED_AFTER,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._is_stopped = is_stopped
        self._ledger = ledger
        self._own = (venue, account)
        self._refusal = refusal
        self._settled_after = settled_after
        self._all: dict[str, Transfer] = {}

    def get(self, name: str) -> Transfer | None:
        return self._all.get(name)

    @property
    def all(self) -> list[Transfer]:
        """Returns all kept transfers, in the order of their requests."""
        return list(self._all.values())

    @property
    def unfinished(self) -> list[Transfer]:
        return [each for each in self._all.values() if not each.is_finished]

    # --- inputs -----------------------------------------------------------------------------------

    def existing(
        self, source: Place, target: Place, currency: str, amount: int, *, name: str, slot: int = MAIN
    ) -> Transfer | Refused | None:
        """Returns the transfer that an equal request made before; None: there is none."""
        one = self._all.get(name)
        terms = (source, target, currency, amount, slot)
        if one is not None:
            if terms == (one.source, one.target, one.currency, one.amount, one.slot):
                return one
            words = f"transfer {one.name} moves {money(one.amount)} {one.currency}"
            return Refused(DuplicateCommand, f"{words} from {one.source} to {one.target}")
        if self._ledger.has(Cause.TRANSFER, name) or "/" in name:
            return Refused(DuplicateCommand, f"{name!r} is used already, or has a slash")
        if self._ledger.has(Cause.COMMAND, TRANSFER_REPORTED + name):
            return Refused(DuplicateCommand, f"an adjust has booked transfer {name} already")
        if amount <= 0:
            return Refused(InvalidAmount, f"an amount is above 0, not {money(amount)} {currency}")
        if source[:2] != self._own or source == target:
            return Refused(InvalidAccount, f"no transfer from {source} to {target} begins here")
        return self._refusal(currency, source.wallet, slot, amount)

    def ask(
        self,
        source: Place,
        target: Place,
        currency: str,
        amount: int,
        now: int,
        *,
        name: str,
        slot: int = MAIN,
        deadline: int = DEADLINE,
    ) -> list[Effect] | Refused:
        """Begins a transfer, or returns why it is refused.

        name: its id. Repeating an id has no further effect.
        slot: the owner of the money in the trading wallet.
        deadline: ns from now.
        """
        existing = self.existing(source, target, currency, amount, name=name, slot=slot)
        if isinstance(existing, Refused):
            return existing
        if existing is not None:
            return []
        if deadline <= 0:
            return Refused(InvalidAmount, f"a deadline of {deadline} ns has passed already")
        one = Transfer(name, source, target, currency, amount, now, now + deadline, slot)
        self._keep(one)
        return [self._record(one), *self._send(one, now)]

    def answered(
        self, name: str, outcome: Outcome, now: int, reason: str = "", *, venue_id: str = "", wait: int = 0
    ) -> list[Effect]:
        """Handles the venue's answer to a sent transfer. wait: shortest time before a retry."""
        one = self._all.get(name)
        if one is None or one.state is State.DONE:
            return []
        one.reason = reason
        one.venue_id = venue_id or one.venue_id
        if outcome is Outcome.DONE:
            return self._done(one, now)
        if outcome is Outcome.ACCEPTED:
            return self._accepted(one, now)
        if one.state not in (State.SENT, State.UNKNOWN):
            return []
        match outcome:
            case Outcome.REFUSED:
                return self._end(one, State.FAILED, now)
            case Outcome.BUSY:
                return self._retry(one, now, wait)
            case Outcome.LOST:
                return self._unknown(one, now)

    def looked(self, name: str, rows: Iterable[TransferReport], now: int, *, as_of: int) -> list[Effect]:
        """Handles the complete history since the request was sent. as_of: when it was queried."""
        one = self._all.get(name)
        if one is None or one.state not in _QUERIED:
            return []
        row = self._row_of(one, rows)
        if row is None:
            return self.history(name, Found.ABSENT, now, as_of=as_of)
        is_identified = bool(one.venue_id or row.name)
        if not is_identified and any(self._may_be_of(other, one, row) for other in self._all.values()):
            one.absent = 0
            return []
        if row.state is not TransferState.UNDERWAY or one.is_outside:
            one.venue_id, one.txid = row.venue_id, row.txid
            one.fee = min(max(row.fee, 0), one.amount)
        return self.history(name, _FOUND[row.state], now, as_of=as_of)

    def _row_of(self, one: Transfer, rows: Iterable[TransferReport]) -> TransferReport | None:
        """Finds the row of a transfer: by the venue's id if reported, else by ours, else by its contents."""
        rows = list(rows)
        if one.venue_id:
            own = [row for row in rows if row.venue_id == one.venue_id]
        else:
            taken = {each.venue_id for each in self._all.values() if each is not one}
            own = [row for row in rows if row.name == one.name] or [
                row for row in rows if row.venue_id not in taken and self._is_like(one, row)
            ]
        return min(own, key=lambda each: (each.time, each.venue_id), default=None)

    def _is_like(self, one: Transfer, row: TransferReport) -> bool:
        target = OUTSIDE if one.is_outside else one.target.wallet
        first, last = self._since(one), self._seen_by(one)
        return (
            not row.name
            and (row.source, row.target, row.currency) == (one.source.wallet, target, one.currency)
            # With or without its fee: a transfer wrongly taken for absent would be sent again.
            and one.amount in (row.amount, row.amount - row.fee)
            and first <= row.time <= last
        )

    def _may_be_of(self, other: Transfer, one: Transfer, row: TransferReport) -> bool:
        """Tells whether the row may belong to an older identical transfer that is unknown, too."""
        return (
            other.state in (State.SENT, State.UNKNOWN)
            and (other.first_sent, other.name) < (one.first_sent, one.name)
            and (other.source, other.currency, other.amount) == (one.source, one.currency, one.amount)
            and (other.target == one.target or (other.is_outside and one.is_outside))
            and row.time <= self._seen_by(other)
        )

    @staticmethod
    def _since(one: Transfer) -> int:
        """Returns the earliest time that the transfer's row in the history can have."""
        return one.first_sent - CLOCKS - one.steps

    def _seen_by(self, one: Transfer) -> int:
        """Returns the latest time that the transfer's row in the history can have."""
        return one.sent + self._settled_after + CLOCKS + one.steps

    def history(self, name: str, found: Found, now: int, *, as_of: int) -> list[Effect]:
        """Handles a transfer's state in the history. as_of: when it was queried."""
        one = self._all.get(name)
        if one is None or one.state not in _QUERIED:
            return []
        match found:
            case Found.DONE:
                return self._done(one, now)
            case Found.FAILED:
                return self._end(one, State.FAILED, now)
            case Found.UNDERWAY:
                one.absent = 0
                if one.is_outside and one.state is State.UNKNOWN:
                    return self._accepted(one, now)
            case Found.ABSENT:
                # An accepted transfer is not retried, even if the history lacks it.
                if one.state is State.UNKNOWN and as_of >= one.sent + self._settled_after:
                    one.absent += 1
                    if one.absent >= LOOKS:
                        return self._retry(one, now)
        return []

    def acknowledged(self, name: str, now: int, *, arrived: int | None = None) -> list[Effect]:
        """Completes a transfer whose target gateway has booked its half. arrived: the amount, if it may be less than
        was sent."""
        one = self._all.get(name)
        if one is None or one.is_finished or one.state is not State.DONE:
            return []
        one.is_acknowledged = True
        left = one.amount - one.fee
        arrived = left if arrived is None else arrived
        legs = [Leg(Outside.TRANSIT, one.currency, -left), Leg(Outside.WORLD, one.currency, arrived)]
        if left != arrived:
            legs.append(Leg(Outside.FEES, one.currency, left - arrived))
        return [Entry(now, Cause.TRANSFER, tuple(legs), f"{one.name}/out"), self._record(one)]

    def tick(self, now: int) -> list[Effect]:
        """Does what is due by time: sends, queries, gives up."""
        effects: list[Effect] = []
        for one in self.unfinished:
            if now < one.due:
                continue
            match one.state:
                case State.PENDING:
                    effects += self._send(one, now)
                case State.SENT:
                    effects += self._unknown(one, now)
                case State.UNKNOWN | State.ACCEPTED:
                    effects += self._look(one, now)
                case _:
                    effects += self._tell(one, now)
        return effects

    def restate(self, step: int) -> list[Effect]:
        """Shifts due times because the clock was set by `step`, ns."""
        for one in self.unfinished:
            one.deadline += step
            one.due += step
            if one.first_sent:
                one.first_sent += step
                one.sent += step
                one.steps += abs(step)
        return [self._record(one) for one in self.unfinished]

    # --- after a restart --------------------------------------------------------------------------

    def replay(self, fields: dict[str, Any]) -> None:
        """Restores a record of the tape; to be called in its order."""
        one = Transfer(
            fields["id"],
            Place(*fields["source"]),
            Place(*fields["target"]),
            fields["currency"],
            int(fields["amount"]),
            fields["asked"],
            fields["deadline"],
            fields["slot"],
            State(fields["state"]),
            fields["reason"],
            fields["first_sent"],
            fields["sent"],
            fields["tries"],
            is_acknowledged=fields["is_told"],
            venue_id=fields["venue_id"],
            txid=fields.get("txid", ""),  # absent on tapes from before withdrawals
            fee=int(fields.get("fee", 0)),
            steps=fields.get("steps", 0),  # absent on older tapes
        )
        self._all.pop(one.name, None)
        self._keep(one)

    def resume(self, now: int) -> list[Effect]:
        """Continues after all records and entries of the tape have been read."""
        effects: list[Effect] = []
        for one in list(self._all.values()):
            if one.state is State.DONE:
                continue
            # A booked entry was decided, even if its record is missing.
            if any(self._has(one, half) for half in ("/in", "/out", "/again")):
                effects += self._done(one, now)
            elif one.state.is_final:
                continue
            elif self._has(one, "/back"):
                effects += self._end(one, State.FAILED, now)
            elif one.state is State.SENT:
                effects += self._unknown(one, now)
        return effects + self.tick(now)

    # --- steps ------------------------------------------------------------------------------------

    def _send(self, one: Transfer, now: int) -> list[Effect]:
        if now >= one.deadline:
            return self._end(one, State.EXPIRED, now)
        if self._is_stopped():
            one.due = now + RETRY_FIRST
            return []
        leaves = self._entry(one, one.requested_at, "", -one.amount)
        one.state, one.sent, one.due = State.SENT, now, now + ANSWER_WITHIN
        one.first_sent = one.first_sent or now
        one.tries += 1
        one.looks = one.absent = 0
        send = Send(one.name, one.source, one.target, one.currency, one.amount)
        return [leaves, self._record(one), send]

    def _retry(self, one: Transfer, now: int, wait: int = 0) -> list[Effect]:
        """Schedules a retry of a transfer proven not to have happened, or ends it at its deadline."""
        wait = max(back_off(RETRY_FIRST, one.tries, RETRY_MOST), wait)
        if now + wait >= one.deadline:
            return self._end(one, State.EXPIRED, now)
        one.state, one.due = State.PENDING, now + wait
        return [self._record(one)]

    def _unknown(self, one: Transfer, now: int) -> list[Effect]:
        one.state = State.UNKNOWN
        return [self._record(one), *self._look(one, now)]

    def _accepted(self, one: Transfer, now: int) -> list[Effect]:
        """Handles a transfer that the venue has accepted and will carry out or fail."""
        if one.state.is_final:
            words = "has been accepted by the venue after all: look at its history"
            return [HealthOut("transfer", one.name, words, "critical")]
        if one.state is State.ACCEPTED:
            return []
        one.state, one.looks, one.is_late = State.ACCEPTED, 0, False
        one.due = now + self._pause(one)
        return [self._record(one)]

    def _pause(self, one: Transfer) -> int:
        """Returns the wait before the next query for its outcome; doubled each time."""
        most = ASK_EVERY if one.state is State.UNKNOWN else OUTSIDE_EVERY
        doubled: int = ASK_FIRST * 2 ** min(one.looks, 8)
        return min(doubled, most, self._settled_after)

    def _look(self, one: Transfer, now: int) -> list[Effect]:
        one.due = now + self._pause(one)
        one.looks += 1
        since = self._since(one)
        query = AskHistory(one.name, one.source, one.target, one.currency, since)
        return [query, *self._say_late(one, now)]

    def _say_late(self, one: Transfer, now: int) -> list[Effect]:
        is_unknown = one.state is State.UNKNOWN
        late = one.deadline if is_unknown else one.first_sent + ARRIVES_WITHIN
        if one.is_late or now < late:
            return []
        one.is_late = True
        what = f"{money(one.amount)} {one.currency} to {one.target}"
        if is_unknown:
            words = f"{what}: its outcome is not known"
            return [HealthOut("transfer", one.name, words, "critical")]
        return [HealthOut("transfer", one.name, f"{what}: has not arrived", "warning")]

    def _done(self, one: Transfer, now: int) -> list[Effect]:
        effects: list[Effect] = []
        if one.state in (State.FAILED, State.EXPIRED):
            # The venue reported a failure before, and now that it was carried out.
            effects.append(self._entry(one, now, "/again", -one.amount))
            words = "has been carried out after all"
            effects.append(HealthOut("transfer", one.name, words, "critical"))
        if one.is_inside:
            effects.append(self._entry(one, now, "/in", one.amount))
        elif one.fee:
            legs = (Leg(Outside.TRANSIT, one.currency, -one.fee), Leg(Outside.FEES, one.currency, one.fee))
            effects.append(Entry(now, Cause.FEE, legs, f"{one.name}/fee"))
        if one.is_late:
            effects.append(HealthOut("transfer", one.name, "done"))
        one.state, one.looks = State.DONE, 0
        effects.append(self._record(one))
        return effects if one.is_inside else effects + self._tell(one, now)

    def _end(self, one: Transfer, state: State, now: int) -> list[Effect]:
        """Ends a transfer that has not happened, and returns its money."""
        effects: list[Effect] = []
        if self._has(one, ""):
            effects.append(self._entry(one, now, "/back", one.amount))
        one.state = state
        words = f"{state}: {one.reason}".rstrip(": ")
        return [*effects, self._record(one), HealthOut("transfer", one.name, words, "warning")]

    def _tell(self, one: Transfer, now: int) -> list[Effect]:
        one.due = now + (self._pause(one) if one.is_outside else ASK_EVERY)
        one.looks += 1
        arrives, since = one.amount - one.fee, self._since(one)
        tell = Tell(one.name, one.target, one.currency, arrives, one.txid, since)
        return [tell, *(self._say_late(one, now) if one.is_outside else ())]

    def _has(self, one: Transfer, half: str) -> bool:
        return self._ledger.has(Cause.TRANSFER, one.name + half)

    def _entry(self, one: Transfer, time: int, half: str, amount: int) -> Entry:
        """Makes the entry of a half: the pool's leg first, then transit. `/in` is the target's half. A sub-account's
        money goes through the pool, so that the first leg matches other reports of the transfer."""
        wallet = one.target.wallet if half == "/in" else one.source.wallet
        legs: tuple[Leg, ...] = (Leg(MAIN, one.currency, amount, wallet), Leg(Outside.TRANSIT, one.currency, -amount))
        if one.slot != MAIN and not wallet:
            legs += (Leg(one.slot, one.currency, amount), Leg(MAIN, one.currency, -amount))
        return Entry(time, Cause.TRANSFER, legs, one.name + half, 0, f"{one.source} to {one.target}")

    def _record(self, one: Transfer) -> Record:
        return Record(
            {
                "id": one.name,
                "state": str(one.state),
                "source": list(one.source),
                "target": list(one.target),
                "currency": one.currency,
                "amount": str(one.amount),
                "asked": one.requested_at,
                "deadline": one.deadline,
                "slot": one.slot,
                "reason": one.reason,
                "first_sent": one.first_sent,
                "sent": one.sent,
                "steps": one.steps,
                "tries": one.tries,
                "is_told": one.is_acknowledged,
                "venue_id": one.venue_id,
                "txid": one.txid,
                "fee": str(one.fee),
            }
        )

    def alike(self, source: Place, target: Place, currency: str, slot: int) -> Transfer | None:
        """Returns the unfinished unnamed transfer with the same places, currency and sub-account."""
        key = (source, target, currency, slot)
        for one in self._all.values():
            is_named = not one.name.startswith(UNNAMED)
            if not (is_named or one.state.is_final) and (one.source, one.target, one.currency, one.slot) == key:
                return one
        return None

    def _keep(self, one: Transfer) -> None:
        self._all[one.name] = one
        if len(self._all) > FINISHED_KEPT:
            for name, each in self._all.items():
                if each.is_finished:
                    del self._all[name]
                    break


_QUERIED: Final = (State.UNKNOWN, State.ACCEPTED)
_FOUND: Final = {
    TransferState.DONE: Found.DONE,
    TransferState.FAILED: Found.FAILED,
    TransferState.UNDERWAY: Found.UNDERWAY,
}
