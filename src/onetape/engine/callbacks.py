"""Check the names of a strategy's callbacks: a misspelled callback would never be called."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from typing import Final

from onetape.model.errors import StrategyError

__all__ = ["check_callbacks"]

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
    """Raises StrategyError for a method of the class that begins with `on_` and is no callback of the base class."""
    callbacks = [name for name in vars(base) if name.startswith("on_")]
    for name, method in vars(strategy).items():
        if name.startswith("on_") and inspect.isfunction(method) and name not in callbacks:
            nearest = _EXTERNAL_NAMES.get(name) or get_close_matches(name, callbacks, n=1, cutoff=0)[0]
            code = method.__code__
            raise StrategyError(
                f"{strategy.__name__}.{name} is no callback: it is never called; did you mean {nearest}?",
                location=f"{code.co_filename}:{code.co_firstlineno}",
                todo=f"rename it to {nearest}, or so that it does not begin with on_",
            )
