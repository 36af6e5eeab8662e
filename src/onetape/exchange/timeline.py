"""The time of a simulated exchange: due timers, reports, and the recorder of changing calls."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Final, Protocol, TypeVar, cast, runtime_checkable

import msgspec

from onetape.exchange.reports import Report
from onetape.model.typed import from_builtins

__all__ = ["NEVER", "CallTerms", "Timeline", "recorded", "recorded_calls"]

NEVER: Final = 2**63 - 1

Method = TypeVar("Method", bound=Callable[..., Any])
Recorder = Callable[[str, list[Any], dict[str, Any]], None]


class Timeline:
    """The time and the calls of an exchange, shared by all its parts.

    now: the exchange's time, ns UTC. next_due: when the first timer is due. recorder: called for each external call,
    before it is carried out, with (name, arguments, keywords).
    """

    def __init__(self, start: int) -> None:
        self.now = start
        self.next_due = NEVER
        self.recorder: Recorder | None = None
        self.is_inside = False  # a recorded call is running, and calls within it are not recorded
        self._reports: list[Report] = []
        self._timers: list[tuple[int, int, Callable[[int], None]]] = []
        self._timer_count = 0

    def at(self, when: int, what: Callable[[int], None]) -> None:
        """Calls `what(now)` when the exchange's time reaches `when`."""
        self._timer_count += 1
        heapq.heappush(self._timers, (when, self._timer_count, what))
        self.next_due = self._timers[0][0]

    def run_next(self) -> None:
        """Runs the first due timer."""
        _, _, what = heapq.heappop(self._timers)
        self.next_due = self._timers[0][0] if self._timers else NEVER
        what(self.now)

    def say(self, report: Report) -> None:
        self._reports.append(report)

    def take(self) -> list[Report]:
        """Returns the reports since the last call."""
        reports, self._reports = self._reports, []
        return reports


class CallTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The terms of a call as one record: the last argument of a recorded method. In a journal its fields are the
    keywords of the call."""


@runtime_checkable
class Referable(Protocol):
    """An object that a journal refers to by its number, such as {"order": 7}."""

    @property
    def reference(self) -> dict[str, int]: ...


def recorded(name: str, terms: type[CallTerms] | None = None) -> Callable[[Method], Method]:
    """Decorates a method so that each external call of it is recorded, and can be repeated after a restart. name: the
    call's name in journals, which stays when methods are renamed. terms: the record type of the method's last argument.
    The method's object must have a `timeline`.
    """

    def decorate(method: Method) -> Method:
        @wraps(method)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            timeline: Timeline = self.timeline
            if timeline.recorder is None or timeline.is_inside:
                return method(self, *args, **kwargs)
            timeline.recorder(name, [_plain(each) for each in _without_terms(args)], kwargs | _terms_of(args))
            timeline.is_inside = True
            try:
                return method(self, *args, **kwargs)
            finally:
                timeline.is_inside = False

        call.recorded = name, terms  # type: ignore[attr-defined]
        return cast(Method, call)

    return decorate


def _without_terms(args: tuple[Any, ...]) -> tuple[Any, ...]:
    return args[:-1] if args and isinstance(args[-1], CallTerms) else args


def _terms_of(args: tuple[Any, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if args and isinstance(args[-1], CallTerms):
        found = msgspec.to_builtins(args[-1])
    return found


def _plain(value: object) -> object:
    return value.reference if isinstance(value, Referable) else value


def recorded_calls(parts: Iterable[object]) -> dict[str, Callable[..., Any]]:
    """Returns name in a journal -> recorded method of the parts. The methods take their terms as keywords, as a journal
    has them, and raise msgspec.ValidationError for invalid terms."""
    found: dict[str, Callable[..., Any]] = {}
    for part in parts:
        for attribute in vars(type(part)).values():
            if named := getattr(attribute, "recorded", None):
                name, terms = named
                method = attribute.__get__(part)
                found[name] = method if terms is None else _with_terms(method, terms)
    return found


def _with_terms(method: Callable[..., Any], terms: type[CallTerms]) -> Callable[..., Any]:
    return lambda *args, **fields: method(*args, from_builtins(fields, terms))
