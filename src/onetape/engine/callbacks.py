"""Check a strategy's callbacks when its class is defined: a misspelled one would never be called, an `async` one
never run, and one with wrong parameters raise at its first event."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, Final

from onetape.model.errors import StrategyError

__all__ = ["call_fault", "check_callbacks"]

# Callbacks of other systems, by their names there.
_EXTERNAL_NAMES: Final = {
    "on_book_update": "on_book",
    "on_candle": "on_bar",
    "on_depth": "on_book",
    "on_execution": "on_fill",
    "on_init": "on_start",
    "on_kline": "on_bar",
    "on_ohlcv": "on_bar",
    "on_order_book": "on_book",
    "on_order_canceled": "on_order",
    "on_order_filled": "on_fill",
    "on_order_rejected": "on_order",
    "on_order_update": "on_order",
    "on_orderbook": "on_book",
    "on_quote_tick": "on_quote",
    "on_tick": "on_quote",
    "on_ticker": "on_quote",
    "on_trade_tick": "on_trade",
}


def check_callbacks(strategy: type, base: type) -> None:
    """Raises StrategyError for a method of the class that begins with `on_` and is no callback of the base class, or
    that cannot be called as one."""
    callbacks = {name: value for name, value in vars(base).items() if name.startswith("on_")}
    for name, method in vars(strategy).items():
        if not name.startswith("on_") or not inspect.isfunction(method):
            continue
        place = f"{method.__code__.co_filename}:{method.__code__.co_firstlineno}"
        if name not in callbacks:
            nearest = _EXTERNAL_NAMES.get(name) or get_close_matches(name, callbacks, n=1, cutoff=0)[0]
            raise StrategyError(
                f"{strategy.__name__}.{name} is no callback: it is never called; did you mean {nearest}?",
                location=place,
                todo=f"rename it to {nearest}, or so that it does not begin with on_",
            )
        arguments = list(inspect.signature(callbacks[name]).parameters)
        if fault := call_fault(method, arguments):
            raise StrategyError(
                f"{strategy.__name__}.{name} {fault}", location=place, todo=f"write def {name}({', '.join(arguments)})"
            )


def call_fault(function: Callable[..., Any], arguments: Sequence[str]) -> str:
    """Returns why a function cannot be called with these positional arguments for its effect: it is `async`, a
    generator, or has other parameters. "": nothing is wrong, or a signature cannot be read."""
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return "is async: nothing awaits it"
    if inspect.isgeneratorfunction(function):
        return "has a yield: nothing iterates over it"
    try:
        signature = inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):
        return ""  # many builtin functions have none
    try:
        signature.bind(*arguments)
    except TypeError:
        return f"has the parameters {signature} and is called with ({', '.join(arguments)})"
    return ""
