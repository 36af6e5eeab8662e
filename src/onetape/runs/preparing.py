"""Turn the options of a run into its plan: everything is checked and parsed before any work begins."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from onetape.engine.accounts import SHARED, Accounts, by_traded_venue, parse_accounts
from onetape.engine.impact import read_impact
from onetape.engine.latency import Latency, parse_latencies
from onetape.engine.loader import load_strategy
from onetape.engine.parameters import WHOLE_NUMBERS, parameters_of
from onetape.engine.plan import (
    AT_OPEN,
    BAR_VOLUME_SHARE,
    DETAIL,
    RunPlan,
    TapeInput,
    parse_bar_volume,
    parse_fees,
    parse_limit_fills,
    parse_volumes,
)
from onetape.engine.queue_model import AUTO, read_queue
from onetape.engine.strategy import Strategy
from onetape.engine.tape_facts import tape_instruments, tape_span
from onetape.engine.trading_hours import Sessions, TradingHours, parse_hours
from onetape.engine.venue_options import VenueOptions, parse_borrow, parse_closed_all, parse_delay, parse_order_rates
from onetape.model.errors import BadConfig, BadInput
from onetape.model.money import parse_cash
from onetape.model.near import did_you_mean
from onetape.model.time import SECOND, format_time, parse_time
from onetape.report.annual import SESSIONS, YEARS, parse_riskless
from onetape.runs.calendars import check_calendar, is_calendar, sessions_of
from onetape.runs.input_tapes import as_tapes
from onetape.runs.options import CHOICES, RunOptions

__all__ = ["parse_plan", "prepare_plan", "strategy_class", "with_sessions"]

SAMPLES_WANTED = 4000
SAMPLE_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


def strategy_class(options: RunOptions) -> type[Strategy]:
    """Returns the class itself, or loads it from its reference. Raises BadConfig for other values."""
    chosen: object = options.strategy
    if isinstance(chosen, str):
        return load_strategy(chosen)
    if isinstance(chosen, type) and issubclass(chosen, Strategy):
        return chosen
    made_of = type(chosen)
    raise BadConfig(
        f"{made_of.__name__}() is an instance of a strategy, not its class"
        if isinstance(chosen, Strategy)
        else f"{chosen!r} is no strategy",
        location="strategy",
        todo=f"give {made_of.__name__} itself, and its parameters as keywords"
        if isinstance(chosen, Strategy)
        else "give a class derived from onetape.Strategy, or 'file.py:Class'",
    )


def _check_parameters(options: RunOptions, strategy: type[Strategy]) -> None:
    """Raises BadConfig for a parameter that the strategy does not have."""
    declared = parameters_of(strategy)
    for name in options.params:
        if name not in declared:
            near = did_you_mean(name, [*declared, *CHOICES])
            if name in CHOICES:
                near = f"it is an option of the run: --{name.replace('_', '-')}."
            raise BadConfig(
                f"unknown parameter {name!r}",
                location=strategy.__name__,
                todo=f"{near} it has {', '.join(declared) or 'none'}".strip(),
            )


def parse_plan(options: RunOptions, strategy: type[Strategy]) -> RunPlan:
    """Parse everything but the data, which may not exist yet. Raises BadConfig for invalid options."""
    _check_parameters(options, strategy)
    start, end = (_moment(value, flag) for value, flag in ((options.start, "--from"), (options.end, "--to")))
    if start is not None and end is not None and start >= end:
        what = f"--from {format_time(start)} is not before --to {format_time(end)}"
        raise BadConfig(what, location="--from/--to", todo="swap them")
    _one_of(options.margin, ("cross", "isolated"), "--margin")
    _one_of(options.on_error, ("halt", "flatten", "continue"), "--on-error")
    _one_of(options.year, tuple(YEARS), "--year")
    if options.year == SESSIONS and options.trade is None:
        raise BadConfig("a year of sessions needs them", location="--year", todo="add --trade, or give 365 or 252")
    if options.leverage is not None and options.leverage < 1:
        raise BadConfig(f"leverage {options.leverage} is below 1", location="--leverage", todo="give 1 or more")
    if options.seed not in WHOLE_NUMBERS:
        raise BadConfig(
            f"seed {options.seed} does not fit 64 bits", location="--seed", todo="give a whole number of 64 bits"
        )
    # A plain number is in the currency of the data, which prepare_plan reads.
    accounts = {} if options.cash is None or _bare(options.cash) else parse_accounts(options.cash)
    accounts, names = by_traded_venue(_at_venues(accounts, strategy))
    fee, fees = parse_fees(options.fee or ())
    fee_volume, fee_volumes = parse_volumes(options.fee_volume or "")
    queue, queue_fit = read_queue(options.queue or AUTO)
    impact, impact_fit = read_impact("off" if options.impact is None else options.impact)
    latency, latencies = parse_latencies(options.latency) if options.latency else (Latency(), {})
    return RunPlan(
        strategy=options.strategy if isinstance(options.strategy, str) else strategy.__name__,
        params=dict(options.params),
        symbol=options.symbol,
        start=start,
        end=end,
        cash=accounts.pop(SHARED, {}),
        accounts=accounts,
        account_names=names,
        fee=fee,
        fees=fees,
        fee_volume=fee_volume,
        fee_volumes=fee_volumes,
        leverage=options.leverage or 1,
        margin=options.margin,
        queue=str(queue),
        queue_fit=queue_fit,
        fuse=options.fuse,
        filter=options.filter,
        bar_volume_share=(parse_bar_volume(options.bar_volume) if options.bar_volume else BAR_VOLUME_SHARE),
        limit_fills=parse_limit_fills(options.limit_fills or AT_OPEN),
        impact=impact,
        impact_fit=impact_fit,
        interpret=options.interpret,
        hedge=options.hedge,
        venue=_venue_options(options),
        hours=_hours(options),
        seed=options.seed,
        on_error=options.on_error,
        year=options.year,
        riskless=parse_riskless(options.riskless) if options.riskless else 0.0,
        latency=latency,
        latencies=latencies,
    )


def prepare_plan(options: RunOptions, strategy: type[Strategy]) -> RunPlan:
    """Returns the complete plan. Everything is checked before files are imported."""
    plan = parse_plan(options, strategy)
    if not options.data:
        raise BadConfig("there is no data", location="--data", todo="give a tape, or make one: onetape sample")
    symbol = options.symbol or _default_symbol(strategy, options.params)
    tapes = as_tapes(options, symbol, options.data)
    cash = plan.cash
    if options.cash and (amount := _bare(options.cash)):
        cash = parse_cash(f"{amount} {_settles_in(tapes, options.symbol, amount)}")
    plan = replace(
        plan,
        inputs=[TapeInput(str(path)) for path in tapes],
        sample_every=_sample_step(tapes, plan.start, plan.end),
        cash=cash,
    )
    spans = [span for span in map(tape_span, tapes) if span]
    first, last = min((each[0] for each in spans), default=0), max((each[1] for each in spans), default=0)
    plan = with_sessions(plan, first, last)
    return _with_detail(plan, options, symbol, tapes) if options.detail_data else plan


def with_sessions(plan: RunPlan, first: int, last: int) -> RunPlan:
    """Returns the plan with the sessions of its exchange's calendar, if it has one, for data of these times (ns)."""
    if not isinstance(plan.hours, Sessions):
        return plan
    return replace(plan, hours=sessions_of(plan.hours.calendar, first, last))


