"""The schedule of pollers: all processes that poll a venue divide its symbols, and those that do so from one address
share its request budget; several addresses have several. Pure. Each second has `TICKS` ticks, and each tick is divided
evenly among the pollers: two never send at the same time, and together they send at even intervals. The pollers are
counted by leases (`Pollers`): when one joins or dies, the others move up. The budget is spent at an even rate, so that
it neither runs out before the end of a window nor leaves a rest. Each kind of request has its share of the budget;
prices get most of it while no stream brings them. Symbols that are requested one by one take turns (`Turns`), busy ones
more often.

Times are of the machine's monotonic clock, ns: all pollers of an address use it, and a changed wall clock stops none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Final, NamedTuple

from onetape.model.time import SECOND
from onetape.orders.budget import BudgetRule
from onetape.venues.market_polls import PollKind

__all__ = [
    "ANSWER_WITHIN",
    "BUSY_FOR",
    "HOLDER_BITS",
    "LEASE",
    "TICK",
    "Contact",
    "PollPlan",
    "Pollers",
    "Share",
    "Turns",
    "holder_of",
]

TICKS: Final = 8
TICK: Final = SECOND // TICKS
LEASE: Final = 3 * SECOND // 2  # after which a silent poller is gone
ANSWER_WITHIN: Final = 3 * SECOND  # after which an unanswered symbol is requested again
# Factor by which a busy symbol's turn comes more often than another's. With 20 busy of 200 symbols, their turns come
# eight times as often as if all were equal.
FAST: Final = 40
BUSY_TIMES: Final = 4.0  # times the median number of trades per second
BUSY_PART: Final = 10  # at most one in this many symbols is busy
LOOK_BACK_MAX: Final = 600 * SECOND
BUSY_FOR: Final = 180 * SECOND  # older figures are ignored
LEFT: Final = 0.015  # part of the limit that stays unused, at most
WINDOW_END: Final = 10  # the last tenth of a window
URGENT: Final = 0.85  # of the budget goes to prices while no stream brings them
HOLDER_BITS: Final = 46  # of a poller's number; those above are its address's
LOST: Final = 2 * SECOND  # time without a valid answer after which the venue is lost


class Share(NamedTuple):
    """This poller's index, from 0, the number of pollers, and how many of them have another address."""

    place: int = 0
    pollers: int = 1
    others: int = 0

    @property
    def sharing(self) -> int:
        """Returns the number of pollers of this one's address, which share its budget."""
        return self.pollers - self.others


@dataclass(slots=True)
class Pollers:
    """The pollers of a venue. leases: (holder, until), where holder is a number of `holder_of`."""

    leases: list[tuple[int, int]] = field(default_factory=list)

    def renew(self, holder: int, now: int) -> Share:
        """Extends a poller's lease to `LEASE` from now, and returns its share. A longer lease is from before a reboot,
        and is dropped."""
        living = [each for each in self.leases if now < each[1] <= now + LEASE and each[0] != holder]
        self.leases = sorted([*living, (holder, now + LEASE)])
        holders = [each[0] for each in self.leases]
        others = sum(each >> HOLDER_BITS != holder >> HOLDER_BITS for each in holders)
        return Share(holders.index(holder), len(holders), others)

    def release(self, holder: int) -> None:
        self.leases = [each for each in self.leases if each[0] != holder]


def holder_of(address: str, number: int) -> int:
    """Returns the number of a poller. address: from which it sends requests, as text; number: unique to it."""
    digest = hashlib.sha256(address.encode()).digest()
    return int.from_bytes(digest[:2]) << HOLDER_BITS | number % (1 << HOLDER_BITS) or 1


@dataclass(slots=True)
class Contact:
    """Whether the venue answers. A failure counts for the time at which its request was sent: if an answer came after
    that, it is outdated."""

    is_heard: bool | None = None  # None: unknown
    _answered_at: int = -LOST

    def answered(self, now: int) -> bool:
        """Notes an answer; returns whether the state has changed."""
        self._answered_at = now
        before, self.is_heard = self.is_heard, True
        return not before

    def failed(self, requested_at: int, now: int) -> bool:
        """Notes a failed request; returns True if the venue counts as lost from now on."""
        if self.is_heard is False or requested_at < self._answered_at or now - self._answered_at < LOST:
            return False
        self.is_heard = False
        return True


