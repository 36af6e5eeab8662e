"""Sinks: each address (as in apprise) has a queue and a thread of its own.

Senders only enqueue an alert. A sink that hangs, fails or is slow blocks no sender and no other sink: the queue is
bounded, and of overflowing alerts the oldest non-critical one is dropped.
"""

from __future__ import annotations

import logging
import re
import threading
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Final

from onetape.model.errors import BadConfig, NotAvailable, OnetapeError
from onetape.model.shown import shown
from onetape.notify.alert import KEYS_MAX, TRADES, Alert, Severity

__all__ = ["Service", "Sink"]

WAITING_MAX: Final = 100  # non-critical alerts; critical ones and ends are bounded by the number of open alerts
TRIES: Final = 3  # per alert
CLOSES_WITHIN_S: Final = 2.0
PAUSE_S: Final = 2.0  # before a retry, doubled each time
_STATUS: Final = re.compile(r"error=(\d{3})\b")
_PASSING: Final = {408, 425, 429}  # of 400 to 499: the same alert may be accepted later
SHORT_MAX: Final = 160  # characters of the short form: one SMS
# Discord, Slack, Mattermost, Matrix, Google Chat: such text may notify everybody.
_MENTION: Final = re.compile(r"@(?=\S)|<(?=[!@#&]|users/)")
_MARKUP: Final = re.compile(r"[^A-Za-z0-9 .,:;()+/=_-]+")
_statuses: ContextVar[list[int]] = ContextVar("statuses")  # apprise passes the context to its own threads


class _Answers(logging.Handler):
    """Collects the HTTP statuses of failures, which apprise only logs."""

    def emit(self, record: logging.LogRecord) -> None:
        statuses, found = _statuses.get(None), _STATUS.search(record.getMessage())
        if statuses is not None and found is not None:
            statuses.append(int(found[1]))


_ANSWERS: Final = _Answers()


class Service:
    """An apprise address that accepts alerts. number: of the address in its list. words: title and body of an alert.
    Raises NotAvailable without apprise, BadConfig for an unknown address.

    is_rejected: its last answer will repeat for that alert, as far as the status tells.
    """

    is_rejected = False

    def __init__(
        self,
        url: str,
        number: int = 1,
        words: Callable[[Alert], tuple[str, str]] = lambda alert: (alert.title, alert.body),
    ) -> None:
        self._words = words
        try:
            import apprise
        except ImportError:
            raise NotAvailable(
                "alerts need apprise", location="[notify]", todo="pip install 'onetape[notify]'"
            ) from None
        logger = logging.getLogger("apprise")
        logger.setLevel(logging.WARNING)
        logger.propagate = False  # its records may contain addresses with secrets
        logger.addHandler(_ANSWERS)  # once, however often it is called
        self._sinks: Any = apprise.Apprise()
        self._types = {
            Severity.INFO: apprise.NotifyType.INFO,
            Severity.WARN: apprise.NotifyType.WARNING,
            Severity.CRITICAL: apprise.NotifyType.FAILURE,
        }
        self._text = apprise.NotifyFormat.TEXT
        if not self._sinks.add(url):
            raise BadConfig(
                f"apprise does not know the address of sink {number}",
                location="[notify] urls",
                todo="see the list of services of apprise",
            )
        if "overflow=" not in url:  # the service refuses text that is too long
            for each in self._sinks:
                each.overflow_mode = apprise.OverflowMode.TRUNCATE

    def __len__(self) -> int:
        return len(self._sinks)

    def send(self, alert: Alert) -> bool:
        """Tells whether all recipients accepted it. Blocks, up to apprise's own timeouts. A rejected alert is sent
        once more, in a short form without markup."""
        title, body = self._words(alert)
        if self._notify(_literal(title, " "), _literal(body), alert):
            return True
        return self.is_rejected and self._notify(*_short(title, body), alert)

    def _notify(self, title: str, body: str, alert: Alert) -> bool:
        statuses: list[int] = []
        _statuses.set(statuses)
        # Without a format apprise assumes the one that the service prefers: HTML for Telegram.
        kind, text = self._types[alert.severity], self._text
        is_taken = bool(self._sinks.notify(title=title, body=body, notify_type=kind, body_format=text))
        self.is_rejected = bool(statuses) and all(400 <= each < 500 and each not in _PASSING for each in statuses)
        return is_taken


def _literal(text: str, newline: str = "\n") -> str:
    """Returns text that every service shows literally: control characters escaped, mentions disabled."""
    text = text.encode("utf-8", "replace").decode()  # half of a surrogate pair cannot be encoded
    return _MENTION.sub("\\g<0>\u200b", shown(text.replace("\r\n", "\n").replace("\n", newline)))


def _short(title: str, body: str) -> tuple[str, str]:
    title, body = (" ".join(_MARKUP.sub(" ", each).split()) for each in (title, body))
    return title[:SHORT_MAX], body[: max(SHORT_MAX - len(title), 0)] or "see onetape alerts"


