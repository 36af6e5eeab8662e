"""Automatic mode: keeps a net delta at its target for days, and gives a reason for each action and inaction.

A pure core. Events come in: views of the accounts, and the ends of operations. Each look returns one decision with its
reason; equal consecutive decisions, and alternating decisions to hold, are counted instead of repeated. The caller
carries decisions out, one operation at a time. Where it must not trade, automatic mode stops and reports it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from onetape.hedge.carry import Carry, choose, cost_of_trades
from onetape.hedge.margin import InFlight, Route
from onetape.hedge.model import LegView
from onetape.hedge.plan import Terms, legs_plan, plan_change, refusal_of
from onetape.hedge.safety import Limits, Measure, safety
from onetape.hedge.utilization import Target, rebalance
from onetape.model.errors import HedgeFailed
from onetape.model.time import DAY, MINUTE, SECOND

__all__ = ["Auto", "AutoSettings", "Decision", "Ended", "Look", "MarginLimits", "UtilizationBand"]

RECORDS_MAX: Final = 1000  # distinct decisions in memory; the tape has all
INTERRUPTED_MAX: Final = MINUTE  # longest gap over which a hold decision is still counted on
_ZERO: Final = Decimal(0)
Action = Literal["hold", "control", "trade", "transfer", "stop", "start"]


class MarginLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The permitted distances to liquidation, as shares of the price: see safety.Limits."""

    act: Decimal = Decimal("0.08")
    restore: Decimal = Decimal("0.15")
    last: Decimal = Decimal("0.05")

    def __post_init__(self) -> None:
        if not 0 <= self.last <= self.act <= self.restore <= 1:
            raise ValueError("last <= act <= restore, shares of 1")


class UtilizationBand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The permitted range of utilisation, shares of 1 around `target`. amount_max: base that one account trades at a
    time, 0: any."""

    target: Decimal
    band: Decimal = Decimal("0.1")
    amount_max: Decimal = _ZERO

    def __post_init__(self) -> None:
        if not 0 <= self.target <= 1 or not 0 < self.band <= 1 or self.amount_max < 0:
            raise ValueError("target and band of utilisation are shares of 1, band and amount_max not below 0")


class AutoSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings of automatic mode. target, band: base units; a correction begins beyond the band and continues until
    the deviation is within `release` of it. interval: ns between looks; cooldown: ns from the end of an operation to
    the next one; patience: ns for which a venue may be unhealthy before the mode stops. max_cost: quote per UTC day, 0:
    any. slippage: share."""

    symbol: str
    accounts: tuple[str, ...]
    target: Decimal = _ZERO
    band: Decimal
    release: Decimal = Decimal("0.5")
    interval: Annotated[int, Meta(gt=0)] = 10 * SECOND
    cooldown: Annotated[int, Meta(ge=0)] = 30 * SECOND
    patience: Annotated[int, Meta(ge=0)] = 60 * SECOND
    max_cost: Decimal = _ZERO
    slippage: Decimal = Decimal("0.005")
    failures_max: Annotated[int, Meta(ge=1)] = 3
    margin: MarginLimits | None = MarginLimits()
    carry: Carry | None = None
    utilization: UtilizationBand | None = None
    spared: tuple[str, ...] = ()  # accounts that trade last, because the others hedge their positions

    def __post_init__(self) -> None:
        if self.band <= 0 or not self.target.is_finite():
            raise ValueError(f"band {self.band} is not above 0")
        if self.max_cost < 0:
            raise ValueError(f"max_cost {self.max_cost} is below 0")
        if self.utilization is not None and self.carry is not None and self.carry.size is not None:
            raise ValueError("a carry size and a utilisation cannot both be held: each trade for one undoes the other")
        for name in ("release", "slippage"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)} is not from 0 to 1")


