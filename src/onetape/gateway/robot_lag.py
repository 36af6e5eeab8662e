"""How far behind the gateway's tape robots are.

A market that stands still makes nobody late: a robot is behind when there was news of the market on
the tape that it had not read, and for how long is that news's age.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from onetape.tape.journal import JournalReader

__all__ = ["RobotLag"]

_MARKET: Final = ("quote", "trade", "book", "bar", "mark", "mbo")


class RobotLag:
    """Measures how far robots are behind the gateway's tape.

    tape: the gateway's.
    stale_ns: what is still in time, 0: everything is.
    Times are of the wall clock, ns UTC, as frames of the tape have them.
    """

    def __init__(self, tape: Path, stale_ns: int) -> None:
        self._tape = tape
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
        return self._age(reader, decided, now)

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

    def _age(self, reader: JournalReader, after: int, now: int) -> int:
        for frame in reader.frames(_MARKET):
            if frame.time > now - self._stale_ns:
                return 0  # all that follow are newer
            if frame.time > after:
                return now - frame.time
        return 0

    def _open(self) -> JournalReader:
        if self._reader is None:
            self._reader = JournalReader(self._tape)
        return self._reader
