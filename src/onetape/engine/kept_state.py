"""Save and restore the Python half of a robot at one moment of its run, as bytes.

The core's half is repeated from the tapes and the log of the strategy's requests; this module keeps
the rest: attributes of the strategy and its children, random sources, handlers, memory, and the
host's state of them. It is one pickle, so that shared objects stay shared. Objects of the loop
(orders, books, positions, the strategy itself) are stored as names, and restored as objects of
the new session.

Reading a pickle runs code: only bytes that this user has written may be restored.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Iterator
from functools import cached_property
from types import (
    BuiltinFunctionType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    ModuleType,
)
from typing import TYPE_CHECKING, Any, Final

from onetape import _core
from onetape.engine.compiled import is_compiled
from onetape.engine.loader import own_modules
from onetape.engine.strategy import Strategy

if TYPE_CHECKING:
    from onetape.engine.session import Session

__all__ = ["STATE_BYTES_MAX", "CannotKeepError", "StateKeeper"]

STATE_BYTES_MAX: Final = 64 * 2**20
_EVENTS: Final = (
    _core.Quote,
    _core.Trade,
    _core.Bar,
    _core.Mark,
    _core.Funding,
    _core.Liquidation,
    _core.MarketByOrder,
)
# Attributes of the host that depend on the strategy's actions.
_HOST: Final = ("memory", "kept", "_memory_last", "failures", "subscriptions", "_notes")
_BARS: Final = ("sources", "keys", "history", "longest_period")  # of its bars
_LENT: Final = ("_loop", "_host")


class CannotKeepError(Exception):
    """The robot has state that no file can hold; the text names it."""


class StateKeeper:
    """Keeps and restores the state of one session that has started and processed nothing yet."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._robots = [session.robot, *session.host.children]
        # Handlers are often functions without a name; on_start creates the same ones each time.
        self._functions: dict[tuple[str, int], FunctionType] = {
            (kind, number): function
            for kind, entries in self._handlers().items()
            for number, entry in enumerate(entries)
            if isinstance(function := entry.handler, FunctionType)
        }
        self._names = {id(function): name for name, function in self._functions.items()}
        self._own = {each.__name__ for each in own_modules(type(session.robot))}
        self._shared: bytes | None = None
        self._trouble = self._unfit()
        if not self._trouble:
            try:
                self._shared = self._shared_state()
            except CannotKeepError as problem:
                self._trouble = str(problem)

    # --- save ---------------------------------------------------------------------------------

    def keep(self) -> tuple[bytes, list[int]]:
        """Returns the state, and the ids of the orders that it names. Raises CannotKeepError."""
        if self._trouble:
            raise CannotKeepError(self._trouble)
        if [self._session.robot, *self._session.host.children] != self._robots:
            raise CannotKeepError("it created children after on_start")
        if self._shared_state() != self._shared:
            raise CannotKeepError("data of its modules or classes have changed")
        orders: set[int] = set()
        try:
            kept = self._pickled(self._whole(), orders)
        except CannotKeepError:
            raise
        except Exception as problem:
            raise CannotKeepError(self._named(problem)) from problem
        if len(kept) > STATE_BYTES_MAX:
            raise CannotKeepError(f"it has {len(kept) >> 20} MiB of attributes")
        return kept, sorted(orders)

    def _whole(self) -> dict[str, Any]:
        host = self._session.host
        assert host.random is not None
        handlers = host.handlers
        return {
            "robots": [_attributes(each) for each in self._robots],
            "random": host.random.getstate(),
            "host": {name: getattr(host, name) for name in _HOST},
            "bars": {name: getattr(host.bars, name) for name in _BARS},
            "entries": self._handlers(),
            "through": sorted(handlers.through) if handlers is not None else [],
            "ladders": self._session.loop.settled_ladders(),
        }

    def _pickled(self, value: Any, orders: set[int]) -> bytes:
        target = io.BytesIO()
        _Pickler(target, self, orders).dump(value)
        return target.getvalue()

    def _named(self, problem: Exception) -> str:
        """Returns the name of the attribute with this value."""
        for robot in self._robots:
            for name, value in _attributes(robot).items():
                try:
                    self._pickled(value, set())
                except Exception as own:
                    return f"its attribute {name!r} cannot be kept ({_words(own)})"
        return f"it cannot be kept ({_words(problem)})"

    # --- restore ------------------------------------------------------------------------------

    def restore(self, kept: bytes) -> None:
        """Restore the state into a session whose core is at the same frame. Raises CannotKeepError, and any
        exception of a damaged pickle: the session must not be used then."""
        if self._trouble:
            raise CannotKeepError(self._trouble)
        host, loop = self._session.host, self._session.loop
        assert host.random is not None
        found = _Unpickler(io.BytesIO(kept), self).load()
        for robot, attributes in zip(self._robots, found["robots"], strict=True):
            own = vars(robot)
            lent = {name: own[name] for name in _LENT}
            own.clear()
            own.update(lent | attributes)
        host.random.setstate(found["random"])
        for name, value in found["host"].items():
            setattr(host, name, value)
        for name, value in found["bars"].items():
            setattr(host.bars, name, value)
        if host.memory_bytes:  # else it has not been used yet
            loop.touch_memory()
        if found["entries"] or found["through"]:
            host.handlers_of(Strategy).restore(found["entries"], found["through"])
        loop.settle_ladders(found["ladders"])

    # --- objects stored by name -----------------------------------------------------------------

    def named(self, value: Any, orders: set[int]) -> Any:
        """Returns the name under which a pickle stores the object; NotImplemented: it is pickled itself. See
        `_Pickler`."""
        host, loop = self._session.host, self._session.loop
        kind = type(value)
        if value is loop:
            return _of_loop, ("sim",)
        if value is host:
            return _of_loop, ("host",)
        if value is host.random:
            return _of_loop, ("random",)
        if kind is FunctionType:
            name = self._names.get(id(value))
            if name is None:
                return NotImplemented
            return _of_loop, ("handler", *name), _cells_of(value), None, None, _fill_cells
        if isinstance(value, Strategy):
            for number, robot in enumerate(self._robots):
                if value is robot:
                    return _of_loop, ("robot", number)
            raise CannotKeepError("it has a strategy that is not in the run")
        if kind.__module__ in self._own:
            if _pickles_itself(kind, self._own):  # its own pickling may leave out changed parts
                raise CannotKeepError(f"{kind.__name__} defines its own pickling")
            return NotImplemented
        if kind.__module__ != "onetape._core":
            return NotImplemented
        if kind is _core.Order:
            orders.add(value.id)
            return _of_loop, ("order", value.id)
        if kind is _core.Position:
            return _of_loop, ("position", value.symbol, value.side)
        if kind is _core.LiveBook and value is loop.book(value.symbol):
            return _of_loop, ("book", value.symbol)
        if kind is _core.Fill:
            return _of_loop, ("fill", *_core.fill_parts(value))
        if kind in _EVENTS:
            return _of_loop, ("event", *_core.event_parts(value))
        if kind is _core.RunningSha256 or isinstance(value, type):
            return NotImplemented
        raise CannotKeepError(f"a {kind.__name__} cannot be kept")

    def found(self, kind: str, *name: Any) -> Any:
        """Returns the object that a name stands for in this session."""
        host, loop = self._session.host, self._session.loop
        match kind:
            case "sim":
                return loop
            case "host":
                return host
            case "random":
                return host.random
            case "handler":
                return self._functions[name]
            case "robot":
                return self._robots[name[0]]
            case "order":
                order = loop.order_by_id(name[0])
                if order is None:
                    raise CannotKeepError(f"order {name[0]} is not known")
                return order
            case "position":
                return loop.position(*name)
            case "book":
                return loop.book(*name)
            case "fill":
                return _core.fill_of(*name)
            case "event":
                return _core.event_of(name)
        raise CannotKeepError(f"a {kind} is no object of this session")

    # --- what can be saved ------------------------------------------------------------------------

    def _unfit(self) -> str:
        if is_compiled(self._session.strategy_class) and not self._session.plan.interpret:
            return "it is compiled"
        if self._session.strategy_class.__module__ == "__main__":
            return "it was defined in an interactive session"
        for robot in self._robots:
            for klass in type(robot).__mro__:
                if klass is Strategy:
                    break
                if any(isinstance(each, MemberDescriptorType) for each in vars(klass).values()):
                    return f"{klass.__name__} has __slots__"
        return ""

    def _handlers(self) -> dict[str, list[Any]]:
        handlers = self._session.host.handlers
        return handlers.entries if handlers is not None else {}

    def _shared_state(self) -> bytes:
        """Returns a digest of the data in the strategy's modules and classes: state there belongs to no single robot
        and is not kept."""
        classes = [klass for robot in self._robots for klass in type(robot).__mro__]
        digest = hashlib.sha256()
        for name, value in _shared_values(own_modules(type(self._session.robot)), classes):
            try:
                digest.update(pickle.dumps((name, value), protocol=5))
            except Exception as problem:
                text = f"{name} outside of it cannot be compared ({_words(problem)})"
                raise CannotKeepError(text) from problem
        return digest.digest()


