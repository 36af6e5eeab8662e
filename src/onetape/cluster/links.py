"""Show the copy of another host's journal at its usual place, so that readers need not know where a process runs."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["show_copy"]


def show_copy(place: Path, copy: Path) -> None:
    """Makes `place` show the copy. A journal of this host that is there stays."""
    target = os.path.relpath(copy, place.parent)
    if place.is_symlink() and place.readlink() == Path(target):
        return
    if place.exists() and not place.is_symlink():
        return
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = place.with_name(f".{place.name}.link")
    beside.unlink(missing_ok=True)
    beside.symlink_to(target)
    beside.replace(place)
