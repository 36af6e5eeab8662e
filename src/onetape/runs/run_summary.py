"""Summarize the result of a run, with CONTRACT's keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from onetape import __version__
from onetape.data.quality.conflation import Conflation
from onetape.engine.delta import DeltaNeutral
from onetape.engine.plan import toml_value
from onetape.engine.session import Session
from onetape.model.decimals import decimal_text
from onetape.model.enums import PositionSide
from onetape.model.errors import refusals_by_name
from onetape.report.report_data import Assumption, StressLine, bias_word
from onetape.runs.assumptions import ambiguous_bars
from onetape.runs.depth_lines import depth_facts
from onetape.runs.impact_lines import impact_facts
from onetape.runs.venue_lines import defaulted_of, fee_changes
from onetape.runs.venue_results import VenueResult, venue_results

__all__ = ["RunResult", "plan_facts", "run_facts", "why_no_orders"]


@dataclass(slots=True)
class RunResult:
    """The keys of `backtest --json`, and further figures for the terminal."""

    run: Path
    strategy: str
    symbols: list[str]
    events: int
    seconds: float
    orders: int
    fills: int
    pnl: Decimal
    fees: Decimal
    funding: Decimal
    liquidations: int
    liquidation_fees: Decimal
    insurance: Decimal
    interest: Decimal
    deleveragings: int
    loan_calls: int
    loan_liquidations: int
    final_equity: Decimal
    max_drawdown: Decimal
    max_drawdown_ratio: float
    currency: str
    action_hash: str
    state_hash: str
    actions: int
    denied: int
    rejected: int
    wall_seconds: float = 0.0
    report: Path | None = None
    why_no_orders: str | None = None
    assumptions: list[Assumption] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    # positions at the end: signed quantity by symbol, in hedge mode by symbol and side
    held: dict[str, str] = field(default_factory=dict)
    working: list[str] = field(default_factory=list)  # orders still working at the venue after the run's end
    refusals: dict[str, dict[str, int]] = field(default_factory=dict)  # state -> error -> orders
    below_lot: dict[str, int] = field(default_factory=dict)  # service -> requests below one lot
    stats: dict[str, Any] = field(default_factory=dict)
    stress: list[StressLine] = field(default_factory=list)
    lookahead: dict[str, Any] | None = None
    ambiguous_bars: int = 0
    ambiguous_fills: int = 0
    depth: dict[str, Conflation] = field(default_factory=dict)
    venues: list[VenueResult] = field(default_factory=list)
    impact: dict[str, Any] = field(default_factory=dict)  # with --impact: fills, unmeasured, cost by currency
    detail: dict[str, int] | None = None  # with --detail-data: events, holes, incomplete
    delta: dict[str, Any] | None = None  # of a delta.toml: cost of operations, time outside the band

    @classmethod
    def of(cls, session: Session, *, run: Path, seconds: float) -> RunResult:
        """Read the result of a finished session."""
        loop, host, plan = session.loop, session.host, session.plan
        counters = loop.counters()
        equity = Decimal(loop.equity_text)
        symbols = list(host.instruments)
        settled = [i for i, s in enumerate(symbols) if plan.counts(host.instruments[s].settle)]
        counted = [number for number, (_, name) in enumerate(host.money) if plan.counts(name)]

        def total(read: Callable[[int], str], numbers: Sequence[int] = settled) -> Decimal:
            return sum((Decimal(read(number)) for number in numbers), Decimal(0))

        return cls(
            run=run,
            strategy=session.strategy_class.__name__,
            symbols=symbols,
            seconds=seconds,
            pnl=session.profit,
            fees=total(loop.fees_text),
            funding=total(loop.funding_text),
            liquidation_fees=total(loop.liquidation_fees_text),
            insurance=total(loop.insurance_text),
            interest=total(loop.interest_text, counted),
            final_equity=equity,
            max_drawdown=Decimal(loop.drawdown_text),
            max_drawdown_ratio=loop.drawdown_ratio,
            currency=plan.currency,
            action_hash=loop.action_hash().hex(),
            state_hash=session.state_hash,
            failures=[str(each) for each in host.failures],
            refusals=refusals_by_name(loop.refusals()),
            below_lot=_below_lot(session),
            detail={name: counters[f"detail_{name}"] for name in ("events", "holes", "incomplete")}
            if any(each.is_detail for each in plan.inputs)
            else None,
            venues=venue_results(session),
            impact=impact_facts(session),
            held=_held(session),
            delta=host.robot.figures if isinstance(host.robot, DeltaNeutral) else None,
            **{name: counters[name] for name in _COUNTS},
        )

    def as_json(self) -> dict[str, Any]:
        """Returns one JSON value: money as decimal strings, counts as integers."""
        made = {
            "run": str(self.run),
            "seconds": round(self.seconds, 6),
            "wall_seconds": round(self.wall_seconds, 6),
            "events_per_second": round(self.events / self.seconds) if self.seconds else 0,
            "max_drawdown": round(self.max_drawdown_ratio, 9),
            "max_drawdown_amount": decimal_text(self.max_drawdown),
            "report": str(self.report) if self.report else None,
            "venues": [each.as_json() for each in self.venues],
        }
        for name in _KEYS:
            if name not in made:
                value = getattr(self, name)
                made[name] = decimal_text(value) if isinstance(value, Decimal) else value
        return {
            **{name: made[name] for name in _KEYS},
            **{f"detail_{name}": count for name, count in (self.detail or {}).items()},
            **({"held": self.held} if self.held else {}),
            **({"working": self.working} if self.working else {}),
            **({"impact": self.impact} if self.impact else {}),
            **({"delta": self.delta} if self.delta is not None else {}),
            **({"stress": [_stress_json(each) for each in self.stress]} if self.stress else {}),
            **({"lookahead": self.lookahead} if self.lookahead is not None else {}),
        }


# Counters of the loop, by their own names.
_COUNTS: Final = (
    "events", "orders", "fills", "liquidations", "deleveragings", "loan_calls", "loan_liquidations", "actions",
    "denied", "rejected", "ambiguous_bars", "ambiguous_fills",
)  # fmt: skip
# In the order in which they are shown.
_KEYS: Final = (
    "run", "strategy", "symbols", "events", "seconds", "wall_seconds", "events_per_second", "orders", "fills", "pnl",
    "fees", "funding", "liquidations", "liquidation_fees", "insurance", "interest", "deleveragings", "loan_calls",
    "loan_liquidations", "final_equity", "max_drawdown", "max_drawdown_amount", "currency", "action_hash", "state_hash",
    "actions", "denied", "rejected", "refusals", "below_lot", "ambiguous_bars", "ambiguous_fills", "report",
    "why_no_orders", "failures", "venues",
)  # fmt: skip


def _stress_json(each: StressLine) -> dict[str, Any]:
    return {"name": each.name, "how": each.how, "pnl": each.pnl, "note": each.note}


def _held(session: Session) -> dict[str, str]:
    """Returns the robot's positions at the end of its run."""
    instruments, found = session.host.instruments, {}
    for each in session.loop.positions():
        side = str(each.side)
        name = each.symbol if side == PositionSide.BOTH else f"{each.symbol} {side}"
        found[name] = instruments[each.symbol].size_text(each.qty_int)
    return found


