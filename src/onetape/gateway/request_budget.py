"""A gateway's share of what its address may ask: the counts lie in a file of the home, and every
process of the home that asks the same venue spends of them. What its account may order is counted
here alone: one process trades on an account."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from onetape.model.errors import VenueRateLimit
from onetape.model.time import SECOND
from onetape.orders.budget import BAN_UNTOLD, Budget, BudgetRule, Verdict, WindowCounts
from onetape.orders.calls import Call, Purpose
from onetape.orders.managed import HealthOut
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.pause import ReadPause
from onetape.store.shared_counters import SharedCounters
from onetape.venues.ccxt.errors import LATE

__all__ = ["PAUSED", "AddressBudget", "BudgetError", "OrderBudget", "budget_file"]

# An answer that comes right after a window's beginning may have the count of the one before it.
SETTLED: Final = SECOND
PAUSED: Final = "the venue counts too many questions with this key"
HELD_UNTOLD: Final = 10 * SECOND  # where the venue refuses orders and says no windows


def budget_file(home: Path, rest: str) -> Path:
    """Of the venue at an address: its host names it, and its port."""
    host = urlsplit(rest).netloc.rpartition("@")[2].replace(":", "-") or "bridge"
    return home / "run" / f"budget-{host}"


class BudgetError(OSError):
    """A request that was not sent. `answer` is what is to be made of it: an order is refused at
    once, because the price it was meant for goes on; what else there is may be asked later."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.text)
        self.answer = answer


class _State:
    """What an operator is told of a budget: that it is used up, once for each end of it, and that
    it is there again."""

    def __init__(self, name: str, say: Callable[[HealthOut], None]) -> None:
        self._name = name
        self._say = say
        self._until = 0  # 0: nothing is wrong, or nobody has noticed yet

    def refused(self, verdict: Verdict, now: int) -> None:
        if verdict.again_at > self._until:
            self._until = verdict.again_at
            text = f"{VenueRateLimit.name}({VenueRateLimit.code}): {verdict.reason}"
            wait = (verdict.again_at - now) / SECOND
            self._say(HealthOut("budget", self._name, f"{text}, for {wait:.1f} s", "warning"))

    def look(self, now: int) -> None:
        if self._until and now >= self._until:
            self._until = 0
            self._say(HealthOut("budget", self._name, "there again"))


