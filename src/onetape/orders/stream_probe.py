"""Whether the account's stream still tells what happens. A pure core beside the order manager.

A stream whose connection answers pings may tell nothing, and nothing is also what a quiet account
has to say. So the venue is asked, by its cheapest query: what it holds, where it has positions,
else its balances. Where that differs from what was told last and what was told has stood still
until the next look, the stream does not tell. A difference that a reconciliation has left is none:
the venue's own words are compared with each other.

It is believed again once a new connection is there, all has been reconciled and the stream has told
something, or half a minute has gone by in which it had nothing to tell. One that was believed for that
and falls silent again without a word between has to wait twice as long.
Times are ns of attended time, those of calls the venue's.
"""

from __future__ import annotations

from typing import Final

from onetape.model.enums import PositionSide
from onetape.model.time import SECOND
from onetape.orders.calls import Call
from onetape.orders.manager import OrderManager
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import BalanceReport, PositionReport

__all__ = ["StreamProbe"]

GRACE: Final = 3 * SECOND // 2  # the stream may tell later than the answer
ANSWER_WITHIN: Final = 10 * SECOND  # a probe that nobody answers is sent anew
EVERY_MAX: Final = 60 * SECOND  # where the venue says that it is asked too often
PROBATION: Final = 30 * SECOND
PROBATION_MAX: Final = 300 * SECOND

Key = tuple[str, PositionSide | None]  # a symbol's position, or a currency


class StreamProbe:
    """Asks the venue whether a silent stream reports what happens.

    every: how often it is asked while the stream says nothing, ns; 0: never.
    """

    def __init__(self, manager: OrderManager, every: int) -> None:
        self.is_silent = False
        self.sent = 0
        self.found = 0  # silences, also of a connection that was not believed yet: each needs a new one
        self._manager = manager
        self._least = self._every = every
        self._is_up = False
        self._is_reconciled = False  # since the connection came
        self._has_reported = True  # since it fell silent
        self._heard = 0
        self._due = 0
        self._call: Call | None = None
        self._called = 0
        self._suspects: dict[Key, tuple[int, int]] = {}  # what was told, and since when it differs
        self._probation = PROBATION
        self._believed_at = 0

    # --- the stream -------------------------------------------------------------------------------

    def came(self, now: int) -> None:
        """Notes that a connection of the stream has been opened."""
        self._is_up, self._is_reconciled = True, False
        self._forget(now)

    def went(self) -> None:
        self._is_up = False

    def heard(self, now: int) -> None:
        """Notes that the stream reported something of the account."""
        self._heard = now
        self._has_reported = True
        self._probation = PROBATION

    def reconciled(self, now: int) -> None:
        """Notes that a reconciliation has ended: our books are the venue's."""
        if self._is_up and not self._is_reconciled:
            self._is_reconciled = True
            self._believed_at = now + self._probation
            self._forget(now)

    # --- time -------------------------------------------------------------------------------------

    def tick(self, now: int, venue_now: int) -> None:
        """Asks what is due, and believes a stream again."""
        if self.is_silent and self._is_up and self._is_reconciled:
            self.is_silent = not self._has_reported and now < self._believed_at
        if not self._every or not self._is_up or not self._is_reconciled:
            return
        if self._call is not None:
            if now - self._called < ANSWER_WITHIN:
                return
            self._call = None
        due = self._due if self._suspects else max(self._due, self._heard + self._every)
        if now < due:
            return
        venue = self._manager.venue
        ask = venue.positions if venue.traits.positions else venue.balances
        self._call, self._called = ask(venue_now), now
        self._due = now + self._every
        self.sent += 1
        self._manager.calls.append(self._call)

    def answered(self, call: Call, answer: Answer, now: int) -> bool:
        """Takes in the answer to a probe.

        False: the call is not a probe. From here on `is_silent` says what follows.
        """
        if call is not self._call:
            return False
        self._call = None
        if answer.outcome is not Outcome.DONE:
            # Nothing is learned. A venue that is asked too often is asked less often.
            if answer.outcome is Outcome.SAFE:
                self._every = min(2 * self._every, EVERY_MAX)
            self._due = now + max(self._every, answer.retry_after)
            return True
        self._every = max(self._least, self._every * 9 // 10)
        self._compare(answer, now)
        return True

    def _compare(self, answer: Answer, now: int) -> None:
        before, self._suspects = self._suspects, {}
        for key, ours in self._differing(answer):
            last, since = before.get(key, (ours, now))
            if last != ours:
                since = now  # it was told something meanwhile
            if now - since >= GRACE:
                self._fell_silent()
                return
            self._suspects[key] = (ours, since)
        if self._suspects:
            self._due = now + GRACE

    def _differing(self, answer: Answer) -> list[tuple[Key, int]]:
        """Returns what the venue's list says otherwise than its stream did, with both."""
        venue, books = self._manager.venue, self._manager.books
        ours: dict[Key, tuple[int, int]] = {}  # amount, time
        listed: dict[Key, tuple[int, int]] = {}
        if venue.traits.positions:
            ours |= {(of, side): last for (of, side), last in books.venue_positions.items()}
            listed |= dict.fromkeys(ours, (0, 0))  # what is not listed is flat
        else:
            ours |= {(name, None): (b.total, b.time) for name, b in books.balances.items()}
        for each in answer.reports:
            if isinstance(each, PositionReport):
                listed[each.symbol, each.side] = (each.qty, each.time)
            elif isinstance(each, BalanceReport):  # a list does not say its own time
                listed[each.currency, None] = (each.total, 0)
        found = []
        for key, (amount, time) in listed.items():
            last, last_at = ours.get(key, (0, 0))
            slack = 0 if venue.traits.positions else venue.slack(key[0])
            is_older = 0 < time < last_at  # a list may lag behind the stream, too
            if abs(amount - last) > slack and not is_older:
                found.append((key, last))
        return found

    def _fell_silent(self) -> None:
        self.found += 1
        if not self._has_reported and not self.is_silent:  # it was believed too early
            self._probation = min(2 * self._probation, PROBATION_MAX)
        self.is_silent = True
        self._has_reported = self._is_up = False
        self._suspects = {}

    def _forget(self, now: int) -> None:
        """Drops the earlier answers from comparison."""
        self._call = None
        self._suspects = {}
        self._due = now + self._every
