"""What an importer hands back for the result, and what it is handed to write into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from onetape import _core
from onetape.data.rejects import RejectFile
from onetape.model.instrument import Instrument

# An empty tape to write into and its list of rejects. A second call begins anew.
SinkFactory = Callable[[], tuple[_core.TapeSink, RejectFile]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Instruments by stream (from 1), and the counts that the sink does not keep."""

    instruments: list[Instrument]
    rejected: int
    gaps: int = 0
    unsynced: int = 0
    snapped: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # for the assumptions
    understood: list[dict[str, object]] = field(default_factory=list)  # of each table
