"""What came of a run, in CONTRACT's keys, and what it stands on, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from onetape import __version__
from onetape.engine.plan import RunPlan, toml_value
from onetape.engine.queue_model import CONSERVATIVE
from onetape.engine.session import Session
from onetape.model.decimals import decimal_text
from onetape.model.instrument import Instrument, Kind
from onetape.model.time import format_duration, format_time
from onetape.services.venue_results import (
    VenueResult,
    account_lines,
    latency_lines,
    venue_results,
)
from onetape.store.report_data import Assumption, StressLine, bias_word

_FUNDING = 7  # EventType of core/journal/events.hpp

__all__ = ["RunResult", "assumptions_of", "fills_from_bars", "run_facts", "why_no_orders"]


@dataclass(slots=True)
class RunResult:
    """The keys of `backtest --json`, and what the terminal shows beside them."""

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
    stats: dict[str, Any] = field(default_factory=dict)
    stress: list[StressLine] = field(default_factory=list)
    lookahead: dict[str, Any] | None = None
    ambiguous_bars: int = 0
    ambiguous_fills: int = 0
    detail: dict[str, int] | None = None  # with --detail-data: events, holes, incomplete
    venues: list[VenueResult] = field(default_factory=list)

    @classmethod
    def of(cls, session: Session, *, run: Path, seconds: float) -> RunResult:
        """Read off a finished session."""
        sim, host = session.sim, session.host
        counters = sim.counters()
        currency = session.plan.currency
        equity = Decimal(sim.equity_text)
        symbols = list(host.instruments)
        settled = [
            i for i, s in enumerate(symbols) if session.plan.counts(host.instruments[s].settle)
        ]
        return cls(
            run=run,
            strategy=session.strategy_class.__name__,
            symbols=symbols,
            events=counters["events"],
            seconds=seconds,
            orders=counters["orders"],
            fills=counters["fills"],
            pnl=equity - session.start_equity,
            fees=sum((Decimal(sim.fees_text(i)) for i in settled), Decimal(0)),
            funding=sum((Decimal(sim.funding_text(i)) for i in settled), Decimal(0)),
            liquidations=counters["liquidations"],
            liquidation_fees=sum(
                (Decimal(sim.liquidation_fees_text(i)) for i in settled), Decimal(0)
            ),
            insurance=sum((Decimal(sim.insurance_text(i)) for i in settled), Decimal(0)),
            interest=sum(
                (
                    Decimal(sim.interest_text(number))
                    for number, (_, name) in enumerate(host.money)
                    if session.plan.counts(name)
                ),
                Decimal(0),
            ),
            final_equity=equity,
            max_drawdown=Decimal(sim.drawdown_text),
            max_drawdown_ratio=sim.drawdown_ratio,
            currency=currency,
            action_hash=sim.action_hash().hex(),
            state_hash=session.state_hash,
            actions=counters["actions"],
            denied=counters["denied"],
            rejected=counters["rejected"],
            failures=[str(each) for each in host.failures],
            ambiguous_bars=counters["ambiguous_bars"],
            ambiguous_fills=counters["ambiguous_fills"],
            detail={name: counters[f"detail_{name}"] for name in ("events", "holes", "incomplete")}
            if any(each.is_detail for each in session.plan.inputs)
            else None,
            venues=venue_results(session),
        )

    def as_json(self) -> dict[str, Any]:
        """One JSON value: money as decimal strings, counts as integers."""
        return {
            "run": str(self.run),
            "strategy": self.strategy,
            "symbols": self.symbols,
            "events": self.events,
            "seconds": round(self.seconds, 6),
            "wall_seconds": round(self.wall_seconds, 6),
            "events_per_second": round(self.events / self.seconds) if self.seconds else 0,
            "orders": self.orders,
            "fills": self.fills,
            "pnl": decimal_text(self.pnl),
            "fees": decimal_text(self.fees),
            "funding": decimal_text(self.funding),
            "liquidations": self.liquidations,
            "liquidation_fees": decimal_text(self.liquidation_fees),
            "insurance": decimal_text(self.insurance),
            "interest": decimal_text(self.interest),
            "final_equity": decimal_text(self.final_equity),
            "max_drawdown": round(self.max_drawdown_ratio, 9),
            "max_drawdown_amount": decimal_text(self.max_drawdown),
            "currency": self.currency,
            "action_hash": self.action_hash,
            "state_hash": self.state_hash,
            "actions": self.actions,
            "denied": self.denied,
            "rejected": self.rejected,
            "ambiguous_bars": self.ambiguous_bars,
            "ambiguous_fills": self.ambiguous_fills,
            "report": str(self.report) if self.report else None,
            "why_no_orders": self.why_no_orders,
            "failures": self.failures,
            "venues": [each.as_json() for each in self.venues],
            **{f"detail_{name}": count for name, count in (self.detail or {}).items()},
            **({"stress": [_stress_json(each) for each in self.stress]} if self.stress else {}),
            **({"lookahead": self.lookahead} if self.lookahead is not None else {}),
        }


def _stress_json(each: StressLine) -> dict[str, Any]:
    return {"name": each.name, "how": each.how, "pnl": each.pnl, "note": each.note}


def assumptions_of(session: Session) -> list[Assumption]:
    """What the result stands on, and which way each leans (see Assumption)."""
    plan, host, sim = session.plan, session.host, session.sim
    lines = account_lines(session)
    lines += [_instrument_line(each) for each in host.instruments.values()]
    lines += latency_lines(plan, {each.venue for each in host.instruments.values()})
    inventory = session.inventory()
    lines += _detail_lines(session)
    for symbol, types in _filled_from(session).items():
        kinds = _kinds(types)
        if kinds == "bars":
            share = plan.bar_volume_share / 1e4
            lines.append(
                Assumption(
                    f"{symbol}: bars only; market orders fill at the next open, limits when the "
                    f"bar trades through them, at most {share:g} % of a bar's volume",
                    key="bars",
                )
            )
            lines.append(
                Assumption(
                    f"{symbol}: no spread is known from bars, so none is paid",
                    1,
                    key=f"spread {symbol}",
                )
            )
        else:
            behind = f"{symbol}: filled from {kinds}; a resting order waits behind all that is "
            lines.append(
                Assumption(
                    f"{behind}displayed at its price and moves up by trades only",
                    -1,
                    key="queue",
                )
                if plan.queue == CONSERVATIVE
                else Assumption(
                    f"{behind}displayed at its price; who cancels there is guessed ({plan.queue})",
                    key="queue",
                )
            )
    counters = sim.counters()
    if counters["fills_beyond_touch"]:
        lines.append(
            Assumption(
                f"{counters['fills_beyond_touch']} fills beyond the displayed size were taken one "
                "tick worse",
                key="beyond",
            )
        )
    if counters["fills_without_volume"]:
        lines.append(
            Assumption(
                f"{counters['fills_without_volume']} fills in bars without volume: size not capped",
                1,
            )
        )
    if counters["fused_quotes"]:
        lines.append(
            Assumption(
                f"{counters['fused_quotes']:,} quotes, newer than the depth, moved the book that "
                "orders met",
                key="fused",
            )
        )
    if counters["trades_beyond_display"]:
        lines.append(
            Assumption(
                f"{counters['trades_beyond_display']} prints at own prices were larger than what "
                "was displayed there: hidden orders that no data place in the queue",
                1,
            )
        )
    lines += _ambiguous_lines(session)
    lines += _venue_lines(session)
    lines += _funding_lines(counters)
    lines += _fee_tier_lines(session)
    lines += _liquidation_lines(session)
    lines += _unfunded_lines(session, inventory)
    lines.append(Assumption("own orders do not move the recorded market", 1, key="impact"))
    return lines


def ambiguous_bars(session: Session) -> list[dict[str, Any]]:
    """The first hundred bars inside which the order of prices decided what own orders became:
    `time` (the bar's open, ns) and `symbol`."""
    symbols = list(session.host.instruments)
    return [{"time": at, "symbol": symbols[i]} for at, i in session.sim.ambiguous_bars()]


def _ambiguous_lines(session: Session) -> list[Assumption]:
    counters = session.sim.counters()
    count = counters["ambiguous_bars"]
    if not count:
        return []
    shown = ambiguous_bars(session)
    first = ", ".join(f"{each['symbol']} {format_time(each['time'])}" for each in shown[:3])
    more = f" and {count - 3} more, see run.toml" if count > 3 else ""
    return [
        Assumption(
            f"{count} bars reached own orders both above and below their open, and which came "
            f"first is not known: the losing one is taken ({counters['ambiguous_fills']} fills; "
            f"{first}{more}); --detail-data resolves them",
            -1,
            key="ambiguous",
        )
    ]


def _filled_from(session: Session) -> dict[str, Mapping[int, int]]:
    """{type id: count} of what the exchange fills on, by symbol of the run."""
    main, detail = session.inventory(), session.detail_inventory()
    return {
        symbol: detail.get(symbol, counted)[0]
        for symbol, counted in main.items()
        if symbol in session.host.instruments
    }


def fills_from_bars(session: Session) -> bool:
    """Orders of some instrument are filled from bars alone."""
    return any(_kinds(types) == "bars" for types in _filled_from(session).values())


def _detail_lines(session: Session) -> list[Assumption]:
    counters = session.sim.counters()
    lines = []
    for symbol, (types, periods) in session.detail_inventory().items():
        if symbol in session.host.instruments:
            kinds = _kinds(types)
            if kinds == "bars":
                kinds = f"bars of {format_duration(min(periods))}"
            said = f"{symbol}: inside its bars filled from {kinds} that the robot does not see"
            lines.append(Assumption(said, None, key="detail"))
    if counters["detail_holes"]:
        said = f"{counters['detail_holes']} bars have no detail data: filled from the bars"
        lines.append(Assumption(said, 0, key="detail holes"))
    if counters["detail_incomplete"]:
        said = (
            f"{counters['detail_incomplete']} bars reach further than their detail data: what "
            "happened in between is missing, and orders there were not filled"
        )
        lines.append(Assumption(said, 1, key="detail incomplete"))
    return lines


def _venue_lines(session: Session) -> list[Assumption]:
    plan, counters = session.plan, session.sim.counters()
    options = plan.venue
    lines = []
    if plan.hedge:
        lines.append(Assumption("hedge mode: long and short of one contract side by side"))
    if options.order_rate is not None or options.order_rates:
        limits = dict(options.order_rates)
        if options.order_rate is not None:
            limits["each other venue" if limits else "each venue"] = options.order_rate
        text = "; ".join(
            f"{venue} takes {orders} orders in {format_duration(window)}"
            for venue, (orders, window) in limits.items()
        )
        lines.append(Assumption(f"{text}; {counters['rate_limited']} were refused for it"))
    if options.trigger_delay:
        lines.append(Assumption(f"triggers need {format_duration(options.trigger_delay)}"))
    lines += [Assumption(f"closed {each}") for each in options.closed]
    if plan.hours is not None:
        text = f"the robot trades {plan.hours} ({plan.hours.tz}) only"
        lines.append(Assumption(f"{text}: a stop cancels its orders and keeps its position"))
    if options.borrow:
        rates = ", ".join(f"{name} {_percent(rate)}" for name, rate in options.borrow.items())
        lines.append(
            Assumption(
                f"spot may be bought and sold on loan, at an hour's {rates}; such loans are "
                "not called in when the account can no longer carry them",
                1,
            )
        )
    if counters["settlements"]:
        text = f"{counters['settlements']} positions were settled at the expiry of their contract"
        if counters["settlements_without_mark"]:
            text += f", {counters['settlements_without_mark']} at the last price or the mid"
        lines.append(Assumption(text))
    return lines


def _funding_lines(counters: Mapping[str, int]) -> list[Assumption]:
    lines = []
    if counters["fundings_missing"]:
        lines.append(
            Assumption(
                f"{counters['fundings_missing']} funding intervals have no event in the data, and "
                "nothing was paid for them"
            )
        )
    if counters["fundings_repeated"]:
        lines.append(
            Assumption(
                f"{counters['fundings_repeated']} funding events repeat the one before and were "
                "not paid again"
            )
        )
    if counters["fundings_early"]:
        lines.append(
            Assumption(
                f"{counters['fundings_early']} funding events came within half of their interval "
                "and were paid"
            )
        )
    return lines


def _fee_tier_lines(session: Session) -> list[Assumption]:
    tiered = [
        (i, each) for i, each in enumerate(session.host.instruments.values()) if each.fee_tiers
    ]
    if not tiered:
        return []
    ends = ", ".join(
        f"{each.symbol} ends in tier {session.sim.fee_tier(i)} of {len(each.fee_tiers)}"
        for i, each in tiered
    )
    changes = session.sim.counters()["fee_tier_changes"]
    return [
        Assumption(
            f"fees by the run's own volume of 30 days, {_volumes(session.plan)} at the start: "
            f"{changes} changes of tier, {ends}"
        )
    ]


def _volumes(plan: RunPlan) -> str:
    named = [f"{venue} {value}" for venue, value in plan.fee_volumes.items()]
    return ", ".join([str(plan.fee_volume), *named])


def _liquidation_lines(session: Session) -> list[Assumption]:
    counters = session.sim.counters()
    contracts = [i for i in session.host.instruments.values() if i.kind is not Kind.SPOT]
    lines: list[Assumption] = []
    if not contracts:
        return lines
    bare = [each.symbol for each in contracts if not each.maintenance_rate]
    if bare:
        lines.append(
            Assumption(
                f"no maintenance rate known, liquidated at zero equity: {', '.join(bare)}", 1
            )
        )
    thin = [
        each.symbol
        for each in contracts
        if each.maintenance_rate * (each.leverage or session.plan.leverage) >= 1
    ]
    if thin:
        lines.append(
            Assumption(
                "at this leverage a position starts with less margin than its maintenance, and "
                f"without more behind it is liquidated at the next event: {', '.join(thin)}"
            )
        )
    if counters["liquidations"]:
        text = f"{counters['liquidations']} forced closings at the mark"
        if counters["liquidations_without_mark"]:
            text += (
                f", {counters['liquidations_without_mark']} of them by the last price or the mid"
            )
        if counters["insurance_payments"]:
            text += f"; {counters['insurance_payments']} losses beyond the margin were not charged"
        lines.append(Assumption(text, 1 if counters["insurance_payments"] else 0))
    return lines


def _unfunded_lines(
    session: Session, inventory: Mapping[str, tuple[Mapping[int, int], list[int]]]
) -> list[Assumption]:
    contracts = [each for each in session.host.instruments.values() if each.kind is not Kind.SPOT]
    lines = []
    unfunded = [
        each.symbol
        for each in contracts
        if each.perpetual and not inventory.get(each.symbol, ({}, []))[0].get(_FUNDING)
    ]
    if unfunded:
        lines.append(
            Assumption(
                f"{', '.join(unfunded)}: the data has no funding, so none is paid or received",
                key="funding",
            )
        )
    return lines


def _instrument_line(instrument: Instrument) -> Assumption:
    """Facts lean nowhere; what was guessed may lean either way."""
    kind = {Kind.SPOT: "spot", Kind.LINEAR: "linear", Kind.INVERSE: "inverse"}[instrument.kind]
    text = (
        f"{instrument.symbol}: {kind}, tick {decimal_text(instrument.tick)}, lot "
        f"{decimal_text(instrument.lot)}, fees {_percent(instrument.maker_fee)} maker, "
        f"{_percent(instrument.taker_fee)} taker"
    )
    if instrument.multiplier != 1:
        text += f", multiplier {decimal_text(instrument.multiplier)}"
    if instrument.brackets:
        text += f", margin in {len(instrument.brackets)} brackets"
    if instrument.leverage:
        text += f", leverage {instrument.leverage}x"
    if instrument.inferred:
        text += f"; inferred from the data: {', '.join(instrument.inferred)}"
    if instrument.defaulted:
        text += f"; defaulted: {', '.join(instrument.defaulted)}"
    guessed = bool(instrument.inferred or instrument.defaulted)
    return Assumption(text, 0 if guessed else None, key=f"fees {instrument.symbol}")


def _percent(rate: Decimal) -> str:
    return f"{decimal_text((rate * 100).normalize())} %"


def _kinds(types: Mapping[int, int]) -> str:
    words = [
        word for number, word in ((4, "depth"), (2, "quotes"), (3, "trades")) if types.get(number)
    ]
    return ", ".join(words) if words else "bars"


def why_no_orders(session: Session) -> str | None:
    """In words, when nothing was ordered or nothing filled; None when there is nothing to ask."""
    sim, host = session.sim, session.host
    counters = sim.counters()
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
            return f"subscribed, but the data has none of it: {', '.join(idle)}"
        if sim.targets_rounded_away:
            lots = ", ".join(f"{decimal_text(i.lot)} for {s}" for s, i in host.instruments.items())
            return (
                f"set_target was called {sim.targets_rounded_away:,} times with less than one "
                f"lot, which is no position (lot: {lots})"
            )
        return (
            f"its callbacks ran over {counters['events']:,} events and never called buy, sell, "
            "set_target or set_quotes"
        )
    if counters["denied"] == counters["orders"]:
        return f"all {counters['orders']:,} orders were denied; the last: {session.last_refusal()}"
    if counters["rejected"] + counters["denied"] >= counters["orders"]:
        return f"all {counters['orders']:,} orders were refused; the last: {session.last_refusal()}"
    sent = counters["orders"]
    return f"{sent:,} orders were sent and none was filled: their prices were not reached"


def run_facts(session: Session, result: RunResult) -> dict[str, Any]:
    """The tables of run.toml beside the plan."""
    import platform
    import sys

    return {
        # All of them; [params] holds only what was given, so that edited defaults show in a replay.
        "parameters": {name: toml_value(value) for name, value in session.params.items()},
        "versions": {
            "onetape": __version__,
            "python": platform.python_version(),
            "machine": platform.machine(),
            "implementation": sys.implementation.name,
        },
        "result": {
            key: value
            for key, value in result.as_json().items()
            if key not in ("run", "report", "symbols", "failures", "stress", "lookahead", "venues")
            and value is not None
        },
        "stats": {
            key: value
            for key, value in result.stats.items()
            if isinstance(value, (bool, int, float, str))
        },
        "durability": {"order_intents": "process"},
        "venue_result": [
            {key: value for key, value in each.as_json().items() if value is not None}
            for each in result.venues
        ],
        **({"ambiguous_bar": found} if (found := ambiguous_bars(session)) else {}),
        "instrument": [
            {
                "symbol": instrument.symbol,
                "tick": str(instrument.tick),
                "lot": str(instrument.lot),
                "maker_fee": str(instrument.maker_fee),
                "taker_fee": str(instrument.taker_fee),
                "origin": str(instrument.origin),
                "inferred": list(instrument.inferred),
                "defaulted": list(instrument.defaulted),
                "version": instrument.version,
                **(
                    {"fee_tier": session.sim.fee_tier(i), "volume_30d": session.sim.volume_text(i)}
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
