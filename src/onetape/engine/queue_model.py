"""Queue models by name: `--queue conservative`, `power:2`, `log`. The core has their formulas."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from onetape.model.errors import BadConfig

__all__ = ["CONSERVATIVE", "QUEUE_MODELS", "Queue", "parse_queue"]

CONSERVATIVE: Final = "conservative"
# name -> (QueueModel of core/exchange/queue.hpp, exponent that is meant without one; 0: takes none)
QUEUE_MODELS: Final = {
    CONSERVATIVE: (0, 0.0),
    "power": (1, 2.0),
    "power2": (2, 2.0),
    "power3": (3, 3.0),
    "log": (4, 0.0),
    "log2": (5, 0.0),
}
EXPONENT_MAX: Final = 100.0


class Queue(NamedTuple):
    """A model of the part of a level that stands before us. See docs/concepts/fills.md."""

    name: str
    number: int
    exponent: float

    def __str__(self) -> str:
        takes_one = QUEUE_MODELS[self.name][1] > 0
        return f"{self.name}:{self.exponent:g}" if takes_one else self.name


def parse_queue(text: str) -> Queue:
    """Raises BadConfig for a model or an exponent that is not one."""
    name, has_exponent, given = text.strip().partition(":")
    todo = f"use one of {', '.join(QUEUE_MODELS)}; power families take an exponent: power:2"
    if name not in QUEUE_MODELS:
        raise BadConfig(f"queue model {text!r}", where="--queue", todo=todo)
    number, exponent = QUEUE_MODELS[name]
    if has_exponent:
        try:
            exponent = float(given) if exponent else math.nan
        except ValueError:
            exponent = math.nan
        if not 0 < exponent <= EXPONENT_MAX:
            raise BadConfig(f"queue model {text!r}", where="--queue", todo=todo)
    return Queue(name, number, exponent or 1.0)
