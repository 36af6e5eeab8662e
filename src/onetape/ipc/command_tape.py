"""Commands and their answers in a process's journal, written by its Door and read at its start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from onetape.ipc.once import Once, digest_of
from onetape.model.enums import EventType
from onetape.tape.journal import Frame, JournalReader, JournalWriter
from onetape.tape.segments import is_tape

__all__ = ["CommandTape", "PastCommand", "commands_in"]

_COMMAND = EventType.COMMAND.id


class PastCommand(NamedTuple):
    """Holds one command of an earlier life. time: ns UTC. result: of the answer; None where there is none."""

    sequence: int
    time: int
    actor: str
    command: str
    fields: dict[str, Any]
    status: str  # "": it ended before it could answer
    result: Any


class CommandTape:
    """What a Door writes to, on a journal that may have other frames as well."""

    def __init__(self, writer: JournalWriter) -> None:
        self.writer = writer

    def command(self, record: dict[str, Any], now: int) -> None:
        """Writes a command before it is done: `id`, `actor`, `target`, `command`, `fields`, and `refused` where it
        will not be."""
        self.writer.append("command", msgspec.msgpack.encode(record), time=now)

    def command_reply(self, record: dict[str, Any], now: int) -> None:
        """`id`, `status`, `result`, `error`."""
        self.writer.append("reply", msgspec.msgpack.encode(record), time=now)

    def ensure(self, level: str) -> None:
        self.writer.ensure(level)


def commands_in(path: Path, once: Once) -> list[PastCommand]:
    """Returns the commands of a journal that were not refused, in order; their ids go into `once`."""
    found: dict[str, PastCommand] = {}
    if not is_tape(path):
        return []
    for frame, record in _records(path):
        id_ = str(record["id"])
        if frame.type != _COMMAND:
            once.ended(id_, record)
            if id_ in found:
                found[id_] = found[id_]._replace(status=record["status"], result=record["result"])
            continue
        fields = record["fields"]
        once.began(id_, digest_of(record["actor"], record["command"], fields), frame.time)
        if (refused := record.get("refused")) is None:
            found[id_] = PastCommand(frame.sequence, frame.time, record["actor"], record["command"], fields, "", None)
        else:
            once.ended(id_, {"id": id_, "status": "refused", "result": None, "error": refused})
    return list(found.values())


def _records(path: Path) -> Iterator[tuple[Frame, dict[str, Any]]]:
    with JournalReader(path) as reader:
        for frame in reader.frames(("command", "reply")):
            record = msgspec.msgpack.decode(frame.payload)
            if "id" in record:  # an older supervisor's had none
                yield frame, record
