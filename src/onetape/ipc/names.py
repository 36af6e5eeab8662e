"""Names of processes as names of files: two names never share one, and none leaves its folder.

A process is `kind:name` (`gateway:main`) or a kind alone (`supervisor`). Its socket is
`<home>/run/<kind>-<name>.sock`, where letters, digits, `_`, `-` and `.` stand for themselves and
every other byte as %XX (`file_name`), so that the name can be read back. One that is too long for a file system
is `%~` and its SHA-256: still its own, but only the process itself can say its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from onetape.model.home import decoded, encoded

__all__ = ["process_of", "process_socket", "sockets"]

_SUFFIX: Final = ".sock"


def process_socket(home: Path, process: str) -> Path:
    """Where `process` listens. A kind has no `-` or `:` in it."""
    kind, colon, name = process.partition(":")
    return home / "run" / f"{encoded(kind)}{'-' if colon else ''}{encoded(name)}{_SUFFIX}"


def process_of(path: Path) -> str:
    """Whose socket it is; of a name that was too long its digest."""
    kind, dash, name = path.name.removesuffix(_SUFFIX).partition("-")
    return f"{decoded(kind) or kind}{':' if dash else ''}{decoded(name) or name}"


def sockets(home: Path, kind: str = "") -> Iterator[Path]:
    """Lists all sockets of a home, or those of processes of one kind; whether anybody listens there or
    not."""
    for path in sorted((home / "run").glob(f"*{_SUFFIX}")):
        found = path.name.removesuffix(_SUFFIX).partition("-")[0]
        if not kind or found == encoded(kind):
            yield path
