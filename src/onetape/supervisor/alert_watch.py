"""Watches the processes of a supervisor, and raises alerts: on the supervisor's journal, and to the sinks of
[notify].

In a thread of its own: neither trading nor the supervisor waits for a tape, a disk or a sink.
"""

from __future__ import annotations

import math
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.cluster.view import hosts_now
from onetape.model.enums import EventType
from onetape.model.errors import OnetapeError
from onetape.model.sections import TELEGRAM, NotifyConfig
from onetape.model.time import HOUR
from onetape.model.typed import from_json
from onetape.notify.alert import KEYS_MAX, SINKS, Alert, Desk, Severity, Type, is_about_sinks
from onetape.notify.past_alerts import past_alerts
from onetape.notify.route import Route
from onetape.notify.rules import SUNSET, alert_of, disk_alert, ended_by
from onetape.notify.sink import CLOSES_WITHIN_S, Service, Sink
from onetape.security.private import replace_private
from onetape.security.secrets import read_secret
from onetape.supervisor.metrics import COUNTED, OrderCounts
from onetape.supervisor.parts import SINGLE
from onetape.supervisor.restart_rules import State
from onetape.tape.journal import JournalReader, type_id
from onetape.tape.segments import is_tape

__all__ = ["JOURNALED", "AlertWatch", "routes_of"]

MakeService = Callable[[], Service]
Routes = Iterable[tuple[Route, Sequence[MakeService]]]

# Kinds of processes that report faults on a journal of their own.
JOURNALED: Final = ("robot", "gateway", "collector", "hub", "guardian", "recorder", "control", TELEGRAM)
LOOK_S: Final = 0.1  # between reads of the tapes
WHOLE_LOOK_S: Final = 0.5  # between looks that include the machine and the sinks; each ends by recording the cursors
LOOKED: Final = "alerts.looked"  # record of a _Look
LOOK_BACK_NS: Final = 24 * HOUR  # how far back frames are read that were written while no supervisor ran
STEP_NS: Final = 500_000_000  # tolerated move of the machine's clock against its own monotonic one
_ALERT: Final = EventType.ALERT.id
_SAID: Final = (_ALERT, EventType.HEALTH.id)
_COUNTED: Final = tuple(map(type_id, COUNTED))


def routes_of(notify: NotifyConfig, environ: Mapping[str, str], folder: Path) -> list[tuple[Route, list[MakeService]]]:
    """Returns each route of the configuration that has sinks, [notify] itself without a name, and the functions that
    make them; these raise BadConfig, NotAvailable."""

    def made(route: Route, number: int, url: str) -> Service:
        if url.startswith(("env:", "file:")):
            url = read_secret(url, environ, folder=folder).reveal()
        return Service(url, number, route.words)

    named = {"": notify, **notify.routes}
    routes = [(Route(name, each), each.urls) for name, each in named.items() if each.urls]
    return [(route, [partial(made, route, *each) for each in enumerate(urls, 1)]) for route, urls in routes]


class _Look(msgspec.Struct):
    """The record of a look for the next supervisor. left: time up to which all alerts were delivered, ns; at: start of
    the look; places: epoch and next frame of each journal, by its identity; sinks: `left` of each sink, by its
    subject."""

    left: int
    at: int
    places: dict[str, tuple[int, int]] = {}
    sinks: dict[str, int] = {}

    def left_by(self, sink: Sink) -> int:
        return self.sinks.get(sink.subject, self.left)


def _hand(alert: Alert, sinks: Iterable[Sink]) -> None:
    for sink in sinks:
        if sink.subject != alert.subject:  # the sink cannot report its own failure
            sink.put(alert)


def _is_there(reader: JournalReader, epoch: int, place: int) -> bool:
    """Moves the reader to the last supervisor's cursor, and tells whether the journal is unchanged there: after a
    power loss other frames may have the same numbers."""
    reader.seek_sequence(max(1, place - 1))
    before = reader.next_frame()
    is_same = before is None or before.sequence >= place or reader.epoch == epoch
    reader.seek_sequence(place)
    return is_same


def _offset_ns() -> int:
    """Returns how far the machine's clock is ahead of its monotonic one; both are read again if the thread lost the
    processor in between, which would look like a changed clock."""
    while True:
        before = time.monotonic_ns()
        offset = time.time_ns() - before
        if time.monotonic_ns() - before < STEP_NS // 2:
            return offset


def _sinks_of(route: Route, makes: Sequence[MakeService], said: Callable[[str], None]) -> list[Sink]:
    subject = f"{SINKS}:{route.name}" if route.name else SINKS
    return [Sink(make, said, f"{subject} {number}") for number, make in enumerate(makes, 1)]


