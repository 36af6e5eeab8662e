"""Call the handlers that a strategy registers while it runs, in a defined order.

For each event: the strategy's own callback, then the handlers of its kind in the order of their
registration, then those of all kinds. An event that a handler causes (a signal, a target) is delivered
after all handlers got the causing event. Without registered handlers the core calls the
callbacks directly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from onetape.engine.callbacks import call_fault
from onetape.model.errors import StrategyError

if TYPE_CHECKING:
    from onetape import _core

__all__ = ["ALL", "CAUSED_MAX", "KINDS", "PRIVATE_TIMER", "Handlers"]

ALL: Final = "*"
PRIVATE_TIMER: Final = "\x1f"  # prefix of timers that only timer handlers receive
_FROM_CORE: Final = (
    "quote", "trade", "book", "bar", "mark", "funding", "liquidation", "mbo", "instrument",
    "timer", "order", "fill", "position", "health", "event",
)  # fmt: skip
KINDS: Final = frozenset({*_FROM_CORE, "params", "signal", "target"})
CAUSED_MAX: Final = 10_000  # length of a chain of caused events at which it counts as endless

Handler = Callable[..., Any]


class _Entry:
    """One registration of a handler: the same handler may be registered twice."""

    __slots__ = ("handler", "is_on")

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.is_on = True


class Handlers:
    """Calls the handlers that a strategy has registered. own: the overridden callbacks, by kind. failed: called with
    a handler's exception and a name for it."""

    def __init__(
        self, loop: _core.TradingLoop, own: dict[str, Handler], failed: Callable[[str, BaseException], object]
    ) -> None:
        self._loop = loop
        self._own = own
        self._failed = failed
        self._entries: dict[str, list[_Entry]] = {}
        self._through: set[str] = set()  # kinds whose events are dispatched here first
        self._queue: deque[tuple[str, Any]] = deque()
        self._is_busy = False
        for kind in own:
            self._take(kind)

    def on(self, kind: str, handler: Handler) -> None:
        """Register a handler from the next event on. Raises ValueError for an unknown kind, TypeError for a value
        that cannot be called with an event, and with its kind before it where kind is "*"."""
        if kind != ALL and kind not in KINDS:
            kinds = ", ".join(sorted(KINDS))
            raise ValueError(f"no event {kind!r}; there are {kinds}, and {ALL!r} for all")
        if not callable(handler):
            raise TypeError(f"a handler is a function: {handler!r} cannot be called")
        if fault := call_fault(handler, ("kind", "event") if kind == ALL else ("event",)):
            raise TypeError(f"the handler {_handler_name(handler)} of {kind!r} {fault}")
        # A new list: the event being dispatched uses the old one.
        self._entries[kind] = [*self._entries.get(kind, ()), _Entry(handler)]
        for each in (kind,) if kind != ALL else sorted(KINDS):
            self._take(each)

    def off(self, kind: str, handler: Handler) -> bool:
        """Remove a handler at once, also for the event being dispatched. Returns False when it was not registered."""
        entries = self._entries.get(kind, [])
        found = next((entry for entry in entries if entry.handler == handler), None)
        if found is None:
            return False
        found.is_on = False
        self._entries[kind] = [entry for entry in entries if entry is not found]
        return True

    @property
    def entries(self) -> dict[str, list[Any]]:
        """Returns the registrations by kind, in order: objects with a `handler`."""
        return self._entries

    @property
    def through(self) -> set[str]:
        """Returns the kinds whose events are dispatched here first."""
        return self._through

    def restore(self, entries: dict[str, list[Any]], through: Iterable[str]) -> None:
        """Restore registrations of another instance of the same strategy, between two events."""
        self._entries = entries
        for kind in through:
            self._through.discard(kind)  # the core may not have been set to dispatch here
            self._take(kind)

    def tell(self, kind: str, event: Any) -> None:
        """Dispatch an event to all its handlers, after the event being dispatched, if any."""
        self._queue.append((kind, event))
        if self._is_busy:
            return
        self._is_busy = True
        try:
            for _ in range(CAUSED_MAX):
                if not self._queue or not self._show(*self._queue.popleft()):
                    return
            if self._queue:
                text = f"one {kind} event caused more than {CAUSED_MAX} others"
                error = StrategyError(text, location="handlers", todo="a handler answers itself")
                self._failed(f"handlers of {self._queue[0][0]}", error)
        finally:
            self._queue.clear()
            self._is_busy = False

    def _take(self, kind: str) -> None:
        if kind in self._through:
            return
        self._through.add(kind)
        if kind in _FROM_CORE:
            self._loop.set_callback(f"on_{kind}", lambda event: self.tell(kind, event))

    def _show(self, kind: str, event: Any) -> bool:
        """Call one handler. Returns False when the robot was halted meanwhile: no further handler is called."""
        own = self._own.get(kind)
        listening, general = self._entries.get(kind, ()), self._entries.get(ALL, ())
        if kind == "timer" and event.startswith(PRIVATE_TIMER):
            own, general = None, ()
        if own is not None and not self._call(f"on_{kind}", own, event):
            return False
        for entry in listening:
            if entry.is_on and not self._call(_name(kind, entry), entry.handler, event):
                return False
        for entry in general:
            if entry.is_on and not self._call(_name(ALL, entry), entry.handler, kind, event):
                return False
        return True

    def _call(self, name: str, handler: Handler, *arguments: Any) -> bool:
        try:
            handler(*arguments)
        except KeyboardInterrupt:
            raise
        except BaseException as problem:
            self._failed(name, problem)
        return not self._loop.halted


def _name(kind: str, entry: _Entry) -> str:
    return f"handler {_handler_name(entry.handler)} of {kind!r}"


def _handler_name(handler: Handler) -> str:
    return str(getattr(handler, "__qualname__", type(handler).__name__))
