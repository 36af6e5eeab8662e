"""Define what an importer returns, and the sink into which it writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from onetape import _core
from onetape.data.rejects import RejectFile
from onetape.model.instrument import Instrument

# Returns an empty tape to write into, and its list of rejects. A second call starts again with an empty tape.
SinkFactory = Callable[[], tuple[_core.TapeSink, RejectFile]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Instruments by stream (from 1), and counts that the sink does not have."""

    instruments: list[Instrument]
    rejected: int
    gaps: int = 0
    unsynced: int = 0
    snapped: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # added to the assumptions
    understood: list[dict[str, object]] = field(default_factory=list)  # interpretation of each table