class AddressBudget:
    """say: for what an operator should know. now: gives the venue's time, ns UTC.

    Where a venue counts what a key reads, one pause holds for all that this process reads with its
    key (`pause`); other keys of the address are not concerned."""

    def __init__(
        self, path: Path, rules: tuple[BudgetRule, ...], *, now: Callable[[], int], say: Callable[[HealthOut], None]
    ) -> None:
        self.refused = 0
        self._counts = SharedCounters(path)
        self._budget = Budget(rules, self._counts)
        self._now = now
        name = path.name.removeprefix("budget-")
        self._state = _State(name, say)
        self.pause = ReadPause()
        self._reads = _State(f"reads of {name}", say)

    def close(self) -> None:
        self._counts.close()

    def take(self, call: Call) -> None:
        """Raises BudgetError for a call that must not be sent now."""
        now = self._now()
        opens = self.pause.opens_at(call.purpose, now)
        if opens:
            self.refused += 1
            raise BudgetError(_refusal(Outcome.SAFE, Verdict(PAUSED, opens), now))
        verdict = self._budget.take(call.purpose, call.weight, now)
        if verdict is None:
            return
        self.refused += 1
        self._state.refused(verdict, now)
        is_order = call.purpose in (Purpose.PLACE, Purpose.AMEND)
        outcome = Outcome.DEFINITIVE if is_order else Outcome.SAFE
        raise BudgetError(_refusal(outcome, verdict, now))

    def look(self) -> None:
        """Now and then: says that it is there again."""
        self._state.look(self._now())
        self._reads.look(self._now())

    @property
    def is_shut_out(self) -> bool:
        """The venue does not want to hear from this address, whichever way."""
        return self._counts.banned_until() > self._now()

    def shut_out(self, wait: int) -> None:
        """The venue has said so otherwise than by a status of HTTP. wait: ns, 0 where it did
        not say how long."""
        self._counts.ban(self._now() + (wait or BAN_UNTOLD))

    def heard(self, status: int, headers: Mapping[str, str], *, is_limited: bool = True) -> None:
        """Of an answer; headers in lower case. is_limited: false where 429 is not about the
        address."""
        self._budget.heard(status, headers, self._now(), is_limited=is_limited)

    def answered(self, call: Call, status: int, answer: Answer) -> None:
        """What a request came to, after `heard`: a refusal of the key is told in the answer alone.
        HTTP 429 and 418 have said it of the address."""
        now = self._now()
        if answer.venue_code == LATE:  # the bridge's own word: the venue has not heard of it
            return
        if answer.code == VenueRateLimit.code and status not in (418, 429):
            if self.pause.refused(now, answer.retry_after):
                self._reads.refused(Verdict(PAUSED, self.pause.until), now)
        elif answer.outcome in (Outcome.DONE, Outcome.DEFINITIVE, Outcome.SETTLED):
            self.pause.answered(call.purpose, now)

    def status(self) -> dict[str, Any]:
        banned = self._counts.banned_until()
        now = self._now()
        used = [self._counts.spend(n, now // r.window, 0, 0) for n, r in enumerate(self._budget.rules)]
        return {
            "used": used,
            "most": [rule.most for rule in self._budget.rules],
            "refused": self.refused,
            "shut_out_s": max(banned - now, 0) / SECOND,
            "paused_s": max(self.pause.until - now, 0) / SECOND,
        }


class OrderBudget:
    """What an account may place and amend. Cancels are not counted, and are never held back. A
    restart forgets the counts; the venue's next answer has them. now, say: as above."""

    def __init__(self, account: str, *, now: Callable[[], int], say: Callable[[HealthOut], None]) -> None:
        self.refused = 0
        self._counts = WindowCounts()
        self._budget = Budget((), self._counts)
        self._now = now
        self._state = _State(f"orders of {account}", say)

    def learn(self, rules: tuple[BudgetRule, ...]) -> None:
        """As the venue counts them; without any, only what it says is believed."""
        self._budget = Budget(rules, self._counts, of="the orders of this account", settled=SETTLED)

    def refusal(self, call: Call, *, reduces: Callable[[Call], bool]) -> Answer | None:
        """Why an order or an amendment must not be sent now; None: it may, and is counted. Asked
        only where there is no more room for usual orders: `reduces`, who may use the reserve."""
        if call.purpose not in (Purpose.PLACE, Purpose.AMEND):
            return None
        now = self._now()
        verdict = self._budget.take(call.purpose, call.orders, now)
        if verdict is not None and reduces(call):
            verdict = self._budget.take(call.purpose, call.orders, now, is_essential=True)
        if verdict is None:
            return None
        self.refused += 1
        self._state.refused(verdict, now)
        return _refusal(Outcome.DEFINITIVE, verdict, now)

    def hold(self, wait: int) -> None:
        """The venue has refused an order because there were too many. wait: ns, 0 where it did not
        say how long."""
        now = self._now()
        window = min((rule.window for rule in self._budget.rules), default=HELD_UNTOLD)
        self._counts.ban(now + (wait or window - now % window))

    def heard(self, headers: Mapping[str, str]) -> None:
        """Of an answer; headers in lower case."""
        self._budget.heard(200, headers, self._now())

    def look(self) -> None:
        """Now and then: says that it is there again."""
        self._state.look(self._now())

    def status(self) -> dict[str, Any]:
        now = self._now()
        rules = self._budget.rules
        return {
            "used": [self._counts.spend(n, now // r.window, 0, 0) for n, r in enumerate(rules)],
            "most": [rule.most for rule in rules],
            "refused": self.refused,
            "held_s": max(self._counts.banned_until() - now, 0) / SECOND,
        }


def _refusal(outcome: Outcome, verdict: Verdict, now: int) -> Answer:
    wait = verdict.again_at - now
    return Answer(outcome, code=VenueRateLimit.code, text=verdict.reason, retry_after=wait)
