"""What a supervisor is started with, and where it is found. Light: every look at it begins here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

__all__ = [
    "RobotOptions",
    "SupervisorOptions",
    "VenueOptions",
    "supervisor_journal",
    "supervisor_socket",
]


class SupervisorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """config: the file, "": the environment alone."""

    home: str
    config: str


def supervisor_journal(home: Path) -> Path:
    return home / "journal" / "supervisor"


def supervisor_socket(home: Path) -> Path:
    return home / "run" / "supervisor.sock"


class VenueOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a simulated exchange is started with. port: the one of its last life, 0: any."""

    kind: str
    seed: int
    port: int
    state: str


class RobotOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a robot of the configuration is started with. symbols_only: it is asked which symbols
    it trades and says them, one a line. since: runs that began after
    this moment, ns, go on; 0: none does."""

    name: str
    home: str
    folder: str  # what the paths of the configuration are relative to
    strategy: str
    account: str
    subaccount: str
    on_error: str
    params: dict[str, Any]
    restart: str = "memory"
    streams: list[str] = []  # collectors that it hears beside its gateway
    since: int = 0
    symbols_only: bool = False