@dataclass(frozen=True, slots=True)
class Look:
    """The accounts at one time. alerts: open critical ones; moving: transfers under way; busy: the running operation on
    the symbol, whoever began it; blocked: why nothing may be traded at all; "": not blocked."""

    now: int
    views: Sequence[LegView]
    alerts: Sequence[str] = ()
    moving: Sequence[InFlight] = ()
    routes: Sequence[Route] = ()
    busy: str = ""
    blocked: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of an operation. cost: quote, fees plus slippage against the mid; error: "": none."""

    now: int
    cost: Decimal = _ZERO
    error: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The decision of a look, with its reason. at, until: ns UTC of the first and the last look that made it, count:
    their number. code: the reason as a word; decisions with the same code are the same. cost: expected, quote.
    correcting, balancing: the band was left, and the value is not yet within the release."""

    at: int
    until: int
    count: int = 1
    action: Action
    code: str
    reason: str
    delta: Decimal = _ZERO
    cost: Decimal = _ZERO
    operation: str = ""
    trades: dict[str, Decimal] = {}
    transfers: list[dict[str, str]] = []
    correcting: bool = False
    balancing: bool = False

    @property
    def acts(self) -> bool:
        """Tells whether the decision begins an operation."""
        return self.action in ("control", "trade", "transfer")


