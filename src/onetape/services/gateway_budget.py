"""A gateway's share of what its address may ask: the counts lie in a file of the home, and every
process of the home that asks the same venue spends of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from onetape.model.errors import VenueRateLimit
from onetape.model.time import SECOND
from onetape.orders.budget import BAN_UNTOLD, Budget, BudgetRule
from onetape.orders.calls import Call, Purpose
from onetape.orders.managed import HealthOut
from onetape.orders.outcome import Answer, Outcome
from onetape.store.shared_counters import SharedCounters

__all__ = ["AddressBudget", "BudgetError", "budget_file"]


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


class AddressBudget:
    """say: for what an operator should know. now: gives the venue's time, ns UTC."""

    def __init__(
        self,
        path: Path,
        rules: tuple[BudgetRule, ...],
        *,
        now: Callable[[], int],
        say: Callable[[HealthOut], None],
    ) -> None:
        self.refused = 0
        self._counts = SharedCounters(path)
        self._budget = Budget(rules, self._counts)
        self._now = now
        self._say = say
        self._name = path.name.removeprefix("budget-")
        self._spent_until = 0  # 0: nothing is wrong, or nobody has noticed yet

    def close(self) -> None:
        self._counts.close()

    def take(self, call: Call) -> None:
        """Raises BudgetError for a call that must not be sent now."""
        now = self._now()
        verdict = self._budget.take(call.purpose, call.weight, now)
        if verdict is None:
            return
        self.refused += 1
        text = f"{VenueRateLimit.name}({VenueRateLimit.code}): {verdict.reason}"
        if verdict.again_at > self._spent_until:
            self._spent_until = verdict.again_at
            wait = (verdict.again_at - now) / SECOND
            self._say(HealthOut("budget", self._name, f"{text}, for {wait:.1f} s", "warning"))
        is_order = call.purpose in (Purpose.PLACE, Purpose.AMEND)
        outcome = Outcome.DEFINITIVE if is_order else Outcome.SAFE
        wait = verdict.again_at - now
        raise BudgetError(
            Answer(outcome, code=VenueRateLimit.code, text=verdict.reason, retry_after=wait)
        )

    def look(self) -> None:
        """Now and then: says that it is there again."""
        if self._spent_until and self._now() >= self._spent_until:
            self._spent_until = 0
            self._say(HealthOut("budget", self._name, "there again"))

    @property
    def is_shut_out(self) -> bool:
        """The venue does not want to hear from this address, whichever way."""
        return self._counts.banned_until() > self._now()

    def shut_out(self, wait: int) -> None:
        """The venue has said so otherwise than by a status of HTTP. wait: ns, 0 where it did
        not say how long."""
        self._counts.ban(self._now() + (wait or BAN_UNTOLD))

    def heard(self, status: int, headers: Mapping[str, str]) -> None:
        """Of an answer; headers in lower case."""
        self._budget.heard(status, headers, self._now())

    def status(self) -> dict[str, Any]:
        banned = self._counts.banned_until()
        now = self._now()
        used = [self._counts.spend(n, now // r.window, 0, 0)
                for n, r in enumerate(self._budget.rules)]  # fmt: skip
        return {
            "used": used,
            "most": [rule.most for rule in self._budget.rules],
            "refused": self.refused,
            "shut_out_s": max(banned - now, 0) / SECOND,
        }
