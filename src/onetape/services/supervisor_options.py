"""What a supervisor is started with, and where it is found. Light: every look at it begins here."""

from __future__ import annotations

from pathlib import Path

import msgspec

__all__ = ["SupervisorOptions", "supervisor_journal", "supervisor_socket"]


class SupervisorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """config: the file, "": the environment alone."""

    home: str
    config: str


def supervisor_journal(home: Path) -> Path:
    return home / "journal" / "supervisor"


def supervisor_socket(home: Path) -> Path:
    return home / "run" / "supervisor.sock"
