"""Folders and files that are their owner's alone: 0700 and 0600, whatever the umask says."""

from __future__ import annotations

import stat
from pathlib import Path

from onetape.model.errors import PermissionDenied

__all__ = ["check_folders", "make_private", "private_folder"]


def private_folder(path: Path) -> Path:
    """Makes `path` and what is missing above it, each 0700. What is there keeps its mode."""
    missing = []
    at = path
    while not at.exists():
        missing.append(at)
        at = at.parent
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
    return path


def check_folders(path: Path) -> None:
    """Raises PermissionDenied where everybody may write in a folder above this file: who may do so puts another file in
    its place. A folder with the sticky bit, such as /tmp, lets each replace only what is his own."""
    for folder in path.absolute().parent.resolve().joinpath("x").parents:
        mode = folder.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise PermissionDenied("everybody may write there", location=str(folder), todo=f"chmod o-w {folder}")


def make_private(folder: Path) -> None:
    """Takes the rights of others away from a folder and all that is in it."""
    folder.chmod(0o700)
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
