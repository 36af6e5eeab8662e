"""Detection of an account stream that is connected but reports nothing. A pure core beside the order manager.

A stream whose connection answers pings may still report nothing, and so does a quiet account. So the venue is queried
by its cheapest query: positions if all fills change them, else balances. If the result differs from the last report and
no new report arrives before the next look, the stream is silent. A difference left by a reconciliation does not count:
only the venue's own reports are compared.

The stream is trusted again once a new connection is open, all has been reconciled and the stream has reported
something, or after half a minute in which it had nothing to report. A stream trusted on that ground that falls silent
again without a report in between has to wait twice as long. Times are ns of attended time, those of calls the venue's.
"""

from __future__ import annotations

from typing import Final

from onetape.model.enums import PositionSide
from onetape.model.time import SECOND
from onetape.orders.calls import Call
from onetape.orders.manager import OrderManager
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import BalanceReport, PositionReport, VenueReport

__all__ = ["StreamProbe"]

GRACE: Final = 3 * SECOND // 2  # the stream may report later than the answer
ANSWER_WITHIN: Final = 10 * SECOND  # an unanswered probe is sent again
EVERY_MAX: Final = 60 * SECOND  # if the venue refuses probes as too frequent
PROBATION: Final = 30 * SECOND
PROBATION_MAX: Final = 300 * SECOND

Key = tuple[str, PositionSide | None]  # a symbol's position, or a currency


class StreamProbe:
    """Queries the venue to find out whether a silent stream reports what happens.

    every: interval of probes while the stream reports nothing, ns; 0: never.
    """

    def __init__(self, manager: OrderManager, every: int) -> None:
        self.is_silent = False
        self.sent = 0
        self.found = 0  # count of silences, also of a connection not trusted yet: each needs a new connection
        self._manager = manager
        self._least = self._every = every
        self._is_up = False
        self._is_reconciled = False  # whether the account was reconciled since the connection opened
        self._has_reported = True  # whether the stream reported anything since it fell silent
        self._heard = 0
        self._due = 0
        self._call: Call | None = None
        self._called = 0
        self._ahead = 0  # the venue's time less the attended time
        self._rows: list[VenueReport] = []  # of the pages read so far
        self._suspects: dict[Key, tuple[int, int]] = {}  # the reported amount, and since when it differs
        self._probation = PROBATION
        self._believed_at = 0

    @property
    def _by_positions(self) -> bool:
        traits = self._manager.venue.traits
        return traits.positions and not traits.spot

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
        """Notes that a reconciliation has ended: our books agree with the venue."""
        if self._is_up and not self._is_reconciled:
            self._is_reconciled = True
            self._believed_at = now + self._probation
            self._forget(now)

    # --- time -------------------------------------------------------------------------------------

    def tick(self, now: int, venue_now: int) -> None:
        """Sends a probe if due, and trusts a silent stream again if it qualifies."""
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
        ask = venue.positions if self._by_positions else venue.balances
        self._call, self._called = ask(venue_now), now
        self._due, self._ahead, self._rows = now + self._every, venue_now - now, []
        self.sent += 1
        self._manager.calls.append(self._call)

    def answered(self, call: Call, answer: Answer, now: int) -> bool:
        """Handles the answer to a probe, which may set `is_silent`.

        Returns False for a call that is not a probe.
        """
        if call is not self._call:
            return False
        self._call = None
        if answer.outcome is not Outcome.DONE:
            # No result. After a refusal as too frequent the interval grows.
            if answer.outcome is Outcome.SAFE:
                self._every = min(2 * self._every, EVERY_MAX)
            self._due = now + max(self._every, answer.retry_after)
            return True
        self._rows += answer.reports
        if answer.cursor:
            self._call, self._called = self._manager.venue.more_positions(answer.cursor, now + self._ahead), now
            self._manager.calls.append(self._call)
            return True
        self._every = max(self._least, self._every * 9 // 10)
        self._compare(now)
        return True

    def _compare(self, now: int) -> None:
        before, self._suspects = self._suspects, {}
        for key, ours in self._differing():
            last, since = before.get(key, (ours, now))
            if last != ours:
                since = now  # a report arrived meanwhile
            if now - since >= GRACE:
                self._fell_silent()
                return
            self._suspects[key] = (ours, since)
        if self._suspects:
            self._due = now + GRACE

    def _differing(self) -> list[tuple[Key, int]]:
        """Returns the keys whose listed amount differs from the stream's, with the stream's amount."""
        venue, books, by_positions = self._manager.venue, self._manager.books, self._by_positions
        ours: dict[Key, tuple[int, int]] = {}  # amount, time
        listed: dict[Key, tuple[int, int]] = {}
        if by_positions:
            ours |= {(of, side): last for (of, side), last in books.venue_positions.items()}
            listed |= dict.fromkeys(ours, (0, 0))  # what is not listed is flat
        else:
            ours |= {(name, None): (b.total, b.time) for name, b in books.balances.items()}
        for each in self._rows:
            if isinstance(each, PositionReport):
                listed[each.symbol, each.side] = (each.qty, each.time)
            elif isinstance(each, BalanceReport):  # a list carries no time
                listed[each.currency, None] = (each.total, 0)
        found = []
        for key, (amount, time) in listed.items():
            last, last_at = ours.get(key, (0, 0))
            slack = 0 if by_positions else venue.slack(key[0])
            is_older = 0 < time < last_at  # a list may lag behind the stream, too
            if abs(amount - last) > slack and not is_older:
                found.append((key, last))
        return found

    def _fell_silent(self) -> None:
        self.found += 1
        if not self._has_reported and not self.is_silent:  # it was trusted too early
            self._probation = min(2 * self._probation, PROBATION_MAX)
        self.is_silent = True
        self._has_reported = self._is_up = False
        self._suspects = {}

    def _forget(self, now: int) -> None:
        """Drops the earlier answers from comparison."""
        self._call = None
        self._suspects = {}
        self._due = now + self._every
