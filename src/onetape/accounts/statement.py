"""The venue's balance reports: when one is believed, and the correction of differences.

A statement is compared as of its own time. A difference is checked again, after the fills and balance changes of the
time between have been read; one that remains is corrected by one entry, against the pool. If pool and credit would fall
below zero, the allocations are void: the currency is reset to the venue's balance, and the owners' orders stop until
they allocate again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from onetape.accounts.entries import MAIN, Cause, Entry, Leg, Outside
from onetape.accounts.slots import SubAccounts
from onetape.accounts.unexplained import LATE, WINDOW, Unexplained
from onetape.model.money import money
from onetape.model.time import SECOND
from onetape.orders.managed import HealthOut
from onetape.orders.reports import BalanceReport

__all__ = ["Effect", "OwnersStopped", "Recheck", "Statements"]

LOOKS_MAX: Final = (
    5  # at a changing difference; then the next regular check follows, if all
    # allocated money is there
)
MANY: Final = 5  # corrections within MANY_WITHIN are an alert
MANY_WITHIN: Final = 3600 * SECOND


_REPORTED: Final = frozenset((Cause.COMMAND, Cause.CORRECTION, Cause.RESET, Cause.OPENING))

# Bound once: a lookup of a member at its class costs as much as a call.
_COMMAND: Final = Cause.COMMAND
_OPENING: Final = Cause.OPENING
_RESET: Final = Cause.RESET


class Recheck(NamedTuple):
    """Requests to read fills and balance changes since `since`, and then the balance."""

    currency: str
    since: int
    difference: int  # the venue's less ours


class OwnersStopped(NamedTuple):
    """Stops the owners of these slots: their orders are cancelled, and new ones refused, until they allocate again."""

    currency: str
    slots: tuple[int, ...]


Effect = Entry | Recheck | OwnersStopped | HealthOut


class _FirstLook(NamedTuple):
    """The first observed difference, its time, and our total of that time then, which late entries change."""

    difference: int
    time: int
    ours: int


@dataclass(slots=True)
class _Currency:
    newest: int = -(2**63)  # venue's time of the newest report
    agreed: int = 0  # of the newest report that agreed or was corrected to, 0: none
    late: int = 0  # changes of before that which were booked after it
    pending: _FirstLook | None = None
    is_prompted: bool = False  # a stream's report has requested a check
    looks: int = 0
    is_unbacked: bool = False  # missing backing was reported
    is_alarmed: bool = False  # a continuing problem was reported


class Statements:
    """Compares balances that the venue reports with the ledger of one account.

    slack: returns the venue's rounding of one change of a currency, units of 1e-18.
    Returned entries are not booked yet: the caller books them like all others.
    """

    def __init__(
        self,
        accounts: SubAccounts,
        unexplained: Unexplained,
        slack: Callable[[str], int] = lambda currency: 0,
        *,
        many: int = MANY,
        many_within: int = MANY_WITHIN,
    ) -> None:
        self._accounts = accounts
        self._ledger = accounts.ledger
        self.unexplained = unexplained
        self._slack = slack
        self._many = many
        self._many_within = many_within
        self._currencies: dict[str, _Currency] = {}
        self._corrections: deque[int] = deque(maxlen=many)
        self.stopped: dict[str, set[int]] = {}  # slots by currency: see `is_stopped`
        self.stale = 0  # reports that were too old to compare
        self.corrections = 0

    def _of(self, currency: str) -> _Currency:
        return self._currencies.setdefault(currency, _Currency())

    def is_stopped(self, currency: str, slot: int) -> bool:
        """Tells whether a sub-account lost its allocation in a reset and has got none since."""
        return slot in self.stopped.get(currency, ())

    def posted(self, entry: Entry) -> None:
        """Notes an entry that was booked; to be called for all, in the order of the tape."""
        self.unexplained.posted(entry)
        cause = entry.cause
        if cause in LATE:
            for currency in dict.fromkeys(leg.currency for leg in entry.legs if not leg.wallet):
                state = self._of(currency)
                state.late += 0 < state.agreed >= entry.time
        if cause not in _REPORTED:
            return
        for holder, currency, amount, wallet in entry.legs:
            if wallet:
                continue
            # A total set by an operator, which has a command's id, is not the venue's.
            if cause is _OPENING or (cause is not _COMMAND and not entry.reference):
                state = self._of(currency)
                self._agreed(state, max(state.agreed, entry.time))
            if holder > MAIN and cause is _RESET:
                self.stopped.setdefault(currency, set()).add(holder)
            elif holder > MAIN and amount > 0 and cause is _COMMAND:
                self.stopped.get(currency, set()).discard(holder)

    def on_balance(self, report: BalanceReport, now: int, *, is_queried: bool = True, of: int = 0) -> list[Effect]:
        """Compares a balance as of its time by the venue's clock. is_queried: by a check, after the fills until then
        were read; else the stream's, which can only agree or request a check. of: its frame."""
        currency, total = report.currency, report.total
        state = self._of(currency)
        time = report.time
        ours = self._ledger.as_of(currency, time)
        if time < state.newest or ours is None:
            self.stale += 1
            return []
        state.newest = time
        # The venue rounds each change separately.
        changes = self._ledger.changes(currency, state.agreed) + state.late
        slack = self._slack(currency) * (changes + 1)
        if abs(total - ours) > slack:
            time, ours = self._moment(report, slack) or (time, ours)
        compared = self.unexplained.compare(currency, ours=ours, theirs=total, time=time, now=now, slack=slack)
        difference = compared.difference
        if compared.is_settled or self.unexplained.is_rounding_back(currency, difference, slack):
            self._settled(state, time)
            short = self._backing(currency, 0, time, of, rounding=difference)
            if difference:
                short = [_rounding(currency, difference, time, of), *short]
            return [*short, *self._calmed(currency, state)]
        # Unread changes that cancel agree: to read only the last of them would make a difference for ever.
        recheck = Recheck(currency, max(min(state.agreed, time - WINDOW), 0), difference)
        if not is_queried:
            if state.pending is None and not state.is_prompted:
                state.is_prompted = True
                return [recheck]
            return []
        state.is_prompted = False
        before = self._first_difference(currency, state.pending)
        if before is not None and abs(before - difference) <= slack:
            self._settled(state, time)
            return self._correct(currency, difference, time, now, of, slack)
        state.pending = _FirstLook(difference, time, ours)
        state.looks += 1
        if state.looks > LOOKS_MAX:
            state.pending, state.looks, state.is_alarmed = None, 0, True
            said = HealthOut("balance", currency, "keeps changing: it is not compared", "warning")
            if self._accounts.free(currency, MAIN) >= 0:
                return [said]
            # By our own books the allocated money is not there: nobody may trade on it.
            return [said, recheck]
        return [recheck]

    def _first_difference(self, currency: str, look: _FirstLook | None) -> int | None:
        """Returns the first look's difference, updated by entries of its time booked since; None: there was no look."""
        if look is None or (ours := self._ledger.as_of(currency, look.time)) is None:
            return None
        return look.difference - (ours - look.ours)

    def _moment(self, report: BalanceReport, slack: int) -> tuple[int, int] | None:
        """Returns (time, our total) of a moment in the report's span at which the balance was right, because the span's
        changes may or may not be in it. None: at no moment."""
        start = report.as_of_from
        ours = self._ledger.as_of(report.currency, start)
        if ours is None:
            return None
        moments = [(start, ours)]
        for time, moved in self._ledger.within(report.currency, start, report.as_of_to):
            ours += moved
            moments.append((time, ours))
        return next((each for each in moments if abs(report.total - each[1]) <= slack), None)

    def _settled(self, state: _Currency, time: int) -> None:
        self._agreed(state, time)
        state.pending, state.is_prompted, state.looks = None, False, 0

    def _agreed(self, state: _Currency, time: int) -> None:
        state.agreed, state.late = time, 0
        self.unexplained.compared_last = max(self.unexplained.compared_last, time)

    def _calmed(self, currency: str, state: _Currency) -> list[Effect]:
        """Reports the end of a problem: the balance agrees with the venue's again, and all allocations are backed."""
        if not state.is_alarmed or state.is_unbacked:
            return []
        state.is_alarmed = False
        return [HealthOut("balance", currency, "agrees")]

    def _correct(self, currency: str, difference: int, time: int, now: int, of: int, slack: int) -> list[Effect]:
        """Corrects a difference. If it reverses an earlier error (an operator's `set`), the rest is booked as the
        venue's rounding, because nothing would ever explain it."""
        rounding = self.unexplained.rest_of(currency, difference, slack)
        difference -= rounding
        rounded = [_rounding(currency, rounding, time, of)] if rounding else []
        self.corrections += 1
        words = f"corrected by {money(difference)}"
        effects: list[Effect] = [HealthOut("balance", currency, words, "warning")]
        self._corrections.append(now)
        kept = self._corrections
        if len(kept) == self._many and now - kept[0] <= self._many_within:
            words = f"corrected {self._many} times within {self._many_within // SECOND} s"
            effects.append(HealthOut("balance", currency, words, "critical"))
            kept.clear()
        short = self._backing(currency, difference, time, of, rounding=rounding)
        if any(isinstance(each, Entry) for each in short):
            return [*rounded, *short, *effects]
        legs = (Leg(MAIN, currency, difference), Leg(Outside.UNEXPLAINED, currency, -difference))
        entry = Entry(time, Cause.CORRECTION, legs, "", of, "the venue's balance")
        return [*rounded, entry, *effects, *short]

    def _backing(self, currency: str, difference: int, time: int, of: int, *, rounding: int = 0) -> list[Effect]:
        """Resets a currency whose pool and credit are below zero, including the difference about to be corrected, which
        a reset absorbs, and the venue's rounding, which is booked beside it."""
        state = self._of(currency)
        if self._accounts.free(currency, MAIN) + difference + rounding >= 0:
            state.is_unbacked = False
            return []
        total = self._ledger.total(currency) + difference
        entry = self._accounts.reset(currency, total, now=time, note="the venue's balance")
        slots = tuple(sorted({leg.holder for leg in entry.legs if leg.holder > MAIN}))
        if slots:
            words = f"reset to {money(total + rounding)}: the pool and its credit were below zero"
            return [
                entry._replace(of=of),
                OwnersStopped(currency, slots),
                HealthOut("balance", currency, words, "critical"),
            ]
        if state.is_unbacked:
            return []
        state.is_unbacked = state.is_alarmed = True
        return [HealthOut("balance", currency, "the pool and its credit are below zero", "critical")]

    # --- checkpoints ------------------------------------------------------------------------------

    def to_record(self) -> dict[str, Any]:
        """Returns the state that entries have shown; a start queries balances anyway."""
        return {
            "unexplained": self.unexplained.to_record(),
            "stopped": {name: sorted(slots) for name, slots in self.stopped.items() if slots},
            "agreed": {name: of.agreed for name, of in self._currencies.items() if of.agreed},
            "late": {name: of.late for name, of in self._currencies.items() if of.late},
        }

    def restore(self, record: dict[str, Any]) -> None:
        self.unexplained.restore(record["unexplained"])
        self.stopped = {name: set(slots) for name, slots in record["stopped"].items()}
        for name, agreed in record["agreed"].items():
            self._agreed(self._of(name), agreed)
        for name, late in record.get("late", {}).items():  # which older checkpoints lack
            self._of(name).late = late


def _rounding(currency: str, difference: int, time: int, of: int) -> Entry:
    """Returns the entry of the venue's rounding of fills and fees, against the market, because we do not round."""
    legs = (Leg(MAIN, currency, difference), Leg(Outside.MARKET, currency, -difference))
    return Entry(time, Cause.CORRECTION, legs, "", of, "rounding")
