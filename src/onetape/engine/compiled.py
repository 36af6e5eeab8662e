"""Provide `@compiled`: the same strategy class with its callbacks as machine code."""

from __future__ import annotations

from typing import TypeVar

from onetape.engine.strategy import Strategy

__all__ = ["compiled", "is_compiled"]

S = TypeVar("S", bound=type[Strategy])


def compiled(strategy: S) -> S:
    """Mark a strategy class: its callbacks run as machine code, through numba.

    on_start and on_stop stay Python; the callbacks work on the attributes that on_start sets (numbers,
    texts, orders, books, positions, numpy arrays). Without the mark, or with `--interpret`, the same code
    runs interpreted and places the same orders.
    """
    if not (isinstance(strategy, type) and issubclass(strategy, Strategy)):
        raise TypeError("@compiled marks a subclass of Strategy")
    strategy._compiled = True
    return strategy


def is_compiled(strategy: type[Strategy]) -> bool:
    """Returns True when the class itself is marked; a subclass must be marked again."""
    return bool(vars(strategy).get("_compiled", False))