class Auto:
    """Decides for one symbol in automatic mode. Its state is a fold of settings, looks and ends: the same inputs give
    the same decisions."""

    def __init__(self, settings: AutoSettings, now: int) -> None:
        self.settings = settings
        self.enabled = True
        self.records: deque[Decision] = deque(maxlen=RECORDS_MAX)
        self.spent = _ZERO  # quote, today
        self.total = _ZERO  # of all days
        self.operations = 0
        self.working: Decision | None = None  # the decision under way
        self._day = now // DAY
        self._ended_at: int | None = None  # the last operation's end
        self._correcting = False
        self._balancing = False
        self._failures = 0
        self._unhealthy_at: int | None = None
        self._note(self._decision(now, "start", "started", "switched on"))

    # --- events -------------------------------------------------------------------------------------------------------

    def ended(self, event: Ended) -> Decision | None:
        """Notes the end of the last operation. Returns the decision to stop if operations have failed too often."""
        self._turn(event.now)
        self.working = None
        self.operations += 1
        self.spent += event.cost
        self.total += event.cost
        self._ended_at = event.now
        self._failures = self._failures + 1 if event.error else 0
        if self._failures < self.settings.failures_max:
            return None
        return self.halt(event.now, f"{self._failures} operations in a row failed, last: {event.error}", "failing")

    def look(self, event: Look) -> Decision:
        """Decides. An operation that is to begin counts as working until `ended`."""
        self._turn(event.now)
        found = self._judge(event)
        self._note(found)
        if found.acts:
            self.working = found
        return self.records[-1]

    def began(self, decision: Decision, operation: str) -> None:
        """Notes the id of a decision's operation."""
        self.working = msgspec.structs.replace(decision, operation=operation)
        for index, each in enumerate(self.records):
            if each.acts and each.at == decision.at:
                self.records[index] = self.working

    def change(self, settings: AutoSettings, now: int) -> Decision:
        """Applies new settings and continues, also after a stop. Today's cost is kept."""
        self.settings, self.enabled = settings, True
        self._correcting, self._balancing, self._failures, self._unhealthy_at = False, False, 0, None
        self._note(self._decision(now, "start", "started", "switched on"))
        return self.records[-1]

    def replay(self, decision: Decision) -> None:
        """Restores a decision from an earlier run's records. A later record of the same decision with more looks moves
        it to the end, as counting did; a decision with an operation stays in its place and gets the operation's id."""
        self._turn(decision.until)
        index = next((n for n, each in enumerate(self.records) if each.at == decision.at), None)
        if index is not None and decision.acts:
            self.records[index] = decision
        else:
            if index is not None:
                del self.records[index]
            self.records.append(decision)
        self.enabled = decision.action != "stop" and (self.enabled or decision.action == "start")
        self.working = decision if decision.acts else self.working
        self._correcting, self._balancing = decision.correcting, decision.balancing

    def halt(self, now: int, reason: str, code: str = "switched_off") -> Decision:
        """Stops automatic mode."""
        self._note(self._stop(now, code, reason))
        return self.records[-1]

    def spent_on(self, now: int) -> Decimal:
        """Returns the cost on the day of `now`, quote."""
        return self.spent if now // DAY == self._day else _ZERO

    # --- decisions: the first that applies ----------------------------------------------------------------------------

    def _judge(self, event: Look) -> Decision:
        now, settings = event.now, self.settings
        if not self.enabled:
            return self._decision(now, "hold", "off", "it is switched off")
        if self.working is not None or event.busy:
            return self._decision(now, "hold", "busy", f"an operation works on {settings.symbol} {event.busy}".rstrip())
        if event.blocked:
            return self._decision(now, "hold", "blocked", event.blocked)
        terms = Terms(now=now, slippage=settings.slippage)
        if ill := self._unhealthy(event, terms):
            return ill
        if measure := self._safety(event):
            return measure
        net = sum((view.position for view in event.views), _ZERO)
        off = net - settings.target
        if settings.max_cost and self.spent >= settings.max_cost:
            return self._stop(now, "cost_cap", f"{self.spent:.2f} spent today, at most {settings.max_cost:f}", net)
        self._correcting = abs(off) > settings.band * (settings.release if self._correcting else 1)
        wants = self._control(event, net, off, terms) if self._correcting else self._held(event, net, terms)
        if not wants.acts:
            return wants
        if self._ended_at is not None and (left := self._ended_at + settings.cooldown - now) > 0:
            wait = left / SECOND
            return self._decision(now, "hold", "cooldown", f"{wait:.0f} s of the cool-down left: {wants.reason}", net)
        held = {view.account: view.position for view in event.views}
        after = {account: held[account] + trade for account, trade in wants.trades.items()}
        grows = any(abs(each) > abs(held[name]) or each * held[name] < 0 for name, each in after.items())
        adds = grows and (wants.code != "delta_off" or abs(net + sum(wants.trades.values(), _ZERO)) > abs(net))
        if event.alerts and adds:
            return self._decision(now, "hold", "alert", f"a critical alert is open: {event.alerts[0]}", net)
        if settings.max_cost and self.spent + wants.cost > settings.max_cost:
            spent = f"{self.spent:.2f} spent today and {wants.cost:.2f} for this"
            return self._stop(now, "cost_cap", f"{spent} are more than {settings.max_cost:f}: {wants.reason}", net)
        return wants

    def _unhealthy(self, event: Look, terms: Terms) -> Decision | None:
        """Decides to stop if a venue is unhealthy for longer than the patience; a short silence stops nothing."""
        views = {view.account: view for view in event.views}
        reasons = [
            f"{account}: {refusal_of(views[account], terms) if account in views else 'nothing is known of it'}"
            for account in self.settings.accounts
            if account not in views or refusal_of(views[account], terms)
        ]
        if not reasons:
            self._unhealthy_at = None
            return None
        if self._unhealthy_at is None:
            self._unhealthy_at = event.now
        if event.now - self._unhealthy_at >= self.settings.patience:
            since = (event.now - self._unhealthy_at) / SECOND
            return self._stop(event.now, "unhealthy", f"for {since:.0f} s: {'; '.join(reasons)}")
        return self._decision(event.now, "hold", "waits", "; ".join(reasons))

    def _safety(self, event: Look) -> Decision | None:
        limits = self.settings.margin
        if limits is None:
            return None
        bounds = Limits(Fraction(limits.act), Fraction(limits.restore), Fraction(limits.last))
        found: Measure = safety(event.views, bounds, event.routes, event.moving, event.now)
        if not found.reason:
            return None
        trades = {account: Decimal(base.numerator) / Decimal(base.denominator) for account, base in found.trades}
        sent = [
            {"from": e.route.source, "to": e.route.target, "currency": e.route.currency, "amount": f"{e.amount:f}"}
            for e in found.transfers
        ]
        if not trades and not sent:
            return self._decision(event.now, "hold", "margin_coming", found.reason)
        action: Action = "trade" if trades else "transfer"
        return self._decision(event.now, action, "liquidation_near", found.reason, trades=trades, transfers=sent)

    def _control(self, event: Look, net: Decimal, off: Decimal, terms: Terms) -> Decision:
        plan = plan_change(event.views, -off, terms, spared=self.settings.spared)
        reason = f"the net delta {net:f} is {off:+f} off its target, the band is {self.settings.band:f}"
        if not plan.legs:
            why = "; ".join(f"{account}: {words}" for account, words in plan.considered)
            if any("margin" in words for _, words in plan.considered):
                return self._stop(
                    event.now, "margin_short", f"{reason}, and no account has the margin for it: {why}", net
                )
            return self._decision(event.now, "hold", "no_account", f"{reason}, and no account can trade it: {why}", net)
        trades: dict[str, Decimal] = {}
        for leg in plan.legs:  # an account may have two legs: one reduces its position, one opens
            trades[leg.account] = trades.get(leg.account, _ZERO) + leg.change
        return self._decision(
            event.now, "control", "delta_off", reason, net, cost=cost_of_trades(plan.legs), trades=trades
        )

    def _held(self, event: Look, net: Decimal, terms: Terms) -> Decision:
        """Decides for a net delta at its target: checks utilisations, then carry."""
        balance = self._balance(event, net, terms)
        if balance is not None and balance.acts:
            return balance
        carry = self._carry(event, net, terms)
        return carry if carry.acts or balance is None else balance

    def _balance(self, event: Look, net: Decimal, terms: Terms) -> Decision | None:
        """Brings utilisations beyond their band back until well within it; None: all are within. The trades add up to
        zero."""
        if (keep := self.settings.utilization) is None:
            return None
        far = max(event.views, key=lambda view: abs(view.utilization - Fraction(keep.target)))
        within = Fraction(keep.band * (self.settings.release if self._balancing else 1))
        self._balancing = abs(far.utilization - Fraction(keep.target)) > within
        if not self._balancing:
            return None
        reason = (
            f"{far.account} uses {float(far.utilization):.1%} of its equity, the target is {float(keep.target):.1%}"
        )
        cap = Fraction(keep.amount_max) if keep.amount_max else None
        tolerance = Fraction(keep.band * self.settings.release)
        found = rebalance(event.views, Target(Fraction(keep.target), tolerance, cap), now=event.now)
        trades = {name: Decimal(each.numerator) / each.denominator for name, each in found.trades.items()}
        try:
            plan = legs_plan(event.views, trades, terms)
        except HedgeFailed as error:
            return self._decision(event.now, "hold", "no_counterpart", f"{reason}: {error.what}", net)
        if not plan.legs:
            why = "; ".join(f"{account}: {words}" for account, words in plan.considered) or found.reason
            return self._decision(
                event.now, "hold", "no_counterpart", f"{reason}, and nothing can be traded: {why}", net
            )
        cost = cost_of_trades(plan.legs)
        return self._decision(event.now, "trade", "utilization_off", reason, net, cost=cost, trades=trades)

    def _carry(self, event: Look, net: Decimal, terms: Terms) -> Decision:
        inside = f"the net delta {net:f} is within {self.settings.band:f} of {self.settings.target:f}"
        if self.settings.carry is None:
            return self._decision(event.now, "hold", "within_band", inside, net)
        found = choose(event.views, self.settings.carry, self.settings.target, terms)
        if not found.trades:
            return self._decision(event.now, "hold", "within_band", f"{inside}; carry: {found.reason}", net)
        trades = dict(found.trades)
        return self._decision(event.now, "trade", "carry", found.reason, net, cost=found.cost, trades=trades)

    # --- records ------------------------------------------------------------------------------------------------------

    def _decision(
        self, now: int, action: Action, code: str, reason: str, delta: Decimal = _ZERO, **figures: object
    ) -> Decision:
        fields = {"at": now, "until": now, "action": action, "code": code, "reason": reason, "delta": delta}
        fields |= {"correcting": self._correcting, "balancing": self._balancing}
        return Decision(**fields, **figures)  # type: ignore[arg-type]

    def _stop(self, now: int, code: str, reason: str, delta: Decimal = _ZERO) -> Decision:
        self.enabled = False
        return self._decision(now, "stop", code, reason, delta)

    def _note(self, found: Decision) -> None:
        """Stores a decision as the newest. If it equals the last one it is counted with it and updates its figures; a
        decision to hold also if other decisions to hold came shortly in between, so that alternating ones do not fill
        the list."""
        for index in () if found.acts else self._open(found.at - INTERRUPTED_MAX):
            same = self.records[index]
            if (same.action, same.code) == (found.action, found.code):
                del self.records[index]
                found = msgspec.structs.replace(found, at=same.at, count=same.count + 1)
                break
        self.records.append(found)

    def _open(self, since: int) -> Iterator[int]:
        """Yields the indices of decisions that may be counted on, newest first: the last one, and before it the
        decisions to hold made since `since` that only such decisions follow. At most as many as there are codes."""
        for index in reversed(range(len(self.records))):
            is_last = index == len(self.records) - 1
            if not is_last and (self.records[index].action != "hold" or self.records[index].until < since):
                return
            yield index
            if self.records[index].action != "hold":
                return

    def _turn(self, now: int) -> None:
        if now // DAY != self._day:
            self._day, self.spent = now // DAY, _ZERO
