"""Write the journal of a robot's process, over all of its incarnations: `<home>/journal/robot-NAME`.

params   at each start: the configuration's parameters, and the operator's changes
    command, reply   commands since, and their answers
    memory   of its strategy, once it has started and at most once a second after a change

The robot's runs have the same changes as frames of their own tapes, where they took effect; the next
incarnation begins with this journal's.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from onetape.engine.robot_commands import PARAMS, START, STOP
from onetape.ipc.command_tape import CommandTape, commands_in
from onetape.model.home import encoded
from onetape.projections.once import Once
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.segments import is_tape

__all__ = ["RobotTape", "Settings", "robot_journal"]


def robot_journal(home: Path, name: str) -> Path:
    return home / "journal" / f"robot-{encoded(name)}"


@dataclass(slots=True)
class Settings:
    """The operator's changes. params: as sent, overriding the configuration's; stopped: the robot must not trade."""

    params: dict[str, Any] = field(default_factory=dict)
    stopped: bool = False


class RobotTape(CommandTape):
    """Records the commands of one incarnation. configured: the parameters of the configuration. Where the
    configuration has changed a parameter since the last start, the new value wins. Raises JournalLocked where the
    robot already runs."""

    def __init__(self, home: Path, name: str, configured: Mapping[str, Any]) -> None:
        path = robot_journal(home, name)
        super().__init__(JournalWriter(path, process=f"robot:{name}", created=time.time_ns()))
        self.once = Once()
        self._memory = msgspec.msgpack.encode({})
        self.settings = _settings(path, self.once, configured)
        self.append_settings(configured)

    def append_settings(self, configured: Mapping[str, Any]) -> None:
        record = {"configured": dict(configured), "changed": self.settings.params, "stopped": self.settings.stopped}
        payload = msgspec.msgpack.encode(record, enc_hook=str)
        self.writer.append("params", payload, time=time.time_ns())

    def append_memory(self, encoded: bytes) -> None:
        if encoded != self._memory:
            self._memory = encoded
            self.writer.append("memory", encoded, time=time.time_ns())

    def close(self) -> None:
        self.writer.close()


def _settings(path: Path, once: Once, configured: Mapping[str, Any]) -> Settings:
    sequence, settings, before = _last(path)
    for command in commands_in(path, once):
        if command.sequence <= sequence or command.status != "applied":
            continue
        if command.command == PARAMS:
            settings.params |= command.result["params"]
        elif command.command in (START, STOP):
            settings.stopped = command.command == STOP
    now = msgspec.msgpack.decode(msgspec.msgpack.encode(dict(configured), enc_hook=str))
    for name in [name for name in settings.params if now.get(name) != before.get(name)]:
        del settings.params[name]
    return settings


def _last(path: Path) -> tuple[int, Settings, dict[str, Any]]:
    """Returns the last start: its frame, its initial settings, and the configuration then."""
    sequence, found, configured = 0, Settings(), {}
    if is_tape(path):
        with JournalReader(path) as reader:
            for frame in reader.frames(("params",)):
                record = msgspec.msgpack.decode(frame.payload)
                sequence, configured = frame.sequence, record["configured"]
                found = Settings(dict(record["changed"]), record["stopped"])
    return sequence, found, configured
