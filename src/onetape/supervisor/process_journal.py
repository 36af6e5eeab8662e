"""The supervisor's journal: the state of each process, from which the next supervisor takes over.

It is also the lock: a home has one supervisor, because its journal has one writer.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from onetape.model.errors import DiskFull
from onetape.supervisor.options import supervisor_journal
from onetape.supervisor.restart_rules import Unit
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.segments import is_tape

__all__ = ["Left", "SupervisorTape", "left_in"]


@dataclass(slots=True)
class Left:
    """The state left by an earlier supervisor. processes: the last record of each. exchanges: by account, the
    simulated exchange of its gateway's journal."""

    processes: dict[str, dict[str, Any]] = field(default_factory=dict)
    exchanges: dict[str, str] = field(default_factory=dict)


class SupervisorTape:
    """Writes the journal. Raises JournalLocked if a supervisor runs already."""

    def __init__(self, home: Path) -> None:
        path = supervisor_journal(home)
        self.writer = JournalWriter(path, process="supervisor", created=time.time_ns(), heartbeat=True, reserve=True)
        self.left = left_in(home)
        self._late: dict[tuple[str, str], dict[str, Any]] = {}  # not written for lack of room, the last of each

    def process(self, unit: Unit, pid: int, started: int) -> None:
        """Writes a process's state and identity. pid 0: there is none."""
        record = {
            "kind": "process",
            "subject": unit.child.name,
            "state": str(unit.state),
            "pid": pid,
            "started": started,
            "restarts": unit.restarts,
            "reason": unit.reason,
        }
        self._append("health", record)

    def exchange(self, account: str, uuid: str) -> None:
        self.left.exchanges[account] = uuid
        self._append("health", {"kind": "exchange", "subject": account, "state": uuid})

    def alert(self, record: dict[str, Any]) -> None:
        self._append("alert", record)

    def command(self, name: str, fields: dict[str, Any]) -> None:
        """Writes a command before it is carried out."""
        self._append("command", {"actor": "operator", "command": name, **fields})

    def _append(self, event: str, record: dict[str, Any]) -> None:
        """Writes a record. A full disk does not stop a supervisor: the last record of each process waits until there
        is room."""
        about = str(record.get("subject") or record.get("command"))
        self._late.pop((event, about), None)
        self._late[event, about] = record
        self.flush()

    def flush(self) -> None:
        with suppress(DiskFull):
            while self._late:
                (event, about), record = next(iter(self._late.items()))
                self.writer.append(event, msgspec.msgpack.encode(record), time=time.time_ns())
                del self._late[event, about]

    def close(self) -> None:
        self.writer.close()


def left_in(home: Path) -> Left:
    """Reads the state from the journal, whoever writes it."""
    path = supervisor_journal(home)
    left = Left()
    if not is_tape(path):
        return left
    with JournalReader(path) as reader:
        for frame in reader.frames(("health",)):
            record = msgspec.msgpack.decode(frame.payload)
            if record["kind"] == "process":
                left.processes[record["subject"]] = record
            elif record["kind"] == "exchange":
                left.exchanges[record["subject"]] = record["state"]
    return left
