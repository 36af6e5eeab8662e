"""States of the parts of a single process, in a file that the process writes and viewers read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from onetape.model.typed import from_json
from onetape.security.private import replace_private

__all__ = ["FAILED", "RUNNING", "SINGLE", "STARTING", "STOPPED", "Part", "Parts", "parts_of"]

SINGLE: Final = "single"  # the process, and its kind
WAITING: Final = "waiting"  # states as in CONTRACT
STARTING: Final = "starting"
RUNNING: Final = "running"
STOPPED: Final = "stopped"
FAILED: Final = "failed"


class Part(NamedTuple):
    """The state of a part of a process. state: as of a process; reason: as text, "" for none."""

    state: str
    reason: str


class _Saved(msgspec.Struct, frozen=True):
    pid: int
    parts: dict[str, Part]


class Parts:
    """Writes the states of the parts of a process."""

    def __init__(self, home: Path) -> None:
        self._path = _file(home)
        self._parts: dict[str, Part] = {}

    def begin(self, names: Sequence[str]) -> None:
        self._parts = dict.fromkeys(names, Part(WAITING, ""))
        self._write()

    def state(self, name: str) -> str:
        return self._parts[name].state

    def tell(self, name: str, state: str, reason: str = "") -> None:
        if self._parts[name] != (state, reason):
            self._parts[name] = Part(state, reason)
            self._write()

    def _write(self) -> None:
        replace_private(self._path, msgspec.json.encode(_Saved(os.getpid(), self._parts)))


def parts_of(home: Path, pid: int | None) -> dict[str, Part]:
    """Returns the states last written by the process of that pid; none if it has written none."""
    try:
        saved = from_json(_file(home).read_bytes(), _Saved)
    except (FileNotFoundError, msgspec.DecodeError):
        return {}
    return saved.parts if saved.pid == pid else {}


def _file(home: Path) -> Path:
    return home / "run" / "single.parts"
