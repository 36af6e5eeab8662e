"""Calls that change an exchange, noted so that they can be made again after a restart."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from onetape.exchange.account import SimAccount
from onetape.exchange.conditional import Conditional
from onetape.exchange.reports import SimOrder

__all__ = ["recorded"]

Method = TypeVar("Method", bound=Callable[..., Any])


def recorded(method: Method) -> Method:
    """A call from outside: noted for a restart. Calls made inside one are part of it."""

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.recorder is None or self._inside:
            return method(self, *args, **kwargs)
        self.recorder(method.__name__, [plain(a) for a in args], dict(kwargs))
        self._inside = True
        try:
            return method(self, *args, **kwargs)
        finally:
            self._inside = False

    return cast(Method, call)


def plain(value: object) -> object:
    match value:
        case SimAccount():
            return {"account": value.number}
        case SimOrder():
            return {"order": value.id}
        case Conditional():
            return {"conditional": value.id}
        case _:
            return value
