"""Explain a wrong argument of a strategy service in one line with the argument's name and value."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from onetape._core import Order

__all__ = ["UNCLEAR", "check_arguments", "clearer"]

# The interpreter and the core raise these for a wrong argument, without its name.
UNCLEAR: Final = (TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError)


def _is_int(value: Any) -> bool:
    return not isinstance(value, bool) and hasattr(value, "__index__") and 0 <= value.__index__() < 1 << 63


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, (bool, bytes)) and math.isfinite(float(value))
    except (TypeError, ValueError, OverflowError):
        return False


def _or_none(takes: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or takes(value)


def _one_of(*words: str | None) -> Callable[[Any], bool]:
    return lambda value: (value is None or isinstance(value, str)) and value in words


def _is_bars(value: Any) -> bool:
    return value is None or isinstance(value, str) or all(isinstance(each, str) for each in value)


def _is_levels(value: Any) -> bool:
    return not isinstance(value, (str, bytes)) and all(len(each) == 2 for each in value)


_TEXT: Final = ((lambda value: isinstance(value, str)), "a text")
_FLAG: Final = ((lambda value: isinstance(value, bool)), "True or False")
_SWITCH: Final = ((lambda value: not isinstance(value, float) and value in (0, 1)), "True or False")  # also numpy's
_MOMENT: Final = (_or_none(_is_int), "nanoseconds UTC, a whole number, or None")
_PRICE: Final = (_or_none(_is_number), "a finite number, or None")
_COUNT: Final = (_is_int, "a whole number of 0 or more")
_LEVELS: Final = (_is_levels, "a list of (price, size)")
_TAKES: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "symbol": _TEXT,
    "qty": (_is_number, "a finite number"),
    "price": _PRICE,
    "trigger": _PRICE,
    "post_only": _FLAG,
    "reduce_only": _FLAG,
    "tif": (_one_of("GTC", "IOC", "FOK", "GTD"), "GTC, IOC, FOK or GTD"),
    "trigger_by": (_one_of("last", "mark", "index"), "last, mark or index"),
    "kind": (_one_of("stop", "take_profit", "trailing", None), "stop, take_profit or trailing, or None"),
    "position_side": (_one_of("long", "short", "both", None), "long, short or both, or None"),
    "expire": _MOMENT,
    "tag": _TEXT,
    "account": (_or_none(lambda value: isinstance(value, str)), "a text, or None"),
    "order": ((lambda value: isinstance(value, Order)), "an order"),
    "bids": _LEVELS,
    "asks": _LEVELS,
    "keep_within": _COUNT,
    "name": _TEXT,
    "every": (_or_none(lambda value: isinstance(value, str)), "a period such as '5s', or None"),
    "at": _MOMENT,
    **dict.fromkeys(("quotes", "trades", "book", "mark", "funding", "liquidations", "mbo", "conflate"), _SWITCH),
    "bars": (_is_bars, "a period such as '1m' or several, or None"),
    "history": _COUNT,
}


def check_arguments(options: Mapping[str, Any]) -> None:
    """Raises TypeError for the first known argument with an invalid value."""
    for name, value in options.items():
        takes, words = _TAKES.get(name, (None, ""))
        try:
            is_taken = takes is None or takes(value)
        except (TypeError, ValueError):
            is_taken = False
        if not is_taken:
            raise TypeError(f"{name} is {words}, not {value!r}")


def clearer(error: Exception, options: Mapping[str, Any]) -> Exception:
    """Returns an error that names the wrong argument among `options`, or the original error when none is wrong."""
    try:
        check_arguments(options)
    except TypeError as named:
        return ValueError(str(named)) if isinstance(error, ValueError) else named
    return error
