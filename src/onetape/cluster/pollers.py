"""Let the pollers of a venue on several hosts count each other, so that they divide its symbols and the second."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from onetape.cluster.blocks import token
from onetape.model.typed import from_json
from onetape.store.shared_counters import SharedLeases

__all__ = ["PollerLeases"]


class Renewals(msgspec.Struct, frozen=True):
    """The pollers of a host. leases: by the name of their file, (number of a poller, ns until it counts as gone)."""

    leases: dict[str, list[tuple[int, int]]]


class PollerLeases:
    """Exchanges the leases in `<home>/run/pollers-VENUE` with other hosts. A file is made by a host's own poller."""

    def __init__(self, host: str, home: Path, *, root: str, send: Callable[[str, bytes, str], None]) -> None:
        self._home, self._send = home, send
        self._subject = f"{root}.pollers.{token(host)}"
        self.subject = f"{root}.pollers.*"
        self._files: dict[str, SharedLeases] = {}
        self._remote: dict[int, int] = {}  # pollers of other hosts, and until when their leases last

    def tick(self) -> None:
        """Called several times a second: says which pollers this host has."""
        now = time.monotonic_ns()
        self._remote = {holder: until for holder, until in self._remote.items() if until > now}
        found = {path.name: self._own(path, now) for path in (self._home / "run").glob("pollers-*")}
        if any(found.values()):
            self._send(self._subject, msgspec.json.encode(Renewals(found)), "")

    def _own(self, path: Path, now: int) -> list[tuple[int, int]]:
        file = self._files.get(path.name)
        if file is None:
            file = self._files[path.name] = SharedLeases(path)
        with file.changing() as leases:
            return [(holder, until - now) for holder, until in leases if until > now and holder not in self._remote]

    def received(self, subject: str, message: bytes) -> bool:
        """Takes another host's pollers; False: it is no such message."""
        if not subject.startswith(self.subject[:-1]):
            return False
        if subject != self._subject:
            now = time.monotonic_ns()
            for name, theirs in from_json(message, Renewals).leases.items():
                coming = {holder: now + left for holder, left in theirs}
                self._remote |= coming
                if (file := self._files.get(name)) is not None:
                    with file.changing() as leases:
                        leases[:] = sorted({**dict(leases), **coming}.items())
        return True

    def close(self) -> None:
        for file in self._files.values():
            file.close()
