"""Define the host interface that a run's bars and scans need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from onetape import _core
from onetape.model.instrument import Instrument

__all__ = ["RunHost"]


class RunHost(Protocol):
    """Provides the instruments of a run, and writes into its journal."""

    loop: _core.TradingLoop
    instruments: dict[str, Instrument]
    subscriptions: set[tuple[str, str]]
    notes_choices: bool

    def instrument_of(self, symbol: str) -> Instrument: ...
    def index_of(self, symbol: str) -> int: ...
    def is_traded_live(self, symbol: str) -> bool: ...
    def append(self, type_id: int, record: Any) -> None: ...
    def log(self, text: str, level: str, fields: Mapping[str, Any]) -> None: ...