class PollPlan:
    """The plan of one poller. Each kind earns its share of the weight evenly, so that an expensive kind does not delay
    cheap ones. percent: part of the venue's limit for all pollers; urgent_percent: the part while no stream brings
    prices, if that is more."""

    def __init__(
        self, kinds: Sequence[PollKind], rule: BudgetRule, *, percent: int, now: int, urgent_percent: int = 0
    ) -> None:
        self._kinds = tuple(kinds)
        # Weight earned before a window begins is spent in it. So a margin stays unused, or requests would wait at the
        # end.
        self._left = min(sum(kind.weight for kind in kinds), rule.most * LEFT)
        self._rule, self._window = rule, rule.window
        self._percents = percent, max(percent, urgent_percent)
        self._spend(percent)
        self._shares = {kind: kind.share for kind in self._kinds}
        self._weights = dict.fromkeys(self._kinds, 0.0)  # kind -> available weight
        self._at = now
        self._held_until = 0
        self.urgent_since = 0
        self._aligned: object = None  # (urgent_since, share) of the last `_align`
        self.share = Share()
        self.ahead = 0  # ns of the pollers' common clock before `now`, which is of this machine: turns go by it

    def _spend(self, percent: int) -> None:
        self._most = self._rule.most * percent / 100
        self._rate = self._full = (self._most - self._left) / self._window  # weight per ns, of all pollers

    def hurry(self, since: int) -> None:
        """Gives prices priority while no other source brings them: the first kind is requested at once and gets most of
        the budget; pollers take turns from `since` on. since: ns of the monotonic clock; 0: another source brings
        prices."""
        self.urgent_since = since
        self._spend(self._percents[since > 0])
        first, *rest = self._kinds
        left = (1 - URGENT) / (1 - first.share)
        self._shares = {kind: kind.share * (left if since else 1) for kind in rest}
        self._shares[first] = URGENT if since else first.share

    def _align(self, now: int) -> None:
        """Sets the first kind's weight so that this poller sends in its turn; the most expensive kind lends missing
        weight."""
        first, dearest = self._kinds[0], max(self._kinds, key=lambda kind: kind.weight)
        place, pollers, _ = self.share
        span = first.weight / (self._rate * URGENT) * self.share.sharing / pollers
        passed = (now - self.urgent_since) / span
        rounds = max(ceil((passed - place) / pollers), 0) if passed > 1 else 0
        lacks = min((place + rounds * pollers - passed) * first.weight / pollers, first.weight)
        lent, self._weights[first] = self._weights[first], first.weight - max(lacks, 0.0)
        lent = self._weights[first] - lent
        if dearest is not first:
            self._weights[dearest] -= lent

    def spent(self, used: int, remaining: int, now: int) -> None:
        """Notes the weight that all requests of the address have used in the window that ends in `remaining` ns. The
        rate falls for the rest of the window, so that weight is left at its end. Several pollers keep the full rate
        instead, and with it their turns."""
        if self.share.sharing > 1:
            self._rate = self._full
            return
        if remaining > self._window / WINDOW_END:
            self._earn(now)
            self._rate = min(self._full, max((self._most - used) / remaining, self._full / WINDOW_END))

    def hold(self, until: int) -> None:
        """Requests nothing before `until`, because the venue or the address's budget would refuse it."""
        self._held_until = max(self._held_until, until)
        self._aligned = None

    def take(self, now: int) -> PollKind | None:
        """Returns the kind to request now; None: nothing yet."""
        self._earn(now)
        if now < self._held_until:
            return None
        kinds = self._kinds if self._is_ours(now) else self._kinds[: self.urgent_since > 0]
        kind = max(kinds, key=lambda each: self._weights[each] / each.weight, default=None)
        if kind is None or kind.weight > self._weights[kind]:
            return None
        self._weights[kind] -= kind.weight
        return kind

    def give_back(self, kind: PollKind) -> None:
        """Returns the weight of a request that was not sent."""
        self._weights[kind] = min(self._weights[kind] + kind.weight, kind.weight)

    def look_back(self, kind: PollKind, names: int) -> int:
        """Returns how long ago, ns, another poller may have last requested a name, before it lost its lease or its
        share. names: how many names take turns; busy ones delay the others by about five rounds."""
        round_ns = names * kind.weight / (self._rate * self._shares[kind])
        return min(2 * LEASE + int(6 * round_ns), LOOK_BACK_MAX)

    def next_at(self, now: int) -> int:
        """Returns when to try `take` next."""
        self._earn(now)
        found = []
        for kind in self._kinds:
            lacks = (kind.weight - self._weights[kind]) * self.share.sharing / (self._rate * self._shares[kind])
            at = max(now + 1, self._held_until, now + int(lacks) + 1 if lacks > 0 else 0)
            has_turn = self.urgent_since and kind is self._kinds[0]
            found.append(at if has_turn else self._slot_at(at))
        return min(found)

    def _slot_at(self, at: int) -> int:
        begins, ends = self._slot()
        within = (at + self.ahead) % TICK
        if within < begins:
            return at - within + begins
        return at if within < ends else at - within + TICK + begins

    def _earn(self, now: int) -> None:
        """Adds the weight earned since the last call; a kind at its maximum passes its part to the next one."""
        span, self._at = max(now - self._at, 0), max(now, self._at)
        rate, over = self._rate / self.share.sharing, 0.0
        for kind in (*self._kinds[1:], self._kinds[0]):
            earned = self._weights[kind] + span * rate * self._shares[kind] + over
            room = kind.weight + rate * self._shares[kind] * TICK
            self._weights[kind] = min(earned, room)
            over = earned - self._weights[kind]
        if (
            self.urgent_since
            and now >= self._held_until
            and self._aligned != (aligned := (self.urgent_since, self.share))
        ):
            self._aligned = aligned
            self._align(now)

    def _slot(self) -> tuple[int, int]:
        place, pollers, _ = self.share
        return place * TICK // pollers, (place + 1) * TICK // pollers

    def _is_ours(self, now: int) -> bool:
        begins, ends = self._slot()
        return begins <= (now + self.ahead) % TICK < ends


