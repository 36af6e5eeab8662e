"""Set up a run beside venue_setup.py: its trading hours, and facts that replace a tape's. Impossible values are
refused here with a clear text.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from onetape import _core
from onetape.engine.host import Host
from onetape.engine.plan import RunPlan
from onetape.engine.tape_facts import tape_instruments, tape_span
from onetape.engine.trading_hours import HORIZON
from onetape.model.errors import BadConfig, BadInput, UnknownSymbol
from onetape.model.instrument import Instrument
from onetape.model.margin import notional_limit
from onetape.model.near import list_symbols
from onetape.model.symbol import at_exchange
from onetape.model.time import format_time
from onetape.tape.journal import JournalReader
from onetape.tape.schema import MARKET_TYPES

__all__ = ["check_symbol", "main_instrument", "refuse_empty", "set_trading_hours", "with_overrides"]


def with_overrides(plan: RunPlan, overrides: Mapping[str, Instrument], instrument: Instrument) -> Instrument:
    """Returns a tape's instrument with --instruments and --fee applied."""
    own = overrides.get(at_exchange(instrument.symbol))
    if own is not None:
        # The tape's integers are in its own units.
        instrument = msgspec.structs.replace(
            own,
            symbol=instrument.symbol,
            venue=instrument.venue,
            price_decimals=instrument.price_decimals,
            size_decimals=instrument.size_decimals,
        )
    _check_leverage(plan, instrument)
    if (fee := plan.fee_of(instrument.venue)) is not None:
        maker, taker = fee
        instrument = msgspec.structs.replace(instrument, maker_fee=maker, taker_fee=taker, fee_tiers=())
    return instrument


def _check_leverage(plan: RunPlan, instrument: Instrument) -> None:
    leverage = instrument.leverage or plan.leverage
    if notional_limit(instrument.brackets, leverage) == 0:
        most = max(row.leverage_max for row in instrument.brackets)
        raise BadConfig(
            f"leverage {leverage}, and {instrument.symbol} allows {most} at most",
            location="leverage of --instruments" if instrument.leverage else "--leverage",
            todo=f"give {most} or less",
        )


def main_instrument(host: Host, params: Mapping[str, Any]) -> Instrument:
    """Returns the instrument of the strategy's `symbol`, else the first of the data."""
    symbol = params.get("symbol")
    if isinstance(symbol, str) and symbol in host.instruments:
        return host.instruments[symbol]
    return next(iter(host.instruments.values()))


def set_trading_hours(plan: RunPlan, host: Host, start: int, *, grows: bool) -> None:
    """Set when the robot may trade, from `start` (ns) to the end of the data, if it has trading hours."""
    if plan.hours is None:
        return
    last = start + HORIZON
    if not grows:
        spans = [tape_span(Path(each.path)) for each in plan.inputs]
        last = max((span[1] for span in spans if span is not None), default=start)
    host.loop.set_schedule(plan.hours.switches(start, last))


# --- missing data ---------------------------------------------------------------------------------


def refuse_empty(plan: RunPlan) -> NoReturn:
    """Raise an error for a run without events: why, and what data there are."""
    spans = []
    inputs = [each for each in plan.inputs if not each.is_detail]
    for each in inputs:
        with JournalReader(Path(each.path)) as reader:
            counts, _, first, last, _ = _core.inventory(reader.core)
        if any(kind in MARKET_TYPES for types in counts.values() for kind in types):
            spans.append(f"{format_time(first)} .. {format_time(last)}")
    symbols = _symbols(plan)
    if plan.symbol is not None and plan.symbol not in symbols:
        raise UnknownSymbol(
            f"{plan.symbol} is not in the data", location="--symbol", todo=list_symbols(plan.symbol, symbols)
        )
    if not spans:
        raise BadInput("the data has no events", location=inputs[0].path, todo="import it again")
    raise BadInput(
        "no event lies in the time range", location="--from/--to", todo=f"the data covers {'; '.join(spans)}"
    )


def check_symbol(plan: RunPlan, host: Host, params: Mapping[str, Any], strategy: str) -> None:
    """Check that the strategy's `symbol`, if it has one, is in the data."""
    symbol = params.get("symbol")
    if not isinstance(symbol, str) or not symbol or symbol in host.instruments:
        return
    symbols = _symbols(plan)
    if symbol not in symbols:
        raise UnknownSymbol(
            f"{symbol} is not in the data",
            location=f"{strategy}.symbol",
            todo=f"give --symbol; {list_symbols(symbol, symbols)}",
        )


def _symbols(plan: RunPlan) -> list[str]:
    inputs = [Path(each.path) for each in plan.inputs if not each.is_detail]
    return sorted({symbol for path in inputs for symbol in tape_instruments(path)})
