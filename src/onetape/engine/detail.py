"""Handle `--detail-data`: finer data that only the simulated exchange sees, to decide fills inside bars."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from onetape import _core
from onetape.engine.tape_facts import Inventory
from onetape.model.enums import EventType
from onetape.model.errors import BadConfig, UnknownSymbol
from onetape.model.instrument import Instrument
from onetape.model.time import format_duration
from onetape.tape.journal import JournalReader

__all__ = ["check_detail", "matching_streams"]

_FINER = {
    EventType.QUOTE.id: "quotes",
    EventType.TRADE.id: "trades",
    EventType.BOOK.id: "depth",
    EventType.MBO.id: "orders",
}


def matching_streams(
    path: Path, streams: Mapping[int, Instrument], instruments: Mapping[str, Instrument]
) -> dict[int, str]:
    """Returns stream -> symbol for the run's instruments that a detail tape contains. Raises UnknownSymbol when it
    contains none of them, BadConfig when its units differ."""
    found = {stream: each for stream, each in streams.items() if each.symbol in instruments}
    if not found:
        there = ", ".join(sorted({each.symbol for each in streams.values()})) or "no instrument"
        raise UnknownSymbol(
            f"{path.name} has {there}, and the run has {', '.join(instruments)}",
            location="--detail-data",
            todo="give finer data of the run's symbols (--symbol names the symbol of a file)",
        )
    for each in found.values():
        run = instruments[each.symbol]
        if (each.price_decimals, each.size_decimals) != (run.price_decimals, run.size_decimals):
            raise BadConfig(
                f"{path.name} has {each.symbol} with {each.price_decimals} and "
                f"{each.size_decimals} decimals (price, size), --data with {run.price_decimals} "
                f"and {run.size_decimals}",
                location="--detail-data",
                todo="import both with the same --instruments FILE",
            )
    return {stream: each.symbol for stream, each in found.items()}


def check_detail(path: Path, symbols: Mapping[int, str], main: Inventory) -> None:
    """Check that detail data refine bars: raises BadConfig when the symbol has no bars, or the detail is not finer
    than them."""
    with JournalReader(path) as reader:
        counts, periods, *_ = _core.inventory(reader.core)
    for stream, symbol in symbols.items():
        types, bars = main.get(symbol, ({}, []))
        finer = [name for kind, name in _FINER.items() if types.get(kind)]
        if finer or not bars:
            raise BadConfig(
                f"detail data refine bars, and --data has {' and '.join(finer) if finer else 'no bars'} of {symbol}",
                location="--detail-data",
                todo="leave --detail-data out, or give bars alone as --data",
            )
        have = counts.get(stream, {})
        own = periods.get(stream, [])
        if not any(have.get(kind) for kind in _FINER) and (not own or min(own) >= min(bars)):
            what = f"bars of {format_duration(min(own))}" if own else "neither prices nor bars"
            raise BadConfig(
                f"{path.name} has {what} of {symbol}, and --data has bars of {format_duration(min(bars))}",
                location="--detail-data",
                todo="give trades, quotes, depth or bars of a shorter period",
            )
