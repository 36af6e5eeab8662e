"""Folders and files for their owner only: 0700 and 0600, whatever the umask."""

from __future__ import annotations

import stat
from pathlib import Path

from onetape.model.errors import PermissionDenied

__all__ = ["check_folders", "make_private", "private_folder", "replace_private"]


def private_folder(path: Path) -> Path:
    """Makes `path` and missing parents, each 0700. Existing folders keep their mode."""
    missing = []
    at = path
    while not at.exists():
        missing.append(at)
        at = at.parent
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
    return path


def replace_private(path: Path, content: bytes) -> None:
    """Writes a file, 0600, so that readers see the old content or the new one. It is not synced."""
    private_folder(path.parent)
    beside = path.with_suffix(".new")
    beside.touch(0o600)
    beside.write_bytes(content)
    beside.replace(path)


def check_folders(path: Path) -> None:
    """Raises PermissionDenied if everybody may write in a folder above this file, and so replace it. Folders with the
    sticky bit, such as /tmp, are allowed: there users can replace only their own files."""
    for folder in path.absolute().parent.resolve().joinpath("x").parents:
        mode = folder.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise PermissionDenied("everybody may write there", location=str(folder), todo=f"chmod o-w {folder}")


def make_private(folder: Path) -> None:
    """Removes others' rights from a folder and all that is in it."""
    folder.chmod(0o700)
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
