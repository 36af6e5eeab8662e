"""A process's share of its address's request budget: the counts are in a file of the home, and every process of the
home that calls the same venue draws on them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from onetape.model.errors import VenueRateLimit
from onetape.model.proxy import Proxy
from onetape.model.time import SECOND
from onetape.orders.budget import BAN_UNTOLD, CLOCK_STEP, USUAL_PERCENT, Budget, BudgetRule, ReadPause, Verdict
from onetape.orders.calls import Call, Purpose
from onetape.orders.managed import HealthOut
from onetape.orders.order_budget import BudgetState, held_back
from onetape.orders.outcome import Answer, Outcome
from onetape.store.shared_counters import SharedCounters
from onetape.venues.ccxt.errors import LATE

__all__ = ["PAUSED", "AddressBudget", "BudgetError", "budget_file", "check_limited"]

PAUSED: Final = "the venue counts too many requests with this key"


def budget_file(home: Path, rest: str, config_key: str = "", *, proxy: Proxy | None = None) -> Path:
    """Returns the file with the budget of an address at a venue, which is named by host and port. config_key: the key
    by which the venue counts instead of the address; proxy: whose address the venue sees. Eight digits of the hash of
    these are in the file's name."""
    host = urlsplit(rest).netloc.rpartition("@")[2].replace(":", "-") or "bridge"
    counted = config_key or (f"{proxy.host}:{proxy.port}" if proxy is not None else "")
    spender = f"-{hashlib.sha256(counted.encode()).hexdigest()[:8]}" if counted else ""
    return home / "run" / f"budget-{host}{spender}"


class BudgetError(OSError):
    """A request was not sent for lack of budget, or was refused for the venue's rate limit. answer: its result,
    definitive for orders, whose prices become outdated; other requests may be sent later."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.text)
        self.answer = answer


def check_limited(status: int, answer: Answer) -> None:
    """Raises BudgetError if the answer refuses a request for a rate limit."""
    if answer.code == VenueRateLimit.code:
        raise BudgetError(answer)
    if status in (418, 429):  # from a proxy of the venue, in its own format
        raise BudgetError(Answer(Outcome.SAFE, code=VenueRateLimit.code, venue_code=str(status)))


class AddressBudget:
    """Draws on the request budget that a venue gives an address.

    say: called with reports for the operator. now: the venue's time, ns UTC, which decides when the venue's windows
    begin; steady: the machine's monotonic clock, for durations. A refusal for the key pauses all queries of this
    process with its key (`pause`), not those with other keys of the address.
    """

    def __init__(
        self,
        path: Path,
        rules: tuple[BudgetRule, ...],
        *,
        now: Callable[[], int],
        steady: Callable[[], int] = time.monotonic_ns,
        say: Callable[[HealthOut], None],
        usual_percent: int = USUAL_PERCENT,
    ) -> None:
        self.refused = 0
        self._counts = SharedCounters(path)
        self._usual_percent = usual_percent
        self._budget = Budget(rules, self._counts, usual_percent=usual_percent)
        self._venue_now, self._steady = now, steady
        self._counts.begin(steady())
        self._apart = 0  # the venue's time minus the monotonic clock, as last noted by this process
        name = path.name.removeprefix("budget-")
        self._state = BudgetState(name, say)
        self.pause = ReadPause()
        self._reads = BudgetState(f"reads of {name}", say)

    def close(self) -> None:
        self._counts.close()

    def _now(self) -> int:
        """Returns the monotonic clock's time. If this process's estimate of the venue's time has changed, the windows
        of all processes follow it; without a newer estimate nothing changes."""
        now = self._steady()
        apart = self._venue_now() - now
        if abs(apart - self._apart) >= CLOCK_STEP:
            self._apart = apart
            self._budget.restate(apart, now)
        return now

    def allow(self, usual_percent: int = 0) -> None:
        """Sets the percentage of the venue's limit that non-essential requests may use from now on; 0: the initial
        one."""
        self._budget.usual_percent = usual_percent or self._usual_percent

    def take(self, call: Call) -> None:
        """Raises BudgetError for a call that must not be sent now."""
        now = self._now()
        opens = self.pause.opens_at(call.purpose, now)
        if opens:
            self.refused += 1
            raise BudgetError(held_back(Outcome.SAFE, Verdict(PAUSED, opens), now))
        verdict = self._budget.take(call.purpose, call.weight, now, protects=call.protects)
        if verdict is None:
            return
        self.refused += 1
        self._state.refused(verdict, now)
        is_order = call.purpose in (Purpose.PLACE, Purpose.AMEND)
        outcome = Outcome.DEFINITIVE if is_order else Outcome.SAFE
        raise BudgetError(held_back(outcome, verdict, now))

    def look(self) -> None:
        """Reports when the budget is available again; call it now and then."""
        self._state.look(self._now())
        self._reads.look(self._now())

    @property
    def is_shut_out(self) -> bool:
        """Tells whether the venue has banned this address."""
        return self._counts.banned_until() > self._steady()

    def shut_out(self, wait: int) -> None:
        """Notes a ban that was not reported by an HTTP status. wait: its length in ns, 0: unknown."""
        self._counts.ban(self._steady() + (wait or BAN_UNTOLD))

    def heard(self, status: int, headers: Mapping[str, str], *, is_limited: bool = True) -> None:
        """Reads an answer's status and headers (names in lower case). is_limited: False if a 429 does not concern the
        address.
        """
        self._budget.heard(status, headers, self._now(), is_limited=is_limited)

    def answered(self, call: Call, status: int, answer: Answer) -> None:
        """Notes a request's answer, after `heard`: only the answer shows a refusal for the key. HTTP 429 and 418
        concern the address."""
        now = self._now()
        if answer.venue_code == LATE:  # refused by the bridge itself: the venue has not received the request
            return
        if answer.code == VenueRateLimit.code and status not in (418, 429):
            if self.pause.refused(now, answer.retry_after):
                self._reads.refused(Verdict(PAUSED, self.pause.until), now)
        elif answer.outcome in (Outcome.DONE, Outcome.DEFINITIVE, Outcome.SETTLED):
            self.pause.answered(call.purpose, now)

    def status(self) -> dict[str, Any]:
        banned = self._counts.banned_until()
        now = self._now()
        used = [self._budget.used(number, now) for number in range(len(self._budget.rules))]
        return {
            "used": used,
            "most": [rule.most for rule in self._budget.rules],
            "refused": self.refused,
            "shut_out_s": max(banned - now, 0) / SECOND,
            "paused_s": max(self.pause.until - now, 0) / SECOND,
        }
