"""Decides which halts begin, change and end, by the incomes of a guardian's accounts.

Pure: events in, effects out. Incomes come from the gateways' tapes, which also have the lifts by hand; effects are
commands to gateways, each with an id of the moment of its decision: a gateway executes it once, and a later command
with the same contents is another one. A restarted guardian feeds the tapes in again and reaches the same decisions.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

from onetape.model.loss_limit import LossLimit
from onetape.model.money import money_text
from onetape.orders.halts import Scope
from onetape.risk.income_windows import Breach, Income, IncomeWindows, Subject

__all__ = [
    "Effect",
    "HaltDecisions",
    "HaltLifted",
    "HaltReported",
    "IncomeCame",
    "NotCounted",
    "Priced",
    "Send",
    "TimePassed",
    "Unrealized",
]


class IncomeCame(NamedTuple):
    income: Income


class Priced(NamedTuple):
    """An asset's price in the currency of the limits."""

    asset: str
    price: Fraction


class Unrealized(NamedTuple):
    """The unrealized profit of an open position. strategy: the sub-account that holds it, "": the account. amount:
    units of 1e-18 of the asset, None: its price is unknown; while that or the asset's price is unknown, the previous
    amount stays."""

    account: str
    strategy: str
    symbol: str
    asset: str
    amount: int | None


class HaltReported(NamedTuple):
    """A halt, or a new version of one, on a gateway's tape."""

    account: str
    id: str
    since: int
    until: int


class HaltLifted(NamedTuple):
    """The lift of a halt on a gateway's tape. by_hand: not by a guardian."""

    account: str
    id: str
    time: int
    by_hand: bool


class TimePassed(NamedTuple):
    now: int  # ns UTC
    is_live: bool = True  # all events of the tapes were fed in: decisions count
    has_positions: bool = True  # all open positions were fed in, too


Event = IncomeCame | Priced | Unrealized | HaltReported | HaltLifted | TimePassed


class Send(NamedTuple):
    """A command to an account's gateway, to be sent under its id until it is answered."""

    account: str
    id: str
    command: str
    fields: dict[str, Any]


class NotCounted(NamedTuple):
    """The amounts that count for no limit because their asset's price is unknown; {}: none any more. Units of 1e-18."""

    amounts: dict[str, int]


Effect = Send | NotCounted


class _Cached(NamedTuple):
    """A halt as a gateway has it, or will have it after its answer."""

    since: int
    until: int


@dataclass(slots=True)
class HaltDecisions:
    """Decides which halts begin, change and end. accounts: whose gateways get commands."""

    windows: IncomeWindows
    accounts: Collection[str]
    _cached: dict[tuple[str, str], _Cached] = field(default_factory=dict)  # by account and id
    _by_hand: set[str] = field(default_factory=set)  # ids of halts that were lifted by hand and have not begun again
    _uncounted: frozenset[str] = frozenset()

    def handle(self, event: Event) -> list[Effect]:
        match event:
            case IncomeCame(income):
                self.windows.income(income)
            case Priced(asset, price):
                self.windows.price(asset, price)
            case Unrealized(account, strategy, symbol, asset, amount):
                worth = None if amount is None else self.windows.worth(asset, amount)
                self.windows.unrealized(account, strategy, symbol, worth)
            case HaltReported(account, id_, since, until):
                self._cached[account, id_] = _Cached(since, until)
                self._by_hand.discard(id_)
            case HaltLifted(account, id_, time, by_hand):
                self._cached.pop((account, id_), None)
                if by_hand:
                    self._by_hand.add(id_)
                    self.windows.lift(id_, time)
            case TimePassed(now, is_live, has_positions):
                self.windows.advance(now)
                if is_live:
                    return self._decide(now, has_positions)
        return []

    @property
    def next_due(self) -> int:
        """Returns when the result changes without an event, ns UTC; 0: never."""
        return self.windows.next_change()

    def _decide(self, now: int, has_positions: bool) -> list[Effect]:
        effects: list[Effect] = []
        reached = {breach.id: breach for breach in self.windows.breaches()}
        for id_, breach in reached.items():
            accounts = self._accounts(breach.subject)
            since = min((each.since for at in accounts if (each := self._cached.get((at, id_)))), default=now)
            for account in accounts:
                cached = self._cached.get((account, id_))
                if cached is None or (
                    cached.until != breach.until
                    and (_is_later(breach.until, cached.until) or self._may_loosen(id_, has_positions))
                ):
                    self._cached[account, id_] = _Cached(since, breach.until)
                    effects.append(_begin(account, breach, since, now))
        for (account, id_), cached in list(self._cached.items()):
            if id_ in reached or not (cached.until or self.windows.slides(id_)):
                continue  # a day's halt stays until it is lifted
            if not self._may_loosen(id_, has_positions):
                continue
            del self._cached[account, id_]
            if not cached.until or now < cached.until:  # else its gateway has ended it
                effects.append(_lift(account, id_, now))
        uncounted = self.windows.uncounted
        if uncounted.keys() != self._uncounted:
            self._uncounted = frozenset(uncounted)
            effects.append(NotCounted(uncounted))
        return effects

    def _may_loosen(self, id_: str, has_positions: bool) -> bool:
        """Tells whether a halt may be lifted, or end earlier: not if an open loss that this incarnation has not seen
        yet may require it."""
        return id_ in self._by_hand or self.windows.knows_open_losses(id_, has_positions=has_positions)

    def _accounts(self, subject: Subject) -> Collection[str]:
        match subject.scope:
            case Scope.STRATEGY:
                return (subject.account,)
            case Scope.ACCOUNT:
                return (subject.name,)
        return self.accounts


def _is_later(until: int, than: int) -> bool:
    """Compares two ends of a halt. until, than: ns, 0: never."""
    return than != 0 and (not until or until > than)


def _begin(account: str, breach: Breach, since: int, now: int) -> Send:
    fields: dict[str, Any] = {
        "id": breach.id,
        "scope": str(breach.subject.scope),
        "subject": breach.subject.name,
        "rule": breach.limit.text,
        "loss": _amount(-breach.total, breach.limit),
        "limit": _amount(breach.limit.most, breach.limit),
        "since": since,
    }
    if breach.until:
        fields["until"] = breach.until
    return Send(account, f"{breach.id}.{now}.{breach.until}", "halt", fields)


def _lift(account: str, id_: str, now: int) -> Send:
    reason = "the limit is no longer reached"
    return Send(account, f"{id_}.lift.{now}", "lift_halt", {"id": id_, "reason": reason})


def _amount(units: int, limit: LossLimit) -> str:
    return f"{money_text(units)} {limit.currency}"
