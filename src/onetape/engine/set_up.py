"""What a run is given before its first event: the venue's clock, cash, rules and hours, and the
facts that replace a tape's. What cannot be meant is refused here, in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from onetape import _core
from onetape.engine.host import Host
from onetape.engine.latency import RECORDED
from onetape.engine.plan import DEFAULT_CASH, RunPlan
from onetape.engine.tape_facts import tape_instruments, tape_span
from onetape.engine.trading_hours import HORIZON
from onetape.model.errors import BadConfig, BadInput, UnknownSymbol
from onetape.model.given_rules import default_loans
from onetape.model.instrument import Instrument, Kind
from onetape.model.margin import notional_limit
from onetape.model.time import TIME_MAX, format_time
from onetape.tape.journal import JournalReader

__all__ = [
    "check_symbol",
    "fund",
    "refuse_empty",
    "set_trading_hours",
    "set_venue_clock",
    "set_venue_rules",
    "with_overrides",
]

_MARKET = frozenset((*range(2, 9), 25))  # EventType of core/journal/events.hpp: of the market


def set_venue_clock(plan: RunPlan) -> None:
    """`feed=recorded`: how far the venue's clock is from ours, once for the run."""
    latency = plan.latency
    if latency.clock != RECORDED or latency.feed is not None:
        return
    offsets = []
    for each in plan.inputs:
        with JournalReader(Path(each.path)) as reader:
            offsets.append(_core.clock_offset(reader.core))
    least = min(offsets, default=TIME_MAX)
    if least == TIME_MAX:
        raise BadConfig(
            "no quote, trade or book carries a stamp of its venue",
            where="--latency feed=recorded",
            todo="give the age of events: feed=2ms",
        )
    plan.latency = replace(latency, feed=least - latency.feed_age_min)


def with_overrides(
    plan: RunPlan, given: Mapping[str, Instrument], instrument: Instrument
) -> Instrument:
    """A tape's instrument with the facts of --instruments and the fees of --fee over it."""
    own = given.get(instrument.symbol)
    if own is not None:
        # The tape's integers are in its own units.
        instrument = msgspec.structs.replace(
            own,
            price_decimals=instrument.price_decimals,
            size_decimals=instrument.size_decimals,
        )
    _check_leverage(plan, instrument)
    if plan.fee is not None:
        maker, taker = plan.fee
        instrument = msgspec.structs.replace(
            instrument, maker_fee=maker, taker_fee=taker, fee_tiers=()
        )
    return instrument


def _check_leverage(plan: RunPlan, instrument: Instrument) -> None:
    leverage = instrument.leverage or plan.leverage
    if notional_limit(instrument.brackets, leverage) == 0:
        most = max(row.leverage_max for row in instrument.brackets)
        raise BadConfig(
            f"leverage {leverage}, and {instrument.symbol} allows {most} at most",
            where="leverage of --instruments" if instrument.leverage else "--leverage",
            todo=f"give {most} or less",
        )


def fund(plan: RunPlan, host: Host, params: Mapping[str, Any]) -> None:
    """Deposits the cash; without any, the default in the main instrument's currency."""
    if not host.instruments:
        refuse_empty(plan)
    wanted = _main_instrument(host, params)
    if not plan.cash:
        plan.cash = {wanted.settle: DEFAULT_CASH}
        if wanted.kind is Kind.INVERSE:
            plan.cash = {wanted.settle: Decimal(10)}
        host.currency_index(wanted.settle)
    useful = {i.settle for i in host.instruments.values()} | {
        i.base for i in host.instruments.values() if i.kind is Kind.SPOT
    }
    for currency, amount in plan.cash.items():
        if currency not in useful:
            raise BadConfig(
                f"cash in {currency}, and the instruments settle in {', '.join(sorted(useful))}",
                where="--cash",
                todo=f"give for example --cash '{amount} {wanted.settle}'",
            )
        host.sim.deposit(host.currency_index(currency), str(amount))
    host.sim.set_report_currency(host.currency_index(next(iter(plan.cash))))


def _main_instrument(host: Host, params: Mapping[str, Any]) -> Instrument:
    symbol = params.get("symbol")
    if isinstance(symbol, str) and symbol in host.instruments:
        return host.instruments[symbol]
    return next(iter(host.instruments.values()))


def set_venue_rules(plan: RunPlan, host: Host) -> None:
    """Closed hours, order rate, trigger delay and loans, of venues and currencies there are."""
    options = plan.venue
    venues = {each.venue for each in host.instruments.values()}
    for span in options.closed:
        if span.venue and span.venue not in venues:
            raise BadConfig(
                f"no instrument of venue {span.venue!r} is in the data",
                where="--closed",
                todo=f"name one of {', '.join(sorted(venues))}",
            )
    for currency in options.borrow:
        if currency not in host.currencies:
            raise BadConfig(
                f"{currency} is not a currency of the data",
                where="--borrow",
                todo=f"name one of {', '.join(host.currencies)}",
            )
    if options.borrow and options.loans is None:
        options.loans = default_loans(
            [each.venue for each in host.instruments.values() if each.kind is Kind.SPOT]
        )
    rules = options.core(host.currency_index, host.venue_number, host.instruments)
    host.sim.set_rules(_core.VenueRules(**rules, currencies=host.currencies))


def set_trading_hours(plan: RunPlan, host: Host, start: int, *, grows: bool) -> None:
    """When the robot may trade, from `start` (ns) to the end of the data, if it has one."""
    if plan.hours is None:
        return
    last = start + HORIZON
    if not grows:
        spans = [tape_span(Path(each.path)) for each in plan.inputs]
        last = max((span[1] for span in spans if span is not None), default=start)
    host.sim.set_schedule(plan.hours.switches(start, last))


# --- what the data lacks --------------------------------------------------------------------------


def refuse_empty(plan: RunPlan) -> NoReturn:
    """There is nothing to run over: says why, and what there is."""
    spans = []
    inputs = [each for each in plan.inputs if not each.is_detail]
    for each in inputs:
        with JournalReader(Path(each.path)) as reader:
            counts, _, first, last = _core.inventory(reader.core)
        if any(kind in _MARKET for types in counts.values() for kind in types):
            spans.append(f"{format_time(first)} .. {format_time(last)}")
    symbols = _symbols(plan)
    if plan.symbol is not None and plan.symbol not in symbols:
        raise UnknownSymbol(
            f"{plan.symbol} is not in the data",
            where="--symbol",
            todo=f"the data has: {', '.join(symbols) or 'no instrument'}",
        )
    if not spans:
        raise BadInput("the data has no events", where=inputs[0].path, todo="import it again")
    raise BadInput(
        "no event lies in the time range",
        where="--from/--to",
        todo=f"the data covers {'; '.join(spans)}",
    )


def check_symbol(plan: RunPlan, host: Host, params: Mapping[str, Any], strategy: str) -> None:
    """The strategy's own `symbol`, if it has one, is in the data."""
    symbol = params.get("symbol")
    if not isinstance(symbol, str) or not symbol or symbol in host.instruments:
        return
    known = _symbols(plan)
    if symbol not in known:
        raise UnknownSymbol(
            f"{symbol} is not in the data",
            where=f"{strategy}.symbol",
            todo=f"give --symbol, one of: {', '.join(known)}",
        )


def _symbols(plan: RunPlan) -> list[str]:
    inputs = [Path(each.path) for each in plan.inputs if not each.is_detail]
    return sorted({symbol for path in inputs for symbol in tape_instruments(path)})
