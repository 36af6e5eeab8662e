"""Run strategies inside a strategy: the parent creates them, each has a location in the tree.

A child is a strategy like any other, on its parent's loop, account and tape. It receives the events of
its subscriptions and its own timers, after its parent and in the order in which the children
were created. Its number and its location (`/pairarbitrage/a`) are the same in every
repetition, and its orders carry the location on the tape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from onetape.engine.handlers import KINDS
from onetape.engine.parameters import parameters_of, resolve
from onetape.model.symbol import at_exchange

__all__ = ["Child", "location_of", "make_child"]

_OF_PARENT: Final = frozenset({"params"})  # not passed to children
_OF_ALL: Final = frozenset({"health", "event"})
_OWN: Final = frozenset({"order", "fill", "position"})  # passed for all accounts at the symbol's exchange
S = TypeVar("S")


def location_of(strategy: Any) -> str:
    """Returns the location of a child, or `/` and the class name of the run's own strategy."""
    return strategy._location or "/" + type(strategy).__name__.lower()


class Child:
    """Makes a child class from a strategy class: adds its location and services that record it. Has no parameters."""

    _location = ""
    _number = 0

    def __repr__(self) -> str:
        return self._location

    @property
    def location(self):  # type: ignore[no-untyped-def]  # an annotation would be a parameter
        """Location of the child in the tree."""
        return self._location

    @property
    def vid(self):  # type: ignore[no-untyped-def]
        """Number of the child in the run, from 1."""
        return self._number

    def subscribe(self, symbol: str, *arguments: Any, **options: Any) -> None:
        self._symbols.add(symbol)  # type: ignore[attr-defined]
        super().subscribe(symbol, *arguments, **options)  # type: ignore[misc]

    def unsubscribe(self, symbol: str) -> None:
        """Unsubscribe this child; its siblings and its parent may still use the symbol."""
        self._symbols.discard(symbol)  # type: ignore[attr-defined]

    def set_timer(self, name: str, **options: Any) -> None:
        super().set_timer(f"{self._location}:{name}", **options)  # type: ignore[misc]

    def cancel_timer(self, name: str) -> bool:
        return bool(super().cancel_timer(f"{self._location}:{name}"))  # type: ignore[misc]

    def buy(self, *arguments: Any, **options: Any) -> Any:
        return self._located("buy", arguments, options)

    def sell(self, *arguments: Any, **options: Any) -> Any:
        return self._located("sell", arguments, options)

    def set_target(self, *arguments: Any, **options: Any) -> Any:
        return self._located("set_target", arguments, options)

    def plot(self, name: str, value: Any) -> None:
        with self._host.notes.at(self._location):  # type: ignore[attr-defined]
            super().plot(name, value)  # type: ignore[misc]

    def _hears(self, kind: str, on: Callable[[str, Callable[..., Any]], None]) -> None:
        """Register the child's callback for events of this kind. on: registers a handler."""
        on(kind, _hearing(self, kind))

    def _located(self, name: str, arguments: Any, options: dict[str, Any]) -> Any:
        with self._host.notes.at(self._location):  # type: ignore[attr-defined]
            options.setdefault("signal", 0)
            return getattr(super(), name)(*arguments, **options)

    def _flatten(self, symbol: str, reduce_only: bool) -> Any:
        with self._host.notes.at(self._location):  # type: ignore[attr-defined]
            return self._host.target_for(0, symbol, 0, reduce_only)  # type: ignore[attr-defined]

    @property
    def memory(self):  # type: ignore[no-untyped-def]
        """The child's part of the run's memory."""
        return super().memory.setdefault(self._location, {})  # type: ignore[misc]


def make_child(
    parent: Any,
    base: type[Any],
    kind: type[S],
    name: str,
    params: dict[str, Any],
    number: int,
    on: Callable[[str, Callable[..., Any]], None],
) -> S:
    """Returns a started child. parent: a strategy; base: Strategy; on: registers a handler; kind: a strategy class
    or a class derived from Child. Raises BadConfig for unknown parameters, ValueError for a name that cannot be
    part of a path."""
    if not name or "/" in name or not name.isprintable():
        raise ValueError(f"a child's name is printable text without a slash, not {name!r}")
    made: Any = (
        kind() if issubclass(kind, Child) else type(kind.__name__, (Child, kind), {"__module__": kind.__module__})()
    )
    made._loop, made._host = parent._loop, parent._host
    made._location, made._number = f"{location_of(parent)}/{name}", number
    made._symbols = set()
    made.random, made.resumed = parent.random, parent.resumed
    for parameter in parameters_of(kind).values():
        if parameter.is_required and parameter.name not in params:
            raise TypeError(f"{made._location} needs the parameter {parameter.name!r}")
    for key, value in resolve(kind, params).items():
        setattr(made, key, value)
    for heard in _heard(kind, base):
        made._hears(heard, on)
    made._resume()
    made.on_start()
    child: S = made
    return child


def _heard(kind: type[Any], base: type[Any]) -> Iterable[str]:
    """Yields the event kinds for which the class has its own callbacks."""
    for each in sorted(KINDS - _OF_PARENT):
        own = getattr(kind, f"on_{each}", None)
        if own is not None and own is not getattr(base, f"on_{each}", None):
            yield each


def _hearing(child: Any, kind: str) -> Callable[[Any], None]:
    hear, symbols = getattr(child, f"on_{kind}"), child._symbols
    if kind in _OF_ALL:
        return hear  # type: ignore[no-any-return]
    if kind == "timer":
        own = f"{child._location}:"

        def timer(name: str) -> None:
            if name.startswith(own):
                hear(name.removeprefix(own))

        return timer

    def hearing(event: Any) -> None:
        if event.symbol in symbols or (kind in _OWN and at_exchange(event.symbol) in symbols):
            hear(event)

    return hearing
