"""Hold the result of an import."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class ImportResult:
    """Counts of a finished import.

    `events` are market events: instrument frames are in the tape and in no count here. Times are frame times, int ns
    UTC. `rejected` counts lines that could not be decoded, `ignored` lines without relevant content, by kind. `late`
    counts frames whose receipt was before the frame before them, `crossed` quotes with bid above ask: both are kept.
    `snapped` counts numbers (printed floats) that were rounded, by less than 1e-9 of them, because int64 cannot hold
    their last digits. `understood` is the interpretation of each table: its `columns` (our name -> header), how times
    and decimals are written, `zone`, `period_ns`, `symbols`, `rows`. `seconds` is the duration of the import alone.
    """

    tape: Path
    symbols: list[str]
    events: int
    by_type: dict[str, int]
    by_symbol: dict[str, dict[str, int]]
    first_ts: int
    last_ts: int
    rejected: int
    gaps: int = 0
    unsynced: int = 0
    crossed: int = 0
    late: int = 0
    snapped: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    assumptions: list[str] = field(default_factory=list)
    understood: list[dict[str, object]] = field(default_factory=list)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Returns all counts and facts as plain values."""
        return {**asdict(self), "tape": str(self.tape), "seconds": round(self.seconds, 6)}
