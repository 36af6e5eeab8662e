"""Follow a strategy's scan conditions over the symbols of its run, and emit their events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from onetape.engine.run_host import RunHost
from onetape.market.condition import Condition, parse_condition
from onetape.market.wanted import symbols_wanted
from onetape.model.enums import EventType
from onetape.model.errors import BadInput, NotAvailable
from onetape.model.time import SECOND

__all__ = ["ExternalEvent", "ScanEvent", "Scans"]

SCANS_MAX: Final = 64  # of a run: each market event is checked against all of them


class ExternalEvent(dict[str, Any]):
    """An external event of the tape, as passed to on_event. Its keys are attributes, too."""

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        if name == "kind":
            return "external"
        raise AttributeError(f"this event has no {name!r}, but {', '.join(self)}")


class ScanEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="scan"):
    """A symbol begins (`matched`) or ceases to meet a condition, at `ts`, ns UTC. values: inputs of the condition at
    that time; None: not known."""

    ts: int
    symbol: str
    expression: str
    matched: bool
    values: dict[str, float | None]

    @property
    def kind(self) -> str:
        return "scan"


class Scans:
    """Holds the scans of one run. The core evaluates them; their texts are kept here."""

    def __init__(self, host: RunHost) -> None:
        self._host = host
        self._conditions: list[Condition] = []  # by the core's number
        self._begun: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._conditions)

    @property
    def history(self) -> int:
        """Returns how much time before the start their windows need, ns."""
        longest = max((length for each in self._conditions for length in each.windows), default=0)
        return longest + 2 * SECOND if longest else 0

    def begin(self, expression: str, symbols: str | Iterable[str]) -> None:
        """Follow a condition from now on; following it twice has no further effect.
        Raises ConditionError, which is BAD_INPUT, UnknownSymbol."""
        if isinstance(symbols, str):
            wanted = symbols_wanted(symbols, place="scan")
            if wanted.top:
                raise NotAvailable(f"symbols={symbols!r}", location="scan", todo="name them, or take all")
            names = sorted(wanted.names)
        else:
            names = sorted(set(symbols))
            if not names:
                raise BadInput("no symbols", location="scan", todo='name them, or say "all"')
        condition = parse_condition(expression)
        request = msgspec.msgpack.encode((expression, names))
        if request in self._begun:
            return
        if len(self._conditions) == SCANS_MAX:
            raise BadInput(f"more than {SCANS_MAX} scans", location="scan", todo="join conditions with `or`")
        host = self._host
        judged = list(dict.fromkeys((*condition.symbols, *(names or sorted(host.instruments)))))
        host.loop.add_scan(
            condition.steps(judged),
            list(condition.windows),
            [each.steps for each in condition.values(judged)],
            [host.index_of(each) for each in judged],
            takes_all=not names,
            request=request,
        )
        self._begun.add(request)
        self._conditions.append(condition)
        host.subscriptions |= {(each, "scan") for each in judged}

    def repeat(self, request: bytes) -> None:
        """Start a scan from the log of the strategy's requests."""
        expression, names = msgspec.msgpack.decode(request, type=tuple[str, list[str]])
        self.begin(expression, names or "all")

    def event(self, number: int, symbol: str, matched: bool, ts: int, values: list[float]) -> ScanEvent:
        """Record on the run's tape that a symbol began or ceased to meet condition `number`, and return the event."""
        condition = self._conditions[number]
        event = ScanEvent(
            ts=ts, symbol=symbol, expression=condition.text, matched=matched, values=condition.shown(values)
        )
        self._host.append(EventType.EXTERNAL.id, event)
        return event
