"""Describe a run's venues and their rules, for the report's assumptions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from onetape.engine.plan import RunPlan
from onetape.engine.session import Session
from onetape.model import venue_facts
from onetape.model.decimals import decimal_text
from onetape.model.enums import AmendRule, MetTrigger
from onetape.model.instrument import Instrument, Kind
from onetape.model.time import format_duration, format_time
from onetape.report.report_data import Assumption

__all__ = ["defaulted_of", "fee_changes", "fee_lines", "liquidation_lines", "percent", "venue_lines"]

_FEES = {"maker_fee", "taker_fee", "fee_tiers"}  # fields of an instrument that --fee replaces

_AMEND_WORDS = {
    AmendRule.DECREASE_KEEPS: "a smaller size keeps the place in the queue, any other change loses it",
    AmendRule.REQUEUES: "every change loses the place in the queue",
    AmendRule.DECREASE_ONLY: "a smaller size keeps the place in the queue, any other change is refused",
    AmendRule.NONE: "orders cannot be amended",
}
RULE = " (the venue's rule)"
_MET_WORDS = {MetTrigger.FIRES: "fires at once", MetTrigger.REFUSED: "is refused"}


def defaulted_of(plan: RunPlan, instrument: Instrument) -> tuple[str, ...]:
    """Returns the names of an instrument's facts that are defaults. Fees are excluded if the run has its own."""
    replaced = _FEES if plan.fee_of(instrument.venue) is not None else set[str]()
    return tuple(name for name in instrument.defaulted if name not in replaced)


def venue_lines(session: Session) -> list[Assumption]:
    plan, counters = session.plan, session.loop.counters()
    options = plan.venue
    lines = []
    if plan.hedge:
        lines.append(Assumption("hedge mode: long and short of one contract side by side"))
    if options.order_rate is not None or options.order_rates:
        limits = dict(options.order_rates)
        if options.order_rate is not None:
            limits["each other venue" if limits else "each venue"] = options.order_rate
        text = "; ".join(
            f"{venue} takes {orders} orders in {format_duration(window)}" for venue, (orders, window) in limits.items()
        )
        lines.append(Assumption(f"{text}; {counters['rate_limited']} orders were refused for their rate"))
    if options.trigger_delay:
        lines.append(
            Assumption(f"an order goes live {format_duration(options.trigger_delay)} after its trigger is met")
        )
    lines += [Assumption(f"closed {each}") for each in options.closed]
    if plan.hours is not None:
        text = f"the robot trades only {plan.hours.shown}"
        lines.append(Assumption(f"{text}: a stop cancels its orders and keeps its position"))
    if options.borrow:
        rates = ", ".join(f"{name} {percent(rate)}" for name, rate in options.borrow.items())
        lines.append(Assumption(f"spot may be bought and sold on loan, at hourly rates of {rates}"))
        lines += _loan_lines(session)
    lines += _adl_lines(session)
    if counters["settlements"]:
        text = f"{counters['settlements']} positions were settled at the expiry of their contract"
        if counters["settlements_without_mark"]:
            text += f", {counters['settlements_without_mark']} at the last price or the mid"
        lines.append(Assumption(text))
    return [*lines, *amend_lines(session), *trigger_lines(session)]


def _loan_lines(session: Session) -> list[Assumption]:
    levels, counters = session.plan.venue.loans, session.loop.counters()
    if levels is None or not levels.call:
        text = "the venue never calls in loans, even if the account can no longer cover them"
        return [Assumption(text, 1, key="loans")]
    text = (
        f"loans are called at {levels.call:g} of assets over debts, and repaid by the venue at the "
        f"mark at {levels.liquidation:g}, for a fee of {percent(levels.fee)}: "
        f"{counters['loan_calls']} calls, {counters['loan_liquidations']} forced trades"
    )
    lines = [Assumption(text, 1 if counters["loan_liquidations"] else 0, key="loans")]
    leverage = (
        max(
            (each.leverage or session.plan.leverage)
            for each in session.host.instruments.values()
            if each.kind is Kind.SPOT
        )
        if any(each.kind is Kind.SPOT for each in session.host.instruments.values())
        else 1
    )
    if leverage > 1 and Decimal(leverage) / (leverage - 1) <= levels.liquidation:
        text = f"at {leverage}x the venue repays a fully drawn loan at the next event"
        lines.append(Assumption(text, 0, key="loans"))
    return lines


def _adl_lines(session: Session) -> list[Assumption]:
    facts, counters = session.plan.venue.adl, session.loop.counters()
    if not facts:
        return []
    text = f"the venue took over {counters['deleveragings']} positions, as the rules of --instruments "
    text += f"say ({len(facts)} facts"
    if counters["deleveragings_missed"]:
        text += f", {counters['deleveragings_missed']} of them found no position"
    never = len(facts) - counters["deleveragings"] - counters["deleveragings_missed"]
    if never:
        text += f", {never} outside the time of the run"
    return [Assumption(f"{text}): a stress test, not part of the data", -1, key="adl")]


