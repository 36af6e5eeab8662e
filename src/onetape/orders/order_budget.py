"""The order budget of an account, as its venue counts it. Pure: one process trades on an account, so its counts are
complete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from onetape.model.errors import VenueRateLimit
from onetape.model.time import SECOND
from onetape.orders.budget import USUAL_PERCENT, Budget, BudgetRule, Verdict, WindowCounts
from onetape.orders.calls import Call, Purpose
from onetape.orders.managed import HealthOut
from onetape.orders.outcome import Answer, Outcome

__all__ = ["BudgetState", "OrderBudget", "held_back"]

# An answer right after the start of a window may carry the count of the window before.
SETTLED: Final = SECOND
HELD_UNTOLD: Final = 10 * SECOND  # length of the pause if the venue refuses orders and documents no windows


class BudgetState:
    """Reports a budget to the operator: once when it is used up, and when it is available again."""

    def __init__(self, name: str, say: Callable[[HealthOut], None]) -> None:
        self._name = name
        self._say = say
        self._until = 0  # 0: not used up, or not refused yet

    def refused(self, verdict: Verdict, now: int) -> None:
        if verdict.retry_at > self._until:
            self._until = verdict.retry_at
            text = f"{VenueRateLimit.name}({VenueRateLimit.code}): {verdict.reason}"
            wait = (verdict.retry_at - now) / SECOND
            self._say(HealthOut("budget", self._name, f"{text}, for {wait:.1f} s", "warning"))

    def look(self, now: int) -> None:
        if self._until and now >= self._until:
            self._until = 0
            self._say(HealthOut("budget", self._name, "available again"))


class OrderBudget:
    """Counts the orders and amendments of an account. Cancels are not counted, and are never held back. A restart
    forgets the counts; the venue's next answer has them. now: returns the machine's steady clock, ns; say: reports to
    the operator."""

    def __init__(self, account: str, *, now: Callable[[], int], say: Callable[[HealthOut], None]) -> None:
        self.refused = 0
        self._now = now
        self.learn(())
        self._state = BudgetState(f"orders of {account}", say)

    def learn(self, rules: tuple[BudgetRule, ...]) -> None:
        """Sets the venue's limits; without limits, only the venue's refusals count."""
        self._counts = WindowCounts()
        self._budget = Budget(rules, self._counts, of="the orders of this account", settled=SETTLED)
        # The share of usual orders in each window; none of them rolls.
        self._usual = [(rule.window, rule.most * USUAL_PERCENT // 100) for rule in rules]

    def restate(self, phase: int) -> None:
        """Sets by how much the venue's clock, which its windows follow, is ahead of the steady one, ns."""
        self._budget.restate(phase, self._now())

    def refusal(self, call: Call, *, reduces: Callable[[Call], bool]) -> Answer | None:
        """Returns why an order or an amendment must not be sent now; None: it is counted and may be sent. reduces:
        tells whether a call may use the reserve; called only when usual orders have no room."""
        if call.purpose not in (Purpose.PLACE, Purpose.AMEND):
            return None
        now = self._now()
        if self._counts.spend_each(self._usual, call.orders, now):
            return None
        verdict = self._budget.take(call.purpose, call.orders, now)
        if verdict is not None and reduces(call):
            verdict = self._budget.take(call.purpose, call.orders, now, is_essential=True)
        if verdict is None:
            return None
        self.refused += 1
        self._state.refused(verdict, now)
        return held_back(Outcome.DEFINITIVE, verdict, now)

    def hold(self, wait: int) -> None:
        """Pauses orders after the venue refused one because there were too many. wait: ns, 0: not reported."""
        now = self._now()
        window = min((rule.window for rule in self._budget.rules), default=HELD_UNTOLD)
        self._counts.ban(now + (wait or window - (now + self._counts.phase()) % window))

    def heard(self, headers: Mapping[str, str]) -> None:
        """Reads the headers of an answer, names in lower case."""
        self._budget.heard(200, headers, self._now())

    def look(self) -> None:
        """Reports that there is budget again, if there is."""
        self._state.look(self._now())

    def status(self) -> dict[str, Any]:
        now = self._now()
        rules = self._budget.rules
        return {
            "used": [self._budget.used(number, now) for number in range(len(rules))],
            "most": [rule.most for rule in rules],
            "refused": self.refused,
            "held_s": max(self._counts.banned_until() - now, 0) / SECOND,
        }


def held_back(outcome: Outcome, verdict: Verdict, now: int) -> Answer:
    """Makes the answer to a call that was not sent."""
    wait = verdict.retry_at - now
    return Answer(outcome, code=VenueRateLimit.code, text=verdict.reason, retry_after=wait)
