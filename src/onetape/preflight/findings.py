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
    """The result of a check. state: ok, warning, error. error, code: name and number of the error, if there is one;
    exit_code: that of a command that fails with the error, 0: none of its own."""

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
