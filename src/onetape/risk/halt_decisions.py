"""Decides which halts begin, change and end, by the incomes of a guardian's accounts.

Pure: events in, effects out. Incomes come from the gateways' tapes, which also have the lifts by hand; effects are
commands to gateways. A command's id contains the time of its decision, so that a gateway executes it once, and a
later command with the same content is another one. A restarted guardian reads the tapes again and reaches the same
decisions.
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
    units of 1e-18 of the asset, None: the position's price is unknown. While it or the asset's price is unknown, the
    previous amount stays."""

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
    is_live: bool = True  # True when all events of the tapes were fed in: decisions are sent
    has_positions: bool = True  # True when all open positions were fed in


Event = IncomeCame | Priced | Unrealized | HaltReported | HaltLifted | TimePassed


class Send(NamedTuple):
    """A command to an account's gateway, repeated with the same id until it is answered."""

    account: str
    id: str
    command: str
    fields: dict[str, Any]


class NotCounted(NamedTuple):
    """Amounts that count for no limit because their asset's price is unknown; {}: there are none any more. Units of
    1e-18."""

    amounts: dict[str, int]


Effect = Send | NotCounted


class _Cached(NamedTuple):
    """A halt as the gateway has it, or will have it after the pending command."""

    since: int
    until: int


@dataclass(slots=True)
class HaltDecisions:
    """Decides which halts begin, change and end. accounts: whose gateways get commands."""

    windows: IncomeWindows
    accounts: Collection[str]
    _cached: dict[tuple[str, str], _Cached] = field(default_factory=dict)  # (account, halt id) -> halt
    _by_hand: set[str] = field(default_factory=set)  # ids of halts lifted by hand that have not begun again since
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
        """Returns when a decision may change without an event, ns UTC; 0: never."""
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
            if not cached.until or now < cached.until:  # otherwise the gateway has ended the halt itself
                effects.append(_lift(account, id_, now))
        uncounted = self.windows.uncounted
        if uncounted.keys() != self._uncounted:
            self._uncounted = frozenset(uncounted)
            effects.append(NotCounted(uncounted))
        return effects

    def _may_loosen(self, id_: str, has_positions: bool) -> bool:
        """Returns True when a halt may be lifted or shortened: not while an open loss may require it that this
        incarnation has not seen yet."""
        return id_ in self._by_hand or self.windows.knows_open_losses(id_, has_positions=has_positions)

    def _accounts(self, subject: Subject) -> Collection[str]:
        match subject.scope:
            case Scope.STRATEGY:
                return (subject.account,)
            case Scope.ACCOUNT:
                return (subject.name,)
        return self.accounts


def _is_later(until: int, than: int) -> bool:
    """Returns True when the end `until` is later than the end `than` (ns, 0: never ends)."""
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
