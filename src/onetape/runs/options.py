"""Define the options of a run, in one record for backtest, sweep, paper and live.

A new option is a field here, its parsing in `preparing.py` and a flag in `cli/run_options.py`; `backtest`, `sweep`,
`run --paper`, `onetape.backtest` and `onetape.sweep` then accept it, and a sweep's manifest and the command that
repeats a variant contain it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from numbers import Real
from pathlib import Path
from typing import Any

from onetape.engine.accounts import as_texts, parse_accounts
from onetape.engine.by_venue import by_venue_text
from onetape.engine.strategy import Strategy
from onetape.model.decimals import decimal_text, to_decimal
from onetape.model.errors import BadConfig

__all__ = ["CHOICES", "Progress", "RunOptions", "choices_of", "listed"]

Progress = Callable[[float, float | None], None]


def _unheard(_words: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of a run. Text values are written as on the command line, and are parsed before any work.

    Also accepted: a pair (maker, taker) as fee, a path as text, one value instead of a list,
    {"binance": .., "kraken": ..} by venue, a number if its unit is clear. Other values raise BadConfig.
    """

    strategy: str | type[Strategy]
    data: Sequence[Any]  # tapes, importable files or data frames
    home: Path
    params: Mapping[str, Any] = field(default_factory=dict)
    symbol: str | None = None
    start: str | int | datetime | None = None
    end: str | int | datetime | None = None
    cash: str | None = None
    fee: str | None = None
    fee_volume: str | None = None
    leverage: int | None = None
    margin: str = "cross"
    hedge: bool = False
    latency: str | None = None
    queue: str | None = None
    fuse: bool = False
    filter: bool = False  # bad ticks are quarantined
    bar_volume: str | None = None
    limit_fills: str | None = None
    impact: str | None = None
    detail_data: Sequence[Any] = ()  # as `data`: only the simulated exchange sees it, inside bars
    borrow: str | None = None
    order_rate: str | None = None
    trigger_delay: str | None = None
    closed: Sequence[str] = ()
    trade: str | None = None  # trading hours in the zone `tz`, or an exchange's calendar
    tz: str | None = None
    instruments: Path | None = None
    seed: int = 1
    on_error: str = "halt"
    year: str = "365"  # of annual statistics: 365, 252 or sessions
    riskless: str | None = None  # rate per year
    interpret: bool = False  # run a @compiled strategy as Python
    out: str | Path | None = None
    progress: Progress | None = None
    # How files of rows are read: see import_files.
    columns: Sequence[str] | Mapping[str, str] = ()
    time_format: str | None = None
    decimal: str | None = None
    say: Callable[[str], None] | None = None  # called with a text on how such files were interpreted
    doing: Callable[[str], None] = _unheard  # called with the name of each step beside the run itself; "": it ended

    def __post_init__(self) -> None:
        made: dict[str, Any] = {name: listed(getattr(self, name)) for name in ("data", "detail_data", "closed")}
        made |= {name: _text_of(name, getattr(self, name), example) for name, example in _TEXTS.items()}
        made |= {name: _whole(name, getattr(self, name)) for name in ("leverage", "seed")}
        if isinstance(self.strategy, os.PathLike):
            made["strategy"] = os.fspath(self.strategy)
        if isinstance(made["cash"], Mapping):
            made["cash"] = ",".join(as_texts(parse_accounts(made["cash"])))
        if isinstance(made["fee"], (tuple, list)):
            made["fee"] = ",".join(map(str, made["fee"]))
        made |= {name: by_venue_text(made[name]) for name in ("fee", "latency", "order_rate")}
        made["fee_volume"] = by_venue_text(made["fee_volume"], between=",")
        if self.instruments is not None:
            made["instruments"] = Path(self.instruments)
        for name, value in made.items():
            object.__setattr__(self, name, value)


# Text options: an example, and whether a plain number is valid.
_TEXTS = {
    "cash": ("'100000 USDT'", True),
    "fee": ("'0.0002,0.0005'", True),
    "fee_volume": ("'5000000'", True),
    "bar_volume": ("'5%'", True),
    "limit_fills": ("'at-limit'", False),
    "latency": ("'10ms'", False),
    "order_rate": ("'300/10s'", False),
    "trigger_delay": ("'2ms'", False),
    "borrow": ("'USDT=0.00001'", False),
    "queue": ("'power:2'", False),
    "impact": ("'sqrt'", False),
    "symbol": ("'binance:BTC/USDT:USDT'", False),
    "margin": ("'cross'", False),
    "trade": ("'9:30-16:00'", False),
    "tz": ("'Europe/Moscow'", False),
    "on_error": ("'halt'", False),
    "year": ("'252'", True),
    "riskless": ("'0.03'", True),
}


def _text_of(name: str, value: Any, form: tuple[str, bool]) -> Any:
    """Returns a number as text, if one is valid; text, mappings by venue and None unchanged."""
    example, may_be_number = form
    is_number = isinstance(value, (Real, Decimal)) and not isinstance(value, bool)
    if is_number and may_be_number:
        return decimal_text(to_decimal(value, what=name))
    if value is None or isinstance(value, (str, Mapping, tuple, list)):
        return value
    raise BadConfig(f"{value!r} is no {name}", location=name, todo=f"write for example {example}")


def _whole(name: str, value: Any) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    text = str(value).strip()
    if not isinstance(value, bool) and text.removesuffix(".0").removeprefix("-").isdigit():
        return int(text.removesuffix(".0"))
    raise BadConfig(f"not a whole number: {value!r}", location=name, todo="give one such as 1")


# Options that are no choices: strategy, data, output and callbacks.
_RUN_ONLY = frozenset(
    {"strategy", "data", "home", "params", "start", "end", "detail_data", "instruments", "out",
     "progress", "doing", "columns", "time_format", "decimal", "say"}
)  # fmt: skip
CHOICES = tuple(each.name for each in fields(RunOptions) if each.name not in _RUN_ONLY)


def choices_of(options: RunOptions) -> dict[str, Any]:
    """Returns the options in CHOICES by name, as plain JSON values."""
    found = {name: getattr(options, name) for name in CHOICES}
    return {**found, "closed": list(options.closed)}


def listed(value: Any) -> list[Any]:
    """Returns one or several values as a list; an empty list for None."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]
