"""Results of checks, one line each: `onetape doctor` prints them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from onetape.model.errors import OnetapeError

__all__ = ["ERROR", "OK", "WARNING", "Finding"]

OK: Final = "ok"
WARNING: Final = "warning"
ERROR: Final = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check. state: ok, warning, error. error, code: of an error, its name and number; exit_code: of a
    command that met it, 0: none of its own."""

    state: str
    subject: str
    text: str
    todo: str = ""
    error: str = ""
    code: int = 0
    exit_code: int = 0

    @classmethod
    def of(cls, subject: str, error: OnetapeError) -> Finding:
        location = f", {error.location}" if error.location else ""
        return cls(ERROR, subject, f"{error.what}{location}", error.todo, error.name, error.code, error.exit_code)
