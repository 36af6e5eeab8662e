"""Write a tape in a hidden directory and move it to its path when complete, so that no partial tape stays there."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from onetape.data.rejects import FILE_NAME as REJECTS
from onetape.model.errors import DiskFull, UsageError
from onetape.tape.segments import foreign_to_tape, is_tape

# Files that a running journal's writer has for its readers; a finished tape has neither.
LIVE_FILES: Final = ("lock", "control", "bells")


@contextmanager
def staged(out: Path, *, force: bool = False, may_be_empty: bool = False) -> Iterator[Path]:
    """Yield a hidden directory beside `out` that replaces it when the block ends without an error.

    may_be_empty: an empty folder counts as a free path. Raises UsageError if `out` exists and force is not set, or if
    it is no tape.
    """
    if may_be_empty and out.is_dir() and not out.is_symlink() and not any(out.iterdir()):
        out.rmdir()
    refuse_existing(out, force=force)
    out = out.absolute()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"the folder of the tape cannot be made: {(error.strerror or str(error)).lower()}",
            location=str(out.parent),
            todo="name another --out",
        ) from None
    _sweep(out)
    partial = out.parent / f".{out.name}.partial-{os.getpid()}"
    try:
        partial.mkdir(mode=0o700)
    except OSError as error:
        raise UsageError(
            f"the folder cannot be written: {(error.strerror or str(error)).lower()}", location=str(out.parent)
        ) from None
    try:
        yield partial
        for name in LIVE_FILES:
            (partial / name).unlink(missing_ok=True)
        _move(partial, out, force=force)
    except OSError as error:
        if error.errno in {28, 122}:
            raise DiskFull(f"no room: {error.strerror}", location=str(out)) from None
        raise UsageError(f"the tape cannot be written: {error}", location=str(out)) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def refuse_existing(out: Path, *, force: bool) -> None:
    """Raise UsageError unless `out` is free, or a tape that may be replaced."""
    if not os.path.lexists(out):
        return
    if not force:
        raise UsageError("the tape exists already", location=str(out), todo="name another, or use --force")
    if out.is_symlink() or not is_tape(out):
        raise UsageError("this exists and is not a tape", location=str(out), todo="--force replaces tapes only")
    if foreign := sorted(foreign_to_tape(out) - {REJECTS}):
        raise UsageError(
            f"this folder is not a tape alone: it also has {', '.join(foreign[:3])}",
            location=str(out),
            todo="--force replaces tapes only",
        )


def _move(partial: Path, out: Path, *, force: bool) -> None:
    refuse_existing(out, force=force)
    if not os.path.lexists(out):
        partial.rename(out)
        return
    old = out.parent / f".{out.name}.replaced-{os.getpid()}"
    out.rename(old)
    try:
        partial.rename(out)
    except OSError:
        old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sweep(out: Path) -> None:
    """Remove partial tapes that killed imports to the same path have left."""
    pattern = re.compile(re.escape(f".{out.name}.") + r"(partial|replaced)-(\d+)\Z")
    for entry in out.parent.iterdir():
        match = pattern.match(entry.name)
        if match and not _is_alive(int(match[2])) and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()
