"""How far behind the gateway's tape robots are.

A market that stands still makes nobody late: a robot is behind when there was news of the market on
the tape that it had not read, and for how long is that news's age.
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
    hub: where the market is the hub's: its journal, and the numbers there of what the gateway trades.
    stale_ns: what is still in time, 0: everything is.
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

        It was decided when the newest frame that had been read was of that time.
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
        except OnetapeError:  # it is being made anew: what it lacks nobody could read
            self._hub_reader = None
            return 0

    def _age(self, reader: JournalReader, after: int, now: int, streams: frozenset[int] | None = None) -> int:
        for frame in reader.frames(_MARKET):
            if streams is not None and frame.stream not in streams:
                continue
            if frame.time > now - self._stale_ns:
                return 0  # all that follow are newer
            if frame.time > after:
                return now - frame.time
        return 0

    def _open(self) -> JournalReader:
        if self._reader is None:
            self._reader = JournalReader(self._tape)
        return self._reader
