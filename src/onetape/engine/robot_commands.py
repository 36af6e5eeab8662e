"""What was asked of a robot from outside, as its own tape has it: between which frames of its
inputs, and what. A replay asks the same at the same place.

    command  {"command": "params", "fields": {"shift": 8}, "after": [91]}

`after` has the last frame taken of each input. `id`, `actor` and the answer stand in the journal of
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

PARAMS, STOP, START = "params", "stop", "start"  # what changes a robot
TARGET, CANCEL_TARGET, PAUSE_TARGET, RESUME_TARGET = "target", "cancel_target", "pause_target", "resume_target"
TARGETS = (TARGET, CANCEL_TARGET, PAUSE_TARGET, RESUME_TARGET)  # what it is to hold, and how that is worked
AWAY, BACK = "away", "back"  # one of its gateways: it takes no orders, or does again


@dataclass(frozen=True, slots=True)
class RobotCommand:
    """Is a command to a robot. command: PARAMS with the new values as fields, STOP or START; one of TARGETS with its
    symbol, TARGET with what `set_target` takes; AWAY or BACK with the account and the number of its gateway's tape."""

    command: str
    fields: dict[str, Any]
    after: list[int]

    def as_record(self) -> dict[str, Any]:
        return {"command": self.command, "fields": self.fields, "after": self.after}


def commands_of(journal: Path, first: int = 0, last: int = TIME_MAX) -> list[RobotCommand]:
    """Of a run's journal, in order; between two of its frames, for one life of the run."""
    with JournalReader(journal) as reader:
        records = [
            msgspec.msgpack.decode(frame.payload)
            for frame in reader.frames(("command",))
            if first < frame.sequence <= last
        ]
    return [RobotCommand(each["command"], each["fields"], each["after"]) for each in records]
