"""What an address may ask of a venue, and what is kept back for what must not wait.

Pure: time comes as argument. A venue counts the weight of requests in windows of its own clock, for
an address and not for an account, so that all processes of an address spend of one budget; where
the counts are kept is the caller's business (`Counts`). What a budget refuses was not sent: that is
a named state, and nothing is queued.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol

from onetape.model.time import SECOND
from onetape.orders.calls import Purpose

__all__ = ["BAN_UNTOLD", "ESSENTIAL", "Budget", "BudgetRule", "Counts", "Verdict"]

# Shares of the venue's limit, in percent. The rest is never used: its clock is not ours, and
# processes of other machines may stand behind the same address.
USUAL_PERCENT: Final = 80
ESSENTIAL_PERCENT: Final = 90

# What takes risk off, finds out what became of an order, or keeps the account's stream alive.
ESSENTIAL: Final = frozenset(
    {Purpose.CANCEL, Purpose.DEAD_MAN, Purpose.QUERY, Purpose.KEEP_KEY, Purpose.STREAM_KEY}
)
BAN_UNTOLD: Final = 60 * SECOND  # where a venue bans and does not say for how long


class BudgetRule(NamedTuple):
    """most: weight in each window of `window` ns by the venue's clock, for an address."""

    window: int
    most: int
    header: str  # of answers, lower case: what the address has used in this window


class Verdict(NamedTuple):
    """Why a request is not sent, and when it may be, ns by the venue's clock."""

    reason: str
    again_at: int


class Counts(Protocol):
    """Shared by all that spend of one budget. `spend` and `correct` are atomic."""

    def banned_until(self) -> int: ...

    def ban(self, until: int) -> None:
        """The later of this and what is there."""
        ...

    def spend(self, slot: int, window: int, weight: int, most: int) -> int:
        """Adds to the count of a window, an older one being forgotten, unless it would come to
        more than `most`. Gives what the count was before."""
        ...

    def correct(self, slot: int, window: int, used: int) -> None:
        """The venue's count, where it is the higher one."""
        ...


class Budget:
    """Of one address at one venue. now: ns UTC by the venue's clock."""

    def __init__(self, rules: tuple[BudgetRule, ...], counts: Counts) -> None:
        self.rules = rules
        self.counts = counts
        self.state = ""  # why the last request was refused, "" where it was let through

    def take(self, purpose: Purpose, weight: int, now: int) -> Verdict | None:
        """None: it may be sent, and is counted."""
        verdict = self._verdict(purpose, weight, now)
        self.state = verdict.reason if verdict is not None else ""
        return verdict

    def _verdict(self, purpose: Purpose, weight: int, now: int) -> Verdict | None:
        banned = self.counts.banned_until()
        if now < banned:
            return Verdict("the venue has shut this address out", banned)
        percent = ESSENTIAL_PERCENT if purpose in ESSENTIAL else USUAL_PERCENT
        for slot, rule in enumerate(self.rules) if weight else ():
            window, most = now // rule.window, rule.most * percent // 100
            before = self.counts.spend(slot, window, weight, most)
            if before + weight > most:
                for spent, other in enumerate(self.rules[:slot]):  # it is not sent: given back
                    self.counts.spend(spent, now // other.window, -weight, other.most)
                text = f"{before} of {rule.most} used, {purpose} may go to {most}"
                return Verdict(text, (window + 1) * rule.window)
        return None

    def heard(self, status: int, headers: Mapping[str, str], now: int) -> None:
        """An answer of the venue: its own count, and whether it wants to hear from us at all."""
        for slot, rule in enumerate(self.rules):
            told = headers.get(rule.header, "")
            if told.isdigit():
                self.counts.correct(slot, now // rule.window, int(told))
        if status in (418, 429):
            after = headers.get("retry-after", "")
            wait = int(after) * SECOND if after.isdigit() and int(after) else BAN_UNTOLD
            self.counts.ban(now + wait)
