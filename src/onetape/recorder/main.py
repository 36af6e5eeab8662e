"""The recorder's process under the supervisor: `python -m onetape.recorder.main`, its options as JSON on standard
input. It prints `ready` when its journal is open: it waits for a database that is away, and reports it on the
journal."""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.model.errors import OnetapeError, ProcessDown
from onetape.model.time import SECOND
from onetape.model.typed import from_json
from onetape.notify.alert import UPDATE_NS
from onetape.options.recorder import RecorderOptions, recorder_journal
from onetape.recorder.limit_alerts import Watch
from onetape.recorder.notes import Notes
from onetape.recorder.recorder import Recorder
from onetape.security.confine import confine
from onetape.store.records import LeaseLost, Records
from onetape.tape.journal import JournalWriter

LOOK_S: Final = 0.2
BEHIND_MAX: Final = 100_000  # unread frames that raise an alert: the records lag by seconds or more
WAITS_S: Final = 1.0  # between looks whether a recorder of another host has ended
PAUSE_S: Final = (0.5, 10.0)  # between tries of a database that is away: the first, the longest


class Process:
    """Runs the recorder. stopping: set to end it, from any thread."""

    def __init__(self, options: RecorderOptions) -> None:
        """Raises JournalLocked if a recorder of this home runs."""
        self._options, self._home = options, Path(options.home)
        path = recorder_journal(self._home)
        self._writer = JournalWriter(path, process="recorder", created=time.time_ns(), heartbeat=True, durable=False)
        self.stopping = threading.Event()
        self._fault = ""  # last reported, "": none
        self._late_since: float | None = None
        self._lag_due = 0.0  # time of the next report of the lag
        self._watch = Watch(options.limits)
        self._notes = Notes(self._home, options.notes, options.batch_ns)

    def run(self) -> None:
        pause = PAUSE_S[0]
        try:
            while not self.stopping.is_set():
                try:
                    self._record()
                except ProcessDown as error:
                    self._say(error.message)
                    self.stopping.wait(pause)
                    pause = min(2 * pause, PAUSE_S[1])
                else:
                    pause = PAUSE_S[0]
        finally:
            self._writer.close()

    def _record(self) -> None:
        """Records until stopped, or the database is away. Raises ProcessDown."""
        records = Records(self._options.url, home=self._home)
        try:
            while other := records.take_lease():
                if not self._options.waits:
                    raise LeaseLost(
                        f"another recorder, {other}, writes to this database", location="[recorder] url", todo="stop it"
                    )
                if self.stopping.wait(WAITS_S):
                    return
            recorder = Recorder(self._home, records, leverage=self._options.leverage, is_lasting=True)
            while True:
                is_last = self.stopping.is_set()  # frames written before are still read
                recorder.step()
                records.check_there()
                self._say("")
                self._say_lag(recorder)
                if not recorder.is_behind:  # old frames give no present figures
                    for record in self._watch.changes(recorder.risk()):
                        self._append(record)
                    for record in self._notes.due(records, time.time_ns()):
                        self._append(record)
                self._writer.progress(recorder.taken)
                if is_last and not recorder.is_behind:
                    records.drop_lease()
                    return
                if not recorder.is_behind:
                    self.stopping.wait(LOOK_S)
        finally:
            records.close()

    def _say(self, fault: str) -> None:
        """Reports a fault on the journal when it changes: an alert begins, or ends."""
        if fault == self._fault:
            return
        self._fault = fault
        record = {"kind": "records", "subject": "database", "state": "written"}
        if fault:
            record = {"kind": "records", "subject": "database", "state": fault, "severity": "warning"}
            sys.stderr.write(f"{fault}\n")
        self._append(record)

    def _say_lag(self, recorder: Recorder) -> None:
        """Reports the lag: an alert begins when too many frames are missing in the database, as after an outage, and
        ends when none is; meanwhile it reports the number every UPDATE_NS."""
        now = time.monotonic()
        if recorder.is_behind and now >= self._lag_due:
            behind = recorder.behind
            if self._late_since is not None or behind > BEHIND_MAX:
                self._late_since, self._lag_due = self._late_since or now, now + UPDATE_NS / SECOND
                state = f"behind by {behind} frames"
                self._append({"kind": "lag", "subject": "records", "state": state, "severity": "warning"})
        elif self._late_since is not None and not recorder.is_behind:
            seconds, self._late_since, self._lag_due = now - self._late_since, None, 0.0
            self._append({"kind": "lag", "subject": "records", "state": f"caught up after {seconds:.1f} s"})

    def _append(self, record: dict[str, Any]) -> None:
        self._writer.append("health", msgspec.msgpack.encode(record), time=time.time_ns())


def main() -> int:
    text = sys.stdin.buffer.read()
    if not text:  # the parent process died before it sent the options
        return 0
    options = from_json(text, RecorderOptions)
    confine()
    try:
        process = Process(options)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: process.stopping.set())
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        process.run()
    except OnetapeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
