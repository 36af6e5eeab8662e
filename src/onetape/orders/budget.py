"""The request and order budgets of a venue, with reserves for requests that reduce risk.

Pure: time comes as argument, from the machine's steady clock, so that bans and counts last as long as they should when
a clock is set. A venue counts the weight of requests in windows of its own clock, per address and not per account, so
all processes of an address share one budget; the caller keeps the counts (`Counts`) and the phase of the windows
(`Counts.phase`). A refused request was not sent: that is a named state, and nothing is queued. Orders are counted per
account by the same rules. A venue that documents no windows may still refuse requests: then all queries pause
(`ReadPause`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from onetape import _core
from onetape.model.time import SECOND
from onetape.orders.calls import ORDER_PURPOSES, Purpose
from onetape.orders.outcome import retry_after

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

# Shares of the venue's limit, in percent. The rest is never used: its clock is not ours, and processes of other
# machines may share the address.
USUAL_PERCENT: Final = 80
ESSENTIAL_PERCENT: Final = 90
PROTECTIVE_PERCENT: Final = 95
STEPS: Final = 6  # parts of a rolling window, which counts the current part and the six before it

# Requests that reduce risk: no other request can use their reserve.
PROTECTIVE: Final = frozenset({Purpose.CANCEL, Purpose.DEAD_MAN})
# Requests that reduce risk, settle the state of an order, or keep the account's stream alive; and the venue's time,
# without which it refuses the others after its clock or ours was set.
ESSENTIAL: Final = PROTECTIVE | {Purpose.QUERY, Purpose.KEEP_KEY, Purpose.STREAM_KEY, Purpose.TIME}
BAN_UNTOLD: Final = 60 * SECOND  # assumed length of a ban if the venue reports none

CLOCK_STEP: Final = SECOND // 10  # a larger difference is a set clock, not drift

LEAST: Final = 5 * SECOND  # shortest pause
MOST: Final = 60 * SECOND  # longest pause: counts down 20 requests of Kraken's slowest counter
ANSWERS: Final = 10  # answers that halve the pause: about as many as one look at the whole account takes
HEAD_START: Final = SECOND  # for queries about orders, and for the key of the stream
# Public data, and requests that disarm or reduce risk.
_FREE: Final = ORDER_PURPOSES | {Purpose.DEAD_MAN, Purpose.TIME, Purpose.INSTRUMENTS, Purpose.MARKET}


class BudgetRule(NamedTuple):
    """A limit of a venue on requests or orders in a window of time.

    most: weight in each window of `window` ns by the venue's clock, per address; or orders, per account.
    """

    window: int
    most: int
    header: str  # header of answers, lower case, with the count used in this window
    rolls: bool = False  # any span of that length is a window; else windows follow each other


class Verdict(NamedTuple):
    """The reason why a request is not sent, and when it may be sent, ns by the steady clock."""

    reason: str
    retry_at: int


class Recount(NamedTuple):
    """The move of a count to new windows after the venue's clock was set. begun: start of the window by the old clock,
    begins: by the new one."""

    slot: int
    begun: int
    begins: int


class Counts(Protocol):
    """The counts that all spenders of one budget share. `spend`, `correct` and `restate` are atomic. window: its start,
    ns by the steady clock."""

    def phase(self) -> int:
        """Returns the venue's clock less the steady clock, ns, the same for all spenders."""
        ...

    def restate(self, before: int, phase: int, counts: Sequence[Recount]) -> None:
        """Replaces the phase if it is still `before`. The count of a window of the old phase also counts in the
        overlapping windows of the new one."""
        ...

    def banned_until(self) -> int: ...

    def ban(self, until: int) -> None:
        """Forbids requests until that time, unless a later time is set."""
        ...

    def spend(self, slot: int, window: int, weight: int, most: int) -> int:
        """Adds to the count of a window, forgetting an older window, unless the count would exceed `most`. Returns the
        count before."""
        ...

    def correct(self, slot: int, window: int, used: int) -> None:
        """Raises the count to the venue's if that is higher."""
        ...


class WindowCounts(_core.WindowCounts):
    """`Counts` for one process. The core counts (`core/orders/window_counts.hpp`)."""

    def restate(self, before: int, phase: int, counts: Sequence[Recount]) -> None:
        self.set_phase(phase)
        for each in counts:
            self.recount(*each)


