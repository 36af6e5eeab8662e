"""The changes of the record tables by frames of a journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Batch", "DayKey", "FillKey", "HourKey", "Row"]

# account, strategy, symbol, day (days since 1970), currency of the row, kind, asset
DayKey = tuple[str, str, str, int, str, str, str]
# account, strategy, symbol, hour (hours since 1970), kind, asset of a volume
HourKey = tuple[str, str, str, int, str, str]
FillKey = tuple[str, int, str, int]  # symbol, trade id as in SQL, side, time (ns)
Row = dict[str, Any]


@dataclass(slots=True)
class Batch:
    """The changes of tables by some frames. added: table -> new rows. changed: table -> key -> replacement row,
    None: removed. days, hours: added to their sums, 1e-18."""

    added: dict[str, list[Row]] = field(default_factory=dict)
    changed: dict[str, dict[tuple[Any, ...], Row | None]] = field(default_factory=dict)
    days: dict[DayKey, int] = field(default_factory=dict)
    hours: dict[HourKey, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(map(len, self.added.values())) + sum(map(len, self.changed.values()))
