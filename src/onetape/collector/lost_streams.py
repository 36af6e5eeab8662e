"""Finds out from the hub since when only pollers bring a venue's market."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

import msgspec

from onetape.model.errors import OnetapeError
from onetape.model.time import MINUTE
from onetape.tape.incarnation import Incarnation
from onetape.tape.journal import JournalReader
from onetape.tape.segments import is_tape

__all__ = ["LostStreams"]

LOOK_BACK: Final = 2 * MINUTE  # the hub writes its sources, with their states, each minute
FAILING: Final = "failing"


class LostStreams:
    """Tells since when no stream brings a venue's market. hub: its journal. names: of the collectors that follow the
    venue's streams."""

    def __init__(self, hub: Path, names: Collection[str]) -> None:
        self._hub, self._names = hub, frozenset(names)
        self._failing: dict[str, int] = {}  # since when, ns UTC
        self._reader: JournalReader | None = None
        self._incarnation: Incarnation | None = None

    def look(self) -> int:
        """Returns since when all streams of the venue are failing, ns UTC, the same for all callers; 0: one is not, or
        there is no hub."""
        try:
            if self._reader is not None and self._reader.is_gone:
                self.close()
            if self._reader is None and is_tape(self._hub):
                self._reader = JournalReader(self._hub)
                self._incarnation = Incarnation(self._reader)
                self._reader.seek_time(time.time_ns() - LOOK_BACK)
            if self._reader is None or self._incarnation is None or not self._reader.writer_alive:
                return 0
            frames = list(self._reader.frames(("health",)))
            if self._incarnation.is_new():
                self._failing.clear()
            for frame in frames:
                if frame.sequence < self._incarnation.first:
                    continue
                match msgspec.msgpack.decode(frame.payload):
                    case {"kind": "source", "subject": name, "state": state}:
                        self._heard(name, state, frame.time)
                    case {"kind": "hub", "sources": sources}:
                        for each in sources:
                            self._heard(each["name"], each.get("state", ""), frame.time)
        except OnetapeError:  # a journal that is being created, or cut
            self.close()
        return max(self._failing.values()) if self._names and self._names <= self._failing.keys() else 0

    def _heard(self, name: str, state: str, at: int) -> None:
        if name not in self._names:
            return
        if state == FAILING:
            self._failing.setdefault(name, at)
        else:
            self._failing.pop(name, None)

    def close(self) -> None:
        self._failing.clear()
        reader, self._reader = self._reader, None
        self._incarnation = None
        if reader is not None:
            reader.close()
