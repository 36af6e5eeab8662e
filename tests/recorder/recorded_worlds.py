"""Gateways' journals for tests of records, and how they are recorded."""

from __future__ import annotations

import random
from collections import deque
from contextlib import contextmanager
from pathlib import Path

import msgspec
import sqlalchemy as sa

from onetape.model.enums import EventType
from onetape.recorder.recorder import Recorder
from onetape.store.records import Records, metadata
from onetape.tape.journal import JournalReader, JournalWriter


def record_all(home: Path, url: str = "sqlite:///store.db") -> Records:
    """Everything that is there; the caller closes it."""
    records = Records(url, home=home)
    assert records.take_lease() == ""
    recorder = Recorder(home, records, leverage={})
    while recorder.step() and recorder.is_behind:
        pass
    return records


class Killed(BaseException):
    """kill -9 of the recorder."""


def record_with_kills(home: Path, url: str, rng: random.Random) -> int:
    """Reads a few frames at a time and dies again and again, before a commit or behind it. Returns how
    often."""
    kills = 0
    while True:
        records = Records(url, home=home)
        records.take_lease()
        recorder = Recorder(home, records, leverage={}, frames_max=rng.randrange(1, 60))
        commits = rng.randrange(1, 6)
        records.transaction = _dying(records, commits, is_before=rng.random() < 0.5)  # type: ignore[method-assign]
        try:
            while recorder.step():
                pass
            return kills
        except Killed:
            kills += 1
        finally:
            records.close()


def _dying(records: Records, commits: int, *, is_before: bool):
    real, left = records.transaction, commits

    @contextmanager
    def transaction():
        nonlocal left
        left -= 1
        with real() as connection:
            yield connection
            if left == 0 and is_before:
                raise Killed
        if left == 0:
            raise Killed

    return transaction


def contents(records: Records) -> dict[str, list[dict]]:
    """All rows but of who wrote them and how far it had come."""
    found = {}
    for name, table in metadata.tables.items():
        if name not in ("record_lease", "record_cursors"):
            rows = records.rows(sa.select(table).order_by(*table.primary_key.columns))
            found[name] = rows
    return found


class Retold:
    """A gateway's journal that is written anew, some frames at a time, in a home of its own."""

    def __init__(self, home: Path, journal: Path) -> None:
        self.home = home
        with JournalReader(journal) as reader:
            self._left = deque(reader.frames())
        self._writer = JournalWriter(home / "journal" / journal.name, process="gateway:main", account="main")

    def write(self, count: int, *, shift: int = 0) -> int:
        """The next frames, if there are so many. shift: of the host's clock, ns. Returns how many there are."""
        for frame in [self._left.popleft() for _ in range(min(count, len(self._left)))]:
            self._time = frame.time + shift
            if frame.type == EventType.INSTRUMENT.id:
                self._writer.append_instrument(frame.stream, frame.time + shift, frame.payload)
            else:
                self._writer.append_raw(frame.type, frame.payload, frame.flags, frame.stream, frame.time + shift)
        return self._writer.published

    def fill_up(self, count: int) -> None:
        """So many frames that the recorder reads, and that change nothing."""
        payload = msgspec.msgpack.encode({"kind": "market", "subject": "", "state": "live"})
        for _ in range(count):
            self._writer.append("health", payload, time=self._time)

    def close(self) -> None:
        self._writer.close()
