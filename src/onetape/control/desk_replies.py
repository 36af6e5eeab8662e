"""Formats the results of operations as replies of the REST interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import msgspec

from onetape.hedge.moves import Move
from onetape.hedge.plan import Leg, Plan
from onetape.hedge.saga import Outcome, Saga
from onetape.hedge.utilization import Action, Rebalance
from onetape.hedge.working import Work
from onetape.model.errors import DeltaDeviationExceeded, HedgeFailed, OnetapeError, ProxyFailed
from onetape.model.money import MONEY_DECIMALS
from onetape.model.time import MS
from onetape.web.control_models import (
    DeltaControl,
    DeltaControlReply,
    Direction,
    ExecutedOrder,
    HedgeExecute,
    HedgeReply,
    HedgeResult,
    LegCost,
    MarginMove,
    PlannedLeg,
    RebalanceAction,
    RebalanceReply,
    UtilizationMetrics,
    UtilizationRebalance,
)
from onetape.web.control_models import Plan as ShownPlan

__all__ = [
    "Asking",
    "Came",
    "Checks",
    "bound_of",
    "delta_reply",
    "executed",
    "hedge_reply",
    "moves_reply",
    "number",
    "rebalance_reply",
    "shown_moves",
    "shown_plan",
]

TINY: Final = Decimal("1e-9")
TIME_OVER: Final = "its time limit was reached"  # if there is no other reason
_ZERO: Final = Decimal(0)

Checks = Mapping[Leg, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Asking:
    """A call. begun: ns UTC."""

    operation: str
    actor: str
    begun: int
    symbol: str
    accounts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Came:
    """The result of a call. For a dry run: plan, checks and refusals; for an operation its saga and outcome; for
    neither, why nothing was needed."""

    plan: Plan | None = None
    checks: Checks = field(default_factory=dict)
    errors: Sequence[OnetapeError] = ()
    saga: Saga | None = None
    outcome: Outcome | None = None
    reason: str | None = None
    work: Work | None = None
    moves: Sequence[Move] = ()
    margin: Sequence[MarginMove] = ()  # transfers that a dry run would make, or cannot
    unknown: Mapping[str, str] = field(default_factory=dict)  # why an account's utilisation is unknown


def number(value: float) -> Decimal:
    """Returns a JSON number as the decimal that was written; a tiny one with as many decimals as money has."""
    exact = Decimal(repr(value))
    return exact if abs(exact) >= TINY or not exact else round(exact, MONEY_DECIMALS).normalize()


def shown_plan(plan: Plan, checks: Checks, errors: Sequence[OnetapeError]) -> ShownPlan:
    costs = [each.in_quote(each.cost.total) for each in plan.legs]
    return ShownPlan(
        legs=[_planned(leg, checks.get(leg, [])) for leg in plan.legs],
        parallel=plan.parallel,
        expected_delta=float(plan.expected),
        expected_cost=float(sum(costs, _ZERO)),
        blocked=[{"code": each.code, "error": each.what, "account": each.location or None} for each in errors],
        considered=[{"accountId": account, "reason": why} for account, why in plan.considered],
    )


def _worked(plan: ShownPlan, work: Work | None, begun: int) -> ShownPlan:
    if work is None:
        return plan
    return msgspec.structs.replace(plan, algo=work.algo, work_for=(work.until - begun) // MS)


def _planned(leg: Leg, checks: list[dict[str, Any]]) -> PlannedLeg:
    cost = leg.cost
    return PlannedLeg(
        account_id=leg.account,
        symbol=leg.symbol,
        side=_side(leg),
        amount=float(leg.base),
        limit=float(leg.limit),
        reduces=leg.reduces,
        cost=LegCost(
            fee=float(cost.fee),
            spread=float(cost.spread),
            impact=float(cost.impact),
            funding=None if cost.funding is None else float(cost.funding),
        ),
        checks=checks,
    )


def _side(leg: Leg) -> Any:
    return "buy" if leg.side > 0 else "sell"


def executed(saga: Saga) -> list[ExecutedOrder]:
    """Returns the orders with fills, in the order of sending."""
    return [
        ExecutedOrder(
            order_id=each.fills.order,
            account_id=each.leg.account,
            symbol=saga.goal.symbol,
            instrument=each.leg.symbol,
            amount=float(each.fills.base),
            side=_side(each.leg),
            executed_price=float(each.fills.price),
            fees=float(each.fills.fees),
            timestamp=each.fills.at // MS,
            frames={
                "process": f"gateway:{each.leg.account}",
                "command": f"{saga.goal.operation}.{each.number}",
                "sequences": list(each.fills.sequences),
            },
            other_fees={coin: float(fee) for coin, fee in each.fills.others.items()},
        )
        for each in saga.attempts
        if each.fills.base
    ]


def _result(saga: Saga, outcome: Outcome, took_ms: float, problem: OnetapeError | None) -> HedgeResult:
    spent = sum((each.fills.base * each.fills.price for each in saga.attempts), _ZERO)
    return HedgeResult(
        success=problem is None,
        executed_orders=executed(saga),
        total_cost=float(spent),
        execution_time=took_ms,
        net_delta_change=float(outcome.change),
        slippage=float(_slippage(saga)),
        error=None if problem is None else problem.what,
    )


def _slippage(saga: Saga) -> Decimal:
    """Returns the slippage of the fills against the mid at planning, as a share of notional."""
    mids = sum((each.fills.base * each.leg.mid for each in saga.attempts), _ZERO)
    worse = sum((each.fills.base * (each.fills.price - each.leg.mid) * each.leg.side for each in saga.attempts), _ZERO)
    return worse / mids if mids else _ZERO


def _words(outcome: Outcome, saga: Saga) -> str:
    """Returns the explanations of an outcome beside its figures; "": none."""
    parts = []
    if outcome.naked:
        going = "" if outcome.is_over else ", and is still being traded"
        parts.append(f"{outcome.naked:+f} is naked{going}")
    elif not outcome.is_over:
        parts.append("an order's outcome is not known yet: the operation goes on")
    parts += [outcome.why] if outcome.why and outcome.status != "completed" else []
    parts += [
        f"{account} holds {there:f}, by its fills it would be {expected:f}"
        for account, (expected, there) in outcome.differs.items()
    ]
    parts += [f"the position of {account} is not known" for account in outcome.unknown]
    parts += saga.unpriced
    return "; ".join(parts)


def delta_reply(call: Asking, request: DeltaControl, now: int, initial: Decimal, came: Came) -> DeltaControlReply:
    """Makes the reply of a delta control."""
    plan, errors, saga, outcome, reason = came.plan, came.errors, came.saga, came.outcome, came.reason
    target, took_ms = number(request.target_delta), (now - call.begun) / MS
    problem: OnetapeError | None = None
    final, result, adjustments = plan.expected if plan is not None else initial, None, 0
    if saga is not None and outcome is not None:
        final = sum((outcome.positions.get(each, _ZERO) for each in call.accounts), _ZERO)
        deviation = abs(final - target)
        words = _words(outcome, saga)
        if deviation > number(request.max_deviation):
            problem = DeltaDeviationExceeded(f"the net delta is {final:f}, {deviation:f} off: {words}")
        elif outcome.naked or not outcome.is_over or outcome.unknown:
            problem = HedgeFailed(words)
        result = _result(saga, outcome, took_ms, problem)
        adjustments, reason = len(result.executed_orders), words or None
    return DeltaControlReply(
        success=problem is None and not errors,
        operation_id=call.operation,
        timestamp=now // MS,
        initial_delta=float(initial),
        final_delta=float(final),
        delta_deviation=float(abs(final - target)),
        accounts_processed=list(call.accounts),
        total_adjustments=adjustments if plan is None else len(plan.legs),
        execution_time=took_ms,
        adjustment_needed=plan is not None or saga is not None,
        hedge_results=result,
        plan=None if plan is None else _worked(shown_plan(plan, came.checks, errors), came.work, call.begun),
        reason=reason,
        code=None if problem is None else problem.code,
        error=problem.what if problem is not None else errors[0].what if errors else None,
    )


def _untraded(call: Asking, now: int, error: str | None, **fields: Any) -> HedgeReply:
    """Makes the reply of an operation without orders. error: why it failed; None: it did not."""
    return HedgeReply(
        success=error is None,
        executed_orders=[],
        execution_time=(now - call.begun) / MS,
        slippage=0.0,
        error=error,
        operation_id=call.operation,
        timestamp=now // MS,
        **fields,
    )


def hedge_reply(call: Asking, now: int, came: Came, slippage_max: Decimal = _ZERO) -> HedgeReply:
    """Makes the reply of a hedge."""
    plan, errors, saga, outcome = came.plan, came.errors, came.saga, came.outcome
    if saga is None or outcome is None:
        assert plan is not None
        first = errors[0] if errors else None
        return _untraded(
            call,
            now,
            None if first is None else first.what,
            status="planned",
            reason=came.reason,
            total_cost=float(sum((each.base * each.mid for each in plan.legs), _ZERO)),
            net_delta_change=float(plan.change),
            delta_after=float(plan.expected),
            plan=_worked(shown_plan(plan, came.checks, errors), came.work, call.begun),
        )
    problem: OnetapeError | None = None
    words = _words(outcome, saga)
    if outcome.status != "completed" or not outcome.is_over:
        problem = HedgeFailed(f"{outcome.change:+f} of {saga.wanted:+f} was done: {words or TIME_OVER}")
    elif _slippage(saga) > slippage_max:
        problem = HedgeFailed(f"the slippage is {_slippage(saga):.5f}, at most {slippage_max:f} was allowed")
    result = _result(saga, outcome, (now - call.begun) / MS, problem)
    after = sum((outcome.positions.get(each, _ZERO) for each in saga.goal.positions), _ZERO)
    return HedgeReply(
        **{name: getattr(result, name) for name in result.__struct_fields__ if name != "code"},
        code=None if problem is None else problem.code,
        operation_id=call.operation,
        timestamp=now // MS,
        status=outcome.status,
        delta_after=float(after),
        reason=words or came.reason,
    )


def bound_of(request: HedgeExecute, before: Decimal, change: Decimal) -> str | None:
    """Returns why a hedge trades less than wanted; None: it does not. before: the net delta."""
    amount = number(request.hedge_amount)
    if request.hedge_strategy != "delta-neutral" or before * change >= 0 or amount <= abs(before):
        return None
    return f"a delta-neutral hedge ends at a net delta of 0: {abs(before):f} of {amount:f}"


def shown_moves(moves: Sequence[Move]) -> list[MarginMove]:
    """Returns the present states of margin moves."""
    return [
        MarginMove(
            source=each.margin.source,
            target=each.margin.target,
            currency=each.margin.currency,
            amount=float(each.margin.amount),
            state=each.state,
            operation_id=each.margin.operation,
            transfers=each.ids,
            due=each.margin.due // MS,
            reason=None if each.state == "arrived" else each.words,
        )
        for each in moves
    ]


def _unmoved(moves: Sequence[Move]) -> str:
    """Returns the transfers that have not arrived; "": all have."""
    return "; ".join(each.words for each in moves if each.state != "arrived")


def moves_reply(call: Asking, now: int, moves: Sequence[Move]) -> HedgeReply:
    """Makes the reply of an operation that only moved margin."""
    words = _unmoved(moves)
    return _untraded(
        call,
        now,
        words or None,
        status="failed" if words else "completed",
        total_cost=0.0,
        net_delta_change=0.0,
        code=HedgeFailed.code if words else None,
        reason="; ".join(each.words for each in moves),
    )


def _metrics_of(account: str, used: float, target: float, is_within: bool) -> UtilizationMetrics:
    return UtilizationMetrics(
        account_id=account,
        current_utilization=used,
        target_utilization=target,
        deviation_percent=(used - target) / target if target else used,
        within_tolerance=is_within,
    )


def rebalance_reply(
    call: Asking, request: UtilizationRebalance, now: int, found: Rebalance, came: Came
) -> RebalanceReply:
    """Makes the reply of a rebalance. found: the accounts now. For an account that is unknown now the figures are those
    at the operation's beginning, and the reason names it."""
    plan, errors, saga, outcome = came.plan, came.errors, came.saga, came.outcome
    target = request.target_utilization
    problem: OnetapeError | None = None
    before = now_of = {each.account: float(each.current) for each in found.actions}

    def is_within(used: float) -> bool:
        return abs(Fraction(repr(used)) - Fraction(repr(target))) <= Fraction(repr(request.tolerance_percent))

    traded: dict[str, Decimal] = {} if saga is None else dict(saga.moved)
    for leg in plan.legs if plan is not None else ():  # accounts may be able to trade less than they need
        traded[leg.account] = traded.get(leg.account, _ZERO) + leg.change
    reason = found.reason or ("" if found.needed or saga or came.moves else "every account is within the tolerance")
    if saga is not None and outcome is not None:
        before = saga.goal.utilizations
        now_of = {each: before.get(each, 0.0) if each in came.unknown else used for each, used in now_of.items()}
        words = _words(outcome, saga)
        if outcome.status != "completed" or not outcome.is_over:
            done = "it was done in part" if any(saga.moved.values()) else "nothing of it stands"
            problem = HedgeFailed(f"{done}: {words or TIME_OVER}")
        off = [f"{name} is at {used:.4g}" for name, used in now_of.items() if not is_within(used)]
        left = f"outside the tolerance stay: {', '.join(off)}" if off else ""
        unknown = [f"the utilisation of {name} is not known: {why}" for name, why in came.unknown.items()]
        if unknown and problem is None:
            problem = ProxyFailed("; ".join(unknown))
        reason = "; ".join(filter(None, (words, left, *unknown)))
    if words := _unmoved(came.moves):
        problem = HedgeFailed(f"margin has not arrived, and nothing was traded: {words}")
    return RebalanceReply(
        success=problem is None and not errors,
        operation_id=call.operation,
        timestamp=now // MS,
        target_utilization=target,
        accounts_processed=list(call.accounts),
        average_utilization=sum(now_of.values()) / len(now_of) if now_of else 0.0,
        rebalance_needed=saga is not None or bool(came.moves) or found.needed,
        rebalance_actions=[_action_of(each, saga, before, traded, target) for each in found.actions],
        utilization_metrics=[
            _metrics_of(account, used, target, is_within(used) and account not in came.unknown)
            for account, used in now_of.items()
        ],
        execution_time=(now - call.begun) / MS,
        executed_orders=[] if saga is None else executed(saga),
        transfers=[*shown_moves(came.moves), *came.margin],
        net_delta_change=float(plan.change if plan is not None else outcome.change if outcome is not None else _ZERO),
        plan=None if plan is None else _worked(shown_plan(plan, came.checks, errors), came.work, call.begun),
        reason=reason or None,
        error=problem.what if problem is not None else errors[0].what if errors else None,
        code=None if problem is None else problem.code,
    )


def _action_of(
    found: Action, saga: Saga | None, before: Mapping[str, float], traded: Mapping[str, Decimal], target: float
) -> RebalanceAction:
    return RebalanceAction(
        account_id=found.account,
        action=_direction(saga, found),
        current_utilization=before.get(found.account, float(found.current)),
        target_utilization=target,
        adjustment_amount=float(abs(traded.get(found.account, _ZERO))),
    )


def _direction(saga: Saga | None, found: Action) -> Direction:
    """Returns the change made to an account's exposure, before the operation the planned one."""
    if saga is None:
        return found.action
    before = saga.goal.positions.get(found.account, _ZERO)
    change = abs(before + saga.moved.get(found.account, _ZERO)) - abs(before)
    return "increase" if change > 0 else "decrease" if change < 0 else "maintain"
