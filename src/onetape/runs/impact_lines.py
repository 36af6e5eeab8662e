"""Describe a run's own impact on the recorded market."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from onetape.engine.session import Session
from onetape.model.decimals import decimal_text
from onetape.model.time import format_duration
from onetape.report.report_data import Assumption

__all__ = ["impact_facts", "impact_lines"]


def impact_facts(session: Session) -> dict[str, Any]:
    """Returns the effect of own impact for run.toml and --json, empty without an impact model. fills: number of fills
    with a worse price; unmeasured: taker fills before volatility and volume were known; cost: by currency."""
    if session.plan.impact is None or session.plan.is_at_gateway:
        return {}
    counters = session.loop.counters()
    cost: dict[str, Decimal] = {}
    for index, each in enumerate(session.host.instruments.values()):
        cost[each.settle] = cost.get(each.settle, Decimal(0)) + Decimal(session.loop.impact_cost(index))
    return {
        "fills": counters["impact_fills"],
        "unmeasured": counters["impact_unmeasured"],
        "cost": {currency: decimal_text(amount) for currency, amount in cost.items()},
    }


def impact_lines(session: Session) -> list[Assumption]:
    """Returns the assumption on own impact: none, or the law, its bias, and its cost."""
    impact = session.plan.impact
    if impact is None:
        return [Assumption("own orders do not move the recorded market", 1, key="impact")]
    facts = impact_facts(session)
    stays = f"; {impact.permanent:.0%} of it remains while the position is held" if impact.permanent else ""
    text = (
        f"own taker fills move the market against later own orders by {impact.coefficient:g} x volatility x "
        f"square root of (own size / volume), measured over {format_duration(impact.window)}, and half of it decays "
        f"within {format_duration(impact.half_life)}{stays}: {facts['fills']} fills had a worse price"
        + (f"; {session.plan.impact_fit}" if session.plan.impact_fit else "")
    )
    cost = ", ".join(f"{amount} {currency}" for currency, amount in facts["cost"].items())
    lines = [
        Assumption(text, -1, f"cost {cost}", "impact", float(Decimal(facts["cost"].get(session.plan.currency, 0))))
    ]
    if facts["unmeasured"]:
        text = f"{facts['unmeasured']} taker fills came before volatility and volume were known: they had no impact"
        lines.append(Assumption(text, 1, key="impact unmeasured"))
    return lines
