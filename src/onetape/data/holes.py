"""Where bars are missing between the first and the last of a symbol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from onetape.model.time import format_time, rough_duration
from onetape.tape.journal import JournalReader

__all__ = ["Holes", "holes_in_bars"]


@dataclass(slots=True)
class Holes:
    """Counts the holes of one symbol and period: how many, and the longest. Times are ns UTC."""

    symbol: str
    period: int
    count: int = 0
    longest: int = 0
    longest_at: int = 0  # where the missing bars would begin

    def __str__(self) -> str:
        places = "1 hole" if self.count == 1 else f"{self.count:,} holes, the longest"
        return (
            f"{self.symbol}: bars of {rough_duration(self.period)} have {places} of "
            f"{rough_duration(self.longest)} from {format_time(self.longest_at)}"
        )


def holes_in_bars(tape: Path, symbols: Sequence[str]) -> list[Holes]:
    """Symbols by stream (from 1) whose bars do not follow each other. Bars are in order of time."""
    found: dict[tuple[int, int], Holes] = {}
    ends: dict[tuple[int, int], int] = {}
    with JournalReader(tape) as reader:
        for rows in reader.chunks("bar"):
            kinds = np.stack([rows["stream"].astype(np.int64), rows["period_ns"]], axis=1)
            for stream, period in np.unique(kinds, axis=0).tolist():
                mine = rows[(kinds[:, 0] == stream) & (kinds[:, 1] == period)]
                key = (stream, period)
                opens, closes = mine["ts_open"], mine["ts_close"]
                before = np.concatenate(([ends.get(key, int(opens[0]))], closes[:-1]))
                ends[key] = int(closes[-1])
                missing = opens - before
                if not (places := int(np.count_nonzero(missing > 0))):
                    continue
                holes = found.setdefault(key, Holes(symbols[stream - 1], period))
                holes.count += places
                at = int(np.argmax(missing))
                if missing[at] > holes.longest:
                    holes.longest, holes.longest_at = int(missing[at]), int(before[at])
    return [found[key] for key in sorted(found)]
