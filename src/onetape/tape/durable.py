"""Write files atomically, also across a power loss.

A file is written beside its path and synced, then renamed, then the folder is synced: a reader
sees the old file or the new one, never again the old after the new. The unfinished file is hidden, named after
its process, and removed when writing fails; only a kill leaves it behind.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["PRIVATE", "SHARED", "durable_file", "is_unfinished", "sync_folder", "write_durably"]

PRIVATE = 0o600  # readable by the owner only
SHARED = 0o666  # less the umask: a page that a user requested somewhere


def write_durably(path: Path, content: bytes | str, *, mode: int = PRIVATE, previous: Path | None = None) -> Path:
    """Write `content` (text as UTF-8) to `path`. previous: where the replaced file is kept."""
    with durable_file(path, mode=mode, previous=previous) as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return path


@contextmanager
def durable_file(path: Path, *, mode: int = PRIVATE, previous: Path | None = None) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` when the block has ended without an error. The folder must exist. Raises
    OSError, and then `path` is unchanged."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(unfinished, flags, mode)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if previous is not None and path.exists():
            path.replace(previous)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make renames in a folder survive a power loss."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def is_unfinished(path: Path, target: str) -> bool:
    """Returns True for the unfinished file of a killed writer of `target`."""
    head, _, process = path.name.rpartition(".")
    return head == f".{target}" and process.isdecimal()