class Budget:
    """The budget of one address, or of one account, at one venue; `of` names it.

    now: ns by the machine's steady clock.
    settled: ns after the start of a window until which an answer may still carry the count of the window before.
    usual_percent: share of the venue's limit for requests that are not essential.
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
        self.state = ""  # why the last request was refused, "" if it passed
        self._of = of
        self._settled = settled
        self.usual_percent = usual_percent

    def take(
        self, purpose: Purpose, weight: int, now: int, *, is_essential: bool = False, protects: bool = False
    ) -> Verdict | None:
        """Counts a request that may be sent and returns None; else returns why not, and until when.

        is_essential: may use the reserve. protects: may also use the part of it that is kept for reducing risk.
        """
        percent = self.usual_percent
        if is_essential or purpose in ESSENTIAL:
            percent = ESSENTIAL_PERCENT
        if protects or purpose in PROTECTIVE:
            percent = PROTECTIVE_PERCENT
        verdict = self._verdict(purpose, weight, now, percent)
        self.state = verdict.reason if verdict is not None else ""
        return verdict

    def restate(self, phase: int, now: int) -> None:
        """Sets the venue's clock ahead of the steady clock by `phase`, ns. The count of the running window stays until
        the next window begins by the new phase."""
        before = self.counts.phase()
        if abs(phase - before) < CLOCK_STEP:
            return
        fixed = [(n, rule.window) for n, rule in enumerate(self.rules) if not rule.rolls]
        begun = [Recount(n, now - (now + before) % window, now - (now + phase) % window) for n, window in fixed]
        self.counts.restate(before, phase, begun)

    def used(self, number: int, now: int) -> int:
        """Returns the used count of a rule's window."""
        slot, window, _, earlier = self._place(number, now)
        return earlier + self.counts.spend(slot, window, 0, 0)

    def _verdict(self, purpose: Purpose, weight: int, now: int, percent: int) -> Verdict | None:
        banned = self.counts.banned_until()
        if now < banned:
            return Verdict(f"the venue has banned {self._of}", banned)
        for number, rule in enumerate(self.rules) if weight else ():
            slot, window, span, earlier = self._place(number, now)
            most = rule.most * percent // 100
            before = earlier + self.counts.spend(slot, window, weight, most - earlier)
            if before + weight > most:
                for spent in range(number):  # not sent: undo the counts
                    at, when, _, _ = self._place(spent, now)
                    self.counts.spend(at, when, -weight, self.rules[spent].most)
                text = f"{before} of {rule.most} used by {self._of}, {purpose} may go to {most}"
                return Verdict(text, window + span)
        return None

    def _place(self, number: int, now: int) -> tuple[int, int, int, int]:
        """Returns where a rule counts spending of now: slot, start of its window, its length in ns, and the count of
        earlier parts. Only a rolling window, of which a budget may have one, is a sum of parts."""
        rule = self.rules[number]
        if not rule.rolls:
            return number, now - (now + self.counts.phase()) % rule.window, rule.window, 0
        span = rule.window // STEPS
        part = now // span
        earlier = range(part - STEPS, part)
        used = sum(self.counts.spend(n % (STEPS + 1), n * span, 0, 0) for n in earlier)
        return part % (STEPS + 1), part * span, span, used

    def heard(self, status: int, headers: Mapping[str, str], now: int, *, is_limited: bool = True) -> None:
        """Reads an answer of the venue: its own counts, and whether it has banned the address. is_limited: False if a
        status 429 has another reason."""
        for number, rule in enumerate(self.rules):
            text = headers.get(rule.header, "")
            if text.isdigit():
                slot, window, _, _ = self._place(number, now)
                if now - window >= self._settled:
                    self.counts.correct(slot, window, int(text))
        if status == 418 or (status == 429 and is_limited):
            self.counts.ban(now + (retry_after(headers) or BAN_UNTOLD))


class ReadPause:
    """A pause of an account's queries after its venue refused too many of them.

    Kraken counts requests made with a key and lets the count run down with time; requests sent while it is too high are
    refused for longer (docs.kraken.com "Spot REST Rate Limits", read 2026-11: "possibly longer if calls continue to be
    made while the rate limits are active"; whether a refused request counts is not documented, and assumed here). So
    all queries wait for one clock: each refusal after a pause doubles the next one, answers shorten it again. Requests
    that change orders are counted separately and never wait. now: ns by the machine's steady clock.
    """

    def __init__(self) -> None:
        self.until = 0
        self.length = 0  # length of the last pause, ns; 0: no refusal in recent time
        self._answers = 0  # since the last refusal

    def opens_at(self, purpose: Purpose, now: int) -> int:
        """Returns when a request may be sent that must wait, ns; 0: it may be sent now."""
        if not self.until or purpose in _FREE:
            return 0
        at = self.until if purpose in ESSENTIAL else self.until + HEAD_START
        return at if now < at else 0

    def refused(self, now: int, wait: int) -> bool:
        """Handles a refusal for too many requests. wait: ns, as the venue reports or documents it, 0: unknown. Returns
        False if the request left before the current pause began."""
        self._answers = 0
        if now < self.until:
            return False
        self.length = min(max(2 * self.length, LEAST), MOST)
        self.until = now + max(self.length, wait)
        return True

    def answered(self, purpose: Purpose, now: int) -> None:
        """Counts an answer, which shortens the next pause."""
        if purpose in _FREE or not self.length or now < self.until:
            return
        self._answers += 1
        if self._answers >= ANSWERS:
            self._answers = 0
            self.length = self.length // 2 if self.length > LEAST else 0
