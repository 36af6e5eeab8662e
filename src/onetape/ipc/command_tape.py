"""Commands and their answers on a process's journal, written by its Door and read at its start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from onetape.model.enums import EventType
from onetape.projections.once import Once
from onetape.tape.journal import Frame, JournalReader, JournalWriter
from onetape.tape.segments import is_tape

__all__ = ["CommandTape", "PastCommand", "commands_in", "note_command"]

_COMMAND = EventType.COMMAND.id


class PastCommand(NamedTuple):
    """A command of an earlier incarnation. time: ns UTC. result: of the answer; None without one."""

    sequence: int
    time: int
    actor: str
    command: str
    fields: dict[str, Any]
    status: str  # "": it ended before it could answer
    result: Any


class CommandTape:
    """Writes a Door's records to a journal that may have other frames as well."""

    def __init__(self, writer: JournalWriter) -> None:
        self.writer = writer

    def command(self, record: dict[str, Any], now: int) -> None:
        """Writes a command before it is executed: `id`, `actor`, `target`, `command`, `fields`, and `refused` if it
        will not be."""
        self.writer.append("command", msgspec.msgpack.encode(record), time=now)

    def command_reply(self, record: dict[str, Any], now: int) -> None:
        """Writes the answer: `id`, `status`, `result`, `error`."""
        self.writer.append("reply", msgspec.msgpack.encode(record), time=now)

    def ensure(self, level: str) -> None:
        self.writer.ensure(level)


def commands_in(path: Path, once: Once) -> list[PastCommand]:
    """Returns the commands of a journal that were not refused, in order, and adds their ids to `once`."""
    found: dict[str, PastCommand] = {}
    if not is_tape(path):
        return []
    for frame, record in _records(path):
        note_command(once, frame, record)
        id_ = str(record["id"])
        if frame.type == _COMMAND and record.get("refused") is None:
            of = record["actor"], record["command"], record["fields"]
            found[id_] = PastCommand(frame.sequence, frame.time, *of, "", None)
        elif id_ in found and frame.type != _COMMAND:
            found[id_] = found[id_]._replace(status=record["status"], result=record["result"])
    return list(found.values())


def note_command(once: Once, frame: Frame, record: dict[str, Any]) -> None:
    """Handles a frame of a command, or of its answer."""
    if frame.type == _COMMAND:
        once.commanded(record, frame.time)
    else:
        once.ended(record["id"], record)


def _records(path: Path) -> Iterator[tuple[Frame, dict[str, Any]]]:
    with JournalReader(path) as reader:
        for frame in reader.frames(("command", "reply")):
            record = msgspec.msgpack.decode(frame.payload)
            if "id" in record:  # an older supervisor's had none
                yield frame, record