class _Pickler(pickle.Pickler):
    def __init__(self, target: io.BytesIO, keeper: StateKeeper, orders: set[int]) -> None:
        super().__init__(target, protocol=5)
        self._keeper, self._orders = keeper, orders

    def reducer_override(self, value: Any) -> Any:
        return self._keeper.named(value, self._orders)


class _Unpickler(pickle.Unpickler):
    def __init__(self, source: io.BytesIO, keeper: StateKeeper) -> None:
        super().__init__(source)
        self._keeper = keeper

    def find_class(self, module: str, name: str) -> Any:
        if module == __name__ and name == _of_loop.__name__:
            return self._keeper.found
        return super().find_class(module, name)


def _of_loop(*_: Any) -> Any:
    """Represents in a pickle a call of `StateKeeper.found` of the restoring session."""
    raise CannotKeepError("a robot's state is read into a session only")


def _pickles_itself(kind: type[Any], own: set[str]) -> bool:
    return any(
        name in vars(each) and getattr(vars(each)[name], "__module__", "") in own
        for each in kind.__mro__
        if each.__module__ in own
        for name in ("__reduce__", "__reduce_ex__", "__getstate__", "__getnewargs_ex__")
    )


def _cells_of(function: FunctionType) -> tuple[Any, ...]:
    """Returns the values of a function's closure, which it may change."""
    return tuple(cell.cell_contents for cell in function.__closure__ or ())


