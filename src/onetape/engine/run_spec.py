"""What a session is made of, whichever way its run was asked for."""

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
    """One run, or one life of a run, before it begins.

    journal: where what it does is written; None: nowhere, and the process may be forked.
    uuid: identity of that journal.
    is_scratch: that journal is read once and removed. Its segments are small: they begin as zeros that are written.
    instruments: facts that replace those of the tapes (--instruments), by symbol.
    is_growing: the tapes may still grow; their end is not the run's end.
    limits: last sequence to take of each input; empty: all.
    script: another run's journal, which answers in the exchange's place.
    earlier_actions: of the run's lives before: symbol, time (ns), order request.
    attributes: of the strategy as the life before had them.
    reached: frame of the first tape up to which the life before had done everything.
    began_with: equity with which the run's first life began; None: this is the first.
    brought: what the money that is not of its own trading was worth then; earned_before: what funding and interest
    have brought since, by number of the gateway and currency.
    earlier_fills: of the run's lives before.
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
