"""What a host knows of the others: a file that its process writes once a second, for `status --all`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.model.typed import from_json
from onetape.security.private import replace_private

__all__ = ["HostRow", "hosts_now", "write_hosts"]

STALE_NS: Final = 5_000_000_000


class HostRow(msgspec.Struct, frozen=True):
    """One host. state: self, up, away, down: away since its operator stopped it. clock_ms: how far its clock is behind
    ours, with the way of the message. lag_ms: age of the oldest frame that is not copied here, None: nothing of it is
    copied. processes: as it announced them."""

    host: str
    state: str
    version: str
    clock_ms: float
    lag_ms: int | None
    processes: list[dict[str, Any]]


class _Saved(msgspec.Struct, frozen=True):
    time: int  # ns UTC
    server: str  # "connected", or what is the matter
    stored: str  # why the servers store no blocks, "": they do
    hosts: list[HostRow]
    leases: dict[str, dict[str, Any]] = {}


def write_hosts(
    home: Path, hosts: list[HostRow], *, now: int, server: str, stored: str, leases: dict[str, dict[str, Any]]
) -> None:
    replace_private(_file(home), msgspec.json.encode(_Saved(now, server, stored, hosts, leases)))


def hosts_now(home: Path) -> dict[str, Any] | None:
    """Returns {hosts, server, stored, leases}: rows as HostRow, the state of the connection, and by process {host, to,
    token}; None: this home is of no cluster, or its process does not run."""
    try:
        saved = from_json(_file(home).read_bytes(), _Saved)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    if time.time_ns() - saved.time > STALE_NS:
        return None
    found: dict[str, Any] = msgspec.to_builtins(saved)
    del found["time"]
    return found


def _file(home: Path) -> Path:
    return home / "run" / "cluster.json"
