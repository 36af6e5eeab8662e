"""Find the line of a strategy that raised an exception."""

from __future__ import annotations

import os
import sysconfig
import traceback
from pathlib import Path
from typing import Final

__all__ = ["place_in", "source_location"]

_STANDARD_LIBRARY: Final = sysconfig.get_paths()["stdlib"] + os.sep


def source_location(problem: BaseException) -> str:
    """Returns `file.py:line in function` of the innermost frame outside this package and the standard library."""
    if isinstance(problem, SyntaxError) and problem.filename:
        return f"{problem.filename}:{problem.lineno}"
    package = str(Path(__file__).resolve().parent.parent)
    frames = traceback.extract_tb(problem.__traceback__)
    own = [f for f in frames if not f.filename.startswith((package, "<frozen")) and not _is_standard(f.filename)]
    if not own:
        return ""
    last = own[-1]
    return f"{last.filename}:{last.lineno} in {last.name}"


def place_in(location: str, callback: str) -> str:
    """Returns `file.py:line in helper, in on_bar`, and `file.py:line in on_bar` of what the callback itself did."""
    return location if location.endswith(f" in {callback}") else f"{location}, in {callback}"


def _is_standard(file: str) -> bool:
    """Returns True for the standard library; packages beside it (site-packages, dist-packages) may be a strategy."""
    return file.startswith(_STANDARD_LIBRARY) and "-packages" not in file
