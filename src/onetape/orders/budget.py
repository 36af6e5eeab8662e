"""What an address may ask of a venue, and what is kept back for what must not wait.

Pure: time comes as argument, of the machine's steady clock, so that bans and counts last as long as they should
whatever a clock is set to. A venue counts the weight of requests in windows of its own clock, for
an address and not for an account, so that all processes of an address spend of one budget; where
the counts are kept is the caller's business (`Counts`), and so is where those windows begin (`Counts.phase`).
What a budget refuses was not sent: that is
a named state, and nothing is queued. Orders are counted for an account, by the same rules. A venue
that says no windows may complain all the same: then who reads pauses (`ReadPause`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from onetape import _core
from onetape.model.time import SECOND
from onetape.orders.calls import ORDER_PURPOSES, Purpose

__all__ = [
    "BAN_UNTOLD",
    "CLOCK_STEP",
    "ESSENTIAL",
    "USUAL_PERCENT",
    "Budget",
    "BudgetRule",
    "Counts",
    "ReadPause",
    "Recount",
    "Verdict",
    "WindowCounts",
]

# Shares of the venue's limit, in percent. The rest is never used: its clock is not ours, and
# processes of other machines may stand behind the same address.
USUAL_PERCENT: Final = 80
ESSENTIAL_PERCENT: Final = 90
PROTECTIVE_PERCENT: Final = 95
STEPS: Final = 6  # a window that moves on with each request is counted in so many parts, and one more

# What takes risk off: nothing else can spend what is kept for it, however long that asks in vain.
PROTECTIVE: Final = frozenset({Purpose.CANCEL, Purpose.DEAD_MAN})
# What takes risk off, finds out what became of an order, or keeps the account's stream alive.
ESSENTIAL: Final = frozenset({Purpose.CANCEL, Purpose.DEAD_MAN, Purpose.QUERY, Purpose.KEEP_KEY, Purpose.STREAM_KEY})
BAN_UNTOLD: Final = 60 * SECOND  # where a venue bans and does not say for how long

CLOCK_STEP: Final = SECOND // 10  # more is no drift of a clock

LEAST: Final = 5 * SECOND  # of a pause
MOST: Final = 60 * SECOND  # runs 20 requests off the slowest of Kraken's counters
ANSWERS: Final = 10  # as many halve the pause: about what one look at the whole account takes
HEAD_START: Final = SECOND  # for questions about orders, and for the key of the stream
# What is public, and what disarms or takes off risk.
_FREE: Final = ORDER_PURPOSES | {Purpose.DEAD_MAN, Purpose.TIME, Purpose.INSTRUMENTS, Purpose.MARKET}


class BudgetRule(NamedTuple):
    """Describes a limit of a venue on requests or orders in a window of time.

    most: weight in each window of `window` ns by the venue's clock, for an address; or orders, for
    an account.
    """

    window: int
    most: int
    header: str  # of answers, lower case: what has been used in this window
    rolls: bool = False  # any span of that length is a window; else each begins where the last one ended


class Verdict(NamedTuple):
    """Says why a request is not sent, and when it may be, ns by the steady clock."""

    reason: str
    retry_at: int


class Recount(NamedTuple):
    """Says where a count goes on when the venue's clock was set. begun: when its window began by the clock from before,
    begins: by the clock from now on."""

    slot: int
    begun: int
    begins: int


class Counts(Protocol):
    """Counts what all spenders of one budget have spent. `spend`, `correct` and `restate` are atomic. window: when it
    began, ns by the steady clock."""

    def phase(self) -> int:
        """Returns the venue's clock less the steady clock, ns, as all spenders reckon their windows."""
        ...

    def restate(self, before: int, phase: int, counts: Sequence[Recount]) -> None:
        """Replaces the phase, unless it is not `before` any more. What counts in a window of the old phase counts in
        that of the new one, too."""
        ...

    def banned_until(self) -> int: ...

    def ban(self, until: int) -> None:
        """Forbids requests until then, unless a later time is set."""
        ...

    def spend(self, slot: int, window: int, weight: int, most: int) -> int:
        """Adds to the count of a window, an older one being forgotten, unless it would come to
        more than `most`. Gives what the count was before."""
        ...

    def correct(self, slot: int, window: int, used: int) -> None:
        """Takes the venue's count where it is the higher one."""
        ...


class WindowCounts(_core.WindowCounts):
    """Implements `Counts` for one process alone. The core counts (`core/orders/window_counts.hpp`)."""

    def restate(self, before: int, phase: int, counts: Sequence[Recount]) -> None:
        self.set_phase(phase)
        for each in counts:
            self.recount(*each)


