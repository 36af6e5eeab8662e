"""Folders and files that are their owner's alone: 0700 and 0600, whatever the umask says."""

from __future__ import annotations

from pathlib import Path

__all__ = ["make_private", "private_folder"]


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


def make_private(folder: Path) -> None:
    """Takes the rights of others away from a folder and all that is in it."""
    folder.chmod(0o700)
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
