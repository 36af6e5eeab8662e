"""What an alert is, and which of them leave: pure, time comes as an argument.

One thing that goes on is told once, and again when it has lasted: what came in between is counted
and said with the next. Who reads what goes on sees its latest text. Of those that are not critical so many leave
in a minute; the rest is counted, too. A critical one is never held back by others.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from onetape.model.sections import TRADE_TYPES
from onetape.model.time import SECOND

__all__ = ["SINKS", "TRADES", "UPDATE_NS", "Alert", "Desk", "Severity", "Type", "is_about_sinks"]

SINKS: Final = "notify"  # subject of alerts about the sinks themselves: notify[:ROUTE] NUMBER

REPEAT_NS: Final = {"critical": 60 * SECOND, "warn": 600 * SECOND, "info": 600 * SECOND}
UPDATE_NS: Final = 10 * SECOND  # between new texts of one thing that goes on: a figure may change with each quote
MINUTE_MAX: Final = 20  # that are not critical
KEYS_MAX: Final = 1000  # things that go on; beyond it the oldest is told anew


class Severity(StrEnum):
    INFO = "info"
    WARN = "warn"
    CRITICAL = "critical"


class Type(StrEnum):
    """What it is about. failover: a connection, and what takes its place. proxy: an address, and what it
    may still ask. stop: what rests at a venue to bound a loss. ledger: money that is not accounted for."""

    DELTA = "delta"
    UTILIZATION = "utilization"
    FAILOVER = "failover"
    PROXY = "proxy"
    RISK = "risk"
    STOP = "stop"
    LEDGER = "ledger"
    PROCESS = "process"
    CLOCK = "clock"
    DISK = "disk"
    FILL = "fill"
    POSITION = "position"
    DAY = "day"
    TEST = "test"

    @classmethod
    def _missing_(cls, value: object) -> Type | None:
        return cls.PROCESS if value == "gateway" else None  # as tapes had it first


def is_about_sinks(subject: str) -> bool:
    """Tells whether an alert of this subject says that alerts do not leave."""
    return subject.partition(" ")[0].partition(":")[0] == SINKS


TRADES: Final = frozenset(map(Type, TRADE_TYPES))


@dataclass(frozen=True, slots=True)
class Alert:
    """subject: the process, account, symbol ... that it is about. time: ns UTC. more: how many of
    the same came since the last one that was told. is_update: of what goes on, for who reads it; it does not leave."""

    type: Type
    severity: Severity
    subject: str
    message: str
    time: int
    more: int = 0
    is_note: bool = False  # of what has happened: nothing goes on
    is_end: bool = False
    is_update: bool = False

    @property
    def key(self) -> tuple[str, str, str, bool]:
        """Identifies one thing that goes on: words and numbers of the message may change meanwhile."""
        return self.type, self.subject, self.severity, self.is_note

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Alert:
        """As `as_json` has written it."""
        return cls(
            Type(record["type"]),
            Severity(record["severity"]),
            record["subject"],
            record["message"],
            record["time"],
            record["more"],
            is_note=record["state"] == "note",
            is_end=record["state"] == "end",
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "type": str(self.type),
            "severity": str(self.severity),
            "subject": self.subject,
            "message": self.message,
            "time": self.time,
            "more": self.more,
            "state": "end" if self.is_end else "note" if self.is_note else "update" if self.is_update else "begin",
        }

    @property
    def title(self) -> str:
        return f"onetape {self.severity}: {self.type} {self.subject}"

    @property
    def body(self) -> str:
        return f"{self.message} (and {self.more} more of it)" if self.more else self.message


@dataclass(slots=True)
class _Going:
    sent_at: int
    message: str  # as it was said last, also where that was not told
    began: int
    said_at: int
    written: str  # the text that readers have
    written_at: int
    more: int = 0
    is_acked: bool = False  # a person knows: it is not told again until it has ended


@dataclass(slots=True)
class Desk:
    """Decides what leaves. dropped: alerts that were not told for there were too many."""

    dropped: int = 0
    _going: dict[tuple[str, str, str, bool], _Going] = field(default_factory=dict)
    _left: deque[int] = field(default_factory=deque)

    def take(self, alert: Alert) -> Alert | None:
        """Returns the alert as it is to be told, None: not now."""
        if alert.type in TRADES:  # each is another, and who tells them gathers those of a while
            return alert
        going = self._going.pop(alert.key, None)
        if going is not None and (going.is_acked or alert.time - going.sent_at < REPEAT_NS[alert.severity]):
            self._repeated(alert, going)
            return None
        if alert.severity is not Severity.CRITICAL and not self._has_room(alert.time):
            self.dropped += 1
            if going is not None:  # its end is to be told
                self._repeated(alert, going)
            return None
        more = 0 if going is None else going.more
        began = alert.time if going is None else going.began
        self._going[alert.key] = _begun(alert, began)
        if len(self._going) > KEYS_MAX:
            # A note goes first: what goes on has an end that is to be told.
            del self._going[next((key for key in self._going if key[3]), next(iter(self._going)))]
        return replace(alert, more=more)

    def _repeated(self, alert: Alert, going: _Going) -> None:
        going.more += 1
        going.message, going.said_at = alert.message, alert.time
        self._going[alert.key] = going

    def updates(self, now: int) -> Iterator[Alert]:
        """Yields the latest text of what goes on and has been said in other words since; of each at most once in
        UPDATE_NS."""
        for (type_, subject, severity, is_note), going in self._going.items():
            is_due = not 0 <= now - going.written_at < UPDATE_NS  # a clock may be set back
            if is_due and going.message != going.written and not is_note:
                going.written, going.written_at = going.message, now
                yield Alert(Type(type_), Severity(severity), subject, going.message, now, is_update=True)

    def over(self, subject: str, now: int, message: str = "", *, before: int = 0) -> Iterator[Alert]:
        """What was told of this subject, or of a part of it, goes on no more: an alert that says
        so, for each thing. message: how it ended, else what it was. before: only what was last said until
        then, ns; 0: all."""
        ended: dict[tuple[str, str], _Going] = {}
        for key, going in list(self._going.items()):
            if key[3] or (before and going.said_at > before):
                continue
            if key[1] == subject or key[1].startswith(f"{subject} "):
                del self._going[key]
                ended[key[0], key[1]] = going
        for (type_, name), going in ended.items():
            words = message or f"over: {going.message}"
            yield Alert(Type(type_), Severity.INFO, name, words, now, is_end=True)

    @property
    def subjects(self) -> set[str]:
        """Returns what goes on is about."""
        return {key[1] for key in self._going if not key[3]}

    def acknowledge(self, type_: str, subject: str) -> None:
        """A person knows of it: what goes on is not told again. A worse one is another thing."""
        for (kind, about, _, is_note), going in self._going.items():
            if (kind, about, is_note) == (type_, subject, False):
                going.is_acked = True

    @property
    def active(self) -> Counter[tuple[str, str]]:
        """Returns what goes on and nobody has acknowledged, by type and severity; from any thread."""
        going = self._going.copy()
        return Counter((str(key[0]), str(key[2])) for key, each in going.items() if not (key[3] or each.is_acked))

    def restore(self, alerts: Iterable[Mapping[str, Any]]) -> None:
        """What an earlier desk has told and not ended, and its newest notes."""
        for each in alerts:
            alert = Alert.of(each)
            self._going[alert.key] = going = _begun(alert, alert.time)
            going.is_acked = each.get("acked") is not None

    def _has_room(self, now: int) -> bool:
        while self._left and now - self._left[0] >= 60 * SECOND:
            self._left.popleft()
        if len(self._left) >= MINUTE_MAX:
            return False
        self._left.append(now)
        return True


def _begun(alert: Alert, began: int) -> _Going:
    return _Going(alert.time, alert.message, began, alert.time, alert.message, alert.time)
