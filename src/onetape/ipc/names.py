"""File names of processes: unique, and never outside of their folder.

A process is `kind:name` (`gateway:main`) or a kind alone (`supervisor`). Its socket is `<home>/run/<kind>-<name>.sock`,
where letters, digits, `_`, `-` and `.` stay and every other byte is %XX (`file_name`), so that the name can be decoded.
A name too long for a file system becomes `%~` and its SHA-256: still unique, but only the process itself knows its
name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from onetape.model.home import decoded, encoded, file_of

__all__ = ["process_of", "process_socket", "sockets"]

_SUFFIX: Final = ".sock"


def process_socket(home: Path, process: str) -> Path:
    """Returns the socket path of `process`. A kind has no `-` or `:` in it."""
    return home / "run" / f"{file_of(process)}{_SUFFIX}"


def process_of(path: Path) -> str:
    """Returns the process of a socket; for a name that was too long its digest."""
    kind, dash, name = path.name.removesuffix(_SUFFIX).partition("-")
    return f"{decoded(kind) or kind}{':' if dash else ''}{decoded(name) or name}"


def sockets(home: Path, kind: str = "") -> Iterator[Path]:
    """Yields all sockets of a home, or those of processes of one kind, whether or not a process listens there."""
    for path in sorted((home / "run").glob(f"*{_SUFFIX}")):
        found = path.name.removesuffix(_SUFFIX).partition("-")[0]
        if not kind or found == encoded(kind):
            yield path
