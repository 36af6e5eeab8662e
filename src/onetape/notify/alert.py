"""Alerts, and the decision which of them are sent. Pure: time comes as an argument.

An open problem is reported once, and again if it persists; repeats in between are counted and included in the next
report. Readers of open alerts see the latest text. The number of non-critical alerts per minute is limited; the
others are counted, too. Other alerts never hold back a critical one.
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
UPDATE_NS: Final = 10 * SECOND  # shortest time between texts of one open problem: a figure may change with each quote
MINUTE_MAX: Final = 20  # non-critical alerts per minute
KEYS_MAX: Final = 1000  # open problems; beyond it the oldest is forgotten, and reported anew


class Severity(StrEnum):
    INFO = "info"
    WARN = "warn"
    CRITICAL = "critical"


class Type(StrEnum):
    """The type of an alert. failover: a connection, and its replacement. proxy: an address, and its request limits.
    stop: orders at a venue that limit a loss. ledger: unaccounted money."""

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
        return cls.PROCESS if value == "gateway" else None  # the original name on tapes


def is_about_sinks(subject: str) -> bool:
    """Tells whether an alert of this subject reports that alerts are not sent."""
    return subject.partition(" ")[0].partition(":")[0] == SINKS


TRADES: Final = frozenset(map(Type, TRADE_TYPES))


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. subject: the process, account, symbol ... that it concerns. time: ns UTC. more: number of the same
    since the last one sent. is_update: a new text for readers; it is not sent."""

    type: Type
    severity: Severity
    subject: str
    message: str
    time: int
    more: int = 0
    is_note: bool = False  # reports an event: nothing stays open
    is_end: bool = False
    is_update: bool = False

    @property
    def key(self) -> tuple[str, str, str, bool]:
        """Identifies one open problem: text and numbers of the message may change meanwhile."""
        return self.type, self.subject, self.severity, self.is_note

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Alert:
        """Reads an alert written by `as_json`."""
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
        return f"{self.message} (repeated {self.more} times)" if self.more else self.message


@dataclass(slots=True)
class _Going:
    sent_at: int
    message: str  # the latest, even if it was not sent
    began: int
    said_at: int
    written: str  # the text that readers have
    written_at: int
    more: int = 0
    is_acked: bool = False  # acknowledged: not sent again until it has ended


@dataclass(slots=True)
class Desk:
    """Decides which alerts are sent. dropped: alerts over the limit."""

    dropped: int = 0
    _going: dict[tuple[str, str, str, bool], _Going] = field(default_factory=dict)
    _left: deque[int] = field(default_factory=deque)

    def take(self, alert: Alert) -> Alert | None:
        """Returns the alert to send, None: not now."""
        if alert.type in TRADES:  # all are different, and their source combines those of a period
            return alert
        going = self._going.pop(alert.key, None)
        if going is not None and (going.is_acked or alert.time - going.sent_at < REPEAT_NS[alert.severity]):
            self._repeated(alert, going)
            return None
        if alert.severity is not Severity.CRITICAL and not self._has_room(alert.time):
            self.dropped += 1
            if going is not None:  # its end is to be sent
                self._repeated(alert, going)
            return None
        more = 0 if going is None else going.more
        began = alert.time if going is None else going.began
        self._going[alert.key] = _begun(alert, began)
        if len(self._going) > KEYS_MAX:
            # A note goes first: an open problem has an end to be sent.
            del self._going[next((key for key in self._going if key[3]), next(iter(self._going)))]
        return replace(alert, more=more)

    def _repeated(self, alert: Alert, going: _Going) -> None:
        going.more += 1
        going.message, going.said_at = alert.message, alert.time
        self._going[alert.key] = going

    def updates(self, now: int) -> Iterator[Alert]:
        """Yields the latest text of open problems whose text has changed; each at most once in UPDATE_NS."""
        for (type_, subject, severity, is_note), going in self._going.items():
            is_due = not 0 <= now - going.written_at < UPDATE_NS  # a clock may be set back
            if is_due and going.message != going.written and not is_note:
                going.written, going.written_at = going.message, now
                yield Alert(Type(type_), Severity(severity), subject, going.message, now, is_update=True)

    def over(self, subject: str, now: int, message: str = "", *, before: int = 0) -> Iterator[Alert]:
        """Ends open alerts of this subject, or of a part of it: yields an alert with the end of each. message: how
        it ended, else the former text. before: only those last reported until then, ns; 0: all."""
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
        """Returns the subjects of open alerts."""
        return {key[1] for key in self._going if not key[3]}

    def acknowledge(self, type_: str, subject: str) -> None:
        """Notes the operator's acknowledgement: an open alert is not sent again. A more severe one counts as
        another."""
        for (kind, about, _, is_note), going in self._going.items():
            if (kind, about, is_note) == (type_, subject, False):
                going.is_acked = True

    @property
    def active(self) -> Counter[tuple[str, str]]:
        """Returns open alerts that are not acknowledged, by type and severity; from any thread."""
        going = self._going.copy()
        return Counter((str(key[0]), str(key[2])) for key, each in going.items() if not (key[3] or each.is_acked))

    def restore(self, alerts: Iterable[Mapping[str, Any]]) -> None:
        """Restores open alerts of an earlier desk, and its newest notes."""
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
