"""Measure how conflated the depth of a tape is: changes of the book between two messages are not on the tape.

Venues send depth at once, or every 100 or 250 ms. While trades happen, the time between two messages shows how much
remains unseen; how prints match messages shows how far the two can be combined.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from onetape import _core
from onetape.tape.journal import JournalReader

FRAMES_MAX: Final = 500_000  # largest number of depth and trade frames that are checked


@dataclass(frozen=True, slots=True)
class Conflation:
    """The conflation of one instrument. messages, prints: their numbers. explaining: prints whose level was displayed
    before them and is smaller in the next message. stamped: prints with a time of the venue; late: those of them that
    came after a depth message that includes them."""

    interval_ns: int  # median time between two messages with a print in between
    messages: int
    prints: int
    explaining: int
    late: int
    stamped: int

    @property
    def explaining_share(self) -> float:
        return self.explaining / self.prints if self.prints else 0.0

    @property
    def late_share(self) -> float:
        return self.late / self.stamped if self.stamped else 0.0

    def as_json(self) -> dict[str, int | float]:
        """Returns the values for run.toml and `journal verify --market`."""
        return {
            "interval_median_ns": self.interval_ns,
            "messages": self.messages,
            "prints_between": self.prints,
            "prints_explaining": round(self.explaining_share, 6),
            "prints_late": round(self.late_share, 6),
        }


def conflation_of(path: Path, frames_max: int = FRAMES_MAX) -> dict[int, Conflation]:
    """Returns stream -> conflation, for streams with prints between depth messages."""
    with JournalReader(path) as reader:
        rows = _core.depth_conflation(reader.core, frames_max)
    return {
        stream: Conflation(
            row["interval_median_ns"], row["messages"], row["prints"], row["explaining"], row["late"], row["stamped"]
        )
        for stream, row in rows.items()
        if row["prints"]
    }


__all__ = ["FRAMES_MAX", "Conflation", "conflation_of"]