@dataclass(slots=True)
class _Turn:
    taken: int = 0  # number of the name's last turn
    leased_until: int = 0
    served_at: int = 0
    rate: float = 0.0  # of trades, per second
    seen_at: int = 0


@dataclass(slots=True)
class Turns:
    """Names that are requested one after another. Pollers divide the names among themselves. A requested name is
    leased, and is skipped until its answer comes or the lease ends."""

    share: Share = field(default_factory=Share)
    _turns: dict[str, _Turn] = field(default_factory=dict)
    _count: int = 0
    _hot: frozenset[str] = frozenset()
    _hot_at: int = 0

    def set_hot(self, names: Iterable[str], now: int) -> None:
        """Sets the busy names, instead of deriving them from trades; valid for `BUSY_FOR`."""
        self._hot, self._hot_at = frozenset(names), now

    def set_names(self, names: Iterable[str]) -> None:
        """Sets the names to request from now on."""
        self._turns = {name: self._turns.get(name) or _Turn() for name in names}

    def take(self, now: int) -> str | None:
        """Returns the name to request next; None: there is none."""
        self._count += 1
        place, pollers, _ = self.share
        mine = sorted(self._turns)[place::pollers]
        free = [name for name in mine if self._turns[name].leased_until <= now]
        busy = self._busy(now)

        def waited(name: str) -> int:
            return (self._count - self._turns[name].taken) * (FAST if name in busy else 1)

        name = max(free, key=waited, default=None)
        if name is not None:
            turn = self._turns[name]
            turn.taken, turn.leased_until = self._count, now + ANSWER_WITHIN
        return name

    def done(self, name: str, now: int, trades: int | None) -> None:
        """Notes an answer. trades: number of trades since the previous answer; None: no answer came."""
        turn = self._turns.get(name)
        if turn is None:
            return
        turn.leased_until = 0
        if trades is None:
            return
        if turn.served_at and now > turn.served_at:
            turn.rate, turn.seen_at = trades * SECOND / (now - turn.served_at), now
        turn.served_at = now

    def _busy(self, now: int) -> frozenset[str]:
        """Returns the busy names: those of `set_hot`, else those with the most trades in recent answers."""
        if self._hot_at:
            return self._hot if now - self._hot_at <= BUSY_FOR else frozenset()
        rates = {name: turn.rate for name, turn in self._turns.items() if now - turn.seen_at <= BUSY_FOR}
        middle = sorted(rates.values())[len(rates) // 2] if rates else 0.0
        ranked = sorted(rates, key=lambda name: (-rates[name], name))[: len(self._turns) // BUSY_PART]
        return frozenset(name for name in ranked if rates[name] > BUSY_TIMES * middle)