def _of_command(record: object) -> str:
    """Returns the log line of a command frame, or of its reply; "": it is another reply."""
    if not isinstance(record, dict) or "id" not in record:
        return ""
    words = f"command {record['id']}"
    if "command" in record:
        words += f" of {record['actor']}: {record['command']}"
    elif record["status"] != "applied":
        words += f": {record['status']}"
    else:
        result = record["result"]
        orders = result.get("orders") if isinstance(result, dict) else None
        names = [str(each.get("client_id")) for each in orders or () if isinstance(each, dict)]
        words += f": applied{', orders ' * bool(names)}{' '.join(names)}"
    error = record.get("refused") or record.get("error")
    return f"{words}, {error['name']}: {error['message']}" if error else words


class AlertWatch:
    """Watches journals, and raises alerts. journals: their present paths by process; called in the watch's thread.
    tell: writes an alert to the journal; said: writes to the log; log: logs a command of a process, or its answer;
    all are called in that thread, and so are `counts`, which gets gateways' frames of orders, and `sunsets`, which
    returns the alerts about what venues retire, by subject, at a time in ns UTC."""

    def __init__(
        self,
        home: Path,
        journals: Callable[[], Mapping[str, Path]],
        *,
        tell: Callable[[dict[str, Any]], None],
        said: Callable[[str], None],
        log: Callable[[str, str], None] = lambda process, text: None,
        routes: Routes = (),
        counts: OrderCounts | None = None,
        sunsets: Callable[[int], Mapping[str, Alert]] = lambda now: {},
    ) -> None:
        self._counts, self._sunsets = counts, sunsets
        self._home, self._journals, self._tell = home, journals, tell
        self._desk = Desk()
        self._routes = [(route, _sinks_of(route, makes, said)) for route, makes in routes]
        self._log = log
        self._said, self._fault = said, ""  # the last logged error of a look
        self._readers: dict[str, JournalReader] = {}
        self._events: deque[tuple[int, str, State, str]] = deque()
        self._looked = home / "run" / LOOKED
        self._last = self._last_look()
        self._keep_look()  # a process killed within its first look leaves nothing else about its beginning
        self._failed = self._restore(past_alerts(home, KEYS_MAX))
        self._acked: deque[tuple[str, str]] = deque()
        self._started: dict[str, int] = {}  # of each process, ns UTC
        self._runs: set[str] = set()  # and has reached running since
        self._rang, self._closed = threading.Event(), threading.Event()
        self._is_first = True
        self._offset = _offset_ns()
        self._thread = threading.Thread(target=self._work, name="alert watch", daemon=True)
        self._thread.start()

    def process(self, name: str, state: State, reason: str) -> None:
        """Reports a process's state; from any thread."""
        self._events.append((time.time_ns(), name, state, reason))
        self._rang.set()

    def acknowledge(self, type_: str, subject: str) -> None:
        """Notes that the operator has acknowledged an alert; from any thread."""
        self._acked.append((type_, subject))
        self._rang.set()

    def figures(self) -> dict[str, Any]:
        """From any thread; `active` by (type, severity)."""
        sinks = self._sinks
        return {
            "active": self._desk.active,
            "sent": sum(sink.sent for sink in sinks),
            "failed": sum(sink.failed for sink in sinks),
            "dropped": self._desk.dropped
            + sum(sink.dropped for sink in sinks)
            + sum(route.dropped for route, _ in self._routes),
            "waiting": self._sinks_waiting,
        }

    @property
    def _sinks(self) -> list[Sink]:
        return [sink for _, sinks in self._routes for sink in sinks]

    @property
    def _sinks_waiting(self) -> int:
        return sum(sink.waiting for sink in self._sinks)

    def close(self) -> None:
        self._closed.set()
        self._rang.set()
        self._thread.join()
        for sink in self._sinks:
            sink.end()
        end = time.monotonic() + CLOSES_WITHIN_S
        for sink in self._sinks:
            sink.close(max(end - time.monotonic(), 0.0))
        for reader in self._readers.values():
            reader.close()

    # --- the watch's thread -----------------------------------------------------------------------

    def _work(self) -> None:
        whole = -math.inf  # time of the last complete look
        while True:
            is_last = self._closed.is_set()
            now, is_whole = time.time_ns(), time.monotonic() - whole >= WHOLE_LOOK_S
            while self._acked:
                type_, subject = self._acked.popleft()
                self._desk.acknowledge(type_, subject)
                for route, _ in self._routes:
                    route.acknowledge(type_, subject)
            self._take_all(self._processes())
            if is_whole:
                self._take_all(self._machine(now))
                self._take_all(self._retired(now))
                self._take_all(self._hosts(now))
                self._take_all(self._own_sinks(now))
            self._take_all(self._tapes())
            for alert in self._desk.updates(time.time_ns()):
                self._report(alert)
            for route, sinks in self._routes:
                for alert in route.tick(time.time_ns()):
                    _hand(alert, sinks)
            self._is_first = False
            if is_whole or is_last:
                self._note_look(now)
                whole = time.monotonic()
            if is_last:
                return
            self._rang.wait(LOOK_S)
            self._rang.clear()

    def _take_all(self, look: Iterator[Alert]) -> None:
        """Takes alerts one by one, each when it is found, so that one that ends in the same look ends after it
        began. Whatever a look raises, the next one follows: nobody else would report the failure."""
        try:
            for alert in look:
                self._take(alert)
        except Exception as error:
            words = f"a look raised {type(error).__name__}: {error}"
            if words != self._fault:
                self._fault = words
                self._said(words)

    def _take(self, alert: Alert) -> None:
        if (leaves := self._desk.take(alert)) is not None:
            self._report(leaves)

    def _report(self, alert: Alert) -> None:
        self._tell(alert.as_json())
        self._put(alert)

    def _put(self, alert: Alert, written: float = math.inf) -> None:
        """Passes an alert to the sinks. written: ns of its frame; a sink that has delivered up to this time does not
        get it again."""
        for route, sinks in self._routes:
            wanting = [sink for sink in sinks if self._last.left_by(sink) <= written]
            if any(sink.subject != alert.subject for sink in wanting):
                for leaves in route.take(alert, time.time_ns()):
                    _hand(leaves, wanting)

    def _own_sinks(self, now: int) -> Iterator[Alert]:
        """Yields alerts about failing sinks: they go to the journal and to the other sinks."""
        while self._failed:
            self._over(self._failed.pop(), now, "the sinks were restarted")
        for sink in self._sinks:
            if sink.is_failing:
                words = "alerts are not delivered: the sink does not accept them"
                yield Alert(Type.PROCESS, Severity.CRITICAL, sink.subject, words, now)
            else:
                self._over(sink.subject, now, "the sink accepts alerts again")

    # --- restart of the supervisor ----------------------------------------------------------------

    def _last_look(self) -> _Look:
        """Returns the former supervisor's last look; a new one if that is unknown or too old."""
        now = time.time_ns()
        try:
            found = from_json(self._looked.read_bytes(), _Look)
        except (OSError, msgspec.DecodeError):
            return _Look(now, now)
        if not 0 <= now - found.at <= LOOK_BACK_NS:
            return _Look(now, now)
        left, *lefts = (
            each if 0 <= now - each <= LOOK_BACK_NS else now for each in (found.left, *found.sinks.values())
        )
        return msgspec.structs.replace(found, left=left, sinks=dict(zip(found.sinks, lefts, strict=True)))

    def _note_look(self, now: int) -> None:
        places = {reader.uuid.hex: (reader.epoch, reader.next_sequence) for reader in self._readers.values()}
        sinks = {each.subject: self._last.left_by(each) if each.waiting else now for each in self._sinks}
        self._last = _Look(min(sinks.values(), default=now), now, places, sinks)
        self._keep_look()

    def _keep_look(self) -> None:
        with suppress(OSError):  # a full disk: the next one looks back further
            replace_private(self._looked, msgspec.json.encode(self._last))

    def _restore(self, past: list[dict[str, Any]]) -> set[str]:
        """Restores open alerts, and recent ones that may not have left, which are sent to the sinks again. An
        alert's own time does not decide: a frame may be stamped before a look and written after it. Returns the
        sinks that failed, which may no longer be configured."""
        for each in past:
            goes_on, is_late = each["cleared"] is None, each["written"] >= self._last.left
            if goes_on or (is_late and each["state"] == "note"):
                self._desk.restore([each])
            self._put(Alert.of(each), math.inf if goes_on and each["acked"] is None else each["written"])
        return {each["subject"] for each in past if each["cleared"] is None and is_about_sinks(each["subject"])}

    def _processes(self) -> Iterator[Alert]:
        while self._events:
            at, name, state, reason = self._events.popleft()
            self._runs.discard(name)
            if state not in (State.STARTING, State.RUNNING):
                self._started.pop(name, None)
            if state is State.FAILED:
                yield Alert(Type.PROCESS, Severity.CRITICAL, name, f"failed: {reason}", at)
            elif state is State.BACKOFF:
                yield Alert(Type.PROCESS, Severity.WARN, name, f"ended: {reason}", at)
            elif state is State.STARTING:  # reported again with each thing that it waits for
                self._started.setdefault(name, at)
            elif state is State.RUNNING:
                self._started.setdefault(name, at)
                self._runs.add(name)
                self._rerun(name, at)
            elif state is State.STOPPED:
                for each in (name, *self._inside(name)):
                    self._over(each, at, "stopped")

    def _rerun(self, name: str, now: int) -> None:
        """Ends the alerts from before the process was started. Later ones belong to its present incarnation."""
        for each in (name, *self._inside(name)):
            self._over(each, now, "runs again", before=self._started[name])

    def _end_of_others(self, journals: Iterable[str]) -> None:
        """Ends the alerts of processes that are no longer configured: they never run again."""
        processes = {subject.partition(" ")[0] for subject in self._desk.subjects}
        others = {each for each in processes if each.partition(":")[0] in JOURNALED}
        for process in sorted(others.difference(journals)):
            self._over(process, time.time_ns(), "is not configured any more")

    def _inside(self, name: str) -> list[str]:
        return list(self._journals()) if name == SINGLE else []

    def _over(self, subject: str, now: int, message: str = "", *, before: int = 0) -> None:
        for record in self._desk.over(subject, now, message, before=before):
            self._report(record)

    def _machine(self, now: int) -> Iterator[Alert]:
        offset = _offset_ns()
        if abs(moved := offset - self._offset) > STEP_NS:
            words = f"the clock was set by {moved / 1e9:+.1f} s"
            yield Alert(Type.CLOCK, Severity.WARN, "machine", words, now, is_note=True)
        self._offset = offset
        usage = shutil.disk_usage(self._home)
        alert = disk_alert(str(self._home), usage.free, usage.total, now)
        if alert is not None:
            yield alert
        else:
            self._over(str(self._home), now, "there is room again")

    def _retired(self, now: int) -> Iterator[Alert]:
        """Yields what venues retire, once for each stage: for weeks it changes only its number of days."""
        found, reported = self._sunsets(now), self._desk.subjects
        for subject in {each for each in reported if each.startswith(f"{SUNSET}:")}.difference(found):
            self._over(subject, now, "its date has come, or its next alert follows")
        yield from (alert for subject, alert in found.items() if subject not in reported)

    def _hosts(self, now: int) -> Iterator[Alert]:
        """Of the hosts that are there the first reports those that are gone."""
        seen = hosts_now(self._home)
        states = {} if seen is None else {each["host"]: each["state"] for each in seen["hosts"]}
        first = min((host for host, state in states.items() if state in ("self", "up")), default="")
        for host, state in states.items():
            if state != "away":
                self._over(f"host:{host}", now, "is there again" if state == "up" else "was stopped")
            elif states[first] == "self":
                yield Alert(Type.PROCESS, Severity.CRITICAL, f"host:{host}", "away: it announces nothing", now)

    def _tapes(self) -> Iterator[Alert]:
        journals = self._journals()
        if self._is_first:
            self._end_of_others(journals)
        for process, path in journals.items():
            try:
                yield from self._of(process, path)
                # The last frames of the former incarnation may be read while this one runs.
                for runs in self._runs & {process, SINGLE}:
                    self._over(process, time.time_ns(), "runs again", before=self._started[runs])
            except OnetapeError:  # being created, or was put aside: it is opened again
                if (reader := self._readers.pop(process, None)) is not None:
                    reader.close()

    def _of(self, process: str, path: Path) -> Iterator[Alert]:
        reader = self._readers.get(process)
        if reader is not None and reader.path != path:  # that incarnation's last frames are read, too
            yield from self._said_in(process, reader)
            self._over(process, time.time_ns(), "runs again")
            reader.close()
            del self._readers[process]
            reader = None
        if reader is None:
            if not is_tape(path):
                return
            reader = self._readers[process] = JournalReader(path)
            if (place := self._last.places.get(reader.uuid.hex)) is not None and _is_there(reader, *place):
                pass
            elif self._is_first:  # earlier frames have been handled
                reader.seek_time(self._last.at)
        yield from self._said_in(process, reader)

    def _said_in(self, process: str, reader: JournalReader) -> Iterator[Alert]:
        counts = self._counts if process.startswith("gateway:") else None
        counted = COUNTED if counts is not None else ()
        for frame in reader.frames(("alert", "health", "command", "reply", *counted)):
            if counts is not None and frame.type in _COUNTED:
                counts.take(process, frame)
                continue
            record = msgspec.msgpack.decode(frame.payload)
            if frame.type not in _SAID:
                if words := _of_command(record):
                    self._log(process, words)
                continue
            event = "alert" if frame.type == _ALERT else "health"
            if isinstance(record, dict):
                # A robot's frames have the time of its tape, which may be before its start.
                at = time.time_ns() if process.startswith("robot:") else frame.time
                alert = alert_of(process, event, record, at)
                ended = ended_by(process, event, record)
                if alert is not None and alert.is_note:
                    ended.append(alert.subject)
                for subject in ended:
                    self._over(subject, at)
                if alert is not None:
                    yield alert
