"""Read commands to a robot from its own tape: each command, and between which input frames it came.

A replay repeats each at the same frames.

    command  {"command": "params", "fields": {"shift": 8}, "after": [91]}

`after` has the last frame taken of each input. `id`, `actor` and the answer are in the journal of
the robot's process: they decide nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from onetape.model.time import TIME_MAX
from onetape.tape.journal import JournalReader

__all__ = [
    "AWAY",
    "BACK",
    "CANCEL_TARGET",
    "PARAMS",
    "PAUSE_TARGET",
    "RESUME_TARGET",
    "START",
    "STOP",
    "TARGET",
    "TARGETS",
    "RobotCommand",
    "commands_of",
]

PARAMS, STOP, START = "params", "stop", "start"  # changes of a robot
TARGET, CANCEL_TARGET, PAUSE_TARGET, RESUME_TARGET = "target", "cancel_target", "pause_target", "resume_target"
TARGETS = (TARGET, CANCEL_TARGET, PAUSE_TARGET, RESUME_TARGET)  # target commands
AWAY, BACK = "away", "back"  # its gateway stops taking orders, or takes them again


@dataclass(frozen=True, slots=True)
class RobotCommand:
    """A command to a robot. command: PARAMS with the new values as fields, STOP or START; one of TARGETS with its
    symbol, TARGET with the arguments of `set_target`; AWAY or BACK with the account and the number of its
    gateway's tape."""

    command: str
    fields: dict[str, Any]
    after: list[int]

    def as_record(self) -> dict[str, Any]:
        return {"command": self.command, "fields": self.fields, "after": self.after}


def commands_of(journal: Path, first: int = 0, last: int = TIME_MAX) -> list[RobotCommand]:
    """Yields the commands of a run's journal, in order; between two of its frames, for one incarnation."""
    with JournalReader(journal) as reader:
        records = [
            msgspec.msgpack.decode(frame.payload)
            for frame in reader.frames(("command",))
            if first < frame.sequence <= last
        ]
    return [RobotCommand(each["command"], each["fields"], each["after"]) for each in records]
