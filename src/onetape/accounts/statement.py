"""The venue's word about balances: when it is believed, and what is done where it differs.

A statement is compared as of its own time. A difference is looked at again, after the fills and
moves of the time between have been read; what is still the same is corrected by one entry, which
the pool takes up. Where pool and credit would fall below zero, the allocations are worth nothing:
the currency is reset to the venue's balance, and the owners' orders stop until they allocate again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from onetape.accounts.entries import MAIN, Cause, Entry, Leg, Outside
from onetape.accounts.slots import SubAccounts
from onetape.accounts.unexplained import Unexplained
from onetape.model.money import money
from onetape.model.time import SECOND
from onetape.orders.managed import HealthOut
from onetape.orders.reports import BalanceReport

__all__ = ["Effect", "OwnersStopped", "Recheck", "Statements"]

LOOKS_MAX: Final = (
    5  # at a difference that does not hold still; then the next regular check is next, where all
    # that was allocated is there
)
MANY: Final = 5  # corrections within MANY_WITHIN are an alert
MANY_WITHIN: Final = 3600 * SECOND


_REPORTED: Final = frozenset((Cause.COMMAND, Cause.CORRECTION, Cause.RESET, Cause.OPENING))

# Named once: a member looked up at its class costs as much as a call.
_COMMAND: Final = Cause.COMMAND
_OPENING: Final = Cause.OPENING
_RESET: Final = Cause.RESET


class Recheck(NamedTuple):
    """Asks to read fills and moves since `since` (0: since the last check), and then to ask for the balance."""

    currency: str
    since: int
    difference: int  # the venue's less ours


class OwnersStopped(NamedTuple):
    """Stops the owners of these slots: their orders are cancelled, and none is taken, until they allocate again."""

    currency: str
    slots: tuple[int, ...]


Effect = Entry | Recheck | OwnersStopped | HealthOut


class _FirstLook(NamedTuple):
    """What a balance differed by, as of when, and what our total of then was: entries that come late change that."""

    difference: int
    time: int
    ours: int


@dataclass(slots=True)
class _Currency:
    newest: int = -(2**63)  # venue's time of the newest word
    agreed: int = 0  # of the newest that was as ours, or was made ours
    pending: _FirstLook | None = None
    is_prompted: bool = False  # a look was asked for by a word that nobody had asked for
    looks: int = 0
    is_unbacked: bool = False  # and that has been said
    is_alarmed: bool = False  # something was said that goes on


class Statements:
    """Compares balances that the venue reports with the ledger of one account.

    slack: units of 1e-18 that the venue may round one change of a currency by.
    Entries among the effects are not booked yet: they go the way of all others.
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
        self.stale = 0  # words that were too old to be looked at
        self.corrections = 0

    def _of(self, currency: str) -> _Currency:
        return self._currencies.setdefault(currency, _Currency())

    def is_stopped(self, currency: str, slot: int) -> bool:
        """Its allocation was lost in a reset, and nothing has been allocated to it since."""
        return slot in self.stopped.get(currency, ())

    def opening(self, currency: str, total: int, time: int, *, of: int = 0) -> Entry | None:
        """Returns the first balance of a currency that nothing is known of; None where the books have begun."""
        if currency in self._ledger.currencies():
            return None
        legs = (Leg(MAIN, currency, total), Leg(Outside.OPENING, currency, -total))
        return Entry(time, Cause.OPENING, legs, currency, of)

    def posted(self, entry: Entry) -> None:
        """Takes in an entry that was booked; all of them, in the order of the tape."""
        self.unexplained.posted(entry)
        cause = entry.cause
        if cause not in _REPORTED:
            return
        for holder, currency, amount, wallet in entry.legs:
            if wallet:
                continue
            # An operator's word of the total, which has a command's id, is not the venue's.
            if cause is _OPENING or (cause is not _COMMAND and not entry.reference):
                state = self._of(currency)
                state.agreed = max(state.agreed, entry.time)
            if holder > MAIN and cause is _RESET:
                self.stopped.setdefault(currency, set()).add(holder)
            elif holder > MAIN and amount > 0 and cause is _COMMAND:
                self.stopped.get(currency, set()).discard(holder)

    def on_balance(self, report: BalanceReport, now: int, *, is_queried: bool = True, of: int = 0) -> list[Effect]:
        """Takes in a balance as of its time by the venue's clock. is_queried: by a check, after the fills until then
        had been read; else the stream's, which can agree, and make us look. of: its frame."""
        currency, total = report.currency, report.total
        state = self._of(currency)
        time = report.time
        ours = self._ledger.as_of(currency, time)
        if time < state.newest or ours is None:
            self.stale += 1
            return []
        state.newest = time
        # The venue rounds each change of its own.
        changes = self._ledger.changes(currency, state.agreed)
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
        if not is_queried:
            if state.pending is None and not state.is_prompted:
                state.is_prompted = True
                return [Recheck(currency, state.agreed, difference)]
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
            said = HealthOut("balance", currency, "does not hold still", "warning")
            if self._accounts.free(currency, MAIN) >= 0:
                return [said]
            # What was allocated is not there by our own books: nobody trades on that.
            return [said, Recheck(currency, state.agreed, difference)]
        return [Recheck(currency, state.agreed, difference)]

    def _first_difference(self, currency: str, look: _FirstLook | None) -> int | None:
        """Returns what the first look's balance differs by from what is known now of its time; None: nothing is."""
        if look is None or (ours := self._ledger.as_of(currency, look.time)) is None:
            return None
        return look.difference - (ours - look.ours)

    def _moment(self, report: BalanceReport, slack: int) -> tuple[int, int] | None:
        """(when, what the total was then) the venue has read this balance off, where it may have
        been any moment of a span: what happened in it may be in the balance or not. None: the
        balance was right at no moment of it."""
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
        state.agreed, state.pending, state.is_prompted = time, None, False
        state.looks = 0

    def _calmed(self, currency: str, state: _Currency) -> list[Effect]:
        """It agrees with the venue's again, and has all that is backed by it."""
        if not state.is_alarmed or state.is_unbacked:
            return []
        state.is_alarmed = False
        return [HealthOut("balance", currency, "agrees")]

    def _correct(self, currency: str, difference: int, time: int, now: int, of: int, slack: int) -> list[Effect]:
        """Where it takes back what was wrong before (an operator's `set`), the rest is what the
        venue has rounded meanwhile: nothing would ever explain that."""
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
        """With what is about to be corrected, which a reset takes up, and with what the venue has
        rounded, which is booked beside it."""
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
        """Returns what entries have shown; a start queries a statement anyway."""
        return {
            "unexplained": self.unexplained.to_record(),
            "stopped": {name: sorted(slots) for name, slots in self.stopped.items() if slots},
            "agreed": {name: of.agreed for name, of in self._currencies.items() if of.agreed},
        }

    def restore(self, record: dict[str, Any]) -> None:
        self.unexplained.restore(record["unexplained"])
        self.stopped = {name: set(slots) for name, slots in record["stopped"].items()}
        for name, agreed in record["agreed"].items():
            self._of(name).agreed = agreed


def _rounding(currency: str, difference: int, time: int, of: int) -> Entry:
    """Returns the venue rounds fills and fees, and we do not: the market's other side had it."""
    legs = (Leg(MAIN, currency, difference), Leg(Outside.MARKET, currency, -difference))
    return Entry(time, Cause.CORRECTION, legs, "", of, "rounding")