class Budget:
    """Spends the budget of one address, or of one account, at one venue; `of` says which.

    now: ns by the machine's steady clock.
    settled: ns into a window before which an answer may still tell of the window before.
    usual_percent: of the venue's limit, what may be spent on all that is not essential.
    """

    def __init__(
        self,
        rules: tuple[BudgetRule, ...],
        counts: Counts,
        *,
        of: str = "this address",
        settled: int = 0,
        usual_percent: int = USUAL_PERCENT,
    ) -> None:
        self.rules = rules
        self.counts = counts
        self.state = ""  # why the last request was refused, "" where it was let through
        self._of = of
        self._settled = settled
        self.usual_percent = usual_percent

    def take(
        self, purpose: Purpose, weight: int, now: int, *, is_essential: bool = False, protects: bool = False
    ) -> Verdict | None:
        """Counts a request that may be sent and returns None; else returns why and until when it may not.

        is_essential: may use the reserve. protects: also the part of it that is kept for what takes risk off."""
        percent = self.usual_percent
        if is_essential or purpose in ESSENTIAL:
            percent = ESSENTIAL_PERCENT
        if protects or purpose in PROTECTIVE:
            percent = PROTECTIVE_PERCENT
        verdict = self._verdict(purpose, weight, now, percent)
        self.state = verdict.reason if verdict is not None else ""
        return verdict

    def restate(self, phase: int, now: int) -> None:
        """Takes in that the venue's clock is ahead of the steady clock by `phase`, ns. What was spent in the window
        that was running stays spent until the next one begins by the clock as it is now."""
        before = self.counts.phase()
        if abs(phase - before) < CLOCK_STEP:
            return
        fixed = [(n, rule.window) for n, rule in enumerate(self.rules) if not rule.rolls]
        begun = [Recount(n, now - (now + before) % window, now - (now + phase) % window) for n, window in fixed]
        self.counts.restate(before, phase, begun)

    def used(self, number: int, now: int) -> int:
        """Returns what is used of a rule's window."""
        slot, window, _, earlier = self._place(number, now)
        return earlier + self.counts.spend(slot, window, 0, 0)

    def _verdict(self, purpose: Purpose, weight: int, now: int, percent: int) -> Verdict | None:
        banned = self.counts.banned_until()
        if now < banned:
            return Verdict(f"the venue has shut {self._of} out", banned)
        for number, rule in enumerate(self.rules) if weight else ():
            slot, window, span, earlier = self._place(number, now)
            most = rule.most * percent // 100
            before = earlier + self.counts.spend(slot, window, weight, most - earlier)
            if before + weight > most:
                for spent in range(number):  # it is not sent: given back
                    at, when, _, _ = self._place(spent, now)
                    self.counts.spend(at, when, -weight, self.rules[spent].most)
                text = f"{before} of {rule.most} used by {self._of}, {purpose} may go to {most}"
                return Verdict(text, window + span)
        return None

    def _place(self, number: int, now: int) -> tuple[int, int, int, int]:
        """Returns where a rule's spending of now is counted: slot, when its window began, its length in ns, and what
        counts along of earlier ones. A window that rolls is the sum of its parts: one rule alone has it."""
        rule = self.rules[number]
        if not rule.rolls:
            return number, now - (now + self.counts.phase()) % rule.window, rule.window, 0
        span = rule.window // STEPS
        part = now // span
        earlier = range(part - STEPS, part)
        used = sum(self.counts.spend(n % (STEPS + 1), n * span, 0, 0) for n in earlier)
        return part % (STEPS + 1), part * span, span, used

    def heard(self, status: int, headers: Mapping[str, str], now: int, *, is_limited: bool = True) -> None:
        """Takes in an answer of the venue: its own count, and whether it has banned the address. is_limited: false
        where a status 429 is said of something else."""
        for number, rule in enumerate(self.rules):
            text = headers.get(rule.header, "")
            if text.isdigit():
                slot, window, _, _ = self._place(number, now)
                if now - window >= self._settled:
                    self.counts.correct(slot, window, int(text))
        if status == 418 or (status == 429 and is_limited):
            after = headers.get("retry-after", "")
            wait = int(after) * SECOND if after.isdigit() and int(after) else BAN_UNTOLD
            self.counts.ban(now + wait)


class ReadPause:
    """Keeps how long an account is not queried after its venue said that there were too many queries.

    Kraken counts what is asked with a key and lets the count run down with time; who goes on asking
    while it is too high is refused for longer (docs.kraken.com "Spot REST Rate Limits", read
    2026-11: "possibly longer if calls continue to be made while the rate limits are active";
    whether a refused request counts like another is not said, and taken as yes here). So everything
    that reads waits for one clock: each refusal after a pause doubles the next one, answers shorten
    it again. What changes orders is counted elsewhere, and is never held up. now: ns by the
    machine's steady clock.
    """

    def __init__(self) -> None:
        self.until = 0
        self.length = 0  # of the last one, ns; 0: the venue has not complained, or long ago
        self._answers = 0  # since the last refusal

    def opens_at(self, purpose: Purpose, now: int) -> int:
        """Returns when a request may be sent that must not be sent now, ns; 0: it may."""
        if not self.until or purpose in _FREE:
            return 0
        at = self.until if purpose in ESSENTIAL else self.until + HEAD_START
        return at if now < at else 0

    def refused(self, now: int, wait: int) -> bool:
        """Takes in that the venue has refused a request because there were too many. wait: ns, as it said or is known
        of it, 0 without. False: that was known; the request left before the pause began."""
        self._answers = 0
        if now < self.until:
            return False
        self.length = min(max(2 * self.length, LEAST), MOST)
        self.until = now + max(self.length, wait)
        return True

    def answered(self, purpose: Purpose, now: int) -> None:
        """Takes in that the venue has answered a request."""
        if purpose in _FREE or not self.length or now < self.until:
            return
        self._answers += 1
        if self._answers >= ANSWERS:
            self._answers = 0
            self.length = self.length // 2 if self.length > LEAST else 0
