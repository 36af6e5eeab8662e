"""Files that are there whole or not at all, also after a power loss.

Written beside their place and synced, then renamed, then the folder is synced: a reader sees the
old file or the new one, and what has been seen stays. The unfinished file is hidden, named after
its process, and removed when writing fails; only a kill leaves it behind.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["PRIVATE", "SHARED", "durable_file", "is_unfinished", "write_durably"]

PRIVATE = 0o600  # the owner's alone
SHARED = 0o666  # less what the umask takes: a page that a user asked for somewhere


def write_durably(path: Path, content: bytes | str, *, mode: int = PRIVATE, previous: Path | None = None) -> Path:
    """`content` (text as UTF-8) at `path`. previous: where the file that it replaces is kept."""
    with durable_file(path, mode=mode, previous=previous) as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return path


@contextmanager
def durable_file(path: Path, *, mode: int = PRIVATE, previous: Path | None = None) -> Iterator[BinaryIO]:
    """A file to write to, which stands at `path` when the block has ended well. The folder must
    be there. Raises OSError, and then `path` is as it was."""
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
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def is_unfinished(path: Path, target: str) -> bool:
    """What a kill left of a file that was to be called `target`."""
    head, _, process = path.name.rpartition(".")
    return head == f".{target}" and process.isdecimal()
