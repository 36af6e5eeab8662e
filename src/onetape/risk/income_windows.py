"""Profit and loss in sliding windows: realized, fees and funding of symbols, sub-accounts, accounts and the system,
exact to 1e-18 of one currency.

Pure. Each income is fed in once, with its venue's time; it counts at `now` if now - window < its time <= now, so it
leaves at the nanosecond time + window. A UTC day counts all its incomes, including those that arrive in the first hour
of the next one. An income in another asset is valued at the asset's price when it arrived, and the asset is kept;
while the price is unknown the income is not counted, and reported as such.
"""

from __future__ import annotations

import hashlib
from bisect import insort
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from onetape.model.loss_limit import LossLimit
from onetape.model.money import divide_half_even
from onetape.model.time import DAY, HOUR
from onetape.orders.halts import Scope

__all__ = ["HEARD_WITHIN", "Breach", "Income", "IncomeWindows", "Kind", "Subject", "Window", "halt_id"]

# Largest delay of an income after its venue time, including clock differences. A day's halt stays until lifted, so a
# guardian that restarts at midnight must not miss it.
HEARD_WITHIN: Final = HOUR
WAITING_MAX: Final = 100_000  # bound of incomes that wait for a price; beyond it the oldest are dropped and reported


class Kind(StrEnum):
    REALIZED = "realized"
    FEE = "fee"
    FUNDING = "funding"


class Income(NamedTuple):
    """Money gained (below 0: lost) by trading.

    time: ns UTC, the venue's.
    amount: units of 1e-18 of `asset`.
    of_account: True: counts for the account and the symbol; False: only for the sub-account, whose realized profit
    may differ from the venue's netted position.
    """

    time: int
    account: str
    symbol: str
    strategy: str  # sub-account
    kind: Kind
    asset: str
    amount: int
    of_account: bool = True
    of_strategy: bool = True


class Subject(NamedTuple):
    """The subject of a window. account: needed for a sub-account, whose name is unique only within its account."""

    scope: Scope
    name: str = ""
    account: str = ""


def halt_id(subject: Subject, limit: str) -> str:
    """Returns the id of a limit's halt, the same in every run of every guardian, and short enough to type."""
    text = "\0".join((subject.scope, subject.account, subject.name, limit))
    return f"h-{hashlib.blake2b(text.encode(), digest_size=5).hexdigest()}"


class Breach(NamedTuple):
    """A limit that is reached. id: of its halt. total: sum of the window, units of 1e-18, below 0. until: when it
    ends if no incomes follow, ns; 0: it stays."""

    id: str
    subject: Subject
    limit: LossLimit
    total: int
    until: int


