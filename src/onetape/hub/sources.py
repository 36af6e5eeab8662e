"""The collectors' journals that are merged: found when they exist, followed from their cursors, and found again when
another journal replaces them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape._core import Merge
from onetape.hub.hub_tape import Cursor
from onetape.model.errors import OnetapeError
from onetape.model.instrument import Instrument
from onetape.model.time import SECOND
from onetape.options.hub import SourceOptions
from onetape.tape.incarnation import Incarnation
from onetape.tape.journal import JournalReader
from onetape.tape.segments import is_tape
from onetape.tape.wait import Waiter

__all__ = ["Source", "Sources"]

REREAD: Final = 256  # frames before a cursor that are read again; merged ones stay merged once
SINCE: Final = 10 * SECOND  # how far back a journal is read that was never followed
_NO_LINK: Final = ("book ", "instruments")  # other subjects of a collector's health records
HEARTBEAT_MAX: Final = SECOND // 2  # attended time without a heartbeat: stopped, or a zombie


@dataclass(slots=True)
class Source:
    number: int
    options: SourceOptions
    reader: JournalReader | None = None
    incarnation: Incarnation | None = None
    links: dict[str, bool] = field(default_factory=dict)  # its connections, with whether each is lost
    errors: int = 0  # reported errors
    heartbeat: int = 0
    beat_at: int = 0  # attended time
    away_until: int = 0  # by the machine's clock: end of a pause after it was unreadable

    @property
    def is_lost(self) -> bool:
        return bool(self.links) and all(self.links.values())

    def begins_anew(self) -> bool:
        """Tells whether another process writes its journal since the last call: the connections of the previous one are
        gone."""
        if self.incarnation is None or not self.incarnation.is_new():
            return False
        self.links.clear()
        return True

    def is_alive(self, now: int) -> bool:
        """Tells whether its process runs, and is not stopped. now: attended time."""
        if self.reader is None or not self.reader.writer_alive:
            return False
        beat = int(self.reader.control.get("heartbeat", 0))
        if beat != self.heartbeat:
            self.heartbeat, self.beat_at = beat, now
        return now - self.beat_at <= HEARTBEAT_MAX

    def health(self, record: Mapping[str, Any]) -> None:
        """Handles a record of its own journal about a connection."""
        subject, state = str(record.get("subject", "")), str(record.get("state", ""))
        if subject.startswith(_NO_LINK):
            return
        is_lost = state.startswith("lost")
        self.errors += is_lost or state in ("gap", "bad message")
        if is_lost:
            self.links[subject] = True
        elif state in ("connected", "heard"):
            self.links[subject] = False


class Sources:
    """Follows the journals that are merged. cursors: of journals by uuid, from an earlier incarnation."""

    def __init__(self, options: list[SourceOptions], merge: Merge, cursors: Mapping[bytes, Cursor]) -> None:
        self.all = [Source(number, each) for number, each in enumerate(options)]
        self.by_name = {each.options.name: each for each in self.all}
        self.waiter = Waiter()
        self._merge = merge
        self._cursors = dict(cursors)

    def missing(self) -> list[Source]:
        """Returns the sources whose journal is not followed, or was replaced."""
        for each in self.all:
            if each.reader is not None and each.reader.is_gone:
                self.leave(each)
        return [each for each in self.all if each.reader is None]

    def follow(self, source: Source) -> dict[int, Instrument] | None:
        """Follows a source's journal; returns the instruments of its streams at the place of its cursor. None: there is
        no journal yet."""
        path = Path(source.options.journal)
        if not is_tape(path):
            return None
        try:
            reader = JournalReader(path)
        except OnetapeError:  # it is being created
            return None
        try:
            self._seek(reader)
            instruments = {
                stream: Instrument.from_msgpack(msgspec.msgpack.encode(record))
                for stream, record in reader.instruments.items()
            }
        except OnetapeError:
            reader.close()
            return None
        source.reader, source.incarnation = reader, Incarnation(reader)
        source.begins_anew()
        self.waiter.add(reader)
        self._merge.follow(source.number, reader.core)
        return instruments

    def leave(self, source: Source) -> None:
        if source.reader is None:
            return
        self._cursors[source.reader.uuid.bytes] = Cursor(source.reader.epoch, source.reader.next_sequence - 1)
        self.waiter.remove(source.reader)
        self._merge.follow(source.number, None)
        source.reader.close()
        source.reader = source.incarnation = None

    def close(self) -> None:
        for each in self.all:
            self.leave(each)

    def _seek(self, reader: JournalReader) -> None:
        cursor = self._cursors.get(reader.uuid.bytes)
        if cursor is None:
            reader.seek_time(time.time_ns() - SINCE)
            return
        # A journal that lost its end in a crash ends before its cursor.
        last = min(cursor.sequence, reader.last_sequence)
        reader.seek_sequence(max(1, last - REREAD + 1))
