"""Define queue models by name: `--queue conservative`, `power:2`, `log`; or by the file of a fit.

The core has their formulas. `fifo` is no model: the venue's orders are on the tape, and an own order has its exact
place among them. `auto`, the default, is `fifo` on instruments with such data, else `conservative`.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from onetape.model.errors import BadConfig, BadInput

__all__ = ["AUTO", "CONSERVATIVE", "FIFO", "QUEUE_MODELS", "Queue", "parse_queue", "read_queue", "settle_queue"]

CONSERVATIVE: Final = "conservative"
FIFO: Final = "fifo"
AUTO: Final = "auto"
# name -> (QueueModel of core/exchange/queue.hpp, default exponent; 0: takes none)
QUEUE_MODELS: Final = {
    CONSERVATIVE: (0, 0.0),
    "power": (1, 2.0),
    "power2": (2, 2.0),
    "power3": (3, 3.0),
    "log": (4, 0.0),
    "log2": (5, 0.0),
    FIFO: (0, 0.0),
    AUTO: (0, 0.0),
}
EXPONENT_MAX: Final = 100.0


class Queue(NamedTuple):
    """A model of the quantity ahead of us at a level. See docs/concepts/fills.md."""

    name: str
    number: int
    exponent: float

    @property
    def by_order(self) -> bool:
        return self.name in (FIFO, AUTO)

    def __str__(self) -> str:
        takes_one = QUEUE_MODELS[self.name][1] > 0
        return f"{self.name}:{self.exponent:g}" if takes_one else self.name


def settle_queue(text: str, with_orders: Mapping[str, bool]) -> str:
    """Returns a run's queue model, with `auto` resolved. with_orders: for each symbol, whether its data
    have the venue's single orders.

    Where some symbols have them and others not, `auto` stays what it says. Raises BadConfig for `fifo`
    without such data.
    """
    lacking = sorted(symbol for symbol, has in with_orders.items() if not has)
    if text == AUTO:
        if not lacking and with_orders:
            return FIFO
        return AUTO if len(lacking) < len(with_orders) else CONSERVATIVE
    if text == FIFO and (lacking or not with_orders):
        raise BadConfig(
            f"fifo needs the venue's orders one by one (market by order, L3), and the data has "
            f"none of {', '.join(lacking) or 'any symbol'}",
            location="--queue",
            todo="take another model, or leave --queue out: symbols with such data then have it",
        )
    return text


def read_queue(text: str) -> tuple[Queue, str]:
    """Returns the model of `--queue`, by its name or by a file of `journal queue`, and what that file records of the
    fit and its error. Raises as parse_queue, and BadInput for an invalid file."""
    path = Path(text.strip())
    if path.suffix != ".toml":
        return parse_queue(text), ""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))["queue"]
        return parse_queue(table["model"]), str(table["words"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        todo = "name a file that `onetape journal queue` wrote"
        raise BadInput(f"no fitted queue model: {problem}", location=str(path), todo=todo) from None


def parse_queue(text: str) -> Queue:
    """Parse a queue model. Raises BadConfig for an unknown model or an invalid exponent."""
    name, has_exponent, exponent_text = text.strip().partition(":")
    todo = f"use one of {', '.join(QUEUE_MODELS)}; power families take an exponent: power:2"
    if name not in QUEUE_MODELS:
        raise BadConfig(f"queue model {text!r}", location="--queue", todo=todo)
    number, exponent = QUEUE_MODELS[name]
    if has_exponent:
        try:
            exponent = float(exponent_text) if exponent else math.nan
        except ValueError:
            exponent = math.nan
        if not 0 < exponent <= EXPONENT_MAX:
            raise BadConfig(f"queue model {text!r}", location="--queue", todo=todo)
    return Queue(name, number, exponent or 1.0)
