"""Measures how far robots are behind the gateway's tape.

A silent market makes no robot late: a robot is behind if it has not read market news on the tape, by the age of that
news.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from onetape.model.errors import OnetapeError
from onetape.tape.journal import JournalReader

__all__ = ["RobotLag"]

_MARKET: Final = ("quote", "trade", "book", "bar", "mark", "mbo")


class RobotLag:
    """Measures how far robots are behind the gateway's tape.

    tape: the gateway's.
    hub: if the market is the hub's, its journal, and the stream numbers there of the gateway's instruments.
    stale_ns: largest age in time, 0: any.
    Times are of the wall clock, ns UTC, as frames of the tape have them.
    """

    def __init__(
        self, tape: Path, stale_ns: int, *, hub: tuple[Path, Callable[[], frozenset[int]]] | None = None
    ) -> None:
        self._tape = tape
        self._hub = hub
        self._hub_reader: JournalReader | None = None
        self._stale_ns = stale_ns
        self._late: set[int] = set()
        self._reader: JournalReader | None = None

    def of_decision(self, decided: int, now: int) -> int:
        """Returns the age of the oldest news that a decision had not read, ns; 0: none that is too old.

        decided: time of the newest frame that had been read.
        """
        if not self._stale_ns or now - decided <= self._stale_ns:
            return 0
        reader = self._open()
        reader.seek_time(decided + 1)
        return max(self._age(reader, decided, now), self._age_at_hub(decided, now))

    def of_progress(self, sequence: int, now: int) -> int:
        """Returns the lag of a robot that has read up to this frame, ns."""
        if not self._stale_ns or not sequence:
            return 0
        reader = self._open()
        reader.core.seek_sequence(sequence + 1)
        return self._age(reader, 0, now)

    def began(self, robot: int) -> bool:
        """Notes that a robot is behind; returns whether it was not before."""
        is_new = robot not in self._late
        self._late.add(robot)
        return is_new

    def ended(self, robot: int) -> bool:
        """Notes that a robot is not behind; returns whether it was before."""
        was_late = robot in self._late
        self._late.discard(robot)
        return was_late

    def _age_at_hub(self, decided: int, now: int) -> int:
        if self._hub is None:
            return 0
        path, streams = self._hub
        try:
            if self._hub_reader is None or self._hub_reader.is_gone:
                self._hub_reader = JournalReader(path)
            self._hub_reader.seek_time(decided + 1)
            return self._age(self._hub_reader, decided, now, streams())
        except OnetapeError:  # it is being created: what is missing there, no robot could read
            self._hub_reader = None
            return 0

    def _age(self, reader: JournalReader, after: int, now: int, streams: frozenset[int] | None = None) -> int:
        for frame in reader.frames(_MARKET):
            if streams is not None and frame.stream not in streams:
                continue
            if frame.time > now - self._stale_ns:
                return 0  # all later frames are newer
            if frame.time > after:
                return now - frame.time
        return 0

    def _open(self) -> JournalReader:
        if self._reader is None:
            self._reader = JournalReader(self._tape)
        return self._reader