def _with_detail(plan: RunPlan, options: RunOptions, symbol: str | None, tapes: Sequence[Path]) -> RunPlan:
    if symbol is None:  # a file without a symbol gets the only symbol of the other data
        symbols = {name for path in tapes for name in tape_instruments(path)}
        symbol = symbols.pop() if len(symbols) == 1 else None
    details = as_tapes(options, symbol, options.detail_data, flag="--detail-data")
    inputs = [*plan.inputs, *(TapeInput(str(path), role=DETAIL) for path in details)]
    # The run ends with the robot's data, even if detail data continue.
    last = max((span[1] for span in map(tape_span, tapes) if span), default=None)
    ends = [each for each in (plan.end, last + 1 if last is not None else None) if each is not None]
    return replace(plan, inputs=inputs, end=min(ends, default=None))


def _at_venues(accounts: Accounts, strategy: type[Strategy]) -> Accounts:
    """Returns accounts with the venue of their symbols, if a portfolio's file names the exchange of an account."""
    exchanges: Mapping[str, str] = getattr(strategy, "_exchanges", {})
    return {f"{exchanges[name]}@{name}" if name in exchanges else name: cash for name, cash in accounts.items()}


def _bare(cash: str) -> str:
    """Returns an amount without a currency as it is; "" for other text."""
    text = cash.strip().replace("_", "")
    return text if re.fullmatch(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", text) else ""


def _settles_in(tapes: Sequence[Path], symbol: str | None, amount: str) -> str:
    """Returns the one currency in which the data's instruments settle."""
    found = {each.settle for path in tapes for name, each in tape_instruments(path).items() if symbol in (None, name)}
    if len(found) != 1:
        named = " and ".join(sorted(found)) or "nothing"
        raise BadConfig(
            f"the currency of cash {amount} is missing: the data settle in {named}",
            location="--cash",
            todo=f"write '{amount} {min(found, default='USDT')}'",
        )
    return found.pop()


def _one_of(value: str, choices: Sequence[str], flag: str) -> None:
    if value not in choices:
        raise BadConfig(f"{value!r} is not allowed", location=flag, todo=f"choose {' or '.join(choices)}")


def _venue_options(options: RunOptions) -> VenueOptions:
    from onetape.data.instruments import read_rules

    rules = read_rules(options.instruments)
    rate, rates = parse_order_rates(options.order_rate or ())
    return VenueOptions(
        order_rate=rate,
        order_rates=rates,
        trigger_delay=parse_delay(options.trigger_delay) if options.trigger_delay else 0,
        closed=parse_closed_all(options.closed),
        borrow=parse_borrow(options.borrow) if options.borrow else {},
        loans=rules.loans,
        # With --symbol only its data are used.
        adl=[each for each in rules.adl if options.symbol in (None, each.symbol)],
    )


def _hours(options: RunOptions) -> TradingHours | Sessions | None:
    """Returns the trading hours. A calendar's sessions are filled in once the data are known."""
    if options.trade is not None and is_calendar(name := options.trade.strip()):
        if options.tz is not None:
            raise BadConfig("an exchange's calendar has its own time zone", location="--tz", todo="remove it")
        check_calendar(name)
        return Sessions(name, ())
    if options.trade is not None:
        return parse_hours(options.trade, options.tz or "UTC")
    if options.tz is not None:
        raise BadConfig("--tz needs trading hours", location="--tz", todo="add --trade, or remove it")
    return None


def _moment(value: str | int | datetime | None, flag: str) -> int | None:
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, datetime):  # without a zone UTC, as for text
        value = value.isoformat()
    if not isinstance(value, str):
        raise BadConfig(f"not a time: {value!r}", location=flag, todo="write 2024-08-08T12:00:00Z")
    try:
        return parse_time(value)
    except (ValueError, BadInput) as problem:
        said = problem.what if isinstance(problem, BadInput) else str(problem)
        raise BadConfig(said, location=flag, todo="write 2024-08-08T12:00:00Z") from None


def _default_symbol(strategy: type[Strategy], params: Mapping[str, Any]) -> str | None:
    symbol = params.get("symbol")
    if isinstance(symbol, str):
        return symbol
    declared = parameters_of(strategy).get("symbol")
    return declared.default if declared is not None and isinstance(declared.default, str) else None


def _sample_step(tapes: Sequence[Path], start: int | None, end: int | None) -> int:
    """Returns the time between equity samples: a round step that gives a few thousand over the range."""
    first, last = None, None
    for path in tapes:
        span = tape_span(path)
        if span is None:
            continue
        first = span[0] if first is None else min(first, span[0])
        last = span[1] if last is None else max(last, span[1])
    if first is None or last is None:
        return SECOND
    length = (end or last) - (start or first)
    for step in SAMPLE_STEPS_S:
        if length // (step * SECOND) <= SAMPLES_WANTED:
            return step * SECOND
    return SAMPLE_STEPS_S[-1] * SECOND
