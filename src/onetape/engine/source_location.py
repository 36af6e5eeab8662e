"""Says which line of a strategy has raised."""

from __future__ import annotations

import traceback
from pathlib import Path

__all__ = ["source_location"]


def source_location(problem: BaseException) -> str:
    """`file.py:line in function` of the innermost frame outside this package."""
    if isinstance(problem, SyntaxError) and problem.filename:
        return f"{problem.filename}:{problem.lineno}"
    package = str(Path(__file__).resolve().parent.parent)
    frames = traceback.extract_tb(problem.__traceback__)
    own = [f for f in frames if not f.filename.startswith((package, "<frozen"))]
    if not own:
        return ""
    last = own[-1]
    return f"{last.filename}:{last.lineno} in {last.name}"