def _below_lot(session: Session) -> dict[str, int]:
    """Returns the number of requests above zero and below one lot, by service."""
    loop = session.loop
    found = {"set_target": loop.targets_below_lot, "set_quotes": loop.levels_below_lot}
    return {service: count for service, count in found.items() if count}


def why_no_orders(session: Session) -> str | None:
    """Returns why there were no orders or no fills; None when there were both."""
    loop, host = session.loop, session.host
    counters = loop.counters()
    if counters["fills"]:
        return None
    if host.failures:
        return f"the strategy failed: {host.failures[0]}"
    if counters["orders"] == 0:
        if not session.has_subscribed:
            return "the strategy subscribed to nothing: call self.subscribe() in on_start"
        if counters["events"] == 0:
            return "no event of the subscribed instruments lies in the time range"
        idle = session.idle_subscriptions()
        if idle:
            return f"subscribed, but missing in the data: {', '.join(idle)}"
        if wishes := _below_lot(session):
            lots = ", ".join(f"{decimal_text(i.lot)} for {s}" for s, i in host.instruments.items())
            said = " and ".join(
                f"{count:,} {'targets' if service == 'set_target' else 'levels'} of {service}"
                for service, count in wishes.items()
            )
            return f"{said} were below one lot, which has no effect (lot: {lots})"
        return (
            f"its callbacks ran over {counters['events']:,} events and requested no order: no "
            "buy or sell, no target other than the position, no quotes with a size"
        )
    if counters["denied"] == counters["orders"]:
        return f"all {counters['orders']:,} orders were denied; the last: {session.last_refusal()}"
    if counters["rejected"] + counters["denied"] >= counters["orders"]:
        return f"all {counters['orders']:,} orders were refused; the last: {session.last_refusal()}"
    sent = counters["orders"]
    return f"{sent:,} orders were sent and none was filled: their prices were not reached"


def plan_facts(session: Session) -> dict[str, Any]:
    """Returns the tables of run.toml that are known when the run begins."""
    import platform
    import sys

    return {
        # All parameters. [params] has only the chosen ones, so that changed defaults show in a replay.
        "parameters": {name: toml_value(value) for name, value in session.params.items()},
        "versions": {
            "onetape": __version__,
            "python": platform.python_version(),
            "machine": platform.machine(),
            "implementation": sys.implementation.name,
        },
    }


def run_facts(session: Session, result: RunResult) -> dict[str, Any]:
    """Returns the tables of run.toml beside the plan."""
    return {
        **plan_facts(session),
        "result": {
            key: value
            for key, value in result.as_json().items()
            if key not in ("run", "report", "symbols", "failures", "stress", "lookahead", "venues")
            and value is not None
        },
        "stats": {key: value for key, value in result.stats.items() if isinstance(value, (bool, int, float, str))},
        "durability": {"order_intents": "process"},
        "venue_result": [
            {key: value for key, value in each.as_json().items() if value is not None} for each in result.venues
        ],
        **({"ambiguous_bar": found} if (found := ambiguous_bars(session)) else {}),
        **({"depth": depth} if (depth := depth_facts(result.depth)) else {}),
        **({"fee_change": changes} if (changes := fee_changes(session)) else {}),
        "instrument": [
            {
                "symbol": instrument.symbol,
                "tick": str(instrument.tick),
                "lot": str(instrument.lot),
                "maker_fee": str(instrument.maker_fee),
                "taker_fee": str(instrument.taker_fee),
                "origin": str(instrument.origin),
                "inferred": list(instrument.inferred),
                "defaulted": list(defaulted_of(session.plan, instrument)),
                "version": instrument.version,
                "amend": str(instrument.amend),
                "amend_triggers": instrument.amend_triggers,
                "met_triggers": str(instrument.met_triggers),
                **(
                    {"fee_tier": session.loop.fee_tier(i), "volume_30d": session.loop.volume_text(i)}
                    if instrument.fee_tiers
                    else {}
                ),
            }
            for i, instrument in enumerate(session.host.instruments.values())
        ],
        "assumptions": {
            "lines": [each.text for each in result.assumptions],
            "bias": [bias_word(each.bias) for each in result.assumptions],
            "size": [each.size for each in result.assumptions],
        },
    }