def _fill_cells(function: FunctionType, contents: tuple[Any, ...]) -> None:
    for cell, content in zip(function.__closure__ or (), contents, strict=True):
        cell.cell_contents = content


def _attributes(robot: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(robot).items() if name not in _LENT}


def _shared_values(modules: list[ModuleType], classes: list[type[Any]]) -> Iterator[tuple[str, Any]]:
    """Yields (name, value) of the data of modules, their classes and functions."""
    names = {module.__name__ for module in modules}
    spaces: list[tuple[str, dict[str, Any]]] = [(each.__name__, vars(each)) for each in modules]
    seen: set[int] = set()
    spaces += [(each.__name__, dict(vars(each))) for each in classes if each.__module__ in names]
    while spaces:
        path, space = spaces.pop()
        for name, value in list(space.items()):
            if isinstance(value, (staticmethod, classmethod)):
                value = value.__func__
            if name.startswith("__") or id(value) in seen or isinstance(value, ModuleType):
                continue
            if isinstance(value, type):
                if value.__module__ in names:
                    seen.add(id(value))
                    spaces.append((f"{path}.{name}", dict(vars(value))))
            elif isinstance(value, FunctionType):
                if value.__module__ in names:
                    seen.add(id(value))
                    yield f"{path}.{name}", (value.__defaults__, value.__kwdefaults__)
            elif not isinstance(value, _WITHOUT_STATE):
                yield f"{path}.{name}", value


_WITHOUT_STATE: Final[tuple[type[Any], ...]] = (
    property,
    cached_property,
    MemberDescriptorType,
    GetSetDescriptorType,
    BuiltinFunctionType,
    MethodDescriptorType,
)


def _words(problem: Exception) -> str:
    return (str(problem).splitlines() or [type(problem).__name__])[0]
