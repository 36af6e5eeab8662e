"""Liveness of each process: its journal's heartbeat, and its progress. Frames are not read: both are in the
journal's control page, which a thread of the process itself maintains."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from onetape.model.errors import OnetapeError
from onetape.model.home import gateway_journal, guardian_journal, hub_journal
from onetape.options.collector import collector_journal
from onetape.options.control import control_journal
from onetape.options.recorder import recorder_journal
from onetape.robot.options import run_journal
from onetape.supervisor.options import supervisor_journal
from onetape.supervisor.start import process_journal
from onetape.tape.journal import JournalReader
from onetape.tape.segments import is_tape
from onetape.telegram.options import telegram_journal

__all__ = ["Pulses", "journal_of"]


class Pulses:
    """Reads the heartbeats of the processes of one home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._readers: dict[str, JournalReader] = {}

    def silent_s(self, name: str, kind: str, pid: int = 0) -> float:
        """Returns seconds since its last heartbeat, 0: unknown, because its journal is that of an earlier
        incarnation or, for a standby, of another process. pid: its own, 0: any writer."""
        age = self._ages(name, kind, pid)["heartbeat_age_ms"]
        return 0.0 if age is None else age / 1000

    def stuck_s(self, name: str, kind: str, gateway: str) -> float:
        """Returns the seconds without progress while there are frames to read; 0: it progresses, or unknown."""
        found = self.ages(name, kind, gateway)
        return found["progress_age_ms"] / 1000 if found["lag"] and found["progress_age_ms"] else 0.0

    def ages(self, name: str, kind: str, gateway: str) -> dict[str, Any]:
        """Returns heartbeat_age_ms, progress_age_ms and lag, None if unknown. lag: in frames, of a robot behind its
        gateway, the first of several."""
        found = self._ages(name, kind)
        if kind == "robot" and found["heartbeat_age_ms"] is not None:
            mine, its = self._reader(name, kind), self._reader(gateway, "gateway")
            ours, theirs = (each.control if each is not None else {} for each in (mine, its))
            if ours and theirs:  # a page being created is still empty
                found["lag"] = max(0, theirs["published"] - ours["progress"])
        return found

    def own(self) -> dict[str, Any]:
        """Returns the figures of the supervisor itself."""
        return {
            "name": "supervisor",
            "kind": "supervisor",
            "pid": os.getpid(),
            "state": "running",
            **self._ages("supervisor", "supervisor"),
            "restarts": 0,
            "reason": "",
            "starts": 1,
        }

    def forget(self, name: str) -> None:
        """Drops the reader: its journal may be another one next time."""
        reader = self._readers.pop(name, None)
        if reader is not None:
            reader.close()

    def close(self) -> None:
        for name in list(self._readers):
            self.forget(name)

    def _ages(self, name: str, kind: str, pid: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = {"heartbeat_age_ms": None, "progress_age_ms": None, "lag": None}
        reader = self._reader(name, kind)
        if reader is None:
            return found
        control, now = reader.control, time.time_ns()
        if not control or control["closed"] or pid not in (0, control["pid"]):
            return found
        if control["heartbeat"]:
            found["heartbeat_age_ms"] = max(0, now - control["heartbeat"]) // 10**6
        if control["progress_time"]:
            found["progress_age_ms"] = max(0, now - control["progress_time"]) // 10**6
        return found

    def _reader(self, name: str, kind: str) -> JournalReader | None:
        path = journal_of(self.home, name, kind)
        held = self._readers.get(name)
        if held is not None:
            if held.path == path and not held.is_gone:
                return held
            self.forget(name)  # a restarted robot has another one, and so has a gateway that moved here
        if path is None or not is_tape(path):
            return None
        try:
            reader = JournalReader(path)
        except OnetapeError:  # being created
            return None
        self._readers[name] = reader
        return reader


def journal_of(home: Path, name: str, kind: str) -> Path | None:
    """Returns the journal of a process, if known."""
    plain = name.partition(":")[2]
    match kind:
        case "supervisor":
            return supervisor_journal(home)
        case "gateway":
            return gateway_journal(home, plain)
        case "collector":
            return collector_journal(home, plain)
        case "hub":
            return hub_journal(home)
        case "guardian":
            return guardian_journal(home)
        case "recorder":
            return recorder_journal(home)
        case "control":
            return control_journal(home)
        case "telegram":
            return telegram_journal(home)
        case "venue":
            return process_journal(home, name)
        case "robot":
            return run_journal(home, name)
        case _:
            return None
