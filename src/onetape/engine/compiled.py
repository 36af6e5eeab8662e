"""`@compiled`: the same strategy class, its callbacks as machine code."""

from __future__ import annotations

from typing import TypeVar

from onetape.engine.strategy import Strategy

__all__ = ["compiled", "is_compiled"]

S = TypeVar("S", bound=type[Strategy])


def compiled(strategy: S) -> S:
    """Mark a strategy class: its callbacks run as machine code, through numba.

    on_start and on_stop stay Python; what on_start leaves in attributes (numbers, texts, orders,
    books, positions, numpy arrays) is what the callbacks work on. The same code runs interpreted
    when the mark is taken away or the run is asked to (`--interpret`), and orders the same.
    """
    if not (isinstance(strategy, type) and issubclass(strategy, Strategy)):
        raise TypeError("@compiled marks a subclass of Strategy")
    strategy._compiled = True
    return strategy


def is_compiled(strategy: type[Strategy]) -> bool:
    """Marked itself: a subclass of a marked class says so again."""
    return bool(vars(strategy).get("_compiled", False))