@dataclass(slots=True)
class Window:
    """One limit of one subject: its incomes by time, and their sum as of `now`.

    since: time of the last lift; earlier incomes do not count. before: sum of the previous day, while its incomes may
    still arrive.
    """

    limit: LossLimit
    since: int = 0
    total: int = 0
    before: int = 0
    _in: deque[tuple[int, int]] = field(default_factory=deque)  # (time, amount) of counted incomes
    _before: deque[tuple[int, int]] = field(default_factory=deque)
    _ahead: deque[tuple[int, int]] = field(default_factory=deque)  # incomes with a later time than now

    def add(self, time: int, amount: int, now: int) -> None:
        if time > now:
            _put(self._ahead, (time, amount))
        elif time > max(self.since, self._start(now)):
            _put(self._in, (time, amount))
            self.total += amount
        elif time > max(self.since, self._start_before(now)):
            _put(self._before, (time, amount))
            self.before += amount

    def slide(self, now: int) -> None:
        """Move the window to `now`, which never decreases."""
        while self._ahead and self._ahead[0][0] <= now:
            self.add(*self._ahead.popleft(), now)
        start = max(self.since, self._start(now))
        while self._in and self._in[0][0] <= start:
            self.total -= self._in[0][1]
            self.before += self._in[0][1]
            self._before.append(self._in.popleft())
        start = max(self.since, self._start_before(now))
        while self._before and self._before[0][0] <= start:
            self.before -= self._before.popleft()[1]

    def lift(self, time: int, now: int) -> None:
        self.since = max(self.since, time)
        self.slide(now)

    def lost(self, unrealized: int = 0) -> int:
        """Returns the window's sum (a loss is below 0); while the previous day may still reach the limit, the lower
        of both days."""
        return min(self.total + min(unrealized, 0), self.before)

    def is_reached(self, unrealized: int = 0) -> bool:
        return self.lost(unrealized) <= -self.limit.most

    def until(self, unrealized: int = 0) -> int:
        """Returns when a reached limit ends as the window slides, ns; 0: it stays."""
        if not self.limit.window:
            return 0
        left = self.total + min(unrealized, 0)
        time: int
        for time, together in groupby(self._in, key=itemgetter(0)):  # incomes that leave the window at the same time
            left -= sum(amount for _, amount in together)
            if left > -self.limit.most:
                return time + self.limit.window
        return 0

    def next_change(self, now: int) -> int:
        """Returns when the sum changes without a new income; 0: never."""
        due = [self._ahead[0][0]] if self._ahead else []
        if self._in:
            first = self._in[0][0]
            due.append(first + self.limit.window if self.limit.window else (now // DAY + 1) * DAY)
        if self._before:
            due.append(now // DAY * DAY + HEARD_WITHIN)
        return min(due, default=0)

    def _start(self, now: int) -> int:
        """Returns the time up to which incomes no longer count."""
        return now - self.limit.window if self.limit.window else now // DAY * DAY - 1

    def _start_before(self, now: int) -> int:
        """Returns the time up to which incomes no longer count for the previous day."""
        start = self._start(now)
        return start if self.limit.window or now - start > HEARD_WITHIN else start - DAY


class IncomeWindows:
    """All limits of a system.

    limits: by scope; each symbol, sub-account or account gets its scope's limits with its first income.
    currency: of all limits and sums.
    counts_unrealized: open losses count, too; open profits do not.
    """

    def __init__(
        self, limits: Iterable[tuple[Scope, LossLimit]], currency: str, *, counts_unrealized: bool = False
    ) -> None:
        self.currency = currency
        self.counts_unrealized = counts_unrealized
        self.now = 0
        self._limits = list(limits)
        self._windows: dict[str, tuple[Subject, Window]] = {}  # halt id -> (subject, window)
        self._unrealized: dict[tuple[str, str, str], int] = {}  # account, sub-account, symbol
        self._unpriced: dict[tuple[str, str, str], None] = {}  # open positions that have had no known amount yet
        self.assets: set[str] = set()  # assets of incomes other than the currency
        self._prices: dict[str, Fraction] = {}  # asset -> price in the currency
        self._waiting: dict[str, deque[Income]] = {}  # asset -> incomes that wait for its price
        self._lifted: dict[str, int] = {}  # halt id -> time of its lift: earlier incomes do not count
        self.lost_uncounted = 0

    # --- events -----------------------------------------------------------------------------------

    def advance(self, now: int) -> None:
        """Moves time on to `now`, ns; it never goes back."""
        if now <= self.now:
            return
        self.now = now
        for _, window in self._windows.values():
            window.slide(now)

    def income(self, income: Income) -> None:
        """Add an income. Each must be added exactly once."""
        amount = self.worth(income.asset, income.amount)
        if amount is not None:
            self._count(income, amount)
        else:
            waiting = self._waiting.setdefault(income.asset, deque())
            if len(waiting) >= WAITING_MAX:
                waiting.popleft()
                self.lost_uncounted += 1
            waiting.append(income)

    def price(self, asset: str, price: Fraction) -> None:
        """Sets the price of an asset in the currency from now on, and counts the incomes that waited for it."""
        self._prices[asset] = price
        for income in self._waiting.pop(asset, ()):
            self._count(income, _worth(income.amount, price))

    def unrealized(self, account: str, strategy: str, symbol: str, amount: int | None) -> None:
        """Sets the unrealized profit of an open position in a symbol, units of the currency; None: unknown, the
        previous amount stays. strategy: the sub-account whose limits count it; "": the account's netted position,
        which counts for all other limits."""
        key = account, strategy, symbol
        if amount is not None:
            self._unrealized[key] = amount
            self._unpriced.pop(key, None)
        elif key not in self._unrealized:
            self._unpriced[key] = None
        if self.counts_unrealized:  # create the windows, as there may be no income yet
            for scope, limit in self._limits:
                if (scope is Scope.STRATEGY) is bool(strategy):
                    self._window(_subject(scope, Income(0, account, symbol, strategy, Kind.REALIZED, "", 0)), limit)

    def worth(self, asset: str, amount: int) -> int | None:
        """Converts an amount to units of the currency; None while the asset's price is unknown."""
        if asset == self.currency:
            return amount
        self.assets.add(asset)
        price = self._prices.get(asset)
        return None if price is None else _worth(amount, price)

    def lift(self, id_: str, time: int) -> None:
        """Reset a limit whose halt was lifted by hand: incomes up to `time` (ns) no longer count for it."""
        self._lifted[id_] = max(self._lifted.get(id_, 0), time)
        if (found := self._windows.get(id_)) is not None:
            found[1].lift(time, self.now)

    # --- results ----------------------------------------------------------------------------------

    @property
    def uncounted(self) -> dict[str, int]:
        """Returns asset -> sum of accounts' incomes in it (units), for assets without a known price. Sub-accounts'
        incomes are included in these."""
        return {
            asset: sum(each.amount for each in waiting if each.of_account) for asset, waiting in self._waiting.items()
        }

    def breaches(self) -> list[Breach]:
        """Returns the limits that are reached, in the order of their subjects' first incomes."""
        found = []
        for id_, (subject, window) in self._windows.items():
            unrealized = self._open_loss(subject)
            if window.is_reached(unrealized):
                found.append(Breach(id_, subject, window.limit, window.lost(unrealized), window.until(unrealized)))
        return found

    def slides(self, id_: str) -> bool:
        """Returns True when the halt's window slides; False for a day's window or an unknown id."""
        found = self._windows.get(id_)
        return found is not None and bool(found[1].limit.window)

    def knows_open_losses(self, id_: str, *, has_positions: bool = True) -> bool:
        """Returns True when each open position that counts for this halt has had a known amount. has_positions: all
        open positions were fed in."""
        if not self.counts_unrealized:
            return True
        found = self._windows.get(id_)  # an open position has created the windows of its subjects
        return has_positions and (found is None or not any(_is_of(found[0], *key) for key in self._unpriced))

    def next_change(self) -> int:
        """Returns when a sum changes without a new income, ns; 0: never."""
        due = (window.next_change(self.now) for _, window in self._windows.values())
        return min((each for each in due if each), default=0)

    def _count(self, income: Income, amount: int) -> None:
        for scope, limit in self._limits:
            is_strategy = scope is Scope.STRATEGY
            if not (income.of_strategy if is_strategy else income.of_account):
                continue
            if scope is Scope.SYMBOL and not income.symbol:
                continue
            self._window(_subject(scope, income), limit).add(income.time, amount, self.now)

    def _window(self, subject: Subject, limit: LossLimit) -> Window:
        id_ = halt_id(subject, limit.text)
        found = self._windows.get(id_)
        if found is None:
            found = self._windows[id_] = subject, Window(limit, since=self._lifted.get(id_, 0))
        return found[1]

    def _open_loss(self, subject: Subject) -> int:
        if not self.counts_unrealized:
            return 0
        return sum(
            amount
            for (account, strategy, symbol), amount in self._unrealized.items()
            if _is_of(subject, account, strategy, symbol)
        )


def _put(rows: deque[tuple[int, int]], row: tuple[int, int]) -> None:
    """Insert a row by its time."""
    if rows and row[0] < rows[-1][0]:  # a binary search would begin in the middle, which is slow to reach in a deque
        insort(rows, row)
    else:
        rows.append(row)


def _subject(scope: Scope, income: Income) -> Subject:
    match scope:
        case Scope.SYMBOL:
            return Subject(scope, income.symbol)
        case Scope.STRATEGY:
            return Subject(scope, income.strategy, income.account)
        case Scope.ACCOUNT:
            return Subject(scope, income.account)
        case Scope.SYSTEM:
            return Subject(scope)


def _is_of(subject: Subject, account: str, strategy: str, symbol: str) -> bool:
    if subject.scope is Scope.STRATEGY or strategy:
        return (*subject,) == (Scope.STRATEGY, strategy, account)
    match subject.scope:
        case Scope.SYMBOL:
            return subject.name == symbol
        case Scope.ACCOUNT:
            return subject.name == account
        case Scope.SYSTEM:
            return True


def _worth(amount: int, price: Fraction) -> int:
    return divide_half_even(amount * price.numerator, price.denominator)
