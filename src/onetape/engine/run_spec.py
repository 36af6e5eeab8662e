"""Describe the parts of a session, however its run was requested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from onetape.engine.plan import RunPlan
from onetape.engine.strategy import Strategy
from onetape.model.instrument import Instrument

__all__ = ["RunSpec"]


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One run, or one incarnation of a run, before it begins.

    journal: where it is recorded; None: nowhere, and the process may be forked.
    uuid: identity of that journal.
    is_scratch: that journal is read once and removed. Its segments are small, as they are pre-filled with zeros.
    instruments: facts that replace those of the tapes (--instruments), by symbol.
    is_growing: the tapes may still grow; their end is not the run's end.
    limits: last sequence to take of each input; empty: all.
    script: another run's journal, which answers instead of the exchange.
    earlier_actions: of earlier incarnations: symbol, time (ns), order request.
    attributes: of the strategy at the end of the previous incarnation.
    reached: frame of the first tape that the previous incarnation had processed.
    began_with: equity at the start of the run's first incarnation; None: this is the first.
    brought: value at that time of the money not earned by its trading; earned_before: funding and interest since, by
    gateway number and currency.
    earlier_fills: number of fills of earlier incarnations.
    """

    plan: RunPlan
    strategy: type[Strategy]
    journal: Path | None = None
    uuid: bytes = bytes(range(16))
    instruments: Mapping[str, Instrument] = field(default_factory=dict)
    is_growing: bool = False
    limits: Sequence[int] = ()
    script: Path | None = None
    earlier_actions: Sequence[tuple[str, int, bytes]] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    reached: int = 0
    began_with: Decimal | None = None
    brought: Decimal = Decimal(0)
    earned_before: Mapping[tuple[int, str], Decimal] = field(default_factory=dict)
    earlier_fills: int = 0
    is_scratch: bool = False
