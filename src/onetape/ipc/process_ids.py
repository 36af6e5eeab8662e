"""Identification of processes that survives the reuse of their numbers, and of the children of foreground commands,
noted in their home: a killed command leaves them running, and the next command finds them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from onetape.ipc.names import process_socket
from onetape.model.typed import from_json

__all__ = ["LeftProcess", "left_by_commands", "noted_child", "start_time"]

_SUFFIX: Final = ".child"


class LeftProcess(NamedTuple):
    """A running process. started: as in `start_time`."""

    name: str
    pid: int
    started: int


class _Note(msgspec.Struct, frozen=True):
    """A child of a command and that command; start times as in `start_time`."""

    name: str
    pid: int
    started: int
    parent: int
    parent_started: int


def start_time(pid: int) -> int:
    """Returns when a process started, in the system's own unit since its boot: together with the number it identifies
    one process. 0: there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    after = text.rpartition(")")[2].split()
    return 0 if after[0] == "Z" else int(after[19])


@contextmanager
def noted_child(home: Path, name: str, pid: int) -> Iterator[None]:
    """Notes a child of this process until the block ends. name: `kind:name`, as in its socket's name."""
    file = process_socket(home, name).with_suffix(_SUFFIX)
    ours = os.getpid()
    note = _Note(name, pid, start_time(pid), ours, start_time(ours))
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = file.with_suffix(f"{_SUFFIX}.{ours}")
    fresh.write_bytes(msgspec.json.encode(note))
    fresh.replace(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def left_by_commands(home: Path) -> list[LeftProcess]:
    """Returns the running children of commands that were killed."""
    found = []
    for file in sorted((home / "run").glob(f"*{_SUFFIX}")):
        with suppress(OSError, msgspec.DecodeError):  # it has just ended, or is not one of ours
            note = from_json(file.read_bytes(), _Note)
            is_alive = note.started and start_time(note.pid) == note.started
            if is_alive and start_time(note.parent) != note.parent_started:
                found.append(LeftProcess(note.name, note.pid, note.started))
    return found
