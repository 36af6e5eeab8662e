"""What a user may choose for a run: one record, whether it is backtested, swept or run on paper.

A new option is a field here, its parsing in `preparing.py` and a flag in `cli/run_options.py`; it
is then taken by `backtest`, `sweep` and `run --paper`, by `onetape.backtest` and `onetape.sweep`,
is kept in a sweep's manifest and stands in the command that repeats a variant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from onetape.engine.accounts import as_texts, parse_accounts
from onetape.engine.by_venue import by_venue_text
from onetape.engine.strategy import Strategy

__all__ = ["CHOICES", "Progress", "RunOptions", "choices_of", "listed"]

Progress = Callable[[float, float | None], None]


@dataclass(slots=True)
class RunOptions:
    """Text values are as the command line takes them; what is parsed is parsed before any work.

    From Python some are given in its own forms, which become those: fee (maker, taker), a path as
    text, one value where there may be several, {"binance": .., "kraken": ..} by venue.
    """

    strategy: str | type[Strategy]
    data: Sequence[Any]  # tapes, importable files or data frames
    home: Path
    params: Mapping[str, Any] = field(default_factory=dict)
    symbol: str | None = None
    start: str | int | None = None
    end: str | int | None = None
    cash: str | None = None
    fee: str | None = None
    fee_volume: str | None = None
    leverage: int | None = None
    margin: str = "cross"
    hedge: bool = False
    latency: str | None = None
    queue: str | None = None
    fuse: bool = False
    bar_volume: str | None = None
    detail_data: Sequence[Any] = ()  # as `data`: shown to the exchange alone, inside bars
    borrow: str | None = None
    order_rate: str | None = None
    trigger_delay: str | None = None
    closed: Sequence[str] = ()
    trade: str | None = None  # hours, by the clocks of tz
    tz: str | None = None
    instruments: Path | None = None
    seed: int = 1
    on_error: str = "halt"
    interpret: bool = False  # run a @compiled strategy as Python
    out: str | Path | None = None
    progress: Progress | None = None

    def __post_init__(self) -> None:
        self.data, self.detail_data = listed(self.data), listed(self.detail_data)
        self.closed = listed(self.closed)
        if isinstance(self.cash, Mapping):
            self.cash = ",".join(as_texts(parse_accounts(self.cash)))
        if isinstance(self.fee, (tuple, list)):
            self.fee = ",".join(map(str, self.fee))
        self.fee = by_venue_text(self.fee)
        self.fee_volume = by_venue_text(self.fee_volume, between=",")
        self.latency = by_venue_text(self.latency)
        self.order_rate = by_venue_text(self.order_rate)
        if self.instruments is not None:
            self.instruments = Path(self.instruments)


# Not a choice between ways to run: what is run, over what, where it is kept and who watches.
_GIVEN = frozenset(
    {"strategy", "data", "home", "params", "start", "end", "detail_data", "instruments", "out",
     "progress"}
)  # fmt: skip
CHOICES = tuple(each.name for each in fields(RunOptions) if each.name not in _GIVEN)


def choices_of(options: RunOptions) -> dict[str, Any]:
    """Every choice by name, as plain values that JSON holds."""
    found = {name: getattr(options, name) for name in CHOICES}
    return {**found, "closed": list(options.closed)}


def listed(value: Any) -> list[Any]:
    """One or several as a list; None: none."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]