class Sink:
    """One sink with its queue. make: returns the service, called in the thread. said: logs, from that thread.
    subject: of alerts about itself."""

    def __init__(self, make: Callable[[], Service], said: Callable[[str], None], subject: str = "") -> None:
        self._make, self._said, self.subject = make, said, subject
        self._waiting: deque[Alert] = deque()
        self._lock = threading.Lock()
        self._rang = threading.Event()
        self._closed = threading.Event()
        self.sent = self.failed = self.dropped = 0
        self.is_failing = False  # whether its last alert could not be sent
        self._unsettled = 0  # count of alerts neither sent nor given up
        self._rejected: dict[Alert, int] = {}  # critical ones moved behind the others: number sent before
        self._thread = threading.Thread(target=self._work, name="alerts", daemon=True)
        self._thread.start()

    def put(self, alert: Alert) -> None:
        """Enqueues it at once, from any thread. Waiting alerts of the same problem become one; an update changes the
        text of a waiting one."""
        with self._lock:
            place = _last_of(self._waiting, alert)
            if place is not None and _lasts(before := self._waiting[place], alert):
                more = before.more if alert.is_update else before.more + 1 + alert.more
                self._waiting[place] = replace(alert, more=more, is_update=False)
                return
            if alert.is_update:
                return
            self._waiting.append(alert)
            self._unsettled += 1
            mild = [n for n, each in enumerate(self._waiting) if not _must_leave(each)]
            if len(mild) > WAITING_MAX or len(self._waiting) > WAITING_MAX + 2 * KEYS_MAX:
                self.dropped += 1
                self._unsettled -= 1
                trades = (n for n in mild if self._waiting[n].type in TRADES)  # before those about faults
                del self._waiting[next(trades, mild[0] if mild else 0)]
        self._rang.set()

    @property
    def waiting(self) -> int:
        """Returns the number of alerts neither sent nor given up."""
        return self._unsettled

    def end(self) -> None:
        """No more alerts follow: the queue is sent."""
        self._closed.set()
        self._rang.set()

    def close(self, within_s: float = CLOSES_WITHIN_S) -> None:
        """Sends the queue for up to `within_s`; a hanging sink is left alone."""
        self.end()
        self._thread.join(within_s)

    def _work(self) -> None:
        try:
            service = self._make()
        except OnetapeError as error:  # also for a secret that others may read
            self.is_failing = True
            self._said(f"no alert can be sent: {error}")
            return
        while True:
            with self._lock:
                alert = self._waiting.popleft() if self._waiting else None
            if alert is not None:
                self._send(service, alert)
            elif self._closed.is_set():
                return
            else:
                self._rang.wait()
                self._rang.clear()

    def _send(self, service: Service, alert: Alert) -> None:
        pause, is_rejected = PAUSE_S, False
        for _ in range(TRIES):
            # apprise handles its plug-ins' exceptions itself; this is for others.
            try:
                if service.send(alert):
                    self.sent += 1
                    self.is_failing = False
                    self._rejected.pop(alert, None)
                    self._settled()
                    return
                why, is_rejected = "the sink did not accept it", service.is_rejected
            except (OSError, RuntimeError, TypeError, ValueError) as error:
                why, is_rejected = type(error).__name__, False
            if self._closed.wait(pause) or is_rejected:
                break
            pause *= 2
        self.failed += 1
        was_failing, self.is_failing = self.is_failing, True
        if self._closed.is_set():
            pass  # the next supervisor sends it again
        elif is_rejected and self._is_refused_for_good(alert):
            self._settled()
            why = "the service refuses it but accepts others: it is given up"
        elif alert.severity is Severity.CRITICAL:
            with self._lock:
                if is_rejected:  # it must not hold up others
                    self._waiting.append(alert)
                else:  # it is sent when the sink accepts alerts again, before later ones
                    self._waiting.appendleft(alert)
            if was_failing:  # already reported
                return
        else:
            self._settled()
        self._said(f"an alert was not sent ({why}): {alert.title}")

    def _is_refused_for_good(self, alert: Alert) -> bool:
        """Tells whether others were sent since its first rejection: a status does not tell whether the alert or the
        address is refused."""
        if len(self._rejected) > WAITING_MAX:  # waiting alerts may have been replaced by later ones of the same problem
            self._rejected.clear()
        if self._rejected.setdefault(alert, self.sent) == self.sent:
            return False
        del self._rejected[alert]
        return True

    def _settled(self) -> None:
        with self._lock:
            self._unsettled -= 1


def _must_leave(alert: Alert) -> bool:
    return alert.severity is Severity.CRITICAL or alert.is_end


def _last_of(waiting: deque[Alert], alert: Alert) -> int | None:
    """Returns the index of the last waiting alert about the same problem."""
    about = alert.type, alert.subject
    return next((n for n in reversed(range(len(waiting))) if (waiting[n].type, waiting[n].subject) == about), None)


def _lasts(before: Alert, alert: Alert) -> bool:
    return before.key == alert.key and not (before.is_end or alert.is_end or alert.is_note)