def amend_lines(session: Session) -> list[Assumption]:
    """Returns one line for each rule of amendments in force."""
    ruled: dict[tuple[AmendRule, bool, bool], list[str]] = {}
    for each in session.host.instruments.values():
        fact = venue_facts.amend_fact(each.venue, each.kind)
        is_fact = fact is not None and (fact.rule, fact.triggers) == (each.amend, each.amend_triggers)
        ruled.setdefault((each.amend, each.amend_triggers, is_fact), []).append(each.symbol)
    lines = []
    for (rule, triggers, is_fact), symbols in ruled.items():
        text = f"amending an order of {', '.join(symbols)}: {_AMEND_WORDS[rule]}"
        if not triggers and rule is not AmendRule.NONE:
            text += "; orders that wait for a trigger cannot be amended"
        if is_fact:
            text += RULE
        elif rule is AmendRule.DECREASE_KEEPS and triggers:
            text += " (the common rule)"
        lines.append(Assumption(text, None if is_fact else 0, key="amend"))
    return lines


def trigger_lines(session: Session) -> list[Assumption]:
    """Returns one line for each rule of triggers that are met on arrival."""
    ruled: dict[tuple[MetTrigger, bool], list[str]] = {}
    for each in session.host.instruments.values():
        fact = venue_facts.trigger_fact(each.venue, each.kind)
        is_fact = fact is not None and fact.met is each.met_triggers
        ruled.setdefault((each.met_triggers, is_fact), []).append(each.symbol)
    return [
        Assumption(
            f"an order of {', '.join(symbols)} whose trigger is already met when it arrives "
            f"{_MET_WORDS[met]}{RULE if is_fact else ''}",
            None if is_fact else 0,
            key="triggers",
        )
        for (met, is_fact), symbols in ruled.items()
    ]


def _volumes(plan: RunPlan) -> str:
    named = [f"{venue} {value}" for venue, value in plan.fee_volumes.items()]
    return ", ".join([str(plan.fee_volume), *named])


def fee_changes(session: Session) -> list[dict[str, Any]]:
    """Returns the first hundred changes of fee tier: `time` (ns), `symbol`, `tier`, its rates, and the thirty-day
    volume."""
    symbols = list(session.host.instruments)
    return [
        {
            "time": time,
            "symbol": symbols[index],
            "tier": tier,
            "maker_fee": decimal_text(Decimal(maker).scaleb(-12)),
            "taker_fee": decimal_text(Decimal(taker).scaleb(-12)),
            "volume_30d": volume,
        }
        for time, index, tier, maker, taker, volume in session.loop.fee_changes()
    ]


def fee_lines(session: Session) -> list[Assumption]:
    """Returns lines on fee schedules by volume, on their sources, and on instruments that stay at the base tier."""
    lines = []
    instruments = list(session.host.instruments.values())
    tiered = [(i, each) for i, each in enumerate(instruments) if each.fee_tiers]
    if tiered:
        ends = ", ".join(
            f"{each.symbol} ends in tier {session.loop.fee_tier(i)} of {len(each.fee_tiers)}" for i, each in tiered
        )
        changes = session.loop.counters()["fee_tier_changes"]
        shown = "; ".join(
            f"{each['symbol']} tier {each['tier']} at {format_time(each['time'])}" for each in fee_changes(session)[:3]
        )
        more = "; further ones are in run.toml" if changes > 3 else ""
        lines.append(
            Assumption(
                f"fees follow the run's own 30-day volume, {_volumes(session.plan)} at the start: "
                f"{changes} changes of tier, {ends}" + (f" ({shown}{more})" if shown else "")
            )
        )
    lines += _schedule_lines([each for _, each in tiered])
    flat = sorted(
        {each.venue for each in instruments if not each.fee_tiers and _FEES & set(defaulted_of(session.plan, each))}
    )
    if flat:
        lines.append(
            Assumption(
                f"fees stay at the base tier of {', '.join(flat)}, whatever volume was traded: no dated fee "
                "schedule is shipped for these instruments",
                -1,
                key="base tier",
            )
        )
    return lines


def _schedule_lines(tiered: list[Instrument]) -> list[Assumption]:
    lines = {}
    for each in tiered:
        found = venue_facts.fee_source(each.venue, each.kind, (each.maker_fee, each.taker_fee), each.fee_tiers)
        if found is None:
            continue
        text = f"fee schedule of {each.venue}: {found.about}, {found.as_of}"
        if found.needs:
            text += f"; its tiers also require {found.needs}, which is assumed"
        lines[text] = Assumption(text, 1 if found.needs else 0, key="fee schedule")
    return list(lines.values())


def liquidation_lines(session: Session) -> list[Assumption]:
    counters = session.loop.counters()
    contracts = [i for i in session.host.instruments.values() if i.kind is not Kind.SPOT]
    lines: list[Assumption] = []
    if not contracts:
        return lines
    bare = [each.symbol for each in contracts if not each.maintenance_rate]
    if bare:
        lines.append(
            Assumption(f"the maintenance rate is unknown, so liquidation is at zero equity: {', '.join(bare)}", 1)
        )
    thin = [each.symbol for each in contracts if each.maintenance_rate * (each.leverage or session.plan.leverage) >= 1]
    if thin:
        lines.append(
            Assumption(
                "at this leverage the initial margin is below the maintenance margin: without further equity a "
                f"position is liquidated at the next event: {', '.join(thin)}"
            )
        )
    if counters["liquidations"]:
        text = f"{counters['liquidations']} liquidations at the mark price"
        if counters["liquidations_without_mark"]:
            text += f", {counters['liquidations_without_mark']} of them at the last price or the mid"
        if counters["insurance_payments"]:
            text += f"; {counters['insurance_payments']} losses beyond the margin were not charged"
        lines.append(Assumption(text, 1 if counters["insurance_payments"] else 0))
    return lines


def percent(rate: Decimal) -> str:
    """Returns a share as percent, with all its digits."""
    return f"{decimal_text((rate * 100).normalize())} %"
