"""The key that this user's checkpoints are signed with, and files that are a user's own.

A checkpoint is read by running what is in it. The key lies in the user's cache, closed to all
others: where it is lost, checkpoints are passed over and made again.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from onetape.model.home import user_cache
from onetape.security.private import private_folder

__all__ = ["checkpoint_key", "own_bytes"]

KEY_BYTES: Final = 32


def checkpoint_key(*, make: bool) -> bytes | None:
    """None where there is none, or none that is this user's alone."""
    folder = user_cache(os.environ)
    if folder is None:
        return None
    name = "checkpoints.key"
    if make:
        with suppress(OSError):
            private_folder(folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            # Whole or not at all, also where two processes are the first.
            unfinished = folder / f".{name}.{os.getpid()}"
            with os.fdopen(os.open(unfinished, flags, 0o600), "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
            with suppress(FileExistsError):
                os.link(unfinished, folder / name)
            unfinished.unlink()
    try:
        key = own_bytes(folder, name)
    except OSError:
        return None
    return key if len(key) == KEY_BYTES else None


def own_bytes(folder: Path, name: str, *, at: int = 0, size: int | None = None) -> bytes:
    """From a file that is this user's, in a folder that is, and that nobody else may write. Raises
    OSError."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _check_own(opened, folder)
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=opened)
        with os.fdopen(file, "rb") as content:
            _check_own(file, folder / name)
            content.seek(at)
            return content.read() if size is None else content.read(size)
    finally:
        os.close(opened)


def _check_own(file: int, path: Path) -> None:
    facts = os.fstat(file)
    is_plain = stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode)
    if not is_plain or facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
        raise PermissionError(1, f"{path} is not this user's alone")
