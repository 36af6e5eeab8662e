"""Which files are opened meanwhile: by Python's own calls and by this package's readers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["watched"]

# What is watched now, resolved, and what was opened of it. Audit hooks cannot be taken out again,
# so there is one, made when it is first needed, and it does nothing while nothing is watched.
_watched: list[str] = []
_opened: list[str] = []
_hooks: list[object] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watched or event not in ("open", "onetape.open"):
        return
    if arguments and isinstance(arguments[0], (str, bytes, os.PathLike)):
        path = os.path.realpath(os.fsdecode(arguments[0]))
        if any(path == each or path.startswith(each + os.sep) for each in _watched):
            _opened.append(path)


@contextmanager
def watched(paths: Sequence[Path]) -> Iterator[list[str]]:
    """Yields a list that has, at the end, each opening of one of `paths` or of a file in it.

    Does not see what other processes and foreign libraries open by themselves.
    """
    if not _hooks:
        sys.addaudithook(_hook)
        _hooks.append(_hook)
    opened: list[str] = []
    _watched[:] = [os.path.realpath(path) for path in paths]
    try:
        yield opened
    finally:
        _watched.clear()
        opened += _opened
        _opened.clear()
